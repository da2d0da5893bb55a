import type { ScalarName, SqlValue } from "../../domain/column.ts"
import type {
  Accepts,
  ArgOf,
  ByRule,
  Expr,
  Filter,
  FirstOf,
  ItemOf,
  Left,
  Like,
  Loose,
  Needs,
  Nested,
  NotNull,
  Order,
  RefTo,
  Shape,
  SubScope,
  TypedAs,
  ValueOf,
} from "../../domain/expression.ts"
import type { AnyScope, NumericSpec, TemporalSpec, TextualSpec } from "../../domain/scope.ts"
import type { FullAggregate } from "./aggregates.ts"

type NeedSpec<W> = { readonly spec: W }

/** An aggregate: an expression that can be filtered, ordered inside, and asked over a window. */
export interface Aggregate<out A, in S> extends FullAggregate<A, S> {}

/** `count()` of rows, `count("path")` of values that are not null; a number. */
export interface Count {
  (): Aggregate<TypedAs<"float">, AnyScope>
  <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
    of: L | NoInfer<Expr<unknown, S>>,
  ): Aggregate<TypedAs<"float">, Needs<S, L, {}>>
}
/** `countDistinct`. */
export type CountDistinct = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Aggregate<TypedAs<"float">, Needs<S, L, {}>>
/** `sum`, `avg` of numbers: text for exact types, number for float; null of no rows. */
export type NumericAggregate<M extends "sum" | "avg"> = <
  S extends AnyScope = Loose,
  const L extends (S["~numeric"] & string) | Expr<unknown, S> = never,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Aggregate<ByRule<M, ArgOf<L>, null>, Needs<S, L, NeedSpec<NumericSpec>>>
/** `sum`. */
export type SumFunction = NumericAggregate<"sum">
/** `avg`. */
export type AvgFunction = NumericAggregate<"avg">
/** `min`, `max`: of the argument's type; null of no rows. */
export type Extreme = <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Aggregate<Like<ArgOf<L>, null>, Needs<S, L, {}>>

/** `coalesce(first, …others)`: `first` is a path or an expression, the others are values or expressions (`ref("path")` for a column). Null only where all may be. */
export type Coalesce = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
  const V extends SqlValue | Expr<unknown, S> = SqlValue | Expr<unknown, S>,
>(
  first: L | NoInfer<Expr<unknown, S>>,
  ...others: readonly [V | NoInfer<Expr<unknown, S>>, ...(V | NoInfer<Expr<unknown, S>>)[]]
) => Expr<FirstOf<ArgOf<L>, ItemOf<V>>, Needs<S, L, {}>>
/** `greatest`, `least`: as coalesce, null only where all may be. */
export type Extremum = Coalesce
/** `nullif(of, value)`: null where they are equal. */
export type NullIf = <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
  of: L | NoInfer<Expr<unknown, S>>,
  value: SqlValue | Expr<unknown, S>,
) => Expr<Like<ArgOf<L>, null>, Needs<S, L, {}>>
/** `notNull("path")`: the column, typed without null; a null at run time is an error. */
export type NotNullFunction = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<NotNull<ArgOf<L>>, Needs<S, L, {}>>

/** Printed where a text of `concat` is the path of a column. */
interface PathAsText {
  readonly "a column is ref(…), a text that looks like one is literal(…)": never
}
type NoPath<S extends AnyScope, P> = S extends Loose
  ? unknown
  : string extends keyof S["~fields"]
    ? unknown
    : P extends keyof S["~fields"]
      ? PathAsText
      : unknown

/** `concat`: strings are literal text, columns come as `ref("path")`. Nulls are empty, so the result never is null. */
export type Concat = <S extends AnyScope = Loose, const P extends string = never>(
  ...parts: readonly ((P & NoPath<S, P>) | Expr<unknown, S>)[]
) => Expr<TypedAs<"string">, S>
/** `lower upper trim ltrim rtrim`. */
export type TextFunction = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<TypedAs<"string", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `replace(of, from, to)`. */
export type Replace = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  from: string,
  to: string,
) => Expr<TypedAs<"string", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `substring(of, from, length?)`: `from` counts from 1. */
export type Substring = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  from: number,
  length?: number | undefined,
) => Expr<TypedAs<"string", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `splitPart(of, delimiter, n)`: `n` counts from 1. */
export type SplitPart = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  delimiter: string,
  n: number,
) => Expr<TypedAs<"string", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `length` of text in characters. */
export type LengthFunction = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<TypedAs<"integer", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `position(of, part)`: where `part` starts, from 1; 0 when it does not occur. */
export type Position = <S extends AnyScope = Loose, const L extends (S["~textual"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  part: string,
) => Expr<TypedAs<"integer", ArgOf<L>>, Needs<S, L, NeedSpec<TextualSpec>>>
/** `toChar(of, format)`: PostgreSQL's to_char. */
export type ToChar = <
  S extends AnyScope = Loose,
  const L extends (S["~numeric"] & string) | (S["~temporal"] & string) | Expr<unknown, S> = never,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  format: string,
) => Expr<TypedAs<"string", ArgOf<L>>, Needs<S, L, NeedSpec<NumericSpec | TemporalSpec>>>

/** `round(of, digits?)`, `ceil`, `floor`, `trunc`: decimal for exact types, float for float. */
export type Rounding = <S extends AnyScope = Loose, const L extends (S["~numeric"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  digits?: number | undefined,
) => Expr<ByRule<"round", ArgOf<L>>, Needs<S, L, NeedSpec<NumericSpec>>>
/** `abs`: of the argument's type. */
export type Absolute = <S extends AnyScope = Loose, const L extends (S["~numeric"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<Like<ArgOf<L>>, Needs<S, L, NeedSpec<NumericSpec>>>
/** `mod(of, by)`: of the argument's type. */
export type Modulo = <S extends AnyScope = Loose, const L extends (S["~numeric"] & string) | Expr<unknown, S> = never>(
  of: L | NoInfer<Expr<unknown, S>>,
  by: number | Expr<unknown, S>,
) => Expr<Like<ArgOf<L>>, Needs<S, L, NeedSpec<NumericSpec>>>
/** `power(of, exponent)`, `sqrt(of)`: as a float. */
export type FloatFunction<Args extends readonly unknown[]> = <
  S extends AnyScope = Loose,
  const L extends (S["~numeric"] & string) | Expr<unknown, S> = never,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  ...args: Args
) => Expr<TypedAs<"float", ArgOf<L>>, Needs<S, L, NeedSpec<NumericSpec>>>

/** Units of `dateTrunc`. */
export type DateUnit =
  | "microsecond"
  | "millisecond"
  | "second"
  | "minute"
  | "hour"
  | "day"
  | "week"
  | "month"
  | "quarter"
  | "year"
  | "decade"
  | "century"
/** Fields of `extract`. */
export type DatePart = DateUnit | "dow" | "isodow" | "doy" | "isoyear" | "epoch"
/** `dateTrunc(unit, of)`: a date becomes a timestamptz, as in PostgreSQL. */
export type DateTrunc = <S extends AnyScope = Loose, const L extends (S["~temporal"] & string) | Expr<unknown, S> = never>(
  unit: DateUnit,
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<ByRule<"trunc", ArgOf<L>>, Needs<S, L, NeedSpec<TemporalSpec>>>
/** `extract(part, of)`: a number. */
export type ExtractFunction = <S extends AnyScope = Loose, const L extends (S["~temporal"] & string) | Expr<unknown, S> = never>(
  part: DatePart,
  of: L | NoInfer<Expr<unknown, S>>,
) => Expr<TypedAs<"float", ArgOf<L>>, Needs<S, L, NeedSpec<TemporalSpec>>>
/** `now()`: the transaction's start. */
export type Now = () => Expr<TypedAs<"timestamptz">, AnyScope>

/** `literal(value)`: a bound value as an expression. */
export type Literal = <const V extends SqlValue | null>(value: V) => Expr<ValueOf<V extends bigint ? string : V>, AnyScope>
/** `ref("path")`: a column where a string would be a value. */
export type Reference = <S extends AnyScope = Loose, const P extends keyof S["~fields"] & string = keyof S["~fields"] & string>(
  path: P,
) => Expr<RefTo<P>, Needs<S, P, {}>>
/** `cast(of, "integer")`: the value as another type of column. */
export type Cast = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
  const T extends ScalarName = ScalarName,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  type: T,
) => Expr<TypedAs<T, ArgOf<L>>, Needs<S, L, {}>>
/** expr<T>`…`: static text, references and bound values. The row has what the caller says, `T`; its paths are checked at run time. */
export type Expression = <T = unknown>(
  text: TemplateStringsArray,
  // biome-ignore lint/suspicious/noExplicitAny: T is given, so no scope can be inferred
  ...parts: readonly (Expr<unknown, any> | SqlValue)[]
) => Expr<ValueOf<T>, AnyScope>

/** `caseWhen([[filter, result], …], otherwise?)`: the first filter that holds decides; null when none does and nothing else is said. Strings are values. */
export type CaseWhen = <
  S extends AnyScope = Loose,
  const V extends SqlValue | null | Expr<unknown, S> = never,
  const E extends SqlValue | null | Expr<unknown, S> = null,
>(
  branches: readonly (readonly [when: NoInfer<Filter<S>>, then: V | NoInfer<Expr<unknown, S>>])[],
  otherwise?: E | NoInfer<Expr<unknown, S>>,
) => Expr<Like<ItemOf<V | E>>, S>
/** `caseOf("path", [[value, result], …], otherwise?)`: simple CASE. Strings are values. */
export type CaseOf = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
  const V extends SqlValue | null | Expr<unknown, S> = never,
  const E extends SqlValue | null | Expr<unknown, S> = null,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  branches: readonly (readonly [when: Accepts<S, L>, then: V | NoInfer<Expr<unknown, S>>])[],
  otherwise?: E | NoInfer<Expr<unknown, S>>,
) => Expr<Like<ItemOf<V | E>>, Needs<S, L, {}>>

/** Options of `nest()`. */
export interface NestOptions<S extends AnyScope> {
  readonly filter?: Filter<S> | undefined
  readonly orderBy?:
    | (keyof S["~fields"] & string)
    | Expr<unknown, S>
    | Order<S>
    | readonly ((keyof S["~fields"] & string) | Expr<unknown, S> | Order<S>)[]
    | undefined
  readonly limit?: number | undefined
}
/** `nest("items", { … }, options?)`: an array of objects for a many association (`[]` when empty), else an object or null. */
export type Nest = <
  S extends AnyScope = Loose,
  const J extends keyof S["~joins"] & string = keyof S["~joins"] & string,
  const Sh extends Shape<SubScope<S, J>> = Shape<SubScope<S, J>>,
>(
  join: J,
  shape: Sh,
  options?: NestOptions<SubScope<S, J>>,
) => Expr<Nested<J, Sh>, S>

/** Options of `asc`, `desc`. Without `nulls` PostgreSQL's default: last for asc, first for desc. */
export interface OrderOptions {
  readonly nulls?: "first" | "last" | undefined
}
/** `asc`, `desc`. */
export type Direction = <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
  by: L | NoInfer<Expr<unknown, S>>,
  options?: OrderOptions,
) => Order<Needs<S, L, {}>>
