import { type ColumnType, columnType, kindOf, scalarTypes } from "../domain/column-type.ts"
import type { FieldModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { type Block, bind, columnSql, enclosing, fieldOf } from "./block.ts"
import { commonType, functionSpec } from "./calls.ts"
import { compileFilters } from "./compile-condition.ts"
import { compileJsonPath } from "./compile-json.ts"
import { compileRank } from "./compile-search.ts"
import { compileSource } from "./compile-source.ts"
import { compileCountOf, compileNest, jsonValue, orderSql } from "./compile-subquery.ts"
import { compileWindowCall, overSql } from "./compile-window.ts"
import { castName, encode, isText, typeOfValue } from "./encode.ts"
import { orderOf } from "./expression.ts"
import { type Compiled, type Expression, type ExpressionNode, expression, isCondition, isExpression } from "./node.ts"

const unknown = columnType("unknown", { nullable: true })

/** SQL and type of a path, in a clause where names are paths only. */
export function compilePath(block: Block, path: string): Compiled {
  const field = fieldOf(block, path)
  if (field.custom !== null) {
    const outer = block.via
    block.via = outer ?? field
    const compiled = compileExpression(block, customColumn(block, field))
    block.via = outer
    return compiled
  }
  return { sql: columnSql(block, field), type: field.type }
}

const customColumns = new WeakMap<FieldModel, Expression>()

/** The expression of a custom column: its function is called once, with the domain's fields as references. */
function customColumn(block: Block, field: FieldModel): Expression {
  const known = customColumns.get(field)
  if (known) return known
  const fields = new Proxy(
    {},
    { get: (_, path) => (typeof path === "string" ? expression({ expression: "path", path }) : undefined) },
  )
  const built: unknown = (field.custom as (fields: unknown) => unknown)(fields)
  if (!isExpression(built))
    throw new SelectoError(
      "E_INVALID_DOMAIN",
      `The custom column ${JSON.stringify(field.path)} of ${JSON.stringify(block.model.name)} must return an expression.`,
      {
        path: `customColumns.${field.path}`,
      },
    )
  customColumns.set(field, built)
  return built
}

export function compileExpression(block: Block, { node }: Expression): Compiled {
  switch (node.expression) {
    case "path":
      return compilePath(block, node.path)
    case "present": {
      const { sql, type } = compileOperand(block, node.of, "notNull()")
      return { sql, type: { ...type, nullable: false }, present: true }
    }
    case "cast": {
      const { sql, type } = compileOperand(block, node.of, "cast()")
      return { sql: `${sql}::${scalarTypes[node.type]}`, type: columnType(node.type, { nullable: type.nullable }) }
    }
    case "literal":
      return compileValue(block, node.value, "literal()")
    case "call":
      return compileCall(block, node)
    case "aggregate":
      return compileAggregate(block, node)
    case "case":
      return compileCase(block, node)
    case "raw":
      return compileRaw(block, node)
    case "nest":
      return compileNest(block, node)
    case "window":
      return compileWindowCall(block, node)
    case "subquery":
      return compileScalar(block, node)
    case "outer":
      return compileOuter(block, node.path)
    case "countOf":
      return compileCountOf(block, node)
    case "grouping":
      return compileGrouping(block, node.of)
    case "json":
      return compileJsonPath(block, node)
    case "rank":
      return compileRank(block, node)
    case "function":
      return compileFunction(block, node)
  }
}

/** A path or an expression; anything else is a mistake of the caller. */
export function compileOperand(block: Block, operand: unknown, where: string): Compiled {
  if (typeof operand === "string") return compilePath(block, operand)
  if (isExpression(operand)) return compileExpression(block, operand)
  throw new SelectoError("E_UNSUPPORTED_INPUT", `${where} takes a path or an expression.`, { path: where })
}

/** A bound value with a cast, where nothing around it tells PostgreSQL its type. */
function compileValue(block: Block, value: unknown, where: string): Compiled {
  return boundAs(block, value, typeOfValue(value, where), where)
}

export function boundAs(block: Block, value: unknown, type: ColumnType, where: string): Compiled {
  return { sql: castTo(bind(block.compilation, value === null ? null : encode(value, type, where)), type), type }
}

export function castTo(placeholder: string, type: ColumnType): string {
  const cast = castName(type, quoteIdentifier)
  return cast === null ? placeholder : `${placeholder}::${cast}`
}

function compileCall(block: Block, node: ExpressionNode & { expression: "call" }): Compiled {
  const spec = functionSpec(node.name)
  const compiled: (Compiled | null)[] = node.args.map((argument, index) => {
    if (isExpression(argument)) return compileExpression(block, argument)
    if (typeof argument === "string" && index < spec.valuesFrom) return compilePath(block, argument)
    return null
  })
  const leader = spec.value ?? compiled.find((argument) => argument !== null)?.type ?? null
  const args = compiled.map((argument, index) => {
    if (argument !== null) return argument
    const value = node.args[index]
    const type = leader === null || !fits(value, leader) ? typeOfValue(value, `${node.name}()`) : leader
    return boundAs(block, value, { ...type, nullable: value === null }, `${node.name}()`)
  })
  const types = args.map((argument) => argument.type)
  return {
    sql: spec.sql(
      args.map((argument) => argument.sql),
      types,
    ),
    type: spec.type(types),
  }
}

/** Whether a value can be bound as the type; a fraction beside an integer column is a float of its own. */
export function fits(value: unknown, type: ColumnType): boolean {
  if (value === null) return true
  if (type.type === "unknown") return false
  switch (kindOf(type)) {
    case "number":
      // Exact numbers are text in rows.
      if (typeof value === "string")
        return (type.type === "bigint" || type.type === "decimal") && /^[+-]?\d+(?:\.\d*)?$/.test(value)
      return (
        typeof value === "bigint" ||
        (typeof value === "number" && (type.type === "decimal" || type.type === "float" || Number.isInteger(value)))
      )
    case "text":
    case "enum":
      return typeof value === "string"
    case "boolean":
      return typeof value === "boolean"
    case "time":
      return value instanceof Date || typeof value === "string"
    default:
      return true
  }
}

function compileAggregate(block: Block, node: ExpressionNode & { expression: "aggregate" }): Compiled {
  const { name, over } = node
  if (over !== undefined && (node.distinct || node.orderBy.length > 0))
    throw new SelectoError("E_NOT_SUPPORTED", `PostgreSQL has no DISTINCT and no ORDER BY inside ${name}() over a window.`, {
      path: name,
    })
  const listener = block.onPath
  const paths: FieldModel[] = []
  // What stands inside an aggregate of a group needs no grouping; over a window it does, for windows come after groups.
  block.onPath = (field, via) => {
    paths.push(field)
    if (over !== undefined) listener?.(field, via)
  }
  if (over === undefined) block.aggregates++
  const of = node.of === undefined || node.of === "*" ? null : compileOperand(block, node.of, `${name}()`)
  if (of === null && name !== "count") throw new SelectoError("E_UNSUPPORTED_INPUT", `${name}() needs a path or an expression.`)
  // string_agg takes text alone, and nothing casts an enum or a uuid to it.
  const text = name === "string_agg" && of !== null && of.type.type !== "string" && of.type.type !== "unknown" ? "::text" : ""
  let inside = of === null ? "*" : name === "json_agg" ? jsonValue(of) : `${of.sql}${text}`
  for (const value of node.args) inside += `, ${bind(block.compilation, encode(value, columnType("string"), `${name}()`))}::text`
  if (node.orderBy.length > 0)
    inside += ` ORDER BY ${node.orderBy
      .map((item) => {
        const { by, descending, nulls } = orderOf(item).node
        return orderSql(compileOperand(block, by, "orderBy()").sql, descending, nulls)
      })
      .join(", ")}`
  block.onPath = over === undefined ? null : listener
  const filter = node.filter === undefined ? null : compileFilters(block, node.filter as readonly unknown[])
  block.onPath = listener
  if ((name === "sum" || name === "avg") && !node.distinct) block.sums.push({ name, paths })
  let sql = `${name}(${node.distinct ? "DISTINCT " : ""}${inside})${filter === null ? "" : ` FILTER (WHERE ${filter})`}`
  if (over !== undefined) sql += ` ${overSql(block, over)}`
  return { sql, type: aggregateType(name, of?.type ?? unknown) }
}

/** A query of one column as a value. */
function compileScalar(block: Block, node: ExpressionNode & { expression: "subquery" }): Compiled {
  if (node.quantifier !== null)
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      'anyOf() and allOf() stand on the right of a comparison: gt("total", allOf(query)).',
    )
  const { sql, columns } = compileSource(block.compilation, node.source, block)
  if (columns.length !== 1)
    throw new SelectoError("E_UNSUPPORTED_INPUT", `scalar() takes a query of one column, not of ${columns.length}.`)
  return { sql: `(${sql})`, type: { ...columns[0]!.type, nullable: true } }
}

/** A column of the query around this one. */
function compileOuter(block: Block, path: string): Compiled {
  const around = enclosing(block)
  if (around !== null) return compilePath(around, path)
  if (block.compilation.describing) return { sql: "NULL", type: unknown }
  throw new SelectoError(
    "E_UNSUPPORTED_INPUT",
    `outer(${JSON.stringify(path)}) needs a query around this one: existsIn(), scalar(), oneOf(), or joinQuery() with lateral: true.`,
    { path },
  )
}

function compileGrouping(block: Block, of: readonly unknown[]): Compiled {
  const listener = block.onPath
  block.onPath = null
  block.aggregates++
  const args = of.map((item) => compileOperand(block, item, "grouping()").sql)
  block.onPath = listener
  return { sql: `grouping(${args.join(", ")})`, type: columnType("integer") }
}

/** A function of the user's own. */
function compileFunction(block: Block, node: ExpressionNode & { expression: "function" }): Compiled {
  const args = node.args.map((argument, index) => {
    if (isExpression(argument)) return compileExpression(block, argument)
    return boundAs(block, argument, node.types[index]!, node.sql)
  })
  const sql = `${node.sql}(${args.map((argument) => argument.sql).join(", ")})`
  return { sql, type: node.returns }
}

/** Result types of PostgreSQL's aggregates: sum of smallint and integer is bigint, of bigint numeric, avg of exact types numeric. */
function aggregateType(name: string, of: ColumnType): ColumnType {
  if (name === "count") return columnType("count")
  const nullable = true
  if (name === "string_agg") {
    if (!isText(of) && of.type !== "enum")
      throw new SelectoError("E_INVALID_OPERATOR", `stringAgg() takes text, not a column of type ${of.type}; cast() it.`)
    return columnType("string", { nullable })
  }
  if (name === "array_agg") return of.type === "array" ? { ...of, nullable } : columnType("array", { nullable, of })
  if (name === "json_agg") return columnType("json", { nullable })
  if (name === "bool_and" || name === "bool_or") {
    if (of.type !== "boolean" && of.type !== "unknown")
      throw new SelectoError("E_INVALID_OPERATOR", `${name}() takes booleans, not a column of type ${of.type}.`)
    return columnType("boolean", { nullable })
  }
  if (name === "min" || name === "max") return { ...of, type: of.type === "count" ? "bigint" : of.type, nullable }
  if (of.type === "unknown") return unknown
  if (kindOf(of) !== "number" && of.type !== "interval")
    throw new SelectoError("E_INVALID_OPERATOR", `${name}() takes numbers, not a column of type ${of.type}.`)
  if (of.type === "float" || of.type === "interval") return columnType(of.type, { nullable })
  if (name === "sum" && (of.type === "smallint" || of.type === "integer")) return columnType("bigint", { nullable })
  return columnType("decimal", { nullable })
}

function compileCase(block: Block, node: ExpressionNode & { expression: "case" }): Compiled {
  const subject = node.subject === undefined ? null : compileOperand(block, node.subject, "caseOf()")
  const { values } = block.compilation
  const results: (Compiled | Later)[] = []
  // Numbered where they stand in the text; bound when the types of all results are known.
  const result = (value: unknown): void => {
    if (isExpression(value)) results.push(compileExpression(block, value))
    else results.push({ place: values.push(undefined), value })
  }
  const tests = node.arms.map(([when, then]) => {
    const test =
      subject === null ? compileFilters(block, [when]) : bind(block.compilation, encode(when, subject.type, "caseOf()"))
    result(then)
    return test
  })
  const open = node.otherwise === undefined
  if (!open) result(node.otherwise)

  const where = "a CASE result"
  const typed = results.flatMap((one) => ("sql" in one ? [one.type] : []))
  const known =
    typed.length > 0
      ? typed
      : results.flatMap((one) => ("sql" in one || one.value === null ? [] : [typeOfValue(one.value, where)]))
  const leader = known.length === 0 ? columnType("string") : commonType(known)
  const compiled = results.map((one): Compiled => {
    if ("sql" in one) return one
    const { place, value } = one
    const type = fits(value, leader) ? leader : typeOfValue(value, where)
    values[place - 1] = value === null ? null : encode(value, type, where)
    return { sql: castTo(`$${place}`, type), type: { ...type, nullable: value === null } }
  })
  const arms = tests.map((test, index) => ` WHEN ${test} THEN ${compiled[index]!.sql}`).join("")
  const otherwise = open ? "" : ` ELSE ${compiled.at(-1)!.sql}`
  const type = commonType(compiled.map((one) => one.type))
  return {
    sql: `CASE${subject === null ? "" : ` ${subject.sql}`}${arms}${otherwise} END`,
    type: { ...type, nullable: open || compiled.some((one) => one.type.nullable) },
  }
}

/** A value whose placeholder stands already, and whose type is not known yet. */
interface Later {
  readonly place: number
  readonly value: unknown
}

function compileRaw(block: Block, node: ExpressionNode & { expression: "raw" }): Compiled {
  let sql = node.strings[0] ?? ""
  node.parts.forEach((part, index) => {
    if (isExpression(part)) sql += compileExpression(block, part).sql
    else if (isCondition(part)) sql += `(${compileFilters(block, [part])})`
    else sql += bind(block.compilation, encode(part, unknown, "expr``"))
    sql += node.strings[index + 1] ?? ""
  })
  return { sql: `(${sql})`, type: unknown }
}
