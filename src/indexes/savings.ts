import type { Candidate } from "./draft.ts"
import type { Pricer } from "./pricing.ts"
import type { AdvisedStatement } from "./workload.ts"

/**
 * What each index saves of the workload's cost. Where a plan uses several, what it saves is shared out by what it would lose without
 * each of them.
 */
export async function savingsOf(
  statements: readonly AdvisedStatement[],
  chosen: readonly Candidate[],
  pricer: Pricer,
): Promise<ReadonlyMap<string, number>> {
  const savings = new Map<string, number>()
  for (const statement of statements) {
    const after = await pricer.price(statement, chosen)
    const used = chosen.filter((candidate) => after.used.has(candidate.id))
    const saved = statement.calls * ((await pricer.cost(statement, [])) - after.cost)
    const losses = new Map<string, number>()
    for (const candidate of used) {
      const rest = chosen.filter((other) => other !== candidate)
      losses.set(candidate.id, Math.max(0, (await pricer.cost(statement, rest)) - after.cost))
    }
    const sum = [...losses.values()].reduce((total, loss) => total + loss, 0)
    for (const [id, loss] of losses) {
      const part = sum > 0 ? loss / sum : 1 / losses.size
      savings.set(id, (savings.get(id) ?? 0) + saved * part)
    }
  }
  return savings
}
