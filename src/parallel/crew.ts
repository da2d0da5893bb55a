import type { Database, Session } from "../database/database.ts"
import { abortError, timeoutError } from "../database/database-error.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { type Helper, openHelper } from "./helper.ts"
import type { Leader } from "./leader.ts"
import type { Part, PartOutcome, PartQueue } from "./part.ts"

/** Reads one part on one session; `stop` ends it early. What it came to decides the size of later parts. */
export type ReadPart = (session: Session, part: Part, stop: AbortSignal) => Promise<PartOutcome>

export interface CrewOptions {
  readonly database: Database
  readonly leader: Leader
  readonly queue: PartQueue
  /** Sessions beside the leader, at most. */
  readonly helpers: number
  readonly local: Readonly<Record<string, string>>
  readonly read: ReadPart
  readonly coordinationTimeoutMs: number
  readonly stop: Stop
  /** A part may be read again when its worker was lost: nothing of it has been handed on. */
  readonly repeatable: boolean
}

export interface CrewOutcome {
  /** Sessions that read at least one part. */
  readonly workers: number
  readonly parts: number
  readonly lost: number
  /** Rows of the largest part over those of all; null for none. */
  readonly largestPart: number | null
}

/** Why everything stops: the caller's signal, the caller's timeout, or the first failure. One signal for all sessions. */
export class Stop {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  readonly #off: () => void
  #error: unknown = null

  constructor(signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    const onAbort = (): void => this.fail(abortError(signal!))
    signal?.addEventListener("abort", onAbort, { once: true })
    this.#off = () => signal?.removeEventListener("abort", onAbort)
    if (signal?.aborted) onAbort()
    this.#timer = timeoutMs === undefined ? undefined : setTimeout(() => this.fail(timeoutError(timeoutMs)), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The first failure is the one that is told. */
  fail(error: unknown): void {
    if (this.#error !== null) return
    this.#error = error
    this.#controller.abort(error)
  }

  throwIfFailed(): void {
    if (this.#error !== null) throw this.#error
  }

  /** No failure any more: what still runs is only in the way. */
  end(): void {
    clearTimeout(this.#timer)
    this.#off()
  }
}

/**
 * Reads every part: the leader at once, helpers as they come. Ends when all sessions have settled, whatever happened; throws the first
 * failure. A helper that cannot be had is done without, one that is lost gives its part back.
 */
export async function readParts(options: CrewOptions): Promise<CrewOutcome> {
  const crew = new Crew(options)
  await crew.run()
  options.stop.throwIfFailed()
  return crew.outcome()
}

/** A helper that came when somebody waited behind the leader for a table or an index, see `helper.ts`. */
function lockTimedOut(error: unknown): boolean {
  return isSelectoError(error) && error.sqlState === "55P03"
}

class Crew {
  readonly #options: CrewOptions
  /** Aborted when nothing is left to read: who still waits for a connection may stop waiting. */
  readonly #enough = new AbortController()
  readonly #workers = new Set<number>()
  #reading = 0
  #parts = 0
  #lost = 0
  #rows = 0
  #largest = 0
  /** Why a helper could not be had, in case that none could. */
  #absence: unknown = null
  #wake: () => void = () => {}

  constructor(options: CrewOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { helpers, leader, queue, stop } = this.#options
    await Promise.all([
      leader.works ? this.#lead() : undefined,
      ...Array.from({ length: helpers }, (_, at) => this.#help(at + 1)),
    ])
    if (!stop.signal.aborted && queue.take(0) !== null)
      stop.fail(
        lockTimedOut(this.#absence)
          ? new SelectoError(
              "E_LOCK_TIMEOUT",
              "Another session waits to lock a table of this statement, so that no helper could read it. Run it again, or without parallel().",
              { cause: this.#absence },
            )
          : (this.#absence ??
              new SelectoError("E_CONNECTION", "Every session that read parts of the statement was lost; run it again.")),
      )
  }

  outcome(): CrewOutcome {
    return {
      workers: this.#workers.size,
      parts: this.#parts,
      lost: this.#lost,
      largestPart: this.#rows === 0 ? null : this.#largest / this.#rows,
    }
  }

  async #lead(): Promise<void> {
    const { leader, stop } = this.#options
    while (!stop.signal.aborted) {
      await this.#work(leader.session, 0)
      if (this.#reading === 0) return
      // A helper may still be lost, and give its part back.
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async #help(worker: number): Promise<void> {
    const { database, leader, local, stop, coordinationTimeoutMs } = this.#options
    let helper: Helper | null = null
    try {
      const signal = AbortSignal.any([stop.signal, this.#enough.signal])
      helper = await openHelper(database, leader, local, signal, coordinationTimeoutMs)
    } catch (error) {
      // Not to be had, or not in time: the others do without it. A leader that is gone shows by itself.
      this.#absence ??= error
    }
    if (helper === null) return
    try {
      await this.#work(helper.session, worker)
    } finally {
      await helper.end()
    }
  }

  /** Reads parts until none is left, or until the session is lost. */
  async #work(session: Session, worker: number): Promise<void> {
    const { queue, read, repeatable, stop } = this.#options
    for (let part = queue.take(worker); part !== null; part = queue.take(worker)) {
      if (stop.signal.aborted) return
      this.#reading++
      try {
        const outcome = await read(session, part, stop.signal)
        this.#workers.add(worker)
        this.#parts++
        this.#rows += outcome.rows
        this.#largest = Math.max(this.#largest, outcome.rows)
        queue.done(part, outcome)
      } catch (error) {
        const gone = isSelectoError(error, "E_CONNECTION") || lockTimedOut(error)
        const lost = worker > 0 && repeatable && gone && !stop.signal.aborted
        if (!lost) stop.fail(error)
        else {
          if (lockTimedOut(error)) this.#absence ??= error
          queue.giveBack(part)
          this.#lost++
        }
        return
      } finally {
        this.#reading--
        this.#wake()
      }
    }
    if (this.#reading === 0) this.#enough.abort()
  }
}
