import type { Stage } from "../execution/request.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import type { MinuteRecord } from "./entry.ts"
import { type LoopDelay, LoopDelayMeter } from "./loop-delay.ts"
import { type CollectedSource, hourMs, metricsOf, type StatementMetrics } from "./metrics.ts"
import { observeStage } from "./observe.ts"
import { type Clock, type Observation, Recorder } from "./recorder.ts"
import { type TagOptions, type Tags, withTags } from "./tags.ts"
import { type TopOptions, type TopReport, topOf } from "./top.ts"

export interface MonitorOptions {
  /** Statements with figures of their own; the rest is "other". Default 500; each takes about 10 kB. */
  readonly maxStatements?: number | undefined
  /** New statements given to PostgreSQL's parser in a second. Default 200. */
  readonly fingerprintsPerSecond?: number | undefined
  /** A call at least this long is told to listeners of "slow". Default: none is. */
  readonly slowQueryMs?: Duration | undefined
  /** Puts tags in a comment behind each statement. Default: off. */
  readonly tags?: TagOptions | undefined
  /** Samples the event loop's delay. Default true. */
  readonly eventLoopDelay?: boolean | undefined
  /** For tests: other clocks. */
  readonly clock?: Clock | undefined
}

/** Events of a monitor and what their listeners get. */
export interface MonitorEvents {
  /** Every finished call. */
  readonly query: Observation
  /** A finished call of `slowQueryMs` or more. */
  readonly slow: Observation
  /** The records of a minute that has ended. */
  readonly minute: readonly MinuteRecord[]
}

/** The monitor's own state: whether its figures can be trusted. */
export interface MonitorHealth {
  readonly statements: number
  readonly maxStatements: number
  /** Statements that wait to be identified. */
  readonly unidentified: number
  /** Fingerprints computed since the start. */
  readonly fingerprints: number
  /** Errors that listeners threw. */
  readonly listenerErrors: number
  /** Minute records that the history could not keep. */
  readonly historyDropped: number
  /** Answers from the cache: no executions. */
  readonly cacheHits: number
  readonly eventLoopDelay: LoopDelay | null
  /** Seconds since the start. */
  readonly uptime: number
}

/** A pool whose connections exporters report. */
export interface WatchedPool {
  readonly name: string
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly max: number | null
}

interface PoolCounts {
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly options?: { readonly max?: number | undefined } | undefined
}

const systemClock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() }

/** What `selecto.monitor` is. */
export class Monitor {
  /** Counts calls; for instrumentation. */
  readonly recorder: Recorder
  readonly #maxStatements: number
  readonly #loop: LoopDelayMeter | null
  readonly #slowQueryMs: number | null
  readonly #pools: { readonly name: string; readonly pool: WeakRef<PoolCounts> }[] = []
  #collected: CollectedSource | null = null

  constructor(options: MonitorOptions = {}) {
    this.#maxStatements = positive(options.maxStatements, 500)
    this.recorder = new Recorder({
      maxStatements: this.#maxStatements,
      fingerprintsPerSecond: positive(options.fingerprintsPerSecond, 200),
      clock: options.clock ?? systemClock,
    })
    this.#slowQueryMs = options.slowQueryMs === undefined ? null : millisecondsOf(options.slowQueryMs, "monitor.slowQueryMs")
    this.#loop = options.eventLoopDelay === false ? null : new LoopDelayMeter()
    this.#loop?.start()
  }

  /** The statements of the last hour (or of `window`), most time first, "other" last. */
  metrics(options: { readonly window?: Duration | undefined } = {}): StatementMetrics[] {
    const { recorder } = this
    recorder.settle()
    const windowMs = options.window === undefined ? hourMs : millisecondsOf(options.window, "window")
    return metricsOf({
      entries: recorder.store.all(),
      now: recorder.clock.monotonic(),
      startedAt: recorder.startedAt,
      wallNow: recorder.clock.wall(),
      windowMs: Math.min(hourMs, windowMs),
      collected: this.#collected,
    })
  }

  /** What a live top shows: rates and times of the last minutes, heaviest first. */
  top(options: TopOptions = {}): TopReport {
    const windowMs = options.window === undefined ? 60_000 : millisecondsOf(options.window, "window")
    return topOf(this.metrics({ window: windowMs }), this.health(), this.pools(), options)
  }

  /** Calls `listener` for each event; gives the function that ends it. What a listener throws is counted and goes no further. */
  on<E extends keyof MonitorEvents>(event: E, listener: (value: MonitorEvents[E]) => void): () => void {
    if (event === "minute") return this.recorder.onMinute(listener as (records: readonly MinuteRecord[]) => void)
    const told = listener as (observation: Observation) => void
    if (event === "query") return this.recorder.onObservation(told)
    const limit = this.#slowQueryMs ?? Number.POSITIVE_INFINITY
    return this.recorder.onObservation((observation) => {
      if ((observation.time ?? 0) >= limit) told(observation)
    })
  }

  /** Runs `work`; statements made in it carry the tags, when tags are on. */
  withTags<T>(tags: Tags, work: () => T): T {
    return withTags(tags, work)
  }

  health(): MonitorHealth {
    const { recorder } = this
    return {
      statements: recorder.store.size,
      maxStatements: this.#maxStatements,
      unidentified: recorder.identities.waiting,
      fingerprints: recorder.identities.parsed,
      listenerErrors: recorder.listenerErrors,
      historyDropped: recorder.historyDropped,
      cacheHits: recorder.cacheHits,
      eventLoopDelay: this.#loop?.read() ?? null,
      uptime: (recorder.clock.monotonic() - recorder.startedAt) / 1000,
    }
  }

  /** Resolves when every statement seen so far is identified; the budget of the parser applies. */
  ready(): Promise<void> {
    return this.recorder.ready()
  }

  /** Where the figures that only the server knows come from; null takes them away. */
  collectFrom(source: CollectedSource | null): void {
    this.#collected = source
  }

  /** Counts of a pool for exporters; instrumentPool calls it. The pool itself is not kept alive. */
  watchPool(pool: PoolCounts, name?: string): void {
    if (this.#pools.some((known) => known.pool.deref() === pool)) return
    const given = name ?? `pool-${this.#pools.length + 1}`
    this.#pools.push({ name: given, pool: new WeakRef(pool) })
  }

  pools(): WatchedPool[] {
    const found: WatchedPool[] = []
    for (const { name, pool } of this.#pools) {
      const alive = pool.deref()
      if (alive === undefined) continue
      const { totalCount, idleCount, waitingCount, options } = alive
      found.push({ name, totalCount, idleCount, waitingCount, max: options?.max ?? null })
    }
    return found
  }

  /** Ends timers. Idempotent; calls after it are not counted. */
  close(): void {
    this.recorder.close()
    this.#loop?.stop()
  }
}

/** The observe stage and the service of a connection. Wire both, and call `service.close()` when the connection closes. */
export function createMonitor(options: MonitorOptions = {}): { readonly stage: Stage; readonly service: Monitor } {
  const service = new Monitor(options)
  return { stage: observeStage(service.recorder, options.tags ?? null), service }
}

function positive(value: number | undefined, otherwise: number): number {
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : otherwise
}
