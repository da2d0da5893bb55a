import type { Bare, InMap, JsonOf, KindOf, Null, OutOf, SumMap, TruncMap, Via } from "./column.ts"

/** A typed column as a path reaches it. */
export interface Field<T, N> {
  readonly out: OutOf<T> | N
  readonly json: JsonOf<T> | N
  accepts(value: Via<InMap, T>): void
  readonly kind: KindOf<T>
  readonly spec: T
}

/** A value that is not a column's: only its type in a row is known. */
export interface Value<T> {
  readonly out: T
  readonly json: T
}

/** A join as a path reaches it: the scope behind it, and whether it may give several rows. */
export interface Rel<S, M> {
  readonly scope: S
  readonly many: M
}

/** What every scope has: the paths that can be read, the joins that can be entered. These keys exist for the compiler only. */
export interface AnyScope {
  // biome-ignore lint/suspicious/noExplicitAny: the top of all scopes must accept every field and give every path
  readonly "~fields": any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly "~joins": any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly "~numeric"?: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly "~textual"?: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly "~temporal"?: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly "~columns"?: any
}

/** Columns of a table that may be read. */
export type Columns<T> = T extends { readonly columns: infer C; readonly redact: readonly (infer R)[] }
  ? Exclude<keyof C & string, R>
  : T extends { readonly columns: infer C }
    ? keyof C & string
    : never

type Sub<J> = J extends { readonly joins: infer X } ? X : {}
type AssociationOf<T, K> = T extends { readonly associations: infer A } ? (K extends keyof A ? A[K] : never) : never
type Target<Ts, T, K> = AssociationOf<T, K> extends { readonly target: infer S } ? (S extends keyof Ts ? Ts[S] : never) : never
type Outer<J> = J extends { readonly type: "inner" | "right" } ? never : null
type Many<T, K> = AssociationOf<T, K> extends { readonly many: true } | { readonly through: object } ? true : false

/** The number of joins that a path may still pass, as a tuple: without a bound, comparing two generic path types is TS2589. */
export type Depth = [0, 0, 0, 0, 0, 0, 0, 0]
type Less<N> = N extends [0, ...infer R] ? R : []

type OfSpec<T, W> = T extends { readonly columns: infer C }
  ? { [K in Columns<T>]: K extends keyof C ? (C[K] extends W ? K : never) : never }[Columns<T>]
  : never

/** Every path of the join tree. */
export type Path<Ts, T, J, N = Depth> =
  | Columns<T>
  | (N extends []
      ? never
      : {
          [K in keyof J & string]:
            | `${K}.${Path<Ts, Target<Ts, T, K>, Sub<J[K]>, Less<N>>}`
            | (J[K] extends { readonly dimension: infer X } ? (X extends Columns<Target<Ts, T, K>> ? K : never) : never)
        }[keyof J & string])

/** Every path of the join tree whose column is declared as `W`. Walks the tree, so that its cost is linear in the paths. */
export type PathTo<W, Ts, T, J, N = Depth> =
  | OfSpec<T, W>
  | (N extends []
      ? never
      : {
          [K in keyof J & string]:
            | `${K}.${PathTo<W, Ts, Target<Ts, T, K>, Sub<J[K]>, Less<N>>}`
            | (J[K] extends { readonly dimension: infer _ extends OfSpec<Target<Ts, T, K>, W> } ? K : never)
        }[keyof J & string])

/** Every join of the tree, as a path. */
export type JoinPath<Ts, T, J, N = Depth> = N extends []
  ? never
  : { [K in keyof J & string]: K | `${K}.${JoinPath<Ts, Target<Ts, T, K>, Sub<J[K]>, Less<N>>}` }[keyof J & string]

/** The field that a path reaches; `N` gathers the null of the outer joins on the way. */
export type FieldAt<Ts, T, J, P, N = never> = P extends `${infer K}.${infer R}`
  ? K extends keyof J
    ? FieldAt<Ts, Target<Ts, T, K>, Sub<J[K]>, R, N | Outer<J[K]>>
    : never
  : T extends { readonly columns: infer C }
    ? P extends keyof C
      ? Field<Bare<C[P]>, N | Null<C[P]>>
      : P extends keyof J
        ? J[P] extends { readonly dimension: infer X }
          ? FieldAt<Ts, Target<Ts, T, P>, {}, X, N | Outer<J[P]>>
          : never
        : never
    : never

/** The join that a path reaches; many where any step on the way is. */
export type RelAt<Ts, T, J, P, M = never> = P extends `${infer K}.${infer R}`
  ? K extends keyof J
    ? RelAt<Ts, Target<Ts, T, K>, Sub<J[K]>, R, M | Many<T, K>>
    : never
  : P extends keyof J
    ? Rel<Scope<Ts, Target<Ts, T, P>, Sub<J[P]>>, true extends M | Many<T, P> ? true : false>
    : never

/** Null where a right or full join stands anywhere in the tree: such a join, once used, leaves nulls in every table before it. */
export type BeforeRight<J, N = Depth> = N extends []
  ? never
  : {
      [K in keyof J]: J[K] extends { readonly type: "right" | "full" }
        ? null
        : J[K] extends { readonly joins: infer X }
          ? BeforeRight<X, Less<N>>
          : never
    }[keyof J]

type Optional<K extends string> = K | `${K}?`
/** Columns that can be summed. */
export type NumericSpec = Optional<keyof SumMap>
/** Columns that hold text. */
export type TextualSpec = Optional<"string">
/** Columns that dateTrunc takes. */
export type TemporalSpec = Optional<keyof TruncMap>

/** A table with the join tree below it. */
export interface Scope<Ts, T, J> {
  readonly "~fields": { readonly [P in Path<Ts, T, J>]: FieldAt<Ts, T, J, P, BeforeRight<J>> }
  readonly "~joins": { readonly [P in JoinPath<Ts, T, J>]: RelAt<Ts, T, J, P> }
  readonly "~numeric"?: PathTo<NumericSpec, Ts, T, J>
  readonly "~textual"?: PathTo<TextualSpec, Ts, T, J>
  readonly "~temporal"?: PathTo<TemporalSpec, Ts, T, J>
  readonly "~columns"?: Columns<T>
}

/** The one empty type: two spellings of {} make a named and an inferred domain differ, and get compared path by path. */
export type None = {}
