/** `selecto.cache.stats()`. */
export interface CacheStats {
  readonly hits: number
  /** Of the hits, results that were no longer valid: staleWhileRevalidate. */
  readonly stale: number
  readonly misses: number
  /** Callers that waited for another's statement and took its rows. */
  readonly joined: number
  /** Runs past the cache, by reason. */
  readonly bypasses: Readonly<Record<string, number>>
  /** Results that were not kept because something had changed meanwhile. */
  readonly discarded: number
  /** Changes that were heard of, and calls of invalidate() and clear(). */
  readonly invalidations: number
  readonly entries: number
  /** Bytes that they take, as they are measured. */
  readonly bytes: number
  /** What the database took for the results that it was not asked for, milliseconds. */
  readonly savedMs: number
}

/** Counts. */
export class Counters {
  hits = 0
  stale = 0
  misses = 0
  joined = 0
  discarded = 0
  invalidations = 0
  savedMs = 0
  readonly #bypasses = new Map<string, number>()

  bypass(reason: string): void {
    // Reasons name tables and functions: a program that makes up names must not fill the memory with them.
    const name = this.#bypasses.has(reason) || this.#bypasses.size < 200 ? reason : "other"
    this.#bypasses.set(name, (this.#bypasses.get(name) ?? 0) + 1)
  }

  read(entries: number, bytes: number): CacheStats {
    const { hits, stale, misses, joined, discarded, invalidations, savedMs } = this
    const bypasses = Object.fromEntries(this.#bypasses)
    return { hits, stale, misses, joined, bypasses, discarded, invalidations, entries, bytes, savedMs }
  }
}
