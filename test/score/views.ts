/**
 * `npm run score:views [folder]`: how many queries are answered from views, and whether the answers are right, on the acceptance cases
 * beside the checkout. Every rewriting is run on random databases (SELECTO_DATABASES, 200 a case) and on the databases that catch wrong
 * ones. Prints a table by feature; exits 1 below the promised figures. SELECTO_CASE picks cases by a part of their id.
 */
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import pg from "pg"
import type { Catalog } from "../../src/database/catalog.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { readCatalog } from "../../src/database/read-catalog.ts"
import { definitionOf } from "../../src/views/definition.ts"
import { type Rewriting, viewRewriter } from "../../src/views/rewriter.ts"
import { randomOf } from "../support/random.ts"
import { startServer, urlOf } from "../support/server.ts"
import { answers, difference } from "../views/compare.ts"
import { poolOf, type Random, randomData, tablesNamed } from "../views/random-data.ts"

/** A labelled case; see the README beside the cases. */
interface Case {
  readonly id: string
  readonly view_sql: string
  readonly query_sql: string
  readonly schema: string
  readonly feature: string
  readonly kind: string
  readonly klass: "exact" | "must-not" | "engine-limit" | "policy"
  readonly hard: boolean
}

interface Witness {
  readonly id: string
  readonly db_a: string
  readonly db_b: string
}

interface Verdict {
  readonly one: Case
  readonly rewriting: Rewriting
  readonly wrong: string | null
  readonly runs: number
  readonly filled: number
}

const folder = resolve(process.argv[2] ?? "../shared/cases")
const perCase = Number(process.env.SELECTO_DATABASES ?? 200)
const only = process.env.SELECTO_CASE
const version = Number(process.env.SELECTO_VERSION ?? 15)
const verbose = process.env.SELECTO_VERBOSE !== undefined

const lines = <T>(file: string): T[] =>
  readFileSync(join(folder, file), "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as T)

if (!existsSync(join(folder, "views-rewrite.jsonl"))) {
  console.log(`skipped: no view cases in ${folder}`)
  process.exit(0)
}
const cases = lines<Case>("views-rewrite.jsonl").filter((one) => only === undefined || one.id.includes(only))
const witnesses = new Map(
  (existsSync(join(folder, "views-witnesses.jsonl")) ? lines<Witness>("views-witnesses.jsonl") : []).map((one) => [one.id, one]),
)
const seed = Number(process.env.SELECTO_SEED ?? 1)
const server = await startServer(version)
const verdicts: Verdict[] = []
try {
  const schemas = [...new Set(cases.map((one) => one.schema))]
  for (const schema of schemas) await scoreSchema(schema)
} finally {
  await server.stop()
}
const failed = report(verdicts)
process.exit(failed ? 1 : 0)

async function scoreSchema(schema: string): Promise<void> {
  const admin = new pg.Client({ connectionString: urlOf(server, "postgres") })
  await admin.connect()
  await admin.query(`create database ${schema}`)
  await admin.end()
  const client = new pg.Client({ connectionString: urlOf(server, schema) })
  await client.connect()
  await client.query(readFileSync(join(folder, `views-schema-${schema}.sql`), "utf8"))
  const db = openDatabase(urlOf(server, schema))
  try {
    const catalog = await readCatalog(db)
    for (const [at, one] of cases.filter((other) => other.schema === schema).entries())
      verdicts.push(await scoreCase(one, catalog, client, db, randomOf(seed * 1000 + at)))
  } finally {
    await db.close()
    await client.end()
  }
}

async function scoreCase(one: Case, catalog: Catalog, client: pg.Client, db: Database, random: Random): Promise<Verdict> {
  await client.query(`create materialized view scored as ${one.view_sql}`)
  let rewriting: Rewriting
  try {
    const relation = (await readCatalog(db, { relations: [{ name: "scored" }] })).relations[0]!
    rewriting = await viewRewriter(db, [definitionOf(relation)]).rewrite(one.query_sql, { judge: "semantics" })
  } finally {
    await client.query("drop materialized view scored")
  }
  if (rewriting.text === null) return { one, rewriting, wrong: null, runs: 0, filled: 0 }
  // The answer's correctness is a matter of the definition: a plain view of that name holds it for every database at once.
  await client.query(`create view scored as ${one.view_sql}`)
  try {
    const pool = poolOf([one.view_sql, one.query_sql])
    const names = tablesNamed(catalog, `${one.view_sql} ${one.query_sql}`)
    const witness = witnesses.get(one.id)
    const databases = witness === undefined ? [] : [witness.db_a, witness.db_b]
    let filled = 0
    for (let at = 0; at < perCase + databases.length; at++) {
      const data = databases[at] ?? randomData(catalog, names, pool, random, { rows: at % 5 === 0 ? 3 : 8, nulls: 0.25 })
      const [expected, actual] = await answers(client, [data, one.query_sql, rewriting.text])
      const wrong = difference(expected!, actual!)
      if (expected!.rows.length > 0) filled++
      if (wrong !== null) return { one, rewriting, wrong: `${wrong}\n${data}`, runs: at + 1, filled }
    }
    return { one, rewriting, wrong: null, runs: perCase + databases.length, filled }
  } catch (error) {
    return { one, rewriting, wrong: String(error), runs: 0, filled: 0 }
  } finally {
    await client.query("drop view scored")
  }
}

function report(all: readonly Verdict[]): boolean {
  const rewritten = ({ rewriting }: Verdict): boolean => rewriting.text !== null
  const share = (list: readonly Verdict[]): string => (list.length === 0 ? "" : `${list.filter(rewritten).length}/${list.length}`)
  const features = [...new Set(all.map(({ one }) => one.feature))].sort()
  const row = (list: readonly Verdict[]): Record<string, string | number> => {
    const exact = list.filter(({ one }) => one.klass === "exact")
    const viewOnly = list.filter(
      (verdict) => verdict.one.klass === "must-not" && verdict.rewriting.text !== null && verdict.rewriting.kind === "full",
    )
    return {
      exact: share(exact.filter(({ one }) => !one.hard)),
      hard: share(exact.filter(({ one }) => one.hard)),
      "must-not, by views only": viewOnly.length,
      "must-not, with tables":
        list.filter((verdict) => verdict.one.klass === "must-not" && rewritten(verdict)).length - viewOnly.length,
      either: share(list.filter(({ one }) => one.klass === "engine-limit" || one.klass === "policy")),
      wrong: list.filter(({ wrong }) => wrong !== null).length,
    }
  }
  console.table(Object.fromEntries(features.map((feature) => [feature, row(all.filter(({ one }) => one.feature === feature))])))
  const kinds = [...new Set(all.map(({ one }) => one.kind))]
  console.table(Object.fromEntries(kinds.map((kind) => [kind, row(all.filter(({ one }) => one.kind === kind))])))
  for (const verdict of all) {
    const { one, rewriting, wrong } = verdict
    const missed = one.klass === "exact" && !rewritten(verdict)
    const forbidden = one.klass === "must-not" && rewriting.text !== null && rewriting.kind === "full"
    if (!missed && !forbidden && wrong === null && !verbose) continue
    console.log(
      `\n${one.id} (${one.klass}${one.hard ? ", hard" : ""}): ${wrong !== null ? "WRONG" : missed ? "not rewritten" : forbidden ? "FORBIDDEN" : "rewritten"}`,
    )
    console.log(`  view:  ${one.view_sql}\n  query: ${one.query_sql}`)
    if (rewriting.text === null) console.log(`  reason: ${rewriting.reasons.map(({ reason }) => reason).join("; ")}`)
    else console.log(`  as:    ${rewriting.text}`)
    if (wrong !== null) console.log(`  ${wrong}`)
  }
  const exact = all.filter(({ one }) => one.klass === "exact" && !one.hard)
  const recall = exact.filter(rewritten).length / exact.length
  const whole = row(all)
  const runs = all.reduce((sum, verdict) => sum + verdict.runs, 0)
  const filled = all.reduce((sum, verdict) => sum + verdict.filled, 0)
  console.log(
    `\nPostgreSQL ${version}, seed ${seed}: ${(recall * 100).toFixed(1)} % of the exact cases (${whole.exact}; hard ${whole.hard}), ` +
      `${whole["must-not, by views only"]} forbidden, ${whole.wrong} wrong in ${runs} runs, ${((100 * filled) / Math.max(1, runs)).toFixed(0)} % of them with rows`,
  )
  return recall < 0.9 || whole["must-not, by views only"] !== 0 || whole.wrong !== 0
}
