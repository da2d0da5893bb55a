import type { Relation } from "../../database/catalog.ts"
import { childrenOf, type Expression, type SortKey } from "../../sql/index.ts"
import type { TypeRef } from "../../sql/typing/index.ts"

/**
 * A query as matching sees it: a StatementShape whose names are resolved, whose types are known, and whose clauses are taken apart into
 * lists of conditions. Columns in its expressions name leaves by numbers that are never used twice in the process, so that expressions of
 * a query and of a view can stand side by side.
 */
export type Query = SelectQuery | SetQuery

export interface SelectQuery {
  readonly kind: "select"
  readonly core: Core
  readonly group: Group | null
  /** Over groups: keys and aggregates. */
  readonly having: readonly Expression[]
  readonly distinct: boolean
  readonly distinctOn: readonly Expression[] | null
  readonly output: readonly Output[]
  readonly order: readonly SortKey[]
  readonly limit: Expression | null
  readonly offset: Expression | null
  readonly withTies: boolean
}

export interface SetQuery {
  readonly kind: "set"
  readonly operator: "union" | "intersect" | "except"
  readonly all: boolean
  readonly arms: readonly Query[]
  readonly output: readonly SetColumn[]
  /** Keys are columns of the result, by their index. */
  readonly order: readonly (Omit<SortKey, "expression"> & { readonly column: number })[]
  readonly limit: Expression | null
  readonly offset: Expression | null
}

export interface SetColumn {
  readonly name: string
  readonly type: TypeRef
}

export interface Output {
  readonly name: string
  readonly expression: Expression
  readonly type: TypeRef
}

export interface Group {
  /** Empty, without sets: one row over all, even over none. */
  readonly keys: readonly Expression[]
  /** Indexes into keys; null for a plain GROUP BY. */
  readonly sets: readonly (readonly number[])[] | null
}

/**
 * FROM and WHERE. Its rows: the product of leaves and full joins, left-joined with each unit in turn, then filtered by `where`. Every
 * tree of inner, left, right and full joins can be written so, once filters stand where they act.
 */
export interface Core {
  readonly leaves: readonly Leaf[]
  readonly fulls: readonly FullJoin[]
  readonly units: readonly Unit[]
  readonly where: readonly Expression[]
}

/** The inner side of a left join: padded with NULLs where `on` finds no row of its core. */
export interface Unit {
  readonly core: Core
  readonly on: readonly Expression[]
}

export interface FullJoin {
  readonly left: Core
  readonly right: Core
  readonly on: readonly Expression[]
}

export interface Leaf {
  readonly id: number
  /** The name it went by; a hint for writing, never an identity. */
  readonly alias: string
  readonly source: Source
  /** It refers to leaves beside it. */
  readonly lateral: boolean
}

export type Source =
  | { readonly kind: "table"; readonly table: Relation; readonly only: boolean }
  | { readonly kind: "derived"; readonly query: Query }
  | { readonly kind: "function"; readonly call: Expression; readonly column: string; readonly type: TypeRef }
  | { readonly kind: "values"; readonly rows: readonly (readonly Expression[])[]; readonly columns: readonly SetColumn[] }

export const emptyCore: Core = { leaves: [], fulls: [], units: [], where: [] }

let lastLeaf = 0

/** A number that no leaf has had in this process. */
export function nextLeaf(): number {
  lastLeaf += 1
  return lastLeaf
}

/** A reference to a column of a leaf. */
export function columnOf(leaf: number, name: string): Expression {
  return { kind: "column", relation: leaf, name, qualifier: null, block: 0 }
}

/** Leaves of a core, those inside units and full joins included, in the order of writing. */
export function leavesOf(core: Core): readonly Leaf[] {
  return [
    ...core.leaves,
    ...core.fulls.flatMap((full) => [...leavesOf(full.left), ...leavesOf(full.right)]),
    ...core.units.flatMap((unit) => leavesOf(unit.core)),
  ]
}

/** Ids of the leaves that are padded with NULLs for some rows of the core. */
export function paddedLeaves(core: Core): ReadonlySet<number> {
  const padded = [...core.units.map((unit) => unit.core), ...core.fulls.flatMap((full) => [full.left, full.right])]
  return new Set(padded.flatMap(leavesOf).map((leaf) => leaf.id))
}

/** A plain SELECT over a core: nothing grouped, sorted or cut. */
export function plainSelect(core: Core, output: readonly Output[]): SelectQuery {
  return {
    kind: "select",
    core,
    group: null,
    having: [],
    distinct: false,
    distinctOn: null,
    output,
    order: [],
    limit: null,
    offset: null,
    withTies: false,
  }
}

/** True for a query without LIMIT, OFFSET and DISTINCT ON: every row that it describes is there. */
export function isWhole(query: Query): boolean {
  return query.limit === null && query.offset === null && (query.kind === "set" || query.distinctOn === null)
}

/** True where output or sorting call window functions. */
export function hasWindows(query: SelectQuery): boolean {
  return (
    query.output.some(({ expression }) => hasWindow(expression)) || query.order.some(({ expression }) => hasWindow(expression))
  )
}

/** True for an expression with a window call in it. */
export function hasWindow(expression: Expression): boolean {
  return anyPart(expression, (part) => part.kind === "call" && part.over !== null)
}

/** True when some part of an expression passes the test; subqueries are not entered. */
export function anyPart(expression: Expression, test: (part: Expression) => boolean): boolean {
  if (test(expression)) return true
  return childrenOf(expression).some((part) => anyPart(part, test))
}
