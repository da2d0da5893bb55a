import type { Duration } from "../units.ts"
import type { ColumnSpec } from "./column.ts"

/** One key column, or several in order. */
export type Key = string | readonly string[]

/** How one table of a domain reaches another. */
export interface Association {
  /** An entry of the domain's `schemas`. For a self join the same table is declared there under another name. */
  readonly target: string
  /** Key of the table that holds the association. */
  readonly ownerKey: Key
  /** Key of the target; with `through`, the key that the link table refers to. */
  readonly relatedKey: Key
  /** True where one owner has several targets. */
  readonly many?: boolean | undefined
  /** The link table of a many-to-many association. */
  readonly through?: Through | undefined
}

/** A link table: `link.ownerKey = owner.ownerKey and link.relatedKey = target.relatedKey`. */
export interface Through {
  readonly table: string
  readonly schema?: string | undefined
  readonly ownerKey: Key
  readonly relatedKey: Key
}

/** One table, view or materialized view of a domain. */
export interface Table {
  readonly table: string
  /** PostgreSQL's namespace; without it the search path decides. */
  readonly schema?: string | undefined
  readonly primaryKey: Key
  readonly columns: { readonly [column: string]: ColumnSpec }
  /** Declared columns that no query may read: absent from the path type, refused at run time. */
  readonly redact?: readonly string[] | undefined
  readonly associations?: { readonly [name: string]: Association } | undefined
  readonly label?: string | undefined
}

/** How a join is made. The dimension types are left joins whose name is itself a path: their `dimension` column. */
export type JoinType = "left" | "inner" | "right" | "full" | "dimension" | "starDimension" | "snowflakeDimension"

/** One join of the declared tree, named by the association that it follows. */
export interface Join {
  readonly type: JoinType
  /** The column that stands for the whole target; the join's name is then a path. */
  readonly dimension?: string | undefined
  readonly joins?: Joins | undefined
  readonly label?: string | undefined
}

/** The tree of joins below one table: keys are names of its associations. */
export interface Joins {
  readonly [association: string]: Join
}

/** Defaults of the performance features; a query overrides them. */
export interface PerformanceDefaults {
  readonly slowQueryMs?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly cache?:
    | {
        readonly ttl?: Duration | undefined
        readonly tags?: readonly string[] | undefined
        readonly staleWhileRevalidate?: Duration | undefined
      }
    | undefined
  readonly hints?: readonly (readonly [name: string, ...args: readonly unknown[]])[] | undefined
  readonly parallel?: { readonly [option: string]: unknown } | undefined
  readonly route?: false | { readonly maxStaleness?: Duration | undefined } | undefined
}
