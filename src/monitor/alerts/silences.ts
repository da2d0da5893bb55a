import { SelectoError } from "../../errors.ts"
import { type Duration, millisecondsOf } from "../../units.ts"
import type { AlertType } from "./alert.ts"
import type { Tracked } from "./engine.ts"

/** Which alerts are not told for a while. What is left out matches all. */
export interface SilenceOptions {
  readonly type?: AlertType | undefined
  readonly fingerprint?: string | undefined
  /** A table, index, slot, … as the alert names it. */
  readonly subject?: string | undefined
  /** One alert by its id. */
  readonly id?: string | undefined
  readonly for: Duration
}

interface Silence extends Omit<SilenceOptions, "for"> {
  /** Monotonic. */
  readonly until: number
}

/** Alerts that are followed, and told to nobody. */
export class Silences {
  #silences: Silence[] = []

  /** Gives the function that ends it. Throws E_INVALID_OPTION where nothing says which alerts are meant. */
  add(options: SilenceOptions, now: number): () => void {
    const { for: duration, ...match } = options
    if (Object.values(match).every((value) => value === undefined))
      throw new SelectoError(
        "E_INVALID_OPTION",
        "silence() takes a type, fingerprint, subject or id: silencing all would hide what is new.",
        {
          path: "silence",
        },
      )
    const silence = { ...match, until: now + millisecondsOf(duration, "silence.for") }
    this.#silences.push(silence)
    return () => {
      this.#silences = this.#silences.filter((one) => one !== silence)
    }
  }

  covers(alert: Tracked, now: number): boolean {
    this.#silences = this.#silences.filter(({ until }) => until > now)
    const { fingerprint, subject } = alert.measurement
    return this.#silences.some(
      (one) =>
        (one.type === undefined || one.type === alert.settings.rule.type) &&
        (one.fingerprint === undefined || one.fingerprint === fingerprint) &&
        (one.subject === undefined || one.subject === subject) &&
        (one.id === undefined || one.id === alert.id),
    )
  }
}
