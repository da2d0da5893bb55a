import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import type {
  AcquireOptions,
  Database,
  DriverCapabilities,
  Listener,
  QueryOptions,
  Result,
  Session,
  Statement,
  TextRow,
} from "./database.ts"
import { toSelectoError } from "./database-error.ts"
import { interruptible, isUninterruptible, refuseAborted, waitFor } from "./deadline.ts"
import { importDriver } from "./import-driver.ts"
import { notifyStatement } from "./notify.ts"
import { driverRows, neverSent, queryOf, textResult } from "./postgres-js-query.ts"
import { openSession } from "./postgres-js-session.ts"
import type { PostgresJsLike } from "./postgres-js-types.ts"
import { convertRows } from "./rows.ts"

export const postgresJsCapabilities: DriverCapabilities = { sessions: "many", cancel: true, listen: true, pipeline: true }

export interface PostgresJsDatabaseOptions {
  /** True when close() shall end the pool: it is ours. Default false. */
  readonly owned?: boolean | undefined
  /** The same database past a pooler. */
  readonly direct?: Database | undefined
}

/** The module of the postgres package. */
export interface PostgresJsModule {
  readonly default: (urlOrOptions: string | object, options?: object) => PostgresJsLike
}

/** Loads the postgres package. Throws E_DRIVER_MISSING where it is not installed. */
export function importPostgresJs(): Promise<PostgresJsModule> {
  return importDriver<PostgresJsModule>("postgres", () => import("postgres"))
}

/**
 * A {@link Database} over postgres.js (3.4 or later), whatever its types, transforms or `prepare` option. Rows travel past its parsers
 * where text is asked for. Statements are not prepared: text and values travel in one round trip.
 */
export function postgresJsDatabase(sql: PostgresJsLike, options: PostgresJsDatabaseOptions = {}): Database {
  return new PostgresJsDatabase(sql, options)
}

class PostgresJsDatabase implements Database {
  readonly driver = "postgres.js"
  readonly capabilities: DriverCapabilities = postgresJsCapabilities
  readonly direct: Database
  readonly #sql: PostgresJsLike
  readonly #owned: boolean
  readonly #listeners = new Set<Listener>()
  #closed: Promise<void> | null = null

  constructor(sql: PostgresJsLike, options: PostgresJsDatabaseOptions) {
    this.#sql = sql
    this.#owned = options.owned ?? false
    this.direct = options.direct ?? this
  }

  async acquire(options: AcquireOptions = {}): Promise<Session> {
    refuseAborted(options.signal)
    this.#refuseClosed()
    try {
      const place = openSession(this.#sql)
      return isUninterruptible(options) ? await place : await waitFor(place, options, (late) => late.release())
    } catch (error) {
      throw toSelectoError(error, { connecting: true })
    }
  }

  async query<Row = Record<string, unknown>>(statement: Statement, options: QueryOptions = {}): Promise<Result<Row>> {
    const result = await this.queryText(statement, options)
    return convertRows<Row>(result, driverRows(this.#sql.options, result.fields))
  }

  async queryText(statement: Statement, options: QueryOptions = {}): Promise<Result<TextRow>> {
    if (isUninterruptible(options)) return this.#anywhere(statement, options)
    // On a shared connection a late cancel could meet the statement of somebody else.
    const session = await this.acquire(options)
    try {
      options.onAcquired?.()
      return await session.queryText(statement, options)
    } finally {
      session.release()
    }
  }

  async #anywhere(statement: Statement, options: QueryOptions, tries = 2): Promise<Result<TextRow>> {
    this.#refuseClosed()
    const onexecute = (): boolean => {
      options.onAcquired?.()
      return true
    }
    const query = queryOf(this.#sql, statement, { onexecute })
    try {
      const result = textResult(await query)
      options.onFirstReply?.()
      return result
    } catch (error) {
      if (tries > 1 && neverSent(query, error)) return this.#anywhere(statement, options, tries - 1)
      throw toSelectoError(error, { text: statement.text, connecting: query.state === null })
    }
  }

  /** Listens on a connection of its own: the driver hears notices on no connection of the pool, and its own listen() hides a loss. */
  async listen(
    channels: readonly string[],
    onNotice: (channel: string, payload: string) => void,
    onLoss: (error: Error) => void,
  ): Promise<Listener> {
    this.#refuseClosed()
    const { default: postgres } = await importPostgresJs()
    let open = true
    const listener: Listener = {
      notify: async (channel, payload, options = {}) => {
        // The driver would connect again by itself, with a session that listens to nothing.
        if (!open) throw toSelectoError(new Error("Connection terminated unexpectedly"))
        const sent = queryOf(own, notifyStatement(channel, payload))
        try {
          // A line on which it cannot be sent in time is a dead one.
          await interruptible(Promise.resolve(sent), options, () => own.end({ timeout: 0 }))
        } catch (error) {
          throw toSelectoError(error)
        }
      },
      close: async () => {
        if (!open) return
        open = false
        this.#listeners.delete(listener)
        await own.end({ timeout: 0 })
      },
    }
    const own = postgres({
      ...this.#sql.options,
      max: 1,
      idle_timeout: null,
      max_lifetime: null,
      fetch_types: false,
      onnotice: () => {},
      onnotify: (channel: string, payload: string) => {
        if (open && channels.includes(channel)) onNotice(channel, payload)
      },
      onclose: () => {
        if (!open || !listening) return
        void listener.close()
        onLoss(toSelectoError(new Error("Connection terminated unexpectedly")))
      },
    })
    let listening = false
    this.#listeners.add(listener)
    try {
      for (const channel of channels) await own.unsafe(`listen ${quoteIdentifier(channel)} /* selecto:database */`)
      listening = true
      return listener
    } catch (error) {
      await listener.close()
      throw toSelectoError(error, { connecting: true })
    }
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.all([...this.#listeners].map((listener) => listener.close()))
      if (this.direct !== this) await this.direct.close()
      if (this.#owned) await this.#sql.end()
    })()
    return this.#closed
  }

  #refuseClosed(): void {
    if (this.#closed !== null)
      throw new SelectoError("E_POOL_CLOSED", "The connection pool is closed. Open a new one with connect().")
  }
}
