import type { CheckedJoins, CheckedTable, CheckedTables } from "./checked.ts"
import type { ColumnSpec, SqlValue } from "./column.ts"
import type { Joins, PerformanceDefaults, Table } from "./definition.ts"
import type { Expr, FieldOf, Filter, Order, RefTo } from "./expression.ts"
import type { AnyScope, Columns, None, Scope } from "./scope.ts"

/** Any domain, for functions that do not care which. */
export interface AnyDomain extends AnyScope {
  readonly name: string
  readonly definition: DomainDefinition
  /** Columns of the default row; for the compiler only. */
  readonly "~defaults"?: unknown
  /** Columns whose value every query must be given; for the compiler only. */
  readonly "~required"?: unknown
  /** Columns that every row holds; for the compiler only. */
  readonly "~always"?: unknown
}

/** A domain's definition as plain data, whatever its types. */
export interface DomainDefinition {
  readonly name: string
  readonly source: Table
  readonly schemas?: { readonly [name: string]: Table } | undefined
  readonly joins?: Joins | undefined
  // biome-ignore lint/suspicious/noExplicitAny: each column is a function of its own domain's paths
  readonly customColumns?: { readonly [name: string]: (f: any) => Expr<unknown, any> } | undefined
  readonly required?: readonly string[] | undefined
  // biome-ignore lint/suspicious/noExplicitAny: a filter of its own domain
  readonly requiredFilters?: readonly Filter<any>[] | undefined
  readonly requiredSelected?: readonly string[] | undefined
  readonly requiredGroupBy?: readonly string[] | undefined
  // biome-ignore lint/suspicious/noExplicitAny: an order of its own domain
  readonly requiredOrderBy?: readonly (string | Order<any>)[] | undefined
  readonly defaultSelected?: readonly string[] | undefined
  readonly defaultGroupBy?: readonly string[] | undefined
  // biome-ignore lint/suspicious/noExplicitAny: an order of its own domain
  readonly defaultOrderBy?: readonly (string | Order<any>)[] | undefined
  /** Named filters of a user interface; nothing here reads them. */
  readonly filters?: { readonly [name: string]: unknown } | undefined
  readonly performance?: PerformanceDefaults | undefined
  /** Whatever the application wants to keep beside the domain. */
  readonly data?: unknown
}

/**
 * A domain: name `N`, root table `T`, other tables `Ts`, join tree `J`, custom columns `C`, default columns `DS`, columns whose value is
 * required `R`, columns that every row holds `A`.
 * Keys that begin with `~` exist for the compiler only.
 */
export interface Domain<N, T, Ts, J, C = None, DS = never, R = never, A = never> extends AnyScope {
  readonly name: N & string
  readonly definition: DomainDefinition
  readonly "~defaults"?: [DS] extends [never] ? Columns<T> : DS
  readonly "~required"?: R
  readonly "~always"?: A
  readonly "~joins": Scope<Ts, T, J>["~joins"]
  readonly "~numeric"?: Scope<Ts, T, J>["~numeric"]
  readonly "~textual"?: Scope<Ts, T, J>["~textual"]
  readonly "~temporal"?: Scope<Ts, T, J>["~temporal"]
  readonly "~columns"?: Columns<T>
  readonly "~fields": Scope<Ts, T, J>["~fields"] & {
    // biome-ignore lint/suspicious/noExplicitAny: any scope
    readonly [K in keyof C]: C[K] extends Expr<unknown, any> ? FieldOf<Scope<Ts, T, J>, C[K]> : never
  }
}

/** Every path as an expression: the argument of a custom column. */
export type Refs<S extends AnyScope> = { readonly [P in keyof S["~fields"] & string]: Expr<RefTo<P>, S> }

type Elements<X> = X extends readonly (infer E)[] ? E : never

/**
 * The domain of a definition that was declared `as const`. An interface that extends it gives the domain a short name in errors and declarations.
 *
 * @example
 * const definition = { name: "Orders", source: { … } } as const
 * export interface Orders extends DomainOf<typeof definition> {}
 * export const orders: Orders = defineDomain(definition)
 */
export type DomainOf<D extends { readonly name: string; readonly source: Table }> = Domain<
  D["name"],
  D["source"],
  D extends { readonly schemas: infer Ts } ? Ts : None,
  D extends { readonly joins: infer J } ? J : None,
  None,
  D extends { readonly defaultSelected: infer DS } ? Elements<DS> : never,
  D extends { readonly required: infer R } ? Elements<R> : never,
  D extends { readonly requiredSelected: infer A } ? Elements<A> : never
>

/** Names a domain that has custom columns: `interface Orders extends Named<typeof inferred> {}`. */
export type Named<D extends AnyDomain> = D

/** Field of a dynamic domain: any comparison is let through, rows hold unknown. */
export interface DynamicField {
  readonly out: unknown
  readonly json: unknown
  accepts(value: SqlValue | readonly unknown[]): void
  // biome-ignore lint/suspicious/noExplicitAny: nothing is known of the column
  readonly kind: any
}

/** A scope of which the compiler knows nothing. */
export interface DynamicScope extends AnyScope {
  readonly "~fields": { readonly [path: string]: DynamicField }
  readonly "~joins": { readonly [path: string]: { readonly scope: DynamicScope; readonly many: boolean } }
  readonly "~numeric"?: string
  readonly "~textual"?: string
  readonly "~temporal"?: string
  readonly "~columns"?: string
}

/** A domain that was read from a live database: any path, values unknown; paths are checked at run time. */
export interface DynamicDomain extends DynamicScope {
  readonly name: string
  readonly definition: DomainDefinition
  readonly "~defaults"?: string
  readonly "~required"?: never
  readonly "~always"?: never
}

/** The type of `defineDomain`. Throws E_INVALID_DOMAIN with every fault of the definition. */
export type DefineDomain = <
  const N extends string,
  const T extends Table,
  const Ts extends { readonly [schema: string]: Table } = None,
  const J extends Joins = None,
  // biome-ignore lint/suspicious/noExplicitAny: any scope
  C extends { readonly [column: string]: Expr<unknown, any> } = None,
  const DS extends keyof Scope<Ts, T, J>["~fields"] & string = never,
  const R extends Columns<T> = never,
  const A extends keyof Scope<Ts, T, J>["~fields"] & string = never,
>(definition: {
  readonly name: N
  readonly source: T & CheckedTable<T, Ts>
  readonly schemas?: Ts & CheckedTables<Ts>
  readonly joins?: J & CheckedJoins<J, T, Ts>
  readonly customColumns?: { readonly [K in keyof C]: (f: Refs<Scope<Ts, T, J>>) => C[K] }
  readonly required?: readonly R[]
  readonly requiredFilters?: readonly Filter<NoInfer<Scope<Ts, T, J>>>[]
  readonly requiredSelected?: readonly A[]
  readonly requiredGroupBy?: readonly (keyof NoInfer<Scope<Ts, T, J>>["~fields"] & string)[]
  readonly requiredOrderBy?: readonly ((keyof NoInfer<Scope<Ts, T, J>>["~fields"] & string) | Order<NoInfer<Scope<Ts, T, J>>>)[]
  readonly defaultSelected?: readonly DS[]
  readonly defaultGroupBy?: readonly (keyof NoInfer<Scope<Ts, T, J>>["~fields"] & string)[]
  readonly defaultOrderBy?: readonly ((keyof NoInfer<Scope<Ts, T, J>>["~fields"] & string) | Order<NoInfer<Scope<Ts, T, J>>>)[]
  readonly filters?: { readonly [name: string]: unknown } | undefined
  readonly performance?: PerformanceDefaults | undefined
  readonly data?: unknown
}) => NoInfer<Domain<N, T, Ts, J, C, DS, R, A>> // NoInfer: an annotation on the left must not take part in inference

/** A table's spec by column, for readers of definitions. */
export type ColumnsOf<T extends Table> = { readonly [K in Columns<T>]: T["columns"][K] & ColumnSpec }
