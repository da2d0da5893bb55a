import { findRelations, type KnownRelation, type RelationRef } from "../changes/index.ts"
import type { QueryOptions, Session } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { checkIdentifier, type StatementShape } from "../sql/index.ts"

/** A name for a view: `"sales_by_region"`, `"reports.sales"`, or its parts as they are. */
export type ViewName = string | { readonly schema: string; readonly name: string }

/** A relation by its name, along the search path where no schema is given; null when there is none. */
export async function findTable(
  session: Session,
  schema: string | null,
  name: string,
  options: QueryOptions,
): Promise<KnownRelation | null> {
  const ref: RelationRef = schema === null ? name : { schema, name }
  try {
    return (await findRelations(session, [ref], options))[0]!
  } catch (error) {
    if (isSelectoError(error, "E_UNKNOWN_TABLE")) return null
    throw error
  }
}

/** Where a view is to be: without a schema of its own it goes beside the first table that it reads, else into the current schema. */
export async function placeOf(
  session: Session,
  name: ViewName,
  shape: StatementShape,
  options: QueryOptions,
): Promise<{ readonly schema: string; readonly name: string }> {
  const [schema, bare] = typeof name === "object" ? [name.schema, name.name] : partsOf(name)
  checkIdentifier(bare)
  if (schema !== null) {
    checkIdentifier(schema)
    return { schema, name: bare }
  }
  const first = shape.relations.find(({ kind, where }) => kind === "table" && where === "from")
  const table = first === undefined ? null : await findTable(session, first.schema, first.name, options)
  if (table !== null && !table.schema.startsWith("pg_") && table.schema !== "information_schema")
    return { schema: table.schema, name: bare }
  const text = "select pg_catalog.current_schema() /* selecto:views */"
  const current = (await session.queryText({ text, values: [] }, options)).rows[0]![0]
  if (current == null)
    throw new SelectoError("E_INVALID_OPTION", `No schema of the search path is there; name one: "some_schema.${bare}".`, {
      path: "name",
    })
  return { schema: current, name: bare }
}

function partsOf(name: unknown): [schema: string | null, name: string] {
  if (typeof name !== "string" || name === "")
    throw new SelectoError("E_INVALID_OPTION", 'name must be a text such as "sales_by_region" or "reports.sales".', {
      path: "name",
    })
  const dot = name.indexOf(".")
  return dot < 0 ? [null, name] : [name.slice(0, dot), name.slice(dot + 1)]
}
