import type { ResultField, TextRow } from "../database/database.ts"
import { rowBuilder } from "../database/rows.ts"
import { SelectoError } from "../errors.ts"
import type { OutputColumn } from "./request.ts"

type RowDecoder = (row: TextRow) => Record<string, unknown>

interface Made {
  readonly typeIds: readonly number[]
  readonly decoder: RowDecoder
}

/** The decoder last made for an output: a query that is run again has the same. */
const made = new WeakMap<readonly OutputColumn[], Made>()

/** Makes the row objects of a builder query from the server's text. A null where notNull() was promised is E_UNEXPECTED_NULL. */
export function rowDecoder(output: readonly OutputColumn[], fields: readonly ResultField[]): RowDecoder {
  const known = made.get(output)
  if (known !== undefined && sameTypes(known.typeIds, fields)) return known.decoder
  const decoder = newDecoder(output, fields)
  made.set(output, { typeIds: fields.map(({ typeId }) => typeId), decoder })
  return decoder
}

function sameTypes(typeIds: readonly number[], fields: readonly ResultField[]): boolean {
  if (typeIds.length !== fields.length) return false
  for (let i = 0; i < typeIds.length; i++) if (typeIds[i] !== fields[i]!.typeId) return false
  return true
}

function newDecoder(output: readonly OutputColumn[], fields: readonly ResultField[]): RowDecoder {
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
