import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import pg from "pg"
import { describe, expect, test } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { advise } from "../../src/indexes/advise.ts"
import { testDatabase } from "../support/test-database.ts"

/** A labelled case; see the README beside the cases. */
interface Case {
  readonly id: string
  readonly name: string
  readonly queries: readonly string[]
  readonly expect: readonly (readonly string[])[]
  readonly accept?: readonly (readonly string[])[]
  /** Indexes that are worse than those expected, and ones that gain next to nothing. */
  readonly reject?: readonly string[]
  readonly noop?: readonly string[]
  readonly expect_rule?: readonly string[]
  readonly budget_kb?: number
  readonly max_indexes?: number
  readonly writes?: readonly [string, number][]
  readonly reads_per_write?: number
}

/** Our own cases, and those beside the checkout where there are any. */
const folders = [
  resolve(import.meta.dirname, "index-cases"),
  resolve(process.env.SELECTO_INDEX_CASES ?? resolve(import.meta.dirname, "../../../shared/cases/index")),
]
const whatIf = (process.env.SELECTO_WHAT_IF ?? "shadow") as "shadow" | "hypopg"
const only = process.env.SELECTO_CASE

for (const folder of folders) if (!existsSync(`${folder}/cases.json`)) console.log(`skipped: no cases at ${folder}`)

/** Cost of the queries with indexes really built, in a transaction that is rolled back; null when one cannot be built. */
async function realCost(
  client: pg.Client,
  queries: readonly string[],
  indexes: readonly string[],
): Promise<{ cost: number; bytes: number } | null> {
  await client.query("begin")
  try {
    const before = await indexBytes(client)
    for (const index of indexes) await client.query(index.replace(/ concurrently/i, ""))
    const tables = new Set(indexes.map((index) => /\bon (?:only )?([\w."]+)/i.exec(index)![1]!))
    for (const index of tables)
      if (indexes.some((one) => one.includes("((") || /\(\w+\(/.test(one))) await client.query(`analyze ${index}`)
    const bytes = (await indexBytes(client)) - before
    let cost = 0
    for (const query of queries) {
      const { rows } = await client.query(`explain (format json) ${query}`)
      cost += rows[0]["QUERY PLAN"][0].Plan["Total Cost"]
    }
    return { cost, bytes }
  } catch {
    return null
  } finally {
    await client.query("rollback")
  }
}

async function indexBytes(client: pg.Client): Promise<number> {
  const { rows } = await client.query("select coalesce(sum(pg_relation_size(indexrelid)), 0)::float8 as bytes from pg_index")
  return rows[0].bytes
}

/** The definition after ON, spelled one way. */
function spelled(index: string): string {
  return index
    .toLowerCase()
    .replace(/^create index (concurrently )?(?:\w+ |"[^"]+" )?on /, "")
    .replace(/public\./g, "")
    .replace(/using btree /g, "")
    .replace(/[\s"]+/g, "")
    .replaceAll("((", "(")
    .replaceAll("))", ")")
}

describe.each(folders.filter((folder) => existsSync(`${folder}/cases.json`)))("index cases of %s", (folder) => {
  const database = testDatabase({ version: 15 })

  test("advice", async () => {
    const cases = (JSON.parse(readFileSync(`${folder}/cases.json`, "utf8")) as Case[]).filter(
      (one) => only === undefined || only.split(",").includes(one.id),
    )
    const own = await prepared(database, readFileSync(`${folder}/setup.sql`, "utf8"))
    const db = openDatabase(database.url)
    const rows: Record<string, unknown>[] = []
    const doubtful: string[] = []
    let passed = 0
    try {
      for (const one of cases) {
        const start = performance.now()
        const reads = one.queries.map((text) => ({ text, calls: one.reads_per_write ?? 1 }))
        const writes = (one.writes ?? []).map(([text, calls]) => ({ text, calls }))
        const advice = await advise(db, [...reads, ...writes], {
          whatIf,
          ...(one.budget_kb === undefined ? {} : { budgetBytes: one.budget_kb * 1024 }),
          ...(one.max_indexes === undefined ? {} : { maxIndexes: one.max_indexes }),
        })
        const seconds = (performance.now() - start) / 1000
        const ours = advice.recommendations.map(({ sql }) => sql.split(";\n")[0]!.replace(/ON ONLY /, "ON "))
        const verdict = await judge(own, one, ours)
        if (verdict.pass) passed++
        doubtful.push(...(await doubts(own, one)))
        rows.push({
          case: one.id,
          name: one.name.slice(0, 34),
          pass: verdict.pass ? "yes" : "NO",
          why: verdict.why,
          recommended: ours.map(spelled).join(" + ").slice(0, 90),
          verdict: advice.statements[0]?.verdict,
          calls: advice.whatIfCalls,
          s: seconds.toFixed(1),
        })
      }
    } finally {
      await db.close()
      await own.end()
    }
    console.table(rows)
    for (const doubt of doubtful) console.log(`label in doubt: ${doubt}`)
    console.log(`${passed} of ${cases.length} cases right (${whatIf})`)
    expect(cases.length - passed).toBeLessThanOrEqual(Math.floor(cases.length / 20))
  })
})

/** Loads a schema under settings that make plans comparable; answers a connection. */
async function prepared(database: { readonly url: string; readonly name: string }, setup: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const settings = {
    random_page_cost: "4",
    effective_cache_size: "'4GB'",
    work_mem: "'64MB'",
    jit: "off",
    max_parallel_workers_per_gather: "0",
  }
  for (const [name, value] of Object.entries(settings))
    await client.query(`alter database ${database.name} set ${name} = ${value}`)
  const [, body, vacuum] = /^([\s\S]*?)(vacuum[^;]*;?\s*)$/i.exec(setup) ?? [null, setup, null]
  await client.query(body!)
  if (vacuum !== null) await client.query(vacuum!)
  await client.end()
  const own = new pg.Client({ connectionString: database.url })
  await own.connect()
  return own
}

/** Labels that building says are wrong: a set that was rejected does better than every one expected. */
async function doubts(client: pg.Client, one: Case): Promise<string[]> {
  if (one.expect_rule !== undefined || one.writes !== undefined || one.expect.length === 0) return []
  const before = (await realCost(client, one.queries, []))!.cost
  const gainOf = async (set: readonly string[]): Promise<number> => {
    const real = await realCost(client, one.queries, set)
    return real === null || (one.budget_kb !== undefined && real.bytes > one.budget_kb * 1024) ? 0 : Math.log(before / real.cost)
  }
  const best = Math.max(0, ...(await inTurn(one.expect, gainOf)))
  const found: string[] = []
  for (const index of one.reject ?? []) {
    const gain = await gainOf([index])
    if (gain > best * 0.8) found.push(`${one.id}: ${index} gains ${gain.toFixed(2)}, the best expected ${best.toFixed(2)}`)
  }
  if (best < Math.log(1 / 0.9)) found.push(`${one.id}: what is expected gains only ${((1 - Math.exp(-best)) * 100).toFixed(0)} %`)
  return found
}

async function inTurn<T>(list: readonly T[], run: (one: T) => Promise<number>): Promise<number[]> {
  const results: number[] = []
  for (const one of list) results.push(await run(one))
  return results
}

async function judge(client: pg.Client, one: Case, ours: readonly string[]): Promise<{ pass: boolean; why: string }> {
  const names = new Set(ours.map(spelled))
  if (one.expect_rule !== undefined) {
    const missing = one.expect_rule.filter((index) => !names.has(spelled(index)))
    return { pass: missing.length === 0, why: missing.length === 0 ? "rule" : "rule missing" }
  }
  if (one.expect.length === 0) return { pass: ours.length === 0, why: ours.length === 0 ? "none" : "expected none" }
  if (ours.length === 0) return { pass: false, why: "nothing recommended" }
  if ((one.reject ?? []).some((index) => names.size === 1 && names.has(spelled(index)))) return { pass: false, why: "rejected" }
  const sets = [...one.expect, ...(one.accept ?? [])]
  const equal = sets.some((set) => set.length === names.size && set.every((index) => names.has(spelled(index))))
  const before = (await realCost(client, one.queries, []))!.cost
  const mine = await realCost(client, one.queries, ours)
  if (mine === null) return { pass: false, why: "cannot be built" }
  let best = 0
  let most = 0
  for (const set of one.expect) {
    const real = await realCost(client, one.queries, set)
    if (real === null) continue
    const fits = one.budget_kb === undefined || real.bytes <= one.budget_kb * 1024
    if (fits) best = Math.max(best, Math.log(before / real.cost))
    most = Math.max(most, set.length)
  }
  const gain = Math.log(before / mine.cost)
  const share = best === 0 ? 1 : gain / best
  if (one.budget_kb !== undefined && mine.bytes > one.budget_kb * 1024)
    return { pass: false, why: `over budget: ${Math.round(mine.bytes / 1024)} kB` }
  if (equal) return { pass: true, why: `equal, gain ${(share * 100).toFixed(0)} %` }
  if (ours.length > (one.max_indexes ?? most))
    return { pass: false, why: `${ours.length} indexes for ${most}, gain ${(share * 100).toFixed(0)} %` }
  return { pass: share >= 0.8, why: `gain ${(share * 100).toFixed(0)} % of best` }
}
