import type { Expr, Order } from "../../domain/expression.ts"
import type { AnyScope, Field, Value } from "../../domain/scope.ts"
import type { Composed } from "./composed.ts"
import type { Runnable } from "./runnable.ts"

/** Printed where the two sides of a set operation select different columns. */
export interface OtherColumns<out Missing, out Extra> {
  readonly "both sides must select the same columns; missing": Missing
  readonly "and too many": Extra
}
/** Printed where columns of one name have different types. */
export interface OtherTypes<out Columns> {
  readonly "columns of one name must have one type; different": Columns
}
type Plain<T> = Exclude<T, null>
type Unlike<A, B> = {
  [K in keyof A & keyof B]: [Plain<A[K]>] extends [Plain<B[K]>] ? never : [Plain<B[K]>] extends [Plain<A[K]>] ? never : K
}[keyof A & keyof B]

/** What the other side `B` must be for a set operation with `A`: columns are matched by name. */
export type SameColumns<A, B> = [keyof A, keyof B] extends [keyof B, keyof A]
  ? [Unlike<A, B>] extends [never]
    ? unknown
    : OtherTypes<Unlike<A, B>>
  : OtherColumns<Exclude<keyof A, keyof B>, Exclude<keyof B, keyof A>>

/** The row of a set operation. */
export type Merged<A, B> = { [K in keyof A]: A[K] | (K extends keyof B ? B[K] : never) }

/** The columns of a set operation as fields: what both sides declare alike stays a column, the rest is a value. */
export type MergedFields<Row, A, B> = {
  readonly [K in keyof Row]: K extends keyof A & keyof B ? MergedField<A[K], B[K], Row[K]> : Value<Row[K]>
}
type MergedField<X, Y, R> =
  X extends Field<infer T, infer N>
    ? Y extends Field<infer U, infer M>
      ? [T, U] extends [U, T]
        ? Field<T, N | M>
        : Value<R>
      : Value<R>
    : Value<R>

/** The output columns of a set operation, as a scope. */
export interface SetColumns<Row> extends AnyScope {
  readonly "~fields": { readonly [K in keyof Row]: Value<Row[K]> }
  readonly "~joins": {}
}

/** Options of a set operation. */
export interface SetOptions {
  /** Keeps duplicates. */
  readonly all?: boolean | undefined
}
/** `union(a, b)`: rows of either. */
export type Union = <A, B, FA, FB>(
  first: Composed<A, FA>,
  second: Composed<B, FB> & SameColumns<A, B>,
  options?: SetOptions,
) => SetQuery<Merged<A, B>, MergedFields<Merged<A, B>, FA, FB>>
/** `intersect(a, b)`, `except(a, b)`: rows of the first that are, or are not, rows of the second. */
export type Difference = <A, B, FA>(
  first: Composed<A, FA>,
  second: Composed<B> & SameColumns<A, B>,
  options?: SetOptions,
) => SetQuery<A, MergedFields<A, FA, FA>>

/** The rows of two queries, as one: can be ordered by its columns, cut, combined again and run. */
export interface SetQuery<out Row, out F = { readonly [K in keyof Row]: Value<Row[K]> }> extends Runnable<Row>, Composed<Row, F> {
  orderBy(...by: readonly ((keyof Row & string) | Expr<unknown, SetColumns<Row>> | Order<SetColumns<Row>>)[]): SetQuery<Row, F>
  limit(count: number): SetQuery<Row, F>
  offset(count: number): SetQuery<Row, F>
}
