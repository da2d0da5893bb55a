/**
 * `npm run score:workload -- --dir DIR --database-url URL`: how well the advisor does on a workload of one's own. DIR holds *.sql files of
 * one statement each. For each budget the advised indexes are really built, by a superuser in a transaction that is rolled back, and what
 * was predicted stands beside what came true. With --against FILE the sets of another tool are built in the same way: a JSON object a line,
 * { "name": "…", "indexes": ["create index on …"] }; the best of them that truly fits a budget is what the advice has to beat.
 *
 * Options: --budget 100MB,500MB,none · --what-if shadow · --max-width 3 · --time-limit 60s · --json · --statements
 * Ends with 1 where another tool's set does better, a statement gets dearer, or a prediction misses its mark.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import pg from "pg"
import { openDatabase } from "../../src/database/open.ts"
import { type Advice, advise } from "../../src/indexes/index.ts"
import type { WhatIfChoice } from "../../src/indexes/what-if/index.ts"
import { bytesOf, type Duration, type Size } from "../../src/units.ts"

const { values: options } = parseArgs({
  options: {
    dir: { type: "string" },
    "database-url": { type: "string", default: process.env.DATABASE_URL ?? "" },
    budget: { type: "string", default: "100MB,500MB,none" },
    "what-if": { type: "string", default: "shadow" },
    "max-width": { type: "string", default: "3" },
    "time-limit": { type: "string", default: "60s" },
    against: { type: "string" },
    statements: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
})
if (options.dir === undefined || options["database-url"] === "") {
  console.error("npm run score:workload -- --dir DIR --database-url URL [--budget 100MB,500MB,none] [--against FILE]")
  process.exit(2)
}

/** What a set of indexes truly takes and brings. */
interface Real {
  readonly costs: readonly number[]
  readonly bytes: readonly number[]
}

const names = readdirSync(options.dir)
  .filter((file) => file.endsWith(".sql"))
  .sort()
const texts = names.map((file) => readFileSync(join(options.dir!, file), "utf8").trim().replace(/;$/, ""))

const client = new pg.Client({ connectionString: options["database-url"] })
await client.connect()
await client.query("begin")
const made = new Map<string, { readonly oid: number; readonly bytes: number }>()
const before = (await built([])).costs
const rivals: { name: string; real: Real }[] = []
if (options.against !== undefined) {
  for (const line of readFileSync(options.against, "utf8")
    .split("\n")
    .filter((text) => text.trim() !== "")) {
    const { name, indexes } = JSON.parse(line) as { name: string; indexes: string[] }
    rivals.push({ name, real: await built(indexes) })
  }
}

const results: Record<string, unknown>[] = []
const failures: string[] = []
const budgets = options.budget === "" ? [] : options.budget.split(",")
for (const budget of budgets) {
  const limit = budget === "none" ? Number.POSITIVE_INFINITY : bytesOf(budget as Size, "budget")
  const { advice, seconds, cpuSeconds, blockedMs, memory } = await advised(limit)
  const real = await built(advice.recommendations.map(({ sql }) => sql.replace(/ CONCURRENTLY \S+ ON /, " on ")))
  const predicted = advice.recommendations.map(({ sizeBytes }) => sizeBytes ?? 0)
  const predictedRatio = ratioOf(advice)
  const row = {
    budget,
    set: "advised",
    indexes: real.bytes.length,
    "MiB predicted": mebibytes(sum(predicted)),
    "MiB real": mebibytes(sum(real.bytes)),
    cost: Math.round(sum(real.costs)),
    "geometric mean": meanRatio(real.costs).toFixed(3),
    "% less, predicted": ((1 - predictedRatio) * 100).toFixed(2),
    "% less, real": ((1 - sum(real.costs) / sum(before)) * 100).toFixed(2),
    "worst statement": Math.max(...real.costs.map((cost, at) => cost / before[at]!)).toFixed(3),
    seconds: seconds.toFixed(1),
    "CPU seconds": cpuSeconds.toFixed(1),
    "what-if calls": advice.whatIfCalls,
    "MB memory": Math.round(memory / 1e6),
    "loop blocked ms": Math.round(blockedMs),
  }
  results.push(row)
  if (advice.partial) failures.push(`${budget}: the time limit ended the search`)
  if (sum(real.bytes) > limit) failures.push(`${budget}: the indexes truly take ${row["MiB real"]} MiB`)
  if (Math.abs(predictedRatio - sum(real.costs) / sum(before)) > 0.01)
    failures.push(`${budget}: predicted ${row["% less, predicted"]} % less, came true ${row["% less, real"]} %`)
  if (Number(row["worst statement"]) > 1.001) failures.push(`${budget}: a statement got dearer`)
  for (const [at, bytes] of real.bytes.entries()) {
    const { name, table, columns, include } = advice.recommendations[at]!
    const off = predicted[at]! / bytes
    if (Math.abs(off - 1) > 0.15 && bytes > 1024 * 1024)
      failures.push(
        `${budget}: ${name} takes ${mebibytes(bytes)} MiB, predicted ${mebibytes(predicted[at]!)} (${table}: ${[...columns, ...include].join(", ")})`,
      )
  }
  for (const rival of bestRivals(limit)) {
    results.push({
      budget,
      set: rival.name,
      indexes: rival.real.bytes.length,
      "MiB real": mebibytes(sum(rival.real.bytes)),
      cost: Math.round(sum(rival.real.costs)),
      "geometric mean": meanRatio(rival.real.costs).toFixed(3),
      "% less, real": ((1 - sum(rival.real.costs) / sum(before)) * 100).toFixed(2),
    })
    if (sum(rival.real.costs) < sum(real.costs) * 0.9999) failures.push(`${budget}: ${rival.name} has a lower total cost`)
    if (meanRatio(rival.real.costs) <= meanRatio(real.costs)) failures.push(`${budget}: ${rival.name} has a lower geometric mean`)
  }
  if (options.statements && !options.json) {
    for (const [at, one] of advice.recommendations.entries())
      console.log(
        `${budget}: ${one.sql}  (${mebibytes(predicted[at]!)} MiB predicted, ${mebibytes(real.bytes[at]!)} real, ${one.priority})`,
      )
    console.table(
      names.map((name, at) => ({
        name,
        before: before[at]!.toFixed(0),
        predicted: advice.statements[at]!.costAfter?.toFixed(0),
        real: real.costs[at]!.toFixed(0),
        ratio: (real.costs[at]! / before[at]!).toFixed(3),
        verdict: advice.statements[at]!.verdict,
      })),
    )
  }
}
await client.query("rollback")
await client.end()

if (options.json) console.log(JSON.stringify({ statements: names, before, results, failures }, null, 1))
else {
  if (budgets.length === 0) {
    // Nothing to advise on: the other tool's sets by themselves.
    for (const { name, real } of rivals)
      results.push({
        set: name,
        indexes: real.bytes.length,
        "MiB real": mebibytes(sum(real.bytes)),
        cost: Math.round(sum(real.costs)),
        "geometric mean": meanRatio(real.costs).toFixed(3),
      })
  }
  console.log(`${texts.length} statements, cost without the indexes ${Math.round(sum(before))}`)
  console.table(results)
  for (const failure of failures) console.log(failure)
}
process.exitCode = failures.length > 0 ? 1 : 0

async function advised(
  limit: number,
): Promise<{ advice: Advice; seconds: number; cpuSeconds: number; blockedMs: number; memory: number }> {
  const db = openDatabase(options["database-url"])
  const loop = monitorEventLoopDelay({ resolution: 2 })
  let memory = 0
  const watch = setInterval(() => {
    memory = Math.max(memory, process.memoryUsage().rss)
  }, 100)
  loop.enable()
  const start = performance.now()
  const cpu = process.cpuUsage()
  try {
    const advice = await advise(
      db,
      texts.map((text) => ({ text })),
      {
        whatIf: options["what-if"] as WhatIfChoice,
        maxWidth: Number(options["max-width"]),
        timeLimit: options["time-limit"] as Duration,
        ...(Number.isFinite(limit) ? { budgetBytes: limit } : {}),
      },
    )
    const { user, system } = process.cpuUsage(cpu)
    return {
      advice,
      seconds: (performance.now() - start) / 1000,
      cpuSeconds: (user + system) / 1e6,
      blockedMs: loop.max / 1e6,
      memory,
    }
  } finally {
    clearInterval(watch)
    loop.disable()
    await db.close()
  }
}

/** Plans every statement with exactly these indexes, each built once and kept out of the planner's sight while others are looked at. */
async function built(indexes: readonly string[]): Promise<Real> {
  for (const index of indexes) {
    if (made.has(index)) continue
    await client.query(index.replace(/ on /i, ` selecto_score_${made.size} on `))
    const { rows } = await client.query<{ oid: number; bytes: string; expression: boolean; table: string }>(
      `select indexrelid as oid, pg_relation_size(indexrelid) as bytes, indexprs is not null as expression, indrelid::regclass::text as table
       from pg_index where indexrelid = (select oid from pg_class where relname = $1)`,
      [`selecto_score_${made.size}`],
    )
    made.set(index, { oid: rows[0]!.oid, bytes: Number(rows[0]!.bytes) })
    // Expressions have statistics of their own only once analysed.
    if (rows[0]!.expression) await client.query(`analyze ${rows[0]!.table}`)
  }
  const all = [...made.values()].map(({ oid }) => oid)
  const shown = indexes.map((index) => made.get(index)!.oid)
  await client.query(
    "update pg_index set indisvalid = indexrelid = any($2::oid[]) where indexrelid = any($1::oid[]) and indisvalid <> (indexrelid = any($2::oid[]))",
    [all, shown],
  )
  const costs: number[] = []
  for (const text of texts)
    costs.push((await client.query(`explain (format json) ${text}`)).rows[0]["QUERY PLAN"][0].Plan["Total Cost"])
  return { costs, bytes: indexes.map((index) => made.get(index)!.bytes) }
}

/** Of the other tool's sets that truly fit: that of the lowest total, and that of the lowest mean. */
function bestRivals(limit: number): { name: string; real: Real }[] {
  const fitting = rivals.filter(({ real }) => sum(real.bytes) <= limit)
  const best = (of: (real: Real) => number): { name: string; real: Real } | undefined =>
    [...fitting].sort((a, b) => of(a.real) - of(b.real))[0]
  const found = [best(({ costs }) => sum(costs)), best(({ costs }) => meanRatio(costs))]
  return [...new Set(found.filter((rival) => rival !== undefined))]
}

function ratioOf({ cost }: Advice): number {
  return cost.before === 0 ? 1 : cost.after / cost.before
}

function meanRatio(costs: readonly number[]): number {
  return Math.exp(costs.reduce((total, cost, at) => total + Math.log(cost / before[at]!), 0) / costs.length)
}

function sum(list: readonly number[]): number {
  return list.reduce((total, one) => total + one, 0)
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1)
}
