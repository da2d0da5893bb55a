import type { EqualKind, Json, Kind, OrderedKind, SqlValue } from "../../domain/column.ts"
import type { Accepts, Condition, Expr, FieldOf, Filter, Left, Loose, Needs, SubScope, Test } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"

// Two rules keep errors to one line. Overloads differ by arity only, and `keyof S["~fields"] & string` is written out: the compiler
// would print an alias with its arguments, but prints a union of paths where it sees the union.
// And `left: L | NoInfer<Expr<unknown, S>>` says to the call inside, `gt(sum("…"), 1)`, which scope it stands in: a bare type parameter
// would say nothing until it is inferred.

/** What a condition that stands apart from a query asks of the field it names. */
type Need<V> = V extends SqlValue ? { accepts(value: V): void } : {}
type NeedKind<K> = { readonly kind: K }

/** `eq ne gt gte lt lte`: of one argument a test of a field, of two a condition. On the right of two stands a value or an expression. */
export interface Compare<K> {
  <const V extends SqlValue>(value: V): Test<V, K>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends Accepts<S, L> | Expr<unknown, S> = Accepts<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    value: V | NoInfer<Expr<unknown, S>>,
  ): Condition<Needs<S, L, Need<V>>>
}
/** `eq`, `ne`. */
export type Equality = Compare<EqualKind>
/** `gt`, `gte`, `lt`, `lte`. */
export type Ordering = Compare<OrderedKind>

/** `between` (inclusive) and `during` (half-open: from <= x < to). */
export interface Between {
  <const V extends SqlValue, const W extends SqlValue>(from: V, to: W): Test<V | W, OrderedKind>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends Accepts<S, L> | Expr<unknown, S> = Accepts<S, L>,
    const W extends Accepts<S, L> | Expr<unknown, S> = Accepts<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    from: V | NoInfer<Expr<unknown, S>>,
    to: W | NoInfer<Expr<unknown, S>>,
  ): Condition<Needs<S, L, Need<V> & Need<W>>>
}

/** `oneOf`, `noneOf`: an empty list matches nothing, and everything. */
export interface Membership {
  <const V extends SqlValue>(values: readonly V[]): Test<V, EqualKind>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends Accepts<S, L> = Accepts<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    values: readonly V[],
  ): Condition<Needs<S, L, Need<V>>>
}

/** `isNull`, `isNotNull`. */
export interface NullTest {
  (): Test<never, Kind>
  <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
    left: L | NoInfer<Expr<unknown, S>>,
  ): Condition<Needs<S, L, {}>>
}

/** `like ilike notLike notIlike` (a pattern), `startsWith endsWith` (plain text: wildcards in it are escaped). */
export interface TextMatch {
  (pattern: string): Test<never, "text">
  <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
    left: L | NoInfer<Expr<unknown, S>>,
    pattern: string | NoInfer<Expr<unknown, S>>,
  ): Condition<Needs<S, L, NeedKind<"text">>>
}

/** What a field of kind `K` that accepts `V` may contain. */
type Part<K, V> = K extends "text"
  ? string
  : K extends "array"
    ? Extract<V, readonly unknown[]>
    : K extends "json"
      ? Json
      : K extends "range"
        ? SqlValue
        : never
type PartOf<S extends AnyScope, L> = S extends Loose
  ? SqlValue | Json
  : FieldOf<S, L> extends { accepts(value: infer V): void; readonly kind: infer K }
    ? Part<K, V>
    : SqlValue | Json
type PartTest<V> = V extends string
  ? Test<V, "text" | "range" | "json">
  : V extends readonly unknown[]
    ? Test<V, "array" | "json">
    : V extends SqlValue
      ? Test<never, "range" | "json">
      : Test<never, "json">

/** `contains`: a substring of text (wildcards are plain), elements of an array, a part of jsonb, an element or a range in a range. */
export interface Contains {
  <const V extends SqlValue | Json>(part: V): PartTest<V>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends PartOf<S, L> = PartOf<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    part: V,
  ): Condition<Needs<S, L, {}>>
}

/** What a field of kind `K` can be compared with as a set. */
type Whole<K, V> = K extends "array"
  ? Extract<V, readonly unknown[]>
  : K extends "json"
    ? Json
    : K extends "range"
      ? string
      : never
type WholeOf<S extends AnyScope, L> = S extends Loose
  ? Json
  : FieldOf<S, L> extends { accepts(value: infer V): void; readonly kind: infer K }
    ? Whole<K, V>
    : Json

/** `containedBy` (arrays, jsonb, ranges) and `overlaps` (arrays, ranges; `K` leaves json out). */
export interface SetTest<K> {
  <const V extends Json>(whole: V): Test<V extends string | readonly unknown[] ? V : never, K>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends WholeOf<S, L> = WholeOf<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    whole: V,
  ): Condition<Needs<S, L, {}>>
}
/** `containedBy`. */
export type ContainedBy = SetTest<"array" | "json" | "range">
/** `overlaps`. */
export type Overlaps = SetTest<"array" | "range">

/** `and`, `or`: `and()` of nothing is true, `or()` of nothing is false. */
export type Junction = <S extends AnyScope = Loose>(...operands: readonly NoInfer<Filter<S>>[]) => Condition<S>
/** `not`. */
export type Negation = <S extends AnyScope = Loose>(operand: NoInfer<Filter<S>>) => Condition<S>

/** `exists`: true where a row behind the join meets all filters. Paths in them start at the join. */
export type Exists = <S extends AnyScope = Loose, const J extends keyof S["~joins"] & string = keyof S["~joins"] & string>(
  join: J,
  ...filters: readonly Filter<SubScope<S, J>>[]
) => Condition<S>
