import type { Expression } from "../../sql/index.ts"
import { hasAggregate, isAggregate } from "./calls.ts"
import { canonical, duplicateBlind, isTruth, junction, type MayBeNull } from "./canonical.ts"
import { mayBeNull } from "./logic/nulls.ts"
import { simplifyCore } from "./outer-join.ts"
import { isPlain, pullUp } from "./pull-up.ts"
import {
  anyPart,
  type Core,
  columnOf,
  emptyCore,
  hasWindows,
  isWhole,
  type Leaf,
  nextLeaf,
  paddedLeaves,
  plainSelect,
  type Query,
  type SelectQuery,
  type SetQuery,
} from "./query.ts"
import { keyOf, mapQuery, substitute, type World } from "./world.ts"

/** The one form of a query that others with the same meaning share, as far as form goes. Queries inside it must have been given theirs. */
export function normalizeSelect(query: SelectQuery, world: World): Query {
  let at = pullUp(query, world)
  at = { ...at, core: simplifyCore(at.core, world) }
  at = withoutInnerGrouping(at, world)
  at = overGroups(at, world) ?? at
  const set = overSet(at, world)
  if (set !== null) return set
  at = distinctAsGroup(at, world)
  at = keyConditionsBelow(at, world)
  return inCanonicalForm(at, world)
}

/** A set operation whose arms are as flat as its operator allows. */
export function normalizeSet(query: SetQuery, world: World): SetQuery {
  const flat =
    query.operator === "except" ? query.arms : query.arms.flatMap((arm) => (sameOperation(arm, query) ? arm.arms : [arm]))
  const some = (expression: Expression | null): Expression | null => (expression === null ? null : canonical(expression, world))
  return { ...query, arms: flat, limit: some(query.limit), offset: some(query.offset) }
}

function sameOperation(arm: Query, query: SetQuery): arm is SetQuery {
  return arm.kind === "set" && arm.operator === query.operator && arm.all === query.all && isWhole(arm)
}

function inCanonicalForm(query: SelectQuery, world: World): SelectQuery {
  const padded = paddedLeaves(query.core)
  const below: MayBeNull = (expression) => mayBeNull(expression, world, padded)
  // The subtotals of grouping sets have NULL for keys that hold none.
  const above: MayBeNull = query.group?.sets == null ? below : () => true
  const core = canonicalCore(query.core, world)
  const changed = mapQuery({ ...query, core: emptyCore }, (expression) => canonical(expression, world, above)) as SelectQuery
  return { ...changed, core }
}

/** Conditions of a core in canonical form, each conjunct an entry of its list. */
export function canonicalCore(core: Core, world: World): Core {
  const padded = paddedLeaves(core)
  const above: MayBeNull = (expression) => mayBeNull(expression, world, padded)
  const inside: MayBeNull = (expression) => mayBeNull(expression, world, new Set())
  const form = (expression: Expression): Expression => canonical(expression, world, above)
  return {
    // Queries in leaves have their form already; what may be NULL in them is not for this core to say.
    leaves: core.leaves.map((leaf) =>
      leaf.source.kind === "function" ? { ...leaf, source: { ...leaf.source, call: form(leaf.source.call) } } : leaf,
    ),
    fulls: core.fulls.map((full) => ({
      left: canonicalCore(full.left, world),
      right: canonicalCore(full.right, world),
      on: conjuncts(
        full.on.map((one) => canonical(one, world, inside)),
        world,
      ),
    })),
    units: core.units.map((unit) => {
      // In ON the unit's own rows are still whole, those of earlier units are not.
      const own = paddedLeaves(unit.core)
      const earlier = paddedLeaves({ ...core, units: core.units.slice(0, core.units.indexOf(unit)) })
      const nulls = new Set([...own, ...earlier])
      return {
        core: canonicalCore(unit.core, world),
        on: conjuncts(
          unit.on.map((one) => canonical(one, world, (expression) => mayBeNull(expression, world, nulls))),
          world,
        ),
      }
    }),
    where: conjuncts(core.where.map(form), world),
  }
}

/** A list of conditions as the list of their conjuncts. */
export function conjuncts(conditions: readonly Expression[], world: World): readonly Expression[] {
  const all = junction("and", conditions, world)
  if (isTruth(all)) return []
  return all.kind === "and" ? all.args : [all]
}

/** DISTINCT is a GROUP BY of all output; over groups whose keys are all selected it does nothing. */
function distinctAsGroup(query: SelectQuery, world: World): SelectQuery {
  if (!query.distinct || hasWindows(query)) return query
  const output = query.output.map((column) => column.expression)
  if (query.group === null) return { ...query, distinct: false, group: { keys: output, sets: null } }
  const selected = new Set(output.map((expression) => keyOf(canonical(expression, world), world)))
  const whole = query.group.sets === null && query.group.keys.every((key) => selected.has(keyOf(canonical(key, world), world)))
  return whole ? { ...query, distinct: false } : query
}

/** Conditions of HAVING that read keys only filter rows as well as groups. */
function keyConditionsBelow(query: SelectQuery, world: World): SelectQuery {
  if (query.group === null || query.group.sets !== null || query.group.keys.length === 0) return query
  const below = query.having.filter((condition) => !hasAggregate(condition, world))
  if (below.length === 0) return query
  const core = { ...query.core, where: [...query.core.where, ...below] }
  return { ...query, having: query.having.filter((condition) => !below.includes(condition)), core: simplifyCore(core, world) }
}

function soleLeaf(core: Core): Leaf | null {
  return core.leaves.length === 1 && core.fulls.length === 0 && core.units.length === 0 ? core.leaves[0]! : null
}

/** What is selected from a grouped subquery alone is selected over its groups; its WHERE is their HAVING. */
function overGroups(query: SelectQuery, world: World): SelectQuery | null {
  const leaf = soleLeaf(query.core)
  if (leaf?.source.kind !== "derived" || query.group !== null) return null
  const inner = leaf.source.query
  if (inner.kind === "set" || inner.group === null || inner.distinct || !isWhole(inner) || hasWindows(inner)) return null
  const columns = new Map(inner.output.map((column) => [column.name, column.expression]))
  const inside = (expression: Expression): Expression =>
    substitute(expression, world, (column) => (column.relation === leaf.id ? (columns.get(column.name) ?? null) : null))
  const { core, ...rest } = query
  const above = mapQuery({ ...rest, core: emptyCore }, inside) as SelectQuery
  return { ...above, core: inner.core, group: inner.group, having: [...inner.having, ...core.where.map(inside)] }
}

/** Aggregates that do not see duplicates do not see a DISTINCT below them either. */
function withoutInnerGrouping(query: SelectQuery, world: World): SelectQuery {
  if (query.group === null || !query.core.leaves.some((leaf) => onlyDistinct(leaf, world))) return query
  const above = [...query.output.map((column) => column.expression), ...query.having, ...query.order.map((key) => key.expression)]
  const seesDuplicates = (part: Expression): boolean =>
    isAggregate(part, world) && !part.distinct && !duplicateBlind.has(part.name)
  if (above.some((expression) => anyPart(expression, seesDuplicates))) return query
  const leaves = query.core.leaves.map((leaf) => {
    if (!onlyDistinct(leaf, world) || leaf.source.kind !== "derived") return leaf
    const plain = { ...(leaf.source.query as SelectQuery), group: null }
    return world.addLeaf({ ...leaf, source: { kind: "derived", query: plain } })
  })
  const open = pullUp({ ...query, core: { ...query.core, leaves } }, world)
  return { ...open, core: simplifyCore(open.core, world) }
}

function onlyDistinct(leaf: Leaf, world: World): boolean {
  if (leaf.source.kind !== "derived" || leaf.lateral) return false
  const { query } = leaf.source
  if (query.kind === "set" || query.group === null || query.group.sets !== null || query.group.keys.length === 0) return false
  if (query.having.length > 0 || !isPlain({ ...query, group: null })) return false
  return !query.output.some(({ expression }) => hasAggregate(expression, world))
}

/** A selection from a set operation alone is the set operation of selections. */
function overSet(query: SelectQuery, world: World): SetQuery | null {
  const leaf = soleLeaf(query.core)
  if (leaf?.source.kind !== "derived" || leaf.source.query.kind !== "set" || !isWhole(leaf.source.query)) return null
  if (!isPlain({ ...query, limit: null, offset: null }) || query.withTies) return null
  const inner = leaf.source.query
  const columns = query.output.map(({ expression }) =>
    expression.kind === "column" && expression.relation === leaf.id ? expression.name : null,
  )
  const permuted =
    columns.every((name) => name !== null) && new Set(columns).size === columns.length && columns.length === inner.output.length
  if (!permuted && !(inner.operator === "union" && inner.all)) return null
  const keys = query.output.map((column) => keyOf(column.expression, world))
  const order = query.order.map(({ expression, ...key }) => ({ ...key, column: keys.indexOf(keyOf(expression, world)) }))
  if (order.some((key) => key.column < 0)) return null
  const arms = inner.arms.map((arm) => {
    const own = world.addLeaf({ ...leaf, id: nextLeaf(), source: { kind: "derived", query: namedAs(arm, inner) } })
    const moved = (expression: Expression): Expression =>
      substitute(expression, world, (column) => (column.relation === leaf.id ? columnOf(own.id, column.name) : null))
    const output = query.output.map((column) => ({ ...column, expression: moved(column.expression) }))
    return normalizeSelect(plainSelect({ ...emptyCore, leaves: [own], where: query.core.where.map(moved) }, output), world)
  })
  return normalizeSet(
    {
      kind: "set",
      operator: inner.operator,
      all: inner.all,
      arms,
      output: query.output.map(({ name, type }) => ({ name, type })),
      order,
      limit: query.limit,
      offset: query.offset,
    },
    world,
  )
}

/** An arm with the column names of the whole. */
function namedAs(arm: Query, whole: SetQuery): Query {
  const name = (at: number): string => whole.output[at]!.name
  if (arm.kind === "set") return { ...arm, output: arm.output.map((column, at) => ({ ...column, name: name(at) })) }
  return { ...arm, output: arm.output.map((column, at) => ({ ...column, name: name(at) })) }
}
