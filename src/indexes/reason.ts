import type { Candidate } from "./draft.ts"

/** Why an index is proposed, in a sentence or three. */
export function reasonFor(
  candidate: Candidate,
  checks: boolean,
  onlyChecks: boolean,
  costs: { costBefore: number; costAfter: number } | null,
): string {
  const { draft } = candidate
  const columns = draft.keys.map((key) => key.text).join(", ")
  const check = `deleting or re-keying the rows that ${candidate.table} refers to looks here for references by ${columns}`
  const served = onlyChecks ? [] : withoutParts(draft.clauses).slice(0, 3)
  const what = [...(served.length > 0 ? [`it serves ${served.join(", and ")}`] : []), ...(checks ? [check] : [])].join("; ")
  const covering = candidate.include.length > 0 ? " The included columns let the index answer alone." : ""
  const partial = candidate.where === null ? "" : ` It holds only rows where ${candidate.where}, the rare side.`
  const gain =
    costs === null || costs.costAfter <= 0
      ? ""
      : ` The planner's cost falls from ${rounded(costs.costBefore)} to ${rounded(costs.costAfter)}.`
  return `${what[0]?.toUpperCase()}${what.slice(1)}.${covering}${partial}${gain}`
}

/** Clauses that no other clause says in full. */
function withoutParts(clauses: readonly string[]): string[] {
  const condition = (clause: string): string => clause.replace(/^[A-Z ]+ /, "")
  return clauses.filter((clause) => !clauses.some((other) => other.length > clause.length && other.includes(condition(clause))))
}

function rounded(cost: number): string {
  return cost >= 100 ? String(Math.round(cost)) : cost.toFixed(1)
}
