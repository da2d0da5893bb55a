import type { ColumnType, ScalarType } from "../domain/column-type.ts"
import type { SourceNode } from "./source.ts"
import type { SearchOptions } from "./types/search.ts"

/**
 * What conditions and expressions are made of: plain data that the compiler reads. Each value a user holds carries `brand`, a
 * symbol that parsed JSON cannot have, so that data from a request is never taken for a condition.
 */
export const brand: unique symbol = Symbol.for("selecto-pg.node") as typeof brand

export type ComparisonOperator = "=" | "<>" | ">" | ">=" | "<" | "<="
export type ArrayOperator = "@>" | "<@" | "&&"

/** The right side of a condition whose left side is still open: what `gt(3)` is until a field stands before it. */
export type TestNode =
  | { readonly test: "compare"; readonly operator: ComparisonOperator; readonly value: unknown }
  | { readonly test: "between"; readonly low: unknown; readonly high: unknown; readonly halfOpen: boolean }
  | { readonly test: "list"; readonly values: readonly unknown[]; readonly negated: boolean }
  | { readonly test: "in"; readonly source: SourceNode; readonly negated: boolean }
  | { readonly test: "search"; readonly text: string; readonly options: SearchOptions }
  | { readonly test: "key"; readonly key: unknown }
  | { readonly test: "null"; readonly negated: boolean }
  | { readonly test: "like"; readonly pattern: unknown; readonly insensitive: boolean; readonly negated: boolean }
  | { readonly test: "affix"; readonly at: "start" | "end" | "within"; readonly insensitive: boolean; readonly text: unknown }
  | { readonly test: "contains"; readonly value: unknown }
  | { readonly test: "array"; readonly operator: ArrayOperator; readonly value: unknown }

export type ConditionNode =
  | { readonly condition: "test"; readonly left: string | Expression; readonly test: TestNode }
  | { readonly condition: "and" | "or"; readonly operands: readonly unknown[] }
  | { readonly condition: "not"; readonly operand: unknown }
  | {
      readonly condition: "exists"
      readonly join: string
      readonly filters: readonly unknown[]
      /** A row meets the filters, no row does, or no row fails them. */
      readonly mode: "some" | "none" | "every"
    }
  | { readonly condition: "existsIn"; readonly source: SourceNode }

export type ExpressionNode =
  | { readonly expression: "path"; readonly path: string }
  | { readonly expression: "present"; readonly of: unknown }
  | { readonly expression: "literal"; readonly value: unknown }
  | { readonly expression: "call"; readonly name: string; readonly args: readonly unknown[] }
  | { readonly expression: "cast"; readonly of: unknown; readonly type: ScalarType }
  | {
      readonly expression: "aggregate"
      readonly name: AggregateName
      readonly of: unknown
      /** Bound values after the argument. */
      readonly args: readonly unknown[]
      readonly distinct: boolean
      readonly orderBy: readonly unknown[]
      readonly filter: unknown
      /** A window, or the name of one; undefined: an aggregate of a group. */
      readonly over: WindowNode | string | undefined
    }
  | {
      readonly expression: "window"
      readonly name: WindowName
      readonly args: readonly unknown[]
      readonly over: WindowNode | string
    }
  | { readonly expression: "subquery"; readonly source: SourceNode; readonly quantifier: "ANY" | "ALL" | null }
  | { readonly expression: "outer"; readonly path: string }
  | { readonly expression: "countOf"; readonly join: string; readonly filter: unknown }
  | { readonly expression: "grouping"; readonly of: readonly unknown[] }
  | { readonly expression: "json"; readonly of: unknown; readonly path: readonly (string | number)[]; readonly text: boolean }
  | { readonly expression: "rank"; readonly of: unknown; readonly text: string; readonly options: SearchOptions }
  | {
      readonly expression: "function"
      readonly sql: string
      readonly args: readonly unknown[]
      readonly types: readonly ColumnType[]
      readonly returns: ColumnType
      readonly volatile: boolean
    }
  | {
      readonly expression: "case"
      readonly subject: unknown
      readonly arms: readonly (readonly [unknown, unknown])[]
      readonly otherwise: unknown
    }
  | { readonly expression: "raw"; readonly strings: readonly string[]; readonly parts: readonly unknown[] }
  | {
      readonly expression: "nest"
      readonly join: string
      readonly shape: Readonly<Record<string, unknown>>
      readonly options: NestOptions
    }

export type AggregateName =
  | "count"
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "string_agg"
  | "array_agg"
  | "json_agg"
  | "stddev_samp"
  | "stddev_pop"
  | "var_samp"
  | "var_pop"
  | "bool_and"
  | "bool_or"

export type WindowName =
  | "row_number"
  | "rank"
  | "dense_rank"
  | "percent_rank"
  | "cume_dist"
  | "ntile"
  | "lag"
  | "lead"
  | "first_value"
  | "last_value"
  | "nth_value"

/** PARTITION BY, ORDER BY and frame of a window, as they were written. */
export interface WindowNode {
  readonly partitionBy?: unknown
  readonly orderBy?: unknown
  readonly frame?: unknown
}

export interface NestOptions {
  readonly filter?: unknown
  readonly orderBy?: unknown
  readonly limit?: number | undefined
}

export interface OrderNode {
  readonly by: unknown
  readonly descending: boolean
  readonly nulls: "first" | "last" | null
}

export interface Test {
  readonly [brand]: "test"
  readonly node: TestNode
}
export interface Condition {
  readonly [brand]: "condition"
  readonly node: ConditionNode
}
export interface Expression {
  readonly [brand]: "expression"
  readonly node: ExpressionNode
}
export interface Order {
  readonly [brand]: "order"
  readonly node: OrderNode
}
/** Several groupings at once; each set a list of paths and expressions. */
export interface GroupingNode {
  readonly kind: "ROLLUP" | "CUBE" | "GROUPING SETS"
  readonly sets: readonly (readonly unknown[])[]
}
export interface GroupingValue {
  readonly [brand]: "grouping"
  readonly node: GroupingNode
}

export function test(node: TestNode): Test {
  return { [brand]: "test", node }
}
export function condition(node: ConditionNode): Condition {
  return { [brand]: "condition", node }
}
export function expression(node: ExpressionNode): Expression {
  return { [brand]: "expression", node }
}
export function order(node: OrderNode): Order {
  return { [brand]: "order", node }
}

export function groupingValue(node: GroupingNode): GroupingValue {
  return { [brand]: "grouping", node }
}

function branded(value: unknown, kind: "test" | "condition" | "expression" | "order" | "grouping"): boolean {
  return typeof value === "object" && value !== null && (value as { [brand]?: unknown })[brand] === kind
}
export function isTest(value: unknown): value is Test {
  return branded(value, "test")
}
export function isCondition(value: unknown): value is Condition {
  return branded(value, "condition")
}
export function isExpression(value: unknown): value is Expression {
  return branded(value, "expression")
}
export function isOrder(value: unknown): value is Order {
  return branded(value, "order")
}

export function isGrouping(value: unknown): value is GroupingValue {
  return branded(value, "grouping")
}

/** SQL of a compiled expression with the type of its value. */
export interface Compiled {
  readonly sql: string
  readonly type: ColumnType
  /** The caller promised that it is never null; a null in the result is E_UNEXPECTED_NULL. */
  readonly present?: boolean
}
