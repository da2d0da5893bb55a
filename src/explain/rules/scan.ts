import { comparisonOf, conjunctsOf, wrappingOf } from "../condition.ts"
import { child, executed, type Facts, has, limitAbove, ownBlocks, rowsOf, text, totalOf } from "../facts.ts"
import type { PlanIssueId } from "../issue.ts"
import type { PlanNode } from "../plan.ts"
import { savedByIndex } from "../pricing.ts"
import { type FilterReading, readFilter, removedByFilter } from "./filter.ts"
import { count, type Observation, percent, type Rule, savingOf, tableOf } from "./rule.ts"

/** Below this an index saves too little of a scan to be worth keeping: half of what the planner would charge. */
const worthwhile = 0.5
/** A scan that keeps more than a tenth of what it reads is no search. */
const minimumThrown = 0.9
/** A scan smaller than both is quick whatever it does. */
const minimumRemoved = 10_000
const minimumBlocks = 500
/** The same, in cost, for plans that were not run: about 45,000 rows. */
const minimumCost = 1000

export interface ScanReading {
  readonly filter: FilterReading
  /** Part of the scan that an index would save. */
  readonly part: number
  readonly removed: number
  readonly visited: number
  readonly message: string
}

/** A sequential scan that throws nearly everything away; null where reading all of it was the right thing to do. */
export function readScan(node: PlanNode, facts: Facts): ScanReading | null {
  const known = readings.get(node)
  if (known !== undefined && known.facts === facts) return known.reading
  const reading = read(node, facts)
  readings.set(node, { facts, reading })
  return reading
}

/** Five rules ask the same of every scan. */
const readings = new WeakMap<PlanNode, { readonly facts: Facts; readonly reading: ScanReading | null }>()

function read(node: PlanNode, facts: Facts): ScanReading | null {
  if (node.relation === null) return null
  // An index that is read without a condition is scanned too; one that is read for its order ends when there are rows enough.
  if (node.type !== "Seq Scan" && (text(node, "Index Cond") !== null || limitAbove(node, facts) !== null)) return null
  const filter = text(node, "Filter")
  if (!facts.analyzed) return filter === null ? null : readPlannedScan(node, filter, facts)
  if (!executed(node)) return null
  const loops = Math.max(1, node.actual!.loops / node.participants)
  const removed = removedByFilter(node)
  const visited = rowsOf(node) + totalOf(node, "Rows Removed by Filter")
  // What an index would have found: of a filter that also asks a subquery, more than what was kept.
  const found = visited - removed
  const blocks = has(node, "Shared Hit Blocks") ? ownBlocks(node) : pagesByCost(node, facts) * loops
  if (visited < minimumRemoved && blocks < minimumBlocks) return null
  const table = { rows: visited / loops, pages: blocks / loops }
  if (filter === null || removed < minimumThrown * visited) return readJoinedScan(node, table, facts)
  if (removed < minimumRemoved && blocks < minimumBlocks) return null
  const conjuncts = conjunctsOf(filter)
  const conditions = Math.max(1, conjuncts.length)
  const part = savedByIndex({ ...table, found: found / loops }, facts.cost, conditions)
  if (part < worthwhile) return readJoinedScan(node, table, facts)
  const reading = readFilter(node, facts)
  if (reading === null) return null
  return {
    filter: reading,
    part,
    removed,
    visited,
    message: `reads ${count(visited)} rows of ${tableOf(node)} and throws away ${percent(removed / Math.max(1, visited))} of them`,
  }
}

/**
 * A table read in full to be probed against a few hashed rows, nearly all of it in vain: with an index on the join's column those few
 * rows would have been looked up.
 */
function readJoinedScan(node: PlanNode, table: { rows: number; pages: number }, facts: Facts): ScanReading | null {
  const join = facts.parentOf.get(node)
  const kind = join === undefined ? null : text(join, "Join Type")
  if (join?.type !== "Hash Join" || node.relationship !== "Outer" || (kind !== "Inner" && kind !== "Right")) return null
  const hashed = child(join, "Inner")
  if (hashed === null || !executed(hashed) || join.actual!.loops !== node.actual!.loops) return null
  const probes = hashed.actual!.rows
  const found = rowsOf(join) + totalOf(join, "Rows Removed by Join Filter")
  const columns = joinedColumns(text(join, "Hash Cond") ?? "", node)
  if (columns.length === 0) return null
  const part = savedByIndex({ ...table, found }, facts.cost, 1, probes)
  if (part < worthwhile) return null
  return {
    filter: { kind: "plain", columns, type: null },
    part,
    removed: table.rows,
    visited: table.rows,
    message: `reads ${count(table.rows)} rows of ${tableOf(node)} to find the ${count(found)} that belong to ${count(probes)} others`,
  }
}

/** Columns of the scanned relation that the join compares as they are. */
function joinedColumns(condition: string, node: PlanNode): string[] {
  const own = node.relation!.alias ?? node.relation!.name
  return conjunctsOf(condition).flatMap((conjunct) => {
    const comparison = comparisonOf(conjunct)
    if (comparison === null || comparison.operator !== "=") return []
    for (const side of [comparison.left, comparison.right]) {
      const used = wrappingOf(side)
      if (used?.wrapping.kind === "bare" && used.columns[0]!.qualifier?.replaceAll('"', "") === own)
        return [used.columns[0]!.name]
    }
    return []
  })
}

function readPlannedScan(node: PlanNode, filter: string, facts: Facts): ScanReading | null {
  const price = node.inclusive.cost ?? 0
  const once = node.totalCost ?? 0
  if (once < minimumCost) return null
  const conjuncts = conjunctsOf(filter)
  const conditions = Math.max(1, conjuncts.length)
  // Only their product is known: a page holds about a hundred rows.
  const perRow = facts.cost.seqPage / 100 + facts.cost.cpuTuple + conditions * facts.cost.cpuOperator
  const rows = once / perRow
  const found = node.planRows ?? 0
  const part = savedByIndex({ rows, pages: rows / 100, found }, facts.cost, conditions)
  const reading = readFilter(node, facts)
  if (part < worthwhile || found > (1 - minimumThrown) * rows || reading === null) return null
  return {
    filter: reading,
    part,
    removed: rows,
    visited: rows,
    message: `is expected to keep ${count(found)} rows of all that it reads of ${tableOf(node)} (cost ${count(price)})`,
  }
}

/** Pages of a table as the planner charged for them: an upper bound. */
export function pagesByCost(node: PlanNode, facts: Facts): number {
  return Math.max(1, (node.totalCost ?? 0) / facts.cost.seqPage)
}

function scanRule(
  id: PlanIssueId,
  kinds: readonly FilterReading["kind"][],
  advice: string,
  what: (reading: FilterReading) => string,
): Rule {
  return {
    id,
    needs: "plan",
    types: ["Seq Scan", "Index Scan", "Index Only Scan"],
    advice,
    test(node, facts): Observation | null {
      const reading = readScan(node, facts)
      if (reading === null || !kinds.includes(reading.filter.kind)) return null
      // An index that is read from end to end, and could be searched for what the filter asks, wants other columns.
      if (node.type !== "Seq Scan" && reading.filter.kind === "plain") return null
      return {
        ...savingOf(node, reading.part, facts),
        columns: reading.filter.columns,
        message: `The scan ${reading.message}${what(reading.filter)}.`,
      }
    },
  }
}

export const scanRules: readonly Rule[] = [
  scanRule(
    "sequential_scan",
    ["plain"],
    "Index the filter's columns, those compared by equality first, then one compared by range; build it CONCURRENTLY. A condition that is always the same belongs in the index's WHERE.",
    (filter) => (filter.columns.length > 0 ? `, by ${filter.columns.join(", ")}` : ""),
  ),
  scanRule(
    "function_on_column",
    ["function_on_column"],
    "Index the expression itself, or rewrite the condition so that the column stands alone: a range instead of date_trunc or extract, a stored lower-case column or a case-insensitive type instead of lower().",
    (filter) =>
      `; the filter computes something from ${filter.columns.join(", ")} first, which an index on the column cannot serve`,
  ),
  scanRule(
    "implicit_cast",
    ["implicit_cast"],
    "Give the parameter the column's own type (cast the parameter, not the column), or correct the column's type.",
    (filter) =>
      `; ${filter.columns.join(", ")} is cast to ${filter.type} for the comparison, which an index on the column cannot serve`,
  ),
  scanRule(
    "leading_wildcard_like",
    ["leading_wildcard_like"],
    "Build a trigram index (GIN with gin_trgm_ops, extension pg_trgm) or search words with full-text search; for fixed endings index reverse(column).",
    (filter) =>
      `; the pattern on ${filter.columns.join(", ")} has no fixed beginning, or ignores case, so no ordered index can narrow it`,
  ),
  scanRule(
    "or_across_columns",
    ["or_across_columns"],
    "Index each of the columns, so that a BitmapOr can join them, or write the alternatives as queries joined by UNION.",
    (filter) => `; the alternatives name different columns (${filter.columns.join(", ")}) and each needs an index of its own`,
  ),
]
