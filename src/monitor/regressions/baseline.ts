import type { Histogram } from "../histogram.ts"
import { geometricMean, percentile } from "../histogram.ts"

/** One hour of one statement, as later hours are compared with it. Milliseconds. */
export interface BaselineHour {
  /** Start of the hour, milliseconds since 1970. */
  readonly at: number
  readonly n: number
  /** Geometric mean of the times; the plain mean where only the server counted. */
  readonly middle: number
  /** Null where only the server counted. */
  readonly p95: number | null
}

/** What a statement's times are compared with. */
export interface Baseline {
  /** Medians over the hours. */
  readonly middle: number
  readonly p95: number | null
  readonly hours: number
  readonly of: "the same hour of past days" | "past hours"
}

export const hourMs = 3_600_000
const dayHours = 24
/** Hours that a baseline is the median of. */
export const baselineHours = 14
const fewestHours = 5
/** Calls below which an hour says too little. */
const fewestCalls = 20
/** The same hour of this many past days is the farthest that is looked at. */
const hoursKept = baselineHours * dayHours + 1
const width = 3

/** The past hours of a statement: numbers in rings, so that hundreds of statements for two weeks are a few megabytes. */
class Ring {
  readonly #stamps = new Float64Array(hoursKept).fill(-1)
  readonly #figures = new Float64Array(hoursKept * width)

  put({ at, n, middle, p95 }: BaselineHour): void {
    const hour = Math.floor(at / hourMs)
    const slot = hour % hoursKept
    this.#stamps[slot] = hour
    this.#figures.set([n, middle, p95 ?? Number.NaN], slot * width)
  }

  get(at: number): BaselineHour | null {
    const hour = Math.floor(at / hourMs)
    const slot = hour % hoursKept
    if (hour < 0 || this.#stamps[slot] !== hour) return null
    const [n, middle, p95] = this.#figures.subarray(slot * width, (slot + 1) * width)
    return { at: hour * hourMs, n: n!, middle: middle!, p95: Number.isNaN(p95) ? null : p95! }
  }
}

/**
 * The past of each statement. This hour is compared with the same hour of the last 14 days, so that a daily rhythm is no news; while there
 * are not enough of them, with the last 14 hours.
 */
export class Baselines {
  readonly #rings = new Map<string, Ring>()

  has(key: string): boolean {
    return this.#rings.has(key)
  }

  put(key: string, hour: BaselineHour): void {
    let ring = this.#rings.get(key)
    if (ring === undefined) {
      ring = new Ring()
      this.#rings.set(key, ring)
    }
    ring.put(hour)
  }

  /** Marks a statement as known, though it has no past. */
  touch(key: string): void {
    if (!this.#rings.has(key)) this.#rings.set(key, new Ring())
  }

  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#rings.keys()) if (!keys.has(key)) this.#rings.delete(key)
  }

  /** What `now` (milliseconds since 1970) is compared with: hours that ended before `until`. Null while too little is known. */
  of(key: string, now: number, until: number = now): Baseline | null {
    const ring = this.#rings.get(key)
    if (ring === undefined) return null
    const usable = (hours: readonly number[]): BaselineHour[] =>
      hours
        .map((at) => ring.get(at))
        .filter((hour) => hour !== null)
        .filter(({ n, at }) => n >= fewestCalls && at + hourMs <= until)
    const days = usable(comparedHours(now)[0])
    const hours = usable(comparedHours(until)[1])
    const [found, of] =
      days.length >= fewestHours ? ([days, "the same hour of past days"] as const) : ([hours, "past hours"] as const)
    if (found.length < fewestHours) return null
    const p95s = found.map(({ p95 }) => p95).filter((p95) => p95 !== null)
    return {
      middle: median(found.map(({ middle }) => middle)),
      p95: p95s.length === 0 ? null : median(p95s),
      hours: found.length,
      of,
    }
  }
}

/** The hours that `now` is compared with: the same hour of past days, and the last hours. */
export function comparedHours(now: number): readonly [days: readonly number[], hours: readonly number[]] {
  const current = Math.floor(now / hourMs)
  const back = (step: number): number[] => Array.from({ length: baselineHours }, (_, n) => (current - (n + 1) * step) * hourMs)
  return [back(dayHours), back(1)]
}

/** An hour from the histogram of its times; null without any. */
export function hourOf(at: number, time: Histogram): BaselineHour | null {
  const middle = geometricMean(time)
  return middle === null ? null : { at, n: time.count, middle, p95: percentile(time, 0.95) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
