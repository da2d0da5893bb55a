import type { Expression } from "../../sql/index.ts"
import type { Facts } from "./logic/facts.ts"
import { leafIds } from "./logic/nulls.ts"
import { type Core, type FullJoin, leavesOf, type Unit } from "./query.ts"
import { readsOnly, type World } from "./world.ts"

/** How the joins of a view lie in those of a query. */
export interface Alignment {
  /** Conditions under which the view keeps rows: the query's rows must meet them. */
  readonly needed: readonly Expression[]
  /** Outer joins of the view that are inner ones in the query: padded rows of the view must be left out. */
  readonly witnesses: readonly Witness[]
  /** Left and full joins of the query that the view has already made. */
  readonly made: ReadonlySet<Unit | FullJoin>
}

/** Rows of the view in which these leaves are padded are no rows of the query. */
export interface Witness {
  readonly leaves: ReadonlySet<number>
  readonly unit: Unit | null
}

/**
 * Lays a view's core, its leaves already named as the query's, over the query's core. Returns a sentence when they do not fit: an outer
 * join of the one is then neither the same in the other nor an inner join there.
 */
export function align(view: Core, query: Core, facts: Facts, world: World): Alignment | string {
  const inner = new Set(query.leaves.map((leaf) => leaf.id))
  const needed: Expression[] = []
  const witnesses: Witness[] = []
  const made = new Set<Unit | FullJoin>()
  const isInner = (core: Core): boolean => core.leaves.every((leaf) => inner.has(leaf.id)) && core.fulls.length === 0
  const preserved = facts.conditions.filter((condition) => readsOnly(condition, world, inner))

  const lay = (core: Core): string | null => {
    if (!core.leaves.every((leaf) => inner.has(leaf.id)))
      return "a table is joined inside in the view and on the padded side in the query"
    needed.push(...core.where)
    for (const full of core.fulls) {
      const fault = layFull(full)
      if (fault !== null) return fault
    }
    for (const unit of core.units) {
      const fault = layUnit(unit)
      if (fault !== null) return fault
    }
    return null
  }
  const layUnit = (unit: Unit): string | null => {
    if (isInner(unit.core) && unit.core.leaves.length > 0) {
      needed.push(...unit.on)
      witnesses.push({ leaves: leafIds(unit.core), unit })
      return lay(unit.core)
    }
    const same = query.units.find((other) => !made.has(other) && sameUnit(unit, other))
    if (same === undefined) return "a left join of the view is not made in the same way in the query"
    made.add(same)
    return null
  }
  const layFull = (full: FullJoin): string | null => {
    const same = query.fulls.find((other) => !made.has(other) && sameFull(full, other))
    if (same !== undefined) {
      made.add(same)
      return null
    }
    const [left, right] = [isInner(full.left), isInner(full.right)]
    if (left && right) {
      needed.push(...full.on)
      witnesses.push({ leaves: leafIds(full.left), unit: null }, { leaves: leafIds(full.right), unit: null })
      return lay(full.left) ?? lay(full.right)
    }
    if (!left && !right) return "a full join of the view is not made in the same way in the query"
    const [kept, other] = left ? [full.left, full.right] : [full.right, full.left]
    witnesses.push({ leaves: leafIds(kept), unit: null })
    return lay(kept) ?? layUnit({ core: { ...other, where: [] }, on: [...full.on, ...other.where] })
  }
  const sameUnit = (a: Unit, b: Unit): boolean => sameCore(a.core, b.core) && sameConditions(a.on, b.on, preserved)
  const sameFull = (a: FullJoin, b: FullJoin): boolean => {
    if (!sameConditions(a.on, b.on, [])) return false
    return (sameCore(a.left, b.left) && sameCore(a.right, b.right)) || (sameCore(a.left, b.right) && sameCore(a.right, b.left))
  }
  const sameCore = (a: Core, b: Core): boolean => {
    const [one, other] = [a, b].map((core) => new Set(core.leaves.map((leaf) => leaf.id)))
    if (one!.size !== other!.size || ![...one!].every((id) => other!.has(id))) return false
    if (a.units.length !== b.units.length || a.fulls.length !== b.fulls.length) return false
    return (
      a.units.every((unit) => b.units.some((match) => sameUnit(unit, match))) &&
      a.fulls.every((full) => b.fulls.some((match) => sameFull(full, match))) &&
      sameConditions(a.where, b.where, [])
    )
  }
  /** Each of the two lists follows from the other, for rows that meet what is known. */
  const sameConditions = (a: readonly Expression[], b: readonly Expression[], known: readonly Expression[]): boolean => {
    const follows = (from: readonly Expression[], to: readonly Expression[]): boolean => {
      const given = facts.among([...known, ...from])
      return to.every((condition) => given.implies(condition))
    }
    return follows(a, b) && follows(b, a)
  }
  const fault = lay(view)
  return fault ?? { needed, witnesses, made }
}

/** True when some leaf of the item is among these. */
export function touches(core: Core, leaves: ReadonlySet<number>): boolean {
  return leavesOf(core).some((leaf) => leaves.has(leaf.id))
}
