import type { CacheFigures } from "../alerts/evidence.ts"
import type { Entry } from "../entry.ts"
import { createHistogram, geometricMean, type Histogram, mergeSparse, percentile, toSparse } from "../histogram.ts"
import type { PlanChange } from "../plans/plan-log.ts"
import type { ServerStatement } from "../server/statements.ts"
import { type Baseline, type BaselineHour, Baselines, hourMs, hourOf } from "./baseline.ts"

/** A statement against its own past. Milliseconds. */
export interface Comparison {
  readonly fingerprint: string
  readonly summary: string | null
  /** Geometric mean now; the plain mean where only the server counted. */
  readonly middle: number
  readonly p95: number | null
  readonly n: number
  readonly baseline: Baseline
  /** middle / baseline.middle; NaN where it cannot be told yet. */
  readonly ratio: number
  /** True where the 95th percentile rose too, or is not known. */
  readonly confirmed: boolean
  readonly source: "client-histogram" | "pg_stat_statements"
}

/** A statement that became slower when its plan changed. */
export interface PlanRegression {
  readonly change: PlanChange
  readonly summary: string | null
  readonly before: number
  readonly after: number
  readonly n: number
  readonly ratio: number
}

/** A statement that was not there before and takes much of the time. */
export interface HeavyNewcomer {
  readonly fingerprint: string
  readonly summary: string | null
  readonly share: number
  readonly calls: number
  readonly time: number
}

export interface ServerHour extends BaselineHour {
  readonly fingerprint: string
}

const minuteMs = 60_000
const settleMs = 90_000
const cacheHits = "cache hits"
const cacheEffort = "cache effort"
/** An hour of the cache counts whole: what had too few blocks is not put. */
const enough = 1000
const fewestMinutes = 5
const windowMinutes = 60
/** Calls that the geometric mean of a window needs: fewer than this cry wolf. */
export const fewestCalls = 100
/** By how much a 95th percentile must have risen to bear a regression out. */
const confirmation = 1.25
const newForMs = 24 * hourMs
const newcomerWindowMs = 15 * minuteMs
/** All statements together must have kept a hundredth of a session busy: a share of nothing is nothing. */
const leastBusy = 0.01
const fewestAround = 20
/** What has been slow for a week is how it is now. */
const longestHoldMs = 7 * 24 * hourMs

/** What this process has seen of each statement's past, and what it says of the present. */
export class Regressions {
  readonly baselines: Baselines = new Baselines()
  /** When each statement was first seen, milliseconds since 1970. */
  readonly #firstSeen = new Map<string, number>()
  readonly #begunAt: number
  /** When watching began, by this process or one before it. */
  #startedAt: number
  #hour: number | null = null
  /** Statements that are slower than their past at present, and since when: their hours since then are no past to be compared with. */
  #slowSince: ReadonlyMap<string, number> = new Map()
  #serverHours: ServerHour[] = []

  /** `wall` is now, in milliseconds since 1970. */
  constructor(wall: number) {
    this.#begunAt = wall
    this.#startedAt = wall
  }

  /** What earlier processes knew: then what is new can be told at once. */
  restore(firstSeen: ReadonlyMap<string, number>, serverHours: readonly ServerHour[]): void {
    // What was there when watching began, or came within the hour after, is not new.
    this.#startedAt = Math.min(this.#startedAt, ...firstSeen.values())
    for (const hour of serverHours) this.baselines.put(serverKey(hour.fingerprint), hour)
    for (const [fingerprint, at] of firstSeen)
      this.#firstSeen.set(fingerprint, Math.min(at, this.#firstSeen.get(fingerprint) ?? Number.POSITIVE_INFINITY))
  }

  /** Called each minute, with all statements and what the server counted: ends hours, and notes who is new. */
  minute(wall: number, entries: Iterable<Entry>, server: readonly ServerStatement[] | null, cache: CacheFigures | null): void {
    // The last minute of an hour is at hand a little after it.
    const hour = Math.floor((wall - settleMs) / hourMs)
    const ended = this.#hour !== null && hour > this.#hour ? this.#hour * hourMs : null
    if (this.#hour === null || hour > this.#hour) this.#hour = hour
    const keys = new Set<string>()
    for (const entry of entries) {
      const { fingerprint, identity } = entry
      if (identity === "other") continue
      keys.add(fingerprint)
      if (!this.#firstSeen.has(fingerprint)) this.#firstSeen.set(fingerprint, wall)
      if (ended === null) continue
      const time = createHistogram()
      for (const record of entry.minutes)
        if (record.minute >= ended && record.minute < ended + hourMs) mergeSparse(time, record.time)
      const past = hourOf(ended, time)
      if (past !== null) this.baselines.put(fingerprint, past)
    }
    for (const statement of server ?? []) {
      const key = serverKey(statement.fingerprint)
      keys.add(key)
      if (ended === null) continue
      const past = { at: ended, n: statement.calls, middle: statement.mean, p95: null }
      this.baselines.put(key, past)
      this.#serverHours.push({ ...past, fingerprint: statement.fingerprint })
    }
    if (ended !== null && cache !== null) {
      this.baselines.put(cacheHits, { at: ended, n: enough, middle: cache.hitRatio, p95: null })
      this.baselines.put(cacheEffort, { at: ended, n: enough, middle: cache.effort, p95: null })
    }
    keys.add(cacheHits).add(cacheEffort)
    if (ended === null) return
    this.baselines.keep(keys)
    for (const fingerprint of this.#firstSeen.keys())
      if (!keys.has(fingerprint) && this.#firstSeen.size > 5000) this.#firstSeen.delete(fingerprint)
  }

  /** Every statement with enough calls and a past, against it. `now` is monotonic, `wall` milliseconds since 1970. */
  compare(now: number, wall: number, entries: Iterable<Entry>, server: readonly ServerStatement[] | null): Comparison[] {
    const found: Comparison[] = []
    const mine = new Set<string>()
    for (const entry of entries) {
      const { fingerprint, identity, summary } = entry
      if (identity === "other") continue
      mine.add(fingerprint)
      const baseline = this.baselines.of(fingerprint, wall, this.#heldAt(fingerprint, wall))
      if (baseline === null) continue
      const time = recent(entry, now)
      // Within its first hour a process has not seen enough calls to say that all is well.
      const cannotTell = time.count < fewestCalls && wall - this.#begunAt < hourMs
      if (time.count === 0 || (time.count < fewestCalls && !cannotTell)) continue
      const middle = geometricMean(time)!
      const p95 = percentile(time, 0.95)
      found.push({
        fingerprint,
        summary,
        middle,
        p95,
        n: time.count,
        baseline,
        ratio: cannotTell ? Number.NaN : middle / baseline.middle,
        confirmed: baseline.p95 === null || p95 === null || p95 > confirmation * baseline.p95,
        source: "client-histogram",
      })
    }
    for (const { fingerprint, summary, mean, calls } of server ?? []) {
      // What runs through this process is known better from here.
      if (mine.has(fingerprint) || calls < fewestCalls) continue
      const baseline = this.baselines.of(serverKey(fingerprint), wall, this.#heldAt(fingerprint, wall))
      if (baseline === null) continue
      const ratio = mean / baseline.middle
      found.push({
        fingerprint,
        summary,
        middle: mean,
        p95: null,
        n: calls,
        baseline,
        ratio,
        confirmed: true,
        source: "pg_stat_statements",
      })
    }
    return found
  }

  /**
   * Says which statements are slower than their past, and since when (milliseconds since 1970): their past stays as it was, so that slow
   * does not become usual within the day.
   */
  hold(slow: ReadonlyMap<string, number>): void {
    this.#slowSince = slow
  }

  /** How the database read its blocks in past hours; null while too little is known. */
  cacheBaseline(wall: number): CacheFigures | null {
    const hits = this.baselines.of(cacheHits, wall)
    const effort = this.baselines.of(cacheEffort, wall)
    return hits === null || effort === null ? null : { hitRatio: hits.middle, effort: effort.middle }
  }

  /** Hours of the server's statements that ended since the last call, to be kept over a restart. */
  takeServerHours(): readonly ServerHour[] {
    const taken = this.#serverHours
    this.#serverHours = []
    return taken
  }

  #heldAt(fingerprint: string, wall: number): number | undefined {
    const since = this.#slowSince.get(fingerprint)
    return since === undefined || wall - since > longestHoldMs ? undefined : since
  }

  /** Statements whose plan changed within the last hour, before and after. `now` is monotonic. */
  comparePlans(now: number, wall: number, entries: ReadonlyMap<string, Entry>, changes: readonly PlanChange[]): PlanRegression[] {
    return changes.flatMap((change): PlanRegression[] => {
      const entry = entries.get(change.fingerprint)
      if (entry === undefined || now - change.at > windowMinutes * minuteMs) return []
      const before = createHistogram()
      const after = createHistogram()
      // A minute that ended before the change is before it; the one in which it fell is neither.
      for (const { until, time } of entry.minutes) {
        if (until <= change.at) mergeSparse(before, time)
        else if (until - minuteMs >= change.at) mergeSparse(after, time)
      }
      const past = this.baselines.of(change.fingerprint, wall, wall - (now - change.at))
      const was = past?.middle ?? (before.count < fewestAround ? null : geometricMean(before))
      const is = after.count < fewestAround ? null : geometricMean(after)
      if (was === null || is === null) return []
      return [{ change, summary: entry.summary, before: was, after: is, n: after.count, ratio: is / was }]
    })
  }

  /** Statements first seen within a day that take a part of the time; none while it is not known what is new. */
  newcomers(now: number, wall: number, entries: Iterable<Entry>): HeavyNewcomer[] {
    // In the first hour everything would be new.
    const knownSince = this.#startedAt + hourMs
    if (wall < knownSince) return []
    const windows = [...entries].map((entry) => ({ entry, ...lastMinutes(entry, now - newcomerWindowMs) }))
    const total = windows.reduce((sum, { time }) => sum + time, 0)
    if (total < leastBusy * newcomerWindowMs) return []
    return windows.flatMap(({ entry, time, calls }) => {
      const { fingerprint, summary, identity } = entry
      const first = this.#firstSeen.get(fingerprint)
      if (identity === "other" || first === undefined || first < knownSince || wall - first > newForMs) return []
      return [{ fingerprint, summary, share: time / total, calls, time }]
    })
  }
}

function serverKey(fingerprint: string): string {
  return `server ${fingerprint}`
}

/** The shortest run of last minutes with enough calls, at least five, at most an hour: soon enough to be of use, long enough to be sure. */
function recent(entry: Entry, now: number): Histogram {
  const time = createHistogram()
  const { minutes } = entry
  if (entry.current.time.count > 0) mergeSparse(time, toSparse(entry.current.time))
  for (let at = minutes.length - 1; at >= 0; at--) {
    const age = now - minutes[at]!.until
    if ((time.count >= fewestCalls && age >= fewestMinutes * minuteMs) || age >= windowMinutes * minuteMs) break
    mergeSparse(time, minutes[at]!.time)
  }
  return time
}

function lastMinutes(entry: Entry, since: number): { readonly time: number; readonly calls: number } {
  let time = entry.current.time.sum
  let { calls } = entry.current
  for (const record of entry.minutes) {
    if (record.until <= since) continue
    time += record.time.sum
    calls += record.calls
  }
  return { time, calls }
}
