import { type ColumnType, columnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { expression } from "./node.ts"
import type {
  Absolute,
  Coalesce,
  Concat,
  DateTrunc,
  ExtractFunction,
  Extremum,
  FloatFunction,
  LengthFunction,
  Modulo,
  Now,
  NullIf,
  Position,
  Replace,
  Rounding,
  SplitPart,
  Substring,
  TextFunction,
  ToChar,
} from "./types/functions.ts"

/** How an SQL function is written and what it gives. */
export interface FunctionSpec {
  readonly sql: (args: readonly string[], types: readonly ColumnType[]) => string
  readonly type: (types: readonly ColumnType[]) => ColumnType
  /**
   * The type that a plain value among the arguments is bound as; null takes the type of the first argument that is not a plain
   * value, so that coalesce(sum("total"), 0) stays numeric.
   */
  readonly value: ColumnType | null
  /** From this position on a string is a value and no path. */
  readonly valuesFrom: number
}

const text = columnType("string")
const integer = columnType("integer")
const float = columnType("float")

function call(name: string): FunctionSpec["sql"] {
  return (args) => `${name}(${args.join(", ")})`
}

/** Null where an argument is. */
function strict(type: ColumnType | ((first: ColumnType) => ColumnType)): FunctionSpec["type"] {
  return (types) => ({
    ...(typeof type === "function" ? type(types[0] ?? float) : type),
    nullable: types.some((argument) => argument.nullable),
  })
}

/** Types that PostgreSQL makes one of, each wider than those before it. A count is a bigint whose digits a number can hold. */
const families = [
  ["smallint", "integer", "count", "bigint", "decimal", "float"],
  ["date", "timestamp", "timestamptz"],
]
/** PostgreSQL's common type for the types a domain knows: the widest number or moment, else the first that is known. */
export function commonType(types: readonly ColumnType[]): ColumnType {
  let common = types.find((type) => type.type !== "unknown") ?? types[0] ?? text
  const family = families.find((one) => one.includes(common.type))
  if (family !== undefined) for (const type of types) if (family.indexOf(type.type) > family.indexOf(common.type)) common = type
  return common
}

/** Null only where every argument may be. */
const firstKnown: FunctionSpec["type"] = (types) => ({ ...commonType(types), nullable: types.every((type) => type.nullable) })
const decimalOrFloat = (first: ColumnType): ColumnType => (first.type === "float" ? float : columnType("decimal"))
const textCall = (name: string, value: ColumnType = text): FunctionSpec => ({
  sql: call(name),
  type: strict(text),
  value,
  valuesFrom: 1,
})
const polymorphic = (name: string): FunctionSpec => ({ sql: call(name), type: firstKnown, value: null, valuesFrom: 1 })
const floatCall = (name: string): FunctionSpec => ({
  sql: (args) => `${name}(${args.join(", ")})::double precision`,
  type: strict(float),
  value: float,
  valuesFrom: 1,
})
/** round and trunc with digits exist for numeric only; the result goes back to the argument's type. */
const digits = (name: string): FunctionSpec => ({
  sql: (args, types) =>
    args.length === 1
      ? `${name}(${args[0]}${types[0]?.type === "float" ? "" : "::numeric"})`
      : `${name}(${args[0]}::numeric, ${args[1]})${types[0]?.type === "float" ? "::double precision" : ""}`,
  type: strict(decimalOrFloat),
  value: integer,
  valuesFrom: 1,
})

const specs: Readonly<Record<string, FunctionSpec>> = {
  coalesce: polymorphic("coalesce"),
  greatest: polymorphic("greatest"),
  least: polymorphic("least"),
  nullif: { ...polymorphic("nullif"), type: (types) => ({ ...(types[0] ?? text), nullable: true }) },
  concat: { sql: call("concat"), type: () => text, value: text, valuesFrom: 0 },
  lower: textCall("lower"),
  upper: textCall("upper"),
  trim: textCall("btrim"),
  ltrim: textCall("ltrim"),
  rtrim: textCall("rtrim"),
  substring: textCall("substr", integer),
  replace: textCall("replace"),
  splitPart: {
    ...textCall("split_part"),
    sql: ([of, delimiter, n]) => `split_part(${of}, ${delimiter}, ${n})`,
  },
  position: { sql: ([of, part]) => `position(${part} in ${of})`, type: strict(integer), value: text, valuesFrom: 1 },
  length: { sql: call("length"), type: strict(integer), value: text, valuesFrom: 1 },
  toChar: { sql: call("to_char"), type: strict(text), value: text, valuesFrom: 1 },
  abs: { sql: call("abs"), type: strict((first) => first), value: null, valuesFrom: 1 },
  mod: { sql: call("mod"), type: strict((first) => first), value: null, valuesFrom: 1 },
  ceil: { ...digits("ceil"), sql: (args, types) => `ceil(${args[0]}${types[0]?.type === "float" ? "" : "::numeric"})` },
  floor: { ...digits("floor"), sql: (args, types) => `floor(${args[0]}${types[0]?.type === "float" ? "" : "::numeric"})` },
  round: digits("round"),
  trunc: digits("trunc"),
  sqrt: floatCall("sqrt"),
  power: floatCall("power"),
  now: { sql: () => "now()", type: () => columnType("timestamptz"), value: null, valuesFrom: 0 },
}

const truncUnits = [
  ...["microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century"],
  "millennium",
]
const extractParts = [...truncUnits, "dow", "isodow", "doy", "isoyear", "epoch", "julian"]

/** The two that carry a unit, which is a word of SQL and not a value, in their name. */
function unitSpec(name: string, unit: string): FunctionSpec {
  if (name === "dateTrunc")
    return {
      sql: ([of]) => `date_trunc('${unit === "microsecond" || unit === "millisecond" ? `${unit}s` : unit}', ${of})`,
      // A date is truncated as a timestamptz.
      type: strict((of) => columnType(of.type === "timestamp" || of.type === "interval" ? of.type : "timestamptz")),
      value: null,
      valuesFrom: Number.POSITIVE_INFINITY,
    }
  return {
    // extract gives numeric since PostgreSQL 14 and double precision before; the cast makes them one.
    sql: ([of]) => `extract(${unit} from ${of})::double precision`,
    type: strict(float),
    value: null,
    valuesFrom: Number.POSITIVE_INFINITY,
  }
}

/** The spec of a call's name, as the exports below write it. */
export function functionSpec(name: string): FunctionSpec {
  const known = specs[name]
  if (known !== undefined) return known
  const [base, unit] = name.split(" ") as [string, string]
  return unitSpec(base, unit)
}

function named<Type>(name: string): Type {
  return ((...args: readonly unknown[]) =>
    expression({ expression: "call", name, args: args.filter((argument) => argument !== undefined) })) as unknown as Type
}

function withUnit<Type>(name: string, units: readonly string[]): Type {
  return ((unit: unknown, of: unknown) => {
    if (typeof unit !== "string" || !units.includes(unit))
      throw new SelectoError("E_INVALID_OPTION", `The first argument of ${name}() is one of ${units.join(", ")}.`, { path: name })
    return expression({ expression: "call", name: `${name} ${unit}`, args: [of] })
  }) as unknown as Type
}

/**
 * `coalesce(sum(total), $1)`: the first that is not null, coalesce(sum("total"), 0). The first argument is a path, strings after it are values.
 */
export const coalesce: Coalesce = named("coalesce")
/** `greatest(a, b)`: nulls are passed over. */
export const greatest: Extremum = named("greatest")
/** `least(a, b)`: nulls are passed over. */
export const least: Extremum = named("least")
/** `nullif(a, $1)`: null where both are equal. */
export const nullif: NullIf = named("nullif")
/** `concat(a, $1, b)`: strings are text, columns come as ref("path"). Nulls are empty. */
export const concat: Concat = named("concat")
/** `lower(name)` */
export const lower: TextFunction = named("lower")
/** `upper(name)` */
export const upper: TextFunction = named("upper")
/** `btrim(name)`: without the spaces at both ends. */
export const trim: TextFunction = named("trim")
/** `ltrim(name)`: without the spaces before it. */
export const ltrim: TextFunction = named("ltrim")
/** `rtrim(name)`: without the spaces behind it. */
export const rtrim: TextFunction = named("rtrim")
/** `substr(name, $1, $2)`: substring("name", 1, 3); positions count from 1. */
export const substring: Substring = named("substring")
/** `replace(name, $1, $2)`: every occurrence. */
export const replace: Replace = named("replace")
/**
 * `split_part(email, $1, $2)`: splitPart("email", "@", 2); parts count from 1, from the end where the number is negative (PostgreSQL 14).
 */
export const splitPart: SplitPart = named("splitPart")
/** `position($1 in name)`: where a text occurs in another, from 1; 0 where it does not. */
export const position: Position = named("position")
/** `length(name)`, in characters. */
export const length: LengthFunction = named("length")
/** `to_char(created_at, $1)`: toChar("created_at", "YYYY-MM"). */
export const toChar: ToChar = named("toChar")
/** `abs(total)` */
export const abs: Absolute = named("abs")
/** `mod(total, $1)`: the remainder, with the sign of the first. */
export const mod: Modulo = named("mod")
/** `ceil(total)`: the next whole number above. Exact types give a decimal, float a float. */
export const ceil: Rounding = named("ceil")
/** `floor(total)`: the next whole number below. Exact types give a decimal, float a float. */
export const floor: Rounding = named("floor")
/** `round(total, $1)`: round("total", 2), halves away from zero. Exact types give a decimal, float a float. */
export const round: Rounding = named("round")
/** `trunc(total, $1)`: digits cut off. Exact types give a decimal, float a float. */
export const trunc: Rounding = named("trunc")
/** `sqrt(total)`, a float. */
export const sqrt: FloatFunction<[]> = named("sqrt")
/** `power(total, $1)`, a float. */
export const power: FloatFunction<[exponent: number]> = named("power")
/** `now()`: the start of the transaction. */
export const now: Now = named("now")
/** `date_trunc('month', created_at)`: dateTrunc("month", "created_at"), in the session's time zone for timestamptz. */
export const dateTrunc: DateTrunc = withUnit("dateTrunc", truncUnits)
/** `extract(year from created_at)`: extract("year", "created_at"), a number. */
export const extract: ExtractFunction = withUnit("extract", extractParts)
