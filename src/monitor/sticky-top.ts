/** A candidate for one of the places. */
export interface Weighed {
  readonly fingerprint: string
  readonly weight: number
}

const keptMs = 24 * 3_600_000
const displacement = 1.5

/**
 * The statements that have a series of their own. A place is kept for a day after its statement was last among the heaviest, and
 * given up before only to one of 1.5 times its weight: a plain top-N would make new series at each scrape.
 */
export class StickyTop {
  readonly #places = new Map<string, number>()
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  /** The fingerprints that have a place now; `now` by the monotonic clock. */
  choose(candidates: readonly Weighed[], now: number): ReadonlySet<string> {
    const sorted = [...candidates].sort((a, b) => b.weight - a.weight)
    const weights = new Map(sorted.map(({ fingerprint, weight }) => [fingerprint, weight]))
    for (const { fingerprint } of sorted.slice(0, this.#size))
      if (this.#places.has(fingerprint)) this.#places.set(fingerprint, now)
    for (const [fingerprint, since] of this.#places)
      if (now - since > keptMs || !weights.has(fingerprint)) this.#places.delete(fingerprint)
    for (const { fingerprint, weight } of sorted) {
      if (this.#places.has(fingerprint)) continue
      if (this.#places.size < this.#size) {
        this.#places.set(fingerprint, now)
        continue
      }
      let least: string | null = null
      let leastWeight = Number.POSITIVE_INFINITY
      for (const place of this.#places.keys())
        if (weights.get(place)! < leastWeight) {
          least = place
          leastWeight = weights.get(place)!
        }
      // Sorted by weight: who follows is lighter still.
      if (least === null || weight < displacement * leastWeight || weight === 0) break
      this.#places.delete(least)
      this.#places.set(fingerprint, now)
    }
    return new Set(this.#places.keys())
  }
}
