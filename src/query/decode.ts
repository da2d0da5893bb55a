import type { ColumnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { arrayDecoder } from "../sql/array-text.ts"
import { delimiterOf } from "./encode.ts"

export type Decode = (text: string) => unknown

/** From PostgreSQL's text to the JavaScript value of the declared type (see the table in the public guide). */
export function decoderOf(type: ColumnType): Decode {
  switch (type.type) {
    case "smallint":
    case "integer":
    case "float":
    case "count":
      return Number
    case "boolean":
      return decodeBoolean
    case "timestamp":
      return decodeTimestamp
    case "timestamptz":
      return decodeTimestamp
    case "bytea":
      return decodeBytes
    case "json":
    case "jsonb":
      return JSON.parse
    case "array":
      return type.of === null ? decodeText : arrayDecoder(decoderOf(type.of), delimiterOf(type.of))
    default:
      return decodeText
  }
}

function decodeText(text: string): unknown {
  return text
}

function decodeBoolean(text: string): unknown {
  return text === "t" || text === "true"
}

const isoTimestamp =
  /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?)?( BC)?$/

/**
 * A timestamp in PostgreSQL's ISO style as a Date; one without time zone is read as UTC, so that the result does not depend on
 * the process's zone. Microseconds are cut to milliseconds; infinity becomes the largest Date there is.
 */
export function decodeTimestamp(text: string): Date {
  if (text === "infinity") return new Date(8.64e15)
  if (text === "-infinity") return new Date(-8.64e15)
  const match = isoTimestamp.exec(text)
  if (match === null)
    throw new SelectoError(
      "E_DECODE",
      "A timestamp did not come in ISO style. Set it for the role, ALTER ROLE … SET datestyle = 'ISO', or for the connection.",
    )
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHours, zoneMinutes, zoneSeconds, bc] = match
  const fullYear = bc === undefined ? Number(year) : 1 - Number(year)
  const milliseconds = fraction === undefined ? 0 : Number(fraction.padEnd(3, "0").slice(0, 3))
  let time = Date.UTC(fullYear, Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), milliseconds)
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  if (fullYear >= 0 && fullYear <= 99) time = new Date(time).setUTCFullYear(fullYear)
  if (sign !== undefined) {
    const offset = (Number(zoneHours) * 3600 + Number(zoneMinutes ?? 0) * 60 + Number(zoneSeconds ?? 0)) * 1000
    time += sign === "+" ? -offset : offset
  }
  return new Date(time)
}

function decodeBytes(text: string): Uint8Array {
  if (!text.startsWith("\\x"))
    throw new SelectoError(
      "E_DECODE",
      "A bytea value did not come in hex. Set it for the role, ALTER ROLE … SET bytea_output = 'hex', or for the connection.",
    )
  return new Uint8Array(Buffer.from(text.slice(2), "hex"))
}

/** Decoders by pg_type.oid, for columns whose type the domain does not declare (expressions written as SQL text). */
const byTypeId: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [16, decodeBoolean],
  [17, decodeBytes],
  [20, Number],
  [21, Number],
  [23, Number],
  [26, Number],
  [114, JSON.parse],
  [700, Number],
  [701, Number],
  [1007, arrayDecoder(Number)],
  [1009, arrayDecoder(decodeText)],
  [1016, arrayDecoder(Number)],
  [1114, decodeTimestamp],
  [1184, decodeTimestamp],
  [1700, Number],
  [3802, JSON.parse],
])

/**
 * The decoder of a column that only the server can type: every numeric type becomes a number (cast to text in the expression
 * where more than 15 digits matter), json is parsed, timestamps are Dates, the rest is text.
 */
export function decoderOfTypeId(typeId: number): Decode {
  return byTypeId.get(typeId) ?? decodeText
}
