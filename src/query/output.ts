import { SelectoError } from "../errors.ts"

/** How rows become lines of CSV. */
export interface CsvOptions {
  /** Between the fields, "," by default. */
  readonly delimiter?: string | undefined
  /** Whether the names of the columns come first; true by default. */
  readonly header?: boolean | undefined
  /** What null is written as; nothing by default, so that it differs from "" only by the quotes. */
  readonly nulls?: string | undefined
  /** A Date as text; ISO 8601 in UTC with milliseconds by default. */
  readonly date?: ((date: Date) => string) | undefined
  /**
   * A text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets an apostrophe before
   * it. Off by default, since it changes the data. Numbers that came as text, such as -1.50, are left alone.
   */
  readonly guardFormulas?: boolean | undefined
  /** Names and order of the columns; those of the first row by default. */
  readonly columns?: readonly string[] | undefined
}

/** Rows from anywhere: an array, or what stream() gives. */
export type RowSource = Iterable<object> | AsyncIterable<object>

const formula = /^[=+\-@\t\r]/
const plainNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * Rows as CSV by RFC 4180, line by line with CRLF: fields with a delimiter, quote or line break are quoted, quotes doubled, an empty
 * text is quoted, null is empty. Exact numbers stay the text they are, numbers are JavaScript's shortest form, arrays are written as
 * PostgreSQL writes them, documents as JSON, bytes as \x and hexadecimal.
 *
 * @example
 * for await (const line of csv(orders.select("id", "total").stream())) response.write(line)
 */
export async function* csv(rows: RowSource, options: CsvOptions = {}): AsyncGenerator<string, void, undefined> {
  const delimiter = options.delimiter ?? ","
  if (delimiter.length !== 1 || delimiter === '"' || delimiter === "\r" || delimiter === "\n")
    throw new SelectoError("E_INVALID_OPTION", "The delimiter of CSV is one character, neither a quote nor a line break.", {
      path: "delimiter",
    })
  const special = new RegExp(`["\\r\\n${/[\\\]^-]/.test(delimiter) ? `\\${delimiter}` : delimiter}]`)
  const field = (value: unknown): string => {
    if (value === null || value === undefined) return options.nulls ?? ""
    let text = csvText(value, options.date ?? isoDate)
    if (options.guardFormulas === true && typeof value === "string" && formula.test(text) && !plainNumber.test(text))
      text = `'${text}`
    return text === "" || special.test(text) || text === options.nulls ? `"${text.replaceAll('"', '""')}"` : text
  }
  const line = (fields: readonly unknown[]): string => `${fields.map(field).join(delimiter)}\r\n`
  let columns = options.columns
  const header = options.header !== false
  if (columns !== undefined && header) yield line(columns)
  for await (const row of rows) {
    if (columns === undefined) {
      columns = Object.keys(row)
      if (header) yield line(columns)
    }
    yield line(columns.map((column) => (row as Readonly<Record<string, unknown>>)[column]))
  }
}

function isoDate(date: Date): string {
  return date.toISOString()
}

function csvText(value: unknown, date: (date: Date) => string): string {
  if (typeof value === "string") return value
  if (value instanceof Date) return date(value)
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  if (Array.isArray(value)) return value.some(isDocument) ? JSON.stringify(value) : arrayText(value, date)
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

function isDocument(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  )
}

/** An array as PostgreSQL writes it: quoted where an element could be read otherwise. */
function arrayText(values: readonly unknown[], date: (date: Date) => string): string {
  const element = (value: unknown): string => {
    if (value === null || value === undefined) return "NULL"
    if (Array.isArray(value)) return arrayText(value, date)
    const text = csvText(value, date)
    return text === "" || /[{},"\\\s]/.test(text) || text.toUpperCase() === "NULL" ? `"${text.replace(/["\\]/g, "\\$&")}"` : text
  }
  return `{${values.map(element).join(",")}}`
}

/**
 * Rows as one JSON document a line. Dates are ISO 8601 in UTC, bytes \x and hexadecimal, exact numbers the text they are; NaN and
 * infinite numbers, which JSON has not, are text too.
 */
export async function* ndjson(rows: RowSource): AsyncGenerator<string, void, undefined> {
  for await (const row of rows)
    yield `${JSON.stringify(row, (_, value: unknown) => {
      if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
      if (typeof value === "number" && !Number.isFinite(value)) return String(value)
      return typeof value === "bigint" ? value.toString() : value
    })}\n`
}

/** Rows as arrays of their values, in the order of the columns. */
export async function* tuples(rows: RowSource): AsyncGenerator<unknown[], void, undefined> {
  for await (const row of rows) yield Object.values(row)
}
