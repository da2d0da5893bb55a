import { allResolved, columnUsesOf, deriveBlocks, expressionsOf, relationsOf } from "./derive.ts"
import { columnsIn, type Expression, mapExpression } from "./expression.ts"
import type { FromItem, OutputExpression, QueryBlock, ShapeRelation, StatementShape } from "./shape.ts"

/** What resolving needs to know of a database. */
export interface ShapeCatalog {
  /** Column names of a table or view in their order, or null when there is no such relation; without a schema, by the search path. */
  columnsOf(schema: string | null, name: string): readonly string[] | null
}

interface OpenedColumn {
  readonly relation: number
  readonly name: string
  readonly at?: number
}

/**
 * The shape with every column given to its relation, `*` in output lists opened, and NATURAL and USING joins spelled out, by the
 * columns that the catalog knows. What cannot be told stays as it was, and `resolved` says so.
 */
export function resolveShape(shape: StatementShape, catalog: ShapeCatalog): StatementShape {
  const { relations } = shape
  const blocks = shape.blocks.map((block) => ({ ...block }))
  const known = new Map<number, readonly string[] | null>()

  const columnsOf = (relation: ShapeRelation): readonly string[] | null => {
    const cached = known.get(relation.ordinal)
    if (cached !== undefined) return cached
    known.set(relation.ordinal, null)
    let names: readonly string[] | null = null
    if (relation.kind === "table") names = catalog.columnsOf(relation.schema, relation.name)
    else if (relation.kind === "function")
      names = relation.columnAliases.length > 0 ? relation.columnAliases : [relation.alias ?? relation.name]
    else if (relation.source !== null) names = outputNames(blocks[relation.source]!)
    const renamed = names?.map((name, at) => relation.columnAliases[at] ?? name) ?? null
    known.set(relation.ordinal, renamed)
    return renamed
  }
  const outputNames = (block: QueryBlock): readonly string[] | null => {
    if (block.setOperation !== null) return outputNames(blocks[block.setOperation.arms[0]!]!)
    const names: string[] = []
    for (const { name, expression } of block.output) {
      if (expression.kind !== "star") names.push(name ?? "?column?")
      else {
        const opened = openStar(block, expression.relation)
        if (opened === null) return null
        names.push(...opened.map((column) => column.name))
      }
    }
    return names
  }
  const openStar = (block: QueryBlock, only: number | null): readonly OpenedColumn[] | null => {
    const opened: OpenedColumn[] = []
    const merged = new Set(only === null ? block.from.flatMap(mergedNames) : [])
    const listed = new Set<string>()
    for (const ordinal of only === null ? block.from.flatMap(relationsOf) : [only]) {
      const names = columnsOf(relations[ordinal]!)
      if (names === null) return null
      for (const [at, name] of names.entries()) {
        if (merged.has(name) && listed.has(name)) continue
        listed.add(name)
        const unique = names.indexOf(name) === names.lastIndexOf(name)
        opened.push(unique ? { relation: ordinal, name } : { relation: ordinal, name, at })
      }
    }
    return opened
  }
  const pick = (name: string, candidates: readonly number[]): number | null =>
    candidates.find((ordinal) => columnsOf(relations[ordinal]!)?.includes(name)) ??
    (candidates.length === 1 ? candidates[0]! : null)
  const mergedNames = (item: FromItem): readonly string[] => {
    if (item.kind === "relation") return []
    const below = [...mergedNames(item.left), ...mergedNames(item.right)]
    return item.natural ? [...below, ...commonNames(item)] : [...below, ...item.using]
  }
  const commonNames = (item: Extract<FromItem, { kind: "join" }>): readonly string[] => {
    const right = new Set(relationsOf(item.right).flatMap((ordinal) => columnsOf(relations[ordinal]!) ?? []))
    return [...new Set(relationsOf(item.left).flatMap((ordinal) => columnsOf(relations[ordinal]!) ?? []))].filter((name) =>
      right.has(name),
    )
  }
  /** Innermost block first. A block in FROM sees its siblings only when LATERAL, and then the text is right anyway. */
  const place = (name: string, from: number): number | null => {
    for (let at: number | null = from; at !== null; at = blocks[at]!.parent) {
      const found = blocks[at]!.relations.find((ordinal) => columnsOf(relations[ordinal]!)?.includes(name))
      if (found !== undefined) return found
      if (blocks[at]!.relations.some((ordinal) => columnsOf(relations[ordinal]!) === null)) return null
    }
    return null
  }
  const resolve = (expression: Expression): Expression =>
    mapExpression(expression, (inner) => {
      if (inner.kind !== "column" || inner.qualifier !== null) return inner
      const claimed = inner.relation
      if (claimed !== null && (columnsOf(relations[claimed]!)?.includes(inner.name) ?? true)) return inner
      const found = place(inner.name, inner.block)
      if (found !== null) return { ...inner, relation: found }
      // No column of that name: the name of a relation stands for its whole row.
      const whole = blocks[inner.block]?.relations.find(
        (ordinal) => (relations[ordinal]!.alias ?? relations[ordinal]!.name) === inner.name,
      )
      return whole !== undefined && columnsOf(relations[whole]!) !== null
        ? { kind: "star", relation: whole, block: inner.block }
        : inner
    })

  for (const block of blocks) {
    const opened = block.output.flatMap((entry): readonly OutputExpression[] => {
      if (entry.expression.kind !== "star") return [entry]
      const columns = openStar(block, entry.expression.relation)
      return (
        columns?.map((column) => ({
          name: column.name,
          expression: { kind: "column", qualifier: null, block: block.ordinal, ...column },
        })) ?? [entry]
      )
    })
    Object.assign(
      block,
      resolveBlock({ ...block, output: opened, from: block.from.map((item) => spelledOut(item, commonNames)) }, resolve),
    )
  }
  const args = relations.map((relation) =>
    relation.args.length === 0 ? relation : { ...relation, args: relation.args.map(resolve) },
  )
  deriveBlocks(blocks, args, pick)
  return { ...shape, relations: args, blocks, columns: columnUsesOf(blocks, args), resolved: allResolved(blocks, args) }
}

function spelledOut(item: FromItem, commonNames: (item: Extract<FromItem, { kind: "join" }>) => readonly string[]): FromItem {
  if (item.kind === "relation") return item
  const left = spelledOut(item.left, commonNames)
  const right = spelledOut(item.right, commonNames)
  return { ...item, left, right, using: item.natural ? commonNames(item) : item.using, natural: false }
}

function resolveBlock(block: QueryBlock, resolve: (expression: Expression) => Expression): QueryBlock {
  const unresolved = expressionsOf(block, []).some(({ expression }) => columnsIn(expression).length > 0)
  if (!unresolved && block.from.every((item) => item.kind === "relation")) return block
  const some = (expression: Expression | null): Expression | null => (expression === null ? null : resolve(expression))
  const sort = <K extends { readonly expression: Expression }>(key: K): K => ({ ...key, expression: resolve(key.expression) })
  const from = (item: FromItem): FromItem =>
    item.kind === "relation" ? item : { ...item, left: from(item.left), right: from(item.right), on: some(item.on) }
  return {
    ...block,
    from: block.from.map(from),
    where: some(block.where),
    grouping: block.grouping && { ...block.grouping, keys: block.grouping.keys.map(resolve) },
    having: some(block.having),
    distinct: block.distinct === "all" || block.distinct === null ? block.distinct : block.distinct.map(resolve),
    windows: block.windows.map((window) => ({
      ...window,
      partition: window.partition.map(resolve),
      order: window.order.map(sort),
    })),
    order: block.setOperation === null ? block.order.map(sort) : block.order,
    output: block.output.map(sort),
    values: block.values?.map((row) => row.map(resolve)) ?? null,
    aggregates: block.aggregates.map(resolve),
    windowCalls: block.windowCalls.map(resolve),
    write: block.write && {
      ...block.write,
      assignments: block.write.assignments.map(sort),
      actions: block.write.actions.map((action) => ({
        ...action,
        condition: some(action.condition),
        values: action.values.map(resolve),
      })),
    },
  }
}
