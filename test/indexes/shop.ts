import type { Template } from "../support/test-database.ts"

/** A small shop: values skewed and ordered as real ones are, every figure repeatable. */
export const shop: Template = {
  name: "index_shop",
  async build({ exec }) {
    await exec(`
create table customers (id int primary key, email text not null, region text not null, active bool not null, created_at timestamptz not null);
insert into customers select i, 'user' || i || '@example.org', 'r' || hashint4(i) % 8, hashint4(i + 1) % 50 <> 0, timestamptz '2024-01-01 UTC' + i * interval '1 minute'
  from generate_series(1, 8000) i;
create table orders (id int primary key, customer_id int not null references customers, status text not null, total numeric(10,2) not null,
  created_at timestamptz not null, paid_at timestamptz, attrs jsonb not null, tags text[] not null, note text not null);
insert into orders select i, 1 + abs(hashint4(i)) % 8000, case when abs(hashint4(i + 7)) % 200 = 0 then 'new' else 'done' end, abs(hashint4(i + 9)) % 100000 / 100.0,
  timestamptz '2024-01-01 UTC' + i * interval '5 minutes', case when abs(hashint4(i + 3)) % 100 > 0 then timestamptz '2024-06-01 UTC' end,
  jsonb_build_object('brand', 'b' || abs(hashint4(i + 5)) % 900), array['t' || abs(hashint4(i + 6)) % 700], repeat('n', 60)
  from generate_series(1, 40000) i;
create table items (order_id int not null, line int not null, product int not null, qty int not null, primary key (order_id, line));
insert into items select 1 + i / 2, i % 2, abs(hashint4(i)) % 3000, i % 9 from generate_series(0, 79999) i;
create table returns (id int primary key, order_id int not null, line int not null, why text, foreign key (order_id, line) references items on delete cascade);
insert into returns select i, 1 + i, (1 + i) % 2, 'w' from generate_series(1, 20000) i where false;
insert into returns select row_number() over (), order_id, line, 'worn' from items where product % 3 = 0;
create table counters (id int primary key, grp int not null, hits int not null) with (fillfactor = 70);
insert into counters select i, i % 50, abs(hashint4(i)) from generate_series(1, 20000) i;
create table events (at timestamptz not null, device int not null, val float8) partition by range (at);
create table events_1 partition of events for values from ('2024-01-01') to ('2024-02-01');
create table events_2 partition of events for values from ('2024-02-01') to ('2024-03-01');
insert into events select timestamptz '2024-01-01 UTC' + (i % 59) * interval '1 day', abs(hashint4(i)) % 2000, i from generate_series(1, 30000) i;
create view recent as select o.id, o.customer_id as buyer, o.total from orders o where o.status = 'new';
create schema "Odd Name";
create table "Odd Name"."Big ""Table""" (id int primary key, "select" int not null, "Grüße" text not null);
insert into "Odd Name"."Big ""Table""" select i, i % 5000, 'g' || i from generate_series(1, 20000) i;
create table documents (id int, owner int not null, body text not null);
create table contracts (signed date) inherits (documents);
insert into documents select i, abs(hashint4(i)) % 4000, repeat('d', 80) from generate_series(1, 20000) i;
insert into contracts select i, abs(hashint4(i)) % 4000, repeat('c', 80), date '2024-01-01' from generate_series(1, 20000) i;
create table raw (a int, b text);
analyze;`)
    await exec("insert into raw select i, 'x' from generate_series(1, 5000) i")
  },
}
