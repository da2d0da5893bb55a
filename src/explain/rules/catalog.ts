import { relationIn } from "../catalog.ts"
import { executed, rowsOf, totalOf } from "../facts.ts"
import { count, nothingSaved, type Observation, type Rule, tableOf } from "./rule.ts"

/** Autovacuum's own rule for when statistics are due (autovacuum_analyze_scale_factor, autovacuum_analyze_threshold). */
const staleShare = 0.1
const staleRows = 50

const staleStatistics: Rule = {
  id: "stale_statistics",
  needs: "plan",
  types: ["Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"],
  advice: "ANALYZE the table now; if autovacuum does not keep up, lower autovacuum_analyze_scale_factor for it.",
  test(node, facts): Observation | null {
    const table = relationIn(facts.context.catalog, node.relation)
    if (table === null) return null
    const never = table.rows < 0
    const changed = table.modifiedSinceAnalyze ?? 0
    const stale = changed > staleRows + staleShare * Math.max(0, table.rows)
    if (!never && !stale) return null
    // A small table is planned well enough without.
    const read = facts.analyzed ? rowsOf(node) + totalOf(node, "Rows Removed by Filter") : (node.planRows ?? 0)
    if ((facts.analyzed && !executed(node)) || read < 1000) return null
    return {
      ...nothingSaved,
      anyway: true,
      confirmed: true,
      severity: "low",
      message: never
        ? `${tableOf(node)} was never analysed: the planner knows nothing of its contents.`
        : `${count(changed)} rows of ${tableOf(node)} changed since it was last analysed, of about ${count(table.rows)}.`,
    }
  },
}

export const catalogRules: readonly Rule[] = [staleStatistics]
