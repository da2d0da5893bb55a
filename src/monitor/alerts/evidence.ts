import type { Entry, Tally } from "../entry.ts"
import type { Histogram } from "../histogram.ts"
import type { MeasuredRuns } from "../plans/sampler.ts"
import type { Comparison, HeavyNewcomer, PlanRegression } from "../regressions/regressions.ts"
import type { CollectorHealth } from "../server/collector.ts"
import type { ServerReport } from "../server/report.ts"

/** A call that took long, without its values. */
export interface SlowCall {
  readonly fingerprint: string
  readonly summary: string | null
  readonly time: number
  readonly via: "builder" | "statement" | "pool"
}

/** How a database reads its blocks. */
export interface CacheFigures {
  /** Of the blocks asked for, the part found in shared_buffers. */
  readonly hitRatio: number
  /** Milliseconds of waiting for blocks in a second, or blocks read in a second where waiting is not timed. */
  readonly effort: number
}

/** What rules judge by, at one moment. */
export interface Evidence {
  /** Monotonic, and milliseconds since 1970. */
  readonly now: number
  readonly wall: number
  readonly database: string
  /** Every statement of this process, "other" last. */
  readonly entries: readonly Entry[]
  /** Calls of at least the least slow_query threshold since the last evaluation. */
  readonly slowCalls: readonly SlowCall[]
  /** Executions of a statement in the last `ms`. */
  window(entry: Entry, ms: number): Tally
  /** Waiting for a connection in the last `ms`. */
  poolWait(ms: number): Histogram
  /** Null where the collector does not run here. */
  readonly collector: CollectorHealth | null
  /** What the server said in the last `ms`; null where it was not asked, or the answer is old. */
  server(ms: number): ServerReport | null
  comparisons(): readonly Comparison[]
  planRegressions(): readonly PlanRegression[]
  newcomers(): readonly HeavyNewcomer[]
  /** What sampled runs of a statement measured. */
  measured(fingerprint: string): MeasuredRuns | null
  /** How the database read blocks in past hours; null while too little is known. */
  cacheBaseline(): CacheFigures | null
}
