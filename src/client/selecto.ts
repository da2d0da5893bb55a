import { type CacheService, cacheService, ResultCache } from "../cache/index.ts"
import type { Capabilities } from "../database/capabilities.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { pipeline } from "../execution/pipeline.ts"
import type { OpenTransaction, Stage } from "../execution/request.ts"
import { type TransactionOptions, withTransaction } from "../execution/transaction.ts"
import { type IndexService, indexService } from "../indexes/index.ts"
import type { Monitor } from "../monitor/index.ts"
import { createParallel, type Parallel } from "../parallel/index.ts"
import { initialState } from "../query/query.ts"
import type { From } from "../query/types/query.ts"
import type { Runnable } from "../query/types/runnable.ts"
import { databaseViews, type ViewRouter, type ViewService, viewRouter, viewService } from "../views/index.ts"
import type { Connection } from "./connection.ts"
import type { ConnectOptions } from "./options.ts"
import { RunnableQuery, RunnableStatement } from "./runnable.ts"
import { services } from "./services.ts"

/** Rows of SQL that the compiler knows nothing of. */
export type UnknownRow = Record<string, unknown>

/** A connected Selecto: queries from it run. */
export interface Selecto extends AsyncDisposable {
  /** The port to the database, for what the library does not offer. */
  readonly database: Database
  /** A query of a domain: immutable, typed. A domain with `required` columns demands their values as second argument. */
  readonly from: From
  /** SQL from anywhere, with `$n` placeholders; rows stay as the driver gives them. */
  statement<Row = UnknownRow>(text: string, values?: readonly unknown[]): Runnable<Row>
  /** SQL written here: sql`select * from film where length > ${90}`; the values are bound, never in the text. */
  sql<Row = UnknownRow>(strings: TemplateStringsArray, ...values: readonly unknown[]): Runnable<Row>
  /**
   * Runs `work` in one transaction on one session. Queries made from the `tx` it gets run inside; commit when it resolves, rollback
   * when it rejects.
   */
  transaction<T>(work: (tx: Selecto) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Index advice for a workload, and the upkeep of indexes. */
  readonly indexes: IndexService
  /** Materialized views: made, refreshed, followed, looked after; and queries as queries over them. */
  readonly views: ViewService
  /** Kept results: the triggers that they rely on, what they have saved, dropping them. */
  readonly cache: CacheService
  /** What was recorded of each statement. Throws E_NOT_SUPPORTED unless connect() was given `monitor`. */
  readonly monitor: Monitor
  /** What server, role and driver can do, and the GRANT for each right that is missing. Asked once. */
  capabilities(): Promise<Capabilities>
  /** Closes what connect() opened; a pool that was passed in stays open. Idempotent. */
  close(): Promise<void>
}

/** Features that are wired once for each connect(). */
export interface Features {
  readonly monitor: Monitor | null
  readonly parallel: Parallel
  readonly router: ViewRouter
  readonly cache: ResultCache
}

/** A Selecto over a database. `transaction` is set for the `tx` of transaction(). */
export function selectoOf(
  database: Database,
  options: ConnectOptions & { readonly close?: (() => Promise<void>) | undefined },
  stages: readonly Stage[],
  {
    monitor = null,
    parallel = createParallel(database),
    router = viewRouter(database, databaseViews(database)),
    cache = new ResultCache(database, {}),
  }: Partial<Features> = {},
  transaction: OpenTransaction | null = null,
): Selecto {
  const close = async (): Promise<void> => {
    if (transaction !== null) return
    await monitor?.close()
    await cache.close()
    await (options.close ?? (() => database.close()))()
  }
  const connection: Connection = {
    database,
    pipeline: pipeline(database, stages),
    transaction,
    timeoutMs: options.timeoutMs,
    ...services(database, router),
    export: parallel.export,
  }
  const statement = (text: string, values: readonly unknown[] = []): Runnable<never> =>
    new RunnableStatement(connection, text, values) as unknown as Runnable<never>
  return {
    database,
    from: ((domain: unknown, scope?: Readonly<Record<string, unknown>>) =>
      new RunnableQuery(initialState(domain, scope), connection)) as unknown as From,
    statement,
    sql: (strings, ...values) => {
      if (!Array.isArray(strings) || !Array.isArray((strings as { raw?: unknown }).raw))
        throw new SelectoError(
          "E_UNSUPPORTED_INPUT",
          "sql is a template tag: selecto.sql`select …`. For text in a variable use statement(text, values).",
        )
      return statement(
        strings.reduce((text, part, index) => `${text}$${index}${part}`),
        values,
      )
    },
    transaction: async (work, transactionOptions = {}) => {
      if (transaction !== null)
        throw new SelectoError(
          "E_TRANSACTION_CONFLICT",
          "This is a transaction already; PostgreSQL has none within another. Use the `tx` you have.",
        )
      try {
        return await withTransaction(database, transactionOptions, (open) =>
          work(selectoOf(database, options, stages, { monitor, parallel, router, cache }, open)),
        )
      } finally {
        // Whatever it wrote is heard of before the next kept result is given.
        if (transactionOptions.readOnly !== true) cache.wrote()
      }
    },
    capabilities: () => connection.capabilities(),
    indexes: indexService(database, { monitorWorkload: monitor === null ? undefined : async () => monitor.workload() }),
    views: viewService(database, router),
    cache: cacheService(database, cache),
    get monitor(): Monitor {
      if (monitor === null)
        throw new SelectoError("E_NOT_SUPPORTED", "Nothing is recorded: connect with { monitor: true } or its options.", {
          path: "monitor",
        })
      return monitor
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
