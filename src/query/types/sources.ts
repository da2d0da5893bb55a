import type { Bare, ColumnSpec, InMap, Null, Via } from "../../domain/column.ts"
import type { Out } from "../../domain/expression.ts"
import type { AnyScope, Field, None } from "../../domain/scope.ts"
import type { Composed, Output, With, WithField } from "./composed.ts"
import type { Query } from "./query.ts"

/** How another query is joined. */
export interface JoinQueryOptions<D extends AnyScope, F, T> {
  /** Columns that must be equal: paths of this query to columns of the other. Without it a lateral join has no condition. */
  readonly on?: { readonly [P in keyof D["~fields"] & string]?: keyof F & string } | undefined
  /** "left" by default. */
  readonly type?: T | undefined
  /** The other query may name columns of this one by `outer("path")`. */
  readonly lateral?: boolean | undefined
  /** Written as `WITH name AS (…)`; "materialized" and "not materialized" say so to the planner. */
  readonly cte?: boolean | "materialized" | "not materialized" | undefined
}

/** Joins of queries, lists and functions. */
export interface SourceMethods<out Row, in out D extends AnyScope, in out F> {
  /** Joins the rows of another query under a name: its columns are the paths `name.column`. */
  joinQuery<const N extends string, F2, const T extends "left" | "inner" = "left">(
    name: N,
    query: Composed<unknown, F2>,
    options: JoinQueryOptions<D, F2, T>,
  ): Query<Row, With<D, N, F2, T extends "inner" ? never : null>, F>
  /** One row for each element of an array column; the element is the path `as`. Rows with an empty array are left out. */
  unnest<const P extends keyof D["~fields"] & string, const N extends string>(
    path: P & ArrayPath<D["~fields"][P]>,
    as: N,
  ): Query<Row, WithField<D, N, ElementOf<D["~fields"][P]>>, F>
}
type ArrayPath<X> = X extends { readonly spec: { readonly type: "array" } } ? unknown : NotAnArray
interface NotAnArray {
  readonly "this column is not an array": never
}
type ElementOf<X> = X extends { readonly spec: { readonly type: "array"; readonly of: infer E } } ? Field<E, never> : never

/** `fromQuery(query)`: a query over the rows of another; its paths are the other's columns. What a filter on a window needs. */
export type FromQuery = <Row, F>(query: Composed<Row, F>) => Query<{ -readonly [K in keyof F]: Out<F[K]> }, Output<F>>

/** The fields of declared columns. */
export type FieldsOf<C> = { readonly [K in keyof C]: Field<Bare<C[K]>, Null<C[K]>> }
/** A row of `values()`. */
export type ValuesRow<C> = { readonly [K in keyof C]: Via<InMap, Bare<C[K]>> | Null<C[K]> }
/** `values({ code: "string" }, [{ code: "G" }])`: rows that are bound as parameters, one array for a column. */
export type Values = <const C extends { readonly [column: string]: ColumnSpec }>(
  columns: C,
  rows: readonly ValuesRow<C>[],
) => Composed<{ [K in keyof C]: Out<Field<Bare<C[K]>, Null<C[K]>>> }, FieldsOf<C>>

/** `generateSeries(from, to, step?)`: one column, `value`. Dates need a step such as "1 day". */
export interface GenerateSeries {
  (from: number, to: number, step?: number | undefined): Composed<{ value: number }, { readonly value: Field<"integer", never> }>
  (from: Date, to: Date, step: string): Composed<{ value: Date }, { readonly value: Field<"timestamptz", never> }>
}

/** Where a recursion ends, whatever its data. */
export interface RecursionOptions {
  /** Steps after the first query; further rows are not followed. */
  readonly maxDepth: number
  /** Keeps duplicates: UNION ALL. False by default, which also stops cycles of equal rows. */
  readonly all?: boolean | undefined
}
/**
 * `recursive(first, step, { maxDepth })`: the rows of `first`, then of `step` over the rows found before, until there are none. The step
 * selects the same columns.
 */
export type Recursive = <Row, F>(
  first: Composed<Row, F>,
  step: (previous: Query<Row, Output<F>, None> & Composed<Row, F>) => Composed<NoInfer<Row>>,
  options: RecursionOptions,
) => Composed<Row, F>
