import pg from "pg"
import { connect } from "../src/client/connect.ts"
import type { BenchResult } from "./support/compare.ts"
import { median } from "./support/compare.ts"
import { interleave } from "./support/interleave.ts"
import { prepare, withServer } from "./support/server.ts"

const schema = `
create table items (id int primary key, kind text not null, n int not null, at timestamptz not null, raw bytea not null);
insert into items select n, 'kind ' || n % 17, n % 500, timestamptz '2024-01-01' + n * interval '1 minute', '\\x0102' from generate_series(1, 10000) n;
create index on items (n);
create table written (id int primary key, n int not null);
insert into written values (1, 0);
analyze;
`
const plain = "select id, kind, n from items where n = $1"
const moments = "select id, kind, at, raw from items where n = $1"
const byKey = "select id, kind, n from items where id = $1"

/** What a kept result costs, what keeping one adds, and how soon a change is known elsewhere. */
export async function cacheBench(): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    await prepare(url, schema)
    const pools = [1, 2, 4, 4].map((max) => new pg.Pool({ connectionString: url, max }))
    for (const pool of pools) pool.on("error", () => {})
    const [bare, uncachedPool, pool, other] = pools as [pg.Pool, pg.Pool, pg.Pool, pg.Pool]
    const uncached = connect(uncachedPool)
    const delivered = connect(pool)
    const strict = connect(pool, { cache: { mode: "strict" } })
    const elsewhere = connect(other)
    await delivered.cache.install(["items", "written"])
    await strict.cache.install(["items", "written"])
    try {
      const hot = delivered.statement(plain, [7]).cache()
      const copied = delivered.statement(moments, [7]).cache()
      const first = await hot.execute()
      if (first.length !== 20) throw new Error(`20 rows were meant, ${first.length} came`)
      await copied.execute()
      const strictHot = strict.statement(byKey, [7]).cache()
      await strictHot.execute()
      const source = async (query: typeof hot): Promise<string> => (await query.run()).report.source
      for (const query of [hot, copied, strictHot])
        if ((await source(query)) !== "cache") throw new Error("a result that was to be kept was not")
      const results = [
        await interleave(
          "cache-hit",
          "a kept result, microseconds",
          {
            "pg, by the primary key": (n) => bare.query(byKey, [1 + (n % 10_000)]),
            "20 plain rows": () => hot.execute(),
            "20 rows with a Date and a Buffer": () => copied.execute(),
            "strict, one row": () => strictHot.execute(),
          },
          "pg, by the primary key",
          { calls: 200, rounds: 61 },
        ),
        await interleave(
          "cache-miss",
          "a result that is not there yet, microseconds",
          {
            "without cache()": (n) => uncached.statement(byKey, [n]).execute(),
            miss: (n) => delivered.statement(byKey, [n]).cache().execute(),
          },
          "without cache()",
          { calls: 100, rounds: 61 },
        ),
      ]
      return [...results, await delayBench(url, elsewhere)]
    } finally {
      await Promise.all([uncached, delivered, strict, elsewhere].map((one) => one.close()))
      await Promise.all(pools.map((one) => one.end()))
    }
  })
}

/** How long after a commit has returned another client still gives what was, under about 500 writes a second. */
async function delayBench(url: string, reader: ReturnType<typeof connect>): Promise<BenchResult> {
  const writer = new pg.Client({ connectionString: url })
  await writer.connect()
  const query = reader.statement<{ n: number }>("select n from written where id = 1").cache()
  await query.execute()
  const delays: number[] = []
  try {
    for (let n = 0; n < 1500; n++) {
      const started = performance.now()
      const { rows } = await writer.query("update written set n = n + 1 where id = 1 returning n")
      const done = performance.now()
      while ((await query.execute())[0]!.n < rows[0].n) await new Promise((resolve) => setImmediate(resolve))
      delays.push(performance.now() - done)
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 2 - (performance.now() - started))))
    }
  } finally {
    await writer.end()
  }
  delays.sort((a, b) => a - b)
  const ninetyNinth = delays[Math.floor(delays.length * 0.99)]!
  return {
    name: "cache-delay",
    title: "from a commit's end until another client gives what it wrote, microseconds; ratio of the 99th percentile to 20 ms",
    reference: "20 ms",
    rounds: 1,
    rows: [
      {
        name: "99th percentile",
        microseconds: ninetyNinth * 1000,
        ratio: ninetyNinth / 20,
        note: `median ${median(delays).toFixed(2)} ms, longest ${delays.at(-1)!.toFixed(1)} ms of ${delays.length} writes`,
      },
    ],
  }
}
