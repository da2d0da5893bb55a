import { type Absorbed, CounterWindow, otherKey } from "./counter-window.ts"
import { counterAt, idOf, type StatementCounter, type StatementsReading, statementCounters } from "./parts/statements.ts"
import type { StatementNames } from "./statement-names.ts"

/** What the server counted of one statement in a window, whoever sent it. Times in milliseconds, sizes in bytes. */
export interface ServerStatement {
  /** Of all statements without a place of their own: "other". */
  readonly fingerprint: string
  readonly summary: string | null
  /** Constants are `$n`. Null for utility commands, whose text may hold values. */
  readonly text: string | null
  /** The server's own ids of it, as text: they do not fit a number. */
  readonly queryIds: readonly string[]
  readonly calls: number
  readonly time: number
  /** Its part of the time of all statements, 0 to 1. */
  readonly share: number
  readonly mean: number
  /** Standard deviation of the window's calls. */
  readonly deviation: number
  /** No more than this is the 95th percentile (Cantelli's inequality): the server keeps no distribution. Null below two calls. */
  readonly p95AtMost: number | null
  /** Rows returned or affected. */
  readonly rows: number
  readonly sharedHitBytes: number
  readonly sharedReadBytes: number
  /** Of the blocks asked for, the part found in shared_buffers; null below 1,000 blocks. What was read may still come from the system's cache. */
  readonly sharedHitRatio: number | null
  readonly tempWrittenBytes: number
  /** Waiting for blocks; null without track_io_timing. */
  readonly ioTime: number | null
  readonly walBytes: number
  /** Null where planning is not tracked (pg_stat_statements.track_planning). */
  readonly planTime: number | null
  /** Null before PostgreSQL 15. */
  readonly jitTime: number | null
  readonly source: "pg_stat_statements"
}

/** How far {@link ServerStatement}s can be trusted. */
export interface StatementCoverage {
  /** Times in the window that the server forgot statements to make room; before 14, where it does not say, as their disappearing shows. */
  readonly evictions: number
  /** Statements whose counters began anew in the window: what they had counted since the last reading is lost. */
  readonly resets: number
  /** Statements of this database that were gone from one reading to the next. */
  readonly vanished: number
  /** Statements seen for the first time in the window that may be older: they count from the next reading on. None from 17 on, which says. */
  readonly firstSeen: number
  /** Statements whose text this role may not see. */
  readonly hidden: number
  /** Statements that are not identified yet. */
  readonly unidentified: number
  /** False when any of it means that something was missed. */
  readonly complete: boolean
}

const kept = 500
const leastBlocks = 1000

interface Event {
  readonly at: number
  readonly evictions: number
  readonly resets: number
  readonly vanished: number
  readonly firstSeen: number
}

/** The statements of the server over the last hour. */
export class Statements {
  readonly names: StatementNames
  readonly #window = new CounterWindow({
    width: statementCounters.length,
    // The sum of squares is worked out from rounded figures, and may fall by a hair.
    monotone: statementCounters.length - 1,
    heaviest: { rows: kept, by: counterAt.time },
  })
  #events: Event[] = []
  #evictions: number | null = null
  #hidden = 0
  #rows = 0
  #unknown: ReadonlySet<StatementCounter> = new Set()
  #statsReset: number | null = null
  /** Time that our own statements took on the server in the last round; null before the second one. */
  ownTime: number | null = null

  constructor(names: StatementNames) {
    this.names = names
  }

  restart(): void {
    this.#window.restart()
    this.#statsReset = null
    this.#evictions = null
    this.ownTime = null
  }

  absorb(at: number, serverNow: number | null, reading: StatementsReading): void {
    const { rows, keys, statsReset } = reading
    this.names.seen(new Set([...keys].map(idOf)))
    this.#unknown = reading.unknown
    // Null is a version that does not say, which an update of the extension ends.
    if (this.#statsReset !== null && statsReset !== null && statsReset !== this.#statsReset) this.#window.zero()
    this.#statsReset = statsReset
    const changed = rows.map(({ key, since, counters }) => ({ key, token: null, since, counters: () => counters }))
    const absorbed: Absorbed = this.#window.absorb(at, serverNow, changed, keys)
    const before = this.#evictions
    const { evictions } = reading
    this.#evictions = evictions
    this.#hidden = reading.hidden
    this.#events = this.#events.filter((event) => event.at > at - 3_600_000)
    this.#events.push({
      at,
      // It falls when somebody resets it.
      evictions:
        evictions === null ? guessed(absorbed.vanished, this.#rows) : before === null ? 0 : Math.max(0, evictions - before),
      resets: absorbed.resets,
      vanished: absorbed.vanished,
      // All of the first reading are, which is no news.
      firstSeen: this.#events.length === 0 ? 0 : absorbed.firstSeen,
    })
    this.#rows = keys.size
    this.ownTime = this.#own()
  }

  /** Every statement that was called after `since` (monotonic), most time first, "other" last. */
  figures(since: number, blockSize: number, ioTimed: boolean): ServerStatement[] {
    const groups = new Map<string, { readonly ids: Set<string>; readonly sum: Float64Array }>()
    for (const [key, delta] of this.#window.sums(since)) {
      const id = key === otherKey ? null : idOf(key)
      const name = id === null ? undefined : this.names.get(id)
      if (name?.own === true || delta[counterAt.calls] === 0) continue
      const fingerprint = id === null ? otherKey : (name?.fingerprint ?? `queryid:${id}`)
      const group = groups.get(fingerprint)
      if (group === undefined) groups.set(fingerprint, { ids: new Set(id === null ? [] : [id]), sum: delta })
      else {
        for (let index = 0; index < delta.length; index++) group.sum[index] = group.sum[index]! + delta[index]!
        if (id !== null) group.ids.add(id)
      }
    }
    let total = 0
    for (const { sum } of groups.values()) total += sum[counterAt.time]!
    const figures = [...groups].map(([fingerprint, { ids, sum }]) =>
      this.#figure(fingerprint, [...ids], sum, total, blockSize, ioTimed),
    )
    return figures.sort((a, b) => rank(a) - rank(b) || b.time - a.time)
  }

  /** What was counted in the last round, by fingerprint; null where it is not known yet, or has no place. Ours is left out. */
  *last(): Generator<readonly [fingerprint: string | null, delta: Float64Array]> {
    for (const [key, delta] of this.#window.last()) {
      const name = key === otherKey ? undefined : this.names.get(idOf(key))
      if (name?.own !== true) yield [name?.fingerprint ?? null, delta]
    }
  }

  /** Times that the server made room in the last round. */
  get lastEvictions(): number {
    return this.#events.at(-1)?.evictions ?? 0
  }

  coverage(since: number): StatementCoverage {
    const events = this.#events.filter((event) => event.at > since)
    const sum = (of: (event: Event) => number): number => events.reduce((total, event) => total + of(event), 0)
    const evictions = sum((event) => event.evictions)
    const resets = sum((event) => event.resets)
    const vanished = sum((event) => event.vanished)
    return {
      evictions,
      resets,
      vanished,
      firstSeen: sum((event) => event.firstSeen),
      hidden: this.#hidden,
      unidentified: this.names.waiting,
      complete: evictions === 0 && resets === 0 && vanished === 0 && this.#hidden === 0,
    }
  }

  #own(): number {
    let time = 0
    for (const [key, delta] of this.#window.last())
      if (key !== otherKey && this.names.get(idOf(key))?.own === true) time += delta[counterAt.time]! + delta[counterAt.planMs]!
    return time
  }

  #figure(
    fingerprint: string,
    queryIds: readonly string[],
    sum: Float64Array,
    total: number,
    blockSize: number,
    ioTimed: boolean,
  ): ServerStatement {
    const of = (name: StatementCounter): number => sum[counterAt[name]]!
    const where = (name: StatementCounter, value: number): number | null => (this.#unknown.has(name) ? null : value)
    const calls = of("calls")
    const mean = of("time") / calls
    const deviation = Math.sqrt(Math.max(0, of("squares") / calls - mean ** 2))
    const blocks = of("sharedHit") + of("sharedRead")
    const described = fingerprint === otherKey ? null : this.names.describe(fingerprint)
    return {
      fingerprint,
      summary: described?.summary ?? null,
      text: described?.text ?? null,
      queryIds,
      calls,
      time: of("time"),
      share: total === 0 ? 0 : of("time") / total,
      mean,
      deviation,
      p95AtMost: calls < 2 ? null : mean + cantelli95 * deviation,
      rows: of("rows"),
      sharedHitBytes: of("sharedHit") * blockSize,
      sharedReadBytes: of("sharedRead") * blockSize,
      sharedHitRatio: blocks < leastBlocks ? null : of("sharedHit") / blocks,
      tempWrittenBytes: of("tempWritten") * blockSize,
      ioTime: ioTimed ? of("ioMs") : null,
      walBytes: of("walBytes"),
      planTime: of("plans") === 0 ? null : of("planMs"),
      jitTime: where("jitMs", of("jitMs")),
      source: "pg_stat_statements",
    }
  }
}

/** The server forgets 10 statements or more at a time, and never most of them: that is a reset. */
function guessed(vanished: number, of: number): number {
  return vanished >= 10 && vanished < of / 2 ? 1 : 0
}

/** Cantelli's inequality: P(X >= mean + k·sd) <= 1 / (1 + k²), and 1 / (1 + k²) is 0.05 for this k. */
const cantelli95 = Math.sqrt(19)

function rank(statement: ServerStatement): number {
  return statement.fingerprint === otherKey ? 1 : 0
}
