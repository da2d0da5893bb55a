import { SelectoError } from "../errors.ts"
import { condition, expression, isTest, type TestNode } from "./node.ts"
import type { CountOf, Quantifier } from "./types/relations.ts"

function quantifier(mode: "some" | "none" | "every"): Quantifier {
  return ((join: string, ...filters: readonly unknown[]) =>
    condition({ condition: "exists", join, filters, mode })) as unknown as Quantifier
}

/** `EXISTS (…)`: whether a row behind the join meets all filters, some("items", { quantity: gt(3) }). The same as exists(). */
export const some: Quantifier = quantifier("some")
/** `NOT EXISTS (…)`: whether no row behind the join meets all filters. */
export const none: Quantifier = quantifier("none")
/**
 * `NOT EXISTS (… AND (…) IS NOT TRUE)`: whether every row behind the join meets all filters; true where there is none. A filter that is null fails.
 */
export const every: Quantifier = quantifier("every")

/**
 * `(SELECT count(*) …)`: the number of rows behind a join, by a subquery of its own, so that nothing is multiplied: countOf("items"),
 * countOf("items", { filter: { quantity: gt(3) } }). With a test it is a condition: countOf("items", gt(3)).
 */
export const countOf: CountOf = ((join: string, first?: unknown, second?: unknown) => {
  const test: TestNode | null = isTest(first) ? first.node : null
  const options = test === null ? first : second
  if (options !== undefined && (typeof options !== "object" || options === null || isTest(options)))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "countOf() takes a join, a test such as gt(3), and { filter }.", { path: join })
  const filter = (options as { readonly filter?: unknown } | undefined)?.filter
  const counted = expression({ expression: "countOf", join, filter })
  return test === null ? counted : condition({ condition: "test", left: counted, test })
}) as unknown as CountOf
