import type { Filler, Template } from "../../support/test-database.ts"

/** Tables on which every problem can be provoked. Deterministic: what is random is seeded. */
export const plantedSchema: Template = {
  name: "explain_planted",
  async build(filler) {
    // VACUUM does not mark as visible to all what was committed without waiting for the log.
    await filler.query("set synchronous_commit = on")
    for (const part of [shop, shapes, upkeep, references, kinds]) await filler.exec(part)
    await partitions(filler)
    const { rows } = await filler.query(
      "select relname from pg_class where relnamespace = 'public'::regnamespace and (relkind = 'p' or relkind = 'r' and not relispartition)",
    )
    const left = new Set(["growing", "visible", "sparse", "churned"])
    for (const { relname } of rows) if (!left.has(String(relname))) await filler.query(`vacuum analyze ${relname}`)
    await age(filler)
  },
}

const shop = `
  select setseed(0.42);
  create extension pg_trgm;
  create table shop_order (id int primary key, customer_id int not null, state text not null, code varchar(20) not null, placed timestamptz not null, total numeric(10,2) not null, note text, remark text, extra jsonb);
  insert into shop_order select g, 1 + (random() * 19999)::int, case when g % 1000 = 0 then 'lost' when g % 3 = 0 then 'open' else 'done' end, 'C' || (g * 7919 % 200000),
    timestamptz '2024-01-01' + g * interval '1 minute', (random() * 1000)::numeric(10,2), repeat('n', 30), case when g % 20000 <> 0 then 'r' end, case when g % 10 = 0 then jsonb_build_object('k', g % 3000) end
    from generate_series(1, 200000) g;
  create index shop_order_placed on shop_order (placed);
  create table customer (id int primary key, email text not null, name text not null, country char(2) not null);
  insert into customer select g, 'person' || g || '@mail.test', 'Name ' || g, (array['DE','FR','IT','ES'])[1 + g % 4] from generate_series(1, 20000) g;
  create index customer_email on customer (email);
  create table line (id int primary key, order_id int not null, sku int not null, qty int not null);
  insert into line select g, 1 + g / 2, g % 5000, 1 + g % 9 from generate_series(1, 400000) g;
  create index line_order on line (order_id);
  create table tiny (code char(2) primary key, label text);
  insert into tiny values ('DE','Germany'),('FR','France'),('IT','Italy'),('ES','Spain');
  create function is_rare(n int) returns boolean language plpgsql as $f$ begin return n % 10000 = 0; end $f$;
`

const shapes = `
  create table step (id int primary key, v int);
  insert into step select g, g from generate_series(1, 2000) g;
  create table pair (a int, b int, c int, filler text);
  insert into pair select g % 100, g % 100, g % 100, repeat('x', 40) from generate_series(1, 100000) g;
  create table fact (a int, b int, c int, v text);
  insert into fact select g % 3, g, g, repeat('f', 20) from generate_series(1, 200000) g;
  create index fact_ab on fact (a, b);
  create index fact_c on fact (c);
  create table many (a int, b int, v text);
  insert into many select g % 1000, g, repeat('m', 20) from generate_series(1, 200000) g;
  create index many_ab on many (a, b);
  create table scattered (id int, k int, pad text);
  insert into scattered select g, (g * 7919::bigint % 200000)::int, repeat('s', 150) from generate_series(1, 200000) g;
  create index scattered_k on scattered (k);
  create table tree (id int primary key, up int);
  insert into tree select g, nullif(g / 3, 0) from generate_series(1, 30000) g;
  create index tree_up on tree (up);
  create table fifty (id int, k int);
  insert into fifty select g, 1 + g % 50 from generate_series(1, 30000) g;
  create table looked_up (k int primary key, val text);
  insert into looked_up select g, 'l' || g from generate_series(1, 100000) g;
  create table asking (id int, k int);
  insert into asking select g, 1 + (g * 7919::bigint % 100000)::int from generate_series(1, 100000) g;
  alter table asking alter k set (n_distinct = 1000);
  create table wide (id int primary key, k int, a text, b text);
  insert into wide select g, g * 7919 % 15000, repeat(md5(g::text), 25), repeat('w', 500) from generate_series(1, 15000) g;
  create function series_of(n int) returns setof int language plpgsql as $f$ begin return query select generate_series(1, n); end $f$;
`

const upkeep = `
  create table sparse (id int, v text);
  insert into sparse select g, repeat('b', 500) from generate_series(1, 90000) g;
  delete from sparse where id % 100 <> 0;
  create table visible (id int, v int, pad text);
  insert into visible select g, g, repeat('p', 20) from generate_series(1, 100000) g;
  create index visible_v on visible (v);
  create table churned (id int, v int, pad text) with (autovacuum_enabled = off);
  insert into churned select g, g, repeat('p', 200) from generate_series(1, 25000) g;
  create table growing (id int, st text, n int) with (autovacuum_enabled = off);
  insert into growing select g, 'old', g from generate_series(1, 60000) g;
  create index growing_st on growing (st);
`

const references = `
  create table parent (id int primary key, v int);
  insert into parent select g, g from generate_series(1, 2000) g;
  create table kid (id int, parent_id int references parent on delete cascade, pad text);
  insert into kid select g, 1 + g % 2000, repeat('k', 20) from generate_series(1, 200000) g;
  create table coded (id int primary key, code text unique);
  insert into coded select g, 'c' || g from generate_series(1, 2000) g;
  create table coded_kid (id int, code text references coded (code) on update cascade);
  insert into coded_kid select g, 'c' || (1 + g % 2000) from generate_series(1, 100000) g;
  create table parent_ok (id int primary key);
  insert into parent_ok select g from generate_series(1, 2000) g;
  create table kid_ok (id int, parent_id int references parent_ok on delete cascade);
  insert into kid_ok select g, 1 + g % 2000 from generate_series(1, 20000) g;
  create index kid_ok_parent on kid_ok (parent_id);
  create table watched (id int primary key, v int);
  insert into watched select g, g from generate_series(1, 20000) g;
  create function slow_watch() returns trigger language plpgsql as $f$ begin perform pg_sleep(0.0005); return new; end $f$;
  create function slow_end() returns trigger language plpgsql as $f$ begin perform pg_sleep(0.05); return null; end $f$;
  create trigger watch_after after update on watched for each row execute function slow_watch();
  create trigger watch_end after delete on watched for each statement execute function slow_end();
  create table stamped (id int primary key, v int);
  create trigger stamp before insert on stamped for each row execute function slow_watch();
  create table ticked (id int primary key, v int);
  insert into ticked select g, g from generate_series(1, 20000) g;
  create function quick_tick() returns trigger language plpgsql as $f$ begin new.v := coalesce(new.v, 0); return new; end $f$;
  create trigger tick before update on ticked for each row execute function quick_tick();
`

const kinds = `
  create table document (id int primary key, body jsonb);
  insert into document select g, jsonb_build_object('kind', g % 10, 'text', (select string_agg(md5((g * 40 + i)::text), '') from generate_series(1, 120) i)) from generate_series(1, 3000) g;
  create table word (id int, t text);
  insert into word select g, md5(g::text) || ' ' || md5((g + 1)::text) from generate_series(1, 100000) g;
  create index word_t on word (t collate "C");
  create table jumbled (id int, t text);
  insert into jumbled select g, 'zabcz zbcdz zcdez zdefz ' || g from generate_series(1, 40000) g;
  create index jumbled_t on jumbled using gin (t gin_trgm_ops);
  create index jumbled_reverse on jumbled (reverse(t));
  create table shuffled (id int, k int, pad text);
  insert into shuffled select g, (g * 7919::bigint % 100000)::int, repeat('z', 60) from generate_series(1, 100000) g;
  create index shuffled_k on shuffled using brin (k);
  create table ordered (id int, at timestamptz, pad text);
  insert into ordered select g, timestamptz '2024-01-01' + g * interval '30 s', repeat('q', 60) from generate_series(1, 100000) g;
  create index ordered_at on ordered using brin (at);
  create table tagged (id int primary key, tags int[]);
  insert into tagged select g, array[g % 1000, g % 77] from generate_series(1, 40000) g;
  create index tagged_tags on tagged using gin (tags);
  create table heavy (id int, n int, pad text);
  insert into heavy select g, case when g <= 40 then 150000 else 10 end, repeat('p', 100) from generate_series(1, 20000) g;
  create function burn(n int) returns int language plpgsql parallel safe as $f$ declare s int := 0; begin for i in 1..n loop s := s + 1; end loop; return s; end $f$;
`

async function partitions(filler: Filler): Promise<void> {
  const day = (month: number, date: number): string => new Date(Date.UTC(2022, month, date)).toISOString().slice(0, 10)
  const made = [
    "create table event (id int, day date not null, kind int) partition by range (day)",
    ...Array.from(
      { length: 24 },
      (_, at) => `create table event_${at + 1} partition of event for values from ('${day(at, 1)}') to ('${day(at + 1, 1)}')`,
    ),
    "insert into event select g, date '2022-01-01' + g % 730, g % 7 from generate_series(1, 200000) g",
    "create table piece (id int, v int) partition by hash (id)",
    ...Array.from(
      { length: 8 },
      (_, at) => `create table piece_${at} partition of piece for values with (modulus 8, remainder ${at})`,
    ),
    "insert into piece select g, g from generate_series(1, 200000) g",
    "create table sliver (at date not null, k int, v float) partition by range (at)",
    ...Array.from(
      { length: 900 },
      (_, at) => `create table sliver_${at} partition of sliver for values from ('${day(0, at + 1)}') to ('${day(0, at + 2)}')`,
    ),
    "insert into sliver select date '2022-01-01' + g % 900, g % 20, 1 from generate_series(1, 5000) g",
    // One part that only one process may read, beside others that all share.
    "create table uneven (id int, part int, v text) partition by list (part)",
    ...[1, 2, 3, 4].map((part) => `create table uneven_${part} partition of uneven for values in (${part})`),
    ...[1, 2, 3, 4].map((part) => `alter table uneven_${part} set (parallel_workers = ${part === 1 ? 0 : 2})`),
    "insert into uneven select g, 1, repeat('z', 50) from generate_series(1, 150000) g",
    "insert into uneven select g, 2 + g % 3, 'z' from generate_series(1, 15000) g",
  ]
  await filler.exec(made.join(";\n"))
}

/** Tables as they are after a while without care. */
async function age(filler: Filler): Promise<void> {
  for (const text of [
    "vacuum analyze visible",
    "update visible set pad = pad || 'x' where v % 2 = 0",
    "vacuum sparse",
    "analyze sparse",
    ...Array.from({ length: 12 }, () => "update churned set v = v + 1"),
    "vacuum churned",
    "analyze churned",
    "analyze growing",
    "insert into growing select g, 'new', g from generate_series(60001, 100000) g",
  ])
    await filler.query(text)
}

/** Tables on another server, which is this one: reached through postgres_fdw as the test's own user. */
export async function reachFar(filler: Filler, port: number, database: string): Promise<void> {
  await filler.exec(`
    create extension postgres_fdw;
    create server elsewhere foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${port}', dbname '${database}', fetch_size '5000');
    create user mapping for current_user server elsewhere options (user 'postgres');
    create schema far;
    import foreign schema public limit to (customer) from server elsewhere into far;
    analyze far.customer;
  `)
}
