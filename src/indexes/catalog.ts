/** What the advisor knows of the database: relations, their statistics, indexes and constraints. Plain data, read in one go. */
export interface IndexCatalog {
  readonly tables: readonly CatalogTable[]
  readonly serverVersion: number
  /** The database's default collation compares bytes ("C", "POSIX", C.UTF-8): a plain btree then serves LIKE prefixes. */
  readonly byteOrder: boolean
}

export interface CatalogTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: "table" | "partitioned" | "view" | "matview" | "foreign"
  /** Rows by the statistics; -1 where the table was never analysed. Partitioned: the sum of the leaves. */
  readonly rows: number
  /** Blocks of 8 kB. */
  readonly pages: number
  readonly columns: readonly CatalogColumn[]
  readonly indexes: readonly CatalogIndex[]
  /** Foreign keys of other tables that point here. */
  readonly referencedBy: readonly ForeignKey[]
  /** Partitions, all levels; empty for what is not partitioned. */
  readonly partitions: readonly {
    readonly oid: number
    readonly parent: number
    readonly schema: string
    readonly name: string
    readonly leaf: boolean
  }[]
  /** The partitioned table that this is a partition of. */
  readonly partitionOf: number | null
  /** Tables that this inherits from, partitions apart. */
  readonly inherits: readonly number[]
  readonly view: string | null
  /** Since the statistics were last reset; null where they may not be read. */
  readonly changes: {
    readonly inserts: number
    readonly updates: number
    readonly hotUpdates: number
    readonly deletes: number
  } | null
}

export interface CatalogColumn {
  readonly name: string
  readonly number: number
  /** As format_type writes it. */
  readonly type: string
  /** pg_type.typname of the type, or of a domain's base. */
  readonly baseType: string
  /** pg_type.typcategory: "S" strings, "N" numbers, "A" arrays, "R" ranges, … */
  readonly category: string
  /** The column's own collation compares bytes; null: it uses the database's. */
  readonly byteOrder: boolean | null
  readonly notNull: boolean
  readonly stats: ColumnStats | null
}

export interface ColumnStats {
  readonly nullFraction: number
  /** Number of distinct values, already turned into a count. */
  readonly distinct: number
  readonly width: number
  readonly correlation: number | null
  readonly common: readonly { readonly value: string; readonly frequency: number }[]
}

export interface IndexKey {
  /** Column name or expression, without operator class and direction. */
  readonly text: string
  readonly column: string | null
  /** Null: the type's default class. */
  readonly opclass: string | null
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export interface CatalogIndex {
  readonly name: string
  readonly schema: string
  readonly method: string
  readonly keys: readonly IndexKey[]
  readonly include: readonly string[]
  readonly unique: boolean
  readonly primary: boolean
  /** Backs a constraint (primary key, unique, exclusion) or is what a foreign key points at. */
  readonly constraint: boolean
  readonly valid: boolean
  readonly predicate: string | null
  readonly bytes: number
  readonly definition: string
  /** Scans since the statistics were last reset; null where they may not be read. */
  readonly scans: number | null
}

export interface ForeignKey {
  readonly name: string
  /** The referencing table. */
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
  readonly referenced: readonly string[]
  readonly rows: number
  readonly pages: number
}

/** The table of a name; without a schema the one that the search path gave. */
export function tableOf(catalog: IndexCatalog, schema: string | null, name: string): CatalogTable | null {
  const named = catalog.tables.filter((table) => table.name === name && (schema === null || table.schema === schema))
  return named[0] ?? null
}

/** The column of a table. */
export function columnOf(table: CatalogTable, name: string): CatalogColumn | null {
  return table.columns.find((column) => column.name === name) ?? null
}
