/** The scalar column types, and the PostgreSQL type each is cast to where the server could not infer it. */
export const scalarTypes = {
  smallint: "smallint",
  integer: "integer",
  bigint: "bigint",
  decimal: "numeric",
  float: "double precision",
  string: "text",
  uuid: "uuid",
  boolean: "boolean",
  date: "date",
  time: "time",
  timestamp: "timestamp",
  timestamptz: "timestamptz",
  interval: "interval",
  bytea: "bytea",
  json: "json",
  jsonb: "jsonb",
  tsvector: "tsvector",
} as const

export type ScalarType = keyof typeof scalarTypes

/** A column's type as plain data. */
export interface ColumnType {
  readonly type: ScalarType | "enum" | "array" | "range" | "other" | "count" | "unknown"
  readonly nullable: boolean
  /** PostgreSQL's name of an enum or other type. */
  readonly pgType: string | null
  readonly values: readonly string[] | null
  /** Element of an array, or bound of a range. */
  readonly of: ColumnType | null
}

/** A column type from its parts; not nullable unless said. */
export function columnType(type: ColumnType["type"], parts: Partial<Omit<ColumnType, "type">> = {}): ColumnType {
  return {
    type,
    nullable: parts.nullable ?? false,
    pgType: parts.pgType ?? null,
    values: parts.values ?? null,
    of: parts.of ?? null,
  }
}

const parsed = new Map<string, ColumnType>()

/**
 * Reads a column specification: `"integer"`, `"string?"`, `{ type: "enum", pgType, values }`, `{ type: "array", of }`,
 * `{ type: "range", of }`, `{ type: "other", pgType }`, each object with `nullable`. A string result is the sentence of the fault.
 */
export function readColumnType(spec: unknown): ColumnType | string {
  if (typeof spec === "string") {
    const known = parsed.get(spec)
    if (known) return known
    const nullable = spec.endsWith("?")
    const name = nullable ? spec.slice(0, -1) : spec
    if (!Object.hasOwn(scalarTypes, name)) return `${JSON.stringify(spec)} is not a column type.`
    const type = columnType(name as ScalarType, { nullable })
    parsed.set(spec, type)
    return type
  }
  if (typeof spec !== "object" || spec === null) return "A column type is a string or an object with `type`."
  const { type, pgType, values, of, nullable } = spec as Record<string, unknown>
  const maybe = nullable === true
  switch (type) {
    case "enum": {
      if (typeof pgType !== "string" || pgType === "") return "An enum needs `pgType`, its PostgreSQL name."
      if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === "string"))
        return "An enum needs `values`, a list of its labels."
      return columnType("enum", { nullable: maybe, pgType, values })
    }
    case "array":
    case "range": {
      const element = readColumnType(of)
      if (typeof element === "string") return `The \`of\` of ${type === "array" ? "an array" : "a range"}: ${element}`
      return columnType(type, { nullable: maybe, of: element })
    }
    case "other":
      if (typeof pgType !== "string" || pgType === "") return 'A column of type "other" needs `pgType`, its PostgreSQL name.'
      return columnType("other", { nullable: maybe, pgType })
    default: {
      if (typeof type === "string" && Object.hasOwn(scalarTypes, type)) return columnType(type as ScalarType, { nullable: maybe })
      return `${JSON.stringify(type)} is not a column type.`
    }
  }
}

/** The kind that decides which conditions a column takes. */
export type TypeKind = "number" | "text" | "boolean" | "time" | "json" | "enum" | "array" | "range" | "binary" | "other"

export function kindOf(type: ColumnType): TypeKind {
  switch (type.type) {
    case "smallint":
    case "integer":
    case "bigint":
    case "decimal":
    case "float":
    case "count":
      return "number"
    case "string":
    case "uuid":
      return "text"
    case "date":
    case "time":
    case "timestamp":
    case "timestamptz":
    case "interval":
      return "time"
    case "json":
    case "jsonb":
      return "json"
    case "bytea":
      return "binary"
    case "boolean":
    case "enum":
    case "array":
    case "range":
      return type.type
    default:
      return "other"
  }
}
