import type { ResultField, TextRow } from "../database/database.ts"
import { rowBuilder } from "../database/rows.ts"
import { SelectoError } from "../errors.ts"
import type { OutputColumn } from "./request.ts"

/** Makes the row objects of a builder query from the server's text. A null where notNull() was promised is E_UNEXPECTED_NULL. */
export function rowDecoder(
  output: readonly OutputColumn[],
  fields: readonly ResultField[],
): (row: TextRow) => Record<string, unknown> {
  if (output.length !== fields.length)
    throw new SelectoError("E_DECODE", `The server sent ${fields.length} columns where the query selects ${output.length}.`)
  const columns = output.map((column, index) => ({ name: column.name, decode: column.decode(fields[index]!.typeId) }))
  const build = rowBuilder<Record<string, unknown>>(columns)
  const present = output.filter((column) => column.present).map((column) => column.name)
  if (present.length === 0) return build
  return (row) => {
    const object = build(row)
    for (const name of present)
      if (object[name] === null)
        throw new SelectoError("E_UNEXPECTED_NULL", `${JSON.stringify(name)} was declared notNull() and came as null.`, {
          path: name,
        })
    return object
  }
}
