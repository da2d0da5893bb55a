import { childrenOf, type Expression } from "../../sql/index.ts"
import { align, touches, type Witness } from "./align.ts"
import type { Assignment } from "./assign.ts"
import { hasAggregate } from "./calls.ts"
import { canonical } from "./canonical.ts"
import { type Derive, derivation, type KeptColumn } from "./derive.ts"
import { equivalencesOf } from "./equivalence.ts"
import { type Facts, factsOf } from "./logic/facts.ts"
import { isNullFor, mayBeNull, rejectsNulls } from "./logic/nulls.ts"
import type { Knowledge } from "./logic/side.ts"
import { equalities, findsAtMostOne, foreignKeyBetween, losslessOrder } from "./lossless.ts"
import { anyPart, type Core, columnOf, hasWindow, type Leaf, leavesOf, nextLeaf, paddedLeaves, type Unit } from "./query.ts"
import { equalMeansSame } from "./sameness.ts"
import type { ViewVariant } from "./view-variant.ts"
import { columnsOfExpression, keyOf, mapCore, readsAny, substitute, type World } from "./world.ts"

/** A view laid over the tables of a query: which rows of it are meant, and how expressions are had from it. */
export interface Overlay {
  /** The leaf that stands for the view. */
  readonly leaf: Leaf
  /** Leaves of the query that it stands for. */
  readonly covered: ReadonlySet<number>
  /** The core of the answer: the view, what is joined to it, and the conditions left to be tested. */
  readonly core: Core
  /** The query's core with the joins that the view makes besides. */
  readonly whole: Core
  /** Tables that are read besides the view. */
  readonly joined: readonly Leaf[]
  /** Conditions of the query that the view does not guarantee, in the query's terms. */
  readonly tested: readonly Expression[]
  /** Known of the query's rows. */
  readonly facts: Facts
  /** All columns of the view, aggregates too, in the query's terms. */
  readonly columns: readonly KeptColumn[]
  /** For expressions over rows that meet the query's conditions. */
  readonly derive: Derive
  /** For conditions beside those: by what the view guarantees alone. */
  readonly deriveBefore: Derive
  /** Keys of the view's groups of which equal values need not be the same. */
  readonly isLoose: (expression: Expression) => boolean
  /** From the view's terms to the query's. */
  readonly toQuery: (expression: Expression) => Expression
}

/** Why an attempt did not fit. `missing` are conditions of the view that the query does not guarantee, where nothing else was in the way. */
export interface Misfit {
  readonly reason: string
  /** How far it came: of several attempts the furthest is the one to tell of. */
  readonly stage: number
  readonly missing?: readonly Expression[]
}

export function isMisfit<T extends object>(result: T | Misfit): result is Misfit {
  return "stage" in result
}

export interface OverlayOptions {
  readonly world: World
  readonly knowledge: Omit<Knowledge, "world" | "padded">
  /** The core is the inner side of an outer join: what is had from it must be NULL where its row is. */
  readonly padded: boolean
  /** Expressions outside of the core that read from it. */
  readonly readOutside: readonly Expression[]
  /** Joins of the query that leave every row as it is may count as made. */
  readonly absorb: boolean
}

/** Lays a view over a core of the query by one assignment of leaves. */
export function overlay(core: Core, variant: ViewVariant, assignment: Assignment, options: OverlayOptions): Overlay | Misfit {
  const { world } = options
  const ids = new Map([...assignment].map(([from, to]) => [from, to.id]))
  const toQuery = (expression: Expression): Expression =>
    canonical(
      substitute(expression, world, (column) => {
        const to = ids.get(column.relation!)
        return to === undefined ? null : columnOf(to, column.name)
      }),
      world,
    )
  const mapped = renamed(variant.core, assignment, toQuery)
  const knowledge = (over: Core): Knowledge => ({ ...options.knowledge, world, padded: paddedLeaves(over) })
  const widened = withAdditional(core, mapped, new Set([...assignment.values()].map((leaf) => leaf.id)), knowledge(core), world)
  if ("stage" in widened) return widened
  const whole = widened
  const facts = factsOf(whole.where, knowledge(whole))
  const fit = align(mapped, whole, facts, world)
  if (typeof fit === "string") return { reason: fit, stage: 2 }
  const missing = fit.needed.filter((condition) => !facts.implies(condition))
  if (missing.length > 0) return { reason: `the view leaves out rows that the query asks for`, stage: 3, missing }

  const covered = new Set(leavesOf(mapped).map((leaf) => leaf.id))
  const absorbed = options.absorb ? absorbable(whole, covered, fit.needed, options, facts) : []
  for (const { leaf } of absorbed) covered.add(leaf.id)
  const gained = facts.among([...fit.needed, ...absorbed.flatMap((join) => join.on)])
  const rest = uncovered(whole, covered, fit.made)
  if (typeof rest === "string") return { reason: rest, stage: 3 }

  const leaf = world.addLeaf({ id: nextLeaf(), alias: variant.alias, source: variant.source, lateral: false })
  const columns = variant.columns.map((column) => ({ expression: toQuery(column.expression), read: column.read(leaf.id) }))
  const plain = columns.filter(({ expression }) => !hasAggregate(expression, world) && !hasWindow(expression))
  const looseKeys = variant.group?.keys
    .filter((key) => !equalMeansSame(key, variant.world))
    .map((key) => keyOf(toQuery(key), world))
  const loose = new Set(looseKeys ?? [])
  const isLoose = (expression: Expression): boolean => loose.size > 0 && loose.has(keyOf(expression, world))
  const deriveBy = (conditions: readonly Expression[], padded: boolean, more: readonly KeptColumn[] = []): Derive =>
    derivation({
      world,
      columns: [...plain, ...more],
      covered,
      equivalences: equivalencesOf(conditions, world),
      padded,
      knowledge: facts.knowledge,
      sameZone: variant.sameZone,
      isLoose,
    })
  const before = deriveBy(gained.conditions, false)
  const tests = compensation(whole.where, gained, before)
  if (isMisfit(tests)) return tests
  // As they are tested on the view's columns: an equality of the join may have put a column of the other side in place of the padded one.
  const held = new Map(columns.map(({ expression, read }) => [keyOf(read, world), expression]))
  const onPadded = tests.derived.map((test) => substitute(test, world, (column) => held.get(keyOf(column, world)) ?? null))
  const found = provedBy(fit.witnesses, onPadded, plain, gained, before, whole, world)
  if (isMisfit(found)) return found
  const windows =
    rest.leaves.length + rest.fulls.length + rest.units.length > 0
      ? []
      : wholePartitions(columns, tests.conditions, covered, world)
  const joinedUnits: Unit[] = []
  for (const unit of rest.units) {
    const on = unit.on.map(before)
    if (on.some((condition) => condition === null)) return { reason: "a left join reads columns that the view lacks", stage: 4 }
    joinedUnits.push({ core: unit.core, on: on as Expression[] })
  }
  const joined = [
    ...rest.leaves,
    ...rest.fulls.flatMap((full) => [...leavesOf(full.left), ...leavesOf(full.right)]),
    ...rest.units.flatMap((unit) => leavesOf(unit.core)),
  ]
  return {
    leaf,
    covered,
    core: {
      leaves: [leaf, ...rest.leaves],
      fulls: rest.fulls,
      units: joinedUnits,
      where: [...tests.derived, ...found, ...variant.slice(leaf.id)],
    },
    whole,
    joined,
    tested: tests.conditions,
    facts,
    columns,
    isLoose,
    deriveBefore: before,
    derive: deriveBy([...gained.conditions, ...whole.where], options.padded, windows),
    toQuery,
  }
}

/** The view's core with the query's leaves in it. */
function renamed(core: Core, assignment: Assignment, toQuery: (expression: Expression) => Expression): Core {
  const leaves = (inner: Core): Core => ({
    leaves: inner.leaves.map((leaf) => assignment.get(leaf.id) ?? leaf),
    fulls: inner.fulls.map((full) => ({ ...full, left: leaves(full.left), right: leaves(full.right) })),
    units: inner.units.map((unit) => ({ ...unit, core: leaves(unit.core) })),
    where: inner.where,
  })
  const named = leaves(core)
  // Derived leaves have been made equal before; what is inside them is no part of the comparison.
  const conditions = mapCore({ ...named, leaves: [] }, toQuery)
  return { ...conditions, leaves: named.leaves }
}

/** The query's core with the joins that only the view makes, if each leaves every row as it is. */
function withAdditional(core: Core, view: Core, known: ReadonlySet<number>, knowledge: Knowledge, world: World): Core | Misfit {
  const additional = view.leaves.filter((leaf) => !known.has(leaf.id))
  const start = view.leaves.filter((leaf) => known.has(leaf.id) && core.leaves.some((own) => own.id === leaf.id))
  const facts = factsOf(core.where, knowledge)
  const joins = losslessOrder(additional, start, view.where, facts, world)
  if (joins === null) {
    const names = additional.map((leaf) => leaf.alias).join(", ")
    return { reason: `the view also joins ${names}, which may drop or repeat rows`, stage: 1 }
  }
  let made: Core = {
    ...core,
    leaves: [...core.leaves, ...joins.map((join) => join.leaf)],
    where: [...core.where, ...joins.flatMap((join) => join.on)],
  }
  for (const unit of view.units) {
    const own = leavesOf(unit.core)
    if (own.every((leaf) => known.has(leaf.id))) continue
    const fresh = own.every((leaf) => !known.has(leaf.id))
    if (!fresh || !findsAtMostOne(unit, world))
      return { reason: `the view also joins ${own.map((leaf) => leaf.alias).join(", ")}, which may repeat rows`, stage: 1 }
    made = { ...made, units: [...made.units, unit] }
  }
  return made
}

/** Inner joins of the query by a foreign key of which nothing but the key is read: the view need not have them. */
function absorbable(
  whole: Core,
  covered: ReadonlySet<number>,
  known: readonly Expression[],
  options: OverlayOptions,
  facts: Facts,
): readonly { readonly leaf: Leaf; readonly on: readonly Expression[] }[] {
  const { world } = options
  const found: { leaf: Leaf; on: readonly Expression[] }[] = []
  const inside = new Set(covered)
  const equal = equalities(whole.where, world)
  for (let grown = true; grown; ) {
    grown = false
    for (const to of whole.leaves) {
      if (inside.has(to.id)) continue
      const own = new Set([to.id])
      for (const from of whole.leaves) {
        if (!inside.has(from.id)) continue
        const key = foreignKeyBetween(from, to, equal)
        if (key === null || !key.columns.every((name) => facts.among(known).impliesNotNull(columnOf(from.id, name)))) continue
        const names = new Set(key.toColumns)
        const read = [...whole.where, ...whole.units.flatMap((unit) => unit.on), ...options.readOutside].flatMap((one) =>
          columnsOfExpression(one, world),
        )
        if (read.some((column) => own.has(column.relation!) && !names.has(column.name))) continue
        inside.add(to.id)
        found.push({ leaf: to, on: whole.where.filter((condition) => isPair(condition, from, to, key.columns, key.toColumns)) })
        grown = true
        break
      }
    }
  }
  return found
}

function isPair(condition: Expression, from: Leaf, to: Leaf, columns: readonly string[], toColumns: readonly string[]): boolean {
  if (
    condition.kind !== "operator" ||
    condition.name !== "=" ||
    condition.left?.kind !== "column" ||
    condition.right.kind !== "column"
  )
    return false
  const sides = [condition.left, condition.right]
  const one = sides.find((side) => side.relation === from.id)
  const other = sides.find((side) => side.relation === to.id)
  return one !== undefined && other !== undefined && columns.some((name, at) => name === one.name && toColumns[at] === other.name)
}

/** What the query joins besides: whole leaves, full joins and units of which the view has nothing. */
function uncovered(whole: Core, covered: ReadonlySet<number>, made: ReadonlySet<unknown>): Core | string {
  const units = whole.units.filter((unit) => !made.has(unit))
  const fulls = whole.fulls.filter((full) => !made.has(full))
  if (units.some((unit) => touches(unit.core, covered))) return "the query left-joins a table that the view joins otherwise"
  if (fulls.some((full) => touches(full.left, covered) || touches(full.right, covered)))
    return "the query full-joins a table that the view joins otherwise"
  return { leaves: whole.leaves.filter((leaf) => !covered.has(leaf.id)), fulls, units, where: [] }
}

/** Conditions that the view does not guarantee, as tests on its columns. */
function compensation(
  conditions: readonly Expression[],
  gained: Facts,
  derive: Derive,
): { readonly conditions: readonly Expression[]; readonly derived: readonly Expression[] } | Misfit {
  const open = conditions.filter((condition) => !gained.implies(condition))
  const tested = open.flatMap((condition) => {
    const derived = derive(condition)
    return derived === null ? [] : [{ condition, derived }]
  })
  const kept = tested.map(({ condition }) => condition)
  const left = open.filter((condition) => !kept.includes(condition))
  const after = gained.with(kept)
  if (left.some((condition) => !after.implies(condition)))
    return { reason: "the query has a condition on columns that the view lacks", stage: 4 }
  return { conditions: kept, derived: tested.map(({ derived }) => derived) }
}

/** Conditions that leave out the view's padded rows, where those tested anyway do not. */
function provedBy(
  witnesses: readonly Witness[],
  tested: readonly Expression[],
  columns: readonly KeptColumn[],
  gained: Facts,
  derive: Derive,
  whole: Core,
  world: World,
): readonly Expression[] | Misfit {
  const added: Expression[] = []
  for (const { leaves, unit } of witnesses) {
    if (tested.some((condition) => rejectsNulls(condition, world, leaves))) continue
    const column = columns.find(({ expression }) => isNullFor(expression, world, leaves) && gained.impliesNotNull(expression))
    if (column !== undefined) {
      added.push({ kind: "test", test: "null", negated: true, operand: column.read })
      continue
    }
    const key = unit === null ? null : foreignKeyWitness(unit, whole, derive, world)
    if (key === null) return { reason: "the view pads rows with NULLs, and none of its columns tells which", stage: 4 }
    added.push(...key)
  }
  return added
}

/** By a foreign key the partner is found exactly when the key is not NULL. */
function foreignKeyWitness(unit: Unit, whole: Core, derive: Derive, world: World): readonly Expression[] | null {
  const [to] = unit.core.leaves
  if (to === undefined || leavesOf(unit.core).length !== 1) return null
  const equal = equalities(unit.on, world)
  for (const from of whole.leaves) {
    const key = from.id === to.id ? null : foreignKeyBetween(from, to, equal)
    if (key === null || !unit.on.every((condition) => isPair(condition, from, to, key.columns, key.toColumns))) continue
    const nullable = key.columns.map((name) => columnOf(from.id, name)).filter((column) => mayBeNull(column, world, new Set()))
    const tests = nullable.map(derive)
    if (tests.every((test) => test !== null))
      return tests.map((operand) => ({ kind: "test", test: "null", negated: true, operand: operand! }))
  }
  return null
}

/** Columns of window functions that still hold: the conditions left to be tested keep or drop whole partitions. */
function wholePartitions(
  columns: readonly KeptColumn[],
  tested: readonly Expression[],
  covered: ReadonlySet<number>,
  world: World,
): readonly KeptColumn[] {
  return columns.filter(({ expression }) => {
    if (!hasWindow(expression) || hasAggregate(expression, world)) return false
    return !anyPart(expression, (part) => {
      if (part.kind !== "call" || part.over === null) return false
      const keys = new Set(part.over.partition.map((key) => keyOf(key, world)))
      return !tested.every((condition) => readsThrough(condition, keys, covered, world))
    })
  })
}

/** True when the expression reads the covered leaves by these expressions only. */
function readsThrough(expression: Expression, keys: ReadonlySet<string>, covered: ReadonlySet<number>, world: World): boolean {
  if (keys.has(keyOf(expression, world))) return true
  if (expression.kind === "column") return !covered.has(expression.relation!)
  if (expression.kind === "sublink" && readsAny(expression, world, covered)) return false
  return childrenOf(expression).every((child) => readsThrough(child, keys, covered, world))
}
