import { columnsOf, functionsOf, readCondition } from "../condition.ts"
import { ancestors, child, executed, type Facts, loopsOf, rowsOf, texts } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, type Observation, type Rule, savingBelow, savingOf } from "./rule.ts"

/** Rows that a Limit passes over: EXPLAIN does not print the OFFSET, but its child gave them. */
function offsetOf(limit: PlanNode, facts: Facts): { skipped: number; kept: number; part: number } | null {
  const below =
    child(limit, "Outer") ??
    limit.children.find((one) => one.relationship !== "InitPlan" && one.relationship !== "SubPlan") ??
    null
  if (below === null) return null
  if (facts.analyzed) {
    if (!executed(limit) || !executed(below)) return null
    const kept = rowsOf(limit) / loopsOf(limit)
    const skipped = rowsOf(below) / loopsOf(limit) - kept
    if (skipped < 1000 || skipped < 10 * kept) return null
    return { skipped, kept, part: skipped / (skipped + kept) }
  }
  // A Limit's startup cost is that of the rows it passes over.
  const start = below.startupCost ?? 0
  const run = (below.totalCost ?? 0) - start
  if (run <= 0) return null
  const skipped = Math.min(1, Math.max(0, ((limit.startupCost ?? 0) - start) / run)) * (below.planRows ?? 0)
  const kept = Math.max(1, limit.planRows ?? 1)
  if (skipped < 1000 || skipped < 10 * kept) return null
  return { skipped, kept, part: skipped / (skipped + kept) }
}

const largeOffset: Rule = {
  id: "large_offset",
  needs: "plan",
  types: ["Limit"],
  advice:
    "Page by key instead: remember the last row's sort values and ask for the rows after them (WHERE (a, b) > (…) ORDER BY a, b LIMIT n), with an index on them.",
  test(node, facts): Observation | null {
    const offset = offsetOf(node, facts)
    if (offset === null) return null
    return {
      ...savingBelow(node, offset.part * 0.9, facts),
      message: `${count(offset.skipped)} rows are made only to be passed over by OFFSET; ${count(offset.kept)} are returned.`,
    }
  },
}

const minimumSorted = 100_000

const sortForLimit: Rule = {
  id: "sort_for_limit",
  needs: "plan",
  types: ["Sort"],
  advice:
    "Index the sort key, in its direction and after the columns that the filter compares by equality: the first rows are then read directly.",
  test(node, facts): Observation | null {
    const limit = limitOver(node, facts)
    const below = child(node, "Outer")
    if (limit === null || below === null || offsetOf(limit, facts) !== null) return null
    const sorted = facts.analyzed ? rowsOf(below) : (below.planRows ?? 0)
    const kept = facts.analyzed ? Math.max(1, rowsOf(limit)) : Math.max(1, limit.planRows ?? 1)
    if (sorted < minimumSorted || sorted < 100 * kept || !indexable(node, below)) return null
    const own = savingOf(node, 1, facts)
    const scanned = savingBelow(below, 0.9, facts)
    return {
      ms: own.ms === null || scanned.ms === null ? null : own.ms + scanned.ms,
      costPart: own.costPart + scanned.costPart,
      message: `${count(sorted)} rows are read and sorted to return the first ${count(kept)}.`,
    }
  },
}

function limitOver(sort: PlanNode, facts: Facts): PlanNode | null {
  for (const above of ancestors(sort, facts)) {
    if (above.type === "Limit") return above
    if (above.type !== "Gather Merge" && above.type !== "Result" && above.type !== "LockRows" && above.type !== "Subquery Scan")
      return null
  }
  return null
}

const reading = new Set([
  "Seq Scan",
  "Index Scan",
  "Index Only Scan",
  "Bitmap Heap Scan",
  "Append",
  "Result",
  "Subquery Scan",
  "Nested Loop",
  "Hash Join",
  "Merge Join",
])

/** The order could come from an index: the keys are columns of tables, not results of grouping or windows. */
function indexable(sort: PlanNode, below: PlanNode): boolean {
  let at: PlanNode | null = below
  while (at !== null && reading.has(at.type)) {
    if (at.type.endsWith("Scan") && at.type !== "Subquery Scan") break
    at = child(at, "Outer") ?? at.children[0] ?? null
  }
  if (at === null || !reading.has(at.type)) return false
  return texts(sort, "Sort Key").every((key) => {
    const pieces = readCondition(key.replace(/ (DESC|ASC)?( ?NULLS (FIRST|LAST))?$/, ""))
    if (pieces === null || columnsOf(pieces).length === 0) return false
    return !functionsOf(pieces).some((name) => ["count", "sum", "avg", "min", "max", "random"].includes(name))
  })
}

export const limitRules: readonly Rule[] = [largeOffset, sortForLimit]
