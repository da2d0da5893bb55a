import type { ColumnType } from "./column-type.ts"

/** A domain as the compiler reads it: checked, normalised, every join path and field resolved once. */
export interface DomainModel {
  readonly name: string
  readonly root: JoinModel
  /** Every join by its dotted path; "" is the root. In declaration order, parents before children. */
  readonly joins: ReadonlyMap<string, JoinModel>
  /** Every selectable path: columns, dimension joins, custom columns. */
  readonly fields: ReadonlyMap<string, FieldModel>
  /** Aliases taken by joins; subqueries keep clear of them. */
  readonly aliases: ReadonlySet<string>
  readonly required: readonly string[]
  readonly defaults: {
    readonly select: readonly string[] | null
    readonly orderBy: readonly unknown[]
  }
  readonly requirements: {
    readonly filters: readonly unknown[]
    readonly select: readonly string[]
    readonly groupBy: readonly string[]
    readonly orderBy: readonly unknown[]
  }
  readonly performance: PerformanceDefaults
}

/** Settings that every query of the domain starts with. */
export interface PerformanceDefaults {
  readonly slowQueryMs?: number | undefined
  readonly cache?: Readonly<Record<string, unknown>> | undefined
  readonly hints?: readonly (readonly [string, unknown])[] | undefined
  readonly parallel?: Readonly<Record<string, unknown>> | undefined
}

export interface TableModel {
  readonly table: string
  /** PostgreSQL namespace; null: found by search_path. */
  readonly schema: string | null
  readonly primaryKey: readonly string[]
  readonly columns: ReadonlyMap<string, ColumnType>
  readonly redacted: ReadonlySet<string>
}

export type JoinKind = "left" | "inner" | "right" | "full"

export interface JoinModel {
  /** Dotted path from the root; "" for the root itself. */
  readonly path: string
  readonly parent: JoinModel | null
  readonly table: TableModel
  /** Place in declaration order, which is the order joins are written in. */
  readonly position: number
  readonly kind: JoinKind
  readonly many: boolean
  /** Pairs [column of the parent, column of this table]. */
  readonly keys: readonly (readonly [string, string])[]
  /** The column that the path itself stands for, for dimension joins. */
  readonly dimension: string | null
  /** Alias in the statement's outermost block. */
  readonly alias: string
  /** `schema.table`, quoted, and ` AS alias` where the alias differs. */
  readonly from: string
  /** The alias, quoted. */
  readonly quotedAlias: string
  /** The join's condition, quoted, in the outermost block. */
  readonly on: string
  /** The link table of a many-to-many join, which then stands between the parent and this table. */
  readonly link: LinkModel | null
  /** The chain from below the root down to this join, itself last. */
  readonly chain: readonly JoinModel[]
  /** What the rows come from where it is no table: another query, a list, a function. */
  readonly source: RelationSource | null
}

/** Rows that a query brings along instead of the domain. */
export interface RelationSource {
  /** The composed query; only the compiler of queries reads it. */
  readonly node: unknown
  /** Pairs [path of the joining query, column of these rows] that must be equal. */
  readonly on: readonly (readonly [string, string])[]
  /** May name columns of what stands before it. */
  readonly lateral: boolean
  /** Written as WITH name AS (…), with what it says to the planner; null: written in place. */
  readonly cte: "" | "materialized" | "not materialized" | null
}

export interface LinkModel {
  readonly table: string
  readonly schema: string | null
  readonly alias: string
  readonly quotedAlias: string
  readonly from: string
  /** Pairs [column of the parent, column of the link]. */
  readonly ownerKeys: readonly (readonly [string, string])[]
  /** Pairs [column of the link, column of this table]. */
  readonly targetKeys: readonly (readonly [string, string])[]
}

export interface FieldModel {
  readonly path: string
  readonly join: JoinModel
  /** The column, and its quoted name; null for a custom column. */
  readonly column: string | null
  readonly quotedColumn: string
  /** `alias.column`, quoted, for the outermost block. */
  readonly sql: string
  readonly type: ColumnType
  /** The expression of a custom column. */
  readonly custom: unknown
}
