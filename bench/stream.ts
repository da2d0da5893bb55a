import pg from "pg"
import PgCursor from "pg-cursor"
import { connect } from "../src/client/connect.ts"
import { defineDomain } from "../src/domain/define.ts"
import { type BenchResult, median } from "./support/compare.ts"
import { prepare, withServer } from "./support/server.ts"

const domain = defineDomain({
  name: "Events",
  source: {
    table: "events",
    primaryKey: "id",
    columns: { id: "integer", kind: "string", amount: "decimal", note: "string?", at: "timestamptz" },
  },
})

const million = 1_000_000
const schema = `
create table events (id int primary key, kind text not null, amount numeric not null, note text, at timestamptz not null);
insert into events select n, 'kind ' || n % 17, n / 100.0, case when n % 2 = 0 then 'note number ' || n end, timestamptz '2024-01-01' + n * interval '1 second'
from generate_series(1, ${million}) n;
analyze events;
`
const batchSize = 500

/** Streaming a million rows against pg-cursor with the same batches, and what memory it takes meanwhile. */
export async function streamBench(): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    await prepare(url, schema)
    const pool = new pg.Pool({ connectionString: url, max: 2 })
    // The server stops before the last socket has closed.
    pool.on("error", () => {})
    const selecto = connect(pool)
    const query = selecto.from(domain).select("id", "kind", "amount", "note", "at")
    const { text } = query.toSql()
    const memory = new Map<string, Memory>()
    const shapes: Record<string, () => Promise<number>> = {
      "pg-cursor": async () => {
        const client = await pool.connect()
        const cursor = client.query(new PgCursor(text))
        let rows = 0
        for (let batch = await cursor.read(batchSize); batch.length > 0; batch = await cursor.read(batchSize)) {
          for (const row of batch) if (row.id > 0) rows++
          watch(memory, "pg-cursor", rows)
        }
        await cursor.close()
        client.release()
        return rows
      },
      "stream()": async () => {
        let rows = 0
        for await (const row of query.stream({ batchSize })) {
          if (row.id > 0) rows++
          watch(memory, "stream()", rows)
        }
        return rows
      },
      "statement().stream()": async () => {
        let rows = 0
        for await (const row of selecto.statement<{ id: number }>(text).stream({ batchSize })) {
          if (row.id > 0) rows++
          watch(memory, "statement().stream()", rows)
        }
        return rows
      },
    }
    const names = Object.keys(shapes)
    const times = new Map<string, number[]>(names.map((name) => [name, []]))
    for (let round = 0; round < 6; round++)
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + round) % names.length]!
        const start = performance.now()
        const rows = await shapes[name]!()
        if (rows !== million) throw new Error(`${name} read ${rows} rows`)
        if (round > 0) times.get(name)!.push(performance.now() - start)
        else memory.delete(name)
      }
    await selecto.close()
    await pool.end()
    const base = times.get("pg-cursor")!
    return [
      {
        name: "stream",
        title: `${million} rows in batches of ${batchSize}, microseconds a row`,
        reference: "pg-cursor",
        rounds: base.length,
        rows: names.map((name) => ({
          name,
          microseconds: (median(times.get(name)!) * 1000) / million,
          ratio: median(times.get(name)!.map((value, round) => value / base[round]!)),
          note: note(memory.get(name)!),
        })),
      },
    ]
  })
}

interface Memory {
  /** After the first and the last tenth of the rows: a leak shows as growth. */
  early: number
  late: number
  peakHeap: number
  peakRss: number
}

function watch(memory: Map<string, Memory>, name: string, rows: number): void {
  if (rows % 50_000 !== 0)
    return // With --expose-gc the figure is what is held; without it, what is held and what waits for the collector.
  ;(globalThis as { gc?: () => void }).gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const entry = memory.get(name) ?? { early: heapUsed, late: heapUsed, peakHeap: 0, peakRss: 0 }
  if (rows <= 100_000) entry.early = heapUsed
  entry.late = heapUsed
  entry.peakHeap = Math.max(entry.peakHeap, heapUsed)
  entry.peakRss = Math.max(entry.peakRss, rss)
  memory.set(name, entry)
}

function note({ early, late, peakHeap, peakRss }: Memory): string {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
  return `heap ${mb(early)} at 100,000 rows, ${mb(late)} at the end, peak ${mb(peakHeap)}; RSS peak ${mb(peakRss)}`
}
