import { existsSync } from "node:fs"
import pg from "pg"
import type { Database } from "../src/database/database.ts"
import { openDatabase } from "../src/database/open.ts"
import { pipeline } from "../src/execution/pipeline.ts"
import type { Request } from "../src/execution/request.ts"
import { addHint, checkHints, type HintName, type HintOption, hintStage } from "../src/hints/index.ts"
import { startProxy } from "../test/support/proxy.ts"
import { urlOf } from "../test/support/server.ts"
import type { BenchResult } from "./support/compare.ts"
import { interleave } from "./support/interleave.ts"
import { prepare, withServer } from "./support/server.ts"

const extension = "/usr/lib/postgresql/15/lib/pg_hint_plan.so"

/**
 * Four columns that always agree: the planner multiplies their selectivities, expects one row where there are two thousand, and
 * loops over the other table for each.
 */
const schema = `
create table orders (id int primary key, customer_id int not null, status text not null);
insert into orders select n, n % 997, 'open' from generate_series(1, 100000) n;
create table events (id int primary key, a int, b int, c int, d int, target int);
insert into events select n, n % 100, n % 100, n % 100, n % 100, n % 5000 from generate_series(1, 200000) n;
create table targets (target int, label text);
insert into targets select n, 'label ' || n from generate_series(0, 4999) n;
analyze;
`
const point = "select id, customer_id, status from orders where id = $1"
const byHand = `/*+ IndexScan(orders) */ ${point}`
const range = "select customer_id, count(*) from orders where id between $1 and $1 + 2000 group by customer_id"
const planted =
  "select count(*) as n, max(t.label) as label from events e join targets t on t.target = e.target where e.a = 7 and e.b = 7 and e.c = 7 and e.d = 7"

function runner(database: Database): (text: string, values: readonly unknown[], option: HintOption | null) => Promise<unknown> {
  const journey = pipeline(database, [hintStage(database)])
  return (text, values, option) => {
    const request: Request = {
      statement: { text, values },
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
      options: option === null ? {} : { hint: option },
      warnings: [],
    }
    return journey.run(request)
  }
}

function hint(name: HintName, value: unknown): HintOption {
  return addHint(undefined, name, value as never)
}

const three = [
  ["work_mem", "64MB"],
  ["random_page_cost", 1.5],
  ["enable_nestloop", true],
] as const
const settings = three.reduce<HintOption | undefined>(
  (option, [name, value]) => addHint(option, name, value as never),
  undefined,
)!

async function openOn(config: pg.PoolConfig): Promise<{ pool: pg.Pool; database: Database }> {
  const pool = new pg.Pool({ ...config, max: 1 })
  pool.on("error", () => {})
  return { pool, database: openDatabase(pool) }
}

/** A point query bare, with a hint in a comment, and with three settings: on loopback, and 5 ms away. */
async function transport(url: string, withComment: boolean): Promise<BenchResult[]> {
  const { pool, database } = await openOn({ connectionString: url })
  const run = runner(database)
  const comment = hint("index_scan", "orders")
  const key = (n: number): number[] => [1 + ((n * 7919) % 100_000)]
  const results: BenchResult[] = []
  if (withComment) {
    results.push(
      await interleave(
        "hints-comment",
        "primary-key query on loopback, microseconds",
        {
          "the comment by hand": (n) => run(byHand, key(n), null),
          "no comment": (n) => run(point, key(n), null),
          "hint()": (n) => run(point, key(n), comment),
        },
        "the comment by hand",
        { rounds: 41, calls: 300 },
      ),
      await interleave(
        "hints-comment-range",
        "2,000 rows grouped, on loopback, microseconds",
        {
          bare: (n) => run(range, key(n), null),
          "hint()": (n) => run(range, key(n), comment),
        },
        "bare",
        { rounds: 31, calls: 60 },
      ),
    )
  }
  results.push(
    await interleave(
      "hints-settings",
      "primary-key query on loopback, microseconds",
      { bare: (n) => run(point, key(n), null), "three settings": (n) => run(point, key(n), settings) },
      "bare",
      { rounds: 21, calls: 200 },
    ),
  )
  await database.close()
  await pool.end()
  const address = new URL(url)
  const proxy = await startProxy({ host: address.hostname, port: Number(address.port) }, 5)
  const config = { host: "127.0.0.1", port: proxy.port, user: "postgres", database: address.pathname.slice(1) }
  const batched = await openOn(config)
  const single = await openOn({ ...config, pipeline: true } as pg.PoolConfig)
  const [fast, slow] = [runner(batched.database), runner(single.database)]
  results.push(
    await interleave(
      "hints-distance",
      "primary-key query through a proxy of 5 ms each way, microseconds",
      {
        bare: (n) => fast(point, key(n), null),
        ...(withComment ? { comment: (n: number) => fast(point, key(n), comment) } : {}),
        "three settings, batched": (n) => fast(point, key(n), settings),
        "three settings, one by one": (n) => slow(point, key(n), settings),
      },
      "bare",
      { rounds: 9, calls: 8 },
    ),
  )
  for (const { pool, database } of [batched, single]) {
    await database.close()
    await pool.end()
  }
  await proxy.close()
  return results
}

/** A planted wrong estimate, bare and with the hint that mends it; fails when checkHints() does not find the hint honoured. */
async function estimate(url: string, name: string, hints: Readonly<Record<string, HintOption>>): Promise<BenchResult> {
  const { pool, database } = await openOn({ connectionString: url })
  const run = runner(database)
  const notes: Record<string, string> = {}
  for (const [label, option] of Object.entries(hints)) {
    const [checked] = (await checkHints(database, { text: planted, values: [] }, option)).hints
    if (checked?.status !== "honoured") throw new Error(`${label} is ${checked?.status}: ${checked?.reason}`)
    notes[label] = `${checked.mechanism}, honoured: ${checked.reason}`
  }
  const result = await interleave(
    name,
    "join with an estimate of 1 row where there are 2,000, microseconds",
    {
      bare: () => run(planted, [], null),
      ...Object.fromEntries(Object.entries(hints).map(([label, option]) => [label, () => run(planted, [], option)])),
    },
    "bare",
    { rounds: 5, calls: 3 },
  )
  await database.close()
  await pool.end()
  return { ...result, rows: result.rows.map((row) => ({ ...row, note: notes[row.name] })) }
}

/** What hints cost, and what they bring. With pg_hint_plan installed in the system's PostgreSQL 15, comments too. */
export async function hintsBench(): Promise<BenchResult[]> {
  const hash = { hash_join: hint("hash_join", ["events", "targets"]) }
  const withComment = existsSync(extension)
  return withServer(withComment ? 15 : 18, async (url, server) => {
    await prepare(url, schema)
    const plain = await estimate(url, "hints-estimate", hash)
    if (!withComment) return [...(await transport(url, false)), plain]
    await prepare(url, "alter database postgres set session_preload_libraries = 'pg_hint_plan'")
    const loaded = urlOf(server, "postgres")
    const rows = { ...hash, rows: hint("rows", { tables: ["events", "targets"], correction: "#2000" }) }
    return [...(await transport(loaded, true)), plain, await estimate(loaded, "hints-estimate-extension", rows)]
  })
}
