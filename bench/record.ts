import { createRequire } from "node:module"
import { PgInstrumentation } from "@opentelemetry/instrumentation-pg"
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics"
import pg from "pg"
import { createMonitor } from "../src/monitor/index.ts"
import { instrumentPool } from "../src/pg.ts"
import { type BenchResult, type BenchRow, median } from "./support/compare.ts"
import { withServer } from "./support/server.ts"

/** Microseconds of CPU that the process has used, all threads. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

const text = `select o.id, o.total, c.region, p.name, s.city from orders o left join customers c on c.id = o.customer_id
left join products p on p.id = o.product_id left join stores s on s.id = o.store_id
where o.status = $1 and o.total > $2 and c.region = $3 order by o.created_at desc limit 20`

/** A new string, flat and without a hash, as one that was just built and sent. */
function fresh(value: string): string {
  return Buffer.from(value).toString()
}

/** What recording costs by itself, and what watching a pool adds to bare pg, beside instrumentation-pg. */
export async function recordBench(): Promise<BenchResult[]> {
  return [await recordCost(), ...(await poolCost())]
}

async function recordCost(): Promise<BenchResult> {
  const { service } = createMonitor()
  const { recorder } = service
  recorder.record(text, 1, 0, 1, 0, 1, -1, null, null, "statement", null)
  await service.ready()
  const batch = 20_000
  const rounds = 15
  const makers: Record<string, (n: number) => string> = {
    "constant text": () => text,
    "fresh text, seen before": () => fresh(text),
    "fresh text, new constants": (n) => fresh(text.replace("20", String(n))),
  }
  const times = new Map<string, number[]>(Object.keys(makers).map((name) => [name, []]))
  let n = 0
  for (let round = -3; round < rounds; round++)
    for (const [name, make] of Object.entries(makers)) {
      const texts = Array.from({ length: batch }, () => make(n++))
      const start = cpu()
      for (const one of texts) recorder.record(one, 1.5, 0.1, 1, 0.5, 10, -1, null, null, "statement", null)
      if (round >= 0) times.get(name)!.push((cpu() - start) / batch)
    }
  service.close()
  const budgets: Record<string, string> = { "constant text": "budget 1 µs", "fresh text, seen before": "budget 2 µs" }
  const base = times.get("constant text")!
  return {
    name: "record",
    title: "recording one call, microseconds of CPU",
    reference: "constant text",
    rounds,
    rows: [...times].map(([name, values]) => ({
      name,
      microseconds: median(values),
      ratio: median(values.map((value, round) => value / base[round]!)),
      note: budgets[name],
    })),
  }
}

/** A reader that is never asked: the cost is that of recording. */
class IdleReader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

/** A copy of pg of its own, patched; the one that is imported stays bare. */
function instrumentedPg(): typeof pg {
  const require = createRequire(import.meta.url)
  for (const file of Object.keys(require.cache))
    if (/[\\/]node_modules[\\/]pg(-pool)?[\\/]/.test(file)) delete require.cache[file]
  const instrumentation = new PgInstrumentation()
  instrumentation.setMeterProvider(new MeterProvider({ readers: [new IdleReader()] }))
  return require("pg") as typeof pg
}

async function poolCost(): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    const connections = 8
    const make = (from: typeof pg): pg.Pool => {
      const pool = new from.Pool({ connectionString: url, max: connections })
      // The server stops before the last socket has closed.
      pool.on("error", () => {})
      return pool
    }
    const { service } = createMonitor()
    const patched = instrumentedPg()
    if ((patched.Client.prototype.query as { __wrapped?: boolean }).__wrapped !== true)
      throw new Error("instrumentation-pg did not patch pg")
    if ((pg.Client.prototype.query as { __wrapped?: boolean }).__wrapped === true) throw new Error("the bare pg is patched too")
    const pools = {
      pg: make(pg),
      instrumentPool: instrumentPool(make(pg), { monitor: service }),
      "instrumentation-pg": make(patched),
    }
    const names = Object.keys(pools) as (keyof typeof pools)[]
    const calls = 800
    const rounds = 41
    const run = async (name: keyof typeof pools): Promise<number> => {
      const pool = pools[name]
      let left = calls
      const lane = async (): Promise<void> => {
        while (left-- > 0) await pool.query("select $1::int as n, relname from pg_class limit 1", [left])
      }
      const start = cpu()
      await Promise.all(Array.from({ length: connections }, lane))
      return (cpu() - start) / calls
    }
    const times = new Map<string, number[]>(names.map((name) => [name, []]))
    for (let round = -5; round < rounds; round++)
      for (let at = 0; at < names.length; at++) {
        const name = names[(at + round + 6) % names.length]!
        const time = await run(name)
        if (round >= 0) times.get(name)!.push(time)
      }
    service.close()
    await Promise.all(Object.values(pools).map((pool) => pool.end()))
    const bare = times.get("pg")!
    const row = (name: string): BenchRow => ({
      name,
      microseconds: median(times.get(name)!),
      ratio: median(times.get(name)!.map((value, round) => value / bare[round]!)),
    })
    const added = (name: string): number => median(times.get(name)!.map((value, round) => value - bare[round]!))
    const theirs = added("instrumentation-pg")
    return [
      {
        name: "record-pool",
        title: `a query at ${connections} connections, microseconds of CPU of the process`,
        reference: "pg",
        rounds,
        rows: names.map(row),
      },
      {
        name: "record-added",
        title: "what watching adds to a query, microseconds of CPU",
        reference: "instrumentation-pg, metrics",
        rounds,
        rows: [
          { name: "instrumentation-pg, metrics", microseconds: theirs, ratio: 1 },
          { name: "instrumentPool", microseconds: added("instrumentPool"), ratio: added("instrumentPool") / theirs },
        ],
      },
    ]
  })
}
