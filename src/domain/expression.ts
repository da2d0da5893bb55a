import type { Bare, SqlValue, TypeRules } from "./column.ts"
import type { AnyScope, Field, Rel, Value } from "./scope.ts"

// Keys that exist for the compiler only: one for each kind of value, so that none passes for another.
declare const test: unique symbol
declare const condition: unique symbol
declare const expression: unique symbol
declare const order: unique symbol

/** A test of one value: what stands on the right of `{ path: … }`. `V` are the values it compares with, `K` the kinds it understands. */
export interface Test<out V, in K> {
  readonly [test]: (kind: K) => V
}

/** A condition on rows of scope `S`. A type alias, because an interface would not fit the filters of a dynamic domain. */
export type Condition<in S> = { readonly [condition]: (scope: S) => void }

/** An expression that can be read in scope `S`; `A` says what it becomes (see {@link Resolve}). */
export interface Expr<out A, in S> {
  readonly [expression]: (scope: S) => A
}

/** One key of an ORDER BY. */
export interface Order<in S> {
  readonly [order]: (scope: S) => void
}

/** What a field may be compared with in `{ path: value }`. Json has tests only. */
export type FilterValue<F> = F extends { accepts(value: infer V): void; readonly kind: infer K }
  ? K extends "json"
    ? Test<unknown, K>
    : Exclude<V, readonly unknown[]> | Test<V, K>
  : never

/** `{ path: value }` pairs, all of which must hold, or a condition. One object type and no union: so that a misspelt path gets its "did you mean". */
export type Filter<S extends AnyScope> = { readonly [P in keyof S["~fields"] & string]?: FilterValue<S["~fields"][P]> } & {
  readonly [condition]?: (scope: S) => void
}

/** What `select({ … })` and `nest()` read: aliases to paths or expressions. */
export type Shape<S extends AnyScope> = { readonly [alias: string]: (keyof S["~fields"] & string) | Expr<unknown, S> }

// ── What the `A` of an Expr can be.

/** A column by its path. */
export interface RefTo<P> {
  readonly ref: P
}
/** A value of column type `T`; null where one of the arguments `X` may be, or always. */
export interface TypedAs<T, X = never, N = never> {
  readonly spec: T
  readonly of: X
  readonly null: N
}
/** A value of TypeScript type `T`. */
export interface ValueOf<T> {
  readonly value: T
}
/** A value whose type follows `X` by a rule of {@link TypeRules}; `null` adds null. */
export interface ByRule<M extends keyof TypeRules, X, N = never> {
  readonly rule: M
  readonly of: X
  readonly null: N
}
/** A value of the type of `X`; `null` adds null. */
export interface Like<X, N = never> {
  readonly like: X
  readonly null: N
}
/** The first of several that is not null: of the type of `X`, null only where all of `X` and `Y` may be. */
export interface FirstOf<X, Y> {
  readonly first: X
  readonly others: Y
}
/** The same without null. */
export interface NotNull<X> {
  readonly present: X
}
/** An array of the values of `X`, as they are in a row or in JSON; null of no rows. */
export interface Collected<How, X> {
  readonly collected: X
  readonly how: How
}
/** A nested object or array of objects. */
export interface Nested<J, Sh> {
  readonly nest: J
  readonly shape: Sh
}

/** What an argument contributes: a path, an expression, or a plain value. */
export type ArgOf<L> = L extends string
  ? RefTo<L>
  : // biome-ignore lint/suspicious/noExplicitAny: any scope
    L extends Expr<infer A, any>
    ? A
    : never
/** As {@link ArgOf}, where a string is a value and not a path. */
export type ItemOf<L> =
  // biome-ignore lint/suspicious/noExplicitAny: any scope
  L extends Expr<infer A, any> ? A : ValueOf<L extends bigint ? string : L>

type NullIn<S extends AnyScope, X> = Extract<Out<Resolve<S, X>>, null>
type Nullable<F> = F extends Field<infer T, infer _> ? Field<T, null> : F extends Value<infer V> ? Value<V | null> : never
type Present<F> = F extends Field<infer T, infer _> ? Field<T, never> : F extends Value<infer V> ? Value<Exclude<V, null>> : never
type WithNull<F, N> = [N] extends [never] ? F : Nullable<F>
type Ruled<F, R, N> = F extends { readonly spec: infer T }
  ? T extends keyof R
    ? Field<R[T], N | Extract<Out<F>, null>>
    : never
  : F extends Value<infer V>
    ? Value<V | N>
    : never

/** The field or value that an expression's `A` is in scope `S`. */
export type Resolve<S extends AnyScope, A> = A extends { readonly ref: infer P extends string }
  ? S["~fields"][P]
  : A extends TypedAs<infer T, infer X, infer N>
    ? Field<T, N | NullIn<S, X>>
    : A extends ValueOf<infer V>
      ? Value<V>
      : A extends ByRule<infer M, infer X, infer N>
        ? Ruled<Resolve<S, X>, TypeRules[M], N>
        : A extends Like<infer X, infer N>
          ? WithNull<Resolve<S, X>, N>
          : A extends FirstOf<infer X, infer Y>
            ? null extends NullIn<S, Y>
              ? Resolve<S, X>
              : Present<Resolve<S, X>>
            : A extends NotNull<infer X>
              ? Present<Resolve<S, X>>
              : A extends Collected<infer How, infer X>
                ? Value<Resolve<S, X>[How & keyof Resolve<S, X>][] | null>
                : A extends Nested<infer J, infer Sh>
                  ? S["~joins"][J & string] extends Rel<infer X extends AnyScope, infer M>
                    ? Value<M extends true ? JsonRow<X, Sh>[] : JsonRow<X, Sh> | null>
                    : never
                  : never

/** A row of `nest()`. A conditional type, so that declarations hold the row and not the scope that it was read in. */
export type JsonRow<S extends AnyScope, Sh> = Sh extends object ? { -readonly [K in keyof Sh]: FieldOf<S, Sh[K]>["json"] } : never
/** The field or value of a path or an expression. */
export type FieldOf<S extends AnyScope, X> = X extends string
  ? S["~fields"][X]
  : // biome-ignore lint/suspicious/noExplicitAny: any scope
    X extends Expr<infer A, any>
    ? Resolve<S, A>
    : never
/** The value in a row. */
export type Out<X> = X extends { readonly out: infer O } ? O : unknown
/** A bare column type by a declared one. */
export type SpecOf<X> = X extends { readonly spec: infer T } ? Bare<T> : never

/** The scope of a call that no query stands around: nothing is known of the paths, what it needs is checked where it is used. */
export interface Loose extends AnyScope {
  readonly "apart from a query name the domain: and<Orders>(…)": true
}
/** What an expression or a condition asks of a scope. Without NoInfer the apart-branch would infer a mapped type from all fields. */
export type Needs<S, P, F> = S extends Loose
  ? NoInfer<{ readonly "~fields": { readonly [K in P & string]: F }; readonly "~joins": {} }>
  : S
/** A path or an expression. */
export type Left<S extends AnyScope> = (keyof S["~fields"] & string) | Expr<unknown, S>
/** Values that the left side may be compared with. */
export type Accepts<S extends AnyScope, L> = S extends Loose
  ? SqlValue
  : FieldOf<S, L> extends { accepts(value: infer V): void }
    ? Exclude<V, readonly unknown[]>
    : SqlValue
/** The scope behind join `J` of `S`: an interface, so that errors name it instead of spelling out its tables. */
export interface Behind<S extends AnyScope, J> extends AnyScope {
  readonly "~fields": S["~joins"][J & string]["scope"]["~fields"]
  readonly "~joins": S["~joins"][J & string]["scope"]["~joins"]
  readonly "~numeric"?: S["~joins"][J & string]["scope"]["~numeric"]
  readonly "~textual"?: S["~joins"][J & string]["scope"]["~textual"]
  readonly "~temporal"?: S["~joins"][J & string]["scope"]["~temporal"]
  readonly "~columns"?: S["~joins"][J & string]["scope"]["~columns"]
}
/** The scope that filters and shapes behind a join stand in. */
export type SubScope<S extends AnyScope, J> = S extends Loose ? Loose : Behind<S, J>
