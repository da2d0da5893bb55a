import { childrenOf, type Expression } from "../../sql/index.ts"
import { typeIds } from "../../sql/typing/index.ts"
import { equalIsSame } from "./logic/nulls.ts"
import { deterministic } from "./logic/side.ts"
import type { World } from "./world.ts"

/**
 * True when equal values of the expression are the same value. Where they are not (1.0 and 1.00 of a numeric without scale, intervals, text
 * that is compared loosely) a group has one of them for its key, and what is computed from that need not hold for the others.
 */
export function equalMeansSame(expression: Expression, world: World): boolean {
  const { info } = world.typing.typeOf(expression)
  if (info.id === typeIds.numeric) return fixedScale(expression, world)
  if (info.kind === "enum") return true
  return equalIsSame(info.id) && deterministic(expression, world)
}

const wholes: ReadonlySet<number> = new Set([typeIds.smallint, typeIds.integer, typeIds.bigint])

/** True for a numeric whose values all have the same number of digits after the point, or one that depends on such only. */
function fixedScale(expression: Expression, world: World): boolean {
  const type = world.typing.typeOf(expression)
  if (wholes.has(type.info.id) || type.modifier !== null) return true
  switch (expression.kind) {
    case "constant":
      return true
    case "cast":
      return fixedScale(expression.operand, world)
    case "operator":
      return ["+", "-", "*"].includes(expression.name) && childrenOf(expression).every((child) => fixedScale(child, world))
    default:
      return false
  }
}

/** True when the expression would show which of several equal values a key is: anything but the key itself and comparisons with it. */
export function showsWhich(expression: Expression, isLoose: (key: Expression) => boolean): boolean {
  if (isLoose(expression)) return false
  const tainted = (inner: Expression): boolean => {
    if (isLoose(inner)) return true
    if (inner.kind === "in" || inner.kind === "test" || inner.kind === "distinct") return false
    if (inner.kind === "operator" && ["=", "<>", "<", "<=", ">", ">="].includes(inner.name)) return false
    return childrenOf(inner).some(tainted)
  }
  return tainted(expression)
}
