import type { Expression, SortKey } from "../../sql/index.ts"
import { constantOf, constantValue, type TypeRef, typeIds, UnknownTypeError } from "../../sql/typing/index.ts"
import { hasAggregate } from "./calls.ts"
import { dependenceOf, type Trust } from "./dependence.ts"
import { equivalencesOf } from "./equivalence.ts"
import { determinedBy } from "./grain.ts"
import { factsOf } from "./logic/facts.ts"
import { mayBeNull } from "./logic/nulls.ts"
import { widenings } from "./logic/side.ts"
import {
  anyPart,
  type Core,
  columnOf,
  type Group,
  leavesOf,
  paddedLeaves,
  type Query,
  type SelectQuery,
  type SetQuery,
  type Source,
} from "./query.ts"
import { unsettled } from "./settled.ts"
import { bucketOf, plainCall } from "./time-bucket.ts"
import { expressionsOf, keyOf, type World } from "./world.ts"

/** A view as one way of answering queries: what its rows are, and which of its columns hold what. A view may have several. */
export interface ViewVariant {
  /** What is read in place of the query's tables. */
  readonly source: Source
  readonly alias: string
  readonly world: World
  readonly core: Core
  readonly group: Group | null
  readonly having: readonly Expression[]
  readonly columns: readonly ViewColumn[]
  readonly distinctOn: readonly Expression[] | null
  readonly order: readonly SortKey[]
  /** It keeps the first rows of `order` only. */
  readonly limit: bigint | null
  /** Conditions on its own columns for the rows that are this variant: one of several grouping sets. */
  readonly slice: (leaf: number) => readonly Expression[]
  /** It is filled, and read, with one and the same time zone setting. */
  readonly sameZone: boolean
  /** A group may be kept in several parts. */
  readonly inParts: boolean
}

export interface ViewColumn {
  readonly name: string
  /** What it holds, in terms of the view's own leaves. */
  readonly expression: Expression
  /** How it is had from the leaf that stands for the view. */
  readonly read: (leaf: number) => Expression
}

/** A view that is a set operation: it answers the same set operation. */
export interface SetVariant {
  readonly source: Source
  readonly alias: string
  readonly world: World
  readonly query: SetQuery
}

export interface ViewShape {
  readonly variants: readonly ViewVariant[]
  readonly sets: readonly SetVariant[]
  /** Why it cannot be used; null when it can. */
  readonly reason: string | null
}

export interface ViewContext {
  readonly source: Source
  readonly alias: string
  readonly world: World
  readonly trust: Trust
  readonly sameZone: boolean
}

const everything = (): readonly Expression[] => []

/** The ways in which the rows of a query, kept under these column names, can answer others. */
export function variantsOf(query: Query, names: readonly string[], context: ViewContext): ViewShape {
  const { source, alias, world, sameZone } = context
  const stored = storedReason(query, context)
  if (stored !== null) return { variants: [], sets: [], reason: stored }
  if (query.kind === "set") {
    const named = { ...query, output: query.output.map((column, at) => ({ ...column, name: names[at]! })) }
    if (query.limit !== null || query.offset !== null)
      return { variants: [], sets: [], reason: "it keeps some rows of a set operation only" }
    return { variants: [], sets: [{ source, alias, world, query: named }], reason: null }
  }
  const limit = query.limit === null ? null : wholeNumber(query.limit, world)
  if ((query.limit !== null && limit === null) || query.offset !== null || query.withTies)
    return { variants: [], sets: [], reason: "its LIMIT or OFFSET is not a plain number" }
  if (query.distinct) return { variants: [], sets: [], reason: "it is a DISTINCT over groups or windows" }
  const usable = query.output.flatMap(({ expression }, at): ViewColumn[] => {
    const dependence = dependenceOf(expression, world, context.trust)
    const kept =
      (dependence.on === "nothing" || (dependence.on === "time zone" && sameZone)) && windowsSettled(expression, query, world)
    const name = names[at]!
    return kept ? [{ name, expression, read: (leaf) => columnOf(leaf, name) }] : []
  })
  const base: ViewVariant = {
    source,
    alias,
    world,
    core: query.core,
    group: query.group,
    having: query.having,
    columns: usable.flatMap((column) => [column, ...inverted(column, world)]),
    distinctOn: query.distinctOn,
    order: query.order,
    limit,
    slice: everything,
    sameZone,
    inParts: false,
  }
  const sliced = limit === null && query.having.length === 0 ? slicesOf(base) : []
  const first = query.distinctOn === null || limit !== null ? [] : firstRows(base, query)
  return { variants: [base, ...sliced, ...first, ...(limit === null ? singleRows(base) : [])], sets: [], reason: null }
}

/** True unless it has window functions that ties could make give something else next time. */
function windowsSettled(expression: Expression, query: SelectQuery, world: World): boolean {
  if (!anyPart(expression, (part) => part.kind === "call" && part.over !== null)) return true
  const facts = factsOf(query.core.where, { world, padded: paddedLeaves(query.core), parameters: new Map(), zone: null })
  const plain = { ...query, order: [], limit: null, output: [{ name: "", expression, type: query.output[0]!.type }] }
  return unsettled(plain, equivalencesOf(query.core.where, world), facts, world) === null
}

/** Why what decides over its rows cannot be told from the definition alone; null when it can. */
function storedReason(query: Query, context: ViewContext, top = true): string | null {
  const { world, trust, sameZone } = context
  const deciding = query.kind === "set" || !top ? expressionsOf(query) : expressionsOf({ ...query, output: [] })
  for (const expression of deciding) {
    const dependence = dependenceOf(expression, world, trust)
    if (dependence.on === "session") return dependence.reason
    if (dependence.on === "time zone" && !sameZone) return "its rows depend on the TimeZone of the session that refreshed it"
    // Kept inside, such a bucket is taken over as it is, in the zone of whoever refreshed.
    const zoned =
      !top &&
      !sameZone &&
      anyPart(expression, (part) => bucketOf(part, world)?.calendar === "date" && bucketOf(part, world)?.as === "timestamptz")
    if (zoned) return "its rows depend on the TimeZone of the session that refreshed it"
    const inner = subqueriesOf(expression, world)
      .map((one) => storedReason(one, context, false))
      .find((reason) => reason !== null)
    if (inner !== undefined) return inner
  }
  const below =
    query.kind === "set"
      ? query.arms
      : leavesOf(query.core).flatMap((leaf) => (leaf.source.kind === "derived" ? [leaf.source.query] : []))
  return below.map((one) => storedReason(one, context, false)).find((reason) => reason !== null) ?? null
}

function subqueriesOf(expression: Expression, world: World): readonly Query[] {
  const found: Query[] = []
  anyPart(expression, (part) => {
    const query = part.kind === "sublink" ? world.subquery(part.block) : null
    if (query !== null) found.push(query)
    return false
  })
  return found
}

function wholeNumber(expression: Expression, world: World): bigint | null {
  const value = constantValue(expression, world.typing.catalog)
  return value?.domain === "number" && /^\d+$/.test(value.key) ? BigInt(value.key) : null
}

/** What a column gives away about the expression inside its own: from `count(*) + 1` and `empid::bigint` the inner value can be had back. */
function inverted(column: ViewColumn, world: World): readonly ViewColumn[] {
  const { name, expression, read } = column
  const inner = withoutOne(expression, world)
  if (inner === null) return []
  const back = { name, expression: inner.expression, read: (leaf: number) => inner.back(read(leaf)) }
  return [back, ...inverted(back, world)]
}

interface Inverse {
  readonly expression: Expression
  readonly back: (outer: Expression) => Expression
}

const wholeTypes: readonly number[] = [typeIds.smallint, typeIds.integer, typeIds.bigint]

/** One step that can be undone: a cast to a wider type, a whole number or days added. */
function withoutOne(expression: Expression, world: World): Inverse | null {
  const typeOf = (inner: Expression): TypeRef => world.typing.typeOf(inner)
  const castTo = (inner: Expression, type: TypeRef): Expression => ({ kind: "cast", type: type.info.text, operand: inner })
  if (expression.kind === "cast") {
    const source = typeOf(expression.operand)
    if (expression.operand.kind === "constant" || typeOf(expression).modifier !== null) return null
    if (!widenings.get(source.info.id)?.includes(typeOf(expression).info.id)) return null
    return { expression: expression.operand, back: (outer) => castTo(outer, source) }
  }
  if (expression.kind !== "operator" || expression.left === null || expression.schema !== null || expression.quantifier !== null)
    return null
  if (expression.name !== "+" && expression.name !== "-") return null
  const { left, right, name } = expression
  const type = typeOf(left)
  const days = type.info.id === typeIds.date && typeOf(right).info.id === typeIds.integer
  const whole = wholeTypes.includes(type.info.id) && wholeTypes.includes(typeOf(right).info.id)
  if (constantOf(right, world.typing.catalog)?.text == null || !(days || whole)) return null
  const undone = (outer: Expression): Expression => ({ ...expression, left: outer, name: name === "+" ? "-" : "+" })
  const widened = typeOf(expression).info.id !== type.info.id
  return { expression: left, back: (outer) => (widened ? castTo(undone(outer), type) : undone(outer)) }
}

/**
 * A DISTINCT ON keeps of each group the row that comes first: of the key that it is sorted by that is the smallest or largest value, as
 * long as a NULL does not come first.
 */
function firstRows(base: ViewVariant, query: SelectQuery): readonly ViewVariant[] {
  const { world } = base
  const on = new Set(query.distinctOn!.map((key) => keyOf(key, world)))
  const sort = query.order.find((key) => !on.has(keyOf(key.expression, world)))
  if (sort === undefined || sort.using !== null || query.group !== null) return []
  const padded = paddedLeaves(query.core)
  if (sort.nulls === "first" && mayBeNull(sort.expression, world, padded)) return []
  const first = plainCall(sort.descending ? "max" : "min", [sort.expression])
  // Booleans and others have an order, but no smallest value that is an aggregate.
  if (!isTyped(first, world)) return []
  const columns = base.columns.flatMap((column): ViewColumn[] => {
    if (on.has(keyOf(column.expression, world))) return [column]
    return keyOf(column.expression, world) === keyOf(sort.expression, world) ? [{ ...column, expression: first }] : []
  })
  return [{ ...base, group: { keys: query.distinctOn!, sets: null }, columns, distinctOn: null, order: [] }]
}

function isTyped(expression: Expression, world: World): boolean {
  try {
    world.typing.infer(expression)
    return true
  } catch (error) {
    if (error instanceof UnknownTypeError) return false
    throw error
  }
}

/** Each grouping set of a ROLLUP or CUBE whose rows can be told from those of the others. */
function slicesOf(base: ViewVariant): readonly ViewVariant[] {
  const sets = base.group?.sets
  if (sets == null) return []
  return sets.flatMap((set, at) => {
    const others = sets.filter((_other, index) => index !== at)
    const tests = others.map((other) => telling(base, set, other))
    if (tests.some((test) => test === null)) return []
    const keys = set.map((key) => base.group!.keys[key]!)
    const own = new Set(keys.map((key) => keyOf(key, base.world)))
    const columns = base.columns.filter(({ expression }) => overKeys(expression, own, base.world))
    const slice = (leaf: number): readonly Expression[] => tests.map((test) => test!(leaf))
    return [{ ...base, group: { keys, sets: null }, columns, slice }]
  })
}

/** True when the expression reads these keys only, outside of aggregates. */
function overKeys(expression: Expression, keys: ReadonlySet<string>, world: World): boolean {
  if (keys.has(keyOf(expression, world)) || hasAggregate(expression, world)) return true
  return !anyPart(expression, (part) => part.kind === "column" || part.kind === "grouping")
}

/** A condition that holds for the rows of one grouping set and for none of the other's. */
function telling(base: ViewVariant, set: readonly number[], other: readonly number[]): ((leaf: number) => Expression) | null {
  const { world } = base
  const grouping = base.columns.flatMap(({ read, expression }) =>
    expression.kind === "grouping" ? [{ read, args: expression.args }] : [],
  )
  for (const { read, args } of grouping) {
    const [own, others] = [set, other].map((one) => bitsOf(args, one, base))
    if (own === others || own === null || own === undefined) continue
    return (leaf) => ({
      kind: "operator",
      schema: null,
      name: "=",
      left: read(leaf),
      right: { kind: "constant", type: "integer", value: String(own) },
      quantifier: null,
    })
  }
  const padded = paddedLeaves(base.core)
  for (const key of new Set([...set, ...other])) {
    if (set.includes(key) === other.includes(key)) continue
    const expression = base.group!.keys[key]!
    const column = base.columns.find((one) => keyOf(one.expression, world) === keyOf(expression, world))
    if (column === undefined || mayBeNull(expression, world, padded)) continue
    return (leaf) => ({ kind: "test", test: "null", negated: set.includes(key), operand: column.read(leaf) })
  }
  return null
}

/** GROUPING(…) of a grouping set: a bit for each argument, 1 where it is not grouped by. */
function bitsOf(args: readonly Expression[], set: readonly number[], base: ViewVariant): number | null {
  let bits = 0
  for (const arg of args) {
    const key = base.group!.keys.findIndex((one) => keyOf(one, base.world) === keyOf(arg, base.world))
    if (key < 0) return null
    bits = bits * 2 + (set.includes(key) ? 0 : 1)
  }
  return bits
}

/** A grouped view whose keys tell single rows apart keeps every row. */
function singleRows(base: ViewVariant): readonly ViewVariant[] {
  const { world, core, group } = base
  if (group === null || group.sets !== null || base.having.length > 0 || group.keys.length === 0) return []
  const facts = factsOf(core.where, { world, padded: paddedLeaves(core), parameters: new Map(), zone: null })
  const determined = determinedBy(group.keys, core, equivalencesOf(core.where, world), facts, world)
  if (!leavesOf(core).every((leaf) => determined.leaf(leaf))) return []
  return [{ ...base, group: null, columns: base.columns.filter(({ expression }) => !hasAggregate(expression, world)) }]
}
