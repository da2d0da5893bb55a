/**
 * What is copied of a production database: its catalog and its statistics, never a row. Plain data, so that it travels to the
 * worker and, without values, into a file.
 */

/** Something that the copy lacks, why, and what would change that. Never fatal. */
export interface Skipped {
  readonly kind:
    | "relation"
    | "column"
    | "index"
    | "constraint"
    | "statistics"
    | "type"
    | "function"
    | "view"
    | "extension"
    | "collation"
    | "setting"
    | "endpoints"
  readonly name: string
  readonly why: string
}

/** A relation by name; without a schema, the first of the search path that has it. */
export interface RelationName {
  readonly schema?: string | null | undefined
  readonly name: string
}

export interface CatalogColumn {
  /** attnum: extended statistics refer to it. */
  readonly number: number
  /** Null for a dropped column, whose number stays taken. */
  readonly name: string | null
  /** SQL of the type, qualified. */
  readonly type: string
  readonly notNull: boolean
  /** SQL of the collation; "default" for the database's; null where the type has none. */
  readonly collation: string | null
  /** The expression of a virtual generated column. */
  readonly generated: string | null
}

export interface CatalogConstraint {
  readonly name: string
  /** contype: c check, f foreign key, p primary key, u unique, x exclusion. */
  readonly kind: "c" | "f" | "p" | "u" | "x"
  readonly definition: string
  /** The other table of a foreign key. */
  readonly references: string | null
}

export interface CatalogIndex {
  readonly id: string
  readonly name: string
  readonly method: string
  readonly definition: string
  /** The constraint that owns it. */
  readonly constraint: CatalogConstraint | null
  readonly partitioned: boolean
  readonly partial: boolean
  /** The leading key, where it is a plain column. */
  readonly leading: string | null
  readonly pages: number
  readonly tuples: number
  readonly bytes: number
}

export interface CatalogRelation {
  readonly id: string
  readonly schema: string
  readonly name: string
  /** relkind: r table, p partitioned table, m materialized view, v view, f foreign table. */
  readonly kind: "r" | "p" | "m" | "v" | "f"
  readonly pages: number
  /** -1: never counted. */
  readonly tuples: number
  readonly visiblePages: number
  /** Length of the main fork at the time of the copy. */
  readonly bytes: number
  readonly parallelWorkers: number | null
  readonly partitionKey: string | null
  /** Parents it inherits from or is a partition of. */
  readonly parents: readonly string[]
  /** FOR VALUES …, for a partition. */
  readonly bound: string | null
  /** The query of a view. */
  readonly query: string | null
  readonly columns: readonly CatalogColumn[]
  readonly constraints: readonly CatalogConstraint[]
  readonly indexes: readonly CatalogIndex[]
}

/** A row of pg_stats; arrays as the server's text. */
export interface ColumnStatistics {
  readonly schema: string
  readonly relation: string
  readonly column: string
  readonly inherited: boolean
  readonly nullFraction: string
  readonly width: string
  readonly distinct: string
  readonly commonValues: string | null
  readonly commonFrequencies: string | null
  readonly histogram: string | null
  readonly correlation: string | null
  readonly commonElements: string | null
  readonly commonElementFrequencies: string | null
  readonly elementCountHistogram: string | null
  readonly rangeLengthHistogram: string | null
  readonly rangeEmptyFraction: string | null
  readonly rangeBoundsHistogram: string | null
}

export interface ExtendedStatistics {
  readonly schema: string
  readonly name: string
  readonly relation: string
  readonly definition: string
  readonly data: readonly {
    readonly inherited: boolean
    /** Hexadecimal of the server's own form; null where there is none or it may not be read. */
    readonly distinct: string | null
    readonly dependencies: string | null
    readonly commonValues: string | null
  }[]
  /** The expressions in order, with the rows of pg_stats_ext_exprs. */
  readonly expressions: readonly { readonly expression: string; readonly statistics: readonly ColumnStatistics[] }[]
}

export interface CatalogType {
  readonly schema: string
  readonly name: string
  /** e enum, d domain, c composite, r range; b a base type that the copy can only imitate. */
  readonly kind: "e" | "d" | "c" | "r" | "b"
  readonly labels: readonly string[]
  /** SQL after CREATE DOMAIN name AS, or inside CREATE TYPE … AS (…). */
  readonly definition: string
}

export interface CatalogFunction {
  readonly schema: string
  readonly name: string
  readonly arguments: string
  readonly returns: string
  readonly language: string
  /** CREATE FUNCTION …; for languages that the copy does not have, a stand-in with the same signature. */
  readonly definition: string
}

export interface CatalogCollation {
  readonly schema: string
  readonly name: string
  readonly provider: string
  readonly locale: string | null
  readonly deterministic: boolean
}

/** The true smallest and largest value of an index's leading column, as text. */
export interface Endpoints {
  readonly schema: string
  readonly relation: string
  readonly column: string
  readonly smallest: string
  readonly largest: string
}

export interface Catalog {
  readonly serverVersion: number
  readonly databaseCollation: CatalogCollation
  readonly searchPath: readonly string[]
  readonly settings: readonly (readonly [name: string, value: string])[]
  readonly schemas: readonly string[]
  readonly extensions: readonly { readonly name: string; readonly schema: string }[]
  readonly collations: readonly CatalogCollation[]
  readonly types: readonly CatalogType[]
  readonly functions: readonly CatalogFunction[]
  readonly relations: readonly CatalogRelation[]
  readonly statistics: readonly ColumnStatistics[]
  readonly extended: readonly ExtendedStatistics[]
  readonly endpoints: readonly Endpoints[]
  readonly skipped: readonly Skipped[]
}
