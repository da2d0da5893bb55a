import { readCondition, subjectOf } from "./condition-reader.ts"
import { columnsIn, type Expression, walkExpression } from "./expression.ts"
import type {
  ColumnRole,
  ColumnUse,
  Condition,
  ConditionNode,
  FromItem,
  JoinPair,
  JoinType,
  QueryBlock,
  ShapeRelation,
} from "./shape.ts"

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Finds the relation, of some, that has a column; null when that is not known. */
export type PickRelation = (name: string, candidates: readonly number[]) => number | null

const onlyCandidate: PickRelation = (_name, candidates) => (candidates.length === 1 ? candidates[0]! : null)

/**
 * Fills in what follows from the expressions of the blocks: correlation, conditions, join pairs. Works in place, innermost
 * blocks first, since a block's conditions need to know what its subqueries refer to.
 */
export function deriveBlocks(
  blocks: readonly Mutable<QueryBlock>[],
  relations: readonly ShapeRelation[],
  pick: PickRelation = onlyCandidate,
): void {
  const context = { blocks, relations }
  for (let at = blocks.length - 1; at >= 0; at--) blocks[at]!.correlated = correlationOf(blocks, at)
  for (let at = blocks.length - 1; at >= 0; at--) {
    const block = blocks[at]!
    const conditions: Condition[] = []
    const pairs: JoinPair[] = []
    const add = (expression: Expression, clause: "where" | "on", preserves: readonly number[], type: JoinType): void => {
      const node = readCondition(expression, context)
      conditions.push({ clause, preserves, node })
      pairs.push(...pairsOf(node, clause, type, blocks, false))
    }
    for (const item of block.from) readOn(item, add, pick)
    if (block.where !== null && block.kind !== "insert") add(block.where, "where", [], "inner")
    block.conditions = conditions
    block.joins = pairs
  }
}

function readOn(
  item: FromItem,
  add: (expression: Expression, clause: "on", preserves: readonly number[], type: JoinType) => void,
  pick: PickRelation,
): void {
  if (item.kind === "relation") return
  readOn(item.left, add, pick)
  readOn(item.right, add, pick)
  const left = relationsOf(item.left)
  const right = relationsOf(item.right)
  const preserves = item.type === "left" ? left : item.type === "right" ? right : item.type === "full" ? [...left, ...right] : []
  if (item.on !== null) add(item.on, "on", preserves, item.type)
  for (const name of item.using) {
    const reference = (candidates: readonly number[]): Expression => ({
      kind: "column",
      relation: pick(name, candidates),
      name,
      qualifier: null,
      block: 0,
    })
    add(
      { kind: "operator", schema: null, name: "=", left: reference(left), right: reference(right), quantifier: null },
      "on",
      preserves,
      item.type,
    )
  }
}

/** Ordinals of the relations in a FROM item. */
export function relationsOf(item: FromItem): readonly number[] {
  return item.kind === "relation" ? [item.relation] : [...relationsOf(item.left), ...relationsOf(item.right)]
}

function pairsOf(
  node: ConditionNode,
  clause: "where" | "on",
  type: JoinType,
  blocks: readonly QueryBlock[],
  under: boolean,
): JoinPair[] {
  if (node.kind === "and" || node.kind === "or")
    return node.args.flatMap((arg) => pairsOf(arg, clause, type, blocks, under || node.kind === "or"))
  if (node.kind === "opaque" || under) return []
  if (node.mirror !== null) return [{ left: node.subject, right: node.mirror, operator: node.operator, type, clause }]
  const value = node.value.expression
  if (value?.kind !== "sublink" || value.link !== "any") return []
  const output = blocks[value.block]?.output[0]
  const right = output === undefined ? null : subjectOf(output.expression)
  return right === null
    ? []
    : [{ left: node.subject, right, operator: "=", type: node.operator === "in" ? "semi" : "anti", clause }]
}

/** Every expression that belongs to a block itself, with the role it plays. */
export function expressionsOf(
  block: QueryBlock,
  relations: readonly ShapeRelation[],
): { readonly role: ColumnRole; readonly expression: Expression }[] {
  const found: { role: ColumnRole; expression: Expression }[] = []
  const add = (role: ColumnRole, ...expressions: readonly (Expression | null)[]): void => {
    for (const expression of expressions) if (expression !== null) found.push({ role, expression })
  }
  const onOf = (item: FromItem): void => {
    if (item.kind === "relation") return
    onOf(item.left)
    onOf(item.right)
    add("join", item.on)
  }
  for (const item of block.from) onOf(item)
  for (const relation of block.relations) add("from", ...(relations[relation]?.args ?? []))
  add("where", block.where)
  if (block.setOperation === null)
    add(block.write === null ? "select" : "returning", ...block.output.map((entry) => entry.expression))
  add("group", ...(block.grouping?.keys ?? []))
  add("having", block.having)
  if (block.distinct !== "all" && block.distinct !== null) add("distinct", ...block.distinct)
  for (const window of block.windows) add("window", ...window.partition, ...window.order.map((key) => key.expression))
  if (block.setOperation === null) add("order", ...block.order.map((key) => key.expression))
  for (const row of block.values?.slice(1) ?? []) add("select", ...row)
  add("select", block.limit, block.offset)
  for (const assignment of block.write?.assignments ?? []) add("set", assignment.expression)
  for (const action of block.write?.actions ?? []) add("set", action.condition, ...action.values)
  return found
}

/** Relations of outer blocks that a block, or a block inside it, refers to. Inner blocks come after outer ones. */
function correlationOf(blocks: readonly QueryBlock[], at: number): readonly number[] {
  const block = blocks[at]!
  const own = new Set(block.relations)
  const found = new Set<number>()
  const note = (relation: number | null): void => {
    if (relation !== null && !own.has(relation)) found.add(relation)
  }
  for (const { expression } of expressionsOf(block, [])) {
    walkExpression(expression, (inner) => {
      if (inner.kind === "column" || inner.kind === "star") note(inner.relation)
    })
  }
  for (let inner = at + 1; inner < blocks.length; inner++)
    if (blocks[inner]!.parent === at) for (const relation of blocks[inner]!.correlated) note(relation)
  return [...found]
}

/** Columns and the roles they play, each once per relation and block. */
export function columnUsesOf(blocks: readonly QueryBlock[], relations: readonly ShapeRelation[]): ColumnUse[] {
  const uses = new Map<string, { relation: number | null; name: string; block: number; roles: Set<ColumnRole> }>()
  const note = (relation: number | null, name: string, block: number, role: ColumnRole): void => {
    const key = JSON.stringify([relation, name, block])
    const known = uses.get(key)
    if (known === undefined) uses.set(key, { relation, name, block, roles: new Set([role]) })
    else known.roles.add(role)
  }
  for (const block of blocks) {
    for (const { role, expression } of expressionsOf(block, relations)) {
      walkExpression(expression, (inner) => {
        // count(*) reads no column.
        if (inner.kind === "star") note(inner.relation, "*", block.ordinal, role)
        else if (inner.kind === "column") note(inner.relation, inner.name, block.ordinal, role)
      })
    }
    for (const pair of block.joins)
      for (const side of [pair.left, pair.right])
        for (const name of side.columns) note(side.relation, name, block.ordinal, "join")
    if (block.write !== null) for (const name of block.write.columns) note(block.write.target, name, block.ordinal, "set")
  }
  return [...uses.values()].map((use) => ({ ...use, roles: [...use.roles] }))
}

/** True when every column of the blocks has been given to a relation. */
export function allResolved(blocks: readonly QueryBlock[], relations: readonly ShapeRelation[]): boolean {
  return blocks.every((block) =>
    expressionsOf(block, relations).every(({ expression }) => columnsIn(expression).every((column) => column.relation !== null)),
  )
}
