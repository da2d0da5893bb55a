import type { QueryBuilder } from "../../src/query/query.ts"
import type { Target } from "../support/each-server.ts"

/** A value as the text that PostgreSQL reads for any parameter type, so that no driver's own guess is under test. */
function parameterText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  if (Array.isArray(value)) return `{${value.map(elementText).join(",")}}`
  return String(value)
}

function elementText(value: unknown): string {
  if (Array.isArray(value)) return parameterText(value)!
  const text = parameterText(value)
  return text === null ? "NULL" : `"${text.replace(/["\\]/g, "\\$&")}"`
}

/** Gives back every value as the server's text: a function for each type that the driver would convert. */
function verbatim(types: object): Record<string, (value: string) => string> {
  return Object.fromEntries(Object.keys(types).map((type) => [type, (value: string) => value]))
}

interface TextResult {
  readonly rows: (string | null)[][]
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
}

const clients = new WeakMap<Target, Promise<{ query(config: object): Promise<unknown> }>>()

/** Rows of a statement as the server's text. */
export async function textOf(target: Target, text: string, values: readonly unknown[]): Promise<TextResult> {
  const bound = values.map(parameterText)
  if (target.kind === "pglite")
    return (await target.pglite.query(text, bound, {
      rowMode: "array",
      parsers: verbatim(target.pglite.parsers),
      serializers: verbatim(target.pglite.serializers),
    })) as unknown as TextResult
  let client = clients.get(target)
  if (client === undefined) {
    client = target.server.client()
    clients.set(target, client)
  }
  const types = { getTypeParser: () => (value: string) => value }
  return (await (await client).query({ text, values: bound, types, rowMode: "array" })) as TextResult
}

/** Anything that compiles: a query, whatever its row type. */
interface Compilable {
  toSql(): { readonly text: string; readonly values: readonly unknown[] }
}

/** Rows of a query, decoded by its own declared types. */
export async function rowsOf(target: Target, query: Compilable): Promise<Record<string, unknown>[]> {
  const { text, values, output } = (query as unknown as QueryBuilder).compiled()
  const { rows, fields } = await textOf(target, text, values)
  return rows.map((row) => {
    const object: Record<string, unknown> = {}
    output.forEach((column, index) => {
      const value = row[index]
      object[column.name] = value === null || value === undefined ? null : column.decode(fields[index]!.dataTypeID)(value)
    })
    return object
  })
}

/** The only value of a query's only row. */
export async function onlyValueOf(target: Target, query: Compilable): Promise<unknown> {
  const rows = await rowsOf(target, query)
  if (rows.length !== 1) throw new Error(`${rows.length} rows where one was expected`)
  return Object.values(rows[0]!)[0]
}

/** Rows as lists of their values. */
export async function tuplesOf(target: Target, query: Compilable): Promise<unknown[][]> {
  return (await rowsOf(target, query)).map((row) => Object.values(row))
}
