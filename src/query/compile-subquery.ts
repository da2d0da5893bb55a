import { type ColumnType, columnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { type Block, bind, correlation, freshAlias, fromClause, subBlock } from "./block.ts"
import { compileFilters } from "./compile-condition.ts"
import { compileOperand } from "./compile-expression.ts"
import { orderOf } from "./expression.ts"
import { checkName } from "./name.ts"
import type { Compiled, ConditionNode, ExpressionNode } from "./node.ts"

/** EXISTS over the rows of a join path that belong to the row around it, or NOT EXISTS of such rows, or of rows that fail. */
export function compileExists(parent: Block, node: ConditionNode & { condition: "exists" }): string {
  const block = subBlock(parent, node.join)
  const filter = compileFilters(block, node.filters)
  // FROM last: only now are all the joins known. Aliases were settled on first use.
  const from = fromClause(block)
  const tied = `SELECT 1 FROM ${from} WHERE ${correlation(block)}`
  if (node.mode === "every") return `NOT EXISTS (${tied} AND (${filter}) IS NOT TRUE)`
  return `${node.mode === "none" ? "NOT " : ""}EXISTS (${tied}${filter === "TRUE" ? "" : ` AND ${filter}`})`
}

/** The number of rows of a join path that belong to the row around it. */
export function compileCountOf(parent: Block, node: ExpressionNode & { expression: "countOf" }): Compiled {
  const block = subBlock(parent, node.join)
  const filter =
    node.filter === undefined ? "TRUE" : compileFilters(block, Array.isArray(node.filter) ? node.filter : [node.filter])
  const from = fromClause(block)
  const sql = `(SELECT count(*) FROM ${from} WHERE ${correlation(block)}${filter === "TRUE" ? "" : ` AND ${filter}`})`
  return { sql, type: columnType("count") }
}

/** Related rows as JSON: an array for a `many` path ([] when there are none), else an object or null. */
export function compileNest(parent: Block, node: ExpressionNode & { expression: "nest" }): Compiled {
  const { filter, orderBy, limit } = node.options
  const block = subBlock(parent, node.join)
  const many = block.scope.chain.slice(parent.scope.chain.length).some((step) => step.many)
  const names = Object.entries(node.shape)
  if (names.length === 0)
    throw new SelectoError("E_UNSUPPORTED_INPUT", "nest() needs at least one field in its shape.", { path: node.join })
  const columns = names.map(([name, source]) => {
    checkName(name)
    const compiled = compileOperand(block, source, "nest()")
    return `${jsonValue(compiled)} AS ${quoteIdentifier(name)}`
  })
  const where = filter === undefined ? "" : compileFilters(block, Array.isArray(filter) ? filter : [filter])
  const order =
    orderBy === undefined ? [] : (Array.isArray(orderBy) ? orderBy : [orderBy]).map((item) => nestedOrder(block, item))
  const rows = many ? limit : 1
  if (rows !== undefined && !(Number.isSafeInteger(rows) && rows >= 0))
    throw new SelectoError("E_INVALID_OPTION", "The limit of nest() is a whole number, zero or more.", { path: "limit" })
  const limited = rows === undefined ? "" : ` LIMIT ${many ? bind(block.compilation, rows) : "1"}`
  const from = fromClause(block)
  const condition = `${correlation(block)}${where === "" || where === "TRUE" ? "" : ` AND ${where}`}`
  const alias = quoteIdentifier(freshAlias(block.compilation, "nested"))
  const inner = `SELECT ${columns.join(", ")} FROM ${from} WHERE ${condition}${order.length === 0 ? "" : ` ORDER BY ${order.join(", ")}`}${limited}`
  const sql = many
    ? `(SELECT coalesce(json_agg(row_to_json(${alias})), '[]'::json) FROM (${inner}) AS ${alias})`
    : `(SELECT row_to_json(${alias}) FROM (${inner}) AS ${alias})`
  return { sql, type: columnType("json", { nullable: !many }) }
}

function nestedOrder(block: Block, item: unknown): string {
  const { by, descending, nulls } = orderOf(item).node
  return orderSql(compileOperand(block, by, "orderBy").sql, descending, nulls)
}

export function orderSql(sql: string, descending: boolean, nulls: "first" | "last" | null): string {
  return `${sql}${descending ? " DESC" : ""}${nulls === null ? "" : nulls === "first" ? " NULLS FIRST" : " NULLS LAST"}`
}

/** JSON numbers lose digits in JavaScript, so exact types travel as text. */
export function jsonValue(compiled: Compiled): string {
  const exact = (type: ColumnType): boolean => type.type === "bigint" || type.type === "decimal"
  if (exact(compiled.type)) return `${compiled.sql}::text`
  if (compiled.type.type === "array" && compiled.type.of !== null && exact(compiled.type.of)) return `${compiled.sql}::text[]`
  return compiled.sql
}
