import { boundValues } from "../database/bound-value.ts"
import type { Session, Statement } from "../database/database.ts"
import { quoteLiteral, replaceParameters } from "../sql/index.ts"

/** Types of a statement's parameters, in their order, as SQL that can stand in a cast: the server's own reading of the text. */
export async function parameterTypes(session: Session, { text, values }: Statement): Promise<readonly string[]> {
  if (values.length === 0) return []
  const name = "selecto_parameters"
  const results = await session.batch(
    [
      { text: `PREPARE ${name} AS ${text}`, values: [] },
      {
        text: `select quote_ident(nspname) || '.' || quote_ident(typname) from pg_catalog.pg_prepared_statements,
          unnest(parameter_types::oid[]) with ordinality as u(id, at) join pg_catalog.pg_type t on t.oid = u.id
          join pg_catalog.pg_namespace n on n.oid = t.typnamespace where name = $1 order by at /* selecto:parallel */`,
        values: [name],
      },
      { text: `DEALLOCATE ${name}`, values: [] },
    ],
    { timeoutMs: 10_000 },
  )
  return results[1]!.rows.map(([type]) => type!)
}

/**
 * A statement without parameters, for COPY, which takes none: each value as a literal of the type that the parameter has, so that it
 * is read by the same input function.
 */
export function withoutParameters(statement: Statement, types: readonly (string | null)[]): string {
  if (statement.values.length === 0) return statement.text
  const values = boundValues(statement)
  return replaceParameters(statement.text, (number) => {
    const type = types[number - 1] ?? null
    const cast = type === null ? "" : `::${type}`
    const value = values[number - 1] ?? null
    if (value === null) return `(NULL${cast})`
    const text = typeof value === "string" ? value : `\\x${Buffer.from(value).toString("hex")}`
    return `(${quoteLiteral(text)}${cast})`
  })
}

/** COPY of a statement's rows to the client. The break keeps a comment at its end from swallowing the parenthesis. */
export function copyText(text: string, options = ""): string {
  return `COPY (${text}\n) TO STDOUT${options === "" ? "" : ` (${options})`} /* selecto:parallel */`
}

/** A statement without a semicolon at its end, so that it can stand in parentheses. */
export function sole(text: string): string {
  return text.replace(/[;\s]+$/, "")
}
