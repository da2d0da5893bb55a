import { AsyncResource } from "node:async_hooks"
import { type CallContext, type ClientWatch, instrumentClient, type PgClient } from "./instrument-client.ts"
import { stateOf } from "./observe.ts"
import type { CallerContext, Recorder } from "./recorder.ts"
import { currentComment, type TagOptions } from "./tags.ts"

/** What of a monitor counts calls; of this or another version of the library. */
export type CallRecorder = Pick<Recorder, "record" | "captureContext">

/** A Selecto, or its monitor. */
export interface Watching {
  readonly monitor: { readonly recorder: CallRecorder; watchPool(pool: object, name?: string): void }
}

/** Options of {@link instrumentPool}. */
export interface InstrumentOptions {
  /** The pool's name in exports. Default "pool-1" and so on. */
  readonly name?: string | undefined
  /** Puts tags in a comment behind each statement that has no prepared name. Default: off; the text stays as it is. */
  readonly tags?: TagOptions | undefined
}

type Callback = (...results: unknown[]) => unknown

/** What is used of a pg.Pool. */
interface Pool {
  connect(callback?: Callback): unknown
  query(...args: unknown[]): unknown
}

/** Who watches a pool; on the pool itself, under a name that all versions of the library share. */
interface PoolWatch extends ClientWatch {
  readonly recorders: CallRecorder[]
}

const marker = Symbol.for("selecto-pg.instrumentation.1")

/**
 * Watches every statement of a pg.Pool that does not come from the library: by promise or callback, on the pool or a client taken
 * from it, cursors and streams, inside transactions. Idempotent; a second Selecto is told beside the first. Clients that are out of
 * the pool at the moment are watched from the next time they are taken. Gives the pool back.
 *
 * @example
 * const pool = instrumentPool(new pg.Pool(), selecto)
 * await pool.query("select 1")        // shows up in selecto.monitor.metrics()
 */
export function instrumentPool<P extends object>(pool: P, selecto: Watching, options: InstrumentOptions = {}): P {
  const { monitor } = selecto
  monitor.watchPool(pool, options.name)
  const marked = pool as P & { [marker]?: PoolWatch }
  const known = marked[marker]
  if (known !== undefined) {
    if (!known.recorders.includes(monitor.recorder)) known.recorders.push(monitor.recorder)
    return pool
  }
  const tags = options.tags ?? null
  const recorders: CallRecorder[] = [monitor.recorder]
  const watch: PoolWatch = {
    recorders,
    capture: () => ({
      context: recorders.length === 1 ? recorders[0]!.captureContext() : recorders.map((one) => one.captureContext()),
      comment: tags === null ? undefined : currentComment(tags),
      text: "",
    }),
    record: (text, time, poolWait, server, transfer, rows, bytes, error, context) => {
      if (recorders.length === 1)
        recorders[0]!.record(
          text,
          time,
          poolWait,
          server,
          transfer,
          rows,
          bytes,
          error,
          null,
          "pool",
          context as CallerContext | null,
        )
      else
        for (const [at, one] of recorders.entries()) {
          const own = (context as (CallerContext | null)[])[at] ?? null
          one.record(text, time, poolWait, server, transfer, rows, bytes, error, null, "pool", own)
        }
    },
  }
  Object.defineProperty(pool, marker, { value: watch })
  wrap(pool as unknown as Pool, watch)
  return pool
}

/** A call of pool.query on its way to a client: pool.query calls connect at once, so the two are told together by a variable. */
interface Handoff extends CallContext {
  text: string
}

function wrap(pool: Pool, watch: PoolWatch): void {
  const { connect, query } = pool
  let handoff: Handoff | null = null

  const arrived = (client: unknown, asked: number, call: Handoff | null): void => {
    if (client !== null && typeof client === "object")
      instrumentClient(client as PgClient, watch).taken(performance.now() - asked, call)
  }

  const take = function (this: Pool, callback?: Callback): unknown {
    const asked = performance.now()
    const call = handoff
    handoff = null
    if (typeof callback !== "function")
      return (connect.call(this) as Promise<unknown>).then((client) => {
        arrived(client, asked, call)
        return client
      })
    // pg calls back in the context of whoever gave the client back.
    const bound = call === null ? AsyncResource.bind(callback) : callback
    return connect.call(this, (error, client, release) => {
      if (!error) arrived(client, asked, call)
      else if (call !== null) watch.record(call.text, -1, performance.now() - asked, 0, 0, -1, -1, stateOf(error), call.context)
      bound(error, client, release)
    })
  }

  const ask = function (this: Pool, config: unknown, values: unknown, callback: unknown): unknown {
    const text = typeof config === "string" ? config : (config as { text?: unknown } | null)?.text
    const call = watch.capture() as Handoff
    call.text = typeof text === "string" ? text : ""
    handoff = call
    // pg calls back in the context in which the connection was made.
    const plain = typeof values === "function" ? AsyncResource.bind(values as Callback) : values
    const last = typeof callback === "function" ? AsyncResource.bind(callback as Callback) : callback
    try {
      return query.call(this, config, plain, last)
    } finally {
      handoff = null
    }
  }

  Object.defineProperty(pool, "connect", { value: take, configurable: true, writable: true })
  Object.defineProperty(pool, "query", { value: ask, configurable: true, writable: true })
}
