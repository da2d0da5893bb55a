import type { SumMap, TruncMap } from "../../domain/column.ts"
import type { AnyScope, Field, Value } from "../../domain/scope.ts"

/** For the compiler only. */
declare const composed: unique symbol

/**
 * A query that was composed, and so can stand inside another one: as a value, a side of a set operation, a table. `F` are its output
 * columns as fields. SQL from elsewhere is not: its columns are unknown.
 */
export interface Composed<out Row, out F = unknown> {
  readonly [composed]: () => readonly [row: Row, fields: F]
}

/** Printed where a query of one column is needed. */
export interface OneColumnNeeded<out Columns> {
  readonly "this query must select one column": Columns
}
type IsUnion<T, U = T> = [T] extends [never] ? true : T extends unknown ? ([U] extends [T] ? false : true) : never
/** What a query must be to stand as a value. */
export type OneColumn<Row> = true extends IsUnion<keyof Row> ? OneColumnNeeded<keyof Row> : unknown
/** The value of a row's one column. */
export type ColumnOf<Row> = Row[keyof Row]

type Typed<F, W> = {
  [K in keyof F & string]: F[K] extends { readonly spec: infer T } ? (T extends W ? K : never) : never
}[keyof F & string]

/** The scope of a query's output: what a query reads that takes its rows from another query. */
export interface Output<F> extends AnyScope {
  readonly "~fields": F
  readonly "~joins": {}
  readonly "~numeric"?: Typed<F, keyof SumMap>
  readonly "~textual"?: Typed<F, "string">
  readonly "~temporal"?: Typed<F, keyof TruncMap>
  readonly "~columns"?: keyof F & string
}

type NullIf<X, N> = [N] extends [never]
  ? X
  : X extends Field<infer T, infer _>
    ? Field<T, null>
    : X extends Value<infer V>
      ? Value<V | null>
      : X

/** Scope `D` with the output `F` of another query under the name `N`: its columns are the paths `N.column`. */
export interface With<D extends AnyScope, N extends string, F, Null = never> extends AnyScope {
  readonly "~fields": D["~fields"] & { readonly [P in keyof F & string as `${N}.${P}`]: NullIf<F[P], Null> }
  readonly "~joins": D["~joins"]
  readonly "~numeric"?: D["~numeric"] | `${N}.${Typed<F, keyof SumMap>}`
  readonly "~textual"?: D["~textual"] | `${N}.${Typed<F, "string">}`
  readonly "~temporal"?: D["~temporal"] | `${N}.${Typed<F, keyof TruncMap>}`
  readonly "~columns"?: D["~columns"]
}

/** Scope `D` with one more field. */
export interface WithField<D extends AnyScope, N extends string, X> extends AnyScope {
  readonly "~fields": D["~fields"] & { readonly [P in N]: X }
  readonly "~joins": D["~joins"]
  readonly "~numeric"?: D["~numeric"] | Typed<{ [P in N]: X }, keyof SumMap>
  readonly "~textual"?: D["~textual"] | Typed<{ [P in N]: X }, "string">
  readonly "~temporal"?: D["~temporal"] | Typed<{ [P in N]: X }, keyof TruncMap>
  readonly "~columns"?: D["~columns"]
}
