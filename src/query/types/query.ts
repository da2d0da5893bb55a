import type { AnyDomain } from "../../domain/domain.ts"
import type { Expr, FieldOf, Filter, Order, Out, Shape } from "../../domain/expression.ts"
import type { AnyScope, Field, None, Value } from "../../domain/scope.ts"
import type { HintName, HintSpec, HintValues } from "../../hints/index.ts"
import type { Grouping } from "./aggregates.ts"
import type { Composed } from "./composed.ts"
import type { PageMethods, RetargetMethods, RowMethods } from "./pages.ts"
import type { Runnable } from "./runnable.ts"
import type { SourceMethods } from "./sources.ts"
import type { WindowMethods } from "./windows.ts"

type Selected<D extends AnyScope, A, R> = A extends string
  ? { [K in A | (R & string)]: D["~fields"][K] }
  : { [K in keyof A]: FieldOf<D, A[K]> }

/**
 * The row after `select(A, …R)` on top of the fields `F` that were selected before. The keys are merged inside the branches: a mapped
 * type around the conditional would resolve every path of the domain.
 */
export type RowWith<D extends AnyScope, F, A, R> = A extends string
  ? { -readonly [K in A | (R & string) | keyof F]: Out<K extends keyof F ? F[K] : D["~fields"][K]> }
  : { -readonly [K in keyof A | keyof F]: Out<K extends keyof A ? FieldOf<D, A[K]> : K extends keyof F ? F[K] : never> }

/** The row of a query that has selected nothing: the domain's `defaultSelected`, or else every column of its root that may be read. */
export type DefaultRow<D extends AnyDomain> = {
  -readonly [K in (NonNullable<D["~defaults"]> | NonNullable<D["~always"]>) & string]: Out<D["~fields"][K]>
}

/** The query that `from` starts with. Its rows hold the domain's `requiredSelected` columns, whatever is selected later. */
export type Start<D extends AnyDomain> = Query<DefaultRow<D>, D, Always<D>>
type Always<D extends AnyDomain> = [NonNullable<D["~always"]>] extends [never]
  ? None
  : { readonly [K in NonNullable<D["~always"]> & string]: D["~fields"][K] }

/** A domain with the aliases that a query has selected. */
export interface Both<D extends AnyScope, F> extends AnyScope {
  readonly "~fields": D["~fields"] & Omit<F, keyof D["~fields"]>
  readonly "~joins": D["~joins"]
  readonly "~numeric"?: D["~numeric"]
  readonly "~textual"?: D["~textual"]
  readonly "~temporal"?: D["~temporal"]
}

type Loosen<X> = X extends Field<infer T, infer _> ? Field<T, null> : X extends Value<infer V> ? Value<V | null> : X
/** A scope in which every field may be null: what a right or full join leaves of the tables before it. */
export interface Loosened<D extends AnyScope> extends AnyScope {
  readonly "~fields": { readonly [P in keyof D["~fields"]]: Loosen<D["~fields"][P]> }
  readonly "~joins": D["~joins"]
  readonly "~numeric"?: D["~numeric"]
  readonly "~textual"?: D["~textual"]
  readonly "~temporal"?: D["~temporal"]
}

/** Options of `join()`. */
export interface JoinOptions<T> {
  /** Replaces the declared type of this join, in this query. */
  readonly type?: T | undefined
}

/** Any other name, without hiding those that are known from an editor's completions. */
type AnyName = string & {}

/**
 * A query: an immutable value, every method gives a new one. `Row` is what it yields, `D` the domain it asks, `F` the fields selected by name.
 * Row first: editors cut long types.
 */
export interface Query<out Row, in out D extends AnyScope, in out F = None>
  extends Runnable<Row>,
    Composed<Row, F>,
    SourceMethods<Row, D, F>,
    PageMethods<Row>,
    RowMethods<D, F>,
    RetargetMethods<D>,
    WindowMethods<D> {
  /** As on every Runnable; the query's join paths are offered, and a table's name is taken while it is unambiguous. */
  hint<Name extends HintName>(name: Name, value: HintValues<(keyof D["~joins"] & string) | AnyName>[Name]): this
  hint(spec: HintSpec<(keyof D["~joins"] & string) | AnyName>): this
  /** Paths become keys of the row; an object gives aliases to paths and expressions. The first call replaces the domain's default columns, later ones add. */
  select<const A extends (keyof D["~fields"] & string) | Shape<D>, const R extends keyof D["~fields"] & string = never>(
    first: A,
    ...more: A extends string ? readonly R[] : []
  ): Query<RowWith<D, F, A, R>, D, F & Selected<D, A, R>>
  /** Rows that meet all filters, those of earlier calls included. */
  filter(...filters: readonly Filter<D>[]): this
  /** Paths before aliases. With rollup(), cube() or groupingSets(), what a row is not grouped by is null, whatever its type says. */
  groupBy(...by: readonly ((keyof D["~fields"] & string) | (keyof F & string) | Expr<unknown, D> | Grouping<D>)[]): this
  /** Groups that meet all filters; paths before aliases. */
  having(...filters: readonly Filter<Both<D, F>>[]): this
  /** No row twice. */
  distinct(): this
  /** Aliases before paths; a bare name is ascending. A later call adds keys. */
  orderBy(
    ...by: readonly ((keyof D["~fields"] & string) | (keyof F & string) | Expr<unknown, Both<D, F>> | Order<Both<D, F>>)[]
  ): this
  limit(count: number): this
  offset(count: number): this
  /**
   * Joins although no path needs it, or with another type than the domain declares. A right or full join makes every column nullable; a left
   * one in the place of an inner one brings nulls that the types of its columns do not say.
   */
  join<const T extends "left" | "inner" | "right" | "full" = "left">(
    path: keyof D["~joins"] & string,
    options?: JoinOptions<T>,
  ): T extends "right" | "full"
    ? Query<{ [K in keyof Row]: Row[K] | null }, Loosened<D>, { [K in keyof F]: Loosen<F[K]> }>
    : Query<Row, D, F>
  /** Says that an aggregate over multiplied rows is meant: no E_FAN_OUT. */
  allowFanOut(): this
}

/** The second argument of `from`: a value for every column that the domain demands. */
export type ScopeArguments<D extends AnyDomain> = [NonNullable<D["~required"]>] extends [never]
  ? []
  : [scope: { readonly [K in NonNullable<D["~required"]> & string]: ScopeValue<D["~fields"][K]> }]
type ScopeValue<F> = F extends { accepts(value: infer V): void } ? Exclude<V, readonly unknown[]> : never

/** `from(domain, scope)`, of a connection or alone. A query made without a connection compiles (`toSql`) but does not run: E_NOT_CONNECTED. */
export type From = <D extends AnyDomain>(domain: D, ...scope: ScopeArguments<D>) => Start<D>
