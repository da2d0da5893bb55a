import { functionsOf, readCondition } from "../condition.ts"
import { ancestors, executed, type Facts, has, rowsOf, text, texts } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, type Observation, type Rule, savingOf } from "./rule.ts"

const joins = new Set(["Nested Loop", "Hash Join", "Merge Join"])
const between = new Set([
  "Sort",
  "Incremental Sort",
  "Gather",
  "Gather Merge",
  "Subquery Scan",
  "Result",
  "Aggregate",
  "Unique",
  "Append",
  "Merge Append",
  "Materialize",
])

/** A node that makes rows distinct without computing anything of the duplicates. Needs VERBOSE for an Aggregate; null: cannot be told. */
function onlyDistinct(node: PlanNode): boolean {
  if (node.type === "Unique") return true
  if (node.type !== "Aggregate" || text(node, "Partial Mode") === "Partial" || !has(node, "Group Key")) return false
  if (!has(node, "Output")) return false
  const keys = new Set(texts(node, "Group Key"))
  return texts(node, "Output").every((output) => keys.has(output) || isKnown(output, keys))
}

/** An output that is a key under another spelling, or a constant: no aggregate. */
function isKnown(output: string, keys: ReadonlySet<string>): boolean {
  const bare = output.replace(/^\((.*)\)$/, "$1")
  for (const key of keys) if (key === bare || key.replace(/^\((.*)\)$/, "$1") === bare) return true
  const pieces = readCondition(output)
  return pieces !== null && functionsOf(pieces).length === 0 && !/[A-Za-z_]\w*\s*\(/.test(output)
}

const handing = new Set(["Sort", "Incremental Sort", "Gather", "Gather Merge"])

/** Where duplicates come in: the source below sorts, gathers and what each process made distinct for itself beforehand. */
function source(node: PlanNode): PlanNode | null {
  let gathered = false
  let at = outerOf(node)
  while (at !== null && (handing.has(at.type) || (gathered && (at.type === "Unique" || at.type === "Aggregate")))) {
    if (at.type.startsWith("Gather")) gathered = true
    at = outerOf(at)
  }
  return at
}

function outerOf(node: PlanNode): PlanNode | null {
  return node.children.find((one) => one.relationship === "Outer") ?? null
}

/** The planner itself makes the inner rows of a semi-join distinct; that is not the statement's doing. */
function belowJoin(node: PlanNode, facts: Facts): boolean {
  for (const above of ancestors(node, facts)) {
    if (joins.has(above.type) || above.type === "Hash") return true
    if (!between.has(above.type)) return false
  }
  return false
}

const distinctAfterFanout: Rule = {
  id: "distinct_after_fanout",
  needs: "analyze",
  types: ["Unique", "Aggregate"],
  advice:
    "The join multiplies rows only to have them merged again: ask with EXISTS (or IN) whether a match exists instead of joining to all matches.",
  test(node, facts): Observation | null {
    if (!executed(node) || !onlyDistinct(node)) return null
    const below = source(node)
    if (below === null || !joins.has(below.type)) return null
    const incoming = rowsOf(below)
    const kept = Math.max(1, rowsOf(node))
    if (incoming < 5 * kept || incoming < 1000) return null
    const own = savingOf(node, 0.9, facts)
    const join = savingOf(below, 1 - kept / incoming, facts)
    return {
      ms: own.ms === null || join.ms === null ? null : own.ms + join.ms,
      costPart: own.costPart + join.costPart,
      message: `A join makes ${count(incoming)} rows, of which ${count(kept)} are distinct: the rest are duplicates that the join itself made.`,
    }
  },
}

const redundantDedup: Rule = {
  id: "redundant_dedup",
  needs: "analyze",
  types: ["Unique", "Aggregate"],
  advice: "Nothing was removed: use UNION ALL instead of UNION, or leave DISTINCT out where a key is selected anyway.",
  test(node, facts): Observation | null {
    if (!executed(node) || !onlyDistinct(node) || belowJoin(node, facts)) return null
    const below = source(node)
    if (below === null) return null
    const incoming = rowsOf(below)
    if (incoming < 1000 || Math.abs(incoming - rowsOf(node)) > 0) return null
    const own = savingOf(node, 1, facts)
    // Sorting was only done to find the duplicates.
    const sorting = node.children.find((one) => one.type === "Sort")
    const sorted = sorting === undefined || node.type !== "Unique" ? { ms: 0, costPart: 0 } : savingOf(sorting, 1, facts)
    return {
      ms: own.ms === null || sorted.ms === null ? null : own.ms + sorted.ms,
      costPart: own.costPart + sorted.costPart,
      message: `${count(incoming)} rows are compared to remove duplicates, and there are none.`,
    }
  },
}

const ordered = /\b\w+\((DISTINCT\b|[^()]*(\([^()]*\)[^()]*)*\bORDER BY\b)/

const countDistinctSort: Rule = {
  id: "count_distinct_sort",
  needs: "plan",
  types: ["Aggregate"],
  advice:
    "Count in two steps: group by the column in a subquery, then count its rows, which can hash; or use an approximate count (the hll extension).",
  test(node, facts): Observation | null {
    const strategy = text(node, "Strategy")
    if (strategy !== "Plain" && strategy !== "Sorted") return null
    if (!texts(node, "Output").some((output) => ordered.test(output))) return null
    // From 16 on the rows may come sorted from a node below; before, and for several such aggregates, the aggregate sorts by itself.
    const sorting = node.children.find((one) => one.type === "Sort" || one.type === "Incremental Sort")
    const own = savingOf(node, 0.6, facts)
    const sorted = sorting === undefined ? { ms: 0, costPart: 0 } : savingOf(sorting, 0.8, facts)
    const rows = node.children.reduce((sum, below) => sum + (facts.analyzed ? rowsOf(below) : (below.planRows ?? 0)), 0)
    if (rows < 10_000) return null
    return {
      ms: own.ms === null || sorted.ms === null ? null : (sorting === undefined ? own.ms : 0) + sorted.ms,
      costPart: (sorting === undefined ? own.costPart : 0) + sorted.costPart,
      message: `${count(rows)} rows are sorted for an aggregate over distinct or ordered values, which cannot be hashed.`,
    }
  },
}

export const aggregateRules: readonly Rule[] = [distinctAfterFanout, redundantDedup, countDistinctSort]
