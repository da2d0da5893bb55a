import { conjunctsOf } from "../condition.ts"
import { ancestors, executed, type Facts, limitAbove, rowsOf, text } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, nothingSaved, type Observation, type Rule, tableOf } from "./rule.ts"

/** Estimates within a factor of ten seldom change a plan; of a handful of rows, never. */
const factorFloor = 10
const rowFloor = 100

export interface Misestimate {
  readonly planned: number
  readonly actual: number
  readonly factor: number
  readonly under: boolean
}

/** Planned against actual rows of one loop, where they are far apart and both mean the same. */
export function misestimateOf(node: PlanNode, facts: Facts): Misestimate | null {
  if (!executed(node) || node.planRows === null || !comparable(node, facts)) return null
  // Whole rows before 18: none on average may be nearly one in two.
  const actual = Math.max(node.actual!.rows, 0.5)
  const planned = Math.max(node.planRows, 0.5)
  const factor = Math.max(actual / planned, planned / actual)
  if (factor < factorFloor || Math.max(actual, planned) < rowFloor) return null
  return { planned: node.planRows, actual: node.actual!.rows, factor, under: actual > planned }
}

/** Whether the node ran to its end and counts rows as the planner does. */
function comparable(node: PlanNode, facts: Facts): boolean {
  if (node.type !== "Recursive Union" && facts.recursive.has(node)) return false
  if (node.type === "CTE Scan") {
    const producer = facts.producerOf.get(node)
    // Without a filter it gives what the WITH query made, which is judged there.
    if (producer !== undefined && (text(node, "Filter") === null || facts.recursive.has(producer))) return false
  }
  if (node.type === "Memoize" || node.type === "BitmapAnd" || node.type === "BitmapOr" || node.type === "ModifyTable")
    return false
  if (node.type === "Bitmap Index Scan") {
    const parent = facts.parentOf.get(node)
    if (parent?.type === "BitmapAnd" || parent?.type === "BitmapOr") return false
  }
  if (node.type === "Hash" || node.type === "Materialize" || node.type === "Sort") {
    // These hand on what they got: the difference is their child's.
    return (node.actual?.rows ?? 0) <= (node.planRows ?? 0) && mayStopEarly(node, facts) ? false : node.children.length > 0
  }
  return !mayStopEarly(node, facts)
}

/** Fewer rows than planned prove nothing where the node above may have stopped asking. */
function mayStopEarly(node: PlanNode, facts: Facts): boolean {
  if ((node.actual?.rows ?? 0) >= (node.planRows ?? 0)) return false
  if (limitAbove(node, facts) !== null) return true
  let below = node
  for (const above of ancestors(node, facts)) {
    if (above.type === "Merge Join") return true
    const joinType = text(above, "Join Type")
    if (below.relationship === "Inner" && (joinType === "Semi" || joinType === "Anti")) return true
    if (below.relationship === "Inner" && above.type === "Nested Loop" && above.raw["Inner Unique"] === true) return true
    if (below.relationship === "SubPlan" || below.relationship === "InitPlan") return !below.subplan?.startsWith("CTE ")
    if (above.type === "Limit") return true
    if (below.type === "Hash" || below.type === "Sort" || below.type === "Aggregate") return false
    below = above
  }
  return false
}

/** The misestimate begins here: no child is off as well, in the same direction. */
function isOrigin(node: PlanNode, own: Misestimate, facts: Facts): boolean {
  const producer = facts.producerOf.get(node)
  const stack = producer === undefined ? [...node.children] : [producer]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const below = misestimateOf(next, facts)
    if (below !== null && below.under === own.under) return false
    if (below === null && comparable(next, facts) && executed(next) && !isTransparent(next)) continue
    stack.push(...next.children)
  }
  return true
}

const transparent = new Set([
  "Hash",
  "Materialize",
  "Sort",
  "Memoize",
  "Bitmap Index Scan",
  "BitmapAnd",
  "BitmapOr",
  "Gather",
  "Gather Merge",
  "Result",
  "Subquery Scan",
])

function isTransparent(node: PlanNode): boolean {
  return transparent.has(node.type)
}

function conditionsOf(node: PlanNode): number {
  return ["Filter", "Index Cond", "Recheck Cond", "Join Filter"].reduce((sum, field) => {
    const condition = text(node, field)
    return sum + (condition === null ? 0 : conjunctsOf(condition).length)
  }, 0)
}

const rowMisestimate: Rule = {
  id: "row_misestimate",
  needs: "analyze",
  types: "any",
  advice:
    "ANALYZE the table; where several columns depend on each other, CREATE STATISTICS (dependencies, mcv, ndistinct) on them; for a skewed column raise its statistics target.",
  test(node, facts): Observation | null {
    if (node.type === "Function Scan" || node.type === "ProjectSet") return null
    const off = misestimateOf(node, facts)
    if (off === null || !isOrigin(node, off, facts)) return null
    const several = conditionsOf(node) > 1
    return {
      ...nothingSaved,
      anyway: true,
      severity: severityOf(node, off, facts),
      message: `${node.type}${node.relation === null ? "" : ` on ${tableOf(node)}`} was expected to give ${count(off.planned)} rows and gave ${count(off.actual)} (${count(off.factor)} times ${off.under ? "more" : "fewer"})${several ? "; it has several conditions, which the planner takes to be independent" : ""}. Everything above was planned for the wrong number.`,
    }
  },
}

/** Too few rows expected leads to nested loops and tables that do not fit; too many only to a cautious plan. */
function severityOf(node: PlanNode, off: Misestimate, facts: Facts): "medium" | "low" | "info" {
  const rows = rowsOf(node)
  // No statistics tell how often a recursion goes round.
  if (node.type === "Recursive Union") return "info"
  // A short statement has nothing to lose by its plan.
  if (facts.totalTime !== null && facts.totalTime < 10) return "info"
  if (off.under) return rows >= 10_000 && off.factor >= 100 ? "medium" : rows >= 1000 ? "low" : "info"
  const joined = [...ancestors(node, facts)].some((one) => one.type.includes("Join") || one.type === "Nested Loop")
  return joined && off.factor >= 100 && off.planned >= 10_000 ? "low" : "info"
}

const functionScanEstimate: Rule = {
  id: "function_scan_estimate",
  needs: "analyze",
  types: ["Function Scan"],
  advice:
    "Declare the function with ROWS, give it a support function, or put its result into a temporary table and ANALYZE that.",
  test(node, facts): Observation | null {
    const off = misestimateOf(node, facts)
    if (off === null) return null
    return {
      ...nothingSaved,
      anyway: true,
      severity: off.under && rowsOf(node) >= 10_000 ? "medium" : "low",
      message: `The function ${tableOf(node)} was expected to give ${count(off.planned)} rows and gave ${count(off.actual)}: the planner does not look inside functions and takes their declared number.`,
    }
  },
}

export const estimateRules: readonly Rule[] = [rowMisestimate, functionScanEstimate]
