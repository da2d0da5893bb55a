import type { Relation } from "../../database/catalog.ts"
import {
  childrenOf,
  conjunctsOf,
  type Expression,
  type FromItem,
  mapExpression,
  type QueryBlock,
  type ShapeRelation,
  type SortKey,
  type StatementShape,
  type WindowSpec,
} from "../../sql/index.ts"
import { commonType, type TypeRef } from "../../sql/typing/index.ts"
import { hasAggregate } from "./calls.ts"
import { normalizeSelect, normalizeSet } from "./normalize.ts"
import {
  type Core,
  columnOf,
  emptyCore,
  type Group,
  type Leaf,
  nextLeaf,
  type Output,
  plainSelect,
  type Query,
  type SelectQuery,
  type SetColumn,
  type SetQuery,
  type Source,
} from "./query.ts"
import { withoutEnds } from "./semi-join.ts"
import { columnNames, type World } from "./world.ts"

/** Why a statement cannot be reasoned about. Caught inside the room. */
export class UnreadableError extends Error {}

/** What a table name in a statement means; null when there is no such relation. */
export type FindTable = (schema: string | null, name: string) => Relation | null

/** Leaves that can be seen from a place, by the ordinals of the shape. */
type Scope = ReadonlyMap<number, VisibleLeaf>

interface VisibleLeaf {
  readonly leaf: Leaf
  /** Column names as the statement knows them, in order; those of the leaf are beside them. */
  readonly names: readonly string[]
}

const systemColumns = new Set(["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"])

/** Reads a resolved shape; throws {@link UnreadableError} for what matching does not reason about. */
export function readQuery(shape: StatementShape, findTable: FindTable, world: World): Query {
  if (shape.kind !== "select") throw new UnreadableError(`it is no SELECT but ${shape.command}`)
  if (shape.writes.length > 0) throw new UnreadableError("it writes")
  return reader(shape, findTable, world).block(0, new Map())
}

function reader(shape: StatementShape, findTable: FindTable, world: World): { block: (ordinal: number, scope: Scope) => Query } {
  const { blocks, relations } = shape

  const block = (ordinal: number, scope: Scope): Query => {
    const own = blocks[ordinal]!
    if (own.locking.length > 0) throw new UnreadableError("it locks rows (FOR UPDATE, FOR SHARE)")
    if (own.setOperation !== null) return normalizeSet(setQuery(own, scope), world)
    if (own.kind === "values") return valuesQuery(own, scope)
    return normalizeSelect(selectQuery(own, scope), world)
  }

  const setQuery = (own: QueryBlock, scope: Scope): SetQuery => {
    const operation = own.setOperation!
    const read = operation.arms.map((arm) => block(arm, scope))
    const width = read[0]!.output.length
    if (read.some((arm) => arm.output.length !== width)) throw new UnreadableError("the arms of a set operation differ in width")
    const types = Array.from({ length: width }, (_, at) =>
      commonType(
        read.map((arm) => arm.output[at]!.type),
        world.typing.catalog,
      ),
    )
    const output = read[0]!.output.map(({ name }, at) => ({ name, type: types[at]! }))
    return {
      kind: "set",
      operator: operation.operator,
      all: operation.all,
      arms: read.map((arm) => withTypes(arm, types, world)),
      output,
      order: own.order.map(({ expression: key, ...direction }) => ({ ...direction, column: orderedColumn(key, own, output) })),
      limit: some(own.limit, scope),
      offset: some(own.offset, scope),
    }
  }
  /** ORDER BY of a set operation names a column of the first arm, or its position. */
  const orderedColumn = (expression: Expression, own: QueryBlock, output: readonly SetColumn[]): number => {
    const same = own.output.findIndex((column) => column.expression === expression)
    if (same >= 0) return same
    const at =
      expression.kind === "constant" && expression.type === "integer"
        ? Number(expression.value) - 1
        : output.findIndex((column) => expression.kind === "column" && column.name === expression.name)
    if (at < 0 || at >= output.length) throw new UnreadableError("the ORDER BY of a set operation names no column of it")
    return at
  }

  const valuesQuery = (own: QueryBlock, scope: Scope): Query => {
    if (own.values === null) throw new UnreadableError("it holds a long VALUES list")
    const rows = own.values.map((row) => row.map((item) => world.typing.infer(expression(item, scope))))
    const types = rows[0]!.map((_item, at) =>
      commonType(
        rows.map((row) => row[at]!.type),
        world.typing.catalog,
      ),
    )
    if (rows.some((row) => row.some((item) => !isFixed(item.expression))))
      throw new UnreadableError("a VALUES list holds more than constants")
    const columns = types.map((type, at) => ({ name: `column${at + 1}`, type }))
    const source: Source = {
      kind: "values",
      rows: rows.map((row) => row.map((item, at) => world.typing.inferAs(item.expression, types[at]!))),
      columns,
    }
    const leaf = world.addLeaf({ id: nextLeaf(), alias: "values", source, lateral: false })
    const output = columns.map(({ name, type }) => ({ name, type, expression: columnOf(leaf.id, name) }))
    return {
      ...plainSelect({ ...emptyCore, leaves: [leaf] }, output),
      limit: some(own.limit, scope),
      offset: some(own.offset, scope),
    }
  }

  const selectQuery = (own: QueryBlock, outer: Scope): SelectQuery => {
    const scope = new Map(outer)
    for (const ordinal of own.relations) {
      const relation = relations[ordinal]!
      scope.set(ordinal, leafOf(relation, scope))
    }
    const core = own.from.map((item) => coreOf(item, scope)).reduce(product, emptyCore)
    const windows = new Map(own.windows.map((window) => [window.as, window]))
    const read = (inner: Expression): Expression => expression(withWindows(inner, windows), scope)
    const output = own.output.map(({ name, expression: value }): Output => {
      const typed = world.typing.infer(read(value))
      return { name: name ?? "?column?", ...typed }
    })
    const where = conjunctsOf(own.where).map(read)
    const having = conjunctsOf(own.having).map(read)
    const order = own.order.map((key): SortKey => ({ ...key, expression: ordered(key.expression, own, output, read) }))
    const keys = own.grouping?.keys.map(read) ?? []
    const aggregated = [...output.map((column) => column.expression), ...having, ...order.map((key) => key.expression)]
    const group: Group | null =
      own.grouping !== null || having.length > 0 || aggregated.some((one) => hasAggregate(one, world))
        ? { keys, sets: keys.length === 0 && own.grouping?.sets?.length === 1 ? null : (own.grouping?.sets ?? null) }
        : null
    if (own.grouping?.distinct) throw new UnreadableError("it says GROUP BY DISTINCT")
    if (where.some((one) => hasAggregate(one, world))) throw new UnreadableError("an aggregate belongs to an outer query")
    return {
      kind: "select",
      core: { ...core, where: [...core.where, ...where] },
      group,
      having,
      distinct: own.distinct === "all",
      distinctOn: own.distinct === "all" || own.distinct === null ? null : own.distinct.map(read),
      output,
      order,
      limit: some(own.limit, scope),
      offset: some(own.offset, scope),
      withTies: own.withTies,
    }
  }
  /** A key that is an output column is that column's expression, as it was typed. */
  const ordered = (
    key: Expression,
    own: QueryBlock,
    output: readonly Output[],
    read: (inner: Expression) => Expression,
  ): Expression => {
    const at = own.output.findIndex((column) => JSON.stringify(column.expression) === JSON.stringify(key))
    if (at >= 0) return output[at]!.expression
    if (key.kind === "constant" && key.type === "integer") return output[Number(key.value) - 1]?.expression ?? read(key)
    return read(key)
  }

  const leafOf = (relation: ShapeRelation, scope: Scope): VisibleLeaf => {
    if (relation.sampled) throw new UnreadableError("it reads a sample (TABLESAMPLE)")
    const alias = relation.alias ?? relation.name
    const add = (source: Source): VisibleLeaf => {
      const lateral = relation.lateral && relation.kind !== "table"
      const leaf = world.addLeaf({ id: nextLeaf(), alias, source, lateral })
      return { leaf, names: columnNames(source).map((name, at) => relation.columnAliases[at] ?? name) }
    }
    switch (relation.kind) {
      case "table": {
        const table = findTable(relation.schema, relation.name)
        if (table === null) throw new UnreadableError(`the relation ${relation.name} was not found`)
        if (table.persistence === "temporary") throw new UnreadableError(`${relation.name} is a temporary table`)
        return add({ kind: "table", table, only: relation.only })
      }
      case "function": {
        const call = relation.args[0]
        if (relation.abridged || call?.kind !== "call")
          throw new UnreadableError("it reads a function with ORDINALITY or column definitions")
        const typed = world.typing.infer(expression(call, scope, true))
        if (typed.type.info.kind === "composite" || typed.type.info.kind === "pseudo")
          throw new UnreadableError(`it reads the rows of the function ${call.name}`)
        return add({ kind: "function", call: typed.expression, column: relation.columnAliases[0] ?? alias, type: typed.type })
      }
      default: {
        const cte = blocks[relation.source!]!.cte
        if (cte?.recursive && refersToItself(shape, relation.source!)) throw new UnreadableError("it has a recursive WITH query")
        const query = block(relation.source!, scope)
        return {
          ...add({ kind: "derived", query: withUniqueNames(query) }),
          names: query.output.map(({ name }, at) => relation.columnAliases[at] ?? name),
        }
      }
    }
  }

  const coreOf = (item: FromItem, scope: Scope): Core => {
    if (item.kind === "relation") return { ...emptyCore, leaves: [scope.get(item.relation)!.leaf] }
    const left = coreOf(item.left, scope)
    const right = coreOf(item.right, scope)
    const on = [...conjunctsOf(item.on), ...item.using.map((name) => equalSides(item, name))].map((one) => expression(one, scope))
    switch (item.type) {
      case "left":
        return { ...left, units: [...left.units, { core: right, on }] }
      case "right":
        return { ...right, units: [...right.units, { core: left, on }] }
      case "full":
        return { ...emptyCore, fulls: [{ left, right, on }] }
      default: {
        const joined = product(left, right)
        return { ...joined, where: [...joined.where, ...on] }
      }
    }
  }
  const equalSides = (item: Extract<FromItem, { kind: "join" }>, name: string): Expression => ({
    kind: "operator",
    schema: null,
    name: "=",
    left: merged(item.left, name)!,
    right: merged(item.right, name)!,
    quantifier: null,
  })
  /** What a name merged by USING means on one side of the join. */
  const merged = (item: FromItem, name: string): Expression | null => {
    if (item.kind === "relation") {
      const relation = relations[item.relation]!
      return namesOf(relation).includes(name)
        ? { kind: "column", relation: item.relation, name, qualifier: null, block: relation.block }
        : null
    }
    const left = merged(item.left, name)
    const right = merged(item.right, name)
    if (left === null || right === null) return left ?? right
    if (item.type === "full") return { kind: "choice", name: "coalesce", args: [left, right] }
    return item.type === "right" ? right : left
  }
  const namesOf = (relation: ShapeRelation): readonly string[] => {
    const names =
      relation.kind === "table"
        ? (findTable(relation.schema, relation.name)?.columns.map((column) => column.name) ?? [])
        : relation.source === null
          ? [relation.alias ?? relation.name]
          : outputNames(relation.source)
    return names.map((name, at) => relation.columnAliases[at] ?? name)
  }
  const outputNames = (ordinal: number): readonly string[] => {
    const { setOperation, output } = blocks[ordinal]!
    return setOperation === null ? output.map(({ name }) => name ?? "?column?") : outputNames(setOperation.arms[0]!)
  }

  /** An expression of the shape in the terms of leaves, its types written out. */
  const expression = (written: Expression, scope: Scope, inFrom = false): Expression => {
    const renamed = mapExpression(written, (inner) => {
      if (inner.kind === "star") throw new UnreadableError("it uses a whole row as a value")
      if (inner.kind === "sublink") {
        const query = block(inner.block, scope)
        return { ...inner, block: world.addSubquery(inner.link === "exists" ? withoutEnds(query, world) : query) }
      }
      if (inner.kind !== "column") return inner
      const seen = inner.relation === null ? undefined : scope.get(inner.relation)
      if (seen === undefined) throw new UnreadableError(`the column ${inner.name} could not be found`)
      const at = inner.at ?? seen.names.indexOf(inner.name)
      if (at < 0) {
        if (systemColumns.has(inner.name)) throw new UnreadableError(`it reads the system column ${inner.name}`)
        throw new UnreadableError(`the column ${inner.name} could not be found`)
      }
      return columnOf(seen.leaf.id, columnNames(seen.leaf.source)[at]!)
    })
    const typed = world.typing.infer(renamed).expression
    checkCalls(typed, world, inFrom)
    return typed
  }
  const some = (written: Expression | null, scope: Scope): Expression | null =>
    written === null ? null : expression(written, scope)

  return { block }
}

function refersToItself(shape: StatementShape, ordinal: number): boolean {
  const inside = (at: number): boolean => {
    for (let block: number | null = at; block !== null; block = shape.blocks[block]!.parent) if (block === ordinal) return true
    return false
  }
  return shape.relations.some((relation) => relation.kind === "cte" && relation.source === ordinal && inside(relation.block))
}

/** `OVER w` and `OVER (w ORDER BY …)` with the window that the name stands for. */
function withWindows(expression: Expression, windows: ReadonlyMap<string, WindowSpec>): Expression {
  const spelled = (window: WindowSpec): WindowSpec => {
    const base = window.name === null ? undefined : windows.get(window.name)
    if (base === undefined) return window
    const { partition, order } = spelled(base)
    const bare = (window.frame & 1) === 0
    const frame = bare ? spelled(base) : window
    return {
      name: null,
      partition: window.partition.length > 0 ? window.partition : partition,
      order: window.order.length > 0 ? window.order : order,
      frame: frame.frame,
      start: frame.start,
      end: frame.end,
    }
  }
  return mapExpression(expression, (inner) =>
    inner.kind === "call" && inner.over !== null ? { ...inner, over: spelled(inner.over) } : inner,
  )
}

/** Refuses calls whose answers may differ from one evaluation to the next, or that multiply rows. */
function checkCalls(expression: Expression, world: World, inFrom = false): void {
  if (expression.kind === "call") {
    const { chosen } = world.typing.functionOf(expression)
    if (chosen.volatility === "volatile") throw new UnreadableError(`the function ${chosen.name} is volatile`)
    if (chosen.returnsSet && !inFrom) throw new UnreadableError("a function in it gives several rows")
  }
  for (const child of childrenOf(expression)) checkCalls(child, world)
}

function isFixed(expression: Expression): boolean {
  if (expression.kind === "column" || expression.kind === "sublink") return false
  return childrenOf(expression).every(isFixed)
}

function product(left: Core, right: Core): Core {
  return {
    leaves: [...left.leaves, ...right.leaves],
    fulls: [...left.fulls, ...right.fulls],
    units: [...left.units, ...right.units],
    where: [...left.where, ...right.where],
  }
}

/** The query with output of these types. */
export function withTypes(query: Query, types: readonly TypeRef[], world: World): Query {
  if (query.kind === "set") {
    return {
      ...query,
      arms: query.arms.map((arm) => withTypes(arm, types, world)),
      output: query.output.map((column, at) => ({ ...column, type: types[at]! })),
    }
  }
  const output = query.output.map((column, at) => ({
    name: column.name,
    expression: world.typing.inferAs(column.expression, types[at]!),
    type: types[at]!,
  }))
  return { ...query, output }
}

/** Output columns that can be told apart by name: what a derived leaf needs. */
function withUniqueNames(query: Query): Query {
  const taken = new Set<string>()
  const unique = (name: string): string => {
    let made = name
    for (let number = 2; taken.has(made); number++) made = `${name}_${number}`
    taken.add(made)
    return made
  }
  if (query.kind === "set") return { ...query, output: query.output.map((column) => ({ ...column, name: unique(column.name) })) }
  return { ...query, output: query.output.map((column) => ({ ...column, name: unique(column.name) })) }
}
