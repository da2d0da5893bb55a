import type pg from "pg"
import type { Database } from "../../src/database/database.ts"
import { readCatalog } from "../../src/database/read-catalog.ts"
import { definitionOf } from "../../src/views/definition.ts"
import { filterIndex } from "../../src/views/filter-index.ts"
import { type FoundRewriting, prepareSearch, type Searchable, search } from "../../src/views/search.ts"
import { randomOf } from "../support/random.ts"
import { type Answer, answers, byValue, difference } from "./compare.ts"
import { randomSchema, schemaText, type TableSpec } from "./generate.ts"
import { type Form, randomForm } from "./generate-forms.ts"
import { pickOf, type Random, randomData, type ValuePool } from "./random-data.ts"

/** A rewriting that gave other rows than the query, with all that it takes to see it again. */
export interface Mistake {
  readonly schema: string
  readonly view: string
  readonly query: string
  readonly rewriting: string
  readonly difference: string
  readonly data: string
}

export interface Figures {
  readonly seed: number
  /** Pairs of a view and a query that the server accepts. */
  pairs: number
  rewritten: number
  /** Of those, by what they read. */
  readonly kinds: Record<FoundRewriting["kind"], number>
  /** Comparisons on random databases, and how many of them had rows. */
  runs: number
  filled: number
  readonly mistakes: Mistake[]
}

export interface DifferentialOptions {
  readonly seed: number
  readonly pairs: number
  /** Random databases that each rewriting is run on. */
  readonly databases: number
  /** Views of one form only. */
  readonly focus?: string | undefined
  /** Stops earlier when it returns true. */
  readonly enough?: ((figures: Figures) => boolean) | undefined
}

const viewsPerSchema = 40

/** The constants that generated conditions compare with, and what lies beside them. */
const pool: ValuePool = {
  numbers: [0, 1, 2, 3, 4],
  texts: ["a", "b", "ab", "EU", "x"],
  dates: ["2025-01-01", "2025-01-15", "2025-01-31", "2025-02-01", "2025-02-15", "2025-03-01", "2025-12-31", "2026-01-01"],
}

/**
 * Random views and queries on random schemas: every rewriting is run against the query that it stands for, on random databases full of
 * NULLs and duplicates. The views are plain views while rows are compared: what they hold is then always their definition's.
 */
export async function runDifferential(client: pg.Client, db: Database, options: DifferentialOptions): Promise<Figures> {
  const figures: Figures = {
    seed: options.seed,
    pairs: 0,
    rewritten: 0,
    kinds: { full: 0, "join-back": 0, union: 0 },
    runs: 0,
    filled: 0,
    mistakes: [],
  }
  for (let round = 0; figures.pairs < options.pairs && !options.enough?.(figures); round++)
    await runRound(client, db, randomOf(options.seed * 100_003 + round), figures, options)
  return figures
}

async function runRound(
  client: pg.Client,
  db: Database,
  random: Random,
  figures: Figures,
  options: DifferentialOptions,
): Promise<void> {
  const odd = random() < 0.3
  const tables = randomSchema(random, odd)
  const schema = schemaText(tables)
  await client.query(`drop schema public cascade; create schema public; ${schema}`)
  const forms = new Map<string, Form>()
  for (let at = 0; at < viewsPerSchema; at++) {
    const form = randomForm(tables, random, options.focus)
    const name = `v${at + 1}`
    if (await accepts(client, `create materialized view ${name} as ${form.view}`)) forms.set(name, form)
  }
  const catalog = await readCatalog(db)
  const definitions = catalog.relations
    .filter((relation) => relation.kind === "materialized view")
    .map((relation) => definitionOf(relation))
  const ready = await prepareSearch(db, definitions)
  for (const [name, { view }] of forms) await client.query(`drop materialized view ${name}; create view ${name} as ${view}`)
  for (const [name, form] of forms) {
    for (let query = 0; query < 3 && figures.pairs < options.pairs && !options.enough?.(figures); query++)
      await runPair(client, db, { name, form, schema, tables, ready, odd }, random, figures, options)
  }
}

interface Pair {
  readonly name: string
  readonly form: Form
  readonly schema: string
  readonly tables: readonly TableSpec[]
  readonly ready: Searchable
  /** Its tables hold values that are equal but not the same. */
  readonly odd: boolean
}

async function runPair(
  client: pg.Client,
  db: Database,
  pair: Pair,
  random: Random,
  figures: Figures,
  options: DifferentialOptions,
): Promise<void> {
  const { text: query, values } =
    random() < 0.3 ? parametrised(pair.form.query(random)) : { text: pair.form.query(random), values: [] }
  if (!(await accepts(client, values.length === 0 ? `explain ${query}` : `prepare tried as ${query}; deallocate tried`))) return
  // A rewriting for any values must hold for others too.
  const anyValues = values.length > 0 && random() < 0.5
  figures.pairs++
  // Now and then every view of the schema may answer: several can then share the work.
  const all = random() < 0.15
  const views = all ? pair.ready.views : pair.ready.views.filter((view) => view.definition.name === pair.name)
  const mistake = (rewriting: string, what: string, data: string): void => {
    figures.mistakes.push({ schema: pair.schema, view: pair.form.view, query, rewriting, difference: what, data })
  }
  let found: Awaited<ReturnType<typeof search>>
  try {
    found = await search(
      { ...pair.ready, views, index: filterIndex(views) },
      db,
      query,
      anyValues || values.length === 0 ? undefined : values,
      undefined,
    )
  } catch (error) {
    mistake("(none)", error instanceof Error ? (error.stack ?? error.message) : String(error), "")
    return
  }
  if (found.outcome.text === null) {
    // What the server refuses, or types differently, was thought to be right.
    const refused = found.outcome.reasons.find(({ reason }) => /the server refused|the rewriting|another type/.test(reason))
    if (refused !== undefined) mistake("(refused)", refused.reason, "")
    return
  }
  figures.rewritten++
  figures.kinds[found.outcome.kind]++
  const catalog = { relations: [...pair.ready.library.relations()] }
  const names = new Set(pair.tables.map((table) => table.name))
  for (let at = 0; at < options.databases; at++) {
    const data = randomData(catalog, names, pool, random, {
      rows: pickOf(random, [4, 15, 30]),
      nulls: 0.15,
      odd: pair.odd ? 0.2 : 0,
    })
    try {
      const bound = anyValues && at > 0 ? values.map((value) => otherValue(value, random)) : values
      const [expected, actual] = await answers(client, [data, ...run("a", query, bound), ...run("b", found.outcome.text, bound)])
      figures.runs++
      if (expected!.rows.length > 0) figures.filled++
      const same = pair.odd ? byValue : (one: Answer): Answer => one
      const what = difference(same(expected!), same(actual!))
      if (what === null) continue
      mistake(found.outcome.text, what, data)
    } catch (error) {
      mistake(found.outcome.text, String(error), data)
    }
    return
  }
}

/** The query with the constants that it compares with as parameters. */
function parametrised(query: string): { readonly text: string; readonly values: readonly string[] } {
  const values: string[] = []
  const text = query.replace(/(<>|<=|>=|=|<|>) ('[^']*'|\d+(?:\.5)?)(?![\w'.])/g, (_match, operator, constant) => {
    values.push(String(constant).replaceAll("'", ""))
    return `${operator} $${values.length}`
  })
  return { text, values }
}

/** Another value that can stand in its place. */
function otherValue(value: string, random: Random): string {
  if (/^\d{4}-/.test(value)) return pickOf(random, pool.dates)
  return /^\d/.test(value) ? String(pickOf(random, pool.numbers)) : pickOf(random, [value, ...pool.texts])
}

function run(name: string, text: string, values: readonly string[]): readonly string[] {
  if (values.length === 0) return [text]
  return [
    `prepare ${name} as ${text}`,
    `execute ${name}(${values.map((value) => `'${value}'`).join(", ")})`,
    `deallocate ${name}`,
  ]
}

async function accepts(client: pg.Client, statement: string): Promise<boolean> {
  return client.query(statement).then(
    () => true,
    () => false,
  )
}

/** The figures in a line. */
export function told(figures: Figures): string {
  const { seed, pairs, rewritten, kinds, runs, filled, mistakes } = figures
  const share = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(0)} %`
  return (
    `seed ${seed}: ${pairs} pairs, ${rewritten} rewritten (${share(rewritten, pairs)}; ${kinds.full} full, ${kinds["join-back"]} with ` +
    `tables, ${kinds.union} unions), ${runs} comparisons, ${share(filled, runs)} with rows, ${mistakes.length} mistakes`
  )
}
