import { type ColumnType, columnType, kindOf } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"

/**
 * A value as it is bound for a column of the given type: numbers, strings and booleans as they are, bigint as text, Date as ISO
 * text in UTC, json as text, bytes as Uint8Array. Throws E_NULL_VALUE, E_UNDEFINED_VALUE, E_ARRAY_VALUE or E_INVALID_VALUE,
 * which name the path and never the value.
 */
export function encode(value: unknown, type: ColumnType, path: string): unknown {
  if (value === null)
    throw new SelectoError("E_NULL_VALUE", `${name(path)} is compared with null. Use isNull() or isNotNull().`, { path })
  if (value === undefined)
    throw new SelectoError(
      "E_UNDEFINED_VALUE",
      `${name(path)} is compared with undefined. Leave the condition out, or use isNull().`,
      {
        path,
      },
    )
  switch (type.type) {
    case "smallint":
      return integer(value, path, -32768, 32767, "a smallint")
    case "integer":
      return integer(value, path, -2147483648, 2147483647, "an integer")
    case "bigint":
    case "count":
      return bigint(value, path)
    case "decimal":
      return decimal(value, path)
    case "float":
      return float(value, path)
    case "boolean":
      if (typeof value === "boolean") return value
      return invalid(value, path, "true or false")
    case "date":
      // All but the time: years beyond four digits are longer, and before the first BC stands behind it.
      if (value instanceof Date) return iso(value, path).replace(/T\S*/, "")
      return text(value, path, "a Date or a string such as 2024-01-31")
    case "timestamp":
    case "timestamptz":
      if (value instanceof Date) return iso(value, path)
      return text(value, path, "a Date or a string such as 2024-01-31T12:00:00Z")
    case "string":
    case "uuid":
    case "time":
    case "interval":
    case "tsvector":
      return text(value, path, "a string")
    case "enum":
      return label(value, type, path)
    case "bytea":
      if (value instanceof Uint8Array) return value
      return invalid(value, path, "a Uint8Array")
    case "json":
    case "jsonb":
      return json(value, type, path)
    case "array":
      return array(value, type, path)
    case "range":
    case "other":
      return scalar(value, path)
    case "unknown":
      return scalar(value, path)
  }
}

/** The type a plain JavaScript value is bound as where no column says: literal(7) is an integer. */
export function typeOfValue(value: unknown, where: string): ColumnType {
  switch (typeof value) {
    case "number":
      if (!Number.isInteger(value)) return columnType("float")
      return columnType(Math.abs(value) <= 2147483647 ? "integer" : Number.isSafeInteger(value) ? "bigint" : "float")
    case "bigint":
      return columnType("bigint")
    case "boolean":
      return columnType("boolean")
    case "string":
      return columnType("string")
    case "object":
      if (value instanceof Date) return columnType("timestamptz")
      if (value instanceof Uint8Array) return columnType("bytea")
      if (value === null) return columnType("string", { nullable: true })
  }
  throw new SelectoError("E_INVALID_VALUE", `${where} takes a string, number, bigint, boolean, Date or Uint8Array.`, {
    path: where,
  })
}

function name(path: string): string {
  return JSON.stringify(path)
}

function invalid(value: unknown, path: string, expected: string): never {
  if (Array.isArray(value))
    throw new SelectoError(
      "E_ARRAY_VALUE",
      `${name(path)} is compared with an array. Use oneOf([…]), or contains([…]) on an array column.`,
      {
        path,
      },
    )
  throw new SelectoError("E_INVALID_VALUE", `${name(path)} takes ${expected}, not ${describe(value)}.`, { path })
}

/** The kind of a value, never the value. */
function describe(value: unknown): string {
  if (value instanceof Date) return "a Date"
  if (value instanceof Uint8Array) return "bytes"
  if (typeof value === "object") return "an object"
  if (typeof value === "number" && !Number.isFinite(value)) return "NaN or an infinite number"
  if (typeof value === "number" && !Number.isInteger(value)) return "a fraction"
  return typeof value === "string" ? "this string" : `a ${typeof value}`
}

function integer(value: unknown, path: string, low: number, high: number, what: string): unknown {
  if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value
  if (typeof value === "bigint" && value >= low && value <= high) return Number(value)
  if (typeof value === "string" && /^\s*[+-]?\d{1,10}\s*$/.test(value)) return integer(Number(value), path, low, high, what)
  return invalid(value, path, `${what} from ${low} to ${high}`)
}

function bigint(value: unknown, path: string): unknown {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value
  if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value.toString()
  if (typeof value === "string" && /^\s*[+-]?\d{1,19}\s*$/.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value))
    return value
  return invalid(value, path, "an integer of 64 bits (a number up to 2^53, a bigint or a string of digits)")
}

function decimal(value: unknown, path: string): unknown {
  if (typeof value === "number" && Number.isFinite(value)) return value
  if (typeof value === "bigint") return value.toString()
  if (typeof value === "string" && /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(value)) return value
  // What a decimal column itself can hold and gives back.
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return value
  return invalid(value, path, "a number, a bigint or a string of digits")
}

function float(value: unknown, path: string): unknown {
  if (typeof value === "number") return value
  if (typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))) return value
  return invalid(value, path, "a number")
}

function text(value: unknown, path: string, expected: string): unknown {
  if (typeof value !== "string") return invalid(value, path, expected)
  if (value.includes("\0"))
    throw new SelectoError("E_INVALID_VALUE", `${name(path)} got a string with a NUL character, which PostgreSQL cannot store.`, {
      path,
    })
  if (loneSurrogate.test(value))
    throw new SelectoError("E_INVALID_VALUE", `${name(path)} got a string with half a surrogate pair, which has no UTF-8 form.`, {
      path,
    })
  return value
}

const loneSurrogate = /[\uD800-\uDFFF]/u

function label(value: unknown, type: ColumnType, path: string): unknown {
  if (typeof value === "string" && (type.values === null || type.values.includes(value))) return value
  if (typeof value === "string")
    throw new SelectoError(
      "E_INVALID_VALUE",
      `${name(path)} takes one of ${type.values!.map((one) => JSON.stringify(one)).join(", ")}.`,
      {
        path,
        suggestions: type.values!,
      },
    )
  return invalid(value, path, "a label of its enum")
}

function iso(date: Date, path: string): string {
  if (Number.isNaN(date.getTime())) throw new SelectoError("E_INVALID_VALUE", `${name(path)} got an invalid Date.`, { path })
  const year = date.getUTCFullYear()
  if (year >= 1 && year <= 9999) return date.toISOString()
  // PostgreSQL reads neither ISO's signed six-digit years nor year zero.
  const rest = date.toISOString().replace(/^[+-]?\d+/, "")
  return year > 0 ? `${year}${rest}` : `${String(1 - year).padStart(4, "0")}${rest} BC`
}

/** A NUL or half a surrogate pair, escaped by JSON.stringify: jsonb can store neither. */
const unstorableEscape = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/

function json(value: unknown, type: ColumnType, path: string): unknown {
  const encoded = stringify(value, path)
  if (encoded === undefined) return invalid(value, path, "a value that JSON can hold")
  if (type.type === "jsonb" && unstorableEscape.test(encoded))
    throw new SelectoError(
      "E_INVALID_VALUE",
      `${name(path)} got a string that jsonb cannot store: a NUL or half a surrogate pair.`,
      {
        path,
      },
    )
  return encoded
}

function stringify(value: unknown, path: string): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    // A cycle, a bigint: the reason would quote what it found.
    return invalid(value, path, "a value that JSON can hold")
  }
}

function array(value: unknown, type: ColumnType, path: string): unknown {
  if (!Array.isArray(value)) return invalid(value, path, "an array")
  const elements = value.map((element) => encode(element, type.of ?? columnType("unknown"), path))
  return delimiterOf(type.of) === "," ? elements : `{${elements.join(";")}}`
}

function scalar(value: unknown, path: string): unknown {
  if (value instanceof Date) return iso(value, path)
  if (typeof value === "bigint") return value.toString()
  if (typeof value === "number" || typeof value === "boolean" || value instanceof Uint8Array) return value
  return text(value, path, "a string, number, boolean, Date or Uint8Array")
}

const rangeNames: Readonly<Partial<Record<ColumnType["type"], string>>> = {
  integer: "int4range",
  bigint: "int8range",
  decimal: "numrange",
  date: "daterange",
  timestamp: "tsrange",
  timestamptz: "tstzrange",
}

/** What stands between the elements of an array: a comma for every type of PostgreSQL's own but one. */
export function delimiterOf(element: ColumnType | null): "," | ";" {
  return element?.type === "other" && element.pgType === "box" ? ";" : ","
}

/** Names of several words, which the server takes as they are and finds under another name in quotes. */
const standardNames: Readonly<Record<string, string>> = {
  "bit varying": "varbit",
  "character varying": "varchar",
  "double precision": "float8",
  "time with time zone": "timetz",
  "time without time zone": "time",
  "timestamp with time zone": "timestamptz",
  "timestamp without time zone": "timestamp",
}

/** A declared type's name, quoted; what stands in parentheses behind it would cut a value. */
function typeName(pgType: string, quote: (name: string) => string): string {
  const [, name = "", brackets = ""] = /^(.*?)(?:\s*\([^()]*\))?((?:\[\])*)$/s.exec(pgType) ?? []
  return `${standardNames[name.toLowerCase()] ?? name.split(".").map(quote).join(".")}${brackets}`
}

/** The PostgreSQL type to cast a bound value to where the server could not infer it. Null: no cast needed or known. */
export function castName(type: ColumnType, quote: (name: string) => string): string | null {
  switch (type.type) {
    case "count":
      return "bigint"
    case "unknown":
      return null
    case "enum":
    case "other":
      return type.pgType === null ? null : typeName(type.pgType, quote)
    case "array": {
      const element = type.of === null ? null : castName(type.of, quote)
      return element === null ? null : `${element}[]`
    }
    case "range":
      return type.of === null ? null : (rangeNames[type.of.type] ?? null)
    case "decimal":
      return "numeric"
    case "float":
      return "double precision"
    case "string":
      return "text"
    default:
      return type.type
  }
}

/** LIKE's wildcards in a user's text, escaped. */
export function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, "\\$&")
}

/** True where the type takes part in LIKE. */
export function isText(type: ColumnType): boolean {
  return type.type === "unknown" || kindOf(type) === "text" || type.type === "other"
}
