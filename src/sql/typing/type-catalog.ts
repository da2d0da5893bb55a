/**
 * What finding the type of an expression needs to know of a database: types, and every function, operator and cast of a name.
 * `database/` reads it from the server; nothing here is built in, so that extensions and later versions are known as they are.
 */
export interface TypeCatalog {
  readonly typeById: (id: number) => TypeInfo | null
  /** By its name as in pg_type; without a schema, by the search path. */
  readonly typeByName: (schema: string | null, name: string) => TypeInfo | null
  readonly functions: (schema: string | null, name: string) => readonly FunctionInfo[]
  readonly operators: (schema: string | null, name: string) => readonly OperatorInfo[]
  /** A cast of pg_cast between two types; null where there is none (text conversion is none). */
  readonly cast: (source: number, target: number) => CastInfo | null
}

export type Volatility = "immutable" | "stable" | "volatile"

export interface TypeInfo {
  readonly id: number
  readonly schema: string
  /** pg_type.typname. */
  readonly name: string
  /** As format_type writes it: "integer", "timestamp without time zone", "public.mood". */
  readonly text: string
  /** pg_type.typcategory. */
  readonly category: string
  readonly preferred: boolean
  readonly kind: "base" | "enum" | "domain" | "composite" | "range" | "multirange" | "pseudo"
  /** The type of an array's elements. */
  readonly element: number | null
  /** The array type over this one. */
  readonly array: number | null
  /** What a domain is made of. */
  readonly base: number | null
  /** Labels of an enum, in their order. */
  readonly labels: readonly string[] | null
}

export interface FunctionInfo {
  readonly schema: string
  readonly name: string
  readonly args: readonly number[]
  /** Names of the arguments; empty where none has one. */
  readonly argNames: readonly string[]
  /** Arguments at the end that have a default. */
  readonly defaults: number
  /** Element type of a VARIADIC last argument; null where there is none. */
  readonly variadic: number | null
  readonly result: number
  readonly kind: "function" | "aggregate" | "window" | "procedure"
  readonly returnsSet: boolean
  readonly strict: boolean
  readonly volatility: Volatility
}

export interface OperatorInfo {
  readonly schema: string
  readonly name: string
  /** Null for a prefix operator. */
  readonly left: number | null
  readonly right: number
  readonly result: number
  /** Name of the operator for exchanged operands. */
  readonly commutator: string | null
  readonly negator: string | null
  readonly strict: boolean
  readonly volatility: Volatility
}

export interface CastInfo {
  readonly context: "implicit" | "assignment" | "explicit"
  /** "binary" keeps the bytes, "text" goes through the text form. */
  readonly method: "function" | "binary" | "text"
  readonly volatility: Volatility
}

/** pg_type.oid of types that the rules name. They are the same on every server. */
export const typeIds = {
  boolean: 16,
  bytea: 17,
  name: 19,
  bigint: 20,
  smallint: 21,
  integer: 23,
  text: 25,
  real: 700,
  double: 701,
  unknown: 705,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  numeric: 1700,
  record: 2249,
  uuid: 2950,
} as const
