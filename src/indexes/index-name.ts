import { cutIdentifier, maxIdentifierBytes } from "../sql/index.ts"
import type { Candidate } from "./draft.ts"

const suffix = "_idx"

/**
 * `<table>_<columns>_idx`, at most 63 bytes, unlike any name in `taken` (which grows by it). An expression lends its words; what is too
 * long is cut between table and columns, and a number makes it unique, as PostgreSQL's own ChooseIndexName does.
 */
export function indexName(candidate: Candidate, taken: Set<string>, table: string = candidate.table): string {
  const columns = candidate.draft.keys.map((key) => key.column ?? wordsOf(key.text)).join("_")
  for (let number = 0; ; number++) {
    const end = number === 0 ? suffix : `${suffix}${number}`
    const name = `${fitted(table, columns, maxIdentifierBytes - end.length)}${end}`
    if (taken.has(name)) continue
    taken.add(name)
    return name
  }
}

/** "lower(email)" → "lower_email". */
function wordsOf(text: string): string {
  return (
    text
      .replace(/::[a-z ]+/g, "")
      .match(/[A-Za-z_][A-Za-z0-9_]*/g)
      ?.join("_") ?? "expr"
  )
}

/** The longer of the two gives way first. */
function fitted(table: string, columns: string, bytes: number): string {
  let [one, two] = [table, columns]
  while (Buffer.byteLength(one) + Buffer.byteLength(two) + 1 > bytes) {
    if (Buffer.byteLength(one) > Buffer.byteLength(two)) one = cutIdentifier(one, Buffer.byteLength(one) - 1)
    else two = cutIdentifier(two, Buffer.byteLength(two) - 1)
  }
  return `${one}_${two}`
}
