import type { AlertAction, AlertSeverity, AlertType, AlertUnit } from "./alert.ts"
import type { Evidence } from "./evidence.ts"

/** What a rule saw of one subject. */
export interface Measurement {
  /** What it is about, beside the rule and the database; "" where there is only one. Never a process id. */
  readonly subject: string
  readonly fingerprint: string | null
  /** NaN: it cannot be told. An alert of it then stays as it is. */
  readonly value: number
  /** False where another condition of the rule does not hold, whatever the value. Default true. */
  readonly holds?: boolean | undefined
  /** Instead of the severity that the value gives. */
  readonly severity?: AlertSeverity | undefined
  /** The sentence of the alert; made when it is told. */
  readonly summary: () => string
  readonly evidence?: Readonly<Record<string, unknown>> | undefined
}

/** The limits of a rule, as they are set. */
export interface Limits {
  readonly threshold: number
  /** From here on it is critical; null: never by its value. */
  readonly critical: number | null
}

/**
 * One rule of the table: plain data, and one function that measures. The engine compares the values with the threshold, so that every
 * rule waits, clears, cools down and repeats alike.
 */
export interface AlertRule {
  readonly type: AlertType
  /** The condition in words, for the guide. */
  readonly condition: string
  readonly unit: AlertUnit
  readonly threshold: number
  readonly critical: number | null
  readonly worse: "above" | "below"
  readonly severity: AlertSeverity
  /** Milliseconds for which the condition must hold. */
  readonly forMs: number
  readonly action: AlertAction
  /** What to do. */
  readonly advice: string
  /** Values of all its subjects; those it does not name are well. Null: it cannot be told at present. */
  measure(evidence: Evidence, limits: Limits): readonly Measurement[] | null
  /**
   * The condition for Prometheus, from the metrics of the table in `metric-table.ts`; `null` where only this process can judge, which
   * then exports its judgement.
   */
  readonly prometheus: ((threshold: number) => string) | null
}

export const minute = 60_000
export const hour: number = 60 * minute
export const day: number = 24 * hour
export const megabyte: number = 1024 ** 2
export const gigabyte: number = 1024 ** 3
