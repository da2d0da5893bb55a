import type { ColumnType } from "../domain/column-type.ts"
import { modelOf } from "../domain/define.ts"
import { derivedModel, retargetedModel, withDerived } from "../domain/extend.ts"
import type { DomainModel, JoinKind, JoinModel, RelationSource } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { checkIdentifier } from "../sql/identifier.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"
import { readCursor, shapeOf } from "./after.ts"
import { type CompiledQuery, compileQuery } from "./compile.ts"
import { derivedColumns } from "./compile-source.ts"
import { repeats } from "./fan-out.ts"
import { checkName, columnAlias } from "./name.ts"
import { isExpression, type WindowNode } from "./node.ts"
import { SetBuilder } from "./set.ts"
import { hasSource, type SetNode, type SourceNode, sourceKey, sourceOf } from "./source.ts"
import type { LockState, QueryState, SelectItem } from "./state.ts"
import type { From } from "./types/query.ts"
import { windowOf } from "./window.ts"

/**
 * The immutable builder, without a connection: every method returns a changed copy of its own kind. Connected queries extend it
 * and override {@link derive}.
 */
export class QueryBuilder {
  readonly state: QueryState
  #compiled: CompiledQuery | undefined

  constructor(state: QueryState) {
    this.state = state
  }

  /** A query of the same kind with another state. */
  protected derive(state: QueryState): this {
    return new QueryBuilder(state) as this
  }

  /** A query of the same kind over other rows. */
  queryOver(state: QueryState): QueryBuilder {
    return this.derive(state)
  }

  /** A set operation of the same kind, connected where this query is. */
  setOver(node: SetNode): SetBuilder {
    return new SetBuilder(node)
  }

  /** The statement, compiled once for this value. */
  compiled(): CompiledQuery {
    this.#compiled ??= compileQuery(this.state)
    return this.#compiled
  }

  toSql(): { text: string; values: unknown[] } {
    const { text, values } = this.compiled()
    return { text, values: [...values] }
  }

  select(first: unknown, ...more: readonly unknown[]): this {
    const items = this.state.select === null ? [] : [...this.state.select]
    addItems(items, first)
    for (const item of more) addItems(items, item)
    return this.derive({ ...this.state, select: items })
  }

  filter(...filters: readonly unknown[]): this {
    return this.derive({ ...this.state, where: [...this.state.where, ...filters] })
  }

  groupBy(...by: readonly unknown[]): this {
    return this.derive({ ...this.state, groupBy: [...this.state.groupBy, ...by] })
  }

  having(...filters: readonly unknown[]): this {
    return this.derive({ ...this.state, having: [...this.state.having, ...filters] })
  }

  orderBy(...by: readonly unknown[]): this {
    return this.derive({ ...this.state, orderBy: [...(this.state.orderBy ?? []), ...by] })
  }

  distinct(): this {
    return this.derive({ ...this.state, distinct: true })
  }

  limit(rows: number): this {
    return this.derive({ ...this.state, limit: wholeNumber("limit", rows) })
  }

  offset(rows: number): this {
    return this.derive({ ...this.state, offset: wholeNumber("offset", rows) })
  }

  join(path: string, options: { readonly type?: JoinKind | undefined } = {}): this {
    const join = this.#joinAt(path)
    const kinds = ["left", "inner", "right", "full"]
    if (options.type !== undefined && !kinds.includes(options.type))
      throw new SelectoError("E_INVALID_OPTION", `A join's type is one of ${kinds.join(", ")}.`, { path: "type" })
    return this.derive({ ...this.state, joins: new Map(this.state.joins).set(join.path, options.type ?? null) })
  }

  #joinAt(path: string): JoinModel {
    const { joins, name } = this.state.domain
    const join = path === "" ? undefined : joins.get(path)
    if (join !== undefined) return join
    const suggestions = suggestionsFor(path, joins.keys())
    throw new SelectoError(
      "E_UNKNOWN_JOIN",
      `${JSON.stringify(path)} is not a join of the domain ${JSON.stringify(name)}.${didYouMean(suggestions)}`,
      { path, suggestions },
    )
  }

  /** Joins the rows of another query, of values(), generateSeries() or recursive() under a name. */
  joinQuery(name: string, query: unknown, options: JoinQueryOptions = {}): this {
    this.#checkJoinName(name)
    const type = options.type ?? "left"
    if (type !== "left" && type !== "inner")
      throw new SelectoError("E_INVALID_OPTION", "joinQuery() joins left or inner.", { path: "type" })
    const lateral = options.lateral === true
    const { cte } = options
    const ctes: readonly unknown[] = [undefined, false, true, "materialized", "not materialized"]
    if (!ctes.includes(cte))
      throw new SelectoError("E_INVALID_OPTION", 'cte is true, "materialized" or "not materialized".', { path: "cte" })
    if (lateral && cte)
      throw new SelectoError("E_INVALID_OPTION", "A lateral query cannot be written as WITH: it depends on the row.", {
        path: "cte",
      })
    const on = Object.entries(options.on ?? {})
    if (on.length === 0 && !lateral)
      throw new SelectoError(
        "E_INVALID_OPTION",
        'joinQuery() needs `on`: pairs of a path and a column, { customer_id: "customer_id" }.',
        {
          path: "on",
        },
      )
    const node = bareSelf(sourceOf(query, "joinQuery()"))
    if (node.source === "self" && type !== "inner")
      throw new SelectoError(
        "E_INVALID_OPTION",
        'The rows found before are joined by type: "inner"; PostgreSQL allows no outer join of them.',
        {
          path: "type",
        },
      )
    const columns = derivedColumns(node)
    for (const [path, column] of on) {
      if (!columns.some((one) => one.name === column)) {
        const suggestions = suggestionsFor(
          String(column),
          columns.map((one) => one.name),
        )
        throw new SelectoError(
          "E_UNKNOWN_FIELD",
          `${JSON.stringify(column)} is no column of the joined query.${didYouMean(suggestions)}`,
          {
            path: String(column),
            suggestions,
          },
        )
      }
      if (!this.state.domain.fields.has(path)) {
        const suggestions = suggestionsFor(path, this.state.domain.fields.keys())
        throw new SelectoError("E_UNKNOWN_FIELD", `${JSON.stringify(path)} is no path of this query.${didYouMean(suggestions)}`, {
          path,
          suggestions,
        })
      }
    }
    const source: RelationSource = { node, on, lateral, cte: cte === true ? "" : cte || null }
    const many = repeats(
      node,
      on.map(([, column]) => column),
    )
    return this.#withDerived(withDerived(this.state.domain, { name, columns, source, kind: type, many, single: false }), name)
  }

  /** One row for each element of an array column. */
  unnest(path: string, as: string): this {
    this.#checkJoinName(as)
    const field = this.state.domain.fields.get(path)
    if (field === undefined) {
      const suggestions = suggestionsFor(path, this.state.domain.fields.keys())
      throw new SelectoError("E_UNKNOWN_FIELD", `${JSON.stringify(path)} is no path of this query.${didYouMean(suggestions)}`, {
        path,
        suggestions,
      })
    }
    if (field.type.type !== "array")
      throw new SelectoError(
        "E_INVALID_OPERATOR",
        `unnest() takes an array, not ${JSON.stringify(path)} of type ${field.type.type}.`,
        { path },
      )
    const type: ColumnType = { ...field.type.of!, nullable: true }
    const source: RelationSource = { node: { source: "unnest", path, type }, on: [], lateral: true, cte: null }
    const columns = [{ name: as, alias: columnAlias(as), type }]
    return this.#withDerived(
      withDerived(this.state.domain, { name: as, columns, source, kind: "inner", many: true, single: true }),
      as,
    )
  }

  #checkJoinName(name: string): void {
    if (typeof name !== "string" || name === "" || name.includes("."))
      throw new SelectoError(
        "E_INVALID_NAME",
        "What is joined needs a name without dots: its columns are the paths name.column.",
        {
          path: String(name),
        },
      )
    checkName(name)
    checkIdentifier(name)
    const { joins, fields } = this.state.domain
    if (joins.has(name) || fields.has(name))
      throw new SelectoError("E_DUPLICATE_ALIAS", `${JSON.stringify(name)} is a path of this query already.`, { path: name })
  }

  #withDerived(domain: DomainModel, name: string): this {
    return this.derive({ ...this.state, domain, joins: new Map(this.state.joins).set(name, null) })
  }

  /** Names a window for over("name"). */
  window(name: string, window: WindowNode): this {
    checkIdentifier(name)
    const node = windowOf(window)
    if (typeof node === "string" || this.state.windows.has(name))
      throw new SelectoError("E_INVALID_OPTION", "window() takes a new name and what it stands for.", { path: name })
    return this.derive({ ...this.state, windows: new Map(this.state.windows).set(name, node) })
  }

  distinctOn(...by: readonly unknown[]): this {
    if (by.length === 0 || !by.every((path) => typeof path === "string"))
      throw new SelectoError("E_UNSUPPORTED_INPUT", "distinctOn() takes paths.", { path: "distinctOn()" })
    return this.derive({ ...this.state, distinctOn: [...this.state.distinctOn, ...by] })
  }

  /** Locks the rows for the transaction that the query runs in. */
  forUpdate(options: LockOptions = {}): this {
    const strength = strengths[options.strength ?? "update"]
    if (strength === undefined)
      throw new SelectoError("E_INVALID_OPTION", `strength is one of ${Object.keys(strengths).join(", ")}.`, { path: "strength" })
    const locked = options.locked ?? "wait"
    if (locked !== "wait" && locked !== "skip" && locked !== "fail")
      throw new SelectoError("E_INVALID_OPTION", "locked is one of wait, skip, fail.", { path: "locked" })
    const of = (options.of ?? [""]).map((path) => (path === "" ? "" : this.#joinAt(path).path))
    return this.derive({ ...this.state, lock: { strength, locked, of } })
  }

  /** Rows after a cursor of page(). Throws E_INVALID_CURSOR where it is damaged or of another query. */
  after(cursor: string): this {
    return this.derive({ ...this.state, after: readCursor(cursor, this.pageShape()) })
  }

  /** What a cursor of this query is checked against. */
  pageShape(): string {
    return shapeOf(compileQuery({ ...this.state, after: null, keys: true, limit: null, offset: null, lock: null }).text)
  }

  /** The rows behind a join that belong to the rows of this query, each once, as a query of their own. */
  retarget(path: string): this {
    const join = this.#joinAt(path)
    const { groupBy, having, distinctOn, limit, offset, after, lock } = this.state
    if (
      groupBy.length + having.length + distinctOn.length > 0 ||
      limit !== null ||
      offset !== null ||
      after !== null ||
      lock !== null
    )
      throw new SelectoError(
        "E_NOT_SUPPORTED",
        "retarget() asks about the rows that a query's filters choose: give groups, limits and locks to the query it returns.",
        { path },
      )
    if (join.source !== null)
      throw new SelectoError("E_NOT_SUPPORTED", `${JSON.stringify(path)} is a query and not a table; use fromQuery().`, { path })
    const domain = retargetedModel(this.state.domain, join)
    const origin = { state: this.state, join: path }
    return this.derive({ ...emptyState(domain), origin, allowFanOut: this.state.allowFanOut, options: this.state.options })
  }

  allowFanOut(): this {
    return this.derive({ ...this.state, allowFanOut: true })
  }

  /** Sets what a feature was asked for; the feature's stage reads it. */
  withOption(stage: string, value: unknown): this {
    return this.derive({ ...this.state, options: { ...this.state.options, [stage]: value } })
  }
}

/** What the compiler reads where a query stands inside another. Outside the class: its declaration needs no computed name then. */
Object.defineProperty(QueryBuilder.prototype, sourceKey, {
  get(this: QueryBuilder): SourceNode {
    return { source: "query", state: this.state }
  },
})

/** What needs a connection says so; the connected queries of client/ have their own. */
for (const method of ["execute", "executeOne", "run", "stream", "explain", "analyzeIndexes", "checkHints", "materialize"])
  Object.defineProperty(QueryBuilder.prototype, method, {
    value: () => {
      throw new SelectoError(
        "E_NOT_CONNECTED",
        `${method}() needs a connection. Make the query from one, connect(url).from(domain), or pass its toSql() to another client.`,
      )
    },
    configurable: true,
  })

/** The state a domain's queries start with. Throws E_SCOPE_REQUIRED where the domain demands a scope and none is given. */
export function initialState(domain: unknown, scope: Readonly<Record<string, unknown>> | undefined): QueryState {
  if (hasSource(domain)) return stateOver(domain[sourceKey], "rows")
  const model = modelOf(domain)
  for (const path of Object.keys(scope ?? {}))
    if (!model.required.includes(path))
      throw new SelectoError(
        "E_INVALID_OPTION",
        `${JSON.stringify(path)} is not among the domain's \`required\` columns${model.required.length === 0 ? "" : ` (${model.required.join(", ")})`}; use filter().`,
        { path },
      )
  return { ...emptyState(model), scope: scope ?? null }
}

function emptyState(domain: DomainModel): QueryState {
  return {
    domain,
    scope: null,
    select: null,
    where: [],
    groupBy: [],
    having: [],
    orderBy: null,
    distinct: false,
    distinctOn: [],
    windows: noWindows,
    lock: null,
    after: null,
    keys: false,
    origin: null,
    limit: null,
    offset: null,
    joins: noJoins,
    allowFanOut: false,
    options: {},
  }
}

const noWindows: QueryState["windows"] = new Map()
const noJoins: QueryState["joins"] = new Map()

const strengths: Readonly<Record<string, LockState["strength"]>> = {
  update: "UPDATE",
  noKeyUpdate: "NO KEY UPDATE",
  share: "SHARE",
  keyShare: "KEY SHARE",
}

interface LockOptions {
  readonly strength?: string | undefined
  readonly locked?: string | undefined
  readonly of?: readonly string[] | undefined
}

interface JoinQueryOptions {
  readonly on?: Readonly<Record<string, string>> | undefined
  readonly type?: "left" | "inner" | undefined
  readonly lateral?: boolean | undefined
  readonly cte?: boolean | "materialized" | "not materialized" | undefined
}

/** The rows of a recursion themselves, where a query over them asks for nothing else: PostgreSQL allows them in no subquery. */
function bareSelf(node: SourceNode): SourceNode {
  if (node.source !== "query") return node
  const { domain, select, where, groupBy, orderBy, limit, offset, joins, distinct } = node.state
  const inner = domain.root.source?.node as SourceNode | undefined
  const bare = select === null && where.length + groupBy.length + joins.size === 0 && orderBy === null && !distinct
  return inner?.source === "self" && bare && limit === null && offset === null ? inner : node
}

/** The state of a query over the output of another. */
export function stateOver(node: SourceNode, name: string): QueryState {
  const source: RelationSource = { node, on: [], lateral: false, cte: null }
  return emptyState(derivedModel(name, derivedColumns(node), source))
}

/**
 * A query without a connection: it composes and compiles (`toSql`), and is refused at run time (E_NOT_CONNECTED).
 *
 * @example
 * from(orders).select("id").filter({ status: "paid" }).toSql()
 * // SELECT orders.id AS id FROM orders WHERE orders.status = $1
 */
export const from: From = ((domain: unknown, scope?: Readonly<Record<string, unknown>>) =>
  new QueryBuilder(initialState(domain, scope))) as unknown as From

function addItems(items: SelectItem[], item: unknown): void {
  if (typeof item === "string") {
    addItem(items, item, item)
    return
  }
  if (typeof item !== "object" || item === null || Array.isArray(item) || isExpression(item))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      'select() takes paths, or an object of aliases: select({ revenue: sum("total") }).',
    )
  for (const [name, source] of Object.entries(item)) addItem(items, name, source)
}

function addItem(items: SelectItem[], name: string, source: SelectItem["source"]): void {
  checkName(name)
  for (const other of items) {
    if (other.name !== name) continue
    if (other.source === source) return
    throw new SelectoError(
      "E_DUPLICATE_ALIAS",
      `${JSON.stringify(name)} is selected twice with different meanings. Give one another alias.`,
      { path: name },
    )
  }
  items.push({ name, source })
}

function wholeNumber(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new SelectoError("E_INVALID_OPTION", `${name}() takes a whole number, zero or more.`, { path: name })
}
