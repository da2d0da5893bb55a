import type { SqlValue } from "../../domain/column.ts"
import type { ArgOf, Expr, Left, Like, Loose, Needs, Order, TypedAs } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"

/** Where a frame starts. Numbers count rows, groups or, for `range`, the unit of the one order key; a string is an interval. */
export type FrameStart =
  | "unboundedPreceding"
  | "currentRow"
  | { readonly preceding: number | string }
  | { readonly following: number | string }
/** Where a frame ends. */
export type FrameEnd =
  | "unboundedFollowing"
  | "currentRow"
  | { readonly preceding: number | string }
  | { readonly following: number | string }

/** The rows of a partition that a window function sees: `{ rows: [{ preceding: 2 }, "currentRow"] }`. A frame that ends before it starts is refused at run time. */
export type Frame = (
  | { readonly rows: readonly [start: FrameStart, end?: FrameEnd] }
  | { readonly range: readonly [start: FrameStart, end?: FrameEnd] }
  | { readonly groups: readonly [start: FrameStart, end?: FrameEnd] }
) & { readonly exclude?: "currentRow" | "group" | "ties" | undefined }

type OneOrMore<T> = T | readonly T[]

/** A window: its partition, its order and its frame. */
export interface WindowSpec<S extends AnyScope> {
  readonly partitionBy?: OneOrMore<(keyof S["~fields"] & string) | Expr<unknown, S>> | undefined
  readonly orderBy?: OneOrMore<(keyof S["~fields"] & string) | Expr<unknown, S> | Order<S>> | undefined
  readonly frame?: Frame | undefined
}

/** What can be asked over a window: a window function, which is no expression before that, or an aggregate. */
export interface WindowCall<out A, in S> {
  /** `… OVER (…)`; a string is the name of a window of the query, `window("w", { … })`. */
  over<S2 extends AnyScope = Loose>(window?: NoInfer<WindowSpec<S2>> | string): Expr<A, S & S2>
}

/** `rowNumber rank denseRank`: numbers. `percentRank cumeDist`: 0 to 1. */
export type RankFunction = () => WindowCall<TypedAs<"float">, AnyScope>
/** `ntile(buckets)`: 1 to `buckets`. */
export type Ntile = (buckets: number) => WindowCall<TypedAs<"integer">, AnyScope>

/** `lag lead`: the value `offset` rows (1 by default) before or after; `otherwise` where there is no such row, else null. */
export type OffsetFunction = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
  const V extends SqlValue | null = null,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  offset?: number | undefined,
  otherwise?: V,
) => WindowCall<Like<ArgOf<L>, Extract<V, null>>, Needs<S, L, {}>>

/** `firstValue lastValue`: of the frame; null of an empty frame. */
export type FrameFunction = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
) => WindowCall<Like<ArgOf<L>, null>, Needs<S, L, {}>>
/** `nthValue(of, n)`: counts from 1; null where the frame is shorter. */
export type NthValue = <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
  of: L | NoInfer<Expr<unknown, S>>,
  n: number,
) => WindowCall<Like<ArgOf<L>, null>, Needs<S, L, {}>>

/** The methods of a query that has windows. */
export interface WindowMethods<D extends AnyScope> {
  /** Names a window for `over("name")`. */
  window(name: string, window: WindowSpec<D>): this
}
