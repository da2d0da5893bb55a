import type { ColumnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import type { Order } from "./node.ts"
import type { QueryState } from "./state.ts"

/** Where a composed value keeps what the compiler reads of it: a symbol, so that no parsed JSON has it. */
export const sourceKey: unique symbol = Symbol.for("selecto-pg.source") as typeof sourceKey

/** What can stand inside another statement as its rows. */
export type SourceNode =
  | { readonly source: "query"; readonly state: QueryState }
  | SetNode
  | ValuesNode
  | SeriesNode
  | RecursiveNode
  | { readonly source: "self"; readonly of: { readonly columns: readonly SourceColumn[] } }
  | { readonly source: "unnest"; readonly path: string; readonly type: ColumnType }

/** Two queries as one. */
export interface SetNode {
  readonly source: "set"
  readonly operator: "UNION" | "INTERSECT" | "EXCEPT"
  readonly all: boolean
  readonly left: SourceNode
  readonly right: SourceNode
  readonly orderBy: readonly Order[]
  readonly limit: number | null
  readonly offset: number | null
}

/** Rows that are bound as parameters, one array for each column. */
export interface ValuesNode {
  readonly source: "values"
  readonly columns: readonly SourceColumn[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

export interface SeriesNode {
  readonly source: "series"
  readonly from: unknown
  readonly to: unknown
  readonly step: unknown
  readonly type: ColumnType
}

/** The rows of `first`, then of `step` over the rows found before. */
export interface RecursiveNode {
  readonly source: "recursive"
  readonly first: SourceNode
  readonly step: SourceNode
  /** What `self` nodes inside the step point to. */
  readonly self: { readonly columns: readonly SourceColumn[] }
  readonly maxDepth: number
  readonly all: boolean
}

/** An output column: its name in rows, and its type. */
export interface SourceColumn {
  readonly name: string
  readonly type: ColumnType
}

/** A value that carries a source: a query, a set operation, a list of values. */
export interface HasSource {
  readonly [sourceKey]: SourceNode
}

export function hasSource(value: unknown): value is HasSource {
  return typeof value === "object" && value !== null && sourceKey in value
}

/** The source of a composed value. Throws E_UNSUPPORTED_INPUT, naming the call, for anything else. */
export function sourceOf(value: unknown, where: string): SourceNode {
  if (hasSource(value)) return value[sourceKey]
  throw new SelectoError("E_UNSUPPORTED_INPUT", `${where} takes a composed query; SQL text has no columns that could be known.`, {
    path: where,
  })
}
