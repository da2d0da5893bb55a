import type { EqualKind, SqlValue } from "../../domain/column.ts"
import type { Accepts, Condition, Expr, Left, Loose, Needs, Test, ValueOf } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"
import type { ColumnOf, Composed, OneColumn } from "./composed.ts"

/** `scalar(query)`: the one value of a query of one column; null of no rows, an error of several. */
export type Scalar = <Row>(query: Composed<Row> & OneColumn<Row>) => Expr<ValueOf<ColumnOf<Row> | null>, AnyScope>

/** `anyOf(query)`, `allOf(query)`: the right side of a comparison with a query of one column, `gt("total", allOf(query))`. */
export type Quantified = <Row>(query: Composed<Row> & OneColumn<Row>) => Expr<ValueOf<ColumnOf<Row>>, AnyScope>

/** `outer("path")`: in a subquery, a column of the query around it. Checked at run time: a query does not know where it will stand. */
export type Outer = <T = unknown>(path: string) => Expr<ValueOf<T>, AnyScope>

/** `existsIn(query)`: whether a query, which may name columns of this one by `outer`, has a row. */
export type ExistsIn = (query: Composed<unknown>) => Condition<AnyScope>

/** A query of one column whose values can be compared with `V`. */
export type Column<V> = Composed<{ readonly [column: string]: V | null }>

/** `oneOf`, `noneOf` with lists and queries: `oneOf("id", query)` is `id IN (SELECT …)`. More than one column is refused at run time. */
export interface MembershipIn {
  <const V extends SqlValue>(values: readonly V[] | Column<V>): Test<V, EqualKind>
  <
    S extends AnyScope = Loose,
    const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
    const V extends Accepts<S, L> = Accepts<S, L>,
  >(
    left: L | NoInfer<Expr<unknown, S>>,
    values: readonly V[] | Column<V>,
  ): Condition<Needs<S, L, { accepts(value: V): void }>>
}
