import { type ColumnType, columnType, kindOf } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { type Block, bind, freshAlias } from "./block.ts"
import { boundAs, castTo, compileExpression, compilePath, fits } from "./compile-expression.ts"
import { compileSearch } from "./compile-search.ts"
import { compileSource } from "./compile-source.ts"
import { compileExists } from "./compile-subquery.ts"
import { encode, escapeLike, isText } from "./encode.ts"
import { columnAlias } from "./name.ts"
import { type Compiled, type ConditionNode, isCondition, isExpression, isTest, type TestNode } from "./node.ts"
import type { SourceColumn, SourceNode } from "./source.ts"

/** How a name is read in a clause: having() knows aliases beside paths. */
export type NameReader = (block: Block, name: string) => Compiled

/** Conditions joined by AND, without parentheses around them; TRUE where there are none. */
export function compileFilters(block: Block, filters: readonly unknown[], read: NameReader = compilePath): string {
  const parts: string[] = []
  for (const filter of filters) pushFilter(block, filter, read, parts)
  return parts.length === 0 ? "TRUE" : parts.join(" AND ")
}

/** Adds a filter's conditions, each safe beside AND. */
function pushFilter(block: Block, filter: unknown, read: NameReader, parts: string[]): void {
  if (isCondition(filter)) {
    const { node } = filter
    if (node.condition === "and") for (const operand of node.operands) pushFilter(block, operand, read, parts)
    else parts.push(compileCondition(block, node, read))
    return
  }
  const prototype = typeof filter === "object" && filter !== null ? Object.getPrototypeOf(filter) : undefined
  if (prototype !== Object.prototype && prototype !== null)
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      'A filter is an object such as { status: "paid" } or a condition such as eq("status", "paid").',
    )
  if (isExpression(filter) || isTest(filter))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      "This test has no left side: write { path: test }, or give the path as its first argument.",
    )
  const tests = filter as Readonly<Record<string, unknown>>
  for (const path of Object.keys(tests)) parts.push(compileTest(block, read(block, path), path, asTest(tests[path], path)))
}

function asTest(value: unknown, path: string): TestNode {
  if (isCondition(value))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      `A whole condition stands beside ${JSON.stringify(path)}. Pass it to filter() itself, or write a test such as gt(3) here.`,
      { path },
    )
  return isTest(value) ? value.node : { test: "compare", operator: "=", value }
}

function compileCondition(block: Block, node: ConditionNode, read: NameReader): string {
  switch (node.condition) {
    case "test": {
      const left = typeof node.left === "string" ? read(block, node.left) : compileExpression(block, node.left)
      return compileTest(block, left, typeof node.left === "string" ? node.left : "expression", node.test)
    }
    case "and":
      return `(${compileFilters(block, node.operands, read)})`
    case "or": {
      if (node.operands.length === 0) return "FALSE"
      const arms = node.operands.map((operand) => {
        const parts: string[] = []
        pushFilter(block, operand, read, parts)
        return parts.length === 0 ? "TRUE" : parts.length === 1 ? parts[0]! : `(${parts.join(" AND ")})`
      })
      return arms.length === 1 ? arms[0]! : `(${arms.join(" OR ")})`
    }
    case "not":
      return `NOT (${compileFilters(block, [node.operand], read)})`
    case "exists":
      return compileExists(block, node)
    case "existsIn":
      return `EXISTS (${compileSource(block.compilation, node.source, block).sql})`
  }
}

function compileTest(block: Block, left: Compiled, path: string, test: TestNode): string {
  const { type } = left
  switch (test.test) {
    case "compare":
      refuse(type, path, test.operator, ["json"])
      return `${left.sql} ${test.operator} ${operand(block, test.value, type, path)}`
    case "between": {
      refuse(type, path, test.halfOpen ? "during" : "between", ["json", "array"])
      const low = operand(block, test.low, type, path)
      const high = operand(block, test.high, type, path)
      return test.halfOpen ? `(${left.sql} >= ${low} AND ${left.sql} < ${high})` : `${left.sql} BETWEEN ${low} AND ${high}`
    }
    case "list": {
      refuse(type, path, test.negated ? "noneOf" : "oneOf", ["json", "array", "range"])
      const values = test.values.map((value) => encode(value, type, path))
      const listed = bind(block.compilation, values)
      const list = type.type === "other" ? castTo(listed, columnType("array", { of: type })) : listed
      return test.negated ? `${left.sql} <> ALL (${list})` : `${left.sql} = ANY (${list})`
    }
    case "search":
      return compileSearch(block, left, path, test.text, test.options)
    case "key":
      if (type.type !== "jsonb" && type.type !== "unknown") invalid(type, path, "hasKey")
      return `${left.sql} ? ${bind(block.compilation, encode(test.key, text_, path))}`
    case "in":
      return compileIn(block, left, path, test.source, test.negated)
    case "null":
      return `${left.sql} IS ${test.negated ? "NOT " : ""}NULL`
    case "like": {
      textOnly(type, path, "like")
      const operator = `${test.negated ? "NOT " : ""}${test.insensitive ? "ILIKE" : "LIKE"}`
      return `${left.sql} ${operator} ${operand(block, test.pattern, type, path)}`
    }
    case "affix": {
      textOnly(type, path, affixNames[test.at])
      if (isExpression(test.text)) return affixOf(left.sql, compileExpression(block, test.text).sql, test)
      const text = escapeLike(encode(test.text, text_, path) as string)
      const pattern = `${test.at === "start" ? "" : "%"}${text}${test.at === "end" ? "" : "%"}`
      return `${left.sql} ${test.insensitive ? "ILIKE" : "LIKE"} ${bind(block.compilation, pattern)}`
    }
    case "contains":
      return compileContains(block, left, path, test.value)
    case "array":
      if (kindOf(type) !== "array" && type.type !== "jsonb" && kindOf(type) !== "range") invalid(type, path, test.operator)
      return `${left.sql} ${test.operator} ${operand(block, test.value, type, path)}`
  }
}

/** The same of an expression, whose wildcards no pattern would leave plain. */
function affixOf(whole: string, part: string, { at, insensitive }: TestNode & { readonly test: "affix" }): string {
  const [of, text] = insensitive ? [`lower(${whole})`, `lower(${part})`] : [whole, part]
  if (at === "start") return `starts_with(${of}, ${text})`
  // right(…, 0) is '', and so is the text that everything ends with.
  return at === "end" ? `right(${of}, length(${text})) = ${text}` : `position(${text} in ${of}) > 0`
}

const affixNames = { start: "startsWith", end: "endsWith", within: "icontains" } as const
const text_ = columnType("string")

const rangeText = /^\s*(?:[[(].*[\])]|empty)\s*$/is

/** On an array: holds all of these; on jsonb: holds this document; on a range: holds this point or range; on text: this text, wildcards escaped. */
function compileContains(block: Block, left: Compiled, path: string, value: unknown): string {
  const { type } = left
  if (kindOf(type) === "array" || type.type === "jsonb") return `${left.sql} @> ${operand(block, value, type, path)}`
  if (kindOf(type) === "range") {
    if (typeof value === "string" && rangeText.test(value)) return `${left.sql} @> ${boundAs(block, value, type, path).sql}`
    const element = type.of ?? columnType("unknown")
    return `${left.sql} @> ${bind(block.compilation, encode(value, element, path))}::${element.type === "decimal" ? "numeric" : element.type}`
  }
  textOnly(type, path, "contains")
  if (isExpression(value)) return `position(${compileExpression(block, value).sql} in ${left.sql}) > 0`
  return `${left.sql} LIKE ${bind(block.compilation, `%${escapeLike(encode(value, text_, path) as string)}%`)}`
}

/** The right side: an expression, or a value bound as the left side's type. */
function operand(block: Block, value: unknown, type: ColumnType, path: string): string {
  if (isExpression(value) && value.node.expression === "subquery" && value.node.quantifier !== null)
    return `${value.node.quantifier} (${oneColumn(block, value.node.source, path).sql})`
  if (!isExpression(value)) return bound(block, value, type, path)
  // With a cast of its own, PostgreSQL would find no operator for an enum, a uuid or a moment beside a text.
  const { node } = value
  if (node.expression === "literal" && fits(node.value, type)) return bound(block, node.value, type, path)
  return compileExpression(block, value).sql
}

/** A value as the type of the column beside it, which PostgreSQL infers, but for types that it compares by a more general operator. */
function bound(block: Block, value: unknown, type: ColumnType, path: string): string {
  const placeholder = bind(block.compilation, encode(value, type, path))
  return type.type === "other" ? castTo(placeholder, type) : placeholder
}

/** A query of one column, inside the statement. */
function oneColumn(block: Block, source: SourceNode, path: string): { readonly sql: string; readonly column: SourceColumn } {
  const { sql, columns } = compileSource(block.compilation, source, block)
  if (columns.length !== 1)
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      `${JSON.stringify(path)} is compared with a query of ${columns.length} columns; select one.`,
      {
        path,
      },
    )
  return { sql, column: columns[0]! }
}

/** IN and its opposite. A null among the values of the query would make NOT IN find nothing, so it is left out. */
function compileIn(block: Block, left: Compiled, path: string, source: SourceNode, negated: boolean): string {
  refuse(left.type, path, negated ? "noneOf" : "oneOf", ["json"])
  const { sql, column } = oneColumn(block, source, path)
  const sides = [left.type, column.type]
  const asText = sides.some((type) => type.type === "enum") && left.type.pgType !== column.type.pgType
  const cast = asText ? "::text" : ""
  const name = quoteIdentifier(columnAlias(column.name))
  const alias = quoteIdentifier(freshAlias(block.compilation, "listed"))
  if (!negated && !asText) return `${left.sql} IN (${sql})`
  // Whatever the domain declares: a null that it does not know of would hide every row.
  const present = negated ? ` WHERE ${alias}.${name} IS NOT NULL` : ""
  const values = present === "" && !asText ? sql : `SELECT ${alias}.${name}${cast} FROM (${sql}) AS ${alias}${present}`
  return `${left.sql}${cast} ${negated ? "<> ALL" : "= ANY"} (${values})`
}

function refuse(type: ColumnType, path: string, operator: string, kinds: readonly string[]): void {
  if (kinds.includes(kindOf(type))) invalid(type, path, operator)
}

function textOnly(type: ColumnType, path: string, operator: string): void {
  if (!isText(type)) invalid(type, path, operator)
}

function invalid(type: ColumnType, path: string, operator: string): never {
  const instead = kindOf(type) === "json" || kindOf(type) === "array" ? " Use contains()." : ""
  throw new SelectoError(
    "E_INVALID_OPERATOR",
    `${operator} does not apply to ${JSON.stringify(path)}, a column of type ${type.type}.${instead}`,
    { path },
  )
}
