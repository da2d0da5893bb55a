import { SelectoError } from "../errors.ts"
import { type ParseResult, parseSqlSync } from "./parse.ts"
import { statementShapeSync } from "./shape-reader.ts"
import {
  type AggregatePiece,
  fillSlots,
  hasSlot,
  type IsAggregate,
  openClock,
  Slots,
  slotNode,
  slotPrefix,
  slotText,
} from "./slots.ts"
import { identityOf, isNode, soleStatement, type TreeNode, writeNode } from "./tree.ts"

export type { AggregatePiece, IsAggregate } from "./slots.ts"

/**
 * A SELECT taken apart into SQL texts, so that other statements can be made of its parts. Where a part is to be filled in by whoever
 * makes them, the text holds a slot, a quoted name: `"selecto:part"` in WHERE, `"selecto:now"` for the moment of the transaction,
 * and in the templates `"selecto:k0"` for a grouping key and `"selecto:a0"` for an aggregate.
 */
export interface SelectPieces {
  /** `WITH …`, or "". */
  readonly with: string
  /** "all" is DISTINCT; a list is DISTINCT ON. */
  readonly distinct: "all" | readonly string[] | null
  readonly output: readonly OutputPiece[]
  /** The FROM list, or "". */
  readonly from: string
  /** The condition, or ""; with the slot of the part, unless that stands further inside. */
  readonly where: string
  /** GROUP BY list as a template; null without one. */
  readonly grouping: string | null
  /** What `"selecto:k0"` and so on stand for: the keys of GROUP BY, then columns that they decide. */
  readonly keys: readonly string[]
  /** How many of `keys` GROUP BY itself has. */
  readonly groupingKeys: number
  readonly aggregates: readonly AggregatePiece[]
  /** HAVING, WINDOW and ORDER BY as templates. */
  readonly having: string | null
  readonly windows: readonly string[]
  readonly order: readonly SortPiece[]
  readonly limit: string | null
  readonly offset: string | null
  /** The statement asks for the moment of its transaction. */
  readonly clock: boolean
  /** Why the templates cannot be evaluated over groups alone; null when they can. */
  readonly beyondGroups: string | null
}

export interface OutputPiece {
  /** The column's name; null for `*`. */
  readonly name: string | null
  /** The name that was written with AS. */
  readonly alias: string | null
  readonly text: string
  readonly template: string
}

export interface SortPiece {
  /** The key with its direction, as it stands. */
  readonly text: string
  readonly template: string
  /** The expression alone, positions and names of output columns resolved. */
  readonly expression: string
  readonly descending: boolean
  readonly nullsFirst: boolean
  /** It has USING with an operator of its own. */
  readonly using: boolean
}

export interface PieceOptions {
  readonly isAggregate: IsAggregate
  /** Whether a bare name of GROUP BY is a column of FROM, which goes before an output column of that name. */
  readonly isInputColumn: (name: string) => boolean
  /** Visible names of the relation whose rows are divided, from outside in; the slot stands in the WHERE of its block. Default: the statement's own. */
  readonly mark?: readonly string[] | undefined
}

/**
 * Takes a SELECT apart. The texts are proved: put together again they are read as the statement they came from. Throws
 * E_UNSUPPORTED_INPUT for what is no plain SELECT, or cannot be written again without a doubt. Needs {@link loadShapes}.
 */
export function selectPieces(text: string, options: PieceOptions): SelectPieces {
  if (text.includes(slotPrefix))
    throw unsupported(`The statement holds ${JSON.stringify(slotPrefix)}, which marks places to fill in.`)
  const select = openClock({ SelectStmt: soleSelect(parseSqlSync(text)) }).SelectStmt as TreeNode
  placeMark(select, options.mark ?? [])
  const names = statementShapeSync(text).blocks[0]!.output.map((entry) => entry.name)
  const { pieces, groups } = read(select, names, options)
  prove(select, groups, pieces)
  return pieces
}

function soleSelect(tree: ParseResult): TreeNode {
  const [kind, select] = soleStatement(tree)
  if (kind !== "SelectStmt" || (select.op !== undefined && select.op !== "SETOP_NONE") || select.valuesLists !== undefined)
    throw unsupported("Only a plain SELECT can be taken apart.")
  return select
}

function read(
  select: TreeNode,
  names: readonly (string | null)[],
  options: PieceOptions,
): { readonly pieces: SelectPieces; readonly groups: readonly TreeNode[] } {
  const targets = list(select.targetList).map((target) => target.ResTarget as TreeNode)
  const outputs = targets.map((target) => target.val as TreeNode)
  const aliases = targets.map((target) => (target.name as string | undefined) ?? null)
  const slots = new Slots(options.isAggregate)

  const groups = list(select.groupClause).map((node) =>
    onGrouping(node, (key) => resolveKey(key, outputs, aliases, names, options)),
  )
  const keyed = groups.map((node) => onGrouping(node, (key) => slots.key(key)))
  const distinct =
    select.distinctClause === undefined ? null : list(select.distinctClause).filter((node) => Object.keys(node).length > 0)
  const groupingKeys = slots.keys.length
  const open = (node: TreeNode): string => writeNode(slots.open(node))
  const output = outputs.map(
    (value, at): OutputPiece => ({
      name: names[at] ?? null,
      alias: aliases[at] ?? null,
      text: writeNode(value),
      template: open(value),
    }),
  )
  const having = isNode(select.havingClause) ? open(select.havingClause) : null
  const windows = list(select.windowClause).map((node) => writeNode(slots.open(node)))
  const order = list(select.sortClause).map((node) => readSort(node, outputs, names, slots))
  const pieces: SelectPieces = {
    with: isNode(select.withClause) ? writeNode({ WithClause: select.withClause }) : "",
    distinct:
      distinct === null
        ? null
        : distinct.length === 0
          ? "all"
          : distinct.map((node) => writeNode(onOutput(node, outputs, names))),
    output,
    from: list(select.fromClause).map(writeNode).join(", "),
    where: isNode(select.whereClause) ? writeNode(select.whereClause) : "",
    grouping:
      groups.length === 0 ? null : `${select.groupDistinct === true ? "DISTINCT " : ""}${keyed.map(writeNode).join(", ")}`,
    keys: slots.keys,
    groupingKeys,
    aggregates: slots.aggregates,
    having,
    windows,
    order,
    limit: limitOf(select.limitCount),
    offset: limitOf(select.limitOffset),
    clock: hasSlot(select, "now"),
    beyondGroups: slots.beyond,
  }
  return { pieces, groups }
}

/** LIMIT ALL reads as LIMIT NULL. */
function limitOf(node: unknown): string | null {
  if (!isNode(node) || (isNode(node.A_Const) && node.A_Const.isnull === true)) return null
  return writeNode(node)
}

/** Puts the slot of the part's condition into the WHERE of the block that the path leads to. */
function placeMark(select: TreeNode, path: readonly string[]): void {
  const block = path.length < 2 ? select : blockOf(select, path)
  const mark = slotNode("part")
  block.whereClause = isNode(block.whereClause)
    ? { BoolExpr: { boolop: "AND_EXPR", args: [...conjuncts(block.whereClause), mark] } }
    : mark
}

function conjuncts(condition: TreeNode): TreeNode[] {
  const bool = condition.BoolExpr
  return isNode(bool) && bool.boolop === "AND_EXPR" ? list(bool.args) : [condition]
}

function blockOf(select: TreeNode, [name, ...rest]: readonly string[]): TreeNode {
  if (rest.length === 0) return select
  const item = list(select.fromClause)
    .flatMap(itemsOf)
    .find((one) => visibleName(one) === name)
  const inner = isNode(item?.RangeSubselect)
    ? (item.RangeSubselect.subquery as TreeNode)
    : list(isNode(select.withClause) ? select.withClause.ctes : undefined)
        .map((cte) => cte.CommonTableExpr as TreeNode)
        .find((cte) => cte.ctename === (item?.RangeVar as TreeNode | undefined)?.relname)?.ctequery
  const body = isNode(inner) ? inner.SelectStmt : undefined
  if (!isNode(body)) throw unsupported(`No query called ${JSON.stringify(name)} stands in FROM.`)
  return blockOf(body, rest)
}

function itemsOf(item: TreeNode): TreeNode[] {
  const join = item.JoinExpr
  return isNode(join) ? [...itemsOf(join.larg as TreeNode), ...itemsOf(join.rarg as TreeNode)] : [item]
}

function visibleName(item: TreeNode): string | null {
  const body = (item.RangeVar ?? item.RangeSubselect) as TreeNode | undefined
  if (body === undefined) return null
  return isNode(body.alias) ? String(body.alias.aliasname) : ((body.relname as string | undefined) ?? null)
}

/** A GROUP BY entry with its keys replaced, grouping sets opened. */
function onGrouping(node: TreeNode, change: (key: TreeNode) => TreeNode): TreeNode {
  const set = node.GroupingSet
  if (!isNode(set)) return change(node)
  const content = list(set.content).map((part) =>
    isNode(part.RowExpr) ? { RowExpr: { ...part.RowExpr, args: list(part.RowExpr.args).map(change) } } : onGrouping(part, change),
  )
  return { GroupingSet: { ...set, ...(set.content === undefined ? {} : { content }) } }
}

function resolveKey(
  key: TreeNode,
  outputs: readonly TreeNode[],
  aliases: readonly (string | null)[],
  names: readonly (string | null)[],
  options: PieceOptions,
): TreeNode {
  const name = bareName(key)
  if (name === null) return onOutput(key, outputs, names)
  const at = aliases.indexOf(name)
  return at < 0 || options.isInputColumn(name) ? key : outputs[at]!
}

/** A key that is a position or a name of the output stands for that column's expression. */
function onOutput(key: TreeNode, outputs: readonly TreeNode[], names: readonly (string | null)[]): TreeNode {
  const constant = key.A_Const
  if (isNode(constant) && isNode(constant.ival)) {
    const position = Number(constant.ival.ival ?? 0)
    // Positions count expanded columns: behind a star nobody knows which one is meant.
    if (names.slice(0, position).includes(null)) throw unsupported("A position in ORDER BY or GROUP BY counts columns behind *.")
    return outputs[position - 1] ?? key
  }
  const name = bareName(key)
  const at = name === null ? -1 : names.indexOf(name)
  return at < 0 ? key : outputs[at]!
}

function bareName(node: TreeNode): string | null {
  const fields = isNode(node.ColumnRef) ? list(node.ColumnRef.fields) : []
  const [field] = fields
  return fields.length === 1 && isNode(field?.String) ? String(field.String.sval) : null
}

function readSort(node: TreeNode, outputs: readonly TreeNode[], names: readonly (string | null)[], slots: Slots): SortPiece {
  const sort = node.SortBy as TreeNode
  const written = sort.node as TreeNode
  const expression = onOutput(written, outputs, names)
  const descending = sort.sortby_dir === "SORTBY_DESC"
  const nulls = sort.sortby_nulls
  // A name or position of the output means the same above the groups; anything else is an expression over the input.
  const kept = expression !== written ? written : slots.open(written)
  return {
    text: writeNode(node),
    template: writeNode({ SortBy: { ...sort, node: kept } }),
    expression: writeNode(expression),
    descending,
    nullsFirst: nulls === "SORTBY_NULLS_FIRST" || (nulls !== "SORTBY_NULLS_LAST" && descending),
    using: sort.sortby_dir === "SORTBY_USING",
  }
}

function list(value: unknown): TreeNode[] {
  return Array.isArray(value) ? (value as TreeNode[]) : []
}

/** Puts the pieces together again, slots filled with what they stand for, and compares every clause with the statement's own. */
function prove(clocked: TreeNode, groups: readonly TreeNode[], pieces: SelectPieces): void {
  const slots = new Map([
    ...pieces.aggregates.map(({ slot, text }) => [slot, text] as const),
    ...pieces.keys.map((key, at) => [slotText(`k${at}`), key] as const),
  ])
  const filled = (template: string): string => fillSlots(template, (slot) => slots.get(slot) ?? null)
  const clause = (word: string, texts: readonly (string | null)[]): string =>
    texts.length === 0 || !texts[0] ? "" : ` ${word} ${texts.map((text) => filled(text!)).join(", ")}`
  const whole = [
    `${pieces.with} SELECT ${pieces.output.map((entry) => filled(entry.template)).join(", ")}`,
    clause("FROM", [pieces.from]),
    clause("WHERE", [pieces.where]),
    clause("GROUP BY", [pieces.grouping]),
    clause("HAVING", [pieces.having]),
    clause("WINDOW", pieces.windows),
    clause(
      "ORDER BY",
      pieces.order.map((key) => key.template),
    ),
    clause("LIMIT", [pieces.limit]),
    clause("OFFSET", [pieces.offset]),
  ].join("")
  const read = soleSelect(parseSqlSync(whole))
  const same = (one: unknown, other: unknown): boolean => identityOf(one) === identityOf(other)
  const clauses = ["withClause", "fromClause", "whereClause", "havingClause", "windowClause", "sortClause", "limitOffset"]
  const proved =
    clauses.every((name) => same(read[name], clocked[name])) &&
    (pieces.limit === null || same(read.limitCount, clocked.limitCount)) &&
    same(list(read.groupClause), groups) &&
    same(valuesOf(read), valuesOf(clocked))
  if (!proved) throw unsupported("The statement cannot be taken apart without a doubt about its meaning.")
}

function valuesOf(select: TreeNode): unknown[] {
  return list(select.targetList).map((target) => (target.ResTarget as TreeNode).val)
}

function unsupported(message: string): SelectoError {
  return new SelectoError("E_UNSUPPORTED_INPUT", message)
}
