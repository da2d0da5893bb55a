import { createHistogram, type Histogram, lowerBound } from "../histogram.ts"

const keptMs = 3_600_000
const closestMs = 30_000

interface Snapshot {
  readonly at: number
  readonly counts: Float64Array
  readonly sum: number
}

/** A histogram that only grows, over a window: the difference between now and a snapshot of then. */
export class HistogramWindow {
  #snapshots: Snapshot[] = []

  /** Called about once a minute; `at` is monotonic. */
  note(at: number, histogram: Histogram): void {
    if (at - (this.#snapshots.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < closestMs) return
    this.#snapshots = this.#snapshots.filter((one) => one.at > at - keptMs)
    this.#snapshots.push({ at, counts: histogram.counts.slice(), sum: histogram.sum })
  }

  /** What was recorded after `since`, to the nearest snapshot before it; all of it where there is none. */
  after(since: number, histogram: Histogram): Histogram {
    const start = this.#snapshots.findLast((one) => one.at <= since)
    const window = createHistogram()
    for (let bucket = 0; bucket < histogram.counts.length; bucket++) {
      const n = histogram.counts[bucket]! - (start?.counts[bucket] ?? 0)
      if (n <= 0) continue
      window.counts[bucket] = n
      window.count += n
      // The extremes of a difference are known by their buckets only.
      window.min = Math.min(window.min, lowerBound(bucket))
      window.max = Math.min(histogram.max, lowerBound(bucket + 1))
    }
    window.sum = histogram.sum - (start?.sum ?? 0)
    return window
  }
}
