import {
  addSums,
  clearTally,
  countState,
  createEntry,
  createTally,
  type Entry,
  type Identity,
  type MinuteRecord,
  mergeTally,
  minuteOf,
  type Tally,
} from "./entry.ts"
import { mergeSparse } from "./histogram.ts"

/** How much longer than the least entry a newcomer must have run to get its place. */
const displacement = 1.5
const windowMs = 3_600_000

/**
 * The statements that take the most time, at most so many; all others together are "other". Nothing is ever lost from the totals: who
 * gives up a place is added to "other".
 */
export class StatementStore {
  readonly other: Entry = createEntry("other", "other", null, null)
  readonly #entries = new Map<string, Entry>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#entries.size
  }

  get full(): boolean {
    return this.#entries.size >= this.#capacity
  }

  get(fingerprint: string): Entry | undefined {
    return this.#entries.get(fingerprint)
  }

  /** Every entry, "other" last. */
  *all(): Generator<Entry> {
    yield* this.#entries.values()
    yield this.other
  }

  add(fingerprint: string, identity: Identity, text: string | null, summary: string | null): Entry {
    const entry = createEntry(fingerprint, identity, text, summary)
    this.#entries.set(fingerprint, entry)
    return entry
  }

  /**
   * Makes room for newcomers whose calls took `times` milliseconds while they counted as "other": each displaces the entry with
   * the least time when it took 1.5 times as much. Gives the number of newcomers, greatest first, that may enter.
   */
  displace(times: readonly number[]): number {
    const entries = [...this.#entries.values()].sort((a, b) => timeOf(a) - timeOf(b))
    let admitted = 0
    for (const time of times) {
      const least = entries[admitted]
      if (least === undefined || time < displacement * timeOf(least)) break
      this.#fold(least)
      admitted++
    }
    return admitted
  }

  /** Ends the current minute of every entry and gives its record; what is older than an hour leaves the window. */
  roll(minute: number, now: number): MinuteRecord[] {
    const records: MinuteRecord[] = []
    for (const entry of this.all()) {
      while (entry.minutes.length > 0 && entry.minutes[0]!.until < now - windowMs) {
        entry.minutesTime -= entry.minutes.shift()!.time.sum
      }
      if (entry.current.calls > 0) {
        const record = minuteOf(entry.fingerprint, entry.current, minute, now)
        records.push(record)
        entry.minutes.push(record)
        entry.minutesTime += record.time.sum
        mergeTally(entry.lifetime, entry.current)
        clearTally(entry.current)
      } else if (entry.minutes.length === 0 && entry !== this.other && this.full) this.#fold(entry)
    }
    return records
  }

  #fold(entry: Entry): void {
    entry.gone = true
    this.#entries.delete(entry.fingerprint)
    mergeTally(this.other.lifetime, entry.lifetime)
    mergeTally(this.other.current, entry.current)
    // The window of "other" keeps one record a minute.
    for (const record of entry.minutes) addMinute(this.other, record)
  }
}

/** Executions of an entry in the window that began at `since` by the monotonic clock. */
export function windowOf(entry: Entry, since: number): { readonly tally: Tally; readonly peakPerMinute: number } {
  const tally = createTally()
  mergeTally(tally, entry.current)
  let peakPerMinute = entry.current.calls
  for (const record of entry.minutes) {
    if (record.until < since) continue
    addRecord(tally, record)
    if (record.calls > peakPerMinute) peakPerMinute = record.calls
  }
  return { tally, peakPerMinute }
}

/** Adds a minute's record to a tally. */
export function addRecord(into: Tally, record: MinuteRecord): void {
  mergeSparse(into.time, record.time)
  addSums(into, record)
  for (const [state, n] of record.states) countState(into, state, n)
}

/** Everything since the start. */
export function lifetimeOf(entry: Entry): Tally {
  const tally = createTally()
  mergeTally(tally, entry.lifetime)
  mergeTally(tally, entry.current)
  return tally
}

function timeOf(entry: Entry): number {
  return entry.minutesTime + entry.current.time.sum
}

function addMinute(other: Entry, record: MinuteRecord): void {
  const at = other.minutes.findIndex((one) => one.until >= record.until)
  const there = other.minutes[at]
  other.minutesTime += record.time.sum
  if (there?.until === record.until) {
    const sum = createTally()
    addRecord(sum, there)
    addRecord(sum, record)
    other.minutes[at] = minuteOf("other", sum, there.minute, there.until)
  } else other.minutes.splice(at === -1 ? other.minutes.length : at, 0, { ...record, fingerprint: "other" })
}
