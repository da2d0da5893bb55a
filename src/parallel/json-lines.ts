import type { ResultField } from "../database/database.ts"
import { arrayDecoder } from "../sql/array-text.ts"
import { decodeCopyText } from "./copy-text.ts"

/** From PostgreSQL's text of a value to JSON. */
type ToJson = (text: string) => string

const plain = (text: string): string => text
const float: ToJson = (text) => (/^-?\d/.test(text) ? text : `"${text}"`)
const boolean: ToJson = (text) => (text === "t" ? "true" : "false")
/** A document keeps its own text; a line break can only be white space in it. */
const document: ToJson = (text) => (text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]+/g, " ") : text)
const moment: ToJson = (text) => {
  const match = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(?::?(\d\d))?(?::?\d\d)?)?$/.exec(text)
  if (match === null) return quoted(text)
  const [, date, time, hours, minutes] = match
  return `"${date}T${time}${hours === undefined ? "" : `${hours}:${minutes ?? "00"}`}"`
}

function quoted(text: string): string {
  // Everything else but these is written as it is.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes control characters
  return /["\\\u0000-\u001f\ud800-\udfff]/.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** By pg_type.oid. What is not here is text: bigint and numeric too, which a JSON number would not keep to the last digit. */
const scalars: ReadonlyMap<number, ToJson> = new Map([
  [16, boolean],
  [21, plain],
  [23, plain],
  [26, plain],
  [700, float],
  [701, float],
  [114, document],
  [3802, document],
  [1114, moment],
  [1184, moment],
])
/** Element types of arrays. */
const elements: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1005, 21],
  [1007, 23],
  [1009, 25],
  [1015, 1043],
  [1016, 20],
  [1021, 700],
  [1022, 701],
  [1028, 26],
  [1115, 1114],
  [1182, 1082],
  [1185, 1184],
  [1231, 1700],
  [199, 114],
  [2951, 2950],
  [3807, 3802],
])

function writerOf(typeId: number): ToJson {
  const element = elements.get(typeId)
  if (element === undefined) return scalars.get(typeId) ?? quoted
  const write = writerOf(element)
  // Elements stay text until they are written: what JSON.stringify would do to a string has been done then.
  const read = arrayDecoder((text) => new Written(write(text)))
  return (text) => arrayJson(read(text))
}

class Written {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

function arrayJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(arrayJson).join(",")}]`
  return value === null ? "null" : (value as Written).json
}

/**
 * Turns whole rows of COPY's text format into lines of JSON. Numbers that JSON keeps are numbers, bigint and numeric the text they are,
 * documents themselves, arrays arrays, moments ISO 8601 with every digit, bytes \x and hexadecimal; NaN and infinities are text.
 */
export function jsonLines(fields: readonly ResultField[]): (bytes: Uint8Array) => Uint8Array {
  const writers = fields.map(({ typeId }) => writerOf(typeId))
  const names = fields.map(({ name }, at) => `${at === 0 ? "{" : ","}${JSON.stringify(name)}:`)
  const width = fields.length
  return (bytes) => {
    let text = ""
    for (const row of decodeCopyText(bytes)) {
      for (let at = 0; at < width; at++) {
        const value = row[at]!
        text += names[at]! + (value === null ? "null" : writers[at]!(value))
      }
      text += width === 0 ? "{}\n" : "}\n"
    }
    return Buffer.from(text)
  }
}
