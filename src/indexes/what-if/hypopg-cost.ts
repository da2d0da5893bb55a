import type { PlanJsonNode } from "./plan-json.ts"

/** A hypothetical index as it would really be, beside what HypoPG took it for. */
export interface TrueShape {
  /** Levels above the leaves of a btree; null for other methods, which have no descent. */
  readonly height: number | null
  readonly pages: number
  readonly assumedPages: number
  /** Rows of the index. */
  readonly rows: number
}

export interface CostSettings {
  readonly cpuOperatorCost: number
  readonly randomPageCost: number
}

/**
 * What has to be added to the cost of a plan with hypothetical indexes. HypoPG gives its btrees the height -1, so the
 * (height + 1) * 50 * cpu_operator_cost that btcostestimate charges for each descent is missing from every scan; and it does not
 * deduplicate, so a single scan is charged for pages that the index would not have (genericcostestimate).
 */
export function missingCost(root: PlanJsonNode, shapeOf: (index: string) => TrueShape | null, settings: CostSettings): number {
  const each = (node: PlanJsonNode, repeated: boolean): { startup: number; run: number } => {
    const own = node["Index Name"] === undefined ? null : shapeOf(node["Index Name"])
    let startup = own?.height == null ? 0 : (own.height + 1) * 50 * settings.cpuOperatorCost
    let run = 0
    // Repeated scans find their pages cached, and what a filter removed is not in the row count.
    if (own !== null && !repeated && node["Parallel Aware"] !== true && own.rows > 0) {
      const share = Math.min(1, (node["Plan Rows"] ?? 0) / own.rows)
      const pages = Math.ceil(share * own.pages) - Math.ceil(share * own.assumedPages)
      if (node["Node Type"] === "Bitmap Index Scan") startup += pages * settings.randomPageCost
      else run += pages * settings.randomPageCost
    }
    const children = node.Plans ?? []
    for (const [at, child] of children.entries()) {
      const loops = loopsOf(node, child, at, children)
      const below = each(child, repeated || loops > 1)
      startup += below.startup
      run += below.run * loops + below.startup * (loops - 1)
    }
    // A limit pays its child's start in full and the rest in part.
    const input = children[0]?.["Plan Rows"] ?? 0
    if (node["Node Type"] === "Limit" && input > 0) run *= Math.min(1, (node["Plan Rows"] ?? 0) / input)
    return { startup, run }
  }
  const { startup, run } = each(root, false)
  return startup + run
}

/** How often the planner believes a child runs for one run of its parent. */
function loopsOf(node: PlanJsonNode, child: PlanJsonNode, at: number, children: readonly PlanJsonNode[]): number {
  if (child["Parent Relationship"] === "SubPlan") return Math.max(1, node["Plan Rows"] ?? 1)
  if (node["Node Type"] !== "Nested Loop" || at !== 1) return 1
  const outer = children[0]!
  const loops = Math.max(1, outer["Plan Rows"] ?? 1)
  if (child["Node Type"] === "Materialize") return 1
  if (child["Node Type"] !== "Memoize") return loops
  // The share of look-ups that miss the cache shows in what the join pays for each.
  const paid = (node["Total Cost"] - outer["Total Cost"]) / loops
  return Math.max(1, loops * Math.min(1, paid / Math.max(child["Total Cost"], 0.01)))
}
