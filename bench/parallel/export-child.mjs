// A process of its own, for its memory: plain node and the built package, which exports ten times the table's rows.
import { connect } from "../../dist/index.js"

const [url, format] = process.argv.slice(2)
const selecto = connect(url)
await selecto.statement("select 1").execute()
const before = process.memoryUsage().rss
let early = 0
let peak = 0
const started = performance.now()
const { rows } = await selecto.statement("select e.* from generate_series(1, 10), events e").export({
  format,
  to: () => {
    peak = Math.max(peak, process.memoryUsage().rss)
  },
  onProgress: (progress) => {
    if (progress.rows < 1_000_000) early = peak
  },
})
console.log(JSON.stringify({ before, early, peak, rows, ms: performance.now() - started }))
await selecto.close()
