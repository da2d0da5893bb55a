import type { Clock } from "../recorder.ts"
import { type ActionResult, type ActionSources, act, asks, noResult, tooMany } from "./actions.ts"
import type { Alert, AlertChange } from "./alert.ts"
import type { AlertChannel, AlertLogger, AlertNotification } from "./channel.ts"
import { alertLine } from "./channels/lines.ts"
import { AlertEngine, type Told, type Tracked } from "./engine.ts"
import type { Evidence } from "./evidence.ts"
import { type ChannelHealth, Outbox, type OutboxTimes } from "./outbox.ts"
import type { EngineTimes, RuleSettings } from "./settings.ts"
import { type SilenceOptions, Silences } from "./silences.ts"

export interface AlertingOptions {
  readonly rules: readonly RuleSettings[]
  readonly times: EngineTimes
  readonly channels: readonly AlertChannel[]
  readonly heartbeat: readonly AlertChannel[]
  readonly logger: AlertLogger | null
  readonly outbox: OutboxTimes
  readonly clock: Clock
  readonly actions: ActionSources
  /** Hears of every alert that is told. Must not throw. */
  readonly onAlert: (alert: Alert, change: AlertChange) => void
}

/** Alerts told in one notification; of more only the number. */
const toldTogether = 20
/** Alerts of one evaluation whose action is run: each may ask the server a good deal. */
const actedOn = 5

/** Judges, finds out more where a rule asks for it, and tells: the log, listeners, and channels. */
export class Alerting {
  readonly engine: AlertEngine
  readonly #options: AlertingOptions
  readonly #silences = new Silences()
  readonly #outboxes: readonly Outbox[]
  readonly #hearts: readonly Outbox[]
  readonly #results = new Map<string, ActionResult>()
  /** Alerts that somebody was told of: only of those it is told that they are over. */
  readonly #loud = new Set<string>()
  readonly #abort = new AbortController()
  #telling: Promise<void> = Promise.resolve()
  /** Alerts that are looked into first: a minute of the advisor must not hold up a page. A rule is in one of the two, so its alerts keep their order. */
  #looking: Promise<void> = Promise.resolve()

  constructor(options: AlertingOptions) {
    this.#options = options
    this.engine = new AlertEngine(options.rules, options.times)
    this.#outboxes = options.channels.map((channel) => new Outbox(channel, options.outbox))
    this.#hearts = options.heartbeat.map((channel) => new Outbox(channel, options.outbox))
  }

  /** Judges all rules, or some; what is found is told behind it. */
  evaluate(evidence: Evidence, only?: (settings: RuleSettings) => boolean): readonly Told[] {
    const told = this.engine.evaluate(evidence, only)
    const known = new Set(this.engine.alerts.map(({ id }) => id))
    for (const id of this.#results.keys()) if (!known.has(id)) this.#results.delete(id)
    for (const id of this.#loud) if (!known.has(id)) this.#loud.delete(id)
    const looked = told.filter(({ alert }) => asks(alert))
    if (looked.length < told.length)
      this.#telling = this.#telling.then(() => this.#tell(told.filter(({ alert }) => !asks(alert))))
    if (looked.length > 0) this.#looking = this.#looking.then(() => this.#tell(looked))
    return told
  }

  /** An alert that an earlier process told: it goes on, and its end will be told. */
  restore(alert: Tracked): void {
    this.engine.restore(alert)
    this.#loud.add(alert.id)
  }

  /** Signs of life to those who wait for them. */
  beat(): void {
    const at = new Date(this.#options.clock.wall())
    for (const heart of this.#hearts) heart.beat(at, { alerts: [], omitted: 0 })
  }

  /** All alerts, the worst and latest first. */
  alerts(): Alert[] {
    const order = { firing: 0, no_data: 1, clearing: 2, pending: 3, resolved: 4 }
    const severity = { critical: 0, warning: 1, info: 2 }
    return this.engine.alerts
      .map((alert) => this.snapshot(alert))
      .sort(
        (a, b) =>
          order[a.state] - order[b.state] || severity[a.severity] - severity[b.severity] || b.since.getTime() - a.since.getTime(),
      )
  }

  silence(options: SilenceOptions): () => void {
    return this.#silences.add(options, this.#options.clock.monotonic())
  }

  health(): ChannelHealth[] {
    return [...this.#outboxes, ...this.#hearts].map((outbox) => outbox.health())
  }

  /** Resolves when everything found so far was told, and channels have taken it or given it up. */
  async settled(): Promise<void> {
    await Promise.all([this.#telling, this.#looking])
    for (const outbox of [...this.#outboxes, ...this.#hearts]) await outbox.settled()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.all([this.#telling, this.#looking])
    await Promise.all([...this.#outboxes, ...this.#hearts].map((outbox) => outbox.close()))
  }

  snapshot(alert: Tracked): Alert {
    const { clock } = this.#options
    const wall = clock.wall()
    const now = clock.monotonic()
    const at = (monotonic: number | null): Date | null => (monotonic === null ? null : new Date(wall - (now - monotonic)))
    const { settings, measurement } = alert
    const result = this.#results.get(alert.id) ?? noResult
    return {
      id: alert.id,
      type: settings.rule.type,
      state: alert.state,
      severity: alert.severity,
      database: alert.database,
      fingerprint: measurement.fingerprint,
      subject: measurement.subject === "" ? null : measurement.subject,
      value: measurement.value,
      threshold: settings.threshold,
      unit: settings.rule.unit,
      since: at(alert.since)!,
      firedAt: at(alert.firedAt),
      resolvedAt: at(alert.resolvedAt),
      summary: measurement.summary(),
      advice: settings.rule.advice,
      evidence: measurement.evidence ?? {},
      recommendations: result.recommendations,
      issues: result.issues,
      actionError: result.error,
      silenced: this.#silences.covers(alert, now),
    }
  }

  async #tell(told: readonly Told[]): Promise<void> {
    const groups = new Map<string, Told[]>()
    for (const one of told) {
      const { type } = one.alert.settings.rule
      groups.set(type, [...(groups.get(type) ?? []), one])
    }
    let acted = 0
    for (const group of groups.values()) {
      for (const { change, alert } of group) {
        if (!asks(alert) || change !== "firing" || this.#silences.covers(alert, this.#options.clock.monotonic())) continue
        const result = acted++ < actedOn ? await act(alert, this.#options.actions, this.#abort.signal) : tooMany
        this.#results.set(alert.id, result)
      }
      this.#pass(group)
    }
  }

  #pass(group: readonly Told[]): void {
    const all = group.map(({ change, alert }) => ({ change, alert: this.snapshot(alert), action: alert.settings.action }))
    for (const { change, alert } of all) this.#options.onAlert(alert, change)
    const loud = all.filter(({ change, alert }) => !alert.silenced && (change !== "resolved" || this.#loud.has(alert.id)))
    for (const { alert } of loud) this.#loud.add(alert.id)
    for (const { change, alert, action } of loud) if (action !== "notify") this.#log(alert, change)
    const sent = loud.filter(({ action }) => action !== "log")
    if (sent.length === 0) return
    const notification: AlertNotification = {
      alerts: sent.slice(0, toldTogether).map(({ change, alert }) => ({ change, alert })),
      omitted: Math.max(0, sent.length - toldTogether),
    }
    for (const outbox of this.#outboxes) outbox.put(notification)
  }

  #log(alert: Alert, change: AlertChange): void {
    const { logger } = this.#options
    try {
      if (change === "resolved") logger?.info(alertLine(alert, change))
      else logger?.warn(alertLine(alert, change))
    } catch {
      // A logger that throws keeps no alert from the channels.
    }
  }
}
