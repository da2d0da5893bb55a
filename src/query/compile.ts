import { type ColumnType, columnType } from "../domain/column-type.ts"
import type { DomainModel, FieldModel, JoinModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { afterKeys, checkPageOrder, loosened, type OrderKey } from "./after.ts"
import { aliasOf, type Block, bind, type Compilation, fromClause, need, newCompilation, rootBlock } from "./block.ts"
import { comparable, groupItem, groupingSets, orderItems, orderKey, pathBeforeAlias, type Selected } from "./compile-clauses.ts"
import { compileFilters } from "./compile-condition.ts"
import { compileOperand, compilePath } from "./compile-expression.ts"
import { badStep, compileSource, sourceItem } from "./compile-source.ts"
import { windowSql } from "./compile-window.ts"
import { type Decode, decoderOf, decoderOfTypeId } from "./decode.ts"
import { encode } from "./encode.ts"
import { checkFanOut, type Warning } from "./fan-out.ts"
import { checkGrouping, type GroupingSetItem, UseNotes } from "./grouping.ts"
import { columnAlias } from "./name.ts"
import { isGrouping } from "./node.ts"
import type { SourceNode } from "./source.ts"
import type { QueryState, SelectItem } from "./state.ts"

/** A query as SQL, with what is needed to read its rows. */
export interface CompiledQuery {
  readonly text: string
  readonly values: readonly unknown[]
  readonly output: readonly CompiledColumn[]
  readonly warnings: readonly Warning[]
  /** Alias in the statement by join path; "" is the root. */
  readonly aliases: ReadonlyMap<string, string>
}

export interface CompiledColumn {
  /** The key in row objects. */
  readonly name: string
  readonly type: ColumnType
  /** The decoder, given the column's pg_type.oid for where only the server knows the type. */
  readonly decode: (typeId: number) => Decode
  /** Promised by notNull(). */
  readonly present: boolean
}

/** PostgreSQL's protocol counts parameters in 16 bits. */
const maximumParameters = 65_535

/**
 * Compiles a query to one statement. Pure: the same shape gives the same text, values are never in it. Throws the coded errors of
 * its parts: E_UNKNOWN_FIELD, E_REDACTED_FIELD, E_SCOPE_REQUIRED, E_FAN_OUT, E_NOT_GROUPED, E_TOO_MANY_PARAMETERS and others.
 */
export function compileQuery(state: QueryState): CompiledQuery {
  return whole(state.domain, (compilation) => {
    const { sql, output, warnings, block } = compileSelect(compilation, state, { outer: null, nested: false })
    const aliases = new Map([["", state.domain.root.alias]])
    for (const join of block.needed) aliases.set(join.path, join.alias)
    return { sql, output, warnings, aliases }
  })
}

/** Compiles rows that are no single SELECT, such as a set operation, to one statement. */
export function compileRows(node: SourceNode): CompiledQuery {
  const reserved = node.source === "query" ? node.state.domain : nobody
  return whole(reserved, (compilation) => {
    const { sql, columns } = compileSource(compilation, node, null)
    const output = columns.map(({ name, type }) => ({ name, type, decode: decoding(type), present: false }))
    return { sql, output, warnings: [], aliases: new Map() }
  })
}

const nobody: { readonly aliases: ReadonlySet<string> } = { aliases: new Set() }

interface Parts extends Omit<CompiledQuery, "text" | "values"> {
  readonly sql: string
}

/** The statement around its outermost SELECT: WITH before it, and the count of its values. */
function whole(model: { readonly aliases: ReadonlySet<string> }, compile: (compilation: Compilation) => Parts): CompiledQuery {
  let compilation = newCompilation(model)
  let parts = compile(compilation)
  const { cteNames, tables } = compilation
  if (cteNames.size > 0 && [...tables].some((table) => [...cteNames.values()].includes(quoteIdentifier(table)))) {
    // A name in WITH hides the table of the same name: once more, with other names.
    compilation = newCompilation(model, false, compilation.tables)
    parts = compile(compilation)
  }
  const { values, ctes, recursive } = compilation
  if (values.length > maximumParameters)
    throw new SelectoError(
      "E_TOO_MANY_PARAMETERS",
      `The query binds ${values.length} values; PostgreSQL takes at most ${maximumParameters}. Use oneOf([…]), which binds a whole list as one.`,
    )
  const { sql, output, warnings, aliases } = parts
  const text = ctes.length === 0 ? sql : `WITH ${recursive ? "RECURSIVE " : ""}${ctes.join(", ")} ${sql}`
  return { text, values, output, warnings, aliases }
}

/** Where a SELECT stands. */
export interface Place {
  /** The block whose columns outer() names. */
  readonly outer: Block | null
  /** Inside another statement, where aliases must be its own. */
  readonly nested: boolean
  /** It is the step of a recursion. */
  readonly recursion?: Recursion | undefined
  /** Columns of a join of this query that are selected instead of its own. */
  readonly keysOf?: JoinModel | undefined
  /** Its rows are compared with those of another query. */
  readonly compared?: boolean | undefined
}

interface Recursion {
  readonly self: object
  /** The quoted name of the column that counts the steps. */
  readonly depth: string
  readonly maxDepth: number
  /** The output's columns in the order of the first query. */
  readonly order: readonly string[]
}

interface CompiledSelect {
  readonly sql: string
  readonly output: readonly CompiledColumn[]
  readonly warnings: readonly Warning[]
  readonly block: Block
}

/** Compiles one SELECT. */
export function compileSelect(compilation: Compilation, state: QueryState, place: Place): CompiledSelect {
  const model = state.domain
  const block = rootBlock(compilation, model, place.outer, place.nested)
  block.windowNames = state.windows
  for (const [path, kind] of state.joins) {
    const join = model.joins.get(path)!
    need(block, join)
    if (kind !== null) block.kinds.set(join, kind)
    // Written first, so that the values of WITH come before those of the query.
    if (join.source !== null && !join.source.lateral) sourceItem(block, join)
  }
  if (model.root.source !== null) sourceItem(block, model.root)

  const uses = new UseNotes(block)
  const selected: Selected = { byName: new Map(), names: new Map(), windowed: [] }
  const output: CompiledColumn[] = []
  const columns: string[] = []
  const grouped = state.groupBy.length > 0
  if (place.keysOf === undefined)
    for (const item of selection(state, place.recursion)) {
      const { windows } = block
      uses.begin()
      const written = compileOperand(block, item.source, "select()")
      uses.end(item.name)
      const compiled = state.distinct || place.compared === true ? comparable(item, written) : written
      if (block.windows > windows) selected.windowed.push(item.name)
      if (selected.byName.has(item.name)) continue
      selected.byName.set(item.name, compiled)
      if (typeof item.source !== "string") selected.names.set(item.source, item.name)
      columns.push(`${compiled.sql} AS ${quoteIdentifier(columnAlias(item.name))}`)
      output.push({
        name: item.name,
        type: compiled.type,
        decode: decoding(compiled.type),
        present: compiled.present === true,
      })
    }
  else {
    need(block, place.keysOf)
    for (const step of place.keysOf.chain) block.kinds.set(step, "inner")
    columns.push(...keyColumns(block, place.keysOf))
  }

  // Only the columns are asked for.
  if (compilation.describing) return { sql: "", output, warnings: [], block }

  const before = { aggregates: block.aggregates, windows: block.windows }
  const where = whereClause(block, state)
  refuseIn(block, before, "filter()")
  const sets: GroupingSetItem[] = []
  const groupPaths: FieldModel[] = []
  const groupNames = new Set<string>()
  const groupBy = (grouped ? [...state.groupBy, ...model.requirements.groupBy] : []).map((item) =>
    isGrouping(item)
      ? groupingSets(block, item, selected, uses.all, sets)
      : groupItem(block, item, selected, uses.all, groupPaths, groupNames),
  )
  let having = state.having.length === 0 ? null : havingClause(block, state, selected, uses)
  const windows = [...state.windows].map(
    ([name, window]) => `${quoteIdentifier(name)} AS (${uses.of(() => windowSql(block, window))})`,
  )
  const distinctOn = state.distinctOn.map((item) => uses.of(() => pathBeforeAlias(block, item as string, selected)).sql)
  const ordered = orderItems(state, block, place)
  const order = ordered.length === 0 ? [] : uses.of(() => ordered.map((item) => orderKey(block, item, selected)))
  const aggregated = grouped || block.aggregates > 0
  let kept = where
  if (state.after !== null || state.keys)
    checkPageOrder(
      block,
      state,
      order,
      aggregated,
      groupBy,
      [...selected.byName.values()].map((one) => one.sql),
    )
  if (state.after !== null) {
    const after = afterKeys(compilation, loosened(block, order), state.after)
    if (aggregated) having = having === null || having === "TRUE" ? after : `${having} AND ${after}`
    else kept = kept === "TRUE" ? after : `${kept} AND ${after}`
  }
  if (state.keys)
    order.forEach((key, index) => {
      columns.push(`(${key.sql})::text AS ${quoteIdentifier(`~key${index}`)}`)
      output.push({ name: `~key${index}`, type: columnType("string"), decode: decoding(columnType("string")), present: false })
    })
  const limit = state.limit === null ? "" : ` LIMIT ${bind(compilation, state.limit)}`
  const offset = state.offset === null ? "" : ` OFFSET ${bind(compilation, state.offset)}`

  if (aggregated) checkGrouping(model, uses.all, groupPaths, groupNames, sets)
  const warnings = checkFanOut(block, state, aggregated)
  // FROM last: only now are all the joins known.
  const from = fromClause(block)
  if (place.recursion !== undefined) {
    const self = selfAlias(block, place.recursion)
    if (aggregated || state.distinct || state.limit !== null || state.offset !== null || distinctOn.length > 0) throw badStep()
    columns.push(`${self}.${place.recursion.depth} + 1`)
    const shallow = `${self}.${place.recursion.depth} < ${bind(compilation, place.recursion.maxDepth)}::integer`
    kept = kept === "TRUE" ? shallow : `${kept} AND ${shallow}`
  }
  const lock = lockClause(block, state, aggregated)
  const orderBy = distinctOn.length === 0 ? order.map((key) => key.clause) : orderedByDistinct(distinctOn, order)

  let sql = `SELECT ${state.distinct ? "DISTINCT " : distinctOn.length === 0 ? "" : `DISTINCT ON (${distinctOn.join(", ")}) `}${columns.join(", ")} FROM ${from}`
  if (kept !== "TRUE") sql += ` WHERE ${kept}`
  if (groupBy.length > 0) sql += ` GROUP BY ${groupBy.join(", ")}`
  if (having !== null) sql += ` HAVING ${having}`
  if (windows.length > 0) sql += ` WINDOW ${windows.join(", ")}`
  if (orderBy.length > 0) sql += ` ORDER BY ${orderBy.join(", ")}`
  return { sql: sql + limit + offset + lock, output, warnings, block }
}

/** The primary key of a join's rows, as columns of the block. */
function keyColumns(block: Block, join: JoinModel): string[] {
  return join.table.primaryKey.map((column) => `${aliasOf(block, join)}.${quoteIdentifier(column)}`)
}

function selfAlias(block: Block, recursion: Recursion): string {
  for (const join of [block.base, ...block.needed]) {
    const node = join.source?.node as SourceNode | undefined
    if (node?.source === "self" && node.of === recursion.self) return aliasOf(block, join)
  }
  throw badStep()
}

/** Aggregates and windows come after the rows are chosen: PostgreSQL refuses them in WHERE, windows also in HAVING. */
function refuseIn(block: Block, before: { readonly aggregates: number; readonly windows: number }, where: string): void {
  if (block.aggregates > before.aggregates)
    throw new SelectoError("E_NOT_GROUPED", `${where} chooses rows before they are grouped; test an aggregate in having().`, {
      path: where,
    })
  if (block.windows > before.windows)
    throw new SelectoError(
      "E_INVALID_OPERATOR",
      `${where} chooses rows before windows are made; filter fromQuery(query) by the window's alias.`,
      {
        path: where,
      },
    )
}

/** DISTINCT ON takes the first row of each group, so its keys lead the order. */
function orderedByDistinct(distinctOn: readonly string[], order: readonly OrderKey[]): string[] {
  const leading = order.slice(0, distinctOn.length).map((key) => key.sql)
  const clauses = order.map((key) => key.clause)
  return distinctOn.every((sql) => leading.includes(sql))
    ? clauses
    : [...distinctOn, ...order.filter((key) => !distinctOn.includes(key.sql)).map((key) => key.clause)]
}

function lockClause(block: Block, state: QueryState, aggregated: boolean): string {
  const { lock } = state
  if (lock === null) return ""
  if (aggregated || state.distinct || state.distinctOn.length > 0 || block.windows > 0)
    throw new SelectoError(
      "E_INVALID_OPTION",
      "forUpdate() locks rows of tables; a grouped or distinct query, or one with windows, has none.",
      {
        path: "forUpdate()",
      },
    )
  const tables = lock.of.map((path) => {
    const join = block.model.joins.get(path)
    if (join === undefined || (join !== block.base && !block.needed.has(join)))
      throw new SelectoError("E_UNKNOWN_JOIN", `forUpdate() can lock ${JSON.stringify(path)} only where the query joins it.`, {
        path,
      })
    return aliasOf(block, join)
  })
  const wait = lock.locked === "wait" ? "" : lock.locked === "skip" ? " SKIP LOCKED" : " NOWAIT"
  return ` FOR ${lock.strength} OF ${tables.join(", ")}${wait}`
}

function decoding(type: ColumnType): CompiledColumn["decode"] {
  if (type.type === "unknown") return decoderOfTypeId
  const decoder = decoderOf(type)
  return () => decoder
}

/** What is selected: the query's own items, else the domain's defaults, else every column of the root. */
export function selection(state: QueryState, recursion?: Recursion | undefined): readonly SelectItem[] {
  const model = state.domain
  const base = state.select ?? defaultPaths(model).map(asItem)
  const all = model.requirements.select.length === 0 ? base : [...base, ...model.requirements.select.map(asItem)]
  if (recursion === undefined) return all
  const ordered = recursion.order.map((name) => all.find((item) => item.name === name))
  if (all.length !== ordered.length || ordered.includes(undefined))
    throw new SelectoError(
      "E_UNLIKE_COLUMNS",
      `The step of recursive() selects the columns of its first query: ${recursion.order.map((name) => JSON.stringify(name)).join(", ")}.`,
    )
  return ordered as SelectItem[]
}

function defaultPaths(model: DomainModel): readonly string[] {
  return model.defaults.select ?? [...model.root.table.columns.keys()].filter((column) => !model.root.table.redacted.has(column))
}

function asItem(path: string): SelectItem {
  return { name: path, source: path }
}

function havingClause(block: Block, state: QueryState, selected: Selected, uses: UseNotes): string {
  const { windows } = block
  const sql = uses.of(() => compileFilters(block, state.having, (inner, name) => pathBeforeAlias(inner, name, selected)))
  refuseIn(block, { aggregates: block.aggregates, windows }, "having()")
  return sql
}

/** Tenant scope and required filters stand first and outside of everything the query adds. */
function whereClause(block: Block, state: QueryState): string {
  const model = state.domain
  const parts: string[] = []
  for (const path of model.required) {
    const value = state.scope?.[path]
    if (state.scope === null || !Object.hasOwn(state.scope, path))
      throw new SelectoError(
        "E_SCOPE_REQUIRED",
        `The domain ${JSON.stringify(model.name)} demands a value for ${JSON.stringify(path)}: from(domain, { ${path}: … }).`,
        { path },
      )
    const field = compilePath(block, path)
    parts.push(`${field.sql} = ${bind(block.compilation, encode(value, field.type, path))}`)
  }
  if (state.origin !== null) parts.push(originCondition(block, state.origin))
  if (model.requirements.filters.length > 0) parts.push(compileFilters(block, model.requirements.filters))
  if (state.where.length > 0) parts.push(compileFilters(block, state.where))
  const kept = parts.filter((part) => part !== "TRUE")
  return kept.length === 0 ? "TRUE" : kept.join(" AND ")
}

/**
 * Ties a retargeted query to the rows of the one it came from: this row's key is among the keys of their related rows. The other
 * query keeps its own scope, required filters and conditions, so nothing that it hides can be seen from here.
 */
function originCondition(block: Block, origin: NonNullable<QueryState["origin"]>): string {
  const join = origin.state.domain.joins.get(origin.join)!
  const { sql } = compileSelect(block.compilation, origin.state, { outer: block, nested: true, keysOf: join })
  const keys = keyColumns(block, block.base)
  return `${keys.length === 1 ? keys[0] : `(${keys.join(", ")})`} IN (${sql})`
}
