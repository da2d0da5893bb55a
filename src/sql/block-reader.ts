import type { Node } from "libpg-query"
import { SelectoError } from "../errors.ts"
import { type Draft, type DraftBlock, newBlock, type Of } from "./draft.ts"
import { type Expression, walkExpression } from "./expression.ts"
import { namesOf, type ReadContext, readExpression, readSort, readWindow } from "./expression-reader.ts"
import { readFrom } from "./from-reader.ts"
import type { Scope, VisibleCte } from "./scope.ts"
import { type FromItem, type Grouping, type Locking, maxValuesRows, type OutputExpression, type QueryBlock } from "./shape.ts"
import { readDelete, readInsert, readMerge, readUpdate } from "./write-reader.ts"

const noCtes: ReadonlyMap<string, VisibleCte> = new Map()

/** Reads a statement that has blocks (SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE); returns its block's number. */
export function readQuery(
  draft: Draft,
  node: Node,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"] = null,
): number {
  if ("SelectStmt" in node) return readSelect(draft, node.SelectStmt, role, parent, cte)
  if ("InsertStmt" in node) return readInsert(draft, node.InsertStmt, role, parent, cte)
  if ("UpdateStmt" in node) return readUpdate(draft, node.UpdateStmt, role, parent, cte)
  if ("DeleteStmt" in node) return readDelete(draft, node.DeleteStmt, role, parent, cte)
  if ("MergeStmt" in node) return readMerge(draft, node.MergeStmt, role, parent, cte)
  throw new SelectoError("E_UNSUPPORTED_INPUT", `A ${Object.keys(node)[0] ?? "statement"} has no query block.`)
}

/** The scope of a block: its WITH list read (each CTE sees those before it; recursive ones themselves), its relations still to come. */
export function openScope(
  draft: Draft,
  block: DraftBlock,
  parent: Scope | null,
  withClause: Of<"WithClause"> | undefined,
): Scope {
  const inherited = parent?.ctes ?? noCtes
  if (withClause === undefined) return { block: block.ordinal, relations: [], parent, ctes: inherited }
  const ctes = new Map(inherited)
  const outer: Scope = { block: block.ordinal, relations: [], parent, ctes }
  for (const node of withClause.ctes ?? []) {
    if (!("CommonTableExpr" in node)) continue
    const { ctename: name = "", ctequery, ctematerialized, aliascolnames } = node.CommonTableExpr
    const columns = namesOf(aliascolnames)
    const recursive = withClause.recursive ?? false
    const materialized =
      ctematerialized === "CTEMaterializeAlways" ? true : ctematerialized === "CTEMaterializeNever" ? false : null
    // Under WITH RECURSIVE a CTE sees itself; its block is the next to be made.
    if (recursive) ctes.set(name, { block: draft.blocks.length, columns })
    const ordinal = readQuery(draft, ctequery!, "cte", { ...outer, ctes: new Map(ctes) }, { name, recursive, materialized })
    ctes.set(name, { block: ordinal, columns })
  }
  return outer
}

/** The reading context of a scope. */
export function contextOf(draft: Draft, scope: Scope): ReadContext {
  return {
    scope,
    subquery: (node, role, within) => readQuery(draft, node, role, within),
    note: (expression, cast) => {
      if (expression.kind === "call") {
        draft.functions.set(`${expression.schema ?? ""}.${expression.name}`, { schema: expression.schema, name: expression.name })
      } else if (cast !== null || !draft.parameters.has(expression.number)) draft.parameters.set(expression.number, cast)
    },
  }
}

function readSelect(
  draft: Draft,
  select: Of<"SelectStmt">,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): number {
  const setOperation = select.op !== undefined && select.op !== "SETOP_NONE"
  const kind = setOperation ? "set" : select.valuesLists !== undefined ? "values" : "select"
  const block = newBlock(draft, role, kind, parent, cte)
  const scope = openScope(draft, block, parent, select.withClause)
  const context = contextOf(draft, scope)
  const read = (node: Node): Expression => readExpression(node, context)
  if (setOperation) {
    const arms = armsOf(select).map((arm) => readSelect(draft, arm, "arm", scope, null))
    const operator = select.op === "SETOP_UNION" ? "union" : select.op === "SETOP_INTERSECT" ? "intersect" : "except"
    block.setOperation = { operator, all: select.all ?? false, arms }
    block.output = draft.blocks[arms[0]!]!.output
    // ORDER BY of a set operation names output columns only.
    block.order = readSort(select.sortClause, context).map((key) => onOutput(key, block.output))
  } else if (kind === "values") {
    const rows = select.valuesLists!
    block.valuesRows = rows.length
    const itemsOf = (row: Node | undefined): readonly Node[] => (row !== undefined && "List" in row ? (row.List.items ?? []) : [])
    const first = itemsOf(rows[0]).map(read)
    block.output = first.map((expression, at) => ({ name: `column${at + 1}`, expression }))
    if (rows.length <= maxValuesRows) block.values = [first, ...rows.slice(1).map((row) => itemsOf(row).map(read))]
    // Later rows may hold subqueries; constants of bulk inserts are not kept.
    else
      for (const row of rows.slice(1))
        for (const item of itemsOf(row)) if (!("A_Const" in item) && !("ParamRef" in item)) read(item)
    block.order = readSort(select.sortClause, context).map((key) => onOutput(key, block.output))
  } else {
    block.from = readFromList(draft, block, scope, select.fromClause)
    block.where = select.whereClause === undefined ? null : read(select.whereClause)
    block.output = readOutput(draft, select.targetList, context)
    block.grouping = readGrouping(select, block.output, context)
    block.having = select.havingClause === undefined ? null : read(select.havingClause)
    block.windows = (select.windowClause ?? []).flatMap((node) =>
      "WindowDef" in node
        ? [
            {
              ...readWindow({ ...node.WindowDef, name: node.WindowDef.refname! }, context),
              name: node.WindowDef.refname ?? null,
              as: node.WindowDef.name ?? "",
            },
          ]
        : [],
    )
    block.order = readSort(select.sortClause, context).map((key) => onOutput(key, block.output))
    const distinct = select.distinctClause
    // A plain DISTINCT is a list with one empty node.
    if (distinct !== undefined) {
      const on = distinct.filter((node) => Object.keys(node).length > 0)
      block.distinct = on.length === 0 ? "all" : on.map((node) => onOutput({ expression: read(node) }, block.output).expression)
    }
    collectCalls(block)
  }
  block.limit = select.limitCount === undefined ? null : nullIsNone(read(select.limitCount))
  block.offset = select.limitOffset === undefined ? null : nullIsNone(read(select.limitOffset))
  block.withTies = select.limitOption === "LIMIT_OPTION_WITH_TIES"
  block.locking = (select.lockingClause ?? []).flatMap((node) =>
    "LockingClause" in node ? [readLocking(node.LockingClause)] : [],
  )
  return block.ordinal
}

/** LIMIT ALL reads as LIMIT NULL. */
function nullIsNone(expression: Expression): Expression | null {
  return expression.kind === "constant" && expression.type === "null" ? null : expression
}

/** The arms of a chain of one operator, left to right; another operator, or an arm with its own ORDER BY, stays an arm. */
function armsOf(select: Of<"SelectStmt">): Of<"SelectStmt">[] {
  const arms: Of<"SelectStmt">[] = []
  let at = select
  while (true) {
    arms.push(at.rarg!)
    const left: Of<"SelectStmt"> = at.larg!
    const plain =
      left.sortClause === undefined &&
      left.limitCount === undefined &&
      left.limitOffset === undefined &&
      left.withClause === undefined
    if (left.op !== select.op || (left.all ?? false) !== (select.all ?? false) || !plain) {
      arms.push(left)
      return arms.reverse()
    }
    at = left
  }
}

export function readFromList(draft: Draft, block: DraftBlock, scope: Scope, list: readonly Node[] | undefined): FromItem[] {
  return (list ?? []).map((node) => readFrom(draft, block, scope, node, null))
}

export function readOutput(draft: Draft, list: readonly Node[] | undefined, context: ReadContext): OutputExpression[] {
  const ofBlock: BlockNames = (block) => draft.blocks[block]?.output[0]?.name ?? null
  return (list ?? []).flatMap((node) => {
    if (!("ResTarget" in node) || node.ResTarget.val === undefined) return []
    const expression = readExpression(node.ResTarget.val, context)
    return [{ name: node.ResTarget.name ?? outputName(expression, ofBlock), expression }]
  })
}

/** Names of the output of a subquery's block. */
type BlockNames = (block: number) => string | null

/** The name that PostgreSQL gives an output column without AS (FigureColname); null for `*`. */
function outputName(expression: Expression, ofBlock: BlockNames): string | null {
  return expression.kind === "star" ? null : (figuredName(expression, ofBlock)?.name ?? "?column?")
}

/** A weak name gives way to that of a cast's type, or of the ELSE that it comes from. */
function figuredName(expression: Expression, ofBlock: BlockNames): { readonly name: string; readonly weak: boolean } | null {
  const strong = (name: string): { name: string; weak: boolean } => ({ name, weak: false })
  switch (expression.kind) {
    case "column":
    case "call":
    case "field":
    case "choice":
      return strong(expression.name)
    case "cast": {
      const inner = figuredName(expression.operand, ofBlock)
      return inner === null || inner.weak ? { name: castName(expression.type), weak: true } : inner
    }
    case "subscript":
    case "collate":
      return figuredName(expression.operand, ofBlock)
    case "array":
    case "row":
    case "nullif":
    case "grouping":
      return strong(expression.kind)
    case "case": {
      const inner = expression.otherwise === null ? null : figuredName(expression.otherwise, ofBlock)
      return inner === null || inner.weak ? { name: "case", weak: true } : inner
    }
    case "value":
      return strong(expression.name.replace(/\(.*/, ""))
    case "sublink": {
      if (expression.link === "exists" || expression.link === "array") return strong(expression.link)
      const name = expression.link === "scalar" ? ofBlock(expression.block) : null
      return name === null || name === "?column?" ? null : strong(name)
    }
    default:
      return null
  }
}

const internalTypes: Readonly<Record<string, string>> = {
  smallint: "int2",
  integer: "int4",
  bigint: "int8",
  real: "float4",
  "double precision": "float8",
  boolean: "bool",
  "character varying": "varchar",
  "timestamp with time zone": "timestamptz",
  "timestamp without time zone": "timestamp",
  "time with time zone": "timetz",
  "time without time zone": "time",
}

function castName(type: string): string {
  const bare = type.replace(/\[\]|\(.*?\)/g, "")
  return internalTypes[bare] ?? bare.split(".").at(-1)!.replaceAll('"', "")
}

/** A key that is an output position or an output column's name stands for that column's expression. */
function onOutput<K extends { readonly expression: Expression }>(key: K, output: readonly OutputExpression[]): K {
  const { expression } = key
  if (expression.kind === "constant" && expression.type === "integer") {
    const target = output[Number(expression.value) - 1]
    // Positions count expanded columns, so a star before it makes the position unknown.
    const starBefore = output.slice(0, Number(expression.value)).some((entry) => entry.name === null)
    return target === undefined || starBefore ? key : { ...key, expression: target.expression }
  }
  if (expression.kind !== "column" || expression.qualifier !== null) return key
  const named = output.find((entry) => entry.name === expression.name)
  return named === undefined ? key : { ...key, expression: named.expression }
}

function readGrouping(select: Of<"SelectStmt">, output: readonly OutputExpression[], context: ReadContext): Grouping | null {
  const clause = select.groupClause
  if (clause === undefined) return null
  const keys: Expression[] = []
  const written: (string | null)[] = []
  const keyOf = (node: Node): number => {
    const own = readExpression(node, context)
    const expression = onGroupOutput(own, output, context)
    const same = own.kind === "column" && expression.kind === "column" && expression.name === own.name
    const name = own.kind === "column" && own.qualifier === null && !same ? own.name : null
    const text = JSON.stringify(expression)
    const known = keys.findIndex((key, at) => written[at] === name && JSON.stringify(key) === text)
    if (known >= 0) return known
    written.push(name)
    return keys.push(expression) - 1
  }
  const lists = clause.map((node) => groupingSets(node, keyOf))
  const plain = clause.every((node) => !("GroupingSet" in node))
  const sets = plain
    ? null
    : lists.reduce<number[][]>(
        (product, list) => product.flatMap((left) => list.map((right) => [...new Set([...left, ...right])])),
        [[]],
      )
  return { keys, written, sets, distinct: select.groupDistinct ?? false }
}

/** GROUP BY prefers input columns: a name stands for an output expression only where no relation can have such a column. */
function onGroupOutput(expression: Expression, output: readonly OutputExpression[], context: ReadContext): Expression {
  if (expression.kind !== "column") return onOutput({ expression }, output).expression
  const named = output.find((entry) => entry.name === expression.name)
  if (expression.qualifier !== null || named === undefined) return expression
  const sameColumn = named.expression.kind === "column" && named.expression.name === expression.name
  return sameColumn || context.scope.relations.length === 0 || named.expression.kind !== "column" ? named.expression : expression
}

/** Grouping sets that a GROUP BY entry stands for, as lists of key numbers. At most 4096, as in PostgreSQL. */
function groupingSets(node: Node, keyOf: (node: Node) => number): number[][] {
  if (!("GroupingSet" in node)) {
    return [[keyOf(node)]]
  }
  const content = node.GroupingSet.content ?? []
  const units = (): number[][] =>
    content.map((part) => ("RowExpr" in part ? (part.RowExpr.args ?? []).map(keyOf) : [keyOf(part)]))
  switch (node.GroupingSet.kind) {
    case "GROUPING_SET_ROLLUP": {
      const parts = units()
      return Array.from({ length: parts.length + 1 }, (_, at) => parts.slice(0, parts.length - at).flat())
    }
    case "GROUPING_SET_CUBE": {
      const parts = units()
      if (parts.length > 12)
        throw new SelectoError("E_SQL_TOO_COMPLEX", "A CUBE of more than 12 elements is more than PostgreSQL accepts.")
      return Array.from({ length: 2 ** parts.length }, (_, mask) =>
        parts.filter((_part, at) => (mask & (1 << (parts.length - 1 - at))) === 0).flat(),
      )
    }
    case "GROUPING_SET_SETS":
      return content.flatMap((part) => ("RowExpr" in part ? [(part.RowExpr.args ?? []).map(keyOf)] : groupingSets(part, keyOf)))
    case "GROUPING_SET_EMPTY":
      return [[]]
    default:
      return [content.map(keyOf)]
  }
}

const strengths: Readonly<Record<string, Locking["strength"]>> = {
  LCS_FORUPDATE: "update",
  LCS_FORNOKEYUPDATE: "no key update",
  LCS_FORSHARE: "share",
  LCS_FORKEYSHARE: "key share",
}

function readLocking(node: Of<"LockingClause">): Locking {
  return {
    strength: strengths[node.strength ?? ""] ?? "update",
    of: (node.lockedRels ?? []).flatMap((relation) => ("RangeVar" in relation ? [relation.RangeVar.relname ?? ""] : [])),
    wait: node.waitPolicy === "LockWaitSkip" ? "skip locked" : node.waitPolicy === "LockWaitError" ? "nowait" : "block",
  }
}

/** Aggregates of the SQL standard and PostgreSQL's own; a user's aggregate is seen by FILTER, DISTINCT, ORDER BY or `*` in its call. */
const aggregateNames: ReadonlySet<string> = new Set(
  (
    "any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every grouping json_agg json_agg_strict " +
    "json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg jsonb_agg_strict jsonb_object_agg " +
    "jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg " +
    "range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop " +
    "stddev_samp string_agg sum var_pop var_samp variance xmlagg"
  ).split(" "),
)

/** True for a call that aggregates over the rows of its block. */
export function isAggregate(expression: Expression): boolean {
  if (expression.kind !== "call" || expression.over !== null) return false
  return (
    aggregateNames.has(expression.name) ||
    expression.star ||
    expression.distinct ||
    expression.withinGroup ||
    expression.filter !== null ||
    expression.order.length > 0
  )
}

function collectCalls(block: DraftBlock): void {
  const aggregates: Expression[] = []
  const windowCalls: Expression[] = []
  const visit = (expression: Expression | null): void => {
    if (expression === null) return
    walkExpression(expression, (inner) => {
      if (inner.kind !== "call") return
      if (inner.over !== null) windowCalls.push(inner)
      else if (isAggregate(inner)) aggregates.push(inner)
    })
  }
  for (const { expression } of block.output) visit(expression)
  visit(block.having)
  for (const key of block.order) if (!block.output.some((entry) => entry.expression === key.expression)) visit(key.expression)
  block.aggregates = aggregates
  block.windowCalls = windowCalls
}
