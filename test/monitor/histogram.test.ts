import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  bucketCount,
  bucketOf,
  clear,
  countBelow,
  createHistogram,
  geometricMean,
  lowerBound,
  merge,
  mergeSparse,
  percentile,
  record,
  relativeError,
  toSparse,
} from "../../src/monitor/histogram.ts"
import { distributions, exactPercentile, sampleOf } from "./distributions.ts"

describe("buckets", () => {
  test("every bucket holds its own lower bound and what is just below its upper one", () => {
    for (let bucket = 1; bucket < bucketCount - 1; bucket++) {
      expect(bucketOf(lowerBound(bucket))).toBe(bucket)
      expect(bucketOf(lowerBound(bucket + 1) * (1 - Number.EPSILON))).toBe(bucket)
    }
  })

  test("there are 16 to each octave", () => {
    expect(bucketOf(2) - bucketOf(1)).toBe(16)
    expect(bucketOf(0.25) - bucketOf(0.125)).toBe(16)
  })

  test("what lies outside of the range, or is no time at all, is still counted", () => {
    const histogram = createHistogram()
    for (const value of [0, -5, Number.NaN, Number.POSITIVE_INFINITY, 1e-9, 1e12]) record(histogram, value)
    expect(histogram.count).toBe(6)
    expect(histogram.counts.reduce((sum, n) => sum + n)).toBe(6)
    expect(histogram.counts[0]).toBe(5)
    expect(histogram.counts[bucketCount - 1]).toBe(1)
  })
})

describe("percentiles", () => {
  for (const [name, draw] of Object.entries(distributions))
    test(`${name}: within the error it states`, () => {
      const values = sampleOf(draw, 20_000, 7)
      const histogram = createHistogram()
      for (const value of values) record(histogram, value)
      for (const p of [0.5, 0.9, 0.95, 0.99, 0.999]) {
        const exact = exactPercentile(values, p)
        expect(Math.abs(percentile(histogram, p)! - exact) / exact, `p${p}`).toBeLessThanOrEqual(relativeError + 1e-12)
      }
      const geometric = Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
      expect(Math.abs(geometricMean(histogram)! - geometric) / geometric).toBeLessThan(relativeError)
    })

  test("of any values", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.001, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 200 }), (values) => {
        const histogram = createHistogram()
        for (const value of values) record(histogram, value)
        for (const p of [0.01, 0.5, 0.95, 1]) {
          const exact = exactPercentile(values, p)
          expect(Math.abs(percentile(histogram, p)! - exact) / exact).toBeLessThanOrEqual(relativeError + 1e-12)
        }
      }),
      { seed: 13, numRuns: 300 },
    )
  })

  test("a coarser histogram would not hold the error", () => {
    // The check above can fail: with four buckets an octave it does.
    const values = sampleOf(distributions.lognormal!, 20_000, 7)
    const coarse = values.map((value) => 2 ** ((Math.floor(Math.log2(value) * 4) + 0.5) / 4))
    const errors = [0.5, 0.9, 0.95, 0.99].map((p) => Math.abs(exactPercentile(coarse, p) / exactPercentile(values, p) - 1))
    expect(Math.max(...errors)).toBeGreaterThan(relativeError)
  })
})

describe("merging", () => {
  test("is exact: parts and whole have the same buckets, in memory and in sparse form", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 50 }), { maxLength: 6 }),
        (parts) => {
          const whole = createHistogram()
          const merged = createHistogram()
          const sparse = createHistogram()
          for (const part of parts) {
            const one = createHistogram()
            for (const value of part) {
              record(one, value)
              record(whole, value)
            }
            merge(merged, one)
            mergeSparse(
              sparse,
              JSON.parse(JSON.stringify(toSparse(one)), (key, value) => (key === "min" ? (value ?? Infinity) : value)),
            )
          }
          for (const other of [merged, sparse]) {
            expect(other.counts).toEqual(whole.counts)
            expect([other.count, other.min, other.max]).toEqual([whole.count, whole.min, whole.max])
            expect(other.sum).toBeCloseTo(whole.sum, 3)
          }
        },
      ),
      { seed: 14, numRuns: 200 },
    )
  })

  test("clearing leaves nothing behind", () => {
    const histogram = createHistogram()
    for (const value of [0, 0.5, 3, 1e12]) record(histogram, value)
    clear(histogram)
    expect(histogram).toEqual(createHistogram())
  })

  test("powers of two are bounds: what is below them is counted exactly", () => {
    const values = sampleOf(distributions.exponential!, 5000, 3)
    const histogram = createHistogram()
    for (const value of values) record(histogram, value)
    for (const bound of [0.25, 1, 16, 64])
      expect(countBelow(histogram, bound)).toBe(values.filter((value) => value < bound).length)
  })
})
