-- A freight company: every value follows from its row's number, so that every figure can be repeated.
create extension if not exists pg_trgm;
create extension if not exists btree_gist;
create function pick(i bigint, salt int, many int) returns int language sql immutable parallel safe as
  $$ select (abs(hashint8extended(i, salt) % 1000000007) % many)::int $$;

create table depots (code text primary key, city text not null, spot point not null, opened date not null);
insert into depots select 'D' || lpad(i::text, 3, '0'), 'City ' || i, point(pick(i, 1, 1000), pick(i, 2, 1000)), date '2010-01-01' + i from generate_series(1, 120) i;

create table clients (id int primary key, tenant_id int not null, login text not null, legal_name text not null, blocked boolean not null, credit numeric(10,2), parent_id int, joined timestamptz not null);
insert into clients select i, 1 + pick(i, 3, 60), 'Login.' || pick(i, 4, 1000000) || '-' || i, 'The ' || (array['great','small','old','northern','quick'])[1 + pick(i, 5, 5)] || ' ' || md5(i::text) || ' company',
  pick(i, 6, 200) = 0, pick(i, 7, 100000) / 10.0, case when pick(i, 8, 4) = 0 then 1 + pick(i, 9, 5000) end, timestamptz '2019-01-01 UTC' + pick(i, 10, 150000000) * interval '1 second' from generate_series(1, 80000) i;

create table shipments (id bigint primary key, client_id int not null references clients, tenant_id int not null, state text not null, priority smallint not null, weight int not null, depot text not null, due timestamptz not null, delivered_at timestamptz, updated_at timestamptz not null, remark text not null);
insert into shipments select i, 1 + pick(i, 11, 80000), 1 + pick(i, 12, 60), case when pick(i, 13, 1000) < 4 then 'stuck' when pick(i, 13, 1000) < 60 then 'moving' when pick(i, 13, 1000) < 100 then 'held' else 'done' end,
  pick(i, 14, 10), 1 + pick(i, 15, 30000), 'D' || lpad((1 + pick(i, 16, 120))::text, 3, '0'), timestamptz '2021-01-01 UTC' + i * interval '3 minutes' + pick(i, 17, 500000) * interval '1 second',
  case when pick(i, 18, 100) > 1 then timestamptz '2021-02-01 UTC' + i * interval '3 minutes' end, timestamptz '2021-01-02 UTC' + pick(i, 19, 100000000) * interval '1 second', repeat('r', 20 + pick(i, 20, 60)) from generate_series(1, 400000) i;

create table parcels (shipment_id bigint not null, line smallint not null, barcode text not null, sku int not null, grams int not null, labels text[] not null, facts jsonb not null, damaged boolean not null, primary key (shipment_id, line));
insert into parcels select 1 + (i - 1) / 2, 1 + i % 2, 'BC' || lpad(pick(i, 21, 100000000)::text, 9, '0'), 1 + pick(i, 22, 20000), 50 + pick(i, 23, 20000), array['l' || pick(i, 24, 900), 'm' || pick(i, 25, 60)],
  jsonb_build_object('maker', 'mk' || pick(i, 26, 2500), 'class', pick(i, 27, 12)) || case when pick(i, 28, 500) = 0 then '{"fragile": true}'::jsonb else '{}'::jsonb end, pick(i, 29, 400) = 0 from generate_series(1, 500000) i;

create table scans (id bigint primary key, scanned_at timestamptz not null, parcel bigint not null, gate int not null, reading real);
insert into scans select i, timestamptz '2023-01-01 UTC' + i * interval '7 seconds' + pick(i, 30, 5) * interval '1 second', 1 + pick(i, 31, 200000), 1 + pick(i, 32, 300), pick(i, 33, 5000) / 7.0 from generate_series(1, 1200000) i;

create table rides (id int primary key, truck int not null, span tstzrange not null, driver int);
insert into rides select i, 1 + pick(i, 34, 250), tstzrange(at, at + (1 + pick(i, 36, 10)) * interval '1 hour'), 1 + pick(i, 37, 900) from (select i, timestamptz '2022-01-01 UTC' + pick(i, 35, 70000000) * interval '1 second' as at from generate_series(1, 120000) i) s;

create table stops (id int primary key, at point not null, area box not null, kind int not null);
insert into stops select i, p, box(p, point(p[0] + pick(i, 40, 9), p[1] + pick(i, 41, 9))), pick(i, 42, 30) from (select i, point(pick(i, 38, 1000000) / 1000.0, pick(i, 39, 1000000) / 1000.0) p from generate_series(1, 90000) i) s;

create table visits (id int primary key, address inet not null, page text not null, seen timestamptz not null);
insert into visits select i, ('172.' || 16 + pick(i, 43, 16) || '.' || pick(i, 44, 256) || '.' || pick(i, 45, 256))::inet, '/t/' || pick(i, 46, 3000), timestamptz '2024-01-01 UTC' + i * interval '2 seconds' from generate_series(1, 250000) i;

create table letters (id int primary key, subject text not null, body text not null, words tsvector not null, digest text not null, sent_at timestamp);
insert into letters select i, 'about ' || md5((i * 7)::text) || (array[' rain',' ice',' tolls'])[1 + pick(i, 47, 3)], 'topic' || pick(i, 48, 3500) || ' near' || pick(i, 49, 3500) || ' far' || pick(i, 50, 3500),
  to_tsvector('simple', 'topic' || pick(i, 48, 3500) || ' near' || pick(i, 49, 3500)), repeat(md5(i::text), 5), case when pick(i, 51, 300) > 0 then timestamp '2024-01-01' + i * interval '1 minute' end from generate_series(1, 60000) i;

create table seats (id int primary key, hall int not null, taken int not null, changed_at timestamptz not null) with (fillfactor = 60);
insert into seats select i, i % 40, pick(i, 52, 1000), timestamptz '2024-01-01 UTC' from generate_series(1, 30000) i;

create table outbox (id bigint primary key, payload text not null, sent boolean not null, topic text not null);
insert into outbox select i, repeat('o', 150), pick(i, 53, 1000) > 2, 'topic' || pick(i, 54, 25) from generate_series(1, 200000) i;

create table tariffs (code char(3) primary key, rate numeric, zone text);
insert into tariffs select chr(65 + i / 26) || chr(65 + i % 26) || 'x', i / 3.0, 'z' || i % 5 from generate_series(0, 150) i;

create table invoices (shipment_id bigint not null, line smallint not null, number text not null, amount numeric(10,2) not null, paid_on date);
insert into invoices select shipment_id, line, 'IN-' || shipment_id || '-' || line, grams / 100.0, case when grams % 17 > 0 then date '2023-01-01' + grams % 300 end from parcels where sku % 2 = 0;
alter table invoices add foreign key (shipment_id, line) references parcels on delete cascade;

create table ledger (id bigint not null, booked date not null, account int not null, amount numeric not null) partition by range (booked);
create table ledger_2022 partition of ledger for values from ('2022-01-01') to ('2023-01-01');
create table ledger_2023 partition of ledger for values from ('2023-01-01') to ('2024-01-01');
create table ledger_2024 partition of ledger for values from ('2024-01-01') to ('2025-01-01');
insert into ledger select i, date '2022-01-01' + pick(i, 55, 1095), 1 + pick(i, 56, 9000), pick(i, 57, 100000) / 7.0 from generate_series(1, 300000) i;
create view open_shipments as select s.id, s.client_id, s.depot, s.due, s.priority, c.legal_name from shipments s join clients c on c.id = s.client_id where s.delivered_at is null;

create index shipments_depot_due on shipments (depot, due);
vacuum (freeze, analyze);
