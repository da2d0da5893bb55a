import type { Expression, Sublink } from "../../sql/index.ts"
import { isNumber } from "./canonical.ts"
import { findsAtMostOne } from "./lossless.ts"
import { conjuncts, normalizeSelect } from "./normalize.ts"
import { isPlain } from "./pull-up.ts"
import type { Core, Query, SelectQuery } from "./query.ts"
import type { World } from "./world.ts"

/** EXISTS and IN that can find at most one row, as the inner joins that they are; null when there are none. */
export function semiJoinsAsJoins(query: SelectQuery, world: World): SelectQuery | null {
  let core = query.core
  let changed = false
  for (const condition of query.core.where) {
    const inner = condition.kind === "sublink" ? innerOf(condition, world) : null
    if (inner === null || !findsAtMostOne({ core: { ...inner.core, where: [] }, on: inner.core.where }, world)) continue
    changed = true
    core = {
      leaves: [...core.leaves, ...inner.core.leaves],
      fulls: core.fulls,
      units: core.units,
      where: [...core.where.filter((other) => other !== condition), ...inner.core.where],
    }
  }
  if (!changed) return null
  const made = normalizeSelect({ ...query, core: { ...core, where: conjuncts(core.where, world) } }, world)
  return made.kind === "select" ? made : null
}

/** The subquery of a semi-join as a core whose conditions include what ties it to the outside. */
function innerOf(link: Sublink, world: World): { readonly core: Core } | null {
  if (link.link !== "exists" && link.link !== "any") return null
  const query = world.subquery(link.block)
  if (query === null) return null
  if (!isPlain(query) || query.core.units.length > 0 || query.core.fulls.length > 0) return null
  if (link.link === "exists") return { core: query.core }
  if (link.operator !== "=" && link.operator !== null) return null
  const operand = link.operand
  if (operand === null) return null
  const sides: readonly Expression[] = operand.kind === "row" ? operand.items : [operand]
  if (sides.length !== query.output.length) return null
  const equal = sides.map(
    (left, at) =>
      world.typing.infer({
        kind: "operator",
        schema: null,
        name: "=",
        left,
        right: query.output[at]!.expression,
        quantifier: null,
      }).expression,
  )
  return { core: { ...query.core, where: [...query.core.where, ...equal] } }
}

/** Whether any row is there does not depend on their order, nor on a LIMIT of one or more. */
export function withoutEnds(query: Query, world: World): Query {
  if (query.kind === "set") return query
  const many = query.limit === null || (query.limit.kind === "constant" && !isNumber(query.limit, world, 0n))
  return many && query.offset === null ? { ...query, order: [], limit: null, distinct: false, distinctOn: null } : query
}
