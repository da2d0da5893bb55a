import { type Expression, type FunctionCall, walkExpression } from "../../sql/index.ts"
import type { World } from "./world.ts"

/** True for a call that aggregates rows; a window call is none. */
export function isAggregate(expression: Expression, world: World): expression is FunctionCall {
  return expression.kind === "call" && expression.over === null && world.typing.functionOf(expression).chosen.kind === "aggregate"
}

/** True when an aggregate is computed somewhere in it, over the rows of the query it stands in. */
export function hasAggregate(expression: Expression, world: World): boolean {
  return aggregatesIn(expression, world).length > 0
}

/** The aggregates in an expression. */
export function aggregatesIn(expression: Expression, world: World): readonly FunctionCall[] {
  const found: FunctionCall[] = []
  walkExpression(expression, (inner) => {
    if (!isAggregate(inner, world)) return true
    found.push(inner)
    return false
  })
  return found
}
