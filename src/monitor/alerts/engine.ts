import { createHash } from "node:crypto"
import type { AlertChange, AlertSeverity, AlertState } from "./alert.ts"
import { alertSeverities } from "./alert.ts"
import type { Evidence } from "./evidence.ts"
import type { Measurement } from "./rule.ts"
import type { EngineTimes, RuleSettings } from "./settings.ts"

/** One alert as the engine keeps it. Times are monotonic. */
export interface Tracked {
  readonly id: string
  readonly settings: RuleSettings
  readonly database: string
  state: AlertState
  severity: AlertSeverity
  /** What was measured last. */
  measurement: Measurement
  /** Since when the condition holds. */
  since: number
  firedAt: number | null
  clearingSince: number | null
  resolvedAt: number | null
  toldAt: number | null
}

/** Something to tell. */
export interface Told {
  readonly change: AlertChange
  readonly alert: Tracked
}

/** Subjects of one rule that are followed at a time, the worst first: a fault that touches a thousand tables is one fault. */
const followed = 50
/** The value must come this far back from the threshold before the alert clears. */
const hysteresis = 0.8

/**
 * Turns measurements into alerts: ok, pending while the condition holds, firing when it has held for long enough, clearing when it does not
 * hold any more, resolved when it has not for long enough. Knows no clock but that of the evidence, and tells nobody: it says what is
 * to be told.
 */
export class AlertEngine {
  readonly #rules: readonly RuleSettings[]
  readonly #times: EngineTimes
  /** By rule and subject, which is what an id is made of. */
  readonly #alerts = new Map<string, Tracked>()
  /** Rules that could not be judged the last time. */
  readonly #blind = new Set<string>()

  constructor(rules: readonly RuleSettings[], times: EngineTimes) {
    this.#rules = rules
    this.#times = times
  }

  get rules(): readonly RuleSettings[] {
    return this.#rules
  }

  /** Every alert that is pending, firing, clearing, without data, or resolved and cooling down. */
  get alerts(): readonly Tracked[] {
    return [...this.#alerts.values()]
  }

  /** Rules that could not be judged the last time: what they need cannot be read. */
  get blind(): readonly string[] {
    return [...this.#blind]
  }

  /** Judges all rules, or those that `only` names, and gives what is to be told. */
  evaluate(evidence: Evidence, only?: (settings: RuleSettings) => boolean): Told[] {
    const told: Told[] = []
    for (const settings of this.#rules) {
      if (only !== undefined && !only(settings)) continue
      const { type } = settings.rule
      const measured = settings.rule.measure(evidence, settings)
      if (measured === null) {
        this.#blind.add(type)
        for (const alert of this.#of(type)) this.#unseen(alert, evidence.now)
        continue
      }
      this.#blind.delete(type)
      told.push(...this.#judge(settings, measured, evidence))
    }
    return told
  }

  /** An alert that an earlier process told and nobody has resolved: it goes on from there. */
  restore(alert: Tracked): void {
    const key = keyOf(alert.settings, alert.database, alert.measurement)
    if (!this.#alerts.has(key)) this.#alerts.set(key, alert)
  }

  #judge(settings: RuleSettings, measured: readonly Measurement[], { now, database }: Evidence): Told[] {
    const told: Told[] = []
    const seen = new Set<Tracked>()
    const mine = this.#of(settings.rule.type)
    // Most subjects are well, and nobody knows them.
    const candidates = measured.filter((one) => mine.length > 0 || meets(settings, one))
    candidates.sort((a, b) => (settings.rule.worse === "above" ? b.value - a.value : a.value - b.value))
    let places = followed - mine.length
    for (const measurement of candidates) {
      const key = keyOf(settings, database, measurement)
      const known = this.#alerts.get(key)
      if (known !== undefined) {
        seen.add(known)
        if (Number.isNaN(measurement.value)) continue
        told.push(...this.#follow(known, measurement, now))
      } else if (meets(settings, measurement) && places-- > 0) {
        const alert: Tracked = {
          id: alertId(settings.rule.type, database, measurement),
          settings,
          database,
          state: "pending",
          severity: severityOf(settings, measurement),
          measurement,
          since: now,
          firedAt: null,
          clearingSince: null,
          resolvedAt: null,
          toldAt: null,
        }
        this.#alerts.set(key, alert)
        told.push(...this.#follow(alert, measurement, now))
      }
    }
    for (const alert of mine) if (!seen.has(alert)) told.push(...this.#follow(alert, null, now))
    return told
  }

  /** Moves an alert on; null: its subject is well, or gone. */
  #follow(alert: Tracked, measurement: Measurement | null, now: number): Told[] {
    const { settings } = alert
    const met = measurement !== null && meets(settings, measurement)
    const clear = measurement === null || isClear(settings, measurement)
    if (measurement !== null && (met || alert.state !== "resolved")) alert.measurement = measurement
    if (alert.state === "no_data") alert.state = alert.clearingSince === null ? "firing" : "clearing"
    if (alert.state === "resolved") {
      if (met) {
        alert.state = "pending"
        alert.since = now
      } else if (now - (alert.resolvedAt ?? now) >= this.#times.coolDownMs) {
        this.#forget(alert)
        return []
      }
    }
    if (alert.state === "pending") return this.#pending(alert, met, now)
    if (alert.state === "firing") {
      if (clear) {
        alert.state = "clearing"
        alert.clearingSince = now
      } else return this.#firing(alert, measurement!, met, now)
    } else if (alert.state === "clearing" && !clear) {
      alert.state = "firing"
      alert.clearingSince = null
      return this.#firing(alert, measurement!, met, now)
    }
    if (alert.state !== "clearing" || now - alert.clearingSince! < this.#times.clearMs) return []
    alert.state = "resolved"
    alert.resolvedAt = now
    return [{ change: "resolved", alert }]
  }

  #pending(alert: Tracked, met: boolean, now: number): Told[] {
    const { settings, resolvedAt } = alert
    if (!met) {
      if (resolvedAt === null) this.#forget(alert)
      else alert.state = "resolved"
      return []
    }
    const severity = severityOf(settings, alert.measurement)
    // It was told not long ago, and is no worse than it was then.
    const cooling = resolvedAt !== null && now - resolvedAt < this.#times.coolDownMs && rank(severity) <= rank(alert.severity)
    if (now - alert.since < settings.forMs || cooling) return []
    Object.assign(alert, { state: "firing", severity, firedAt: now, clearingSince: null, resolvedAt: null, toldAt: now })
    return [{ change: "firing", alert }]
  }

  #firing(alert: Tracked, measurement: Measurement, met: boolean, now: number): Told[] {
    const severity = severityOf(alert.settings, measurement)
    if (met && rank(severity) > rank(alert.severity)) {
      alert.severity = severity
      alert.toldAt = now
      return [{ change: "worse", alert }]
    }
    if (now - (alert.toldAt ?? now) < this.#times.repeatMs) return []
    alert.toldAt = now
    return [{ change: "repeat", alert }]
  }

  /** What it is judged by cannot be read: nothing begins, and nothing is over. */
  #unseen(alert: Tracked, now: number): void {
    if (alert.state === "firing" || alert.state === "clearing") alert.state = "no_data"
    else if (alert.state === "pending") {
      if (alert.resolvedAt === null) this.#forget(alert)
      else alert.state = "resolved"
    } else if (alert.state === "resolved" && now - (alert.resolvedAt ?? now) >= this.#times.coolDownMs) this.#forget(alert)
  }

  #forget({ settings, database, measurement }: Tracked): void {
    this.#alerts.delete(keyOf(settings, database, measurement))
  }

  #of(type: string): Tracked[] {
    return [...this.#alerts.values()].filter(({ settings }) => settings.rule.type === type)
  }
}

/** The same in every process and after every restart; never of a process id. */
export function alertId(
  type: string,
  database: string,
  { subject, fingerprint }: Pick<Measurement, "subject" | "fingerprint">,
): string {
  return createHash("sha256")
    .update(JSON.stringify([type, database, fingerprint, subject]))
    .digest("hex")
    .slice(0, 16)
}

function keyOf(
  { rule }: RuleSettings,
  database: string,
  { subject, fingerprint }: Pick<Measurement, "subject" | "fingerprint">,
): string {
  return `${rule.type}\0${database}\0${fingerprint ?? ""}\0${subject}`
}

function meets({ rule, threshold }: RuleSettings, { value, holds }: Measurement): boolean {
  return holds !== false && (rule.worse === "above" ? value >= threshold : value < threshold)
}

function isClear({ rule, threshold }: RuleSettings, { value, holds }: Measurement): boolean {
  return holds === false || (rule.worse === "above" ? value < hysteresis * threshold : value > threshold / hysteresis)
}

function severityOf({ rule, critical, severity }: RuleSettings, measurement: Measurement): AlertSeverity {
  if (measurement.severity !== undefined) return measurement.severity
  if (critical === null) return severity
  return (rule.worse === "above" ? measurement.value >= critical : measurement.value <= critical) ? "critical" : severity
}

function rank(severity: AlertSeverity): number {
  return alertSeverities.indexOf(severity)
}
