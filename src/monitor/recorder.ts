import { channel } from "node:diagnostics_channel"
import { countState, type Entry, type MinuteRecord, type Tally } from "./entry.ts"
import { createHistogram, type Histogram, record } from "./histogram.ts"
import { Identities, type Slot } from "./identities.ts"
import { StatementStore } from "./store.ts"

/** The clocks of a monitor: wall time for labels, monotonic time for everything that is measured. */
export interface Clock {
  /** Milliseconds since 1970; may jump. */
  wall(): number
  /** Milliseconds; never jumps. */
  monotonic(): number
}

/** One finished call, as listeners and channels see it. Never a parameter value; the text is as it was sent. */
export interface Observation {
  readonly text: string
  /** Milliseconds from sending to the last row; null when no connection was had. */
  readonly time: number | null
  readonly poolWait: number
  readonly server: number
  readonly transfer: number
  /** Rows returned or affected; null where not known. */
  readonly rows: number | null
  /** Bytes received; null where not known. */
  readonly bytes: number | null
  /** SQLSTATE, or a code of ours where there is none; null for success. */
  readonly error: string | null
  readonly via: "builder" | "statement" | "pool"
  /** The domain of a builder query. */
  readonly name: string | null
  /** Fingerprint where it is known already. */
  readonly fingerprint: string | null
  readonly summary: string | null
  /** What those who asked for it (see addContext) wanted to remember of the caller, by their name; null when nobody asks. */
  readonly context: CallerContext | null
}

export type CallerContext = Readonly<Record<string, unknown>>

export type ObservationListener = (observation: Observation) => void

export type SlowListener = (text: string, time: number, via: Observation["via"]) => void

/** Every finished call is published here while anybody subscribes: `diagnostics_channel.subscribe("selecto:query", …)`. */
export const queryChannel: ReturnType<typeof channel> = channel("selecto:query")

export interface RecorderOptions {
  readonly maxStatements: number
  readonly fingerprintsPerSecond: number
  readonly clock: Clock
}

/** A call that waits for its statement to be identified. */
interface Waiting {
  readonly slot: Slot
  readonly time: number
  readonly poolWait: number
  readonly server: number
  readonly transfer: number
  readonly rows: number
  readonly bytes: number
  readonly error: string | null
  readonly name: string | null
}

const waitingKept = 4096
const sliceMs = 2
const pauseMs = 50
const minuteMs = 60_000

/**
 * Counts calls. `record` is on the path of every query: it looks a text up and adds to numbers; identifying statements, ending
 * minutes and telling listeners what is not asked for happens elsewhere.
 */
export class Recorder {
  readonly store: StatementStore
  readonly identities: Identities
  readonly clock: Clock
  /** Pool wait of all calls since the start. */
  readonly poolWait: Histogram = createHistogram()
  readonly startedAt: number
  readonly #listeners = new Set<ObservationListener>()
  readonly #minuteListeners = new Set<(records: readonly MinuteRecord[]) => void>()
  readonly #contexts = new Map<string, () => unknown>()
  #slowMs = Number.POSITIVE_INFINITY
  #tellSlow: SlowListener | null = null
  #waiting: Waiting[] = []
  #drain: NodeJS.Immediate | NodeJS.Timeout | null = null
  #minute: NodeJS.Timeout | null = null
  #closed = false
  #loading = false
  /** Answers that came from the cache: no execution. */
  cacheHits = 0
  /** Minute records that the history did not keep. */
  historyDropped = 0
  /** Errors that listeners threw. */
  listenerErrors = 0

  constructor(options: RecorderOptions) {
    this.clock = options.clock
    this.startedAt = this.clock.monotonic()
    this.store = new StatementStore(options.maxStatements)
    this.identities = new Identities(this.store, options.fingerprintsPerSecond, this.startedAt)
  }

  /** True while somebody wants observations one by one. */
  get listened(): boolean {
    return this.#listeners.size > 0 || queryChannel.hasSubscribers
  }

  /** What exporters want to remember of the caller, taken when the call is made; null when nobody asks. */
  captureContext(): CallerContext | null {
    if (this.#contexts.size === 0) return null
    const context: Record<string, unknown> = {}
    for (const [name, capture] of this.#contexts) this.#guard(() => Object.assign(context, { [name]: capture() }))
    return context
  }

  /** Has `capture` called when a call is made; what it gives is in the observation under `name`. Gives the function that ends it. */
  addContext(name: string, capture: () => unknown): () => void {
    this.#contexts.set(name, capture)
    return () => this.#contexts.delete(name)
  }

  /**
   * One finished call. `time` is -1 when no connection was had; `rows` and `bytes` are -1 where not known. Never throws.
   */
  record(
    text: string,
    time: number,
    poolWait: number,
    server: number,
    transfer: number,
    rows: number,
    bytes: number,
    error: string | null,
    name: string | null,
    via: Observation["via"],
    context: CallerContext | null,
  ): void {
    if (this.#closed) return
    const slot = this.identities.find(text)
    record(this.poolWait, poolWait)
    const { entry } = slot
    if (entry !== null && !entry.gone) {
      addCall(entry.current, time, poolWait, server, transfer, rows, bytes, error)
      if (name !== null && !entry.names.has(name)) addName(entry, name)
    } else this.#recordUnknown(slot, time, poolWait, server, transfer, rows, bytes, error, name)
    if (time >= this.#slowMs) this.#guard(() => this.#tellSlow?.(text, time, via))
    if (this.#minute === null) this.#start()
    if (this.#listeners.size > 0 || queryChannel.hasSubscribers)
      this.#tell({
        text,
        time: time < 0 ? null : time,
        poolWait,
        server,
        transfer,
        rows: rows < 0 ? null : rows,
        bytes: bytes < 0 ? null : bytes,
        error,
        via,
        name,
        fingerprint: slot.fingerprint,
        summary: entry?.summary ?? null,
        context,
      })
  }

  /** Tells of calls of `ms` milliseconds or more; one listener, since it is on the path of every call. */
  onSlow(ms: number, listener: SlowListener): void {
    this.#slowMs = ms
    this.#tellSlow = listener
  }

  onObservation(listener: ObservationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onMinute(listener: (records: readonly MinuteRecord[]) => void): () => void {
    this.#minuteListeners.add(listener)
    return () => this.#minuteListeners.delete(listener)
  }

  /** Identifies what waits as far as the budget goes; what is left is counted as "other", so that all calls are in the totals. */
  settle(): void {
    if (this.#waiting.length === 0) return
    this.identities.resolve(this.clock.monotonic, Number.POSITIVE_INFINITY)
    this.#replay(true)
  }

  /** What is known of a text without computing anything; null where it was not identified yet. */
  identify(text: string): { readonly fingerprint: string; readonly summary: string | null } | null {
    const { fingerprint, entry } = this.identities.find(text)
    return fingerprint === null ? null : { fingerprint, summary: entry?.summary ?? null }
  }

  /** Loads the parser and identifies everything that waits, in as many steps as the budget takes. */
  async ready(): Promise<void> {
    await this.#load()
    while (this.#drainSome() && !this.#closed) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }

  /** Ends the current minute. Called by a timer each minute. */
  roll(): readonly MinuteRecord[] {
    this.settle()
    const wall = this.clock.wall()
    // The timer comes a little after the minute that it ends.
    const minute = Math.floor((wall - minuteMs / 2) / minuteMs) * minuteMs
    const records = this.store.roll(minute, this.clock.monotonic())
    this.identities.rebalance()
    for (const listener of this.#minuteListeners) this.#guard(() => listener(records))
    return records
  }

  close(): void {
    this.settle()
    this.#closed = true
    if (this.#minute !== null) clearTimeout(this.#minute)
    if (this.#drain !== null) {
      clearTimeout(this.#drain as NodeJS.Timeout)
      clearImmediate(this.#drain as NodeJS.Immediate)
    }
  }

  #recordUnknown(
    slot: Slot,
    time: number,
    poolWait: number,
    server: number,
    transfer: number,
    rows: number,
    bytes: number,
    error: string | null,
    name: string | null,
  ): void {
    if (slot.entry?.gone === true) slot.entry = null
    if (this.#waiting.length < waitingKept && this.identities.enqueue(slot)) {
      this.#waiting.push({ slot, time, poolWait, server, transfer, rows, bytes, error, name })
      if (this.#drain === null) this.#schedule(false)
      return
    }
    if (time > 0) slot.weight += time
    addCall(this.store.other.current, time, poolWait, server, transfer, rows, bytes, error)
  }

  #schedule(pause: boolean): void {
    const run = (): void => {
      this.#drain = null
      if (!this.#loading) {
        this.#loading = true
        void this.#load().then(() => this.#schedule(false))
        return
      }
      if (this.#drainSome()) this.#schedule(true)
    }
    // Neither keeps the process alive.
    this.#drain = pause ? setTimeout(run, pauseMs) : setImmediate(run)
    this.#drain.unref()
  }

  async #load(): Promise<void> {
    await this.identities.load()
  }

  #drainSome(): boolean {
    if (this.#closed) return false
    const left = this.identities.resolve(this.clock.monotonic, this.clock.monotonic() + sliceMs)
    this.#replay(false)
    return left
  }

  #replay(all: boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const call of waiting) {
      const { slot } = call
      const { entry } = slot
      if (entry === null && slot.queued && !all) {
        this.#waiting.push(call)
        continue
      }
      if (entry === null && call.time > 0) slot.weight += call.time
      const into = entry ?? this.store.other
      addCall(into.current, call.time, call.poolWait, call.server, call.transfer, call.rows, call.bytes, call.error)
      if (entry !== null && call.name !== null) addName(entry, call.name)
    }
  }

  #start(): void {
    const wait = (): number => minuteMs - (this.clock.wall() % minuteMs) + 5
    const tick = (): void => {
      if (this.#closed) return
      this.roll()
      this.#minute = setTimeout(tick, wait())
      this.#minute.unref()
    }
    this.#minute = setTimeout(tick, wait())
    this.#minute.unref()
  }

  #tell(observation: Observation): void {
    if (queryChannel.hasSubscribers) queryChannel.publish(observation)
    for (const listener of this.#listeners) this.#guard(() => listener(observation))
  }

  /** A listener that throws is counted, and disturbs neither the query nor the other listeners. */
  #guard(call: () => void): void {
    try {
      call()
    } catch {
      this.listenerErrors++
    }
  }
}

const namesKept = 16

function addName(entry: Entry, name: string): void {
  if (entry.names.size < namesKept) entry.names.add(name)
}

function addCall(
  tally: Tally,
  time: number,
  poolWait: number,
  server: number,
  transfer: number,
  rows: number,
  bytes: number,
  error: string | null,
): void {
  tally.calls++
  if (time >= 0) record(tally.time, time)
  tally.poolWait += poolWait
  if (poolWait > tally.poolWaitMax) tally.poolWaitMax = poolWait
  tally.server += server
  tally.transfer += transfer
  if (rows > 0) {
    tally.rows += rows
    if (rows > tally.rowsMax) tally.rowsMax = rows
  }
  if (bytes >= 0) {
    tally.bytes += bytes
    tally.bytesCalls++
  }
  if (error !== null) {
    tally.errors++
    countState(tally, error, 1)
  }
}
