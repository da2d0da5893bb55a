import type { Database } from "../database/database.ts"
import { explainStatement } from "../explain/index.ts"

/** The planner's opinion of a query and of the same query over views; in its own cost units. */
export interface Costs {
  readonly base: number
  readonly rewritten: number
}

/** A rewriting has to be expected to cost this share of the query at most: estimates are no better than that. */
export const costMargin = 0.9

/** Asks the planner what both would cost; with values it plans for these, else for any. */
export async function compareCosts(
  database: Database,
  base: string,
  rewritten: string,
  values: readonly unknown[] | null,
  signal: AbortSignal | undefined,
): Promise<Costs> {
  const cost = async (text: string): Promise<number> => {
    const plan = await explainStatement(
      database,
      { text, values: values ?? [] },
      { genericPlan: values === null, signal, timeoutMs: 10_000 },
    )
    return plan.root.totalCost ?? Number.POSITIVE_INFINITY
  }
  return { base: await cost(base), rewritten: await cost(rewritten) }
}

/** True when the rewriting is worth it. */
export function pays(costs: Costs): boolean {
  return costs.rewritten < costs.base * costMargin
}
