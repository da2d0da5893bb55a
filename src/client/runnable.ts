import type { Statement } from "../database/database.ts"
import { MultipleResultsError, NoResultError, SelectoError } from "../errors.ts"
import type { OutputColumn, Request } from "../execution/request.ts"
import { refuseEnded } from "../execution/transaction.ts"
import { addHint, type CheckOptions, type HintName, type HintOption, type HintSpec } from "../hints/index.ts"
import { pageOf } from "../query/after.ts"
import { QueryBuilder } from "../query/query.ts"
import { SetBuilder } from "../query/set.ts"
import type { SetNode } from "../query/source.ts"
import type { QueryState } from "../query/state.ts"
import type { Page } from "../query/types/pages.ts"
import type { RunOptions, StreamOptions } from "../query/types/runnable.ts"
import { allowedAge, type MaterializeOptions, type RouteOptions } from "../views/index.ts"
import { cacheMethods, withCache } from "./cache.ts"
import type { Connection } from "./connection.ts"
import { parallelMethods, withPaths } from "./parallel.ts"

/** A statement with a connection: what the methods below need of it. */
export interface Source {
  readonly connection: Connection
  readonly options: Readonly<Record<string, unknown>>
  withOption(stage: string, value: unknown): Source
  request(options: RunOptions): Request
  /** The same, but with at most this many rows where the statement can say so. */
  bounded(rows: number): Source
}

/** Running, for builder queries and raw statements alike. Each feature's methods are another object like this one. */
const running = {
  async execute(this: Source, options: RunOptions = {}): Promise<unknown[]> {
    return (await this.connection.pipeline.run(this.request(options))).rows
  },

  async executeOne(this: Source, options: RunOptions = {}): Promise<unknown> {
    const { rows } = await this.connection.pipeline.run(this.bounded(2).request(options))
    if (rows.length === 0) throw new NoResultError()
    if (rows.length > 1) throw new MultipleResultsError()
    return rows[0]
  },

  async run(this: Source, options: RunOptions = {}): Promise<unknown> {
    return await this.connection.pipeline.run(this.request(options))
  },

  stream(this: Source, options: StreamOptions = {}): AsyncIterableIterator<unknown> {
    return this.connection.pipeline.stream(this.request(options), { batchSize: options.batchSize })
  },

  explain(this: Source, options: Record<string, unknown> = {}): Promise<unknown> {
    return this.connection.explain(this.request(options as RunOptions), options)
  },

  hint(this: Source, first: HintName | HintSpec, value?: never): Source {
    const before = this.options.hint as HintOption | undefined
    return this.withOption("hint", typeof first === "string" ? addHint(before, first, value as never) : addHint(before, first))
  },

  route(this: Source, options: RouteOptions | false = {}): Source {
    allowedAge(options)
    return this.withOption("route", options)
  },

  checkHints(this: Source, options: CheckOptions = {}): Promise<unknown> {
    return this.connection.checkHints(this.request({}), options)
  },

  materialize(this: Source, options: MaterializeOptions): Promise<unknown> {
    return this.connection.materialize(this.request({}), options)
  },

  analyzeIndexes(this: Source, options: Record<string, unknown> = {}): Promise<unknown> {
    return this.connection.analyzeIndexes(this.request(options as RunOptions), options)
  },

  ...cacheMethods,
  ...parallelMethods,
}

/** A request in one literal: spreading parts into it costs more than all else that is done before sending. */
function requestOf(
  connection: Connection,
  options: RunOptions,
  { text, values }: Statement,
  output: readonly OutputColumn[] | null,
  origin: Request["origin"],
  features: Request["options"],
  warnings: Request["warnings"],
): Request {
  refuseEnded(connection.transaction)
  return {
    statement: { text, values },
    output,
    origin,
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? connection.timeoutMs,
    transaction: connection.transaction,
    isolation: null,
    readOnly: false,
    settings: noSettings,
    prelude: nothing,
    snapshot: null,
    options: features,
    warnings,
  }
}

const noSettings = Object.freeze({})
const nothing: readonly never[] = Object.freeze([])
const ofRows = { kind: "builder", name: null } as const
const ofText = { kind: "statement", name: null } as const

/** A builder query with a connection. */
export class RunnableQuery extends QueryBuilder {
  readonly connection: Connection

  constructor(state: QueryState, connection: Connection) {
    super(state)
    this.connection = connection
  }

  protected override derive(state: QueryState): this {
    return new RunnableQuery(state, this.connection) as this
  }

  override setOver(node: SetNode): SetBuilder {
    return new RunnableSet(node, this.connection)
  }

  /** A page of an ordered query with a limit, and the cursor of the next one. One row more is asked for: is there a next page? */
  async page(options: RunOptions = {}): Promise<Page<unknown>> {
    const { limit, offset } = this.state
    if (limit === null || limit === 0)
      throw new SelectoError("E_INVALID_OPTION", "page() needs the size of a page: limit(50).", { path: "limit()" })
    if (offset !== null)
      throw new SelectoError("E_INVALID_OPTION", "page() counts from a cursor: use after(cursor) and no offset().", {
        path: "offset()",
      })
    const keyed = this.derive({ ...this.state, keys: true, limit: limit + 1 })
    const { rows, report } = await this.connection.pipeline.run(keyed.request(options))
    return { ...pageOf(rows as Record<string, unknown>[], limit, this.pageShape()), report }
  }

  bounded(rows: number): RunnableQuery {
    const { limit } = this.state
    return limit !== null && limit <= rows ? this : this.limit(rows)
  }

  get options(): Readonly<Record<string, unknown>> {
    return this.state.options
  }

  request(options: RunOptions): Request {
    const compiled = this.compiled()
    const origin = { kind: "builder", name: this.state.domain.name } as const
    return requestOf(
      this.connection,
      options,
      compiled,
      compiled.output,
      origin,
      withCache(withPaths(withHints(this.state, compiled.aliases), compiled.aliases), this.state.domain.performance.cache),
      compiled.warnings,
    )
  }
}

/** The query's hints and the domain's, with the aliases that its paths have in the statement. */
function withHints({ options, domain }: QueryState, paths: ReadonlyMap<string, string>): Readonly<Record<string, unknown>> {
  const own = options.hint as HintOption | undefined
  const defaults = domain.performance.hints?.map(([name, value]) => ({ name, value }))
  if (own === undefined && defaults === undefined) return options
  return { ...options, hint: { hints: [], ...own, ...(defaults === undefined ? {} : { defaults }), paths } satisfies HintOption }
}

/** A set operation with a connection. */
export class RunnableSet extends SetBuilder {
  readonly connection: Connection
  readonly options: Readonly<Record<string, unknown>>

  constructor(node: SetNode, connection: Connection, options: Readonly<Record<string, unknown>> = {}) {
    super(node)
    this.connection = connection
    this.options = options
  }

  protected override derive(node: SetNode): this {
    return new RunnableSet(node, this.connection, this.options) as this
  }

  /** A query over these rows, connected too. */
  queryOver(state: QueryState): QueryBuilder {
    return new RunnableQuery(state, this.connection)
  }

  withOption(stage: string, value: unknown): RunnableSet {
    return new RunnableSet(this.node, this.connection, { ...this.options, [stage]: value })
  }

  bounded(rows: number): RunnableSet {
    const { limit } = this.node
    return limit !== null && limit <= rows ? this : this.limit(rows)
  }

  request(options: RunOptions): Request {
    const compiled = this.compiled()
    return requestOf(this.connection, options, compiled, compiled.output, ofRows, this.options, compiled.warnings)
  }
}

/** SQL text from anywhere with a connection. */
export class RunnableStatement {
  readonly connection: Connection
  readonly #text: string
  readonly #values: readonly unknown[]
  readonly options: Readonly<Record<string, unknown>>

  constructor(connection: Connection, text: string, values: readonly unknown[], options: Readonly<Record<string, unknown>> = {}) {
    if (typeof text !== "string" || text.trim() === "")
      throw new SelectoError(
        "E_UNSUPPORTED_INPUT",
        'statement() takes SQL text and an array of values: statement("select … where id = $1", [7]).',
      )
    if (!Array.isArray(values))
      throw new SelectoError("E_UNSUPPORTED_INPUT", "The values of a statement are an array, one for each $n.")
    this.connection = connection
    this.#text = text
    this.#values = values
    this.options = options
  }

  toSql(): { text: string; values: unknown[] } {
    return { text: this.#text, values: [...this.#values] }
  }

  withOption(stage: string, value: unknown): RunnableStatement {
    return new RunnableStatement(this.connection, this.#text, this.#values, { ...this.options, [stage]: value })
  }

  bounded(): RunnableStatement {
    return this
  }

  request(options: RunOptions): Request {
    const statement = { text: this.#text, values: this.#values }
    return requestOf(this.connection, options, statement, null, ofText, this.options, nothing)
  }
}

for (const target of [RunnableQuery, RunnableSet, RunnableStatement])
  for (const [name, method] of Object.entries(running))
    Object.defineProperty(target.prototype, name, { value: method, writable: true, configurable: true })
