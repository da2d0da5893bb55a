/** One row of a reading of counters that only rise. */
export interface CounterRow {
  readonly key: string
  /** Equal to the one before when nothing was counted since: the counters are then not looked at. Null: look. */
  readonly token: string | null
  /** Since when the server counts this row, milliseconds since 1970 by its clock; null where it does not say (before 17). */
  readonly since: number | null
  readonly counters: () => Float64Array
}

/** What one reading was worth. */
export interface Absorbed {
  /** Rows whose counters began anew since the reading before: what they counted until then is lost. */
  readonly resets: number
  /** Rows seen for the first time whose age is not known: they count from here on. */
  readonly firstSeen: number
  /** Rows that are gone: forgotten by the server, or dropped. */
  readonly vanished: number
}

/** What a row has counted since we watch, resets made up for: at each round in which it counted. Oldest first. */
interface Series {
  readonly at: number[]
  readonly sums: Float64Array[]
  /** The first of them is from before the hour: what the rest is counted from. */
  cut: boolean
}

export interface CounterWindowOptions {
  /** Counters of a row. */
  readonly width: number
  /** How many of them, from the first, can never fall; one that does shows a reset. Default: all. */
  readonly monotone?: number | undefined
  /** Rows of a round that are kept one by one, the heaviest by this counter; the others add up under `otherKey`. Default: all. */
  readonly heaviest?: { readonly rows: number; readonly by: number } | undefined
}

/** All rows that have no place of their own. */
export const otherKey = "other"
const keptMs = 3_600_000

interface Known {
  token: string | null
  counters: Float64Array
  since: number | null
  round: number
}

/**
 * Counters of a server over the last hour, from cumulative readings. The rules of a difference: a counter that fell, or a row that says
 * it began later than the one before, was reset, and counts from zero; a row seen for the first time counts from here on, unless it
 * says that it began since the last reading.
 */
export class CounterWindow {
  readonly #options: CounterWindowOptions
  readonly #known = new Map<string, Known>()
  readonly #series = new Map<string, Series>()
  #last: ReadonlyMap<string, Float64Array> = new Map()
  #number = 0
  /** The server's clock at the last reading. */
  #serverNow: number | null = null
  #zeroed = false

  constructor(options: CounterWindowOptions) {
    this.#options = options
  }

  /** Forgets what was read, not what was counted: the next reading is compared with nothing. */
  restart(): void {
    this.#known.clear()
    this.#serverNow = null
  }

  /** Takes the counters of all rows for zero: the server has set them back. What is read next was counted since. */
  zero(): void {
    for (const known of this.#known.values()) {
      known.counters = known.counters.map(() => 0)
      known.token = null
      known.since = null
    }
    this.#zeroed = true
  }

  /**
   * Takes a reading made at `at` (monotonic), when the server's clock showed `serverNow`. `present` are the keys of all rows there are, where
   * the reading has only those that changed.
   */
  absorb(at: number, serverNow: number | null, rows: Iterable<CounterRow>, present: ReadonlySet<string> | null = null): Absorbed {
    const deltas = new Map<string, Float64Array>()
    const before = this.#serverNow
    const round = ++this.#number
    let resets = 0
    let firstSeen = 0
    for (const row of rows) {
      const known = this.#known.get(row.key)
      if (known !== undefined && row.token !== null && known.token === row.token && known.since === row.since) {
        known.round = round
        continue
      }
      const counters = row.counters()
      if (known === undefined) {
        const began = row.since !== null && before !== null && row.since > before
        if (began || this.#zeroed) deltas.set(row.key, counters)
        else firstSeen++
      } else if (this.#zeroed) {
        resets++
        deltas.set(row.key, counters)
      } else if (row.since !== known.since || this.#fell(known.counters, counters)) {
        resets++
        deltas.set(row.key, counters)
      } else deltas.set(row.key, difference(counters, known.counters))
      this.#known.set(row.key, { token: row.token, counters, since: row.since, round })
    }
    this.#zeroed = false
    let vanished = 0
    for (const [key, known] of this.#known)
      if (present === null ? known.round !== round : !present.has(key)) {
        this.#known.delete(key)
        vanished++
      }
    this.#serverNow = serverNow
    this.#last = this.#heaviest(deltas)
    this.#extend(at)
    return { resets, firstSeen, vanished }
  }

  /** What each row counted in the rounds after `since` (monotonic); rows that counted nothing are left out. */
  sums(since: number): Map<string, Float64Array> {
    const sums = new Map<string, Float64Array>()
    for (const [key, { at, sums: known, cut }] of this.#series) {
      const end = known.length - 1
      if (at[end]! <= since) continue
      let start = end
      while (start >= 0 && at[start]! > since) start--
      if (start < 0 && cut) start = 0
      sums.set(key, start < 0 ? known[end]!.slice() : difference(known[end]!, known[start]!))
    }
    return sums
  }

  /** What the last round counted. */
  last(): ReadonlyMap<string, Float64Array> {
    return this.#last
  }

  #extend(at: number): void {
    for (const [key, delta] of this.#last) {
      let series = this.#series.get(key)
      if (series === undefined) {
        series = { at: [], sums: [], cut: false }
        this.#series.set(key, series)
      }
      const before = series.sums.at(-1)
      series.at.push(at)
      const sum = delta.slice()
      if (before !== undefined) for (let index = 0; index < sum.length; index++) sum[index] = sum[index]! + before[index]!
      series.sums.push(sum)
    }
    for (const [key, series] of this.#series) {
      const { at: times, sums } = series
      if (times.at(-1)! <= at - keptMs) {
        this.#series.delete(key)
        continue
      }
      while (times.length > 1 && times[1]! <= at - keptMs) {
        times.shift()
        sums.shift()
      }
      series.cut = times[0]! <= at - keptMs
    }
  }

  #fell(before: Float64Array, now: Float64Array): boolean {
    const monotone = this.#options.monotone ?? this.#options.width
    for (let at = 0; at < monotone; at++) if (now[at]! < before[at]!) return true
    return false
  }

  #heaviest(deltas: Map<string, Float64Array>): ReadonlyMap<string, Float64Array> {
    const { heaviest } = this.#options
    if (heaviest === undefined || deltas.size <= heaviest.rows) return deltas
    const sorted = [...deltas].sort(([, a], [, b]) => b[heaviest.by]! - a[heaviest.by]!)
    const kept = new Map(sorted.slice(0, heaviest.rows))
    for (const [, delta] of sorted.slice(heaviest.rows)) add(kept, otherKey, delta)
    return kept
  }
}

function difference(now: Float64Array, before: Float64Array): Float64Array {
  const delta = new Float64Array(now.length)
  for (let at = 0; at < delta.length; at++) delta[at] = Math.max(0, now[at]! - before[at]!)
  return delta
}

/** Adds a row of counters to what is there under a key. */
export function add(sums: Map<string, Float64Array>, key: string, delta: Float64Array): void {
  const sum = sums.get(key)
  if (sum === undefined) sums.set(key, delta.slice())
  else for (let at = 0; at < delta.length; at++) sum[at] = sum[at]! + delta[at]!
}
