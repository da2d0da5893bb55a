import type { Duration } from "../units.ts"
import type { StatementMetrics } from "./metrics.ts"
import type { MonitorHealth, WatchedPool } from "./monitor.ts"

export interface TopOptions {
  /** What is heaviest. Default "time". */
  readonly by?: "time" | "calls" | "mean" | "p95" | "errors" | "rows" | undefined
  /** Lines. Default 20. */
  readonly limit?: number | undefined
  /** Default one minute; figures are those of whole minutes and the current one. */
  readonly window?: Duration | undefined
}

/** One line of the live top. Times in milliseconds. */
export interface TopRow {
  readonly fingerprint: string
  /** Summary, else the beginning of the text, else the fingerprint. */
  readonly title: string
  readonly calls: number
  readonly callsPerSecond: number
  readonly time: number
  readonly share: number
  readonly mean: number | null
  readonly p95: number | null
  readonly max: number | null
  readonly rowsPerCall: number
  readonly poolWait: number
  readonly errors: number
}

export interface TopReport {
  readonly at: Date
  readonly seconds: number
  readonly rows: readonly TopRow[]
  readonly totals: { readonly calls: number; readonly callsPerSecond: number; readonly time: number; readonly errors: number }
  readonly health: MonitorHealth
  readonly pools: readonly WatchedPool[]
}

const titleLength = 120

/** The heaviest statements and the totals of all. */
export function topOf(
  metrics: readonly StatementMetrics[],
  health: MonitorHealth,
  pools: readonly WatchedPool[],
  options: TopOptions = {},
): TopReport {
  const seconds = Math.max(metrics[0]?.window.seconds ?? 0, 0.001)
  const rows = metrics.map((one) => rowOf(one, seconds))
  const key = keys[options.by ?? "time"]
  const sum = (of: (row: TopRow) => number): number => rows.reduce((total, row) => total + of(row), 0)
  return {
    at: metrics[0]?.window.to ?? new Date(),
    seconds: metrics[0]?.window.seconds ?? 0,
    rows: [...rows].sort((a, b) => key(b) - key(a)).slice(0, options.limit ?? 20),
    totals: {
      calls: sum((row) => row.calls),
      callsPerSecond: sum((row) => row.callsPerSecond),
      time: sum((row) => row.time),
      errors: sum((row) => row.errors),
    },
    health,
    pools,
  }
}

const keys: Record<NonNullable<TopOptions["by"]>, (row: TopRow) => number> = {
  time: (row) => row.time,
  calls: (row) => row.calls,
  mean: (row) => row.mean ?? 0,
  p95: (row) => row.p95 ?? 0,
  errors: (row) => row.errors,
  rows: (row) => row.rowsPerCall,
}

function rowOf(one: StatementMetrics, seconds: number): TopRow {
  return {
    fingerprint: one.fingerprint,
    title: (one.summary ?? one.text ?? one.fingerprint).replace(/\s+/g, " ").slice(0, titleLength),
    calls: one.calls,
    callsPerSecond: one.calls / seconds,
    time: one.executionTime.total,
    share: one.share,
    mean: one.executionTime.avg,
    p95: one.executionTime.p95,
    max: one.executionTime.max,
    rowsPerCall: one.rowsReturned.avg,
    poolWait: one.split?.poolWait ?? 0,
    errors: Object.values(one.errors).reduce((total, n) => total + n, 0),
  }
}
