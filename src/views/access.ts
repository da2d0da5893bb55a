import type { StatementShape } from "../sql/index.ts"
import type { Library } from "./library.ts"

/** Why this role must not be answered from views: it may not read the tables itself, or names mean other things than they seem to. */
export function accessFault(shape: StatementShape, library: Library): string | null {
  const path = library.settings.searchPath.filter((schema) => !schema.startsWith("pg_temp"))
  if (path[0] !== "pg_catalog")
    return "the search path puts other schemas before pg_catalog: names of functions may mean other ones"
  for (const relation of shape.relations) {
    if (relation.kind !== "table") continue
    const table = library.find(relation.schema, relation.name)
    if (table === null || table.readable) continue
    const read = shape.columns.filter((use) => use.relation === relation.ordinal)
    const allowed = read.every((use) => table.columns.find(({ name }) => name === use.name)?.readable ?? false)
    if (!allowed || read.length === 0) return `this role may not read ${table.schema}.${table.name}, so no view may answer for it`
  }
  return null
}
