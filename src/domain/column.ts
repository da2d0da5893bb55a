/** Any JSON value, as a `json` or `jsonb` column holds it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A value that can be bound to a parameter. Null is not among them: `isNull()` asks for it. */
export type SqlValue = string | number | bigint | boolean | Date | Uint8Array

/** What a column of each type is in a row. Exact numbers that do not fit a double are text. */
export interface OutMap {
  smallint: number
  integer: number
  bigint: string
  decimal: string
  float: number
  string: string
  uuid: string
  boolean: boolean
  date: string
  time: string
  timestamp: Date
  timestamptz: Date
  interval: string
  bytea: Uint8Array
  json: Json
  jsonb: Json
  tsvector: string
}

/** What a column of each type may be compared with. `json` and `tsvector` have no equality. */
export interface InMap {
  smallint: number
  integer: number
  bigint: number | bigint | string
  decimal: number | bigint | string
  float: number
  string: string
  uuid: string
  boolean: boolean
  date: string | Date
  time: string
  timestamp: string | Date
  timestamptz: string | Date
  interval: string
  bytea: Uint8Array
  json: never
  jsonb: never
  tsvector: never
}

/** What a column of each type is inside `nest()`, whose rows travel as JSON: instants and bytes are text there. */
export interface JsonMap extends Omit<OutMap, "timestamp" | "timestamptz" | "bytea"> {
  timestamp: string
  timestamptz: string
  bytea: string
}

/** Which tests a column of each type understands. */
export interface KindMap {
  smallint: "number"
  integer: "number"
  bigint: "number"
  decimal: "number"
  float: "number"
  string: "text"
  uuid: "uuid"
  boolean: "boolean"
  date: "time"
  time: "time"
  timestamp: "time"
  timestamptz: "time"
  interval: "time"
  bytea: "bytes"
  json: "json"
  jsonb: "json"
  tsvector: "document"
}

/** The type of a sum: PostgreSQL's, with smallint and integer widened to text so that no digit is lost. */
export interface SumMap {
  smallint: "bigint"
  integer: "bigint"
  bigint: "decimal"
  decimal: "decimal"
  float: "float"
}

/** The type of an average. */
export interface AvgMap {
  smallint: "decimal"
  integer: "decimal"
  bigint: "decimal"
  decimal: "decimal"
  float: "float"
}

/** The type of `dateTrunc`: PostgreSQL truncates a date as a timestamptz. */
export interface TruncMap {
  date: "timestamptz"
  timestamp: "timestamp"
  timestamptz: "timestamptz"
  interval: "interval"
}

/** The result types of the functions that follow their argument's type, by rule. */
export interface TypeRules {
  sum: SumMap
  avg: AvgMap
  /** round, ceil, floor: integers become decimal. */
  round: AvgMap
  trunc: TruncMap
}

/** A column type without parameters. */
export type ScalarName = keyof OutMap
/** The family of a column type; tests and comparisons are restricted by it. */
export type Kind = KindMap[ScalarName] | "enum" | "array" | "range" | "other"
/** Kinds that have an order. */
export type OrderedKind = "number" | "text" | "uuid" | "boolean" | "time" | "bytes" | "enum" | "range" | "other"
/** Kinds that have equality. */
export type EqualKind = Exclude<Kind, "json" | "document">

/** A PostgreSQL enum; rows and comparisons are typed by its values. */
export interface EnumSpec {
  readonly type: "enum"
  /** The enum's name in PostgreSQL, with its schema where that is not on the search path: `"shop.status"`. */
  readonly pgType: string
  readonly values: readonly string[]
  readonly nullable?: boolean | undefined
}

/** An array of one element type. */
export interface ArraySpec {
  readonly type: "array"
  readonly of: ScalarName | EnumSpec | OtherSpec
  readonly nullable?: boolean | undefined
}

/** A range; its values are PostgreSQL's text, `"[2023-01-01,2024-01-01)"`. */
export interface RangeSpec {
  readonly type: "range"
  readonly of: "integer" | "bigint" | "decimal" | "date" | "timestamp" | "timestamptz"
  readonly nullable?: boolean | undefined
}

/** Any other PostgreSQL type: text in and out. */
export interface OtherSpec {
  readonly type: "other"
  readonly pgType: string
  readonly nullable?: boolean | undefined
}

/** How a domain declares a column: `"integer"`, `"string?"` (nullable), or an object for enums, arrays, ranges and other types. */
export type ColumnSpec = ScalarName | `${ScalarName}?` | EnumSpec | ArraySpec | RangeSpec | OtherSpec

/** The spec without its `?`. */
export type Bare<T> = T extends `${infer B}?` ? B : T
/** `null` for a nullable spec, else never. */
export type Null<T> = T extends `${string}?` | { readonly nullable: true } ? null : never

/** The value of a bare spec by one of the maps above. */
export type Via<M, T> = T extends keyof M
  ? M[T]
  : T extends { readonly type: "enum"; readonly values: readonly (infer V)[] }
    ? V
    : T extends { readonly type: "array"; readonly of: infer E }
      ? readonly Via<M, E>[]
      : string

/** Arrays in rows are the reader's own: not readonly. */
export type OutOf<T> = T extends { readonly type: "array"; readonly of: infer E } ? Via<OutMap, E>[] : Via<OutMap, T>
/** As {@link OutOf}, inside JSON. */
export type JsonOf<T> = T extends { readonly type: "array"; readonly of: infer E } ? Via<JsonMap, E>[] : Via<JsonMap, T>
/** The kind of a bare spec. */
export type KindOf<T> = T extends keyof KindMap ? KindMap[T] : T extends { readonly type: infer K extends Kind } ? K : "other"
