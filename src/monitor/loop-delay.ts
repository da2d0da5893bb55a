import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks"

/** How long the event loop was late, in milliseconds beyond the sampling interval; a share of every client-side time. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly source: "event-loop-delay"
  readonly n: number
}

const resolutionMs = 20

/** Samples the event loop's delay; costs one timer each 20 ms and keeps no process alive. */
export class LoopDelayMeter {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })

  start(): void {
    this.#histogram.enable()
  }

  /** The delays since the start or the last reset; null before the first sample. */
  read(): LoopDelay | null {
    const { count } = this.#histogram
    if (count === 0) return null
    // The histogram holds the whole interval between two ticks, in nanoseconds.
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs)
    return {
      p50: late(this.#histogram.percentile(50)),
      p99: late(this.#histogram.percentile(99)),
      max: late(this.#histogram.max),
      source: "event-loop-delay",
      n: count,
    }
  }

  reset(): void {
    this.#histogram.reset()
  }

  stop(): void {
    this.#histogram.disable()
  }
}
