import { joined } from "./candidates.ts"
import { type Candidate, candidateOf, type Draft, type DraftKey } from "./draft.ts"
import { tableKey } from "./workload.ts"

/** Most merged candidates a table gets: their number grows with the square of the originals. */
const maxMerged = 20

/**
 * Indexes that hold what two statements want: the keys of one and then those of the other, or the same keys with the columns that both
 * want included (partial orders of columns merged over statements, after Meta's AIM, ICDE 2023).
 */
export function mergedCandidates(lists: readonly (readonly Candidate[])[], width: number): Candidate[] {
  const byTable = new Map<string, Map<string, { candidate: Candidate; lists: Set<number> }>>()
  for (const [number, list] of lists.entries()) {
    for (const candidate of list) {
      if (candidate.method !== "btree" || candidate.where !== null) continue
      const key = tableKey(candidate.draft.table)
      const own = byTable.get(key) ?? new Map()
      byTable.set(key, own)
      const entry = own.get(candidate.id) ?? { candidate, lists: new Set<number>() }
      entry.lists.add(number)
      own.set(candidate.id, entry)
    }
  }
  const merged = new Map<string, Candidate>()
  for (const own of byTable.values()) {
    const entries = [...own.values()].sort(
      (a, b) => b.lists.size - a.lists.size || a.candidate.keys.length - b.candidate.keys.length,
    )
    let made = 0
    for (const one of entries) {
      for (const other of entries) {
        if (made >= maxMerged) break
        if (one === other || [...one.lists].some((number) => other.lists.has(number))) continue
        const draft = together(one.candidate.draft, other.candidate.draft, width)
        if (draft === null) continue
        const candidate = candidateOf(draft)
        if (own.has(candidate.id) || merged.has(candidate.id)) continue
        merged.set(candidate.id, candidate)
        made++
      }
    }
  }
  return [...merged.values()]
}

function together(one: Draft, other: Draft, width: number): Draft | null {
  const sameText = (a: DraftKey, b: DraftKey): boolean => a.text === b.text
  if (
    one.keys.length === other.keys.length &&
    one.keys.every((key, at) => JSON.stringify(key) === JSON.stringify(other.keys[at]))
  ) {
    if (one.include.length === 0 || other.include.length === 0) return null
    const include = [...new Set([...one.include, ...other.include])]
    return { ...joined(one, other), include }
  }
  if (one.include.length > 0 || other.include.length > 0) return null
  const keys = [...one.keys, ...other.keys.filter((key) => !one.keys.some((known) => sameText(known, key)))]
  if (keys.length > width || keys.length === one.keys.length) return null
  return { ...joined(one, other), keys }
}
