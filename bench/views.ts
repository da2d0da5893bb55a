import pg from "pg"
import type { Database } from "../src/database/database.ts"
import { openDatabase } from "../src/database/open.ts"
import { pipeline } from "../src/execution/pipeline.ts"
import type { Request } from "../src/execution/request.ts"
import { databaseViews, routeStage, viewRouter } from "../src/views/index.ts"
import type { BenchResult } from "./support/compare.ts"
import { interleave } from "./support/interleave.ts"
import { withServer } from "./support/server.ts"

const schema = `
create table customers (id int primary key, region text not null);
create table orders (id int primary key, customer_id int not null references customers, status text not null, total numeric(10,2) not null, placed timestamp not null);
insert into customers select n, (array['EU', 'NA', 'APAC', 'LATAM'])[n % 4 + 1] from generate_series(1, 20000) n;
insert into orders select n, n % 20000 + 1, (array['paid', 'open', 'sent'])[n % 3 + 1], n % 997,
  timestamp '2024-01-01' + (n % 700) * interval '1 day' from generate_series(1, 1000000) n;
create materialized view sales as select c.region, date_trunc('day', o.placed) as day, o.status, sum(o.total) as total, count(*) as n
  from orders o join customers c on c.id = o.customer_id group by c.region, date_trunc('day', o.placed), o.status;
`
/** Views that a query of orders could use by its tables, and some of other tables. */
const others = Array.from({ length: 99 }, (_, at) =>
  at % 3 === 0
    ? `create materialized view v${at} as select status, count(*) as n from orders where total > ${at + 500} group by status`
    : `create table t${at} (id int primary key, a int, b text); create materialized view v${at} as select a, count(*) as n from t${at} group by a`,
)

const questions = {
  "by region":
    "select c.region, sum(o.total) as total, count(*) as n from orders o join customers c on c.id = o.customer_id group by c.region",
  "one region, by month":
    "select date_trunc('month', o.placed) as month, sum(o.total) as total from orders o join customers c on c.id = o.customer_id where c.region = 'EU' and o.placed >= '2025-01-01' group by 1",
}

function requestOf(text: string, route: boolean): Request {
  return {
    statement: { text, values: [] },
    output: null,
    origin: { kind: "statement", name: null },
    signal: undefined,
    timeoutMs: undefined,
    transaction: null,
    isolation: null,
    readOnly: false,
    settings: {},
    prelude: [],
    snapshot: null,
    options: route ? { route: { maxStaleness: Number.POSITIVE_INFINITY } } : {},
    warnings: [],
  }
}

/** Roll-ups of a million orders on their tables and on a view, and what deciding costs with a hundred views. */
export async function viewsBench(): Promise<BenchResult[]> {
  return await withServer(18, async (url) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    for (const text of [schema, ...others, "analyze"]) await client.query(text)
    await client.end()
    const database = openDatabase(url)
    try {
      return [...(await rollups(database)), await deciding(database)]
    } finally {
      await database.close()
    }
  })
}

async function rollups(database: Database): Promise<BenchResult[]> {
  const journey = pipeline(database, [routeStage(viewRouter(database, databaseViews(database)))])
  const results: BenchResult[] = []
  for (const [name, text] of Object.entries(questions)) {
    const { report } = await journey.run(requestOf(text, true))
    if (report.source !== "view") throw new Error(`${name} was not answered from a view`)
    results.push(
      await interleave(
        `views-${name}`,
        `sales ${name} over 1,000,000 orders, microseconds`,
        { tables: () => journey.run(requestOf(text, false)), view: () => journey.run(requestOf(text, true)) },
        "tables",
        { rounds: 7, calls: 2 },
      ),
    )
  }
  return results
}

async function deciding(database: Database): Promise<BenchResult> {
  const router = viewRouter(database, databaseViews(database))
  const seen = requestOf("select id, total from orders where customer_id = 7", true)
  const other = requestOf("select id from customers where region = 'EU'", true)
  const fresh = (n: number): Request => requestOf(`select id, total from orders where customer_id = ${n}`, true)
  return await interleave(
    "views-decide",
    "deciding that none of 100 views applies, microseconds",
    {
      "seen before": () => router.decide(seen),
      "seen before, of a table without views": () => router.decide(other),
      new: (n) => router.decide(fresh(n)),
    },
    "seen before",
    { rounds: 9, calls: 20 },
  )
}
