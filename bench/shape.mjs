// Cost of reading a statement: cold (parse and shape), warm (memo), big texts. `npm run build` first; --json for machines.
import { cpus } from "node:os"
import { Bench } from "tinybench"
import { fingerprintSync, loadShapes, parseSqlSync, statementShape, statementShapeSync } from "../dist/sql/index.js"

await loadShapes()
const texts = {
  "primary key": (n) => `select * from orders where id = ${n}`,
  "three joins": (n) =>
    `select c.region, sum(o.total) from orders o join customers c on c.id = o.customer_id join order_items i on i.order_id = o.id join products p on p.id = i.product_id where o.status = 'paid' and o.created_at >= '2024-01-01' and p.id <> ${n} group by c.region order by 2 desc limit 10`,
  "IN list of 1,000": (n) => `select * from t where a in (${Array.from({ length: 1000 }, (_, at) => at + n).join(",")})`,
}
let n = 0
const bench = new Bench({ time: 400, warmupTime: 100 })
for (const [name, text] of Object.entries(texts)) {
  bench.add(`${name}: parse`, () => parseSqlSync(text(n++)))
  bench.add(`${name}: shape, cold`, () => statementShapeSync(text(n++)))
  const known = text(0)
  bench.add(`${name}: shape, memo hit`, () => statementShapeSync(known))
  bench.add(`${name}: shape, memo hit, async`, () => statementShape(known))
  bench.add(`${name}: fingerprint`, () => fingerprintSync(known))
}
await bench.run()
const rows = bench.tasks.map((task) => ({
  task: task.name,
  "median us": Number((task.result.latency.p50 * 1000).toFixed(2)),
  "p99 us": Number((task.result.latency.p99 * 1000).toFixed(2)),
}))
const long = `select * from t where a in (${Array.from({ length: 100_000 }, (_, at) => at).join(",")})`
const start = performance.now()
statementShapeSync(long)
rows.push({
  task: "IN list of 100,000: shape, cold, once",
  "median us": Math.round((performance.now() - start) * 1000),
  "p99 us": Number.NaN,
})
if (process.argv.includes("--json")) console.log(JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, rows }))
else {
  console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}`)
  console.table(rows)
}
