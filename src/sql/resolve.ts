import { allResolved, columnUsesOf, deriveBlocks, expressionsOf, relationsOf } from "./derive.ts"
import { columnsIn, type Expression, mapExpression, type SortKey } from "./expression.ts"
import type { FromItem, OutputExpression, QueryBlock, ShapeRelation, StatementShape } from "./shape.ts"

/** What resolving needs to know of a database. */
export interface ShapeCatalog {
  /** Column names of a table or view in their order, or null when there is no such relation; without a schema, by the search path. */
  columnsOf(schema: string | null, name: string): readonly string[] | null
}

interface OpenedColumn {
  readonly name: string
  readonly expression: Expression
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
    if (only !== null) return columnsOfRelation(only, block.ordinal)
    const items = block.from.map((item) => columnsOfItem(item, block.ordinal))
    return items.some((columns) => columns === null) ? null : items.flatMap((columns) => columns!)
  }
  const columnsOfRelation = (ordinal: number, block: number): readonly OpenedColumn[] | null => {
    const names = columnsOf(relations[ordinal]!)
    return (
      names?.map((name, at) => {
        const unique = names.indexOf(name) === names.lastIndexOf(name)
        const column = { kind: "column" as const, relation: ordinal, name, qualifier: null, block }
        return { name, expression: unique ? column : { ...column, at } }
      }) ?? null
    )
  }
  /** Columns that USING or NATURAL merges come first, once. */
  const columnsOfItem = (item: FromItem, block: number): readonly OpenedColumn[] | null => {
    if (item.kind === "relation") return columnsOfRelation(item.relation, block)
    const left = columnsOfItem(item.left, block)
    const right = columnsOfItem(item.right, block)
    if (left === null || right === null) return null
    const merged = item.natural ? commonNames(item) : item.using
    const rest = ({ name }: OpenedColumn): boolean => !merged.includes(name)
    return [
      ...merged.map((name) => ({ name, expression: mergedColumn(item, name, block)! })),
      ...left.filter(rest),
      ...right.filter(rest),
    ]
  }
  /** The column that a bare name means in a join that merges some: of the side that is not padded with NULLs, or of either. */
  const mergedColumn = (item: FromItem, name: string, block: number): Expression | null => {
    if (item.kind === "relation") {
      const has = columnsOf(relations[item.relation]!)?.includes(name) ?? false
      return has ? { kind: "column", relation: item.relation, name, qualifier: null, block } : null
    }
    const left = mergedColumn(item.left, name, block)
    const right = mergedColumn(item.right, name, block)
    if (left === null || right === null) return left ?? right
    if (item.type === "full") return { kind: "choice", name: "coalesce", args: [left, right] }
    return item.type === "right" ? right : left
  }
  const pick = (name: string, candidates: readonly number[]): number | null =>
    candidates.find((ordinal) => columnsOf(relations[ordinal]!)?.includes(name)) ??
    (candidates.length === 1 ? candidates[0]! : null)
  const commonNames = (item: Extract<FromItem, { kind: "join" }>): readonly string[] => {
    const right = new Set(relationsOf(item.right).flatMap((ordinal) => columnsOf(relations[ordinal]!) ?? []))
    return [...new Set(relationsOf(item.left).flatMap((ordinal) => columnsOf(relations[ordinal]!) ?? []))].filter((name) =>
      right.has(name),
    )
  }
  /** Innermost block first. A block in FROM sees its siblings only when LATERAL, and then the text is right anyway. */
  const place = (name: string, from: number): Expression | null => {
    for (let at: number | null = from; at !== null; at = blocks[at]!.parent) {
      const block = blocks[at]!
      const found = block.relations.find((ordinal) => columnsOf(relations[ordinal]!)?.includes(name))
      if (found !== undefined) {
        const item = block.from.find((one) => relationsOf(one).includes(found))
        const merged = item === undefined ? null : mergedColumn(item, name, from)
        return merged ?? { kind: "column", relation: found, name, qualifier: null, block: from }
      }
      if (block.relations.some((ordinal) => columnsOf(relations[ordinal]!) === null)) return null
    }
    return null
  }
  const resolve = (expression: Expression): Expression =>
    mapExpression(expression, (inner) => {
      if (inner.kind !== "column" || inner.qualifier !== null) return inner
      const claimed = inner.relation
      if (inner.at !== undefined || (claimed !== null && (columnsOf(relations[claimed]!)?.includes(inner.name) ?? true)))
        return inner
      const found = place(inner.name, inner.block)
      if (found !== null) return found
      // No column of that name: the name of a relation stands for its whole row.
      const whole = blocks[inner.block]?.relations.find(
        (ordinal) => (relations[ordinal]!.alias ?? relations[ordinal]!.name) === inner.name,
      )
      return whole !== undefined && columnsOf(relations[whole]!) !== null
        ? { kind: "star", relation: whole, block: inner.block }
        : inner
    })

  /** GROUP BY prefers a column of the input to an output column of the same name. */
  const groupKey = (block: QueryBlock, key: Expression, at: number): Expression => {
    const name = block.grouping!.written[at]!
    const named = name !== null && block.relations.some((ordinal) => columnsOf(relations[ordinal]!)?.includes(name))
    return named ? { kind: "column", relation: null, name, qualifier: null, block: block.ordinal } : key
  }

  for (const block of blocks) {
    const opened = block.output.flatMap((entry): readonly OutputExpression[] => {
      if (entry.expression.kind !== "star") return [entry]
      const columns = openStar(block, entry.expression.relation)
      return columns ?? [entry]
    })
    const grouping = block.grouping && { ...block.grouping, keys: block.grouping.keys.map((key, at) => groupKey(block, key, at)) }
    const from = block.from.map((item) => spelledOut(item, commonNames))
    Object.assign(block, resolveBlock({ ...block, output: opened, grouping, from }, resolve))
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
  const output = block.output.map(sort)
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
    order: block.setOperation === null ? block.order.map(sort) : block.order.map((key) => onOutput(key, block.output, output)),
    output,
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

/** Keys of a set operation are its output columns: still the same objects once those are resolved. */
function onOutput(key: SortKey, before: readonly OutputExpression[], after: readonly OutputExpression[]): SortKey {
  const at = before.findIndex(({ expression }) => expression === key.expression)
  return at < 0 ? key : { ...key, expression: after[at]!.expression }
}
