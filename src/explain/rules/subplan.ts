import { child, executed, type Facts, isHashed, loopsOf, rowsOf, subtree, text, texts, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, type Observation, percent, type Rule, savingBelow } from "./rule.ts"

/** The text of the condition in which a SubPlan is used, and whether it stands under a NOT. */
function negated(node: PlanNode, facts: Facts): boolean {
  const parent = facts.parentOf.get(node)
  if (parent === undefined || node.subplan === null) return false
  const mark = node.subplan
  return ["Filter", "Join Filter", "One-Time Filter"].some((field) =>
    texts(parent, field).some((condition) => {
      const at = condition.indexOf(mark)
      if (at === -1) return false
      // 16 and earlier: (NOT (SubPlan 1)); from 17: (NOT (ANY (a = (SubPlan 1).col1))). NOT EXISTS says so by its name from 17 on.
      const before = condition.slice(0, at)
      return /NOT \((ANY \([^()]*(\([^()]*\)[^()]*)*)?\(?$/.test(before) && !/EXISTS\($/.test(before)
    }),
  )
}

/** A SubPlan that is the same for every row: it uses nothing of the row, so its rows are kept and gone through. */
function keepsItsRows(node: PlanNode): boolean {
  return node.type === "Materialize"
}

/** How often a SubPlan runs, where it runs often and is not hashed; null for any other node. */
function repeated(node: PlanNode, facts: Facts): number | null {
  if (node.relationship !== "SubPlan" || node.subplan?.startsWith("CTE ") || isHashed(node, facts)) return null
  const parent = facts.parentOf.get(node)!
  const runs = facts.analyzed ? loopsOf(node) : (child(parent, "Outer")?.planRows ?? parent.planRows ?? 0)
  return runs >= (facts.analyzed ? 100 : 1000) ? runs : null
}

const notInSubplan: Rule = {
  id: "not_in_subplan",
  needs: "plan",
  types: "any",
  advice:
    "Write NOT EXISTS instead of NOT IN: it can be planned as an anti-join. (With NULLs in the list, NOT IN is never true.) Enough work_mem lets the list be hashed at least.",
  test(node, facts): Observation | null {
    const runs = repeated(node, facts)
    if (runs === null || !negated(node, facts) || !keepsItsRows(node)) return null
    const saving = savingBelow(node, 0.9, facts)
    const rows = facts.analyzed ? rowsOf(subtree(node).at(-1)!) : (node.planRows ?? 0)
    // The comparing itself is done, and timed, in the node that asks.
    const asking = facts.parentOf.get(node)?.exclusive.time ?? 0
    return {
      ms: saving.ms === null ? null : saving.ms + asking * 0.9,
      costPart: saving.costPart,
      message: `NOT IN goes through a list of ${count(rows)} rows for each of ${count(runs)} rows: the list was too large to be hashed.`,
    }
  },
}

const correlatedSubplan: Rule = {
  id: "correlated_subplan",
  needs: "plan",
  types: "any",
  advice:
    "Join instead: group the inner table once and join to it, or use LATERAL with an index on the column that ties the subquery to the row.",
  test(node, facts): Observation | null {
    const runs = repeated(node, facts)
    if (runs === null || keepsItsRows(node)) return null
    const saving = savingBelow(node, 0.9, facts)
    const share = facts.totalTime !== null ? (node.inclusive.time ?? 0) / Math.max(facts.totalTime, 1e-9) : saving.costPart / 0.9
    if (share < 0.1) return null
    return {
      ...saving,
      message: `A subquery runs once for each of ${count(runs)} rows and makes up ${percent(Math.min(1, share))} of the ${facts.timed ? "time" : "cost"}.`,
    }
  },
}

/** Rows that the filter of a CTE Scan throws away, where it keeps few. */
function discarded(scan: PlanNode): number | null {
  if (!executed(scan) || text(scan, "Filter") === null) return null
  const removed = totalOf(scan, "Rows Removed by Filter")
  return removed < 1000 || removed < 10 * rowsOf(scan) ? null : removed
}

interface Reading {
  readonly facts: Facts
  /** How many scans read the WITH query. */
  readonly readers: number
  /** Those of them that throw nearly all of it away. */
  readonly wasteful: readonly PlanNode[]
}

const readings = new WeakMap<PlanNode, Reading>()

/** Each of its scans asks the same of a WITH query. */
function readingOf(producer: PlanNode, facts: Facts): Reading {
  const known = readings.get(producer)
  if (known?.facts === facts) return known
  const scans = facts.readersOf.get(producer)!.filter(executed)
  const reading = { facts, readers: scans.length, wasteful: scans.filter((one) => discarded(one) !== null) }
  readings.set(producer, reading)
  return reading
}

const cteFilter: Rule = {
  id: "cte_materialized_filter",
  needs: "analyze",
  types: ["CTE Scan"],
  advice: "Say NOT MATERIALIZED, or move the condition into the WITH query, so that only the rows needed are made.",
  test(node, facts): Observation | null {
    const removed = discarded(node)
    if (removed === null) return null
    const producer = facts.producerOf.get(node)
    if (producer === undefined || facts.recursive.has(producer)) return null
    const { readers, wasteful } = readingOf(producer, facts)
    if (wasteful[0] !== node || subtree(producer).some((one) => one.type === "ModifyTable")) return null
    const part = removed / (removed + rowsOf(node))
    // Where somebody wants all of its rows, only reading them once more is in vain.
    const made = savingBelow(producer, wasteful.length === readers ? part * 0.9 : 0, facts)
    const read = wasteful.reduce((sum, one) => sum + (one.exclusive.time ?? 0) * part, 0)
    return {
      ms: made.ms === null ? null : made.ms + read,
      costPart: made.costPart,
      message: `The WITH query makes ${count(removed + rowsOf(node))} rows, of which the filter on it keeps ${count(rowsOf(node))}: it was computed in full before it was filtered${wasteful.length === 1 ? "" : `, and read so ${count(wasteful.length)} times`}.`,
    }
  },
}

const aggregates =
  /\b(count|sum|avg|min|max|array_agg|string_agg|json_agg|jsonb_agg|json_object_agg|jsonb_object_agg|bool_and|bool_or|every|bit_and|bit_or|stddev\w*|variance|var_\w+|corr|covar_\w+|regr_\w+|percentile_\w+|mode|rank|xmlagg|range_agg|any_value)\(/i

const lateFilter: Rule = {
  id: "late_filter",
  needs: "analyze",
  types: ["Subquery Scan", "Aggregate", "WindowAgg"],
  advice:
    "Filter before grouping: move the condition into the inner WHERE, or add its columns to PARTITION BY or GROUP BY so that PostgreSQL may move it there.",
  test(node, facts): Observation | null {
    const filter = text(node, "Filter")
    if (filter === null || !executed(node) || (node.type === "Aggregate" && aggregates.test(filter))) return null
    const removed = totalOf(node, "Rows Removed by Filter")
    if (removed < 1000 || removed < 10 * rowsOf(node)) return null
    const part = removed / (removed + rowsOf(node))
    return {
      ...savingBelow(node, part * 0.8, facts),
      message: `${count(removed + rowsOf(node))} rows are computed and then ${percent(part)} of them thrown away by a condition that stands outside.`,
    }
  },
}

export const subplanRules: readonly Rule[] = [notInSubplan, correlatedSubplan, cteFilter, lateFilter]
