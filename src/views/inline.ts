import { boundValues } from "../database/bound-value.ts"
import type { Database, Statement } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { parseSql, quoteLiteral } from "../sql/index.ts"
import { limits } from "./state.ts"

const typesText = `
select pg_catalog.array_to_string(array(select pg_catalog.format_type(t, null) from unnest(p.parameter_types::oid[]) t), chr(10)) as types
from pg_catalog.pg_prepared_statements p where p.name = 'selecto_inline' /* selecto:views */`

/**
 * A statement without placeholders: each value stands in it as a literal of the type that PostgreSQL gives its placeholder. The text is
 * another one for other values; so it is for definitions, never for queries.
 *
 * @example (await inlineValues(database, { text: "select * from film where length > $1", values: [90] }))  // … length > '90'::integer
 */
export async function inlineValues(database: Database, statement: Statement, signal: AbortSignal | undefined): Promise<string> {
  const values = boundValues(statement)
  if (values.length === 0) return statement.text
  const query = { ...limits, signal }
  const types = await ownTransaction(database.direct, { room: "views", readOnly: true, signal }, async (session) => {
    await session.query({ text: `prepare selecto_inline as ${statement.text}`, values: [] }, query)
    const { rows } = await session.queryText({ text: typesText, values: [] }, query)
    await session.query({ text: "deallocate selecto_inline /* selecto:views */", values: [] }, query)
    return rows[0]![0]!.split("\n")
  })
  const literal = (index: number): string => {
    const value = values[index] ?? null
    const text =
      value === null ? "NULL" : quoteLiteral(typeof value === "string" ? value : `\\x${Buffer.from(value).toString("hex")}`)
    return `CAST(${text.trim()} AS ${types[index]})`
  }
  const bytes = Buffer.from(statement.text)
  let done = 0
  const parts: string[] = []
  for (const { number, location } of placesOf(await parseSql(statement.text))) {
    parts.push(bytes.subarray(done, location).toString(), literal(number - 1))
    done = location + 1 + String(number).length
  }
  return parts.join("") + bytes.subarray(done).toString()
}

interface Place {
  readonly number: number
  /** In bytes. */
  readonly location: number
}

/** Every placeholder of a parse tree, in the order of the text. */
function placesOf(node: unknown): Place[] {
  if (typeof node !== "object" || node === null) return []
  if (Array.isArray(node)) return node.flatMap(placesOf).sort((a, b) => a.location - b.location)
  const { ParamRef: parameter } = node as { ParamRef?: { number?: number; location?: number } }
  if (parameter !== undefined) return [{ number: parameter.number ?? 0, location: parameter.location ?? 0 }]
  return Object.values(node)
    .flatMap(placesOf)
    .sort((a, b) => a.location - b.location)
}
