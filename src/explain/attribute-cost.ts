import type { Draft } from "./draft.ts"

/** Up to 17 a forbidden node costs this much more; ranking must see through it. */
const disableCost = 1e10

/** A node's total cost without the surcharge for forbidden nodes. */
export function realCost(cost: number | null): number | null {
  return cost !== null && cost >= disableCost ? cost % disableCost : cost
}

/**
 * Divides the root's cost among the nodes, as often as each is expected to run. PostgreSQL prices one run of a node, so the inner side
 * of a nested loop and a correlated SubPlan are multiplied, and what a Limit or a merge join will not read is left out.
 */
export function attributeCost(drafts: readonly Draft[]): void {
  for (const draft of drafts) {
    const price = realCost(draft.totalCost)
    if (draft.parent === null) draft.inclusiveCost = price
    draft.cost = draft.inclusiveCost
    if (price === null || draft.inclusiveCost === null) continue
    const factor = price === 0 ? 0 : draft.inclusiveCost / price
    const repeats = draft.children.map((child) => repeatsOf(child, draft))
    const once = draft.children.reduce((sum, child, at) => sum + (repeats[at] === 1 ? (realCost(child.totalCost) ?? 0) : 0), 0)
    const many = draft.children.reduce(
      (sum, child, at) => sum + (repeats[at] === 1 ? 0 : (realCost(child.totalCost) ?? 0) * repeats[at]!),
      0,
    )
    const fitOnce = once > price ? price / once : 1
    const room = Math.max(0, price - once)
    const fitMany = many > room ? room / Math.max(many, 1e-9) : 1
    for (const [at, child] of draft.children.entries()) {
      const own = realCost(child.totalCost)
      if (own === null) continue
      child.inclusiveCost = own * factor * (repeats[at] === 1 ? fitOnce : repeats[at]! * fitMany)
      draft.cost! -= child.inclusiveCost
    }
    if (draft.cost! < 0) draft.cost = 0
  }
}

/** How often a child is expected to run for one run of its parent. */
export function repeatsOf(child: Draft, parent: Draft): number {
  if (child.relationship === "Inner" && parent.type === "Nested Loop") {
    const outer = parent.children.find((one) => one.relationship === "Outer")
    return Math.max(1, outer?.planRows ?? 1)
  }
  if (child.relationship === "SubPlan" && !isHashedSubplan(child, parent)) {
    const outer = parent.children.find((one) => one.relationship === "Outer")
    return Math.max(1, outer?.planRows ?? parent.planRows ?? 1)
  }
  return 1
}

/** Whether a SubPlan's rows are put into a hash table once, instead of running it for every row. Only its user's text says so. */
export function isHashedSubplan(
  child: { readonly subplan: string | null },
  parent: { readonly raw: Readonly<Record<string, unknown>> },
): boolean {
  if (child.subplan === null) return false
  const mark = `hashed ${child.subplan}`
  const says = (value: unknown): boolean => {
    if (typeof value !== "string") return false
    const at = value.indexOf(mark)
    return at !== -1 && !/\d/.test(value[at + mark.length] ?? "")
  }
  return Object.values(parent.raw).some((value) => (Array.isArray(value) ? value.some(says) : says(value)))
}
