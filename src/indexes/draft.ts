import { quoteIdentifier, statementShapeSync } from "../sql/index.ts"
import type { CatalogTable } from "./catalog.ts"
import type { CandidateIndex } from "./what-if/planner.ts"

/** One key of a candidate. */
export interface DraftKey {
  /** Column (quoted where needed) or expression, without operator class and direction. */
  readonly text: string
  readonly column: string | null
  readonly opclass: string | null
  readonly descending: boolean
  /** Null: the default of the direction. */
  readonly nulls: "first" | "last" | null
}

/** An index that may help, and why. */
export interface Draft {
  readonly table: CatalogTable
  readonly method: CandidateIndex["method"]
  readonly keys: readonly DraftKey[]
  readonly include: readonly string[]
  readonly where: string | null
  /** What it serves: "equality_filter", "order_by", … */
  readonly patterns: readonly string[]
  /** The clauses that it serves, in words: "WHERE status = …". */
  readonly clauses: readonly string[]
}

/** A candidate with what the advisor keeps beside it. */
export interface Candidate extends CandidateIndex {
  readonly draft: Draft
}

/** A plain ascending key. */
export function keyOf(text: string, column: string | null): DraftKey {
  return { text, column, opclass: null, descending: false, nulls: null }
}

/** SQL of a key. */
export function keySql(key: DraftKey): string {
  const base = key.column !== null || isCall(key.text) ? key.text : `(${key.text})`
  const opclass = key.opclass === null ? "" : ` ${key.opclass}`
  const nulls = key.nulls === null || (key.nulls === "first") === key.descending ? "" : ` NULLS ${key.nulls.toUpperCase()}`
  return `${base}${opclass}${key.descending ? " DESC" : ""}${nulls}`
}

/** A function call may stand as a key without parentheses of its own; other expressions need them. */
function isCall(text: string): boolean {
  try {
    const expression = statementShapeSync(`select ${text}`).blocks[0]?.output[0]?.expression
    return expression?.kind === "call" && expression.schema === null
  } catch {
    return false
  }
}

/** The candidate of a draft; equal drafts give equal ids. */
export function candidateOf(draft: Draft): Candidate {
  const keys = draft.keys.map(keySql)
  const { schema, name: table } = draft.table
  const include = draft.include.map(quoteIdentifier)
  const id = JSON.stringify([schema, table, draft.method, keys, include, draft.where])
  return { id, schema, table, method: draft.method, keys, include: draft.include, where: draft.where, draft }
}

/** The definition after ON: `public.orders (status, created_at)`. */
export function definitionOf(candidate: CandidateIndex, table: string): string {
  const method = candidate.method === "btree" ? "" : ` USING ${candidate.method}`
  const include = candidate.include.length === 0 ? "" : ` INCLUDE (${candidate.include.map(quoteIdentifier).join(", ")})`
  const where = candidate.where === null ? "" : ` WHERE ${candidate.where}`
  return `${table}${method} (${candidate.keys.join(", ")})${include}${where}`
}
