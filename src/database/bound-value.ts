import { SelectoError } from "../errors.ts"
import type { Statement } from "./database.ts"

/** A value as it travels: PostgreSQL's text, raw bytes, or NULL. */
export type BoundValue = string | Uint8Array | null

/** The protocol counts the parameters of a statement in 16 bits. */
export const maxParameters = 65_535

/**
 * The values of a statement as they travel, before anything is sent. Errors: E_TOO_MANY_PARAMETERS above 65,535;
 * E_UNSUPPORTED_INPUT for a value that has no text (a function, a symbol, an invalid Date), named by its place and never shown; or a text with a zero character.
 */
export function boundValues(statement: Statement): BoundValue[] {
  const { values } = statement
  // A zero byte would end the text in the middle of a protocol message.
  if (statement.text.includes("\0"))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The statement's text holds a zero character; PostgreSQL has none.")
  if (values.length > maxParameters) {
    throw new SelectoError(
      "E_TOO_MANY_PARAMETERS",
      `The statement has ${values.length} parameters; PostgreSQL takes 65535. Pass a list as one array parameter: column = any($1).`,
    )
  }
  const bound = new Array<BoundValue>(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === "string") bound[i] = value
    else if (typeof value === "number") bound[i] = String(value)
    else bound[i] = boundValue(value, i)
  }
  return bound
}

function boundValue(value: unknown, place: number): BoundValue {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case "string":
      return value
    case "number":
    case "bigint":
    case "boolean":
      return String(value)
    case "object":
      break
    default:
      throw unsupported(place, `a ${typeof value}`)
  }
  if (value instanceof Date) return dateText(value, place)
  if (value instanceof Uint8Array) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (Array.isArray(value)) return arrayText(value, place)
  const convertible = value as { toPostgres?: (prepare: (inner: unknown) => BoundValue) => unknown }
  if (typeof convertible.toPostgres === "function")
    return boundValue(
      convertible.toPostgres((inner) => boundValue(inner, place)),
      place,
    )
  return jsonText(value, place)
}

/**
 * Local time with its offset, as the pg driver writes it: the same instant for timestamptz, and for timestamp and date the wall
 * clock that the drivers' parsers read back.
 */
function dateText(value: Date, place: number): string {
  if (Number.isNaN(value.getTime())) throw unsupported(place, "an invalid Date")
  const year = value.getFullYear()
  const pad = (n: number, width: number): string => String(n).padStart(width, "0")
  const offset = -value.getTimezoneOffset()
  const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60), 2)}:${pad(Math.abs(offset) % 60, 2)}`
  const date = `${pad(year > 0 ? year : 1 - year, 4)}-${pad(value.getMonth() + 1, 2)}-${pad(value.getDate(), 2)}`
  const time = `${pad(value.getHours(), 2)}:${pad(value.getMinutes(), 2)}:${pad(value.getSeconds(), 2)}.${pad(value.getMilliseconds(), 3)}`
  // PostgreSQL writes years before year 1 as BC.
  return `${date}T${time}${zone}${year > 0 ? "" : " BC"}`
}

function jsonText(value: unknown, place: number): string {
  try {
    return JSON.stringify(value)
  } catch {
    throw unsupported(place, "an object that JSON cannot express")
  }
}

/** An array literal: PostgreSQL documentation, "Arrays", section Array Input and Output Syntax. */
function arrayText(values: readonly unknown[], place: number): string {
  const parts = values.map((value) => {
    if (value === null || value === undefined) return "NULL"
    if (Array.isArray(value)) return arrayText(value, place)
    if (value instanceof Uint8Array)
      return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}"`
    const text = boundValue(value, place)
    if (text === null) return "NULL"
    return `"${String(text).replace(/[\\"]/g, "\\$&")}"`
  })
  return `{${parts.join(",")}}`
}

function unsupported(place: number, what: string): SelectoError {
  return new SelectoError(
    "E_UNSUPPORTED_INPUT",
    `Parameter $${place + 1} is ${what}: bind a string, number, bigint, boolean, Date, bytes, array, object or null.`,
  )
}
