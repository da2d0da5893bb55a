import {
  blockText,
  type Expression,
  emptyBlock,
  type FromItem,
  mapExpression,
  plainRelation,
  type QueryBlock,
  type ShapeRelation,
  walkExpression,
} from "../../sql/index.ts"
import { aggregatesIn } from "./calls.ts"
import {
  type Core,
  columnOf,
  emptyCore,
  type Leaf,
  leavesOf,
  nextLeaf,
  type Output,
  plainSelect,
  type Query,
  type SelectQuery,
  type SetQuery,
} from "./query.ts"
import { columnsOfExpression, columnType, expressionsOf, mapQuery, substitute, type World } from "./world.ts"

/** Which relation of the statement each leaf in sight is. */
type Scope = ReadonlyMap<number, number>

/** SQL of a query that takes these parameters, whether it has a use for them or not: whoever runs it binds what the first one took. */
export function queryText(query: Query, world: World, parameters: readonly number[]): string {
  const writer = new Writer(world)
  writer.query(query, null, "statement", new Map())
  const text = blockText({ blocks: writer.blocks, relations: writer.relations })
  const idle = parameters.flatMap((number) => {
    const type = writer.parameters.has(number) ? null : world.parameterType(number)
    return type === null ? [] : [`$${number}::${type.info.text}`]
  })
  // Nothing reads it, so nothing is run.
  return idle.length === 0 ? text : `WITH unused AS (SELECT ${idle.join(", ")}) ${text}`
}

/** A column of something that cannot be seen from where it stands. Caught by whoever wanted the text. */
export class OutOfSightError extends Error {}

class Writer {
  readonly parameters = new Set<number>()
  readonly blocks: QueryBlock[] = []
  readonly relations: ShapeRelation[] = []
  readonly #aliases = new Set<string>()
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  query(query: Query, parent: number | null, role: QueryBlock["role"], scope: Scope): number {
    return query.kind === "set" ? this.#set(query, parent, role, scope) : this.#select(query, parent, role, scope)
  }

  #block(parent: number | null, role: QueryBlock["role"], kind: QueryBlock["kind"]): number {
    const ordinal = this.blocks.length
    this.blocks.push({ ...emptyBlock(), ordinal, parent, role, kind, cte: null })
    return ordinal
  }

  #set(query: SetQuery, parent: number | null, role: QueryBlock["role"], scope: Scope): number {
    const ordinal = this.#block(parent, role, "set")
    const arms = query.arms.map((arm) => this.query(named(arm, query), ordinal, "arm", scope))
    const output = this.blocks[arms[0]!]!.output
    this.#fill(ordinal, {
      setOperation: { operator: query.operator, all: query.all, arms },
      output,
      order: query.order.map(({ column, ...key }) => ({ ...key, expression: output[column]!.expression })),
      limit: this.#some(query.limit, ordinal, scope),
      offset: this.#some(query.offset, ordinal, scope),
    })
    return ordinal
  }

  #select(given: SelectQuery, parent: number | null, role: QueryBlock["role"], outer: Scope): number {
    const query = withWrappedSides(given, this.#world)
    const ordinal = this.#block(parent, role, "select")
    const scope = new Map(outer)
    const from = this.#from(query.core, ordinal, scope)
    const write = (expression: Expression): Expression => this.#expression(expression, ordinal, scope)
    const output = query.output.map(({ name, expression }) => ({ name, expression: write(expression) }))
    const texts = query.output.map(({ expression }) => JSON.stringify(expression))
    const { group } = query
    const aggregated = [
      ...query.output.map((column) => column.expression),
      ...query.having,
      ...query.order.map((key) => key.expression),
    ]
    const bare = group !== null && group.keys.length === 0 && !aggregated.some((one) => aggregatesIn(one, this.#world).length > 0)
    this.#fill(ordinal, {
      from: from.item === null ? [] : [from.item],
      where: conjunction(from.rest.map(write)),
      grouping:
        group === null || (group.keys.length === 0 && group.sets === null && !bare)
          ? null
          : { keys: group.keys.map(write), written: group.keys.map(() => null), sets: bare ? [[]] : group.sets, distinct: false },
      having: conjunction(query.having.map(write)),
      distinct: query.distinct ? "all" : (query.distinctOn?.map(write) ?? null),
      output,
      order: query.order.map((key) => {
        const at = texts.indexOf(JSON.stringify(key.expression))
        return { ...key, expression: at >= 0 ? output[at]!.expression : write(key.expression) }
      }),
      limit: this.#some(query.limit, ordinal, scope),
      offset: this.#some(query.offset, ordinal, scope),
      withTies: query.withTies,
    })
    return ordinal
  }

  #fill(ordinal: number, parts: Partial<QueryBlock>): void {
    this.blocks[ordinal] = { ...this.blocks[ordinal]!, ...parts }
  }

  #some(expression: Expression | null, block: number, scope: Scope): Expression | null {
    return expression === null ? null : this.#expression(expression, block, scope)
  }

  #expression(expression: Expression, block: number, scope: Scope): Expression {
    return mapExpression(expression, (inner) => {
      if (inner.kind === "parameter") this.parameters.add(inner.number)
      if (inner.kind === "column") {
        const relation = scope.get(inner.relation!)
        // A leaf's number must never be taken for the place of another relation.
        if (relation === undefined) throw new OutOfSightError(inner.name)
        return { ...inner, relation }
      }
      if (inner.kind !== "sublink") return inner
      const role =
        inner.link === "exists" || inner.link === "any" || inner.link === "all" || inner.link === "array" ? inner.link : "scalar"
      return { ...inner, block: this.query(this.#world.subquery(inner.block)!, block, role, scope) }
    })
  }

  /** FROM as a left-deep tree in which each condition stands where its tables are first together, and what is left for WHERE. */
  #from(
    core: Core,
    block: number,
    scope: Map<number, number>,
  ): { readonly item: FromItem | null; readonly rest: readonly Expression[] } {
    const placed = new Set<number>()
    let rest = [...core.where]
    let item: FromItem | null = null
    const join = (
      type: "inner" | "cross" | "left" | "full",
      left: FromItem,
      right: FromItem,
      on: Expression | null,
    ): FromItem => ({
      kind: "join",
      type,
      left,
      right,
      on,
      using: [],
      natural: false,
      alias: null,
    })
    const ready = (ids: readonly number[]): readonly Expression[] =>
      rest.filter((condition) => {
        if (hasSublink(condition)) return false
        const read = columnsOfExpression(condition, this.#world).map((column) => column.relation!)
        return (
          read.some((id) => ids.includes(id)) && read.every((id) => ids.includes(id) || placed.has(id)) && new Set(read).size > 1
        )
      })
    const add = (right: FromItem, ids: readonly number[]): void => {
      if (item === null) item = right
      else {
        const on = ready(ids)
        rest = rest.filter((condition) => !on.includes(condition))
        const write = (condition: Expression): Expression => this.#expression(condition, block, scope)
        item = join(on.length === 0 ? "cross" : "inner", item, right, conjunction(on.map(write)))
      }
      for (const id of ids) placed.add(id)
    }
    for (let left = [...core.leaves]; left.length > 0; ) {
      const next =
        left.find((leaf) => item !== null && !leaf.lateral && ready([leaf.id]).length > 0) ??
        left.find((leaf) => !leaf.lateral) ??
        left[0]!
      left = left.filter((leaf) => leaf !== next)
      add(this.#leaf(next, block, scope), [next.id])
    }
    for (const full of core.fulls) {
      const one = this.#from(full.left, block, scope).item!
      const other = this.#from(full.right, block, scope).item!
      const on = conjunction(full.on.map((condition) => this.#expression(condition, block, scope)))
      const ids = [...leavesOf(full.left), ...leavesOf(full.right)].map((leaf) => leaf.id)
      add(join("full", one, other, on), ids)
    }
    for (const unit of core.units) {
      const right = this.#from(unit.core, block, scope)
      const on = conjunction([...unit.on, ...right.rest].map((condition) => this.#expression(condition, block, scope)))
      const always: Expression = { kind: "constant", type: "boolean", value: "true" }
      item = join("left", item!, right.item!, on ?? always)
      for (const leaf of leavesOf(unit.core)) placed.add(leaf.id)
    }
    return { item, rest }
  }

  #leaf(leaf: Leaf, block: number, scope: Map<number, number>): FromItem {
    const ordinal = this.relations.length
    const alias = this.#alias(leaf)
    const made: ShapeRelation = { ...plainRelation, ordinal, block, alias, lateral: leaf.lateral }
    this.relations.push(made)
    const { source } = leaf
    const fill = (parts: Partial<ShapeRelation>): void => {
      this.relations[ordinal] = { ...made, ...parts }
    }
    switch (source.kind) {
      case "table":
        fill({ schema: source.table.schema, name: source.table.name, only: source.only, lateral: false })
        break
      case "derived":
        fill({ kind: "subquery", source: this.query(source.query, block, "from", scope) })
        break
      case "function":
        fill({ kind: "function", args: [this.#expression(source.call, block, scope)], columnAliases: [source.column] })
        break
      case "values": {
        const values = this.#block(block, "from", "values")
        this.#fill(values, { values: source.rows, valuesRows: source.rows.length })
        fill({ kind: "values", source: values, columnAliases: source.columns.map((column) => column.name) })
      }
    }
    scope.set(leaf.id, ordinal)
    return { kind: "relation", relation: ordinal }
  }

  /** A name that nothing else in the statement goes by, so that no reference can mean another. */
  #alias(leaf: Leaf): string {
    const base = leaf.alias === "" ? "t" : leaf.alias
    let name = base
    for (let number = 2; this.#aliases.has(name); number++) name = `${base}_${number}`
    this.#aliases.add(name)
    return name
  }
}

function conjunction(conditions: readonly Expression[]): Expression | null {
  if (conditions.length === 0) return null
  return conditions.length === 1 ? conditions[0]! : { kind: "and", args: conditions }
}

function hasSublink(expression: Expression): boolean {
  let found = false
  walkExpression(expression, (inner) => {
    found ||= inner.kind === "sublink"
    return !found
  })
  return found
}

/** An arm whose columns go by the names of the whole. */
function named(arm: Query, whole: SetQuery): Query {
  const name = (at: number): string => whole.output[at]!.name
  if (arm.kind === "set") return { ...arm, output: arm.output.map((column, at) => ({ ...column, name: name(at) })) }
  return { ...arm, output: arm.output.map((column, at) => ({ ...column, name: name(at) })) }
}

/** A side of a full join with conditions of its own is written as a subquery: nothing else filters before the join. */
function withWrappedSides(query: SelectQuery, world: World): SelectQuery {
  const at = query.core.fulls.findIndex(
    (full) => full.left.where.length + full.right.where.length > 0 || full.left.units.length + full.right.units.length > 0,
  )
  if (at < 0) return query
  const full = query.core.fulls[at]!
  const side = full.left.where.length + full.left.units.length > 0 ? "left" : "right"
  const inner = full[side]
  const ids = new Set(leavesOf(inner).map((leaf) => leaf.id))
  const outside: SelectQuery = {
    ...query,
    core: {
      ...query.core,
      fulls: query.core.fulls.map((other, index) => (index === at ? { ...other, [side]: emptyCore } : other)),
    },
  }
  const read = new Map(
    [...expressionsOf(outside)]
      .flatMap((expression) => columnsOfExpression(expression, world))
      .filter((column) => ids.has(column.relation!))
      .map((column) => [`${column.relation} ${column.name}`, column]),
  )
  const names = new Map([...read.keys()].map((key, index) => [key, `c${index + 1}`]))
  const output = [...read].map(([key, column]): Output => {
    const source = world.leaf(column.relation!)!.source
    return { name: names.get(key)!, expression: column, type: columnType(source, column.name, world.typing.catalog)! }
  })
  const leaf = world.addLeaf({
    id: nextLeaf(),
    alias: "t",
    lateral: false,
    source: { kind: "derived", query: plainSelect(inner, output) },
  })
  const replace = (expression: Expression): Expression =>
    substitute(expression, world, (column) => {
      const name = names.get(`${column.relation} ${column.name}`)
      return name === undefined ? null : columnOf(leaf.id, name)
    })
  const renamed = mapQuery(outside, replace) as SelectQuery
  const fulls = renamed.core.fulls.map((other, index) =>
    index === at ? { ...other, [side]: { ...emptyCore, leaves: [leaf] } } : other,
  )
  return withWrappedSides({ ...renamed, core: { ...renamed.core, fulls } }, world)
}
