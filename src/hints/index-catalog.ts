import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteQualified } from "../sql/index.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"
import type { HintRelation } from "./relation.ts"
import type { Executor } from "./server.ts"

/** An index of a table that the statement reads. */
export interface IndexFact {
  readonly name: string
  /** Alias of every relation of the statement that it belongs to. */
  readonly aliases: readonly string[]
  /** False while it is being built, or when building it failed: the planner does not use it. */
  readonly valid: boolean
  /** False for access methods that only collect row addresses (GIN, BRIN). */
  readonly ordered: boolean
  /** Names of the indexes of the partitions, for an index of a partitioned table. */
  readonly parts: readonly string[]
}

const indexText = `select r.alias, x.relname, (i.indisvalid and i.indisready)::int,
  coalesce(pg_index_has_property(i.indexrelid, 'index_scan'), true)::int,
  (select coalesce(json_agg(p.relname), '[]') from pg_catalog.pg_partition_tree(i.indexrelid) t join pg_catalog.pg_class p on p.oid = t.relid)
from json_to_recordset($1::json) r(alias text, name text)
join pg_catalog.pg_index i on i.indrelid = to_regclass(r.name)
join pg_catalog.pg_class x on x.oid = i.indexrelid /* selecto:hints */`

/** How long a look at the indexes holds: a statement whose index was dropped meanwhile would be read without any. */
const holdMs = 60_000
const timeoutMs = 10_000

interface Entry {
  readonly at: number
  readonly facts: Promise<readonly IndexFact[]>
  known: readonly IndexFact[] | null
}
const memo = new WeakMap<object, Map<string, Entry>>()

/** Indexes of the relations, looked up at most once a minute for the same tables. */
export function indexFacts(
  database: Database,
  relations: readonly HintRelation[],
  executor: Executor = database,
): Promise<readonly IndexFact[]> {
  const key = relationKey(relations)
  let entries = memo.get(database)
  if (entries === undefined) {
    entries = new Map()
    memo.set(database, entries)
  }
  const now = performance.now()
  const before = entries.get(key)
  if (before !== undefined && now - before.at < holdMs) return before.facts
  const entry: Entry = { at: now, facts: readIndexes(executor, key), known: null }
  if (entries.size >= 500) entries.clear()
  entries.set(key, entry)
  entry.facts.then(
    (facts) => {
      entry.known = facts
    },
    () => entries.delete(key),
  )
  return entry.facts
}

/** True while these facts, of these relations, need no new look. */
export function factsHold(database: Database, key: string, facts: readonly IndexFact[]): boolean {
  const entry = memo.get(database)?.get(key)
  return entry !== undefined && entry.known === facts && performance.now() - entry.at < holdMs
}

/** Looks now. */
export function readIndexFacts(executor: Executor, relations: readonly HintRelation[]): Promise<readonly IndexFact[]> {
  return readIndexes(executor, relationKey(relations))
}

/** The relations as one string, under which their indexes are remembered. */
export function relationKey(relations: readonly HintRelation[]): string {
  return JSON.stringify(
    relations
      .filter(({ kind }) => kind === "table")
      .map(({ alias, schema, table }) => ({ alias, name: quoteQualified(schema, table) })),
  )
}

async function readIndexes(executor: Executor, key: string): Promise<readonly IndexFact[]> {
  const { rows } = await executor.queryText({ text: indexText, values: [key] }, { timeoutMs })
  const facts = new Map<string, { -readonly [K in keyof IndexFact]: IndexFact[K] }>()
  for (const [alias, name, valid, ordered, parts] of rows) {
    const fact = facts.get(name!)
    if (fact === undefined)
      facts.set(name!, {
        name: name!,
        aliases: [alias!],
        valid: valid === "1",
        ordered: ordered === "1",
        parts: JSON.parse(parts ?? "[]"),
      })
    else fact.aliases = [...fact.aliases, alias!]
  }
  return [...facts.values()]
}

/**
 * The indexes that a hint names, of one relation where it is given. Throws E_UNKNOWN_INDEX for one that does not exist, is not
 * valid, or belongs to another table: the extension would take every index away and leave a sequential scan.
 */
export function namedIndexes(
  facts: readonly IndexFact[],
  names: readonly string[],
  alias: string | null,
  hint: string,
): IndexFact[] {
  return names.map((given) => {
    // The extension knows bare names only.
    const bare =
      given.includes(".") && !facts.some(({ name }) => name === given) ? given.slice(given.lastIndexOf(".") + 1) : given
    const known = facts.filter((fact) => alias === null || fact.aliases.includes(alias))
    const fact = known.find(({ name }) => name === bare)
    if (fact === undefined) {
      const suggestions = suggestionsFor(
        bare,
        known.map(({ name }) => name),
      )
      const where = alias === null ? "the tables of the statement have" : `${JSON.stringify(alias)} has`
      throw new SelectoError(
        "E_UNKNOWN_INDEX",
        `The hint ${hint} names the index ${JSON.stringify(given)}, which ${where} not; with it the table would be read from start to end.${didYouMean(suggestions)}`,
        { path: given, suggestions },
      )
    }
    if (!fact.valid)
      throw new SelectoError(
        "E_UNKNOWN_INDEX",
        `The hint ${hint} names the index ${JSON.stringify(given)}, which is not valid (its building failed or goes on): REINDEX it first.`,
        { path: given },
      )
    return fact
  })
}
