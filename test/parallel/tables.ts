import type { Template } from "../support/test-database.ts"

/**
 * Tables with everything that makes equality and order tricky: numerics that differ in their scale only, NaN, minus zero, intervals of
 * equal length, jsonb numbers, blanks, cases that a collation takes for the same, NULLs everywhere; three quarters of the values on
 * a tenth of the rows. `filler` makes the rows long, so that few of them are many blocks.
 */
export const trickyTables: Template = {
  name: "tricky",
  async build(filler) {
    const { rows } = await filler.query("select exists (select from pg_collation where collprovider = 'i') as icu")
    const icu = rows[0]!.icu === true
    await filler.exec(`
create type mood as enum ('sad', 'ok', 'happy');
${icu ? "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);" : 'create collation loose from "C";'}
create collation sorted (provider = ${icu ? "icu, locale = 'de'" : "libc, locale = 'C.UTF-8'"});
create table main (
  id int primary key, k int, small smallint, big bigint, n numeric, f float8, t text collate sorted, tc text collate "C", ti text collate loose,
  c char(5), vc varchar(20), d date, ts timestamp, tz timestamptz, iv interval, j jsonb, b boolean, u uuid, by bytea, e mood, arr int[],
  r int4range, x text, filler text);
insert into main select i,
  case when i % 11 = 0 then null when i % 10 < 8 then i % 3 else i % 97 end,
  case when i % 7 = 0 then null else i % 5 - 2 end,
  case when i % 13 = 0 then null else (i::bigint * 922337203685) % 1000000007 - 500000000 end,
  case when i % 17 = 0 then null when i % 501 = 0 then 'NaN' when i % 3 = 0 then (i % 10)::numeric when i % 3 = 1 then (i % 10)::numeric(10,2) else (i % 10) + (i % 100) / 1000.0 end,
  case when i % 19 = 0 then null when i % 601 = 0 then 'NaN' when i % 401 = 0 then '-Infinity' when i % 23 = 0 then '-0' when i % 29 = 0 then '0' else (i % 64 - 32) * 0.25 end,
  case when i % 9 = 0 then null else (array['Zebra', 'apfel', 'Äpfel', 'zebra', 'Öl', 'oel', 'a-b', 'ab', 'a b', '', U&'\\FF5E', U&'\\+01F600'])[1 + i % 12] || case when i % 4 = 0 then '' else (i % 6)::text end end,
  case when i % 8 = 0 then null else (array['B', 'a', 'Ä', U&'\\FF5E', U&'\\+01F600', '~', ''])[1 + i % 7] end,
  case when i % 12 = 0 then null else (array['Anna', 'anna', 'ANNA', 'Bert', 'bert', 'x'])[1 + i % 6] end,
  case when i % 14 = 0 then null else (array['a', 'a  ', 'b', ' b'])[1 + i % 4] end,
  case when i % 6 = 0 then null else 'v' || i % 40 end,
  case when i % 18 = 0 then null when i % 701 = 0 then 'infinity' when i % 703 = 0 then '0044-03-15 BC' else date '2020-01-01' + i % 400 end,
  case when i % 16 = 0 then null when i % 707 = 0 then '-infinity' else timestamp '2021-03-28 01:00' + (i % 500) * interval '17 minutes 1.000001 seconds' end,
  case when i % 21 = 0 then null else timestamptz '2021-10-31 00:30+00' + (i % 300) * interval '13 minutes' end,
  case when i % 15 = 0 then null when i % 2 = 0 then make_interval(days => i % 4) else make_interval(hours => 24 * (i % 4)) end,
  case when i % 10 = 0 then null when i % 3 = 0 then jsonb_build_object('a', (i % 3)::numeric(5,2)) else jsonb_build_object('a', (i % 3)) end,
  case when i % 5 = 0 then null else i % 3 = 0 end,
  case when i % 20 = 0 then null else ('00000000-0000-0000-0000-' || lpad(to_hex((i * 7919) % 50), 12, '0'))::uuid end,
  case when i % 22 = 0 then null else decode(lpad(to_hex(i % 30), 2, '0'), 'hex') end,
  case when i % 4 = 0 then null else (array['sad', 'ok', 'happy']::mood[])[1 + i % 3] end,
  case when i % 24 = 0 then null when i % 25 = 0 then '{}' else array[i % 3, null, i % 2] end,
  case when i % 26 = 0 then null when i % 27 = 0 then 'empty' else int4range(i % 5, i % 5 + 3) end,
  'x' || i % 50, repeat(chr(97 + i % 26), 250)
from generate_series(1, 12000) i;
create table dim (id int primary key, label text, grp int);
insert into dim select i, case when i % 5 = 0 then null else 'label ' || i % 9 end, i % 4 from generate_series(0, 60) i;
create table parted (id int not null, k int, n numeric, t text, filler text) partition by range (id);
create table parted_1 partition of parted for values from (minvalue) to (1000);
create table parted_2 partition of parted for values from (1000) to (8500);
create table parted_3 partition of parted default;
insert into parted select id, k, n, x, filler from main where id <= 9000;
create table nobody (id int primary key, k int, n numeric, t text);
create table heavy (id int primary key, k int, n numeric, filler text);
insert into heavy select i, case when i > 7000 then 1 else i % 1000 end, i % 7, repeat('h', case when i > 7000 then 20 else 400 end) from generate_series(1, 9000) i;
create view seen as select id, k, n, t from main where k is not null;
analyze;
`)
    await filler.query("vacuum main").catch(() => {})
  },
}
