import type { Condition, Expr, Filter, Loose, SubScope, Test, TypedAs } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"
import type { Exists } from "./conditions.ts"

/**
 * `some`, `none`, `every`: whether a row behind the join, no row, or each row meets all filters. `every` of no rows is true. Paths start
 * at the join, which may be many joins deep.
 */
export type Quantifier = Exists

/** Options of `countOf`. */
export interface CountOptions<S extends AnyScope> {
  /** Counts only rows that meet it. */
  readonly filter?: Filter<S> | undefined
}

/** `countOf("items")` is the number of rows behind a join; `countOf("items", gt(3))` a condition on it. Options come last: `{ filter }`. */
export interface CountOf {
  <S extends AnyScope = Loose, const J extends keyof S["~joins"] & string = keyof S["~joins"] & string>(
    join: J,
  ): Expr<TypedAs<"float">, S>
  <
    S extends AnyScope = Loose,
    const J extends keyof S["~joins"] & string = keyof S["~joins"] & string,
    const O extends Test<number, "number"> | CountOptions<SubScope<S, J>> = CountOptions<SubScope<S, J>>,
  >(
    join: J,
    test: O,
  ): O extends Test<number, "number"> ? Condition<S> : Expr<TypedAs<"float">, S>
  <S extends AnyScope = Loose, const J extends keyof S["~joins"] & string = keyof S["~joins"] & string>(
    join: J,
    test: Test<number, "number">,
    options: CountOptions<SubScope<S, J>>,
  ): Condition<S>
}
