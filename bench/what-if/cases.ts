import type { CandidateIndex } from "../../src/indexes/what-if/planner.ts"
import { randomOf } from "../../test/support/random.ts"

/** Three related tables with skewed, correlated, unique and missing values; the same rows on every version. */
export const schema = `
create type priority as enum ('low', 'normal', 'high', 'urgent');
create table customers (id int primary key, email text not null, region text not null, score int, born date, name varchar(40));
create table orders (id bigint primary key, customer_id int not null references customers(id), status text not null, total numeric(12,2),
  created_at timestamptz not null, note text, priority priority not null, tags text[] not null, paid boolean not null);
create table events (id bigint primary key, order_id bigint not null references orders(id), at timestamp not null, kind text not null,
  amount double precision, source inet);
create index orders_customer on orders (customer_id);
insert into customers select i, 'user' || (hashint4(i) & 1048575) || '.' || i || '@example.com', (array['EU','EU','EU','US','US','AS','AF','SA'])[1 + (hashint4(i * 3) & 7)],
  case when i % 11 = 0 then null else (hashint4(i * 5) & 1023) end, date '1940-01-01' + (hashint4(i * 7) & 16383), 'name ' || (hashint4(i * 11) & 4095)
  from generate_series(1, 40000) i;
insert into orders select i, 1 + (((hashint4(i) & 1048575)::bigint * (hashint4(i * 13) & 1048575)) % 40000)::int,
  (array['paid','paid','paid','paid','paid','sent','sent','new','void','lost'])[1 + (hashint4(i * 17) & 2147483647) % 10], ((hashint4(i * 19) & 262143) / 7.0)::numeric(12,2),
  timestamptz '2022-01-01 00:00+00' + i * interval '3 minutes', md5(i::text), (array['low','normal','normal','normal','high','urgent'])[1 + (hashint4(i * 23) & 2147483647) % 6]::priority,
  array['t' || (hashint4(i * 29) & 127), 'u' || (hashint4(i * 31) & 15)], (hashint4(i * 37) & 3) > 0 from generate_series(1, 200000) i;
insert into events select i, 1 + (hashint4(i * 41) & 2147483647) % 200000, timestamp '2022-01-01' + i * interval '1 minute' + (hashint4(i * 43) & 255) * interval '1 second',
  'k' || least((hashint4(i * 47) & 63), (hashint4(i * 53) & 63)), (hashint4(i * 59) & 65535) / 3.0, ('10.0.' || (hashint4(i * 61) & 255) || '.' || (hashint4(i * 67) & 255))::inet from generate_series(1, 400000) i;
`

const index = (id: string, table: string, keys: readonly string[], more: Partial<CandidateIndex> = {}): CandidateIndex => ({
  id,
  schema: "public",
  table,
  method: "btree",
  keys,
  include: [],
  where: null,
  ...more,
})

/** Twelve candidates of every kind that is priced. */
export const candidates: readonly CandidateIndex[] = [
  index("status_created", "orders", ["status", "created_at"]),
  index("created_covering", "orders", ["created_at"], { include: ["total"] }),
  index("total", "orders", ["total"]),
  index("priority_total", "orders", ["priority", "total desc"]),
  index("email", "customers", ["email"]),
  index("region_score", "customers", ["region", "score"]),
  index("order_id", "events", ["order_id"]),
  index("kind_at", "events", ["kind", "at"]),
  index("at_brin", "events", ["at"], { method: "brin" }),
  index("void_created", "orders", ["created_at"], { where: "status = 'void'" }),
  index("tags", "orders", ["tags"], { method: "gin" }),
  index("source_hash", "events", ["source"], { method: "hash" }),
]

export interface Case {
  readonly candidate: CandidateIndex
  readonly text: string
}

/** `count` queries, dealt to the candidates in turn. The same seed gives the same queries. */
export function cases(count: number, seed: number): Case[] {
  const random = randomOf(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  const upTo = (most: number): number => Math.floor(random() * most)
  // Half of the ranges hold from one row to nearly all, every order of magnitude as likely; half hold most rows.
  const share = (): number => (random() < 0.45 ? 10 ** (-4 * random()) : 0.5 + random() / 2)
  const span = (column: string, start: string, unit: string, units: number): string => {
    const width = Math.max(1, Math.floor(units * share()))
    const from = upTo(Math.max(1, units - width))
    return `${column} >= ${start} + interval '${from} ${unit}' and ${column} < ${start} + interval '${from + width} ${unit}'`
  }
  const statuses = ["paid", "sent", "new", "void", "lost"]
  const regions = ["EU", "US", "AS", "AF", "SA"]
  const created = (): string => span("o.created_at", "timestamptz '2022-01-01 00:00+00'", "minutes", 600_000)
  const at = (): string => span("e.at", "timestamp '2022-01-01'", "minutes", 400_000)
  const amount = (): string => {
    const width = 37_000 * share()
    const from = random() * (37_000 - width)
    return `o.total between ${from.toFixed(2)} and ${(from + width).toFixed(2)}`
  }
  const conditions: Record<string, () => string> = {
    status_created: () =>
      pick([
        () => `o.status = '${pick(statuses)}' and ${created()}`,
        () => `o.status in ('${pick(statuses)}', '${pick(statuses)}') and ${created()}`,
        () => `o.status = '${pick(statuses)}'`,
      ])(),
    created_covering: created,
    total: () =>
      pick([
        amount,
        amount,
        () => `o.total = ${(upTo(262_143) / 7).toFixed(2)}`,
        () => `o.total > ${(37_449 * (1 - share())).toFixed(2)}`,
      ])(),
    priority_total: () =>
      pick([
        () => `o.priority = '${pick(["low", "normal", "high", "urgent"])}' and ${amount()}`,
        () => `o.priority = '${pick(["low", "urgent"])}'`,
      ])(),
    email: () =>
      pick([
        () => `c.email = 'user${upTo(1_048_575)}.${upTo(40_000)}@example.com'`,
        () => `c.email > 'user${upTo(99)}' and c.email < 'user${upTo(99)}~'`,
        () => `c.email in ('a${upTo(9)}', 'b${upTo(9)}', 'c')`,
      ])(),
    region_score: () =>
      pick([
        () => `c.region = '${pick(regions)}' and c.score > ${upTo(1023)}`,
        () => `c.region = '${pick(regions)}' and c.score = ${upTo(1023)}`,
        () => `c.region in ('${pick(regions)}', '${pick(regions)}') and c.score between ${upTo(500)} and ${500 + upTo(500)}`,
        () => `c.region = '${pick(regions)}' and c.score is null`,
      ])(),
    order_id: () =>
      pick([
        () => `e.order_id = ${1 + upTo(200_000)}`,
        () => `e.order_id < ${Math.ceil(200_000 * share())}`,
        () => `e.order_id in (${Array.from({ length: 1 + upTo(30) }, () => 1 + upTo(200_000)).join(", ")})`,
      ])(),
    kind_at: () =>
      pick([
        () => `e.kind = 'k${upTo(64)}' and ${at()}`,
        () => `e.kind = 'k${upTo(64)}'`,
        () => `e.kind in ('k${upTo(64)}', 'k${upTo(64)}') and ${at()}`,
      ])(),
    at_brin: at,
    void_created: () => `o.status = '${pick(["void", "void", "void", "lost"])}' and ${created()}`,
    tags: () =>
      pick([
        () => `o.tags @> array['t${upTo(128)}']`,
        () => `o.tags @> array['t${upTo(128)}', 'u${upTo(16)}']`,
        () => `o.tags && array['u${upTo(16)}', 't${upTo(128)}']`,
      ])(),
    source_hash: () =>
      pick([
        () => `e.source = '10.0.${upTo(256)}.${upTo(256)}'`,
        () => `e.source in ('10.0.${upTo(256)}.1', '10.0.1.${upTo(256)}')`,
      ])(),
  }
  const plain: Record<string, readonly string[]> = {
    o: [
      "select * from orders o where",
      "select count(*), sum(o.total) from orders o where",
      "select o.created_at, o.total from orders o where",
      "select o.status, count(*) from orders o where",
    ],
    c: [
      "select * from customers c where",
      "select count(*) from customers c where",
      "select c.region, avg(c.score) from customers c where",
    ],
    e: [
      "select * from events e where",
      "select count(*) from events e where",
      "select e.kind, sum(e.amount) from events e where",
    ],
  }
  const joined: Record<string, readonly string[]> = {
    o: [
      "select c.region, count(*) from orders o join customers c on c.id = o.customer_id where",
      "select o.id, e.kind from orders o join events e on e.order_id = o.id where",
    ],
    c: ["select c.id, sum(o.total) from customers c join orders o on o.customer_id = c.id where"],
    e: [
      "select o.status, count(*) from events e join orders o on o.id = e.order_id where",
      "select c.region, count(*) from events e join orders o on o.id = e.order_id join customers c on c.id = o.customer_id where",
    ],
  }
  const order: Record<string, string> = { orders: "o.created_at", customers: "c.email", events: "e.at" }
  // Conditions that the candidates of a table serve badly or not at all, among them those on later columns alone.
  const elsewhere: Record<string, readonly (() => string)[]> = {
    o: [
      () => "o.paid",
      () => `o.note < '${pick(["2", "8", "f"])}'`,
      () => "o.status <> 'void'",
      amount,
      () => `o.customer_id = ${1 + upTo(40_000)}`,
    ],
    c: [() => `c.name = 'name ${upTo(4096)}'`, () => `c.score > ${upTo(1023)}`, () => `c.born < date '${1950 + upTo(30)}-01-01'`],
    e: [() => `e.amount < ${upTo(21_000)}`, at, () => `e.kind <> 'k${upTo(64)}'`],
  }
  return Array.from({ length: count }, (_, at) => {
    const candidate = candidates[at % candidates.length]!
    const alias = candidate.table.slice(0, 1)
    const head = random() < 0.7 ? pick(plain[alias]!) : pick(joined[alias]!)
    const grouped = /^select ([a-z.]+), (?:count|avg|sum)\(/.exec(head)?.[1]
    const other = random() < 0.3 ? ` and ${alias}.id % ${2 + upTo(9)} = 0` : ""
    const tail =
      grouped !== undefined
        ? ` group by ${grouped}`
        : /count\(|sum\(/.test(head)
          ? ""
          : random() < 0.4
            ? ` order by ${order[candidate.table]} limit ${1 + upTo(200)}`
            : ""
    return {
      candidate,
      text: `${head} ${random() < 0.3 ? pick(elsewhere[alias]!)() : conditions[candidate.id]!()}${other}${tail}`,
    }
  })
}
