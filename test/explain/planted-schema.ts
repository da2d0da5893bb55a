import type { Template } from "../support/test-database.ts"

/** Tables on which every problem can be provoked. Deterministic: what is random is seeded. */
export const plantedSchema: Template = {
  name: "explain_planted",
  async build(filler) {
    await filler.exec(`
      select setseed(0.42);
      create table shop_order (id int primary key, customer_id int not null, state text not null, code varchar(20) not null, placed timestamptz not null, total numeric(10,2) not null, note text);
      insert into shop_order select g, 1 + (random() * 19999)::int, case when g % 1000 = 0 then 'lost' when g % 3 = 0 then 'open' else 'done' end, 'C' || (g * 7919 % 200000),
        timestamptz '2024-01-01' + g * interval '1 minute', (random() * 1000)::numeric(10,2), repeat('n', 30) from generate_series(1, 200000) g;
      create index shop_order_placed on shop_order (placed);
      create table customer (id int primary key, email text not null, name text not null, country char(2) not null);
      insert into customer select g, 'person' || g || '@mail.test', 'Name ' || g, (array['DE','FR','IT','ES'])[1 + g % 4] from generate_series(1, 20000) g;
      create index customer_email on customer (email);
      create table line (id int primary key, order_id int not null, sku int not null, qty int not null);
      insert into line select g, 1 + g / 2, g % 5000, 1 + g % 9 from generate_series(1, 400000) g;
      create index line_order on line (order_id);
      create table tiny (code char(2) primary key, label text);
      insert into tiny values ('DE','Germany'),('FR','France'),('IT','Italy'),('ES','Spain');
      create table step (id int primary key, v int);
      insert into step select g, g from generate_series(1, 2000) g;
      create table pair (a int, b int, c int, filler text);
      insert into pair select g % 100, g % 100, g % 100, repeat('x', 40) from generate_series(1, 100000) g;
      create table document (id int primary key, body jsonb);
      insert into document select g, jsonb_build_object('kind', g % 10, 'text', (select string_agg(md5((g * 40 + i)::text), '') from generate_series(1, 120) i)) from generate_series(1, 3000) g;
      create table sparse (id int, v text);
      insert into sparse select g, repeat('b', 500) from generate_series(1, 30000) g;
      delete from sparse where id % 200 <> 0;
      create table event (id int, day date not null, kind int) partition by range (day);
      create table fact (a int, b int, c int, v text);
      insert into fact select g % 3, g, g, repeat('f', 20) from generate_series(1, 200000) g;
      create index fact_ab on fact (a, b);
      create index fact_c on fact (c);
      create table many (a int, b int);
      insert into many select g % 300, g from generate_series(1, 200000) g;
      create index many_ab on many (a, b);
      create table parent (id int primary key, v int);
      insert into parent select g, g from generate_series(1, 2000) g;
      create table kid (id int, parent_id int references parent on delete cascade, pad text);
      insert into kid select g, 1 + g % 2000, repeat('k', 20) from generate_series(1, 200000) g;
      create table watched (id int primary key, v int);
      insert into watched select g, g from generate_series(1, 20000) g;
      create function slow_watch() returns trigger language plpgsql as $f$ begin perform pg_sleep(0.0005); return new; end $f$;
      create trigger watch_after after update on watched for each row execute function slow_watch();
      create table visible (id int, v int, pad text);
      insert into visible select g, g, repeat('p', 20) from generate_series(1, 100000) g;
      create index visible_v on visible (v);
      create table scattered (id int, k int, pad text);
      insert into scattered select g, (g * 7919::bigint % 200000)::int, repeat('s', 150) from generate_series(1, 200000) g;
      create index scattered_k on scattered (k);
      create function series_of(n int) returns setof int language plpgsql as $f$ begin return query select generate_series(1, n); end $f$;
      create table fact_big as select g id, repeat('b', 20) v from generate_series(1, 150000) g;
      create table small_one as select g id, repeat('s', 20) pad from generate_series(1, 100) g;
      create table small_two as select g id, repeat('s', 20) pad from generate_series(1, 100) g;
      create table word (id int, t text);
      insert into word select g, md5(g::text) || ' ' || md5((g + 1)::text) from generate_series(1, 100000) g;
    `)
    const months = Array.from({ length: 24 }, (_, at) => {
      const from = new Date(Date.UTC(2022, at, 1)).toISOString().slice(0, 10)
      const to = new Date(Date.UTC(2022, at + 1, 1)).toISOString().slice(0, 10)
      return `create table event_${at + 1} partition of event for values from ('${from}') to ('${to}');`
    })
    await filler.exec(months.join("\n"))
    await filler.exec("insert into event select g, date '2022-01-01' + g % 730, g % 7 from generate_series(1, 200000) g")
    for (const table of "shop_order customer line tiny step pair document event fact many parent kid watched scattered word fact_big small_one small_two".split(
      " ",
    ))
      await filler.exec(`vacuum analyze ${table}`)
    await filler.exec("vacuum analyze visible")
    await filler.exec("update visible set pad = pad || 'x' where v % 2 = 0")
    await filler.exec("vacuum sparse; analyze sparse").catch(async () => {
      await filler.query("vacuum sparse")
      await filler.query("analyze sparse")
    })
  },
}
