import type { Index, Relation } from "../../database/catalog.ts"
import { type Expression, walkExpression } from "../../sql/index.ts"
import { constantOf } from "../../sql/typing/index.ts"
import type { Equivalences } from "./equivalence.ts"
import type { Facts } from "./logic/facts.ts"
import { mayBeNull } from "./logic/nulls.ts"
import { type Core, columnOf, type Leaf, leavesOf, paddedLeaves, type Query, type Source, type Unit } from "./query.ts"
import { equalMeansSame } from "./sameness.ts"
import { columnsOfExpression, keyOf, type World } from "./world.ts"

/** Column lists of a table of which no two rows agree: unique indexes over plain columns, in force at every moment. */
export function keysOfTable(
  table: Relation,
  only: boolean,
): readonly { readonly columns: readonly string[]; readonly nulls: boolean }[] {
  // An inheritance parent's rows include its children's, for which its indexes do not speak.
  if (table.kind !== "partitioned table" && table.children.length > 0 && !only) return []
  // Texts that a collation takes for equal may be two of an index that is sorted by another one.
  const strict = new Set(table.columns.filter(({ deterministic }) => deterministic).map(({ name }) => name))
  return table.indexes
    .filter((index) => isKey(index) && index.columns.every(({ column }) => strict.has(column!)))
    .map((index) => ({ columns: index.columns.map(({ column }) => column!), nulls: !index.primary }))
}

function isKey(index: Index): boolean {
  return (
    index.unique &&
    index.immediate &&
    index.valid &&
    index.predicate === null &&
    index.columns.every(({ column }) => column !== null)
  )
}

/** What is determined by some expressions: functional dependencies by keys, equalities and constants. */
export interface Determined {
  readonly expression: (expression: Expression) => boolean
  /** At most one row of the leaf goes with each combination of them. */
  readonly leaf: (leaf: Leaf) => boolean
}

/** What follows from `given` in the rows of a core for which the facts hold. */
export function determinedBy(
  given: readonly Expression[],
  core: Core,
  equivalences: Equivalences,
  facts: Facts,
  world: World,
): Determined {
  const keys = new Set<string>()
  /** Columns of which not just an equal value is determined, but the very one. */
  const exact = new Set<string>()
  const single = new Set<number>()
  const own = new Set(leavesOf(core).map((leaf) => leaf.id))
  const add = (expression: Expression): void => {
    for (const key of equivalences.classKeys(expression)) keys.add(key)
  }
  const known = (expression: Expression): boolean => {
    if (keys.has(keyOf(expression, world)) || equivalences.constant(expression) !== null) return true
    if (expression.kind === "column") return !own.has(expression.relation!)
    if (constantOf(expression, world.typing.catalog) !== null || expression.kind === "parameter") return true
    // An immutable or stable function of determined things is determined; a subquery is not looked into.
    let plain = true
    walkExpression(expression, (inner) => {
      if (inner.kind === "sublink" || (inner.kind === "call" && inner.over !== null)) plain = false
    })
    const columns = columnsOfExpression(expression, world)
    // Grouped by a numeric, its text is not determined: 1.0 and 1.00 are one group.
    const same = (column: Expression): boolean => exact.has(keyOf(column, world)) || equalMeansSame(column, world)
    return plain && columns.every((column) => !own.has(column.relation!) || (known(column) && same(column)))
  }
  for (const expression of given) add(expression)
  const padded = paddedLeaves(core)
  for (let grown = true; grown; ) {
    grown = false
    for (const leaf of leavesOf(core)) {
      if (single.has(leaf.id) || leaf.lateral) continue
      const unit = core.units.find((one) => leavesOf(one.core).includes(leaf))
      // In a unit a column is also known by what ON equates it with, if all that ON reads is known: on that hangs whether a row is found.
      const found = unit !== undefined && outerColumns(unit, world).every(known)
      const equated = (name: string): boolean =>
        found && unit.on.some((condition) => equates(condition, leaf, name, known, world))
      const keyed = keysOfSource(leaf.source).some((key) =>
        key.columns.every((name) => columnKnown(leaf, name, key.nulls, equated)),
      )
      if (!keyed) continue
      single.add(leaf.id)
      for (const name of namesOf(leaf.source)) {
        exact.add(keyOf(columnOf(leaf.id, name), world))
        add(columnOf(leaf.id, name))
      }
      grown = true
    }
  }
  function columnKnown(leaf: Leaf, name: string, nulls: boolean, equated: (name: string) => boolean): boolean {
    if (equated(name)) return true
    const column = columnOf(leaf.id, name)
    if (!known(column)) return false
    // Rows with a NULL in a unique key may be many; below an outer join it must tell the padded row from them.
    return !nulls || (padded.has(leaf.id) ? !mayBeNull(column, world, new Set()) : facts.impliesNotNull(column))
  }
  return { expression: known, leaf: (leaf) => single.has(leaf.id) }
}

/** Columns that a left join compares its own with. */
function outerColumns(unit: Unit, world: World): readonly Expression[] {
  const own = new Set(leavesOf(unit.core).map((leaf) => leaf.id))
  return unit.on.flatMap((condition) => columnsOfExpression(condition, world)).filter((column) => !own.has(column.relation!))
}

/** Column lists that are unique in a FROM item. */
function keysOfSource(source: Source): readonly { readonly columns: readonly string[]; readonly nulls: boolean }[] {
  if (source.kind === "table") return keysOfTable(source.table, source.only)
  if (source.kind !== "derived") return []
  return groupKeys(source.query)
}

/** A grouped query has one row for each combination of its keys. */
function groupKeys(query: Query): readonly { readonly columns: readonly string[]; readonly nulls: boolean }[] {
  if (query.kind === "set" || query.group === null || query.group.sets !== null) return []
  const texts = query.output.map(({ expression }) => JSON.stringify(expression))
  const names = query.group.keys.map((key) => query.output[texts.indexOf(JSON.stringify(key))]?.name ?? null)
  return names.includes(null) ? [] : [{ columns: names as string[], nulls: false }]
}

function namesOf(source: Source): readonly string[] {
  if (source.kind === "table") return source.table.columns.map(({ name }) => name)
  return source.kind === "derived" ? source.query.output.map(({ name }) => name) : []
}

/** `leaf.name = something known`. */
function equates(
  condition: Expression,
  leaf: Leaf,
  name: string,
  known: (expression: Expression) => boolean,
  world: World,
): boolean {
  if (condition.kind !== "operator" || condition.name !== "=" || condition.left === null || condition.quantifier !== null)
    return false
  const column = keyOf(columnOf(leaf.id, name), world)
  const [left, right] = [condition.left, condition.right]
  if (keyOf(left, world) === column)
    return !columnsOfExpression(right, world).some((one) => one.relation === leaf.id) && known(right)
  return (
    keyOf(right, world) === column && !columnsOfExpression(left, world).some((one) => one.relation === leaf.id) && known(left)
  )
}
