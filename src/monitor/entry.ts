import { clear, createHistogram, type Histogram, merge, type SparseHistogram, toSparse } from "./histogram.ts"

/** How a statement is known: by PostgreSQL's fingerprint, by our guess where its text cannot be parsed, or not at all. */
export type Identity = "fingerprint" | "shape" | "other"

/** Sums over some executions. Times in milliseconds. */
export interface Tally {
  /** Time of each execution that reached the server, pool wait excluded: from sending to the last row. */
  readonly time: Histogram
  /** All calls, those that never got a connection included. */
  calls: number
  errors: number
  poolWait: number
  poolWaitMax: number
  /** From sending to the first protocol reply. */
  server: number
  transfer: number
  rows: number
  rowsMax: number
  /** Bytes received, over the calls where they are known. */
  bytes: number
  bytesCalls: number
  /** Calls by SQLSTATE or, where there is none, our code; null while there was no error. */
  states: Map<string, number> | null
}

/** One minute of one statement, kept and sent in this form. */
export interface MinuteRecord extends Omit<Tally, "time" | "states"> {
  readonly fingerprint: string
  /** Start of the minute, milliseconds since 1970 by the wall clock. */
  readonly minute: number
  /** End of the minute by the monotonic clock, which never jumps. */
  readonly until: number
  readonly time: SparseHistogram
  readonly states: readonly (readonly [string, number])[]
}

/** What is known of one statement. */
export interface Entry {
  readonly fingerprint: string
  readonly identity: Identity
  /** Normalised text: constants are `$n`. Null for "other" and for what cannot be parsed. */
  readonly text: string | null
  /** `SELECT orders customers`, at most 255 characters; null where unknown. */
  readonly summary: string | null
  /** Domains whose queries these were. */
  readonly names: Set<string>
  readonly current: Tally
  /** Since the start, without the current minute. */
  readonly lifetime: Tally
  /** Minutes of the last hour, oldest first. */
  readonly minutes: MinuteRecord[]
  /** Time in `minutes`. */
  minutesTime: number
  /** True when it gave up its place: what comes goes to "other". */
  gone: boolean
}

export function createTally(): Tally {
  return {
    time: createHistogram(),
    calls: 0,
    errors: 0,
    poolWait: 0,
    poolWaitMax: 0,
    server: 0,
    transfer: 0,
    rows: 0,
    rowsMax: 0,
    bytes: 0,
    bytesCalls: 0,
    states: null,
  }
}

export function createEntry(fingerprint: string, identity: Identity, text: string | null, summary: string | null): Entry {
  return {
    fingerprint,
    identity,
    text,
    summary,
    names: new Set(),
    current: createTally(),
    lifetime: createTally(),
    minutes: [],
    minutesTime: 0,
    gone: false,
  }
}

/** Adds all of `from` to `into`. */
export function mergeTally(into: Tally, from: Tally): void {
  merge(into.time, from.time)
  addSums(into, from)
  if (from.states !== null) for (const [state, n] of from.states) countState(into, state, n)
}

/** Adds everything but the histogram and the states. */
export function addSums(into: Tally, from: Omit<Tally, "time" | "states">): void {
  into.calls += from.calls
  into.errors += from.errors
  into.poolWait += from.poolWait
  if (from.poolWaitMax > into.poolWaitMax) into.poolWaitMax = from.poolWaitMax
  into.server += from.server
  into.transfer += from.transfer
  into.rows += from.rows
  if (from.rowsMax > into.rowsMax) into.rowsMax = from.rowsMax
  into.bytes += from.bytes
  into.bytesCalls += from.bytesCalls
}

export function countState(into: Tally, state: string, n: number): void {
  into.states ??= new Map()
  into.states.set(state, (into.states.get(state) ?? 0) + n)
}

export function clearTally(tally: Tally): void {
  clear(tally.time)
  tally.calls = 0
  tally.errors = 0
  tally.poolWait = 0
  tally.poolWaitMax = 0
  tally.server = 0
  tally.transfer = 0
  tally.rows = 0
  tally.rowsMax = 0
  tally.bytes = 0
  tally.bytesCalls = 0
  tally.states = null
}

export function minuteOf(fingerprint: string, tally: Tally, minute: number, until: number): MinuteRecord {
  const { time, states, ...sums } = tally
  return { ...sums, fingerprint, minute, until, time: toSparse(time), states: [...(states ?? [])] }
}
