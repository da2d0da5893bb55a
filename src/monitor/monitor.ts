import { SelectoError } from "../errors.ts"
import type { Stage } from "../execution/request.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import type { Alert } from "./alerts/alert.ts"
import { minute } from "./alerts/rule.ts"
import type { SilenceOptions } from "./alerts/silences.ts"
import type { MinuteRecord } from "./entry.ts"
import { collectedFigures } from "./figures.ts"
import { History } from "./history.ts"
import { type LoopDelay, LoopDelayMeter } from "./loop-delay.ts"
import { type CollectedSource, hourMs, metricsOf, type StatementMetrics } from "./metrics.ts"
import { observeStage } from "./observe.ts"
import type { MonitorOptions } from "./options.ts"
import type { KnownShape, PlanSample } from "./plans/plan-log.ts"
import type { MonitorPorts } from "./ports.ts"
import { type Clock, type Observation, Recorder } from "./recorder.ts"
import type { ServerReport } from "./server/report.ts"
import { type Tags, withTags } from "./tags.ts"
import { type TopOptions, type TopReport, topOf } from "./top.ts"
import { Watch, type WatchHealth } from "./watch.ts"
import { WatchHistory } from "./watch-history.ts"
import { watchSettings } from "./watch-settings.ts"

/** Events of a monitor and what their listeners get. */
export interface MonitorEvents {
  /** Every finished call. */
  readonly query: Observation
  /** A finished call of `slowQueryMs` or more. */
  readonly slow: Observation
  /** The records of a minute that has ended. */
  readonly minute: readonly MinuteRecord[]
  /** An alert that begins, gets worse, goes on, or is over. */
  readonly alert: Alert
}

/** The monitor's own state: whether its figures can be trusted. */
export interface MonitorHealth extends WatchHealth {
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

/** What is known of a statement's plans. */
export interface StatementPlans {
  /** The last plan that was taken; null where none was since the start. It may hold literals of the statement. */
  readonly latest: PlanSample | null
  /** Every shape that its plans have had. */
  readonly shapes: readonly KnownShape[]
}

interface PoolCounts {
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly options?: { readonly max?: number | undefined } | undefined
}

const systemClock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() }
const noPorts: MonitorPorts = { database: null, indexes: null, explain: null }

/** What `selecto.monitor` is. */
export class Monitor {
  /** Counts calls; for instrumentation. */
  readonly recorder: Recorder
  /** Asks the server and raises alerts. */
  readonly watch: Watch
  readonly #maxStatements: number
  readonly #loop: LoopDelayMeter | null
  readonly #slowQueryMs: number | null
  readonly #pools: { readonly name: string; readonly pool: WeakRef<PoolCounts> }[] = []
  readonly #history: History | null
  #collected: CollectedSource | null = null

  constructor(options: MonitorOptions = {}, ports: MonitorPorts = noPorts) {
    this.#maxStatements = positive(options.maxStatements, 500)
    this.recorder = new Recorder({
      maxStatements: this.#maxStatements,
      fingerprintsPerSecond: positive(options.fingerprintsPerSecond, 200),
      clock: options.clock ?? systemClock,
    })
    this.#slowQueryMs = options.slowQueryMs === undefined ? null : millisecondsOf(options.slowQueryMs, "monitor.slowQueryMs")
    const { history: keeping = false } = options
    const { database } = ports
    const kept = keeping === false || database === null ? null : { database, options: keeping === true ? {} : keeping }
    this.#history = kept === null ? null : new History(kept.database, this, kept.options)
    this.watch = new Watch(
      this.recorder,
      ports,
      watchSettings(options, this.#slowQueryMs),
      kept === null ? null : new WatchHistory(kept.database),
    )
    const { collector, sampler } = this.watch
    if (collector !== null || sampler !== null)
      this.#collected = collectedFigures(collector?.state ?? null, sampler, this.recorder.clock.monotonic)
    this.#loop = options.eventLoopDelay === false ? null : new LoopDelayMeter()
    this.#loop?.start()
  }

  /** Begins to work by itself, as far as the options ask for it: rounds, plans, alerts, history. connect() calls it. */
  start(): void {
    this.#history?.start()
    this.watch.start()
  }

  /** The statements of the last hour (or of `window`), most time first, "other" last. */
  metrics(options: { readonly window?: Duration | undefined } = {}): StatementMetrics[] {
    const { recorder } = this
    recorder.settle()
    const windowMs = windowOption(options.window)
    return metricsOf({
      entries: recorder.store.all(),
      now: recorder.clock.monotonic(),
      startedAt: recorder.startedAt,
      wallNow: recorder.clock.wall(),
      windowMs,
      collected: this.#collected,
    })
  }

  /** What the server said in the last hour (or in `window`); null before the first round, and where another process asks it. */
  server(options: { readonly window?: Duration | undefined } = {}): ServerReport | null {
    const { clock } = this.recorder
    return this.watch.collector?.state.report(clock.monotonic(), windowOption(options.window)) ?? null
  }

  /** Plans of a statement. */
  plans(fingerprint: string): StatementPlans {
    const log = this.watch.sampler?.log
    return { latest: log?.latest(fingerprint) ?? null, shapes: log?.shapes(fingerprint) ?? [] }
  }

  /** Every alert that is pending, firing or clearing, or was over a moment ago; the worst first. */
  alerts(): Alert[] {
    return this.watch.alerting.alerts()
  }

  /** Follows some alerts but tells nobody of them, for a while; gives the function that ends it. */
  silence(options: SilenceOptions): () => void {
    return this.watch.alerting.silence(options)
  }

  /** One round now: asks the server, judges, and tells. For cron jobs and serverless functions, where no timer runs. Never rejects. */
  async collect(): Promise<void> {
    await this.watch.collector?.collect()
    await this.watch.collector?.settled()
    await this.watch.evaluate()
    await this.watch.alerting.settled()
  }

  /** What a live top shows: rates and times of the last minutes, heaviest first. */
  top(options: TopOptions = {}): TopReport {
    const windowMs = options.window === undefined ? minute : millisecondsOf(options.window, "window")
    return topOf(this.metrics({ window: windowMs }), this.health(), this.pools(), options)
  }

  /** Calls `listener` for each event; gives the function that ends it. What a listener throws is counted and goes no further. */
  on<E extends keyof MonitorEvents>(event: E, listener: (value: MonitorEvents[E]) => void): () => void {
    if (event === "minute") return this.recorder.onMinute(listener as (records: readonly MinuteRecord[]) => void)
    if (event === "alert") return this.watch.onAlert(listener as (alert: Alert) => void)
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
    const { recorder, watch } = this
    return {
      ...watch.health(),
      statements: recorder.store.size,
      maxStatements: this.#maxStatements,
      unidentified: recorder.identities.waiting,
      fingerprints: recorder.identities.parsed,
      listenerErrors: recorder.listenerErrors + watch.listenerErrors,
      historyDropped: recorder.historyDropped,
      cacheHits: recorder.cacheHits,
      eventLoopDelay: this.#loop?.read() ?? null,
      uptime: (recorder.clock.monotonic() - recorder.startedAt) / 1000,
    }
  }

  /** The tables in which history is kept. Throws E_NOT_SUPPORTED unless the option `history` asked for them. */
  get history(): History {
    if (this.#history === null)
      throw new SelectoError("E_NOT_SUPPORTED", "No history is kept: connect with { monitor: { history: true } }.", {
        path: "monitor.history",
      })
    return this.#history
  }

  /** Statements with their calls, heaviest first, for the index advisor; constants are `$n`. */
  workload(): { readonly text: string; readonly calls: number }[] {
    return this.watch.workload({ fingerprint: null, table: null })
  }

  /** Resolves when every statement seen so far is identified; the budget of the parser applies. */
  ready(): Promise<void> {
    return this.recorder.ready()
  }

  /** Where the figures that only the server knows come from, instead of the collector; null takes them away. */
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

  /** Ends timers, and gives back the connection that the collector kept. Idempotent; calls after it are not counted. */
  async close(): Promise<void> {
    this.recorder.close()
    this.#loop?.stop()
    await this.watch.close()
    await this.#history?.close()
  }
}

/** The observe stage and the service of a connection. Wire both, and call `service.close()` when the connection closes. */
export function createMonitor(
  options: MonitorOptions = {},
  ports: MonitorPorts = noPorts,
): { readonly stage: Stage; readonly service: Monitor } {
  const service = new Monitor(options, ports)
  return { stage: observeStage(service.recorder, options.tags ?? null, service.watch), service }
}

function windowOption(window: Duration | undefined): number {
  return Math.min(hourMs, window === undefined ? hourMs : millisecondsOf(window, "window"))
}

function positive(value: number | undefined, otherwise: number): number {
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : otherwise
}
