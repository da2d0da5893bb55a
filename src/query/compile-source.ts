import { type ColumnType, kindOf } from "../domain/column-type.ts"
import type { DerivedColumn } from "../domain/extend.ts"
import type { DomainModel, JoinModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { aliasOf, type Block, bind, type Compilation, enclosing, freshAlias, newCompilation } from "./block.ts"
import { commonType } from "./calls.ts"
import { compileSelect, selection } from "./compile.ts"
import { compilePath } from "./compile-expression.ts"
import { orderSql } from "./compile-subquery.ts"
import { castName, encode } from "./encode.ts"
import { columnAlias } from "./name.ts"
import type { RecursiveNode, SetNode, SourceColumn, SourceNode, ValuesNode } from "./source.ts"
import type { QueryState } from "./state.ts"

/** A query inside another statement: its SQL, without parentheses, and its output. */
export interface CompiledSource {
  readonly sql: string
  readonly columns: readonly SourceColumn[]
}

/**
 * Compiles rows that stand inside a statement; `outer` is the block whose columns outer() names. Where the rows are compared with
 * others, their columns must have equality.
 */
export function compileSource(compilation: Compilation, node: SourceNode, outer: Block | null, compared = false): CompiledSource {
  switch (node.source) {
    case "query": {
      const plain = compilation.describing ? plainColumns(node.state, compared) : null
      if (plain !== null) return { sql: "", columns: plain }
      const { sql, output } = compileSelect(compilation, node.state, { outer, nested: true, compared })
      return { sql, columns: output }
    }
    case "set":
      return compileSet(compilation, node, outer, compared)
    case "values":
      return compileValues(compilation, node)
    case "series": {
      const cast = castName(node.type, quoteIdentifier)
      const bound = (value: unknown): string => `${bind(compilation, encode(value, node.type, "generateSeries()"))}::${cast}`
      const step =
        node.step === undefined
          ? ""
          : typeof node.step === "string"
            ? `, ${bind(compilation, node.step)}::interval`
            : `, ${bound(node.step)}`
      const sql = `SELECT value FROM generate_series(${bound(node.from)}, ${bound(node.to)}${step}) AS series(value)`
      return { sql, columns: [{ name: "value", type: node.type }] }
    }
    case "recursive": {
      const name = recursiveCte(compilation, node)
      const columns = node.self.columns.map((column) => quoteIdentifier(columnAlias(column.name))).join(", ")
      return { sql: `SELECT ${node.all ? "" : "DISTINCT "}${columns} FROM ${name}`, columns: node.self.columns }
    }
    case "self":
      return { sql: `SELECT * FROM ${selfName(compilation, node.of)}`, columns: node.of.columns }
    case "unnest":
      throw new SelectoError("E_UNSUPPORTED_INPUT", "unnest() is a method of a query: query.unnest(path, alias).")
  }
}

const described = {
  plain: new WeakMap<object, readonly SourceColumn[]>(),
  compared: new WeakMap<object, readonly SourceColumn[]>(),
}

/** The output of a source, found by compiling of it what it selects. Throws E_UNLIKE_COLUMNS for sides that do not fit each other. */
export function columnsOf(node: SourceNode, compared = false): readonly SourceColumn[] {
  if (node.source === "values") return node.columns
  if (node.source === "recursive") return node.self.columns
  const key = node.source === "query" ? node.state : node
  const known = compared ? described.compared : described.plain
  let columns = known.get(key)
  if (columns === undefined) {
    const model = node.source === "query" ? node.state.domain : emptyModel
    columns = compileSource(newCompilation(model, true), node, null, compared).columns
    known.set(key, columns)
  }
  return columns
}

/** The columns of a query that selects nothing but columns of tables; null for any other. */
function plainColumns(state: QueryState, compared: boolean): readonly SourceColumn[] | null {
  const columns: SourceColumn[] = []
  for (const { name, source } of selection(state)) {
    const field = typeof source === "string" ? state.domain.fields.get(source) : undefined
    if (columns.some((column) => column.name === name)) continue
    if (field === undefined || field.custom !== null || (compared && field.type.type === "json")) return null
    columns.push({ name, type: field.type })
  }
  return columns
}

const emptyModel: Pick<DomainModel, "aliases"> = { aliases: new Set() }

/** The output of a source as columns of a domain. */
export function derivedColumns(node: SourceNode): DerivedColumn[] {
  return columnsOf(node).map(({ name, type }) => ({ name, alias: columnAlias(name), type }))
}

/** FROM item and join condition of rows that are no table. */
export function sourceItem(block: Block, join: JoinModel): { readonly sql: string; readonly on: string } {
  const known = block.sources.get(join)
  if (known !== undefined) return known
  const { node, lateral, cte } = join.source!
  const source = node as SourceNode
  const alias = aliasOf(block, join)
  const item = { sql: itemSql(block, join, source, alias, lateral, cte), on: joinOn(block, join, alias) }
  block.sources.set(join, item)
  return item
}

function itemSql(block: Block, join: JoinModel, source: SourceNode, alias: string, lateral: boolean, cte: string | null): string {
  const { compilation } = block
  if (source.source === "unnest") {
    const array = compilePath(joiningBlock(block, join), source.path).sql
    return `LATERAL unnest(${array}) AS ${alias}(${quoteIdentifier(columnAlias(join.path))})`
  }
  if (source.source === "self") return named(selfName(compilation, source.of), alias)
  if (cte !== null) return named(plainCte(compilation, source, join.alias, cte), alias)
  // Inside a lateral join outer() names what stands before it; a root only wraps what stands in its place.
  const outer = lateral ? joiningBlock(block, join) : join.parent === null ? enclosing(block) : null
  return `${lateral ? "LATERAL " : ""}(${compileSource(compilation, source, outer).sql}) AS ${alias}`
}

function named(name: string, alias: string): string {
  return name === alias ? name : `${name} AS ${alias}`
}

/** The block that the join hangs on: the block around where the join itself begins a subquery. */
function joiningBlock(block: Block, join: JoinModel): Block {
  return block.base === join && block.parent !== null ? block.parent : block
}

function joinOn(block: Block, join: JoinModel, alias: string): string {
  const pairs = join.source!.on
  if (pairs.length === 0) return "TRUE"
  const around = joiningBlock(block, join)
  return pairs
    .map(([path, column]) => {
      const left = compilePath(around, path)
      const type = join.table.columns.get(column)!
      return equality(left.sql, left.type, `${alias}.${quoteIdentifier(columnAlias(column))}`, type)
    })
    .join(" AND ")
}

/** Equality of two columns; an enum meets anything but itself as text, for which alone PostgreSQL has an operator. */
function equality(left: string, leftType: ColumnType, right: string, rightType: ColumnType): string {
  if (leftType.pgType === rightType.pgType) return `${right} = ${left}`
  const asText = (sql: string, type: ColumnType): string => (type.type === "enum" ? `${sql}::text` : sql)
  return `${asText(right, rightType)} = ${asText(left, leftType)}`
}

function plainCte(compilation: Compilation, node: SourceNode, base: string, hint: string): string {
  if (node.source === "recursive") return recursiveCte(compilation, node)
  const key = node.source === "query" ? node.state : node
  const known = compilation.cteNames.get(key)
  if (known !== undefined) return known
  const name = cteName(compilation, base)
  const { sql } = compileSource(compilation, node, null)
  compilation.cteNames.set(key, name)
  compilation.ctes.push(`${name} AS ${hint === "" ? "" : `${hint.toUpperCase()} `}(${sql})`)
  return name
}

/** A name for WITH: it must hide no table of the statement, see compileQuery. */
function cteName(compilation: Compilation, base: string): string {
  const free = !compilation.avoid.has(base) && ![...compilation.cteNames.values()].includes(quoteIdentifier(base))
  return quoteIdentifier(free ? base : freshAlias(compilation, base))
}

/** The depth of a row of a recursion: the number of steps it took to find it. */
const depth = '"~depth"'

/** WITH RECURSIVE, once in a statement for each recursion. Its depth ends it, whatever the data. */
function recursiveCte(compilation: Compilation, node: RecursiveNode): string {
  const known = compilation.cteNames.get(node)
  if (known !== undefined) return known
  const name = quoteIdentifier(freshAlias(compilation, "recursive"))
  const first = compileSource(compilation, node.first, null, !node.all)
  compilation.cteNames.set(node, name)
  compilation.cteNames.set(node.self, name)
  if (node.step.source !== "query") throw badStep()
  const order = first.columns.map((column) => column.name)
  const recursion = { self: node.self, depth, maxDepth: node.maxDepth, order }
  const step = compileSelect(compilation, node.step.state, { outer: null, nested: true, recursion, compared: !node.all })
  const quoted = first.columns.map((column) => quoteIdentifier(columnAlias(column.name)))
  const head = `SELECT ${quoted.map((column) => `first_rows.${column}`).join(", ")}, 0 FROM (${first.sql}) AS first_rows`
  const body = `${head} UNION${node.all ? " ALL" : ""} ${step.sql}`
  compilation.ctes.push(`${name}(${[...quoted, depth].join(", ")}) AS (${body})`)
  compilation.recursive = true
  return name
}

export function badStep(): SelectoError {
  return new SelectoError(
    "E_UNSUPPORTED_INPUT",
    'The step of recursive() is a query over the rows found before: previous.select(…), or query.joinQuery(name, previous, { on, type: "inner" }), without groups and limits.',
    { path: "recursive()" },
  )
}

function selfName(compilation: Compilation, self: object): string {
  const name = compilation.cteNames.get(self)
  if (name !== undefined) return name
  if (compilation.describing) return "self"
  throw new SelectoError("E_UNSUPPORTED_INPUT", "The rows that a step of recursive() is given exist inside that step only.", {
    path: "recursive()",
  })
}

function compileSet(compilation: Compilation, node: SetNode, outer: Block | null, around: boolean): CompiledSource {
  const compared = around || !(node.operator === "UNION" && node.all)
  const left = compileSource(compilation, node.left, outer, compared)
  const right = compileSource(compilation, node.right, outer, compared)
  const names = left.columns.map((column) => column.name)
  const columns = left.columns.map(({ name, type }) => {
    const other = right.columns.find((column) => column.name === name)?.type
    if (other === undefined) throw unlike(node, left, right)
    if (!alike(type, other))
      throw new SelectoError(
        "E_UNLIKE_COLUMNS",
        `${JSON.stringify(name)} is of type ${type.type} in one query and ${other.type} in the other; cast() one of them.`,
        { path: name },
      )
    return { name, type: { ...commonType([type, other]), nullable: type.nullable || other.nullable } }
  })
  if (right.columns.length !== left.columns.length) throw unlike(node, left, right)
  const sameOrder = right.columns.every((column, index) => column.name === names[index])
  const list = names.map((name) => quoteIdentifier(columnAlias(name))).join(", ")
  // Columns are matched by name; PostgreSQL matches them by place.
  const second = sameOrder
    ? right.sql
    : `SELECT ${list} FROM (${right.sql}) AS ${quoteIdentifier(freshAlias(compilation, "side"))}`
  let sql = `(${left.sql}) ${node.operator}${node.all ? " ALL" : ""} (${second})`
  const order = node.orderBy.map(({ node: { by, descending, nulls } }) => {
    if (typeof by !== "string" || !names.includes(by))
      throw new SelectoError(
        "E_UNKNOWN_FIELD",
        `A set operation is ordered by its columns: ${names.map((name) => JSON.stringify(name)).join(", ")}.`,
        { path: typeof by === "string" ? by : "orderBy()" },
      )
    return orderSql(quoteIdentifier(columnAlias(by)), descending, nulls)
  })
  if (order.length > 0) sql += ` ORDER BY ${order.join(", ")}`
  if (node.limit !== null) sql += ` LIMIT ${bind(compilation, node.limit)}`
  if (node.offset !== null) sql += ` OFFSET ${bind(compilation, node.offset)}`
  return { sql, columns }
}

function unlike(node: SetNode, left: CompiledSource, right: CompiledSource): SelectoError {
  const list = (side: CompiledSource): string => side.columns.map((column) => JSON.stringify(column.name)).join(", ")
  return new SelectoError(
    "E_UNLIKE_COLUMNS",
    `${node.operator} needs the same columns on both sides, by name; the first has ${list(left)}, the second ${list(right)}.`,
  )
}

function alike(a: ColumnType, b: ColumnType): boolean {
  if (a.type === "unknown" || b.type === "unknown" || a.type === b.type)
    return a.pgType === b.pgType || a.type === "unknown" || b.type === "unknown"
  if (kindOf(a) === "number" && kindOf(b) === "number") return true
  const moments = ["date", "timestamp", "timestamptz"]
  return moments.includes(a.type) && moments.includes(b.type)
}

function missingValue(name: string, isNull: boolean): SelectoError {
  return isNull
    ? new SelectoError(
        "E_NULL_VALUE",
        `values() got null for ${JSON.stringify(name)}, which is declared without; end its type with "?".`,
        {
          path: name,
        },
      )
    : new SelectoError(
        "E_UNDEFINED_VALUE",
        `values() got a row without ${JSON.stringify(name)}; write null where there is nothing.`,
        {
          path: name,
        },
      )
}

function compileValues(compilation: Compilation, node: ValuesNode): CompiledSource {
  const { columns, rows } = node
  const names = columns.map((column) => quoteIdentifier(columnAlias(column.name)))
  const casts = columns.map((column) => castName(column.type, quoteIdentifier) ?? "text")
  const value = (row: Readonly<Record<string, unknown>>, { name, type }: SourceColumn): unknown => {
    if (row[name] === null && type.nullable) return null
    if (row[name] == null) throw missingValue(name, row[name] === null)
    return encode(row[name], type, name)
  }
  const alias = `listed(${names.join(", ")})`
  if (columns.some((column) => column.type.type === "array" || column.type.type === "other")) {
    // unnest would take arrays of arrays apart to their last element, and rows to their columns.
    const listed = rows.map(
      (row) => `(${columns.map((column, index) => `${bind(compilation, value(row, column))}::${casts[index]}`).join(", ")})`,
    )
    const empty = `SELECT ${casts.map((cast) => `NULL::${cast}`).join(", ")} WHERE FALSE`
    return { sql: `SELECT * FROM (${listed.length === 0 ? empty : `VALUES ${listed.join(", ")}`}) AS ${alias}`, columns }
  }
  const arrays = columns.map(
    (column, index) =>
      `${bind(
        compilation,
        rows.map((row) => value(row, column)),
      )}::${casts[index]}[]`,
  )
  return { sql: `SELECT * FROM unnest(${arrays.join(", ")}) AS ${alias}`, columns }
}
