import type { Bare, ColumnSpec, InMap, Null, Via } from "../../domain/column.ts"
import type { Expr, TypedAs } from "../../domain/expression.ts"

/** A function of the user's own database, described once. */
export interface FunctionDefinition<A extends readonly ColumnSpec[], R extends ColumnSpec> {
  /** With its schema where that is not on the search path: `"shop.discount"`. */
  readonly name: string
  readonly args: A
  readonly returns: R
  /** As PostgreSQL has it; "volatile", the default, keeps a query that calls it out of caches and views. */
  readonly volatility?: "immutable" | "stable" | "volatile" | undefined
}

/** `defineFunction({ name, args, returns })`: a typed call. Arguments are values or expressions, `ref("path")` for a column. */
export type DefineFunction = <const A extends readonly ColumnSpec[], const R extends ColumnSpec>(
  definition: FunctionDefinition<A, R>,
) => <S>(
  ...args: { readonly [I in keyof A]: Via<InMap, Bare<A[I]>> | Null<A[I]> | Expr<unknown, S> }
) => Expr<TypedAs<Bare<R>, never, Null<R>>, S>
