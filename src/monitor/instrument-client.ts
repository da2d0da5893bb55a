import { AsyncResource } from "node:async_hooks"
import type { EventEmitter } from "node:events"
import { ownQuery } from "../database/own-query.ts"
import { type Submittable, watchSubmittable } from "./instrument-submittable.ts"
import { stateOf } from "./observe.ts"

/** What is remembered of the caller when the call is made. */
export interface CallContext {
  readonly context: unknown
  /** Put behind the text. */
  readonly comment: string | undefined
  /** The text of a call of pool.query. */
  text: string
}

/** What clients of a pool report to. */
export interface ClientWatch {
  capture(): CallContext
  record(
    text: string,
    time: number,
    poolWait: number,
    server: number,
    transfer: number,
    rows: number,
    bytes: number,
    error: string | null,
    context: unknown,
  ): void
}

/** What is used of a pg.Client. */
export interface PgClient {
  query(...args: unknown[]): unknown
  /** Absent on pg-native. */
  readonly connection?: (EventEmitter & { readonly stream?: { readonly bytesRead?: number } }) | undefined
}

type Callback = (...results: unknown[]) => unknown

interface QueryConfig {
  readonly text?: unknown
  readonly name?: unknown
  readonly callback?: unknown
  readonly cursor?: { readonly text?: unknown } | undefined
  readonly [ownQuery]?: unknown
}

/** What is known of a client between two calls. */
export interface ClientState {
  /** The client was taken from the pool after so many milliseconds, by pool.query where `call` is not null. */
  taken(poolWait: number, call: CallContext | null): void
}

const marker = Symbol.for("selecto-pg.client.1")
const replies = ["rowDescription", "commandComplete", "errorMessage", "emptyQuery", "copyInResponse"] as const
// Statements of the library end with a comment that names the room they come from.
const ownComment = /\/\* selecto:[a-z-]+ \*\/\s*$/

/** Watches a client; once. */
export function instrumentClient(client: PgClient, watch: ClientWatch): ClientState {
  const marked = client as PgClient & { [marker]?: ClientState }
  const known = marked[marker]
  if (known !== undefined) return known
  const watched = new WatchedClient(client, watch)
  Object.defineProperty(client, marker, { value: watched })
  return watched
}

class WatchedClient implements ClientState {
  readonly #watch: ClientWatch
  readonly #stream: { readonly bytesRead?: number } | undefined
  readonly #query: PgClient["query"]
  #poolWait = 0
  #call: CallContext | null = null
  /** Calls that have not ended. */
  #open = 0
  /** When the server was last ready for a query. */
  #readyAt = 0
  /** First reply since then. */
  #repliedAt = 0
  #lastRepliedAt = 0

  constructor(client: PgClient, watch: ClientWatch) {
    this.#watch = watch
    this.#query = client.query
    const { connection } = client
    this.#stream = connection?.stream
    if (typeof connection?.prependListener === "function") {
      for (const reply of replies)
        first(connection, reply, () => {
          if (this.#repliedAt === 0) this.#repliedAt = performance.now()
        })
      last(connection, "readyForQuery", () => {
        this.#lastRepliedAt = this.#repliedAt
        this.#repliedAt = 0
        if (this.#open > 1) this.#readyAt = performance.now()
      })
    }
    const self = this
    const query = function (this: PgClient, config: unknown, values: unknown, callback: unknown): unknown {
      return self.#ask(this, config as never, values, callback)
    }
    Object.defineProperty(client, "query", { value: query, configurable: true, writable: true })
  }

  taken(poolWait: number, call: CallContext | null): void {
    this.#poolWait = poolWait
    this.#call = call
  }

  #ask(client: PgClient, config: string | QueryConfig | null | undefined, values: unknown, last: unknown): unknown {
    const poolWait = this.#poolWait
    const viaPool = this.#call
    this.#poolWait = 0
    this.#call = null
    // A QueryStream keeps its text in its cursor.
    const text = typeof config === "string" ? config : (config?.text ?? config?.cursor?.text)
    const named = typeof config === "object" ? config?.name : undefined
    const shown = typeof text === "string" ? text : typeof named === "string" ? named : null
    if (shown === null || isOwn(config, shown)) return this.#query.call(client, config, values, last)
    const { context, comment } = viaPool ?? this.#watch.capture()
    const started = performance.now()
    if (typeof (config as Partial<Submittable>).submit === "function") {
      watchSubmittable(config as unknown as Submittable, started, (end) =>
        this.#watch.record(
          shown,
          end.server + end.transfer,
          poolWait,
          end.server,
          end.transfer,
          end.rows,
          -1,
          end.error === null ? null : stateOf(end.error),
          context,
        ),
      )
      return this.#query.call(client, config, values, last)
    }
    const sentConfig =
      comment !== undefined && typeof text === "string" && named === undefined ? tagged(config!, `${text} ${comment}`) : config
    const alone = this.#open === 0
    const before = alone ? (this.#stream?.bytesRead ?? -1) : -1
    this.#open++
    const ended = (error: unknown, result: unknown): void => {
      const end = performance.now()
      this.#open--
      const sent = alone ? started : Math.max(started, this.#readyAt)
      const reply = this.#repliedAt === 0 ? this.#lastRepliedAt : this.#repliedAt
      const server = (reply > sent && reply <= end ? reply : end) - sent
      const bytes = before < 0 ? -1 : (this.#stream?.bytesRead ?? 0) - before
      const state = error ? stateOf(error) : null
      const rows = error ? -1 : rowsOf(result)
      this.#watch.record(shown, end - sent, poolWait, server, end - sent - server, rows, bytes, state, context)
    }
    const callback = typeof values === "function" ? values : (last ?? (typeof config === "object" ? config?.callback : undefined))
    if (typeof callback !== "function") {
      let promise: unknown
      try {
        promise = this.#query.call(client, sentConfig, values, last)
      } catch (error) {
        this.#open--
        throw error
      }
      if (typeof (promise as Promise<unknown> | undefined)?.then !== "function") {
        this.#open--
        return promise
      }
      return (promise as Promise<unknown>).then(
        (result) => {
          ended(null, result)
          return result
        },
        (error: unknown) => {
          ended(error, null)
          throw error
        },
      )
    }
    // The caller of pool.query has bound its own; pg would call back in the context in which the connection was made.
    const bound = viaPool === null ? AsyncResource.bind(callback as Callback) : (callback as Callback)
    const wrapped: Callback = (error, result) => {
      ended(error, result)
      return bound(error, result)
    }
    if (typeof values === "function") return this.#query.call(client, sentConfig, wrapped)
    if (last !== undefined && last !== null) return this.#query.call(client, sentConfig, values, wrapped)
    return this.#query.call(client, { ...(sentConfig as object), callback: wrapped }, values)
  }
}

function isOwn(config: string | QueryConfig | null | undefined, text: string): boolean {
  if (typeof config === "object" && config !== null && config[ownQuery] === true) return true
  return text.charCodeAt(text.length - 1) === 47 && ownComment.test(text)
}

/** The caller's object stays as it is: it may be used again. Objects with getters (tagged templates) keep what pg reads. */
function tagged(config: string | QueryConfig, text: string): unknown {
  if (typeof config === "string") return text
  return { ...config, values: (config as { values?: unknown }).values, text }
}

function rowsOf(result: unknown): number {
  const one = (Array.isArray(result) ? result[result.length - 1] : result) as { rowCount?: number | null } | undefined
  return one?.rowCount ?? -1
}

type Listener = (this: unknown, message: unknown) => void

/**
 * Runs `watch` before the client's own listener. An emitter with one listener calls it as it is, with two it copies the list at each
 * event: so where there is one, both become one.
 */
function first(connection: EventEmitter, event: string, watch: () => void): void {
  join(
    connection,
    event,
    (own) =>
      function (this: unknown, message) {
        watch()
        own.call(this, message)
      },
  )
}

/** As `first`, but after it. */
function last(connection: EventEmitter, event: string, watch: () => void): void {
  join(
    connection,
    event,
    (own) =>
      function (this: unknown, message) {
        own.call(this, message)
        watch()
      },
  )
}

function join(connection: EventEmitter, event: string, joined: (own: Listener) => Listener): void {
  const listeners = connection.rawListeners(event) as Listener[]
  const [own] = listeners
  if (own === undefined || listeners.length !== 1 || "listener" in own) {
    connection.prependListener(
      event,
      joined(() => {}),
    )
    return
  }
  connection.removeListener(event, own)
  connection.on(event, joined(own))
}
