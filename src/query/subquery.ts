import { SelectoError } from "../errors.ts"
import { condition, expression } from "./node.ts"
import { sourceOf } from "./source.ts"
import type { ExistsIn, Outer, Quantified, Scalar } from "./types/subqueries.ts"

/**
 * `(SELECT avg(total) …)`: the one value of a query of one column, gt("total", scalar(orders.select({ mean: avg("total") }))). Null of no rows.
 */
export const scalar: Scalar = ((query: unknown) =>
  expression({ expression: "subquery", source: sourceOf(query, "scalar()"), quantifier: null })) as unknown as Scalar

/** Compares with each value of a query until one fits: gt("total", anyOf(query)) is `total > ANY (SELECT …)`. */
export const anyOf: Quantified = ((query: unknown) =>
  expression({ expression: "subquery", source: sourceOf(query, "anyOf()"), quantifier: "ANY" })) as unknown as Quantified

/** Compares with every value of a query; true of no rows: gt("total", allOf(query)) is `total > ALL (SELECT …)`. */
export const allOf: Quantified = ((query: unknown) =>
  expression({ expression: "subquery", source: sourceOf(query, "allOf()"), quantifier: "ALL" })) as unknown as Quantified

/**
 * In a query that stands inside another, a column of the one around it: eq("customer_id", outer("id")) is `payments.customer_id = customers.id`.
 */
export const outer: Outer = ((path: unknown) => {
  if (typeof path !== "string")
    throw new SelectoError("E_UNSUPPORTED_INPUT", 'outer() takes a path of the query around: outer("customer_id").')
  return expression({ expression: "outer", path })
}) as unknown as Outer

/** `EXISTS (SELECT …)`: whether a query has a row, existsIn(payments.filter(eq("customer_id", outer("customer_id")))). */
export const existsIn: ExistsIn = ((query: unknown) =>
  condition({ condition: "existsIn", source: sourceOf(query, "existsIn()") })) as unknown as ExistsIn
