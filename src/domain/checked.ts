// What a definition must be for its own names to hold together. Intersected with the inferred types, so that a wrong name is reported
// where it stands; the interfaces below are what the compiler prints there, with the names that would have been right.

interface NoColumn<out Known> {
  readonly "no such column": Known
}
interface NoTable<out Known> {
  readonly "no such table in schemas": Known
}
interface NoAssociation<out Known> {
  readonly "no such association": Known
}

type ColumnName<T> = T extends { readonly columns: infer C } ? keyof C & string : string
type Columns<K, Names> = K extends string
  ? K extends Names
    ? unknown
    : NoColumn<Names>
  : K extends readonly (infer E)[]
    ? [E] extends [Names]
      ? unknown
      : NoColumn<Names>
    : unknown
type TargetOf<A, Ts> = A extends { readonly target: infer X } ? (X extends keyof Ts ? Ts[X] : unknown) : unknown

interface CheckedAssociation<A, T, Ts> {
  readonly target: A extends { readonly target: keyof Ts } ? unknown : NoTable<keyof Ts>
  readonly ownerKey: A extends { readonly ownerKey: infer K } ? Columns<K, ColumnName<T>> : unknown
  readonly relatedKey: A extends { readonly relatedKey: infer K } ? Columns<K, ColumnName<TargetOf<A, Ts>>> : unknown
}

/** A table whose keys and redacted columns are its own columns, and whose associations reach tables of `Ts`. */
export interface CheckedTable<T, Ts> {
  readonly primaryKey: T extends { readonly primaryKey: infer K } ? Columns<K, ColumnName<T>> : unknown
  readonly redact?: (T extends { readonly redact: infer K } ? Columns<K, ColumnName<T>> : unknown) | undefined
  readonly associations?:
    | (T extends { readonly associations: infer A } ? { readonly [K in keyof A]: CheckedAssociation<A[K], T, Ts> } : unknown)
    | undefined
}

/** Every table of a definition, checked. */
export type CheckedTables<Ts> = { readonly [K in keyof Ts]: CheckedTable<Ts[K], Ts> }

interface CheckedJoin<J, T, Ts> {
  readonly dimension?: (J extends { readonly dimension: infer K } ? Columns<K, ColumnName<T>> : unknown) | undefined
  readonly joins?: (J extends { readonly joins: infer X } ? CheckedJoins<X, T, Ts> : unknown) | undefined
}

/** A join tree whose names are associations of the tables it passes, and whose dimensions are columns of their targets. */
export type CheckedJoins<J, T, Ts> = {
  readonly [K in keyof J]: T extends { readonly associations: infer A }
    ? K extends keyof A
      ? CheckedJoin<J[K], TargetOf<A[K], Ts>, Ts>
      : NoAssociation<keyof A>
    : NoAssociation<never>
}
