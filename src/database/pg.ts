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
import { isUninterruptible, refuseAborted, waitFor } from "./deadline.ts"
import { notifyStatement } from "./notify.ts"
import { Canceller } from "./pg-cancel.ts"
import { PgPlainSession } from "./pg-plain-session.ts"
import { PgSession, watch } from "./pg-session.ts"
import type { PgClientLike, PgPoolLike, PgWireClient } from "./pg-types.ts"

export interface PgDatabaseOptions {
  /** True when close() shall end the pool: it is ours. Default false. */
  readonly owned?: boolean | undefined
  /** The same database past a pooler. */
  readonly direct?: Database | undefined
}

const wired: DriverCapabilities = { sessions: "many", cancel: true, listen: true, pipeline: true }

/**
 * A {@link Database} over a pool of the pg package (8 or later), whatever its type parsers, `query_timeout` or password function.
 * Rows travel past the pool's parsers where text is asked for. A pool with `pipeline: true` and pg-native work too, one statement
 * a round trip.
 */
export function pgDatabase(pool: PgPoolLike, options: PgDatabaseOptions = {}): Database {
  return new PgDatabase(pool, options)
}

class PgDatabase implements Database {
  readonly driver = "pg"
  readonly capabilities: DriverCapabilities
  readonly direct: Database
  readonly #pool: PgPoolLike
  readonly #owned: boolean
  readonly #canceller: Canceller
  /** Ends a session that listens, and says so: nothing else would give its connection back. */
  readonly #listening = new Set<() => void>()
  #closed: Promise<void> | null = null

  constructor(pool: PgPoolLike, options: PgDatabaseOptions) {
    this.#pool = pool
    this.#owned = options.owned ?? false
    this.#canceller = new Canceller(pool)
    this.direct = options.direct ?? this
    const { pipeline: pipelined, max } = (pool.options ?? {}) as { pipeline?: boolean; max?: number }
    // Of a pool of one connection nothing may be held: everybody else would wait for it.
    this.capabilities = { ...wired, pipeline: pipelined !== true, sessions: max === 1 ? "one" : "many" }
    // A connection that breaks while it lies in the pool is no fault of anyone: the pool replaces it.
    if (this.#owned) pool.on?.("error", () => {})
  }

  async acquire(options: AcquireOptions = {}): Promise<Session> {
    refuseAborted(options.signal)
    return this.#session(await this.#client(options))
  }

  free(): number | null {
    const { totalCount, idleCount, waitingCount = 0, options } = this.#pool
    const max = (options as { max?: number } | undefined)?.max
    return max === undefined || idleCount === undefined ? null : Math.max(0, max - totalCount + idleCount - waitingCount)
  }

  async query<Row = Record<string, unknown>>(statement: Statement, options: QueryOptions = {}): Promise<Result<Row>> {
    refuseAborted(options.signal)
    const session = this.#session(await this.#client(options))
    try {
      options.onAcquired?.()
      return await session.query<Row>(statement, options)
    } finally {
      session.release()
    }
  }

  async queryText(statement: Statement, options: QueryOptions = {}): Promise<Result<TextRow>> {
    refuseAborted(options.signal)
    const session = this.#session(await this.#client(options))
    try {
      options.onAcquired?.()
      return await session.queryText(statement, options)
    } finally {
      session.release()
    }
  }

  async listen(
    channels: readonly string[],
    onNotice: (channel: string, payload: string) => void,
    onLoss: (error: Error) => void,
  ): Promise<Listener> {
    const client = await this.#client({})
    const session = this.#session(client)
    let open = true
    const end = (): void => {
      open = false
      this.#listening.delete(onClose)
      client.removeListener("notification", onNotification)
      client.removeListener("error", onError)
      client.removeListener("end", onError)
      // A session that has listened must not serve others.
      session.release(true)
      // The other end may be gone without a word: then the goodbye is never answered, and the socket would keep the process alive.
      setTimeout(() => (client as Partial<PgWireClient>).connection?.stream.destroy(), goodbyeMs).unref()
    }
    const onNotification = (notice: { channel: string; payload?: string }): void => {
      if (channels.includes(notice.channel)) onNotice(notice.channel, notice.payload ?? "")
    }
    const onError = (error?: Error): void => {
      if (!open) return
      end()
      onLoss(toSelectoError(error ?? new Error("Connection terminated unexpectedly")))
    }
    const onClose = (): void => onError(closedError())
    this.#listening.add(onClose)
    client.on("notification", onNotification)
    client.on("error", onError)
    client.on("end", onError)
    try {
      await session.batch(
        channels.map((channel) => ({ text: `listen ${quoteIdentifier(channel)} /* selecto:database */`, values: [] })),
      )
    } catch (error) {
      if (open) end()
      throw error
    }
    // One after the other: the driver will not queue statements of a connection any more.
    let sent: Promise<unknown> = Promise.resolve()
    return {
      notify: async (channel, payload, options) => {
        const mine = sent.then(() => session.query(notifyStatement(channel, payload), options))
        sent = mine.catch(() => {})
        await mine
      },
      close: async () => {
        if (open) end()
      },
    }
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      for (const end of this.#listening) end()
      await this.#canceller.close()
      if (this.direct !== this) await this.direct.close()
      if (this.#owned) await this.#pool.end()
    })()
    return this.#closed
  }

  async #client(options: AcquireOptions): Promise<PgClientLike> {
    if (this.#closed !== null || this.#pool.ending === true) {
      throw closedError()
    }
    try {
      const place = this.#pool.connect()
      const client = isUninterruptible(options) ? await place : await waitFor(place, options, (late) => late.release())
      watch(client)
      return client
    } catch (error) {
      throw toSelectoError(error, { connecting: true })
    }
  }

  #session(client: PgClientLike): Session {
    return isWired(client) ? new PgSession(client, this.#canceller) : new PgPlainSession(client, this.#canceller)
  }
}

function closedError(): SelectoError {
  return new SelectoError("E_POOL_CLOSED", "The connection pool is closed. Open a new one with connect().")
}

/** Milliseconds that a listening session has to end by itself. */
const goodbyeMs = 1_000

function isWired(client: PgClientLike): client is PgWireClient {
  const { connection, pipeline } = client as Partial<PgWireClient> & { pipeline?: boolean }
  return typeof connection?.stream?.write === "function" && typeof connection.sync === "function" && pipeline !== true
}
