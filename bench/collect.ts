import pg from "pg"
import { openDatabase } from "../src/database/open.ts"
import { createMonitor } from "../src/monitor/index.ts"
import { startServer, urlOf } from "../test/support/server.ts"
import { type BenchResult, median } from "./support/compare.ts"

const entries = 4900
const columns = 100
const rounds = 21

/** What one round of the collector costs where pg_stat_statements is full: time of the server by its own count, and of this process. */
export async function collectBench(): Promise<BenchResult[]> {
  return [await collectCost(15), await collectCost(18)]
}

async function collectCost(version: number): Promise<BenchResult> {
  const server = await startServer(version, { "pg_stat_statements.track_planning": "on", track_io_timing: "on" })
  try {
    const url = urlOf(server, "postgres")
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const found = await fill(client)
    const database = openDatabase(url)
    const monitor = createMonitor(
      { server: { sample: "1h", texts: "1h" }, plans: false, eventLoopDelay: false },
      { database, indexes: null, explain: null },
    ).service
    const figures = { server: [] as number[], round: [] as number[], cpu: [] as number[] }
    for (let round = -3; round < rounds; round++) {
      // A tenth of the statements ran since, as in a busy minute.
      for (let n = 0; n < entries / 10; n++) await client.query(statement(n))
      const before = process.cpuUsage()
      await monitor.watch.collector!.collect()
      const { user, system } = process.cpuUsage(before)
      // The server's own count of a round is in the reading of the next: what it costs shows a round later.
      const { serverTime, roundTime, lastError } = monitor.health().collector!
      if (lastError !== null) throw new Error(lastError.message)
      if (round < 0) continue
      figures.server.push(serverTime!)
      figures.round.push(roundTime!)
      figures.cpu.push((user + system) / 1000)
    }
    await monitor.close()
    await database.close()
    await client.end()
    const row = (name: string, values: readonly number[], note?: string) => ({
      name,
      microseconds: median(values) * 1000,
      ratio: median(values) / median(figures.server),
      note,
    })
    return {
      name: `collect-${version}`,
      title: `a round of the collector on PostgreSQL ${version}, ${found} statements, microseconds`,
      reference: "time of the server",
      rounds,
      rows: [
        row("time of the server", figures.server, "budget 50,000 µs"),
        row("the whole round", figures.round),
        row("CPU of this process", figures.cpu),
      ],
    }
  } finally {
    await server.stop()
  }
}

function statement(n: number): string {
  const one = n % columns
  const other = Math.floor(n / columns)
  const list = Array.from({ length: columns }, (_, at) => `w.column_number_${at}`).join(", ")
  return `select ${list} from wide w where w.column_number_${one} = 1 and w.column_number_${other} > 2`
}

/** As many different statements as the extension keeps without forgetting any; gives how many there are. */
async function fill(client: pg.Client): Promise<number> {
  const definition = Array.from({ length: columns }, (_, at) => `column_number_${at} int`).join(", ")
  await client.query(`create extension pg_stat_statements; create table wide (${definition})`)
  for (let n = 0; n < entries; n++) await client.query(statement(n))
  const { rows } = await client.query<{ n: number; bytes: number }>(
    "select count(*)::int as n, sum(length(query))::float8 as bytes from pg_stat_statements",
  )
  return rows[0]!.n
}
