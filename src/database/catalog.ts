/** A picture of the catalog: plain data that can be kept, compared and sent. */
export interface Catalog {
  readonly relations: readonly Relation[]
}

export interface RelationName {
  readonly schema: string
  readonly name: string
}

export type RelationKind = "table" | "partitioned table" | "view" | "materialized view" | "foreign table"

export interface Relation extends RelationName {
  readonly oid: number
  readonly kind: RelationKind
  /** pg_class.reltuples: an estimate, -1 when the relation was never analysed or vacuumed. */
  readonly rows: number
  readonly pages: number
  readonly allVisiblePages: number
  /** Rows changed since the last ANALYZE; null where no statistics are kept. */
  readonly modifiedSinceAnalyze: number | null
  /** Bytes of the main fork, without indexes. */
  readonly size: number
  readonly rowSecurity: boolean
  /** The role that asked may read all columns. */
  readonly readable: boolean
  readonly persistence: "permanent" | "unlogged" | "temporary"
  /** The SELECT of a view or materialized view, in names as the search path of who asked needs them. */
  readonly query: string | null
  /** False for a materialized view that holds nothing yet. */
  readonly populated: boolean
  /** The partitioned or inherited-from relation. */
  readonly parent: RelationName | null
  /** "FOR VALUES …" of a partition. */
  readonly bound: string | null
  /** "RANGE (created_at)" of a partitioned table. */
  readonly partitionKey: string | null
  readonly children: readonly RelationName[]
  readonly columns: readonly Column[]
  readonly indexes: readonly Index[]
  readonly constraints: readonly Constraint[]
  /** Foreign keys of other relations (or this one) that point here. */
  readonly referencedBy: readonly ForeignKey[]
}

export interface Column {
  readonly name: string
  /** As format_type writes it: "character varying(20)". */
  readonly type: string
  readonly typeId: number
  readonly typeKind: "base" | "enum" | "domain" | "composite" | "range" | "multirange" | "array" | "pseudo"
  /** Of an array its elements' type, of a domain the type below. */
  readonly baseType: string | null
  /** Of an enum, or of an array or domain of one, in their order. */
  readonly enumValues: readonly string[] | null
  readonly nullable: boolean
  readonly default: string | null
  readonly generated: "stored" | "virtual" | null
  readonly identity: "always" | "by default" | null
  readonly collation: string | null
  /** False where equal texts may differ in their characters (a collation that is not deterministic). */
  readonly deterministic: boolean
  /** The role that asked may read it. */
  readonly readable: boolean
  /** null when it was never analysed, or this role may not read it. */
  readonly statistics: ColumnStatistics | null
}

export interface ColumnStatistics {
  readonly nullFraction: number
  /** As in pg_stats: below zero it is minus the share of distinct rows. */
  readonly distinct: number
  /** Between physical and logical order, -1 to 1; null for types without order. */
  readonly correlation: number | null
  /** Average bytes. */
  readonly width: number
  /** How many most common values are kept, and the share of rows they cover. */
  readonly mostCommon: { readonly count: number; readonly share: number } | null
  readonly histogram: boolean
}

export interface Index {
  readonly oid: number
  readonly name: string
  /** The key, in order. */
  readonly columns: readonly IndexColumn[]
  /** INCLUDE columns. */
  readonly include: readonly string[]
  readonly predicate: string | null
  readonly unique: boolean
  readonly primary: boolean
  /** False for the index of a deferrable constraint: inside a transaction duplicates may stand for a while. */
  readonly immediate: boolean
  /** False while it is built, or when CREATE INDEX CONCURRENTLY failed. */
  readonly valid: boolean
  /** "btree", "hash", "gin", "gist", "spgist", "brin", or an extension's. */
  readonly method: string
  /** Bytes; 0 for a partitioned index. */
  readonly size: number
  readonly rows: number
  /** Index scans since statistics were reset; null where none are kept. */
  readonly scans: number | null
  /** The constraint that it serves. */
  readonly constraint: string | null
  /** The partitioned index it belongs to. */
  readonly parent: RelationName | null
  /** CREATE INDEX …, as pg_get_indexdef writes it. */
  readonly definition: string
}

export interface IndexColumn {
  /** The column's name; null for an expression. */
  readonly column: string | null
  /** As it stands in the definition: a quoted name or an expression. */
  readonly text: string
  readonly descending: boolean
  readonly nullsFirst: boolean
  readonly opclass: string
  /** False when the opclass has to be named in CREATE INDEX. */
  readonly opclassDefault: boolean
  readonly collation: string | null
}

export type Constraint = KeyConstraint | ForeignKey | CheckConstraint

export interface KeyConstraint {
  readonly kind: "primary key" | "unique" | "exclusion"
  readonly name: string
  readonly columns: readonly string[]
  readonly deferrable: boolean
  readonly definition: string
}

export interface ForeignKey {
  readonly kind: "foreign key"
  readonly name: string
  /** Where the key stands, and its columns. */
  readonly from: RelationName
  readonly columns: readonly string[]
  /** What it points at, and the columns there, in the same order. */
  readonly to: RelationName
  readonly toColumns: readonly string[]
  readonly onDelete: ForeignKeyAction
  readonly onUpdate: ForeignKeyAction
  readonly deferrable: boolean
  readonly validated: boolean
  readonly definition: string
}

export type ForeignKeyAction = "no action" | "restrict" | "cascade" | "set null" | "set default"

export interface CheckConstraint {
  readonly kind: "check"
  readonly name: string
  readonly columns: readonly string[]
  readonly validated: boolean
  readonly definition: string
}
