// A process of its own, for its memory: exports ten times the table's rows and prints what it took.
import { connect } from "../../src/client/connect.ts"
import type { ExportFormat } from "../../src/parallel/index.ts"

const [url, format] = process.argv.slice(2)
const selecto = connect(url)
await selecto.statement("select 1").execute()
const before = process.memoryUsage().rss
let early = 0
let peak = 0
let bytes = 0
const started = performance.now()
const { rows } = await selecto.statement("select e.* from generate_series(1, 10), events e").export({
  format: format as ExportFormat,
  to: (chunk) => {
    bytes += chunk.length
    peak = Math.max(peak, process.memoryUsage().rss)
  },
  onProgress: (progress) => {
    if (progress.rows < 1_000_000) early = peak
  },
})
console.log(JSON.stringify({ before, early, peak, rows, bytes, ms: performance.now() - started }))
await selecto.close()
