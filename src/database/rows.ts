import type { Result, TextRow } from "./database.ts"

/** Makes an object of one row of texts. */
export type RowBuilder<Row> = (texts: TextRow) => Row

/** How one column of a row is named and read. */
export interface RowColumn {
  readonly name: string
  readonly decode: (text: string) => unknown
}

/**
 * A function that makes objects of text rows, NULL as null. Of columns with one name the last wins, as in the drivers.
 * Every object is filled in one order, so that the engine gives all of them one hidden class.
 */
export function rowBuilder<Row>(columns: readonly RowColumn[]): RowBuilder<Row> {
  const names = columns.map(({ name }) => name)
  const decoders = columns.map(({ decode }) => decode)
  const width = names.length
  if (names.includes("__proto__")) {
    // Assigned, it would replace the object's prototype and hold no value.
    return (texts) => Object.fromEntries(names.map((name, i) => [name, texts[i] == null ? null : decoders[i]!(texts[i]!)])) as Row
  }
  return (texts) => {
    const row: Record<string, unknown> = {}
    for (let i = 0; i < width; i++) {
      const text = texts[i]!
      row[names[i]!] = text === null ? null : decoders[i]!(text)
    }
    return row as Row
  }
}

/** A result of texts as objects. */
export function convertRows<Row>(result: Result<TextRow>, convert: (row: TextRow) => unknown): Result<Row> {
  return { rows: result.rows.map(convert) as Row[], fields: result.fields, rowCount: result.rowCount, command: result.command }
}
