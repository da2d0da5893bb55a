import type { TableAccess } from "./access.ts"
import { isEquality } from "./candidates.ts"
import type { Candidate } from "./draft.ts"
import type { IndexSizes } from "./index-sizes.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"

/** Tables below this many blocks are read whole faster than through an index. */
const smallPages = 32
/** An index that leaves more than this share of a table to read is not recommended unseen. */
const usefulShare = 0.1

/** The choice without a planner: for each table that a statement searches, the candidate that leaves least to read. */
export async function ruleSelection(
  statements: readonly AdvisedStatement[],
  mine: ReadonlyMap<number, readonly Candidate[]>,
  sizes: IndexSizes,
  options: { readonly budgetBytes: number | null; readonly maxIndexes: number | null },
): Promise<Candidate[]> {
  const wanted = new Map<string, { candidate: Candidate; weight: number }>()
  for (const statement of statements) {
    for (const access of statement.accesses) {
      if (access.table.pages < smallPages && access.table.rows >= 0) continue
      const own = (mine.get(statement.number) ?? []).filter(
        (candidate) => tableKey(candidate.draft.table) === tableKey(access.table),
      )
      const best = own
        .filter((candidate) => candidate.include.length === 0 && candidate.where === null)
        .map((candidate) => ({ candidate, share: shareRead(access, candidate) }))
        .filter(({ share }) => share <= usefulShare)
        .sort((a, b) => a.share - b.share || a.candidate.keys.length - b.candidate.keys.length)[0]
      if (best === undefined) continue
      const known = wanted.get(best.candidate.id)
      const weight = statement.calls * Math.max(1, access.table.pages) * (1 - best.share)
      wanted.set(best.candidate.id, { candidate: best.candidate, weight: weight + (known?.weight ?? 0) })
    }
  }
  const chosen: Candidate[] = []
  let bytes = 0
  for (const { candidate } of [...wanted.values()].sort((a, b) => b.weight - a.weight)) {
    const prefix = chosen.some(
      (other) => other.table === candidate.table && candidate.keys.every((key, at) => other.keys[at] === key),
    )
    if (prefix || (options.maxIndexes !== null && chosen.length >= options.maxIndexes)) continue
    const size = (await sizes.of([candidate])).get(candidate.id) ?? 0
    if (options.budgetBytes !== null && bytes + size > options.budgetBytes) continue
    bytes += size
    chosen.push(candidate)
  }
  return chosen
}

/** Estimated share of the table that is read through a candidate: equalities on leading keys, then one range. */
export function shareRead(access: TableAccess, candidate: Candidate): number {
  if (candidate.method !== "btree") return candidate.draft.patterns.length > 0 ? 0.02 : 1
  let share = 1
  for (const [at, key] of candidate.draft.keys.entries()) {
    const restrictions = access.restrictions.filter((restriction) => restriction.text === key.text)
    const equality = restrictions.find(isEquality)
    if (equality !== undefined) {
      share *= equality.selectivity
      continue
    }
    if (restrictions.length > 0)
      share *= Math.max(...restrictions.map((restriction) => restriction.selectivity)) ** restrictions.length
    else if (access.limited && access.order[0]?.text === key.text && at > 0) share *= 0.1
    else if (access.limited && access.order[0]?.text === key.text && access.restrictions.length === 0) share *= 0.01
    break
  }
  return share
}
