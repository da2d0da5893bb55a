import type { Finding } from "./analyze.ts"
import { ancestors, type Facts } from "./facts.ts"
import type { PlanIssueId } from "./issue.ts"

/** Where a symptom must stand to be explained by a cause. */
type Place = "same" | "below" | "parent"

interface Explains {
  readonly cause: PlanIssueId
  readonly symptoms: readonly PlanIssueId[]
  /** The symptom's place, seen from the cause. */
  readonly at: readonly Place[]
}

const scans: readonly PlanIssueId[] = [
  "sequential_scan",
  "function_on_column",
  "implicit_cast",
  "leading_wildcard_like",
  "or_across_columns",
]
const inner: readonly PlanIssueId[] = ["nested_loop_inner_seq_scan", "nested_loop_inner_rescan"]

/** What follows from what. Only the cause is told: mending the symptom would leave it, mending it takes the symptom away. */
const explanations: readonly Explains[] = [
  { cause: "nested_loop_inner_seq_scan", symptoms: scans, at: ["same"] },
  { cause: "nested_loop_inner_seq_scan", symptoms: ["join_filter_discards"], at: ["parent"] },
  { cause: "nested_loop_inner_rescan", symptoms: ["join_filter_discards"], at: ["parent"] },
  { cause: "or_across_tables", symptoms: ["join_filter_discards", ...inner, "sequential_scan"], at: ["same", "below"] },
  { cause: "cartesian_join", symptoms: inner, at: ["same", "below"] },
  { cause: "memoize_thrash", symptoms: ["nested_loop_inner_rescan"], at: ["same"] },
  { cause: "correlated_subplan", symptoms: [...scans, ...inner], at: ["same", "below"] },
  { cause: "not_in_subplan", symptoms: [...scans, ...inner, "temp_io"], at: ["same", "below", "parent"] },
  { cause: "large_offset", symptoms: ["sort_for_limit", "sort_spill", "index_low_correlation"], at: ["below"] },
  { cause: "no_partition_pruning", symptoms: [...scans, "row_misestimate"], at: ["below"] },
  { cause: "stale_statistics", symptoms: ["row_misestimate"], at: ["same"] },
  { cause: "toast_reads", symptoms: ["index_low_correlation"], at: ["same"] },
  { cause: "slow_io", symptoms: ["low_cache_hit"], at: ["same"] },
  { cause: "count_distinct_sort", symptoms: ["temp_io"], at: ["same"] },
  ...[...scans, "foreign_filter_local", "cte_materialized_filter", "late_filter", "no_partition_pruning", "cartesian_join"].map(
    (cause) => ({
      cause: cause as PlanIssueId,
      // These conditions are what the planner has no statistics for; their estimate is off because of them.
      symptoms: cause === "sequential_scan" || cause === "or_across_columns" ? [] : (["row_misestimate"] as const),
      at: ["same"] as const,
    }),
  ),
]

/** Findings that no other finding explains. */
export function withoutSymptoms(findings: readonly Finding[], facts: Facts): Finding[] {
  const at = new Map<string, Set<PlanIssueId>>()
  for (const { node, rule } of findings) {
    const ids = at.get(node.path)
    if (ids === undefined) at.set(node.path, new Set([rule.id]))
    else ids.add(rule.id)
  }
  const stands = (path: string | undefined, id: PlanIssueId): boolean => path !== undefined && (at.get(path)?.has(id) ?? false)
  return findings.filter(({ node, rule, seen }) => {
    // Whatever made the estimate wrong: what was planned for it is a matter of its own.
    if (rule.id === "row_misestimate" && seen.severity !== "info") return true
    for (const { cause, symptoms, at: places } of explanations) {
      if (!symptoms.includes(rule.id)) continue
      if (places.includes("same") && stands(node.path, cause)) return false
      if (places.includes("parent") && node.children.some((child) => stands(child.path, cause))) return false
      if (places.includes("below")) for (const above of ancestors(node, facts)) if (stands(above.path, cause)) return false
    }
    return true
  })
}
