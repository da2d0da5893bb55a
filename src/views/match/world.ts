import { type ColumnReference, type Expression, expressionText, mapExpression, walkExpression } from "../../sql/index.ts"
import { parseTypeName, type TypeCatalog, type TypeRef, type Typing, typing } from "../../sql/typing/index.ts"
import { type Core, type FullJoin, type Leaf, leavesOf, type Query, type Source, type Unit } from "./query.ts"

/** What the numbers in expressions stand for: leaves, and the subqueries of sublinks. A view has one of its own, which a match looks into. */
export interface World {
  readonly leaf: (id: number) => Leaf | null
  readonly addLeaf: (leaf: Leaf) => Leaf
  readonly subquery: (block: number) => Query | null
  /** Keeps a subquery and gives the number that a sublink refers to it by. */
  readonly addSubquery: (query: Query) => number
  readonly typing: Typing
  /** The type that a parameter was used with; null when it was not. */
  readonly parameterType: (number: number) => TypeRef | null
  /** From now on everything of another world is known here too. */
  readonly see: (other: World) => void
}

let lastSubquery = 0

export function newWorld(catalog: TypeCatalog): World {
  const beside = new Set<World>()
  const leaves = new Map<number, Leaf>()
  const subqueries = new Map<number, Query>()
  const parameters = new Map<number, number>()
  const found = <T>(own: T | undefined, of: (world: World) => T | null): T | null => {
    if (own !== undefined) return own
    for (const world of beside) {
      const other = of(world)
      if (other !== null) return other
    }
    return null
  }
  const world: World = {
    see: (other) => {
      if (other !== world) beside.add(other)
    },
    leaf: (id) => found(leaves.get(id), (other) => other.leaf(id)),
    addLeaf: (leaf) => {
      leaves.set(leaf.id, leaf)
      return leaf
    },
    subquery: (block) => found(subqueries.get(block), (other) => other.subquery(block)),
    addSubquery: (query) => {
      lastSubquery += 1
      subqueries.set(lastSubquery, query)
      return lastSubquery
    },
    parameterType: (number) => {
      const info = catalog.typeById(parameters.get(number) ?? 0)
      return info === null ? null : { info, modifier: null }
    },
    typing: typing({
      catalog,
      columnType: (column) => typeOfColumn(world, column),
      subqueryType: (block) => world.subquery(block)?.output[0]?.type ?? null,
      parameter: (number, type) => {
        const known = parameters.get(number)
        parameters.set(number, known ?? type.info.id)
        return known === undefined || known === type.info.id
      },
    }),
  }
  return world
}

function typeOfColumn(world: World, column: ColumnReference): TypeRef | null {
  const leaf = world.leaf(column.relation!)
  return leaf === null ? null : columnType(leaf.source, column.name, world.typing.catalog)
}

/** Type of a column of a FROM item; null when it has none of that name. */
export function columnType(source: Source, name: string, catalog: TypeCatalog): TypeRef | null {
  switch (source.kind) {
    case "table": {
      const column = source.table.columns.find((one) => one.name === name)
      if (column === undefined) return null
      const info = catalog.typeById(column.typeId)
      const modifier = parseTypeName(column.type, catalog)?.modifier ?? null
      return info === null ? null : { info, modifier }
    }
    case "derived":
      return source.query.output.find((output) => output.name === name)?.type ?? null
    case "function":
      return source.column === name ? source.type : null
    case "values":
      return source.columns.find((column) => column.name === name)?.type ?? null
  }
}

/** Names of the columns of a FROM item, in their order. */
export function columnNames(source: Source): readonly string[] {
  switch (source.kind) {
    case "table":
      return source.table.columns.map((column) => column.name)
    case "derived":
      return source.query.output.map((output) => output.name)
    case "function":
      return [source.column]
    case "values":
      return source.columns.map((column) => column.name)
  }
}

/** The expression with columns replaced, in its subqueries too; null from `replace` keeps a column. */
export function substitute(
  expression: Expression,
  world: World,
  replace: (column: ColumnReference) => Expression | null,
): Expression {
  return mapExpression(expression, (inner) => {
    if (inner.kind === "column") return replace(inner) ?? inner
    if (inner.kind !== "sublink") return inner
    const query = world.subquery(inner.block)
    if (query === null || !freeColumns(query, world).some((column) => replace(column) !== null)) return inner
    return { ...inner, block: world.addSubquery(mapQuery(query, (part) => substitute(part, world, replace))) }
  })
}

/** A query with every expression changed, at every level of it. Leaves keep their ids, so one with changed contents must be unused elsewhere. */
export function mapQuery(query: Query, change: (expression: Expression) => Expression): Query {
  const some = (expression: Expression | null): Expression | null => (expression === null ? null : change(expression))
  if (query.kind === "set")
    return {
      ...query,
      arms: query.arms.map((arm) => mapQuery(arm, change)),
      limit: some(query.limit),
      offset: some(query.offset),
    }
  return {
    ...query,
    core: mapCore(query.core, change),
    group: query.group && { ...query.group, keys: query.group.keys.map(change) },
    having: query.having.map(change),
    distinctOn: query.distinctOn?.map(change) ?? null,
    output: query.output.map((output) => ({ ...output, expression: change(output.expression) })),
    order: query.order.map((key) => ({ ...key, expression: change(key.expression) })),
    limit: some(query.limit),
    offset: some(query.offset),
  }
}

/** A core with every expression changed, those of derived leaves (which may refer outwards) too. */
export function mapCore(core: Core, change: (expression: Expression) => Expression): Core {
  const leaf = (one: Leaf): Leaf => {
    if (one.source.kind === "derived") return { ...one, source: { kind: "derived", query: mapQuery(one.source.query, change) } }
    if (one.source.kind === "function") return { ...one, source: { ...one.source, call: change(one.source.call) } }
    return one
  }
  const unit = (one: Unit): Unit => ({ core: mapCore(one.core, change), on: one.on.map(change) })
  const full = (one: FullJoin): FullJoin => ({
    left: mapCore(one.left, change),
    right: mapCore(one.right, change),
    on: one.on.map(change),
  })
  return {
    leaves: core.leaves.map(leaf),
    fulls: core.fulls.map(full),
    units: core.units.map(unit),
    where: core.where.map(change),
  }
}

/** Expressions of a query itself, not of queries inside its leaves. */
export function expressionsOf(query: Query): readonly Expression[] {
  const ends = [query.limit, query.offset].filter((part) => part !== null)
  if (query.kind === "set") return ends
  return [
    ...conditionsOf(query.core),
    ...(query.group?.keys ?? []),
    ...query.having,
    ...(query.distinctOn ?? []),
    ...query.output.map((output) => output.expression),
    ...query.order.map((key) => key.expression),
    ...ends,
  ]
}

/** Conditions anywhere in a core. */
export function conditionsOf(core: Core): readonly Expression[] {
  return [
    ...core.where,
    ...core.units.flatMap((unit) => [...unit.on, ...conditionsOf(unit.core)]),
    ...core.fulls.flatMap((full) => [...full.on, ...conditionsOf(full.left), ...conditionsOf(full.right)]),
  ]
}

/** Columns of an expression, those that its subqueries take from outside included. */
export function columnsOfExpression(expression: Expression, world: World): readonly ColumnReference[] {
  const found: ColumnReference[] = []
  walkExpression(expression, (inner) => {
    if (inner.kind === "column") found.push(inner)
    else if (inner.kind === "sublink") {
      const query = world.subquery(inner.block)
      if (query !== null) found.push(...freeColumns(query, world))
    }
  })
  return found
}

/** Columns that a query takes from outside. */
export function freeColumns(query: Query, world: World): readonly ColumnReference[] {
  if (query.kind === "set") return query.arms.flatMap((arm) => freeColumns(arm, world))
  const leaves = leavesOf(query.core)
  const own = new Set(leaves.map((leaf) => leaf.id))
  const inner = leaves.flatMap((leaf) => {
    if (leaf.source.kind === "derived") return freeColumns(leaf.source.query, world)
    return leaf.source.kind === "function" ? columnsOfExpression(leaf.source.call, world) : []
  })
  const outer = expressionsOf(query).flatMap((expression) => columnsOfExpression(expression, world))
  return [...inner, ...outer].filter((column) => !own.has(column.relation!))
}

/** True when no column of an expression, its subqueries included, is of another leaf than these. */
export function readsOnly(expression: Expression, world: World, leaves: ReadonlySet<number>): boolean {
  return columnsOfExpression(expression, world).every((column) => leaves.has(column.relation!))
}

/** True when some column of it is of one of these leaves. */
export function readsAny(expression: Expression, world: World, leaves: ReadonlySet<number>): boolean {
  return columnsOfExpression(expression, world).some((column) => leaves.has(column.relation!))
}

const keys = new WeakMap<Expression, string>()

/** The identity of an expression: the same text for the same meaning, as far as spelling goes. */
export function keyOf(expression: Expression, world: World): string {
  const known = keys.get(expression)
  if (known !== undefined) return known
  const key = keyWith(expression, world, new Map())
  keys.set(expression, key)
  return key
}

/** `local` numbers the leaves of subqueries, so that two subqueries that differ in nothing but these have one key. */
function keyWith(expression: Expression, world: World, local: ReadonlyMap<number, string>): string {
  return expressionText(expression, {
    column: ({ relation, name }) => `${local.get(relation!) ?? `#${relation}`}.${name}`,
    block: (block) => {
      const query = world.subquery(block)
      return query === null ? `?${block}` : queryKey(query, world, local)
    },
  })
}

/** The identity of a query, names of its output left out. */
export function queryKey(query: Query, world: World, local: ReadonlyMap<number, string> = new Map()): string {
  if (query.kind === "set") {
    const arms = query.arms.map((arm) => `(${queryKey(arm, world, local)})`).join(` ${query.operator} ${query.all} `)
    return `${arms} ${JSON.stringify(query.order)} ${endsKey(query, world, local)}`
  }
  const inner = new Map(local)
  const depth = local.size
  for (const leaf of leavesOf(query.core)) inner.set(leaf.id, `@${depth + inner.size}`)
  const list = (expressions: readonly Expression[]): string => expressions.map((one) => keyWith(one, world, inner)).join(", ")
  return [
    coreKey(query.core, world, inner),
    `by ${query.group === null ? "none" : list(query.group.keys)} ${JSON.stringify(query.group?.sets ?? null)}`,
    `having ${list(query.having)} distinct ${query.distinct} on ${list(query.distinctOn ?? [])}`,
    `select ${list(query.output.map((output) => output.expression))}`,
    `order ${query.order.map((key) => `${keyWith(key.expression, world, inner)} ${key.descending} ${key.nulls} ${key.using}`).join(", ")}`,
    endsKey(query, world, inner),
  ].join(" ")
}

function endsKey(query: Query, world: World, local: ReadonlyMap<number, string>): string {
  const end = (expression: Expression | null): string => (expression === null ? "-" : keyWith(expression, world, local))
  return `${end(query.limit)} ${end(query.offset)} ${query.kind === "select" && query.withTies}`
}

function coreKey(core: Core, world: World, local: ReadonlyMap<number, string>): string {
  const list = (expressions: readonly Expression[]): string => expressions.map((one) => keyWith(one, world, local)).join(" & ")
  const leaf = ({ source, lateral }: Leaf): string => `${lateral ? "lateral " : ""}${sourceKey(source, world, local)}`
  const fulls = core.fulls.map(
    (full) => `full(${coreKey(full.left, world, local)}; ${coreKey(full.right, world, local)}; ${list(full.on)})`,
  )
  const units = core.units.map((unit) => `left(${coreKey(unit.core, world, local)}; ${list(unit.on)})`)
  return `${[...core.leaves.map(leaf), ...fulls, ...units].join(", ")} where ${list(core.where)}`
}

function sourceKey(source: Source, world: World, local: ReadonlyMap<number, string>): string {
  switch (source.kind) {
    case "table":
      return `table ${source.table.schema}.${source.table.name} ${source.only}`
    case "derived":
      return `(${queryKey(source.query, world, local)})`
    case "function":
      return keyWith(source.call, world, local)
    case "values":
      return `values ${source.rows.map((row) => `(${row.map((item) => keyWith(item, world, local)).join(", ")})`).join(", ")}`
  }
}
