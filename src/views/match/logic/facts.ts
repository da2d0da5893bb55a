import type { Expression } from "../../../sql/index.ts"
import { isNull, whenNotTrue, whenTrue } from "./conditions.ts"
import type { Formula } from "./formula.ts"
import { contradictory } from "./prove.ts"
import type { Knowledge } from "./side.ts"

/** Conditions known to be TRUE, and what follows from them. Every answer "true" is proved; "false" may only mean that no proof was found. */
export interface Facts {
  readonly conditions: readonly Expression[]
  readonly knowledge: Knowledge
  implies(condition: Expression): boolean
  impliesNotNull(expression: Expression): boolean
  /** True when no row can meet the conditions, together with these further ones. */
  impossible(...further: readonly Expression[]): boolean
  with(further: readonly Expression[]): Facts
  /** Other conditions, under the same circumstances. */
  among(conditions: readonly Expression[]): Facts
}

export function factsOf(conditions: readonly Expression[], knowledge: Knowledge): Facts {
  let formulas: readonly Formula[] | null = null
  const known = (): readonly Formula[] => {
    formulas ??= conditions.map((condition) => whenTrue(condition, knowledge))
    return formulas
  }
  return {
    conditions,
    knowledge,
    implies: (condition) => contradictory([...known(), whenNotTrue(condition, knowledge)]),
    impliesNotNull: (expression) => contradictory([...known(), isNull(expression, true, knowledge)]),
    impossible: (...further) => contradictory([...known(), ...further.map((condition) => whenTrue(condition, knowledge))]),
    with: (further) => factsOf([...conditions, ...further], knowledge),
    among: (others) => factsOf(others, knowledge),
  }
}
