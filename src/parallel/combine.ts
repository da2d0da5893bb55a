import type { TextRow } from "../database/database.ts"
import type { Combine } from "./aggregates.ts"
import type { TypeFacts } from "./catalog.ts"
import { addDecimals } from "./decimal.ts"

/** Types whose values are equal exactly when their texts are. numeric (1.0 = 1.00), floats (-0 = 0), interval, jsonb and others are not. */
const textual = new Set([16, 17, 18, 19, 20, 21, 23, 25, 26, 829, 1043, 1082, 1083, 1114, 1184, 2950])

/** Whether groups by a key of this type may be told apart by its text. */
export function isTextual({ baseId, kind }: TypeFacts, collation: string | null): boolean {
  if (kind === "e") return true
  return textual.has(baseId) && (collation === null || /^"?(default|C|POSIX)"?$/.test(collation))
}

/**
 * Merges partial rows - keys, then partial columns - of any number of parts: one row for each group. null where a value came that only
 * PostgreSQL can add; nothing is lost then, the rows are as they were.
 */
export function combineRows(rows: readonly TextRow[], keys: number, combines: readonly Combine[]): TextRow[] | null {
  const groups = new Map<string, TextRow>()
  for (const row of rows) {
    const identity = identityOf(row, keys)
    const group = groups.get(identity)
    if (group === undefined) {
      groups.set(identity, [...row])
      continue
    }
    for (const [at, combine] of combines.entries()) {
      const merged = combineValues(group[keys + at]!, row[keys + at]!, combine)
      if (merged === undefined) return null
      group[keys + at] = merged
    }
  }
  return [...groups.values()]
}

/** NULL is a group like any other. */
function identityOf(row: TextRow, keys: number): string {
  let identity = ""
  for (let at = 0; at < keys; at++) {
    const value = row[at]!
    identity += value === null ? "n" : `${value.length}:${value}`
  }
  return identity
}

/** undefined where it is not ours to compute. */
function combineValues(a: string | null, b: string | null, combine: Combine): string | null | undefined {
  if (combine === null) return undefined
  if (a === null) return b
  if (b === null) return a
  switch (combine) {
    case "integer":
      return (BigInt(a) + BigInt(b)).toString()
    case "decimal":
      return addDecimals(a, b) ?? undefined
    case "least":
      return BigInt(a) < BigInt(b) ? a : b
    case "greatest":
      return BigInt(a) > BigInt(b) ? a : b
    case "and":
      return a === "t" && b === "t" ? "t" : "f"
    case "or":
      return a === "t" || b === "t" ? "t" : "f"
  }
}
