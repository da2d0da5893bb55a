import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { connect } from "../../src/client/connect.ts"
import { defineDomain } from "../../src/domain/define.ts"
import type { ExportFormat } from "../../src/parallel/index.ts"
import type { BenchResult } from "../support/compare.ts"
import { prepare, withServer } from "../support/server.ts"
import { interleaved, printPlan, resultOf } from "./rounds.ts"

const domain = defineDomain({
  name: "Events",
  source: {
    table: "events",
    primaryKey: "id",
    columns: { id: "integer", kind: "string", amount: "decimal", note: "string?", at: "timestamptz" },
  },
})
const schema = (rows: number): string => `
create table events (id int primary key, kind text not null, amount numeric not null, note text, at timestamptz not null);
insert into events select n, 'kind ' || n % 17, n / 100.0, case when n % 2 = 0 then 'note number ' || n end, timestamptz '2024-01-01' + n * interval '1 second'
from generate_series(1, ${rows}) n;
`

/** Exports against a typed cursor's rows, and the memory of a process that exports five million. */
export async function exportBench(rows = 500_000, rounds = 7): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    await prepare(url, schema(rows))
    await prepare(url, "vacuum analyze")
    const pool = new pg.Pool({ connectionString: url, max: 4 })
    pool.on("error", () => {})
    const selecto = connect(pool)
    const query = selecto.from(domain).select("id", "kind", "amount", "note", "at")
    const cursor = async (): Promise<void> => {
      let count = 0
      for await (const row of query.stream({ batchSize: 1000 })) if (row.id > 0) count++
      if (count !== rows) throw new Error(`the cursor read ${count} rows`)
    }
    const write = (format: ExportFormat) => async (): Promise<void> => {
      let bytes = 0
      const to = (chunk: Uint8Array): void => {
        bytes += chunk.length
      }
      const result = await query.export({ format, to })
      if (result.rows !== rows || result.bytes !== bytes) throw new Error(`${format} has ${result.rows} rows, ${bytes} bytes`)
    }
    try {
      await printPlan(url, query.toSql().text)
      const shapes = {
        "typed cursor": cursor,
        "typed cursor again": cursor,
        csv: write("csv"),
        ndjson: write("ndjson"),
        binary: write("binary"),
      }
      const measured = await interleaved(shapes, rounds)
      const notes = Object.fromEntries(
        [...measured.times].map(([name, times]) => [
          name,
          `${((rows / Math.min(...times)) * 1000).toFixed(0)} rows a second at best`,
        ]),
      )
      const memory = ["csv", "ndjson"].map((format) => memoryOf(url, format))
      return [
        resultOf("parallel-export", `${rows} rows read from one session`, "typed cursor", measured, notes),
        {
          name: "parallel-export-memory",
          title: "the memory of a process that exports 5,000,000 rows, against 150 MB",
          reference: "150 MB",
          rounds: 1,
          rows: memory,
        },
      ]
    } finally {
      await selecto.close()
      await pool.end()
    }
  })
}

function memoryOf(url: string, format: string): BenchResult["rows"][number] {
  const child = fileURLToPath(new URL("./export-child.mjs", import.meta.url))
  const { stdout, stderr, status } = spawnSync(process.execPath, [child, url, format], { encoding: "utf8" })
  if (status !== 0) throw new Error(`the exporting process failed (it needs the built package, npm run build): ${stderr}`)
  const { before, early, peak, rows, ms } = JSON.parse(stdout) as Record<"before" | "early" | "peak" | "rows" | "ms", number>
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
  return {
    name: format,
    microseconds: ms * 1000,
    ratio: peak / 150e6,
    note: `${mb(before)} before, at most ${mb(early)} in the first fifth and ${mb(peak)} in all; ${rows} rows`,
  }
}
