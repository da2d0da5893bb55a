import { executed, has, rowsOf, text } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { readFilter } from "./filter.ts"
import { count, type Observation, type Rule } from "./rule.ts"

const fewest = 8

/** The scan of one partition: the member itself, or what is below a wrapper. */
function scanOf(member: PlanNode): PlanNode | null {
  let at: PlanNode | undefined = member
  while (at !== undefined && at.relation === null) at = at.children.length === 1 ? at.children[0] : undefined
  return at ?? null
}

/** Partitions of one table are given aliases that count up: p_1, p_2, … */
function family(scan: PlanNode): string | null {
  const match = /^(.*)_\d+$/.exec(scan.relation?.alias ?? "")
  return match === null ? null : match[1]!
}

const noPartitionPruning: Rule = {
  id: "no_partition_pruning",
  needs: "plan",
  types: ["Append", "Merge Append"],
  advice:
    "Compare the partition key itself, not something computed from it, with a constant or parameter of its own type: then partitions that cannot match are not even opened.",
  test(node, facts): Observation | null {
    const members = node.children.filter((child) => child.relationship === "Member")
    if (members.length < fewest || (has(node, "Subplans Removed") && node.raw["Subplans Removed"] !== 0)) return null
    const scans = members.map(scanOf).filter((scan): scan is PlanNode => scan !== null)
    const families = new Set(scans.map(family))
    if (scans.length < fewest || families.size !== 1 || families.has(null)) return null
    const computed = scans.filter((scan) => {
      const kind = text(scan, "Filter") === null ? "plain" : readFilter(scan, facts)?.kind
      return kind === "function_on_column" || kind === "implicit_cast"
    })
    if (computed.length < 0.75 * scans.length) return null
    const ran = scans.filter(executed)
    const empty = facts.analyzed ? ran.filter((scan) => rowsOf(scan) === 0) : scans.slice(1)
    if (facts.analyzed && (ran.length < fewest || empty.length < 0.75 * ran.length)) return null
    return {
      ms: facts.timed ? empty.reduce((sum, scan) => sum + (scan.inclusive.time ?? 0), 0) : null,
      costPart: empty.reduce((sum, scan) => sum + (scan.inclusive.cost ?? 0), 0) / Math.max(1, facts.totalCost),
      columns: readFilter(computed[0]!, facts)?.columns,
      message: facts.analyzed
        ? `${count(ran.length)} partitions were read, and ${count(empty.length)} of them held nothing: the condition computes something from the partition key, so none could be left out.`
        : `All ${count(scans.length)} partitions will be read: the condition computes something from the partition key, so none can be left out.`,
    }
  },
}

export const partitionRules: readonly Rule[] = [noPartitionPruning]
