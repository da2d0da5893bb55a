import type { Expression } from "../../sql/index.ts"
import { leafIds, rejectsNulls } from "./logic/nulls.ts"
import type { Core, FullJoin, Unit } from "./query.ts"
import { readsAny, type World } from "./world.ts"

/**
 * Outer joins made as narrow as they are: a left join whose padded rows some condition drops is an inner join, a full join likewise a left
 * one; filters inside the inner side are part of its ON; a chain of left joins is a list.
 */
export function simplifyCore(core: Core, world: World, outside: readonly Expression[] = []): Core {
  let at: Core = {
    ...core,
    units: core.units.flatMap((unit) => flatUnit(unit, world)),
    fulls: core.fulls.map((full) => simplerFull(full, world)),
  }
  for (let changed: Core | null = at; changed !== null; ) {
    at = changed
    changed = narrowed(at, world, [...at.where, ...outside])
  }
  return at
}

function simplerFull(full: FullJoin, world: World): FullJoin {
  return { left: simplifyCore(full.left, world), right: simplifyCore(full.right, world), on: full.on }
}

/** The unit with filters of its core in ON, and left joins inside it as further units where that is the same. */
function flatUnit(unit: Unit, world: World): readonly Unit[] {
  const core = simplifyCore(unit.core, world, unit.on)
  const on = [...unit.on, ...core.where]
  const own: Unit[] = []
  const after: Unit[] = []
  for (const inner of core.units) {
    const innerLeaves = leafIds(inner.core)
    const first = leafIds({ ...core, units: core.units.filter((other) => other !== inner) })
    const movable =
      !on.some((condition) => readsAny(condition, world, innerLeaves)) &&
      inner.on.some((condition) => rejectsNulls(condition, world, first))
    if (movable && own.length === 0) after.push(inner)
    else own.push(inner)
  }
  return [{ core: { ...core, where: [], units: own }, on }, ...after]
}

/** One outer join less, or null when none can go. */
function narrowed(core: Core, world: World, conditions: readonly Expression[]): Core | null {
  const rejects = (side: Core): boolean => {
    const leaves = leafIds(side)
    return conditions.some((condition) => rejectsNulls(condition, world, leaves))
  }
  for (const [at, unit] of core.units.entries()) {
    if (!rejects(unit.core)) continue
    return {
      leaves: [...core.leaves, ...unit.core.leaves],
      fulls: [...core.fulls, ...unit.core.fulls],
      units: [...core.units.slice(0, at), ...unit.core.units, ...core.units.slice(at + 1)],
      where: [...core.where, ...unit.core.where, ...unit.on],
    }
  }
  for (const full of core.fulls) {
    const left = rejects(full.left)
    const right = rejects(full.right)
    if (!left && !right) continue
    const fulls = core.fulls.filter((other) => other !== full)
    const [kept, other] = left ? [full.left, full.right] : [full.right, full.left]
    return {
      leaves: [...core.leaves, ...kept.leaves],
      fulls: [...fulls, ...kept.fulls],
      units: [...kept.units, ...flatUnit({ core: other, on: full.on }, world), ...core.units],
      where: [...core.where, ...kept.where],
    }
  }
  return null
}
