import { SelectoError } from "../errors.ts"
import {
  type AggregateName,
  brand,
  type Expression,
  type ExpressionNode,
  expression,
  groupingValue,
  type WindowNode,
} from "./node.ts"
import type {
  BooleanAggregate,
  Collect,
  GroupingFunction,
  GroupingOf,
  GroupingSets,
  Spread,
  StringAgg,
} from "./types/aggregates.ts"
import type { AvgFunction, Count, CountDistinct, Extreme, SumFunction } from "./types/functions.ts"
import { windowOf } from "./window.ts"

type AggregateNode = ExpressionNode & { readonly expression: "aggregate" }

/** An aggregate with what may stand inside and behind its parentheses. */
interface Aggregate extends Expression {
  filter(...conditions: readonly unknown[]): Aggregate
  distinct(): Aggregate
  orderBy(...by: readonly unknown[]): Aggregate
  over(window?: WindowNode | string): Expression
}

function aggregateOf(node: AggregateNode): Aggregate {
  return {
    [brand]: "expression",
    node,
    filter: (...more) => aggregateOf({ ...node, filter: [...((node.filter as readonly unknown[] | undefined) ?? []), ...more] }),
    distinct: () => aggregateOf({ ...node, distinct: true }),
    orderBy: (...by) => aggregateOf({ ...node, orderBy: [...node.orderBy, ...by] }),
    over: (window) => expression({ ...node, over: windowOf(window) }),
  }
}

function aggregate(name: AggregateName, of: unknown, args: readonly unknown[] = [], distinct = false): Aggregate {
  return aggregateOf({ expression: "aggregate", name, of, args, distinct, orderBy: [], filter: undefined, over: undefined })
}

function aggregateNamed<Type>(name: AggregateName): Type {
  return ((of: unknown) => aggregate(name, of)) as unknown as Type
}

/** `count(*)`, or the rows in which a path is not null. A number. */
export const count: Count = aggregateNamed("count")
/** `count(DISTINCT …)` */
export const countDistinct: CountDistinct = ((of: unknown) => aggregate("count", of, [], true)) as unknown as CountDistinct
/** `sum(total)`; null of no rows. Text for exact types (bigint of integers, decimal else), a number for float. */
export const sum: SumFunction = aggregateNamed("sum")
/** `avg(total)`; null of no rows. Text for exact types, a number for float. */
export const avg: AvgFunction = aggregateNamed("avg")
/** `min(total)`; null of no rows. */
export const min: Extreme = aggregateNamed("min")
/** `max(total)`; null of no rows. */
export const max: Extreme = aggregateNamed("max")
/** Texts joined by a separator, in the order of `.orderBy(…)`: stringAgg("title", "; ").orderBy("title"). Null of no rows. */
export const stringAgg: StringAgg = ((of: unknown, separator: unknown) => {
  if (typeof separator !== "string")
    throw new SelectoError("E_UNSUPPORTED_INPUT", 'stringAgg() takes a path and a separator: stringAgg("title", "; ").')
  return aggregate("string_agg", of, [separator])
}) as unknown as StringAgg
/** `array_agg(title ORDER BY title)`: arrayAgg("title").orderBy("title"), nulls included; null of no rows. */
export const arrayAgg: Collect<"out"> = aggregateNamed("array_agg")
/** `json_agg(title)`: the values as an array that came by way of JSON; null of no rows. */
export const jsonAgg: Collect<"json"> = aggregateNamed("json_agg")
/** `stddev_samp(total)`, of a sample. */
export const stddev: Spread = aggregateNamed("stddev_samp")
/** `stddev_pop(total)`, of a whole population. */
export const stddevPop: Spread = aggregateNamed("stddev_pop")
/** `var_samp(total)`, of a sample. */
export const variance: Spread = aggregateNamed("var_samp")
/** `var_pop(total)`, of a whole population. */
export const variancePop: Spread = aggregateNamed("var_pop")
/** `bool_and(paid)`: whether all are true; null of no rows. */
export const boolAnd: BooleanAggregate = aggregateNamed("bool_and")
/** `bool_or(paid)`: whether any is true; null of no rows. */
export const boolOr: BooleanAggregate = aggregateNamed("bool_or")

function sets(kind: "ROLLUP" | "CUBE", by: readonly unknown[]): unknown {
  return groupingValue({ kind, sets: by.map((item) => (Array.isArray(item) ? item : [item])) })
}

/**
 * `ROLLUP (a, b)`: groups of (a, b), of (a), and of all rows. A list among the arguments stays together. What a row is not grouped by is
 * null in it, which the row's type does not say; grouping() tells such a null from a value.
 */
export const rollup: GroupingFunction = ((...by: readonly unknown[]) => sets("ROLLUP", by)) as unknown as GroupingFunction
/** `CUBE (a, b)`: groups of every subset. */
export const cube: GroupingFunction = ((...by: readonly unknown[]) => sets("CUBE", by)) as unknown as GroupingFunction
/** `GROUPING SETS ((a, b), (a), ())`: groupingSets(["a", "b"], ["a"], []). */
export const groupingSets: GroupingSets = ((...all: readonly unknown[]) => {
  if (!all.every(Array.isArray))
    throw new SelectoError("E_UNSUPPORTED_INPUT", 'groupingSets() takes lists of paths: groupingSets(["a", "b"], []).')
  return groupingValue({ kind: "GROUPING SETS", sets: all as readonly (readonly unknown[])[] })
}) as unknown as GroupingSets
/** `grouping(status)`: a bit for each argument that the row is not grouped by; tells a total from a null. */
export const grouping: GroupingOf = ((...of: readonly unknown[]) =>
  expression({ expression: "grouping", of })) as unknown as GroupingOf
