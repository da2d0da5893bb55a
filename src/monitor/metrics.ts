import type { Entry, Identity, Tally } from "./entry.ts"
import { geometricMean, percentile, relativeError } from "./histogram.ts"
import type { Coverage } from "./server/report.ts"
import type { ServerStatement } from "./server/statements.ts"
import { windowOf } from "./store.ts"

/** Where a figure comes from, from how many values, and how far it may be off. */
export interface Origin {
  readonly source: string
  /** Values it is made of. */
  readonly n: number
  /** Largest relative error; 0 for what was counted, null where no bound can be given. */
  readonly relativeError: number | null
}

/** Time of executions as this process saw them, pool wait excluded. Milliseconds. */
export interface ExecutionTime extends Origin {
  readonly source: "client-histogram"
  readonly relativeError: number
  /** Null while nothing ran. */
  readonly avg: number | null
  /** Null while nothing ran or n is below what the percentile needs: see `tooFew`. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly geometricMean: number | null
  readonly max: number | null
  readonly count: number
  readonly total: number
  /** Percentiles withheld because they would be made up: p50 needs 2 values, p95 20, p99 100. */
  readonly tooFew: readonly ("p50" | "p95" | "p99")[]
}

/**
 * Rows looked at per call: of sampled runs ("plans, sampled"), else what was read in its tables by all statements on them, per call of any of
 * them. What the server counts for a statement is rows returned.
 */
export interface RowsExamined extends Origin {
  readonly source: "plans, sampled" | "its tables, all statements on them"
  readonly avg: number
  /** Null where it was not sampled. */
  readonly max: number | null
}

/** Memory of sorts, hashes and the like in sampled plans, in bytes: not the memory of the server process. */
export interface MemoryUsage extends Origin {
  readonly source: "operator memory, sampled"
  readonly avg: number
  readonly peak: number
}

/** Scans of the statement's tables in the window. */
export interface IndexHits extends Origin {
  /** idx_scan / (idx_scan + seq_scan), 0 to 1. */
  readonly ratio: number | null
  /** idx_scan. */
  readonly total: number
}

/** What only the server knows of a statement; null where it was not found out. */
export interface CollectedFigures {
  /** The server's own counters of it, whoever sent it. */
  readonly server: ServerStatement | null
  /** How much of the window the collector saw. */
  readonly coverage: Coverage | null
  readonly rowsExamined: RowsExamined | null
  readonly memoryUsage: MemoryUsage | null
  readonly indexHits: IndexHits | null
}

/** For a window of so many milliseconds, gives the figures of a statement by its fingerprint, and its text where that is known. */
export type CollectedSource = (windowMs: number) => (fingerprint: string, text: string | null) => CollectedFigures | null

export interface QueryFrequency extends Origin {
  readonly source: "client-count"
  /** Calls in the last hour; fewer minutes when the monitor is younger (see window.seconds). Not extrapolated. */
  readonly perHour: number
  /** Most calls in one minute of the window. */
  readonly peakPerMinute: number
}

export interface Split extends Origin {
  readonly source: "client-sum"
  /** Mean milliseconds waiting for a connection. */
  readonly poolWait: number
  readonly poolWaitMax: number
  /** Mean milliseconds from sending to the first protocol reply. */
  readonly server: number
  /** Mean milliseconds from the first reply to the last row. */
  readonly transfer: number
}

export interface RowsReturned extends Origin {
  readonly source: "client-count"
  readonly avg: number
  readonly max: number
  readonly total: number
}

/** One statement in the window. "other" is all that has no place of its own. */
export interface StatementMetrics {
  readonly fingerprint: string
  readonly identity: Identity
  readonly summary: string | null
  /** Constants are `$n`. */
  readonly text: string | null
  readonly names: readonly string[]
  readonly window: { readonly from: Date; readonly to: Date; readonly seconds: number }
  readonly calls: number
  /** Calls that failed, by class of SQLSTATE ("23") or by our code where the server gave none. */
  readonly errors: Readonly<Record<string, number>>
  /** Its part of the time of all statements in the window, 0 to 1. */
  readonly share: number
  readonly executionTime: ExecutionTime
  readonly rowsReturned: RowsReturned
  /** Bytes received per call; null where the way of watching does not know them. */
  readonly bytesReceived: (Origin & { readonly avg: number; readonly total: number }) | null
  readonly split: Split | null
  readonly queryFrequency: QueryFrequency
  /** Null until the collector has figures, as all that follow. */
  readonly rowsExamined: RowsExamined | null
  readonly memoryUsage: MemoryUsage | null
  readonly indexHits: IndexHits | null
  /** The server's own counters of the statement: blocks, temporary files, time of I/O and planning; whoever sent it. */
  readonly server: ServerStatement | null
  /** How much of the window the server's figures cover, and what was missed. */
  readonly coverage: Coverage | null
}

export interface MetricsOptions {
  /** Length of the window in milliseconds, at most an hour. Default an hour. */
  readonly windowMs?: number | undefined
}

const fewest = { p50: 2, p95: 20, p99: 100 } as const
export const hourMs = 3_600_000

export interface MetricsInput {
  readonly entries: Iterable<Entry>
  /** By the monotonic clock. */
  readonly now: number
  readonly startedAt: number
  readonly wallNow: number
  readonly windowMs: number
  readonly collected: CollectedSource | null
}

/** The statements of the window, most time first, "other" last; those without calls are left out. */
export function metricsOf(input: MetricsInput): StatementMetrics[] {
  const { now, wallNow, windowMs, collected } = input
  const from = Math.max(input.startedAt, now - windowMs)
  const found = [...input.entries].map((entry) => ({ entry, ...windowOf(entry, from) })).filter(({ tally }) => tally.calls > 0)
  const total = found.reduce((sum, { tally }) => sum + tally.time.sum, 0)
  const figuresOf = collected?.(windowMs)
  const window = { from: new Date(wallNow - (now - from)), to: new Date(wallNow), seconds: (now - from) / 1000 }
  found.sort((a, b) => rank(a.entry) - rank(b.entry) || b.tally.time.sum - a.tally.time.sum)
  return found.map(({ entry, tally, peakPerMinute }) => {
    const figures = entry.identity === "other" ? null : (figuresOf?.(entry.fingerprint, entry.text) ?? null)
    return {
      fingerprint: entry.fingerprint,
      identity: entry.identity,
      summary: entry.summary,
      text: entry.text,
      names: [...entry.names],
      window,
      calls: tally.calls,
      errors: errorsByClass(tally),
      share: total === 0 ? 0 : tally.time.sum / total,
      executionTime: executionTimeOf(tally),
      rowsReturned: {
        avg: tally.rows / tally.calls,
        max: tally.rowsMax,
        total: tally.rows,
        source: "client-count",
        n: tally.calls,
        relativeError: 0,
      },
      bytesReceived:
        tally.bytesCalls === 0
          ? null
          : {
              avg: tally.bytes / tally.bytesCalls,
              total: tally.bytes,
              source: "client-socket",
              n: tally.bytesCalls,
              relativeError: 0,
            },
      split: {
        poolWait: tally.poolWait / tally.calls,
        poolWaitMax: tally.poolWaitMax,
        server: tally.server / tally.calls,
        transfer: tally.transfer / tally.calls,
        source: "client-sum",
        n: tally.calls,
        relativeError: 0,
      },
      queryFrequency: { perHour: tally.calls, peakPerMinute, source: "client-count", n: tally.calls, relativeError: 0 },
      rowsExamined: figures?.rowsExamined ?? null,
      memoryUsage: figures?.memoryUsage ?? null,
      indexHits: figures?.indexHits ?? null,
      server: figures?.server ?? null,
      coverage: figures?.coverage ?? null,
    }
  })
}

function rank(entry: Entry): number {
  return entry.identity === "other" ? 1 : 0
}

/** Figures of a histogram of times, with what is too few left out. */
export function executionTimeOf({ time }: Pick<Tally, "time">): ExecutionTime {
  const tooFew = (Object.keys(fewest) as (keyof typeof fewest)[]).filter((name) => time.count < fewest[name])
  const at = (name: keyof typeof fewest, p: number): number | null => (tooFew.includes(name) ? null : percentile(time, p))
  const some = time.count > 0
  return {
    avg: some ? time.sum / time.count : null,
    p50: at("p50", 0.5),
    p95: at("p95", 0.95),
    p99: at("p99", 0.99),
    geometricMean: geometricMean(time),
    max: some ? time.max : null,
    count: time.count,
    total: time.sum,
    tooFew,
    source: "client-histogram",
    n: time.count,
    relativeError,
  }
}

/** SQLSTATE has five characters, its class is the first two; our own codes stay as they are. */
export function errorClass(state: string): string {
  return /^[0-9A-Z]{5}$/.test(state) ? state.slice(0, 2) : state
}

export function errorsByClass(tally: Pick<Tally, "states">): Record<string, number> {
  const classes: Record<string, number> = {}
  for (const [state, n] of tally.states ?? []) classes[errorClass(state)] = (classes[errorClass(state)] ?? 0) + n
  return classes
}
