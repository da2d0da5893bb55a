import pg from "pg"
import { tourQueries } from "../src/cli/tour/queries.ts"
import { storeSize, storeSteps } from "../src/cli/tour/store.ts"
import { connect } from "../src/client/connect.ts"
import { openDatabase } from "../src/database/open.ts"
import { advise } from "../src/indexes/index.ts"
import { urlOf } from "../test/support/server.ts"
import { type BenchResult, median } from "./support/compare.ts"
import { withServer } from "./support/server.ts"

interface Statement {
  readonly title: string
  readonly text: string
  readonly values?: readonly unknown[]
}

interface Subject {
  readonly name: string
  readonly title: string
  readonly setup: readonly string[]
  readonly statements: readonly Statement[]
}

const rounds = 15
/** Both copies fit, so that neither is read from elsewhere. */
const roomy = { shared_buffers: "1GB" }

/** Time of each statement with the advised indexes beside its time without, on two copies of one database, interleaved. */
export async function improvementBench(): Promise<BenchResult[]> {
  const results: BenchResult[] = []
  for (const subject of [store(), reports()])
    results.push(await withServer(18, (_url, server) => measure(subject, (name) => urlOf(server, name)), roomy))
  return results
}

async function measure({ name, title, setup, statements }: Subject, url: (name: string) => string): Promise<BenchResult> {
  const admin = await connected(url("postgres"))
  await admin.query("create database before")
  const before = await connected(url("before"))
  for (const text of setup) await before.query(text)
  await before.end()
  await admin.query("create database after template before")
  await admin.end()

  const db = openDatabase(url("after"))
  const advice = await advise(
    db,
    statements.map(({ text, values }) => (values === undefined ? { text } : { text, values })),
    { whatIf: "shadow", timeLimit: "3m" },
  )
  await db.close()
  const clients = [await connected(url("before")), await connected(url("after"))] as const
  for (const statement of advice.recommendations.flatMap((one) => one.statements)) await clients[1].query(statement)
  for (const client of clients) await client.query("vacuum analyze")

  const rows: { name: string; microseconds: number; ratio: number; note?: string }[] = []
  let worst = 0
  for (const [at, { title: label, text, values = [] }] of statements.entries()) {
    const times: [number[], number[]] = [[], []]
    const run = async (side: 0 | 1): Promise<number> => {
      const start = performance.now()
      await clients[side].query({ text, values: [...values] })
      return performance.now() - start
    }
    for (const side of [0, 1] as const) await run(side)
    // What takes microseconds is run more often, so that a round is no shorter than a millisecond or two.
    const repeats = Math.max(1, Math.min(50, Math.round(4 / Math.max(await run(1), 0.05))))
    for (let round = 0; round < rounds; round++) {
      for (const side of (round % 2 === 0 ? [0, 1] : [1, 0]) as (0 | 1)[]) {
        let sum = 0
        for (let again = 0; again < repeats; again++) sum += await run(side)
        times[side].push(sum / repeats)
      }
    }
    const ratio = median(times[1].map((time, round) => time / times[0][round]!))
    const [planBefore, planAfter] = await Promise.all(clients.map((client) => planOf(client, text, values)))
    const note = `${median(times[0]).toFixed(2)} ms before, ${advice.statements[at]!.verdict}`
    // Where the plan is the same, what differs is the machine.
    if (planBefore !== planAfter) worst = Math.max(worst, ratio)
    rows.push({ name: label, microseconds: median(times[1]) * 1000, ratio, note })
  }
  for (const client of clients) await client.end()
  const mean = Math.exp(rows.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / rows.length)
  return {
    name,
    title: `${title}: ${advice.recommendations.length} indexes advised`,
    reference: "the same without them",
    rounds,
    rows: [
      ...rows,
      { name: "slowest of changed plans", microseconds: 0, ratio: worst },
      { name: "geometric mean", microseconds: 0, ratio: mean, note: `${(1 / mean).toFixed(1)} times as fast` },
    ],
  }
}

async function planOf(client: pg.Client, text: string, values: readonly unknown[]): Promise<string> {
  const { rows } = await client.query({ text: `explain (costs off) ${text}`, values: [...values], rowMode: "array" })
  return rows.join("\n")
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** The tour's store and what a shop asks of it all day. */
function store(): Subject {
  const size = storeSize(1)
  const pure = connect("postgresql://nowhere/none")
  const tour = tourQueries(pure, "shop", size).map(({ title, query }) => {
    const { text, values } = query.toSql()
    return { title, text, values }
  })
  return {
    name: "improvement-store",
    title: "the tour's store",
    setup: ["create schema shop", ...storeSteps("shop", size).map(({ sql }) => sql)],
    statements: [
      ...tour,
      {
        title: "a customer by address",
        text: "select id, first_name from shop.customers where lower(email) = $1",
        values: ["user7777@example.org"],
      },
      { title: "a product by number", text: "select * from shop.products where sku = $1", values: ["SKU-001234"] },
      { title: "items of an order", text: "select * from shop.order_items where order_id = $1", values: [4711] },
      { title: "orders not yet paid", text: "select count(*), sum(total) from shop.orders where status = 'pending'" },
      {
        title: "what customers near the end of the list spent",
        text: "select customer_id, sum(total) from shop.orders where customer_id between $1 and $2 group by customer_id",
        values: [15_000, 15_050],
      },
      {
        title: "who bought a product",
        text: "select distinct o.customer_id from shop.order_items i join shop.orders o on o.id = i.order_id where i.product_id = $1",
        values: [1900],
      },
      {
        title: "orders with a note, latest first",
        text: "select id, note from shop.orders where note is not null and total > 5000 order by created_at desc limit 20",
      },
      { title: "revenue by status", text: "select status, count(*), sum(total) from shop.orders group by status" },
    ],
  }
}

/** A warehouse of visits: few tables, many rows, questions by time, place and page. */
function reports(): Subject {
  return {
    name: "improvement-reports",
    title: "reports over visits",
    setup: [
      `create table pages (id int primary key, path text not null, section text not null);
       insert into pages select i, '/s' || i % 40 || '/p' || i, 'section ' || i % 40 from generate_series(1, 5000) i;
       create table accounts (id int primary key, country char(2) not null, plan text not null, since date not null);
       insert into accounts select i, chr(65 + abs(hashint4(i)) % 20) || chr(65 + abs(hashint4(i + 1)) % 5), case when abs(hashint4(i + 2)) % 100 < 3 then 'gold' else 'free' end,
         date '2020-01-01' + abs(hashint4(i + 3)) % 1500 from generate_series(1, 30000) i;
       create table visits (id bigint primary key, at timestamptz not null, account_id int not null references accounts, page_id int not null references pages,
         seconds int not null, referrer text, tags text[] not null, device jsonb not null);
       insert into visits select i, timestamptz '2024-01-01 UTC' + i * interval '40 seconds', 1 + (abs(hashint4(i))::bigint * 30000 / 2147483648)::int, 1 + abs(hashint4(i + 4)) % 5000,
         abs(hashint4(i + 5)) % 900, case when abs(hashint4(i + 6)) % 50 = 0 then 'ref' || abs(hashint4(i + 7)) % 300 end, array['t' || abs(hashint4(i + 8)) % 1500],
         jsonb_build_object('os', 'os' || abs(hashint4(i + 9)) % 9, 'model', 'm' || abs(hashint4(i + 10)) % 2500) from generate_series(1, 600000) i;`,
      "vacuum analyze pages",
      "vacuum analyze accounts",
      "vacuum analyze visits",
    ],
    statements: [
      {
        title: "a day by hour",
        text: "select date_trunc('hour', at, 'UTC'), count(*), avg(seconds) from visits where at >= '2024-05-01Z' and at < '2024-05-02Z' group by 1",
      },
      {
        title: "an account's last visits",
        text: "select at, page_id, seconds from visits where account_id = $1 order by at desc limit 20",
        values: [1234],
      },
      {
        title: "a page's week",
        text: "select count(*), sum(seconds) from visits where page_id = $1 and at >= '2024-06-01Z' and at < '2024-06-08Z'",
        values: [321],
      },
      {
        title: "pages of a section in a day",
        text: "select p.path, count(*) from visits v join pages p on p.id = v.page_id where p.section = 'section 7' and v.at >= '2024-04-01Z' and v.at < '2024-04-02Z' group by p.path order by 2 desc limit 10",
      },
      { title: "one referrer", text: "select count(*), avg(seconds) from visits where referrer = $1", values: ["ref17"] },
      { title: "one tag", text: "select id, at from visits where tags @> array['t77']" },
      { title: "one model", text: "select count(*) from visits where device ->> 'model' = 'm1200'" },
      {
        title: "gold accounts of a country",
        text: "select id, since from accounts where country = 'AB' and plan = 'gold' order by since desc",
      },
      { title: "first and last", text: "select min(at), max(at) from visits where page_id = $1", values: [999] },
      {
        title: "longest of an hour",
        text: "select id, seconds from visits where at >= '2024-07-01 10:00Z' and at < '2024-07-01 11:00Z' order by seconds desc limit 5",
      },
      {
        title: "seconds by page, all time",
        text: "select page_id, sum(seconds) from visits group by page_id order by 2 desc limit 20",
      },
      {
        title: "accounts that never came in a week",
        text: "select a.id from accounts a where a.plan = 'gold' and not exists (select 1 from visits v where v.account_id = a.id and v.at >= '2024-03-01Z' and v.at < '2024-03-08Z')",
      },
    ],
  }
}
