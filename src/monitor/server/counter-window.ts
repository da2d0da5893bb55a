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

interface Round {
  readonly at: number
  /** What each row counted since the round before; rows that counted nothing are not in it. */
  readonly deltas: ReadonlyMap<string, Float64Array>
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
  #rounds: Round[] = []
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
    this.#rounds = this.#rounds.filter((one) => one.at > at - keptMs)
    this.#rounds.push({ at, deltas: this.#heaviest(deltas) })
    return { resets, firstSeen, vanished }
  }

  /** What each row counted in the rounds after `since` (monotonic). */
  sums(since: number): Map<string, Float64Array> {
    const sums = new Map<string, Float64Array>()
    for (const { at, deltas } of this.#rounds) {
      if (at <= since) continue
      for (const [key, delta] of deltas) add(sums, key, delta)
    }
    return sums
  }

  /** What the last round counted. */
  last(): ReadonlyMap<string, Float64Array> {
    return this.#rounds.at(-1)?.deltas ?? new Map()
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
  return now.map((value, at) => Math.max(0, value - before[at]!))
}

/** Adds a row of counters to what is there under a key. */
export function add(sums: Map<string, Float64Array>, key: string, delta: Float64Array): void {
  const sum = sums.get(key)
  if (sum === undefined) sums.set(key, delta.slice())
  else for (let at = 0; at < delta.length; at++) sum[at] = sum[at]! + delta[at]!
}
