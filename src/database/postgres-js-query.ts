import { SelectoError } from "../errors.ts"
import { boundValues } from "./bound-value.ts"
import type { Result, ResultField, Statement, TextRow } from "./database.ts"
import type {
  PostgresJsConnection,
  PostgresJsLike,
  PostgresJsOptions,
  PostgresJsQuery,
  PostgresJsResult,
} from "./postgres-js-types.ts"
import { type RowBuilder, rowBuilder } from "./rows.ts"

/** pg_type.oid of `unknown`: the server infers the parameter's type, and the driver's serializers leave the text alone. */
const unknownType = 705
/** The driver keeps two of the protocol's places to itself. */
const maxValues = 65_533

/** A statement as a query of the driver, not sent yet. `hooks` go to the driver beside our own options. */
export function queryOf(sql: PostgresJsLike, statement: Statement, hooks: object = {}): PostgresJsQuery {
  refuseCopy(statement.text)
  const bound = boundValues(statement)
  if (bound.length > maxValues)
    throw new SelectoError(
      "E_TOO_MANY_PARAMETERS",
      `The statement has ${bound.length} parameters; postgres.js takes ${maxValues}. Pass a list as one array parameter: column = any($1).`,
    )
  const values = bound.map((value) => {
    if (value === null) return null
    const text =
      typeof value === "string" ? value : `\\x${Buffer.from(value.buffer, value.byteOffset, value.length).toString("hex")}`
    return sql.typed(text as never, unknownType)
  })
  const query = sql.unsafe(statement.text, values as never[], { prepare: false, simple: false, ...hooks })
  // Every type is said already, so nothing is asked before the values are sent: one round trip instead of two.
  Object.defineProperty(query, "describeFirst", { get: () => false, set: () => {} })
  query.raw()
  return query
}

/** Has the query sent on this connection, and not on any of the pool. */
export function sendOn<Query extends PostgresJsQuery>(connection: PostgresJsConnection, query: Query): Query {
  return Object.assign(query, { handler: () => void connection.execute(query) })
}

/**
 * After a backend was ended, the driver answers the first query of the connection's next life by the old error, without sending it:
 * such a query may be asked again.
 */
export function neverSent(query: PostgresJsQuery, error: unknown): boolean {
  return query.state === null && /^57P0[1-5]$/.test(String((error as { code?: unknown } | null)?.code))
}

/** The driver answers COPY by a stream, and its connection would wait for rows that nobody sends. */
function refuseCopy(text: string): void {
  if (copies.test(text) && /\b(?:stdin|stdout)\b/i.test(text))
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "COPY from or to the client is not supported here. Use the driver's own COPY, or INSERT and SELECT.",
    )
}

const copies = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*copy\b/i

/** The rows of an answer as the server's text. */
export function textResult(answer: unknown): Result<TextRow> {
  const result = answer as PostgresJsResult
  const fields = (result.columns ?? []).map(({ name, type }) => ({ name, typeId: type }))
  const rows: TextRow[] = []
  for (const row of result) rows.push(row.map((cell) => (cell === null ? null : textOf(cell))))
  const [command = ""] = (result.command ?? "").split(" ")
  return { rows, fields, rowCount: result.count, command }
}

function textOf(cell: Uint8Array): string {
  return Buffer.from(cell.buffer, cell.byteOffset, cell.length).toString("utf8")
}

type Parser = ((text: string) => unknown) & { readonly array?: boolean | undefined }
type ValueTransform = (value: unknown, column: { readonly name: string; readonly type: number }) => unknown
type RowTransform = (row: object) => object

/** Rows as the driver makes them: by its parsers, and what the user has it make of names, values and rows. */
export function driverRows(options: PostgresJsOptions, fields: readonly ResultField[]): RowBuilder<Record<string, unknown>> {
  const parsers = options.parsers as Readonly<Record<number, Parser | undefined>>
  const columns = fields.map(({ name, typeId }) => ({ name, decode: decoderIn(parsers[typeId]) }))
  const onValue = options.transform.value.from as ValueTransform | null | undefined
  const onRow = options.transform.row.from as RowTransform | null | undefined
  const build = rowBuilder<Record<string, unknown>>(columns)
  if (!onValue && !onRow) return build
  const described = fields.map(({ name, typeId }) => ({ name, type: typeId }))
  return (texts) => {
    const row = build(texts)
    if (onValue) for (const column of described) row[column.name] = onValue(row[column.name], column)
    return (onRow ? onRow(row) : row) as Record<string, unknown>
  }
}

function decoderIn(parser: Parser | undefined): (text: string) => unknown {
  if (parser === undefined) return (text) => text
  // The driver's parsers of arrays begin behind the brace.
  return parser.array === true ? (text) => parser(text.slice(1)) : parser
}
