import { SelectoError } from "../errors.ts"
import {
  type ArrayOperator,
  type ComparisonOperator,
  condition,
  type Expression,
  isExpression,
  type TestNode,
  test,
} from "./node.ts"
import { hasSource, sourceKey } from "./source.ts"
import type {
  Between,
  ContainedBy,
  Contains,
  Equality,
  Exists,
  Junction,
  Negation,
  NullTest,
  Ordering,
  Overlaps,
  TextMatch,
} from "./types/conditions.ts"
import type { MembershipIn } from "./types/subqueries.ts"

/** `gt(3)` is a test for filter({ total: gt(3) }); with a path or expression before its `arity` values it is a whole condition. */
export function testOrCondition<Type>(name: string, arity: number, build: (values: readonly unknown[]) => TestNode): Type {
  const make = (...args: unknown[]): unknown => {
    if (args.length === arity) return test(build(args))
    if (args.length === arity + 1)
      return condition({ condition: "test", left: leftSide(name, args[0]), test: build(args.slice(1)) })
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      `${name}() takes ${arity} value${arity === 1 ? "" : "s"}, after a path where it stands alone.`,
    )
  }
  return make as Type
}

function leftSide(name: string, left: unknown): string | Expression {
  if (typeof left === "string" || isExpression(left)) return left
  throw new SelectoError(
    "E_UNSUPPORTED_INPUT",
    `The left side of ${name}() is a path such as "customer.region" or an expression such as sum("total").`,
  )
}

function comparison<Type>(name: string, operator: ComparisonOperator): Type {
  return testOrCondition<Type>(name, 1, ([value]) => ({ test: "compare", operator, value }))
}

function array<Type>(name: string, operator: ArrayOperator): Type {
  return testOrCondition<Type>(name, 1, ([value]) => ({ test: "array", operator, value }))
}

function list(name: string, negated: boolean): MembershipIn {
  return testOrCondition(name, 1, ([values]) => {
    if (hasSource(values)) return { test: "in", source: values[sourceKey], negated }
    if (!Array.isArray(values))
      throw new SelectoError("E_UNSUPPORTED_INPUT", `${name}() takes an array of values, or a query of one column.`)
    return { test: "list", values: [...values], negated }
  })
}

function pattern(name: string, insensitive: boolean, negated: boolean): TextMatch {
  return testOrCondition(name, 1, ([value]) => ({ test: "like", pattern: value, insensitive, negated }))
}

function affix(name: string, at: "start" | "end" | "within"): TextMatch {
  return testOrCondition(name, 1, ([text]) => ({ test: "affix", at, insensitive: true, text }))
}

/** `=`: filter({ status: eq("paid") }) or eq("status", "paid"). Null, undefined and arrays are refused. */
export const eq: Equality = comparison("eq", "=")
/** `<>`; a null on the left is neither equal nor unequal. */
export const ne: Equality = comparison("ne", "<>")
/** `>` */
export const gt: Ordering = comparison("gt", ">")
/** `>=` */
export const gte: Ordering = comparison("gte", ">=")
/** `<` */
export const lt: Ordering = comparison("lt", "<")
/** `<=` */
export const lte: Ordering = comparison("lte", "<=")
/** `BETWEEN $1 AND $2`: both ends belong to it, for every type. */
export const between: Between = testOrCondition("between", 2, ([low, high]) => ({ test: "between", low, high, halfOpen: false }))
/** Half-open, `from <= x AND x < to`: during("2024-01-01", "2025-01-01") is the whole year, whatever the precision. */
export const during: Between = testOrCondition("during", 2, ([low, high]) => ({ test: "between", low, high, halfOpen: true }))
/** `= ANY ($1)`: one array parameter, so the text does not grow with the list. oneOf([]) matches nothing. Of a query: `IN (SELECT …)`. */
export const oneOf: MembershipIn = list("oneOf", false)
/** `<> ALL ($1)`. noneOf([]) matches everything. Of a query: `<> ALL (SELECT …)` over its values that are not null. */
export const noneOf: MembershipIn = list("noneOf", true)
/** `IS NULL` */
export const isNull: NullTest = testOrCondition("isNull", 0, () => ({ test: "null", negated: false }))
/** `IS NOT NULL` */
export const isNotNull: NullTest = testOrCondition("isNotNull", 0, () => ({ test: "null", negated: true }))
/** `LIKE`: `%` and `_` in the pattern are wildcards. For a user's text use startsWith, endsWith or contains. */
export const like: TextMatch = pattern("like", false, false)
/** `NOT LIKE` */
export const notLike: TextMatch = pattern("notLike", false, true)
/** `ILIKE`: as like, whatever the case. */
export const ilike: TextMatch = pattern("ilike", true, false)
/** `NOT ILIKE` */
export const notIlike: TextMatch = pattern("notIlike", true, true)
/** `LIKE 'abc%'`: text that begins with this; wildcards in it are plain characters. Of an expression: `starts_with(a, b)`. */
export const startsWith: TextMatch = testOrCondition("startsWith", 1, ([text]) => ({
  test: "affix",
  at: "start",
  insensitive: false,
  text,
}))
/** `LIKE '%abc'`: text that ends with this; wildcards in it are plain characters. */
export const endsWith: TextMatch = testOrCondition("endsWith", 1, ([text]) => ({
  test: "affix",
  at: "end",
  insensitive: false,
  text,
}))
/** `ILIKE 'abc%'`: as startsWith, whatever the case. */
export const istartsWith: TextMatch = affix("istartsWith", "start")
/** `ILIKE '%abc'`: as endsWith, whatever the case. */
export const iendsWith: TextMatch = affix("iendsWith", "end")
/** `ILIKE '%abc%'`: text that holds this, whatever the case; wildcards in it are plain characters. */
export const icontains: TextMatch = affix("icontains", "within")
/** On text: holds this text, wildcards plain. On arrays and jsonb: `@>`. On ranges: holds this point, or this range, "[1,5)". */
export const contains: Contains = testOrCondition("contains", 1, ([value]) => ({ test: "contains", value }))
/** `<@`: all elements are among these. */
export const containedBy: ContainedBy = array("containedBy", "<@")
/** `&&`: at least one element in common. */
export const overlaps: Overlaps = array("overlaps", "&&")

/** `a AND b`; and() of nothing is true. */
export const and: Junction = ((...operands: readonly unknown[]) =>
  condition({ condition: "and", operands })) as unknown as Junction
/** `(a OR b)`; or() of nothing is false. */
export const or: Junction = ((...operands: readonly unknown[]) => condition({ condition: "or", operands })) as unknown as Junction
/** `NOT (…)` */
export const not: Negation = ((operand: unknown) => condition({ condition: "not", operand })) as unknown as Negation
/** `EXISTS (SELECT 1 …)` over the rows of a join that belong to this one; paths in the filters start at the join. */
export const exists: Exists = ((join: string, ...filters: readonly unknown[]) =>
  condition({ condition: "exists", join, filters, mode: "some" })) as unknown as Exists
