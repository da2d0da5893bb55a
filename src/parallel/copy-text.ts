import type { TextRow } from "../database/database.ts"

const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" }

/** Rows of whole lines in COPY's text format (PostgreSQL documentation, "COPY", section Text Format). */
export function decodeCopyText(bytes: Uint8Array): TextRow[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
  const lines = text.split("\n")
  // Every line ends with a break, so the last piece is empty.
  lines.pop()
  const rows = lines as unknown as TextRow[]
  for (let at = 0; at < lines.length; at++) rows[at] = fieldsOf(lines[at]!)
  return rows
}

function fieldsOf(line: string): TextRow {
  const fields: TextRow = line.split("\t")
  // A backslash only stands before what is escaped, and for NULL.
  if (line.includes("\\"))
    for (let at = 0; at < fields.length; at++) {
      const field = fields[at]!
      if (field === "\\N") fields[at] = null
      else if (field.includes("\\"))
        fields[at] = field.replace(/\\(.)/g, (_escape, character: string) => escapes[character] ?? character)
    }
  return fields
}
