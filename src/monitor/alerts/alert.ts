import type { PlanIssue } from "../../explain/index.ts"
import type { AdvisedIndex } from "../ports.ts"

/** Every kind of alert; what each means is in the guide docs/alerting.md. */
export const alertTypes = [
  "slow_query",
  "slow_percentile",
  "regression",
  "plan_changed",
  "new_heavy_query",
  "error_rate",
  "missing_index",
  "unused_index",
  "duplicate_index",
  "invalid_index",
  "high_memory",
  "cache_hit_drop",
  "connections",
  "pool_wait",
  "idle_in_transaction",
  "long_transaction",
  "lock_wait",
  "deadlocks",
  "vacuum_lag",
  "wraparound",
  "sequence_exhaustion",
  "stale_statistics",
  "replication_lag",
  "slot_wal",
  "statements_evicted",
  "collector_down",
  "target_down",
] as const

/** One of the rules. */
export type AlertType = (typeof alertTypes)[number]

export const alertSeverities = ["info", "warning", "critical"] as const
/** How bad it is, the least first. */
export type AlertSeverity = (typeof alertSeverities)[number]

/**
 * "pending": the condition holds, not for long enough yet; "firing"; "clearing": it holds no more, not for long enough yet; "resolved";
 * "no_data": it fired, and what it is judged by cannot be read at present.
 */
export type AlertState = "pending" | "firing" | "clearing" | "resolved" | "no_data"

/**
 * "log": one line to the logger. "notify": to the channels. "log_and_notify": both. "suggest_index": both, with what the index advisor
 * recommends. "optimize_query": both, with what is wrong in the statement's plan.
 */
export const alertActions = ["log", "notify", "log_and_notify", "suggest_index", "optimize_query"] as const
/** What is done when an alert fires. */
export type AlertAction = (typeof alertActions)[number]

/** What an alert's value and threshold are counted in. "share" and "ratio" are plain numbers, a share lies between 0 and 1. */
export type AlertUnit = "ms" | "bytes" | "share" | "ratio" | "count"

/** An alert as listeners, channels and `alerts()` see it. No value of a statement's parameters is ever in it. */
export interface Alert {
  /** The same for the same rule, database and subject, in every process and after every restart. */
  readonly id: string
  readonly type: AlertType
  readonly state: AlertState
  readonly severity: AlertSeverity
  readonly database: string
  /** The statement that it is about; null where it is about something else. */
  readonly fingerprint: string | null
  /** A table, index, sequence, slot, …; null where there is only one of it. */
  readonly subject: string | null
  readonly value: number
  readonly threshold: number
  readonly unit: AlertUnit
  /** Since when the condition holds. */
  readonly since: Date
  readonly firedAt: Date | null
  readonly resolvedAt: Date | null
  /** One sentence: what is wrong, with its figures. */
  readonly summary: string
  /** What to do about it. */
  readonly advice: string
  /** What it was seen by: plain figures and lines. */
  readonly evidence: Readonly<Record<string, unknown>>
  /** Of "suggest_index": what the advisor recommends; null while it was not asked. */
  readonly recommendations: readonly AdvisedIndex[] | null
  /** Of "optimize_query": what is wrong in the plan; null while it was not asked. */
  readonly issues: readonly PlanIssue[] | null
  /** Why an action gave nothing; null when it did. */
  readonly actionError: string | null
  readonly silenced: boolean
}

/** Why an alert is told: it begins, gets worse, is still there, or is over. */
export type AlertChange = "firing" | "worse" | "repeat" | "resolved"
