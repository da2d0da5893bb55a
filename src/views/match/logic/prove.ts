import { consistent } from "./consistent.ts"
import { all, type Formula, type Junction, type Literal } from "./formula.ts"

/** Most cases looked at in one proof; beyond them a proof counts as not found. */
const maxCases = 400

/** True when no row satisfies all formulas: proved by looking at every case. False where that was not found in time. */
export function contradictory(formulas: readonly Formula[]): boolean {
  const budget = { cases: maxCases }
  const parts = all(formulas)
  return refuted([], parts.kind === "and" ? parts.parts : [parts], budget)
}

function refuted(literals: readonly Literal[], pending: readonly Formula[], budget: { cases: number }): boolean {
  const known = [...literals]
  const choices: Junction[] = []
  for (const part of pending.flatMap(conjuncts)) {
    if (part.kind === "fixed") {
      if (!part.value) return true
    } else if ("parts" in part) choices.push(part)
    else known.push(part)
  }
  if (!consistent(known)) return true
  if (choices.length === 0) return false
  // The choice with the fewest ways first: it splits into the fewest cases.
  const [choice, ...rest] = [...choices].sort((a, b) => a.parts.length - b.parts.length)
  for (const part of choice!.parts) {
    budget.cases -= 1
    if (budget.cases < 0) return false
    if (!refuted(known, [part, ...rest], budget)) return false
  }
  return true
}

function conjuncts(part: Formula): readonly Formula[] {
  return part.kind === "and" ? part.parts.flatMap(conjuncts) : [part]
}
