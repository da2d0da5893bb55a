import type { ArgOf, ByRule, Collected, Expr, Filter, Left, Loose, Needs, Order, TypedAs } from "../../domain/expression.ts"
import type { AnyScope, TextualSpec } from "../../domain/scope.ts"
import type { WindowCall } from "./windows.ts"

/** An aggregate with all that PostgreSQL lets stand inside and behind its parentheses. */
export interface FullAggregate<out A, in S> extends Expr<A, S>, WindowCall<A, S> {
  /** `agg(…) FILTER (WHERE …)`. */
  filter<S2 extends AnyScope = Loose>(...filters: readonly NoInfer<Filter<S2>>[]): FullAggregate<A, S & S2>
  /** `agg(DISTINCT …)`. */
  distinct(): FullAggregate<A, S>
  /** `agg(… ORDER BY …)`. */
  orderBy<S2 extends AnyScope = Loose>(
    ...by: readonly NoInfer<(keyof S2["~fields"] & string) | Expr<unknown, S2> | Order<S2>>[]
  ): FullAggregate<A, S & S2>
}

/** `stringAgg(of, separator)`: the separator is bound; null of no rows. */
export type StringAgg = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  separator: string,
) => FullAggregate<TypedAs<"string", never, null>, Needs<S, L, { readonly spec: TextualSpec }>>

/** `arrayAgg(of)`: an array of the argument's values, nulls included; null of no rows. `jsonAgg(of)`: the same by way of JSON. */
export type Collect<How extends "out" | "json"> = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => FullAggregate<Collected<How, ArgOf<L>>, Needs<S, L, {}>>

/** `stddev variance` and their kin over a sample or a population: text for exact types, number for float; null of too few rows. */
export type Spread = <S extends AnyScope = Loose, const L extends (S["~numeric"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
) => FullAggregate<ByRule<"avg", ArgOf<L>, null>, Needs<S, L, {}>>
/** `boolAnd boolOr`: null of no rows. */
export type BooleanAggregate = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => FullAggregate<TypedAs<"boolean", never, null>, Needs<S, L, { readonly kind: "boolean" }>>

/** Several groupings at once, for `groupBy`. */
export interface Grouping<in S> {
  readonly [grouping]: (scope: S) => void
}
declare const grouping: unique symbol

/** `rollup(a, b)`, `cube(a, b)`: each argument a path, an expression, or a list of them that stays together. */
export type GroupingFunction = <S extends AnyScope = Loose>(
  ...by: readonly NoInfer<
    (keyof S["~fields"] & string) | Expr<unknown, S> | readonly ((keyof S["~fields"] & string) | Expr<unknown, S>)[]
  >[]
) => Grouping<S>
/** `groupingSets([a, b], [a], [])`. */
export type GroupingSets = <S extends AnyScope = Loose>(
  ...sets: readonly NoInfer<readonly ((keyof S["~fields"] & string) | Expr<unknown, S>)[]>[]
) => Grouping<S>
/** `grouping("a", "b")`: a bit for each argument that the row is not grouped by. */
export type GroupingOf = <S extends AnyScope = Loose, const P extends keyof S["~fields"] & string = keyof S["~fields"] & string>(
  ...of: readonly [P, ...P[]]
) => Expr<TypedAs<"integer">, Needs<S, P, {}>>
