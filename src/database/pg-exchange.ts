import { SelectoError } from "../errors.ts"
import { ownQuery } from "./own-query.ts"
import type { PgConnection } from "./pg-types.ts"
import { type StepResult, WireCollector, type WireField, type WireStep } from "./wire.ts"
import { wireBytes } from "./wire-bytes.ts"

interface RowDescription {
  readonly fields: readonly WireField[]
}

/**
 * A submittable of the pg driver (as pg-cursor and pg-query-stream are): it writes the messages of all its steps at once and reads
 * rows as the server's text, past the type parsers of the pool, whatever these are.
 */
export class PgExchange {
  /** For instrumentation that reads what a query object is about. */
  readonly text: string
  readonly values: readonly unknown[]
  /** The driver wraps it when the pool has a query_timeout, and waits for the call. */
  callback: (error?: unknown) => void = noop
  readonly done: Promise<StepResult[]>
  /** Resolved when the server has nothing more to say of it, which may be after `done` has been rejected. */
  settled: Promise<void> | null = null
  /** True when the connection was given up: nobody may use it again. */
  abandoned = false
  #settle: () => void = noop
  readonly #steps: readonly WireStep[]
  readonly #collector = new WireCollector()
  #onFirstReply: (() => void) | undefined
  #resolve!: (results: StepResult[]) => void
  #reject!: (error: unknown) => void
  #failure: unknown = null

  constructor(
    steps: readonly WireStep[],
    main: { readonly text: string; readonly values: readonly unknown[] },
    onFirstReply?: () => void,
  ) {
    this.text = main.text
    this.values = main.values
    this.#steps = steps
    this.#onFirstReply = onFirstReply
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  submit(connection: PgConnection): null {
    const { stream } = connection
    // One buffer, one write. A stream that is closed already fails the exchange by its 'end'.
    if (stream.writable) stream.write(wireBytes(this.#steps))
    return null
  }

  handleRowDescription(message: RowDescription): void {
    this.#replied()
    this.#collector.rowDescription(message.fields)
  }

  handleDataRow(message: { readonly fields: (string | null)[] }): void {
    this.#collector.dataRow(message.fields)
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#replied()
    this.#collector.commandComplete(message.text)
  }

  handlePortalSuspended(): void {
    this.#replied()
    this.#collector.portalSuspended()
  }

  handleEmptyQuery(): void {
    this.#replied()
    this.#collector.commandComplete("")
  }

  handleCopyInResponse(connection: PgConnection): void {
    this.#failure = copyRefused()
    const last = this.#steps.findLastIndex(({ kind }) => kind !== "close")
    // The server takes the statements that follow for broken rows; what it makes of the rest of the batch is not worth knowing.
    if (this.#collector.results.length !== last) {
      // What the server had already answered is still read, and may end the exchange before the stream has closed.
      this.abandoned = true
      connection.stream.destroy()
      return
    }
    connection.sendCopyFail("COPY FROM STDIN is not supported")
    // While it waits for rows the server ignores Sync, so ours is lost.
    connection.sync()
  }

  handleCopyData(): void {
    this.#failure = copyRefused()
  }

  handleReadyForQuery(): void {
    if (this.#failure === null) this.#resolve(this.#collector.results)
    else this.#reject(this.#failure)
    this.#settle()
    this.callback()
  }

  handleError(error: unknown): void {
    this.#replied()
    if (isReadTimeout(error)) {
      // Only the driver has lost patience: the server works on.
      this.settled = new Promise((resolve) => {
        this.#settle = resolve
      })
    } else this.#settle()
    this.#reject(this.#failure ?? error)
    this.callback(error)
  }

  #replied(): void {
    const onFirstReply = this.#onFirstReply
    if (onFirstReply === undefined) return
    this.#onFirstReply = undefined
    onFirstReply()
  }
}

Object.defineProperty(PgExchange.prototype, ownQuery, { value: true })

function noop(): void {}

/** What the driver says when the pool's query_timeout runs out. */
function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout"
}

function copyRefused(): SelectoError {
  return new SelectoError(
    "E_NOT_SUPPORTED",
    "COPY from or to the client is not supported here. Use the driver's own COPY, or INSERT and SELECT.",
  )
}
