/**
 * A log-linear histogram of milliseconds: 16 buckets to each power of two, from 2^-10 ms (about 1 µs) to 2^27 ms (about 37 hours).
 * All histograms have the same buckets, so that merging is adding and loses nothing.
 */
export interface Histogram {
  /** Values in each bucket; bucket 0 takes what is below the range, the last one what is above it. */
  readonly counts: Float64Array
  count: number
  sum: number
  /** Infinity while empty. */
  min: number
  /** 0 while empty. */
  max: number
}

/** A histogram's buckets that are not empty, for keeping and sending. */
export interface SparseHistogram {
  readonly buckets: readonly number[]
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
}

export const bucketsPerOctave = 16
const lowestExponent = -10
const octaves = 37
/** Below the range, the octaves, and above the range in the last bucket. */
export const bucketCount: number = octaves * bucketsPerOctave + 1
/**
 * Largest relative error of a percentile against the exact one (nearest rank): half the ratio of a bucket's bounds, largest in the first bucket
 * of an octave, where the bounds are 1 and 17/16 and the value given is their harmonic mean.
 */
export const relativeError: number = 1 / 33

const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)
const highWord = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0
const smallest = 2 ** lowestExponent
const offset = (1023 + lowestExponent) * bucketsPerOctave - 1

export function createHistogram(): Histogram {
  return { counts: new Float64Array(bucketCount), count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: 0 }
}

/** The bucket of a value: the exponent and the first four bits of the fraction of its IEEE 754 form, so no logarithm is taken. */
export function bucketOf(value: number): number {
  if (!(value >= smallest)) return 0
  float[0] = value
  const bucket = (words[highWord]! >>> 16) - offset
  return bucket < bucketCount ? bucket : bucketCount - 1
}

/** Least value of a bucket; 0 for the first. */
export function lowerBound(bucket: number): number {
  if (bucket <= 0) return 0
  const at = bucket - 1
  return 2 ** (lowestExponent + Math.floor(at / bucketsPerOctave)) * (1 + (at % bucketsPerOctave) / bucketsPerOctave)
}

/** Adds one value. Not a number, negative or infinite values (a clock that went wrong) count as 0. */
export function record(histogram: Histogram, value: number): void {
  const safe = value > 0 && value < Number.POSITIVE_INFINITY ? value : 0
  const bucket = bucketOf(safe)
  histogram.counts[bucket] = histogram.counts[bucket]! + 1
  histogram.count++
  histogram.sum += safe
  if (safe < histogram.min) histogram.min = safe
  if (safe > histogram.max) histogram.max = safe
}

/** Adds all of `from` to `into`. */
export function merge(into: Histogram, from: Histogram): void {
  if (from.count === 0) return
  const { counts } = into
  // Empty buckets outside of the least and greatest value need no visit.
  const end = bucketOf(from.max)
  for (let bucket = bucketOf(from.min); bucket <= end; bucket++) counts[bucket] = counts[bucket]! + from.counts[bucket]!
  addScalars(into, from)
}

/** Adds all of a sparse histogram to `into`. Buckets that do not exist (a damaged row) are left out, their values too. */
export function mergeSparse(into: Histogram, from: SparseHistogram): void {
  if (from.count === 0) return
  for (const [at, bucket] of from.buckets.entries())
    if (bucket >= 0 && bucket < bucketCount) into.counts[bucket] = into.counts[bucket]! + (from.counts[at] ?? 0)
  addScalars(into, from)
}

function addScalars(into: Histogram, from: Omit<SparseHistogram, "buckets" | "counts">): void {
  into.count += from.count
  into.sum += from.sum
  if (from.min < into.min) into.min = from.min
  if (from.max > into.max) into.max = from.max
}

export function toSparse(histogram: Histogram): SparseHistogram {
  const buckets: number[] = []
  const counts: number[] = []
  if (histogram.count > 0) {
    const end = bucketOf(histogram.max)
    for (let bucket = bucketOf(histogram.min); bucket <= end; bucket++) {
      const n = histogram.counts[bucket]!
      if (n === 0) continue
      buckets.push(bucket)
      counts.push(n)
    }
  }
  return { buckets, counts, count: histogram.count, sum: histogram.sum, min: histogram.min, max: histogram.max }
}

export function clear(histogram: Histogram): void {
  if (histogram.count === 0) return
  histogram.counts.fill(0, bucketOf(histogram.min), bucketOf(histogram.max) + 1)
  histogram.count = 0
  histogram.sum = 0
  histogram.min = Number.POSITIVE_INFINITY
  histogram.max = 0
}

/**
 * The value at a rank (0 < p <= 1, nearest rank), at most {@link relativeError} away from the exact one between 1 µs and 37 h.
 * Null while empty.
 */
export function percentile(histogram: Histogram, p: number): number | null {
  if (histogram.count === 0) return null
  const rank = Math.max(1, Math.ceil(p * histogram.count))
  let seen = 0
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    seen += histogram.counts[bucket]!
    if (seen >= rank) return Math.min(histogram.max, Math.max(histogram.min, representative(bucket)))
  }
  return histogram.max
}

/** Geometric mean, from the buckets: the statistic that shows a regression with the fewest values. Null while empty. */
export function geometricMean(histogram: Histogram): number | null {
  if (histogram.count === 0) return null
  let logs = 0
  let n = 0
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const count = histogram.counts[bucket]!
    if (count === 0) continue
    logs += count * Math.log(representative(bucket))
    n += count
  }
  return n === 0 ? null : Math.exp(logs / n)
}

/** Values at or below a bound, which must be a bucket's own (a power of two is one). */
export function countBelow(histogram: Histogram, bound: number): number {
  const end = bucketOf(bound)
  let n = 0
  for (let bucket = 0; bucket < end; bucket++) n += histogram.counts[bucket]!
  return n
}

/** The harmonic mean of a bucket's bounds: equally far, relatively, from both. */
function representative(bucket: number): number {
  if (bucket === 0) return smallest / 2
  const low = lowerBound(bucket)
  const high = lowerBound(bucket + 1)
  return (2 * low * high) / (low + high)
}
