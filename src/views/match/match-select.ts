import type { Expression } from "../../sql/index.ts"
import { constantValue } from "../../sql/typing/index.ts"
import { answer } from "./answer.ts"
import { type Assignment, assignments, sameSource } from "./assign.ts"
import type { Knowledge } from "./logic/side.ts"
import { possiblyLossless } from "./lossless.ts"
import { matchQuery } from "./match.ts"
import { nestedPlaces } from "./nested-place.ts"
import { canonicalCore } from "./normalize.ts"
import { isMisfit, type Misfit, type Overlay, overlay } from "./overlay.ts"
import { isPlain, pullUp } from "./pull-up.ts"
import { type Core, type Leaf, leavesOf, type Query, type SelectQuery } from "./query.ts"
import { semiJoinsAsJoins } from "./semi-join.ts"
import { type ViewVariant, variantsOf } from "./view-variant.ts"
import { columnNames, expressionsOf, keyOf, type World } from "./world.ts"

/** What a match may use beside query and view. */
export interface MatchContext {
  readonly world: World
  readonly knowledge: Omit<Knowledge, "world" | "padded">
}

/** A query over a view that gives what the first one gave. */
export interface Match {
  readonly query: Query
  /** Base tables and other FROM items that it reads besides the view. */
  readonly joined: readonly Leaf[]
}

/** Answers a SELECT from a view; the misfit of the attempt that came furthest when that cannot be done. */
export function matchSelect(query: SelectQuery, variant: ViewVariant, context: MatchContext): Match | Misfit {
  const { world } = context
  world.see(variant.world)
  let best: Misfit = { reason: "the view reads other tables", stage: 0 }
  const semi = semiJoinsAsJoins(query, world)
  for (const form of semi === null ? [query] : [query, semi]) {
    for (const { made, fixed } of withSameDerived(form, variant, context)) {
      const viewLeaves = leavesOf(variant.core).filter((leaf) => !fixed.has(leaf.id))
      const taken = new Set([...fixed.values()].map((leaf) => leaf.id))
      const queryLeaves = leavesOf(made.core).filter((leaf) => !taken.has(leaf.id))
      const same = (view: Leaf, own: Leaf): boolean => sameSource(view.source, own.source, world)
      for (const found of assignments(viewLeaves, queryLeaves, same, possiblyLossless(variant.core, variant.world), fixed)) {
        const result = attempt(made, variant, found, context)
        if (!isMisfit(result)) return result
        if (result.stage > best.stage) best = result
      }
    }
  }
  return best
}

function attempt(query: SelectQuery, variant: ViewVariant, assignment: Assignment, context: MatchContext): Match | Misfit {
  const first = inPlace(query, variant, assignment, context, true)
  if (!isMisfit(first) || first.stage < 4) return first
  const again = inPlace(query, variant, assignment, context, false)
  return isMisfit(again) && again.stage < first.stage ? first : again
}

function inPlace(
  query: SelectQuery,
  variant: ViewVariant,
  assignment: Assignment,
  context: MatchContext,
  absorb: boolean,
): Match | Misfit {
  const { world } = context
  const above = expressionsOf({ ...query, core: { ...query.core, where: [], units: [], fulls: [] } })
  const options = { ...context, padded: false, readOutside: above, absorb }
  const laid = overlay(query.core, variant, assignment, options)
  if (!isMisfit(laid)) {
    const made = answered(query, variant, laid, world)
    return isMisfit(made) ? made : { query: made, joined: laid.joined }
  }
  if (variant.group !== null || variant.limit !== null || variant.distinctOn !== null) return laid
  const nested = nestedPlaces(query, variant, assignment, options)
  return isMisfit(nested) && nested.stage < laid.stage ? laid : nested
}

/** The answer, where the view keeps all rows, or just the rows that the query picks. */
function answered(query: SelectQuery, variant: ViewVariant, laid: Overlay, world: World): SelectQuery | Misfit {
  if (variant.limit === null && variant.distinctOn === null) return answer(query, variant, laid, world)
  const sort = (
    keys: readonly { readonly expression: Expression; readonly descending: boolean; readonly nulls: string }[],
    name: (expression: Expression) => Expression,
  ): string => keys.map((key) => `${keyOf(name(key.expression), world)} ${key.descending} ${key.nulls}`).join(", ")
  const sameOrder = sort(query.order, (key) => key) === sort(variant.order, laid.toQuery)
  const whole = laid.core.where.length === 0 && laid.joined.length === 0
  if (!sameOrder || !whole || query.withTies) return { reason: "the view keeps the first rows of an order only", stage: 5 }
  const plain: ViewVariant = { ...variant, limit: null, distinctOn: null }
  const set = (keys: readonly Expression[] | null, name: (expression: Expression) => Expression): string =>
    keys === null ? "" : [...new Set(keys.map((key) => keyOf(name(key), world)))].sort().join(" ")
  if (set(query.distinctOn, (key) => key) !== set(variant.distinctOn, laid.toQuery))
    return { reason: "the view keeps one row of each group, the query asks for others", stage: 5 }
  if (variant.limit !== null) {
    const wanted = numberOf(query.limit, world)
    const skipped = query.offset === null ? 0n : numberOf(query.offset, world)
    if (wanted === null || skipped === null || wanted + skipped > variant.limit)
      return { reason: `the view keeps ${variant.limit} rows only`, stage: 5 }
  }
  const made = answer({ ...query, distinctOn: null }, plain, laid, world)
  if (isMisfit(made) || made.group === null) return made
  return { reason: "the view keeps the first groups of an order only", stage: 5 }
}

function numberOf(expression: Expression | null, world: World): bigint | null {
  const value = expression === null ? null : constantValue(expression, world.typing.catalog)
  return value?.domain === "number" && /^\d+$/.test(value.key) ? BigInt(value.key) : null
}

interface Unified {
  readonly made: SelectQuery
  /** Leaves of the view that are derived, and the query's leaves that now have the very same contents. */
  readonly fixed: Map<number, Leaf>
}

/**
 * The query with its derived leaves written over those of the view: a subquery of the query that selects from, or filters, what a
 * subquery of the view gives is turned into that, so that both read the same thing.
 */
function withSameDerived(query: SelectQuery, variant: ViewVariant, context: MatchContext): readonly Unified[] {
  let open: readonly Unified[] = [{ made: query, fixed: new Map() }]
  for (const leaf of leavesOf(variant.core)) {
    if (leaf.source.kind !== "derived") continue
    open = open.flatMap(({ made, fixed }) =>
      leavesOf(made.core).flatMap((own): Unified[] => {
        if (own.source.kind !== "derived" || [...fixed.values()].some((other) => other.id === own.id)) return []
        const unified = writtenOver(made, own, leaf, variant, context)
        return unified === null ? [] : [{ made: unified.query, fixed: new Map(fixed).set(leaf.id, unified.leaf) }]
      }),
    )
  }
  return open.slice(0, 12)
}

function writtenOver(
  query: SelectQuery,
  own: Leaf,
  leaf: Leaf,
  variant: ViewVariant,
  context: MatchContext,
): { readonly query: SelectQuery; readonly leaf: Leaf } | null {
  const { world } = context
  if (own.source.kind !== "derived" || leaf.source.kind !== "derived") return null
  const shape = variantsOf(leaf.source.query, columnNames(leaf.source), {
    source: leaf.source,
    alias: leaf.alias,
    world: variant.world,
    trust: () => true,
    sameZone: true,
  })
  const found = matchQuery(own.source.query, shape, context)
  if (isMisfit(found) || found.joined.length > 0 || !isPlain(found.query)) return null
  const [sole, ...others] = leavesOf(found.query.core)
  if (sole === undefined || others.length > 0 || sole.source !== leaf.source) return null
  const contents = { ...found.query, order: [] }
  const replaced = replaceLeaf(query.core, own.id, { ...own, source: { kind: "derived", query: contents } })
  const made = pullUp({ ...query, core: replaced }, world)
  if (!leavesOf(made.core).some((one) => one.id === sole.id)) return null
  return { query: { ...made, core: canonicalCore(made.core, world) }, leaf: sole }
}

function replaceLeaf(core: Core, id: number, leaf: Leaf): Core {
  const inside = (inner: Core): Core => replaceLeaf(inner, id, leaf)
  return {
    leaves: core.leaves.map((one) => (one.id === id ? leaf : one)),
    fulls: core.fulls.map((full) => ({ ...full, left: inside(full.left), right: inside(full.right) })),
    units: core.units.map((unit) => ({ ...unit, core: inside(unit.core) })),
    where: core.where,
  }
}
