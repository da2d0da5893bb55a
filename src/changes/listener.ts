import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import type { Database, Listener } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { type ChangeNotice, changesChannel, parseNotice } from "./notice.ts"

export interface ChangeHandlers {
  /**
   * The server has confirmed LISTEN: from here on every commit is heard. Called again after each loss, with the next number. Whatever
   * was known before it may have been missed.
   */
  readonly onUp: (generation: number) => void
  /** A committed change, in the order of commits. */
  readonly onChange: (notice: ChangeNotice) => void
  /** Nothing is heard any more, and nothing may be relied on until the next onUp. Called at once when the connection breaks, or its echo stays out. */
  readonly onDown: (error: Error) => void
}

export interface ListenOptions {
  /** How often a notice to ourselves tells that the line is alive, and how long it may take: a dead line is known within twice that. Default "5s". */
  readonly heartbeat?: Duration | undefined
  /** Longest pause between attempts to connect again; the first is a hundredth of it. Default "10s". */
  readonly maxPause?: Duration | undefined
}

/** Hears the changes of tables that are tracked with `notify`. Has a life: close it. */
export interface ChangeListener {
  /** True between onUp and onDown. */
  readonly up: boolean
  /** Number of the last onUp; 0 before the first. */
  readonly generation: number
  /**
   * Resolves when every notice that was sent before the call has been handed over; E_CONNECTION when the line is down or breaks
   * meanwhile. One round trip.
   */
  settled(): Promise<void>
  close(): Promise<void>
}

/**
 * Listens for changes on a session of its own (past a transaction pooler: `database.direct`), and again after every loss, with pauses
 * that grow and differ from process to process. Returns at once; onUp says when it hears. Errors: E_NOT_SUPPORTED where the driver has no
 * LISTEN.
 *
 * @example
 * const listener = listenForChanges(database, { onUp: startServing, onChange: ({ relation }) => drop(relation), onDown: stopServing })
 */
export function listenForChanges(database: Database, handlers: ChangeHandlers, options: ListenOptions = {}): ChangeListener {
  const { direct } = database
  if (!direct.capabilities.listen || direct.listen === undefined)
    throw new SelectoError("E_NOT_SUPPORTED", `The driver ${direct.driver} has no LISTEN, so changes cannot be heard.`)
  return new Line(direct, handlers, {
    heartbeatMs: Math.max(1, millisecondsOf(options.heartbeat ?? "5s", "heartbeat")),
    maxPauseMs: Math.max(1, millisecondsOf(options.maxPause ?? "10s", "maxPause")),
  })
}

interface Times {
  readonly heartbeatMs: number
  readonly maxPauseMs: number
}

class Line implements ChangeListener {
  up = false
  generation = 0
  readonly #database: Database
  readonly #handlers: ChangeHandlers
  readonly #times: Times
  /** A channel of our own, for echoes. */
  readonly #echo = `selecto_echo_${randomUUID().replaceAll("-", "")}`
  readonly #waiting = new Map<string, { resolve(): void; reject(error: Error): void }>()
  readonly #end = new AbortController()
  readonly #ended: Promise<void>
  #listener: Listener | null = null
  /** Ends the session of now. */
  #lose: (error: Error) => void = () => {}
  #echoes = 0

  constructor(database: Database, handlers: ChangeHandlers, times: Times) {
    this.#database = database
    this.#handlers = handlers
    this.#times = times
    this.#ended = this.#live()
  }

  async settled(): Promise<void> {
    const listener = this.#listener
    if (!this.up || listener === null) throw down()
    const name = String(++this.#echoes)
    await new Promise<void>((resolve, reject) => {
      this.#waiting.set(name, { resolve, reject })
      listener.notify(this.#echo, name).catch((error: Error) => this.#lose(error))
    })
  }

  async close(): Promise<void> {
    this.#end.abort()
    this.#lose(new SelectoError("E_ABORTED", "The listener was closed."))
    await this.#ended
  }

  /** Connects, and again, until it is closed. */
  async #live(): Promise<void> {
    const { signal } = this.#end
    let pause = this.#times.maxPauseMs / 100
    while (!signal.aborted) {
      const error = await this.#session()
      if (signal.aborted || isSelectoError(error, "E_POOL_CLOSED")) break
      // A line that was up for a while begins with short pauses again.
      if (error instanceof Lost && error.afterMs > this.#times.maxPauseMs) pause = this.#times.maxPauseMs / 100
      await delay(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => {})
      pause = Math.min(pause * 2, this.#times.maxPauseMs)
    }
  }

  /** One session, from LISTEN to its loss; gives what ended it. */
  async #session(): Promise<unknown> {
    const lost = new Promise<Error>((resolve) => {
      this.#lose = resolve
    })
    let listener: Listener
    try {
      const opening = this.#database.listen!(
        [changesChannel, this.#echo],
        (channel, payload) => this.#heard(channel, payload),
        (error) => this.#lose(error),
      )
      // close() while it connects: what is opened later is closed.
      const first = await Promise.race([opening, lost])
      if (first instanceof Error) {
        void opening.then((late) => late.close()).catch(() => {})
        return first
      }
      listener = first
    } catch (error) {
      return error
    }
    const since = performance.now()
    this.#listener = listener
    this.up = true
    this.generation++
    this.#handlers.onUp(this.generation)
    const beating = setInterval(this.#beat(), this.#times.heartbeatMs)
    const error = await lost
    clearInterval(beating)
    this.up = false
    this.#listener = null
    for (const { reject } of this.#waiting.values()) reject(down(error))
    this.#waiting.clear()
    if (!this.#end.signal.aborted) this.#handlers.onDown(error)
    await listener.close()
    return new Lost(performance.now() - since)
  }

  /** What is done at each beat: send an echo, unless the one before is still out. */
  #beat(): () => void {
    let answered = true
    return () => {
      if (answered) {
        answered = false
        this.settled().then(
          () => {
            answered = true
          },
          () => {},
        )
        // After a stall of this process the echo may lie in the socket, unread: it gets one more turn.
      } else setImmediate(() => answered || this.#lose(silent(this.#times.heartbeatMs)))
    }
  }

  #heard(channel: string, payload: string): void {
    if (channel === this.#echo) {
      this.#waiting.get(payload)?.resolve()
      this.#waiting.delete(payload)
      return
    }
    const notice = this.up ? parseNotice(payload) : null
    if (notice !== null) this.#handlers.onChange(notice)
  }
}

/** How long a session was up before it was lost. */
class Lost extends Error {
  readonly afterMs: number
  constructor(afterMs: number) {
    super("lost")
    this.afterMs = afterMs
  }
}

function down(cause?: Error): SelectoError {
  return new SelectoError("E_CONNECTION", "The connection that listens for changes is down; it is being made again.", { cause })
}

function silent(ms: number): SelectoError {
  return new SelectoError(
    "E_CONNECTION",
    `The connection that listens for changes gave no echo within ${ms} ms and is taken for dead.`,
  )
}
