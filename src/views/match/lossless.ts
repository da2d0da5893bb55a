import type { ForeignKey } from "../../database/catalog.ts"
import type { Expression } from "../../sql/index.ts"
import { keysOfTable } from "./grain.ts"
import type { Facts } from "./logic/facts.ts"
import { type Core, columnOf, type Leaf, leavesOf, type Unit } from "./query.ts"
import { columnsOfExpression, keyOf, type World } from "./world.ts"

/** Whether two expressions are made equal by what is known. */
type Equal = (a: Expression, b: Expression) => boolean

/** Equalities among conditions, read both ways. */
export function equalities(conditions: readonly Expression[], world: World): Equal {
  const pairs = new Set<string>()
  for (const condition of conditions) {
    if (condition.kind !== "operator" || condition.name !== "=" || condition.left === null || condition.quantifier !== null)
      continue
    const [left, right] = [keyOf(condition.left, world), keyOf(condition.right, world)]
    pairs.add(`${left} ${right}`).add(`${right} ${left}`)
  }
  return (a, b) => pairs.has(`${keyOf(a, world)} ${keyOf(b, world)}`)
}

/**
 * The foreign key by which each row of `from` finds exactly one row of `to`, if its columns are not NULL: enforced for all rows, at every
 * moment, and joined by all of its columns. Null when there is none.
 */
export function foreignKeyBetween(from: Leaf, to: Leaf, equal: Equal): ForeignKey | null {
  if (from.source.kind !== "table" || to.source.kind !== "table") return null
  const [referring, referred] = [from.source, to.source]
  // Of inheritance only the table itself is bound by its keys.
  if (inherited(referring.table.kind, referring.table.children.length, referring.only)) return null
  if (inherited(referred.table.kind, referred.table.children.length, referred.only)) return null
  if (referred.only && referred.table.kind === "partitioned table") return null
  for (const key of referring.table.constraints) {
    if (key.kind !== "foreign key" || !key.validated || key.deferrable || /\bPERIOD\b/.test(key.definition)) continue
    if (key.to.schema !== referred.table.schema || key.to.name !== referred.table.name) continue
    if (key.columns.every((name, at) => equal(columnOf(from.id, name), columnOf(to.id, key.toColumns[at]!)))) return key
  }
  return null
}

function inherited(kind: string, children: number, only: boolean): boolean {
  return kind !== "partitioned table" && children > 0 && !only
}

/** Joins that leave every row as it is, once: each by a foreign key that is not NULL, from a leaf already there. */
export function losslessOrder(
  leaves: readonly Leaf[],
  start: readonly Leaf[],
  conditions: readonly Expression[],
  facts: Facts,
  world: World,
): readonly LosslessJoin[] | null {
  const equal = equalities(conditions, world)
  const there = [...start]
  const left = [...leaves]
  const joins: LosslessJoin[] = []
  while (left.length > 0) {
    const next = left.findIndex((to) => there.some((from) => joinFrom(from, to) !== null))
    if (next < 0) return null
    const [to] = left.splice(next, 1)
    const from = there.find((one) => joinFrom(one, to!) !== null)!
    joins.push({ leaf: to!, on: pairsOf(from, to!, joinFrom(from, to!)!) })
    there.push(to!)
  }
  return joins

  function joinFrom(from: Leaf, to: Leaf): ForeignKey | null {
    const key = foreignKeyBetween(from, to, equal)
    const present = key?.columns.every((name) => facts.impliesNotNull(columnOf(from.id, name)))
    return present ? key : null
  }
}

export interface LosslessJoin {
  readonly leaf: Leaf
  /** The equalities of the foreign key. */
  readonly on: readonly Expression[]
}

function pairsOf(from: Leaf, to: Leaf, key: ForeignKey): readonly Expression[] {
  return key.columns.map((name, at) => ({
    kind: "operator",
    schema: null,
    name: "=",
    left: columnOf(from.id, name),
    right: columnOf(to.id, key.toColumns[at]!),
    quantifier: null,
  }))
}

/** True when ON finds at most one row of the unit for each row before it: it equates a unique key of each of its tables. */
export function findsAtMostOne(unit: Unit, world: World): boolean {
  const own = new Set(leavesOf(unit.core).map((leaf) => leaf.id))
  if (unit.core.fulls.length > 0 || unit.core.units.length > 0) return false
  const conditions = [...unit.on, ...unit.core.where]
  const fixed = new Set<number>()
  const known = (expression: Expression): boolean =>
    columnsOfExpression(expression, world).every((column) => !own.has(column.relation!) || fixed.has(column.relation!))
  const equated = (leaf: Leaf, name: string): boolean => {
    const key = keyOf(columnOf(leaf.id, name), world)
    return conditions.some((condition) => {
      if (condition.kind !== "operator" || condition.name !== "=" || condition.left === null || condition.quantifier !== null)
        return false
      if (keyOf(condition.left, world) === key) return known(condition.right)
      return keyOf(condition.right, world) === key && known(condition.left)
    })
  }
  for (let grown = true; grown; ) {
    grown = false
    for (const leaf of unit.core.leaves) {
      if (fixed.has(leaf.id) || leaf.source.kind !== "table") continue
      const { table, only } = leaf.source
      if (!keysOfTable(table, only).some((key) => key.columns.every((name) => equated(leaf, name)))) continue
      fixed.add(leaf.id)
      grown = true
    }
  }
  return unit.core.leaves.every((leaf) => fixed.has(leaf.id))
}

/** Leaves of a core that might be joins that leave every row as it is, whatever else is joined. */
export function possiblyLossless(core: Core, world: World): ReadonlySet<number> {
  const equal = equalities(core.where, world)
  const found = core.leaves.filter((to) => core.leaves.some((from) => from !== to && foreignKeyBetween(from, to, equal) !== null))
  const units = core.units.filter((unit) => findsAtMostOne(unit, world))
  return new Set([...found, ...units.flatMap((unit) => leavesOf(unit.core))].map((leaf) => leaf.id))
}
