import type { Request } from "../execution/request.ts"
import type { Alert, AlertChange } from "./alerts/alert.ts"
import { Alerting, type AlertingOptions } from "./alerts/alerting.ts"
import type { SlowCall } from "./alerts/evidence.ts"
import { EvidenceBook } from "./alerts/evidence-book.ts"
import type { ChannelHealth } from "./alerts/outbox.ts"
import { minute } from "./alerts/rule.ts"
import type { RuleSettings } from "./alerts/settings.ts"
import { PlanSampler, type PlanSamplerHealth, type PlanSettings } from "./plans/sampler.ts"
import type { MonitorPorts } from "./ports.ts"
import type { Recorder } from "./recorder.ts"
import { Collector, type CollectorHealth, type CollectorSettings } from "./server/collector.ts"
import type { Gap } from "./server/gaps.ts"
import { windowOf } from "./store.ts"
import type { WatchHistory } from "./watch-history.ts"
import { Keeper } from "./watch-keeper.ts"

export interface WatchSettings {
  readonly collector: CollectorSettings | null
  readonly plans: PlanSettings | null
  readonly alerting: Omit<AlertingOptions, "actions" | "onAlert" | "clock">
  /** Calls of at least this many milliseconds are slow: their plans are looked at. */
  readonly slowMs: number
}

/** Whether watching itself works. */
export interface WatchHealth {
  readonly collector: CollectorHealth | null
  /** What is missing of the server's figures, and what to do. */
  readonly gaps: readonly Gap[]
  readonly plans: PlanSamplerHealth | null
  readonly channels: readonly ChannelHealth[]
  /** Rules that cannot be judged at present. */
  readonly blind: readonly string[]
  /** When rules were last judged; null before the first time. */
  readonly judgedAt: Date | null
  /** Why what was learned could not be kept, or read; null where it is, or need not be. */
  readonly keepError: string | null
}

const slowCallsKept = 1000
/** Statements whose plan is asked for without a slow call: those that take the most time. */
const plansOfHeaviest = 10
const heavyShare = 0.02
const soonMs = 250
const unidentifiedMs = 60_000
const freshPlanMs = 10 * minute
const workloadStatements = 100

/** The part of a monitor that works by itself: asks the server, takes plans, compares with the past, and raises alerts. */
export class Watch {
  readonly collector: Collector | null
  readonly sampler: PlanSampler | null
  readonly alerting: Alerting
  readonly #recorder: Recorder
  readonly #settings: WatchSettings
  readonly #book: EvidenceBook
  readonly #keeper: Keeper | null
  readonly #listeners = new Set<(alert: Alert, change: AlertChange) => void>()
  readonly #slowestWanted: number
  #slow: { readonly text: string; readonly time: number; readonly via: SlowCall["via"]; readonly at: number }[] = []
  #timer: NodeJS.Timeout | null = null
  #soon: NodeJS.Timeout | null = null
  #closed = false
  #judgedAt: number | null = null
  /** Errors that listeners threw. */
  listenerErrors = 0

  constructor(recorder: Recorder, ports: MonitorPorts, settings: WatchSettings, history: WatchHistory | null) {
    this.#recorder = recorder
    this.#settings = settings
    const { clock } = recorder
    const asked = ports.database !== null
    this.collector = settings.collector === null || !asked ? null : new Collector(ports, settings.collector, clock)
    this.sampler = settings.plans === null || !asked ? null : new PlanSampler(ports, settings.plans, recorder)
    this.#book = new EvidenceBook(recorder, ports, this.collector, this.sampler)
    this.alerting = new Alerting({
      ...settings.alerting,
      clock,
      actions: { ports, workload: (of) => this.workload(of), plan: (fingerprint) => this.#freshPlan(fingerprint) },
      onAlert: (alert, change) => this.#heard(alert, change),
    })
    this.#keeper = history === null ? null : new Keeper(history, this)
    const { rules } = settings.alerting
    const slowRule = rules.find(({ rule }) => rule.type === "slow_query")
    this.#slowestWanted = Math.min(
      slowRule?.threshold ?? Number.POSITIVE_INFINITY,
      this.sampler === null ? Number.POSITIVE_INFINITY : settings.slowMs,
    )
    if (this.#slowestWanted < Number.POSITIVE_INFINITY)
      recorder.onSlow(this.#slowestWanted, (text, time, via) => this.#onSlow(text, time, via))
  }

  get recorder(): Recorder {
    return this.#recorder
  }

  get book(): EvidenceBook {
    return this.#book
  }

  /** True when there is something to do by itself, so that start() is worth calling. */
  get active(): boolean {
    return this.collector !== null || this.sampler !== null || this.alerting.engine.rules.length > 0 || this.#keeper !== null
  }

  start(): void {
    if (this.#timer !== null || this.#closed || !this.active) return
    this.collector?.start()
    const everyMs = Math.min(minute, this.#settings.collector?.intervalMs ?? minute)
    // A little after the collector's round.
    this.#arm(Math.min(2000, everyMs / 2), everyMs)
  }

  /** Judges now, and keeps what was learned. Never rejects. */
  async evaluate(): Promise<void> {
    if (this.#closed) return
    await this.#keeper?.restored()
    await this.#book.prepare()
    await this.#keeper?.catchUp()
    this.#book.turn()
    this.#wantPlans()
    this.alerting.evaluate(this.#book.evidence(this.#takeSlow(), this.sampler?.log.changes() ?? []))
    this.#holdPasts()
    this.#judgedAt = this.#recorder.clock.wall()
    this.alerting.beat()
    await this.#keeper?.save()
  }

  /** Hears of every alert that is told; gives the function that ends it. */
  onAlert(listener: (alert: Alert, change: AlertChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether the stage is to offer its calls: a slow one always, any while a plan is wanted. */
  wants(time: number): boolean {
    return this.sampler !== null && (time >= this.#settings.slowMs || this.sampler.hungry)
  }

  /** A call that the stage saw. */
  offer(request: Request, time: number): void {
    // It runs by itself, not in the caller's transaction.
    const alone = { ...request, transaction: null, signal: undefined, onEnd: undefined }
    this.sampler?.offer(request.statement.text, alone, time >= this.#settings.slowMs)
  }

  health(): WatchHealth {
    return {
      collector: this.collector?.health() ?? null,
      gaps: this.collector?.gaps() ?? [],
      plans: this.sampler?.health() ?? null,
      channels: this.alerting.health(),
      blind: this.alerting.engine.blind,
      judgedAt: this.#judgedAt === null ? null : new Date(this.#judgedAt),
      keepError: this.#keeper?.lastError ?? null,
    }
  }

  /** Statements with their calls, for the index advisor; constants are `$n`. Of one statement, of a table's, or the heaviest of all. */
  workload(of: { readonly fingerprint: string | null; readonly table: string | null }): { text: string; calls: number }[] {
    return this.#book.workload(of).slice(0, workloadStatements)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#soon !== null) clearTimeout(this.#soon)
    await this.sampler?.stop()
    await this.collector?.stop()
    await this.#keeper?.close()
    await this.alerting.close()
  }

  #arm(afterMs: number, everyMs: number): void {
    this.#timer = setTimeout(() => {
      void this.evaluate().then(() => {
        if (!this.#closed) this.#arm(everyMs, everyMs)
      })
    }, afterMs)
    this.#timer.unref()
  }

  #onSlow(text: string, time: number, via: SlowCall["via"]): void {
    // The stage offers its own, with their requests.
    if (via === "pool" && time >= this.#settings.slowMs) this.sampler?.offer(text, null, true)
    if (this.#slow.length < slowCallsKept) this.#slow.push({ text, time, via, at: this.#recorder.clock.monotonic() })
    this.#judgeSoon()
  }

  /** A slow call is told within a second, not at the next minute. */
  #judgeSoon(): void {
    const only = ({ rule }: RuleSettings): boolean => rule.type === "slow_query"
    if (this.#soon !== null || !this.alerting.engine.rules.some(only)) return
    this.#soon = setTimeout(async () => {
      this.#soon = null
      await this.#book.prepare()
      if (this.#closed) return
      const calls = this.#takeSlow()
      if (calls.length > 0) this.alerting.evaluate(this.#book.evidence(calls, []), only)
      if (this.#slow.length > 0) this.#judgeSoon()
    }, soonMs)
    this.#soon.unref()
  }

  /** The slow calls whose statement is known by now; the others wait a little. */
  #takeSlow(): SlowCall[] {
    this.#recorder.settle()
    this.sampler?.settle()
    const now = this.#recorder.clock.monotonic()
    const waiting = this.#slow
    this.#slow = []
    return waiting.flatMap((call): SlowCall[] => {
      const { text, time, via, at } = call
      const known = this.#recorder.identify(text)
      if (known === null && now - at < unidentifiedMs) {
        this.#slow.push(call)
        return []
      }
      return [{ fingerprint: known?.fingerprint ?? "unidentified", summary: known?.summary ?? null, time, via }]
    })
  }

  #wantPlans(): void {
    const { sampler } = this
    if (sampler === null) return
    const { clock, store } = this.#recorder
    const now = clock.monotonic()
    const entries = [...store.all()].filter(({ identity }) => identity === "fingerprint")
    const times = entries.map(({ fingerprint, minutesTime, current }) => ({ fingerprint, time: minutesTime + current.time.sum }))
    const total = times.reduce((sum, { time }) => sum + time, 0)
    const heavy = times.filter(({ time }) => time >= heavyShare * total && time > 0).sort((a, b) => b.time - a.time)
    const slow = entries.filter((entry) => windowOf(entry, now - minute).tally.time.max >= this.#settings.slowMs)
    sampler.want([...slow, ...heavy.slice(0, plansOfHeaviest)].map(({ fingerprint }) => fingerprint))
  }

  /** While a statement is slower than its past, its past stays what it was. */
  #holdPasts(): void {
    const { clock } = this.#recorder
    const now = clock.monotonic()
    const slow = new Map<string, number>()
    for (const { settings, state, since, measurement } of this.alerting.engine.alerts)
      if (settings.rule.type === "regression" && state !== "resolved" && measurement.fingerprint !== null)
        slow.set(measurement.fingerprint, clock.wall() - (now - since))
    this.#book.regressions.hold(slow)
  }

  async #freshPlan(fingerprint: string) {
    const { sampler } = this
    if (sampler === null) return null
    await sampler.drain()
    const known = sampler.log.latest(fingerprint)
    if (known !== null && this.#recorder.clock.monotonic() - known.at < freshPlanMs) return known.plan
    const [statement] = this.workload({ fingerprint, table: null })
    if (statement !== undefined) await sampler.sampleText(fingerprint, statement.text)
    return sampler.log.latest(fingerprint)?.plan ?? null
  }

  #heard(alert: Alert, change: AlertChange): void {
    this.#keeper?.note(alert)
    for (const listener of this.#listeners)
      try {
        listener(alert, change)
      } catch {
        this.listenerErrors++
      }
  }
}
