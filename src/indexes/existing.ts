import { type Expression, expressionText, mapExpression, statementShapeSync } from "../sql/index.ts"
import type { CatalogIndex, CatalogTable } from "./catalog.ts"
import type { Candidate, DraftKey } from "./draft.ts"

/** One spelling for expressions that PostgreSQL and people write differently: `(attrs ->> 'brand'::text)` and `attrs->>'brand'`. */
export function canonicalText(text: string): string {
  try {
    const expression = statementShapeSync(`select ${text}`).blocks[0]?.output[0]?.expression
    return expression === undefined ? text : expressionText(withoutLiteralCasts(expression))
  } catch {
    return text
  }
}

function withoutLiteralCasts(expression: Expression): Expression {
  return mapExpression(expression, (inner) => {
    const literal = inner.kind === "cast" && inner.operand.kind === "constant" && inner.operand.type === "string"
    return literal && /^(text|character varying|regconfig)$/.test(inner.type) ? inner.operand : inner
  })
}

interface AnyKey {
  readonly text: string
  readonly opclass: string | null
  readonly descending: boolean
  readonly nulls: boolean
}

function catalogKeys(index: CatalogIndex): AnyKey[] {
  return index.keys.map((key) => ({
    text: key.column === null ? canonicalText(key.text) : `"${key.column}"`,
    opclass: key.opclass,
    descending: key.descending,
    nulls: key.nullsFirst,
  }))
}

function draftKeys(keys: readonly DraftKey[]): AnyKey[] {
  return keys.map((key) => ({
    text: key.column === null ? canonicalText(key.text) : `"${key.column}"`,
    opclass: key.opclass,
    descending: key.descending,
    nulls: key.nulls === null ? key.descending : key.nulls === "first",
  }))
}

/** True when `long` begins with `short`, read forwards or backwards as a btree can be. */
function isPrefix(short: readonly AnyKey[], long: readonly AnyKey[], exact: boolean): boolean {
  if (short.length > long.length || (exact && short.length !== long.length)) return false
  const same = (turn: boolean): boolean =>
    short.every((key, at) => {
      const other = long[at]!
      return (
        key.text === other.text &&
        key.opclass === other.opclass &&
        key.descending === (turn ? !other.descending : other.descending) &&
        key.nulls === (turn ? !other.nulls : other.nulls)
      )
    })
  return same(false) || same(true)
}

/** The existing index that makes a candidate needless: the same keys, or more after them; null when there is none. */
export function coveringIndex(table: CatalogTable, candidate: Candidate): CatalogIndex | null {
  const keys = draftKeys(candidate.draft.keys)
  for (const index of table.indexes) {
    if (!index.valid || index.method !== candidate.method) continue
    // A full index finds the same rows as a partial one, but reads past all the others: it does not make it needless.
    if ((index.predicate === null) !== (candidate.where === null)) continue
    if (index.predicate !== null && candidate.where !== null && canonicalText(index.predicate) !== canonicalText(candidate.where))
      continue
    const columns = new Set([...index.include, ...index.keys.map((key) => key.column)])
    const included = candidate.include.every((name) => columns.has(name))
    if (included && isPrefix(keys, catalogKeys(index), candidate.method !== "btree")) return index
  }
  return null
}

/** Existing indexes that a new one makes needless. Never one that a constraint needs, or a unique one. */
export function replacedBy(table: CatalogTable, candidate: Candidate): CatalogIndex[] {
  if (candidate.method !== "btree") return []
  const keys = draftKeys(candidate.draft.keys)
  const held = new Set([...candidate.include, ...candidate.draft.keys.map((key) => key.column)])
  return table.indexes.filter(
    (index) =>
      index.method === "btree" &&
      !index.constraint &&
      !index.unique &&
      (index.predicate === candidate.where || (candidate.where === null && index.predicate === null)) &&
      index.include.every((name) => held.has(name)) &&
      isPrefix(catalogKeys(index), keys, false),
  )
}

/** An existing index that another existing one makes needless. */
export interface RedundantIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly bytes: number
  readonly coveredBy: string
  readonly reason: string
  /** `DROP INDEX CONCURRENTLY …` */
  readonly sql: string
  readonly definition: string
}

/** Duplicate and prefix indexes of a table. Of two alike the constraint's, the unique or the older one stays. */
export function redundantIndexes(table: CatalogTable, dropSql: (index: CatalogIndex) => string): RedundantIndex[] {
  const found: RedundantIndex[] = []
  const gone = new Set<CatalogIndex>()
  for (const index of table.indexes) {
    if (index.constraint || index.unique || !index.valid) continue
    const other = table.indexes.find(
      (candidate) =>
        candidate !== index &&
        !gone.has(candidate) &&
        candidate.valid &&
        candidate.method === index.method &&
        (candidate.predicate === index.predicate ||
          (index.predicate !== null && candidate.predicate === null && index.method === "btree")) &&
        index.include.every((name) => candidate.include.includes(name) || candidate.keys.some((key) => key.column === name)) &&
        isPrefix(catalogKeys(index), catalogKeys(candidate), index.method !== "btree"),
    )
    if (other === undefined) continue
    // A partial index with the same keys is smaller than a full one: only an equal one makes it needless.
    if (index.predicate !== other.predicate) continue
    gone.add(index)
    const same = other.keys.length === index.keys.length
    found.push({
      schema: index.schema,
      table: table.name,
      index: index.name,
      bytes: index.bytes,
      coveredBy: other.name,
      reason: same ? `${other.name} has the same keys.` : `Its keys are the first keys of ${other.name}.`,
      sql: dropSql(index),
      definition: index.definition,
    })
  }
  return found
}
