import type { Leaf, Source } from "./query.ts"
import { keyOf, type World } from "./world.ts"

/** Which leaf of the query each leaf of the view is; leaves of the view that are missing are additional tables of it. */
export type Assignment = ReadonlyMap<number, Leaf>

/** Ways tried at most: with many occurrences of one table there are more than anybody wants to wait for. */
const maxAssignments = 60

/** True when both read the same rows. Derived leaves are compared by who asks. */
export function sameSource(a: Source, b: Source, world: World): boolean {
  if (a.kind === "table") return b.kind === "table" && a.table.oid === b.table.oid && a.only === b.only
  if (a.kind === "function") return b.kind === "function" && keyOf(a.call, world) === keyOf(b.call, world)
  if (a.kind === "values" && b.kind === "values") {
    return JSON.stringify(a.rows) === JSON.stringify(b.rows)
  }
  return false
}

/**
 * All ways of finding the view's leaves in the query beside those already `fixed`, the fullest first; only `optional` ones may be left out. The same
 * table occurring twice gives several: each is tried, since output has to follow the same assignment as the conditions.
 */
export function assignments(
  viewLeaves: readonly Leaf[],
  queryLeaves: readonly Leaf[],
  same: (view: Leaf, query: Leaf) => boolean,
  optional: ReadonlySet<number>,
  fixed: Assignment,
): readonly Assignment[] {
  const candidates = viewLeaves.map((leaf) => queryLeaves.filter((other) => same(leaf, other)))
  const found: Map<number, Leaf>[] = []
  const extend = (at: number, taken: ReadonlyMap<number, Leaf>, used: ReadonlySet<number>): void => {
    if (found.length >= maxAssignments * 4) return
    if (at === viewLeaves.length) {
      if (taken.size > 0) found.push(new Map(taken))
      return
    }
    for (const leaf of candidates[at]!) {
      if (used.has(leaf.id)) continue
      extend(at + 1, new Map(taken).set(viewLeaves[at]!.id, leaf), new Set(used).add(leaf.id))
    }
    if (optional.has(viewLeaves[at]!.id)) extend(at + 1, taken, used)
  }
  extend(0, fixed, new Set())
  return found.sort((a, b) => b.size - a.size).slice(0, maxAssignments)
}
