import type { Expression } from "../../sql/index.ts"
import { answer } from "./answer.ts"
import type { Assignment } from "./assign.ts"
import { leafIds } from "./logic/nulls.ts"
import { isMisfit, type Misfit, type Overlay, type OverlayOptions, overlay } from "./overlay.ts"
import { type Core, leavesOf, type Query, type SelectQuery } from "./query.ts"
import type { ViewVariant } from "./view-variant.ts"
import { readsOnly } from "./world.ts"

/** Reads the inner side of one of the query's outer joins from the view, and leaves the rest of the query as it is. */
export function nestedPlaces(
  query: SelectQuery,
  variant: ViewVariant,
  assignment: Assignment,
  options: OverlayOptions,
): { readonly query: Query; readonly joined: Overlay["joined"] } | Misfit {
  const { world } = options
  const wanted = new Set([...assignment.values()].map((leaf) => leaf.id))
  let best: Misfit = { reason: "the tables of the view stand on different sides of an outer join in the query", stage: 1 }
  for (const place of placesOf(query.core)) {
    const ids = leafIds(place.core)
    if (![...wanted].every((id) => ids.has(id))) continue
    const inside = place.on.filter((condition) => readsOnly(condition, world, ids))
    const core = { ...place.core, where: [...place.core.where, ...inside] }
    const laid = overlay(core, variant, assignment, { ...options, padded: true, readOutside: everything(query, place) })
    if (isMisfit(laid)) {
      if (laid.stage > best.stage) best = laid
      continue
    }
    const on = place.on.filter((condition) => !inside.includes(condition)).map(laid.deriveBefore)
    const rest = on.some((condition) => condition === null)
      ? null
      : restOf(place.rest(laid.core, on as Expression[]), laid, leafIds(laid.core))
    if (rest === null) {
      best = { reason: "the query reads columns that the view lacks", stage: 4 }
      continue
    }
    const kept = leavesOf(query.core).filter((leaf) => !laid.covered.has(leaf.id))
    const made = answer(query, variant, { ...laid, core: rest, whole: query.core, joined: kept }, world)
    if (!isMisfit(made)) return { query: made, joined: kept }
    best = made
  }
  return best
}

interface Place {
  readonly core: Core
  readonly on: readonly Expression[]
  /** The query's core with another one in this place. */
  readonly rest: (core: Core, on: readonly Expression[]) => Core
}

function placesOf(core: Core): readonly Place[] {
  const units = core.units.map(
    (unit, at): Place => ({
      core: unit.core,
      on: unit.on,
      rest: (inner, on) => {
        const made = { core: { ...inner, where: [] }, on: [...on, ...inner.where] }
        return { ...core, units: core.units.map((other, index) => (index === at ? made : other)) }
      },
    }),
  )
  const sides = core.fulls.flatMap((full, at): Place[] =>
    (["left", "right"] as const).map((side) => ({
      core: full[side],
      // A full join pads where ON fails: no condition of it filters a side.
      on: [],
      rest: (inner) => ({
        ...core,
        fulls: core.fulls.map((other, index) => (index === at ? { ...full, [side]: inner } : other)),
      }),
    })),
  )
  return [...units, ...sides]
}

function everything(query: SelectQuery, place: Place): readonly Expression[] {
  return [
    ...query.core.where,
    ...query.core.units.flatMap((unit) => unit.on),
    ...query.core.fulls.flatMap((full) => full.on),
    ...place.on,
    ...query.output.map((column) => column.expression),
    ...query.having,
    ...(query.group?.keys ?? []),
    ...query.order.map((key) => key.expression),
  ]
}

/** The conditions outside of the place, over the view; null when one cannot be written. */
function restOf(core: Core, laid: Overlay, place: ReadonlySet<number>): Core | null {
  let lost = false
  const write =
    (derive: Overlay["derive"]) =>
    (condition: Expression): Expression => {
      const derived = derive(condition)
      lost ||= derived === null
      return derived ?? condition
    }
  const padded = write(laid.derive)
  const whole = write(laid.deriveBefore)
  const isPlace = (inner: Core): boolean => inner.leaves.some((leaf) => place.has(leaf.id))
  const made: Core = {
    leaves: core.leaves,
    fulls: core.fulls.map((full) => ({ ...full, on: full.on.map(isPlace(full.left) || isPlace(full.right) ? whole : padded) })),
    units: core.units.map((unit) => (isPlace(unit.core) ? unit : { ...unit, on: unit.on.map(padded) })),
    where: core.where.map(padded),
  }
  return lost ? null : made
}
