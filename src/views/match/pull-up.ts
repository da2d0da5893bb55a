import type { Expression } from "../../sql/index.ts"
import { isNullFor, leafIds, mayBeNull } from "./logic/nulls.ts"
import {
  type Core,
  columnOf,
  type FullJoin,
  hasWindows,
  isWhole,
  type Leaf,
  type Query,
  type SelectQuery,
  type Unit,
} from "./query.ts"
import { mapCore, mapQuery, substitute, type World } from "./world.ts"

/** What stands for the columns of leaves that were dissolved. */
type Replacements = Map<number, ReadonlyMap<string, Expression>>

/** A query in whose FROM subqueries that only select, join and filter are dissolved. */
export function pullUp(query: SelectQuery, world: World): SelectQuery {
  const replaced: Replacements = new Map()
  const core = dissolved(query.core, world, replaced, false)
  if (replaced.size === 0) return query
  return mapQuery({ ...query, core }, (expression) => replaceColumns(expression, world, replaced)) as SelectQuery
}

function replaceColumns(expression: Expression, world: World, replaced: Replacements): Expression {
  return substitute(expression, world, (column) => replaced.get(column.relation!)?.get(column.name) ?? null)
}

/** True for a query that is only FROM, WHERE and a list of expressions. */
export function isPlain(query: Query): query is SelectQuery {
  if (query.kind === "set" || !isWhole(query)) return false
  return query.group === null && query.having.length === 0 && !query.distinct && !hasWindows(query)
}

function dissolved(core: Core, world: World, replaced: Replacements, padded: boolean): Core {
  const fulls = core.fulls.map((full) => dissolvedFull(full, world, replaced))
  let made: Core = { ...core, leaves: [], units: [], fulls }
  for (const leaf of core.leaves) {
    const inner = dissolvable(leaf, world, padded)
    if (inner === null) {
      made = { ...made, leaves: [...made.leaves, leaf] }
      continue
    }
    replaced.set(leaf.id, inner.columns)
    made = {
      leaves: [...made.leaves, ...inner.core.leaves],
      fulls: [...made.fulls, ...inner.core.fulls],
      units: [...made.units, ...inner.core.units],
      where: [...made.where, ...inner.core.where],
    }
  }
  const units = core.units.map((unit) => dissolvedUnit(unit, world, replaced))
  return { ...made, units: [...made.units, ...units] }
}

function dissolvedFull(full: FullJoin, world: World, replaced: Replacements): FullJoin {
  const left = dissolvedUnit({ core: full.left, on: full.on }, world, replaced)
  const right = dissolvedUnit({ core: full.right, on: left.on }, world, replaced)
  return { left: left.core, right: right.core, on: right.on }
}

/** Inside the inner side of a left join columns are what they are; outside of it they are NULL where nothing was found. */
function dissolvedUnit(unit: Unit, world: World, replaced: Replacements): Unit {
  const own: Replacements = new Map()
  const core = dissolved(unit.core, world, own, true)
  const inside = (expression: Expression): Expression => replaceColumns(expression, world, own)
  const leaves = leafIds(core)
  for (const [leaf, columns] of own) {
    const outside = [...columns].map(([name, expression]) => [name, padded(expression, core, world, leaves)!] as const)
    replaced.set(leaf, new Map(outside))
  }
  return { core: mapCore(core, inside), on: unit.on.map(inside) }
}

function dissolvable(
  leaf: Leaf,
  world: World,
  inUnit: boolean,
): { readonly core: Core; readonly columns: ReadonlyMap<string, Expression> } | null {
  if (leaf.source.kind !== "derived" || !isPlain(leaf.source.query)) return null
  const { core, output } = leaf.source.query
  if (leaf.lateral && (core.units.length > 0 || core.fulls.length > 0)) return null
  const columns = new Map(output.map((column) => [column.name, column.expression]))
  if (inUnit) {
    const leaves = leafIds(core)
    if ([...columns.values()].some((expression) => padded(expression, core, world, leaves) === null)) return null
  }
  return { core, columns }
}

/** The expression as it is above an outer join: NULL where the core found no row. Null when nothing of the core could tell. */
function padded(expression: Expression, core: Core, world: World, leaves: ReadonlySet<number>): Expression | null {
  if (isNullFor(expression, world, leaves)) return expression
  const witness = core.leaves.flatMap((leaf) => neverNull(leaf, world))[0]
  if (witness === undefined) return null
  const found: Expression = { kind: "test", test: "null", negated: true, operand: witness }
  return { kind: "case", operand: null, whens: [{ when: found, result: expression }], otherwise: null }
}

/** Columns of a table that hold no NULL. */
function neverNull(leaf: Leaf, world: World): readonly Expression[] {
  if (leaf.source.kind !== "table") return []
  return leaf.source.table.columns
    .map((column) => columnOf(leaf.id, column.name))
    .filter((column) => !mayBeNull(column, world, new Set()))
}
