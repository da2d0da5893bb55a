import { isSelectoError } from "../errors.ts"
import { isNode, nodesOf } from "../sql/tree.ts"
import type { OrderSide } from "./hint.ts"
import { reorderJoins } from "./join-order.ts"
import type { Mechanism, MechanismContext, Offer } from "./mechanism.ts"

/** The statement in other words that the planner cannot but obey: joins in their order, WITH queries as fences. */
export const rewrite: Mechanism = {
  name: "rewrite",
  offer(hint, context) {
    if (hint.kind === "order") return ordered(hint.list ?? leftDeep(hint.tree!), context)
    if (hint.kind === "cte") return fenced(hint.names, hint.forbid, context)
    return "the statement cannot say it in other words"
  },
}

function ordered(order: readonly string[] | null, context: MechanismContext): Offer | string {
  if (order === null) return "without pg_hint_plan only a left-deep order can be asked for"
  const tree = context.parse()
  const changed = reorderJoins(tree, order)
  if (typeof changed === "string") return changed
  const text = changed ? written(context, tree) : null
  if (text !== null && typeof text !== "string") return text.fault
  return {
    settings: { join_collapse_limit: "1" },
    scope: "statement",
    remark: "the planner still chooses which side of a join is the outer one",
    ...(text === null ? {} : { text }),
  }
}

/** The flat order of a tree whose right sides are all tables. */
function leftDeep(side: OrderSide): string[] | null {
  if (typeof side === "string") return [side]
  const left = leftDeep(side[0])
  return left === null || typeof side[1] !== "string" ? null : [...left, side[1]]
}

function fenced(names: readonly string[], inline: boolean, context: MechanismContext): Offer | string {
  const tree = context.parse()
  let changed = false
  for (const node of nodesOf(tree)) {
    const cte = node.CommonTableExpr
    if (!isNode(cte) || !names.includes(cte.ctename as string)) continue
    const wanted = inline ? "CTEMaterializeNever" : "CTEMaterializeAlways"
    changed ||= cte.ctematerialized !== wanted
    cte.ctematerialized = wanted
  }
  if (!changed) return { scope: "relation", remark: "the statement says so already" }
  const text = written(context, tree)
  return typeof text === "string" ? { text, scope: "relation" } : text.fault
}

function written(context: MechanismContext, tree: Parameters<MechanismContext["write"]>[0]): string | { readonly fault: string } {
  try {
    return context.write(tree)
  } catch (error) {
    if (isSelectoError(error)) return { fault: error.message }
    throw error
  }
}
