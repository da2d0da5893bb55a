import { type Match, type MatchContext, matchSelect } from "./match-select.ts"
import { matchSet } from "./match-set.ts"
import { isMisfit, type Misfit } from "./overlay.ts"
import type { Query } from "./query.ts"
import type { ViewShape } from "./view-variant.ts"

/** Answers a query from a view; the misfit of the attempt that came furthest when that cannot be done. */
export function matchQuery(query: Query, view: ViewShape, context: MatchContext): Match | Misfit {
  if (view.reason !== null) return { reason: view.reason, stage: 0 }
  let best: Misfit = { reason: "the query has another form than the view", stage: 0 }
  const attempts = [
    ...(query.kind === "select" ? view.variants.map((variant) => () => matchSelect(query, variant, context)) : []),
    ...view.sets.map((set) => () => matchSet(query, set, context)),
  ]
  for (const attempt of attempts) {
    const result = attempt()
    if (!isMisfit(result)) return result
    if (result.stage >= best.stage) best = result
  }
  return best
}
