import { executed, type Facts, rowsOf, text, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, type Observation, percent, type Rule, savingOf, tableOf } from "./rule.ts"

const foreignFilterLocal: Rule = {
  id: "foreign_filter_local",
  needs: "plan",
  types: ["Foreign Scan"],
  advice:
    "Let the other server filter: use only built-in operators and functions (or list the extension in the server's `extensions` option), mark your own functions IMMUTABLE, and set use_remote_estimate so that the gain is seen.",
  test(node: PlanNode, facts: Facts): Observation | null {
    if (text(node, "Filter") === null) return null
    const remote = text(node, "Remote SQL")
    const whole = remote !== null && !/\bWHERE\b/i.test(remote)
    if (facts.analyzed) {
      const removed = totalOf(node, "Rows Removed by Filter")
      const kept = rowsOf(node)
      if (!executed(node) || removed < 1000 || removed < 10 * kept) return null
      const part = removed / (removed + kept)
      return {
        ...savingOf(node, part, facts),
        message: `${count(removed + kept)} rows of ${tableOf(node)} were fetched from another server${whole ? ", which was asked for the whole table" : ""}, and ${percent(part)} of them thrown away here.`,
      }
    }
    if (!whole || (node.totalCost ?? 0) < 1000) return null
    return {
      ...savingOf(node, 0.5, facts),
      message: `All of ${tableOf(node)} will be fetched from another server and filtered here: the filter cannot be sent.`,
    }
  },
}

export const foreignRules: readonly Rule[] = [foreignFilterLocal]
