import type { Session } from "../../database/database.ts"
import { Lock } from "../../database/lock.ts"
import { isSelectoError } from "../../errors.ts"
import { loadShapes, loadSql } from "../../sql/index.ts"
import { summaryOf } from "../identities.ts"
import type { MonitorPorts } from "../ports.ts"
import type { Clock } from "../recorder.ts"
import { type ServerSession, sessionOf } from "./activity.ts"
import { type Columns, readColumns } from "./columns.ts"
import type { Gap, PartFailure } from "./gaps.ts"
import { Leader, type OtherCollector } from "./leader.ts"
import { identityPart, serverKey } from "./parts/identity.ts"
import { createParts, type PartName, type Parts, type Readings } from "./parts/index.ts"
import { readBlocked, readSessions, readTexts, type SessionRow } from "./parts/sessions.ts"
import { idOf, readStatementTexts } from "./parts/statements.ts"
import { type Reader, readerOf } from "./reader.ts"
import { ServerState } from "./state.ts"
import { fingerprintOf, StatementNames } from "./statement-names.ts"
import { type UpkeepReader, upkeepReader } from "./upkeep.ts"

export interface CollectorSettings {
  readonly intervalMs: number
  readonly sampleMs: number
  readonly timeoutMs: number
  readonly textsMs: number
  readonly upkeepMs: number
  readonly exclusive: boolean
}

/** Whether the server's figures can be trusted, and what they cost. */
export interface CollectorHealth {
  /**
   * "waiting" before the first round; "collecting"; "standby": another process does; "failing": the last round failed; "stopped".
   */
  readonly state: "waiting" | "collecting" | "standby" | "failing" | "stopped"
  readonly lastSuccess: Date | null
  /** Rounds in a row that failed. */
  readonly missed: number
  /** Of the missed ones, whether the server could be reached at all. */
  readonly reachable: boolean
  /** Why the last round failed: a code and a sentence; null after a success. */
  readonly lastError: { readonly code: string; readonly message: string } | null
  /** Milliseconds that the last round took, all in all. */
  readonly roundTime: number | null
  /** Milliseconds that the server spent on our statements in the last round, by its own count; null where it does not count. */
  readonly serverTime: number | null
  /** Who collects, when another process does. */
  readonly other: OtherCollector | null
}

/** A part that takes longer than this part of an interval is read so much less often. */
const partBudget = 1 / 100
/** Sessions whose statement is known by its text, in one sample; and how long a transaction must last to be one of them. */
const lookedUp = 50
const longMs = 1000
/** Rounds until the upkeep of indexes is looked at again, when that failed. */
const upkeepAgain = 10

/**
 * Asks the server for its figures, round by round, and samples what its sessions do. Ends with stop(); a round that fails is counted and
 * the next one tried as if nothing had happened. Keeps no process alive.
 */
export class Collector {
  readonly state: ServerState
  readonly #settings: CollectorSettings
  readonly #clock: Clock
  readonly #leader: Leader
  readonly #names: StatementNames
  readonly #turn = new Lock()
  readonly #upkeep: UpkeepReader | null
  readonly #due = new Map<PartName, number>()
  #columns: Columns | null = null
  #parts: Parts = createParts()
  /** Which server the parts were made for. */
  #server: string | null = null
  #timers: NodeJS.Timeout[] = []
  #number = 0
  #stopped = false
  #upkeepAt: number | null = null
  #reading: Promise<void> | null = null
  readonly #abort = new AbortController()
  #lastSuccess: number | null = null
  #lastRoundAt: number | null = null
  #missed = 0
  #reachable = true
  #lastError: CollectorHealth["lastError"] = null
  #roundTime: number | null = null
  #other: OtherCollector | null | undefined

  constructor(ports: MonitorPorts, settings: CollectorSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.#leader = new Leader(ports.database!, settings.exclusive, settings.timeoutMs)
    this.#names = new StatementNames(settings.textsMs)
    this.state = new ServerState(this.#names)
    this.#upkeep = ports.indexes === null ? null : upkeepReader(ports.indexes)
  }

  get intervalMs(): number {
    return this.#settings.intervalMs
  }

  /** When the last round succeeded here, monotonic; null before the first. */
  get lastRoundAt(): number | null {
    return this.#lastRoundAt
  }

  /** Since when indexes were seen unused, by "schema.index"; to be kept over a restart. */
  get unusedSince(): Map<string, number> {
    return this.#upkeep?.unusedSince ?? new Map()
  }

  /** What is missing of the figures, and what to do. */
  gaps(): Gap[] {
    const gaps = this.state.gaps()
    return this.#leader.pooled ? [...gaps, pooledGap] : gaps
  }

  /** Begins: a round now and each interval, samples in between. */
  start(): void {
    if (this.#timers.length > 0 || this.#stopped) return
    this.#repeat(0, 0, this.#settings.intervalMs, () => this.#take(false))
    this.#repeat(1, this.#settings.sampleMs, this.#settings.sampleMs, () => this.sample())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#abort.abort()
    await this.#reading
    const free = await this.#turn.take()
    await this.#leader.leave()
    free()
  }

  /** One round now, of everything. Never rejects: what went wrong is in health(). */
  collect(): Promise<void> {
    return this.#take(true)
  }

  /** One sample now, where we are the one who collects. Never rejects. */
  async sample(): Promise<void> {
    const free = await this.#turn.take()
    try {
      if (this.#stopped || this.#columns === null) return
      await this.#seated((session) => this.#sample(readerOf(session, this.#columns!, this.#settings.timeoutMs)))
    } catch {
      // The next round finds out what is wrong.
    } finally {
      free()
    }
  }

  health(): CollectorHealth {
    const state = this.#stopped
      ? "stopped"
      : this.#missed > 0
        ? "failing"
        : this.#other !== undefined
          ? "standby"
          : this.#lastSuccess === null
            ? "waiting"
            : "collecting"
    return {
      state,
      lastSuccess: this.#lastSuccess === null ? null : new Date(this.#lastSuccess),
      missed: this.#missed,
      reachable: this.#reachable,
      lastError: this.#lastError,
      roundTime: this.#roundTime,
      serverTime: this.state.statements.ownTime,
      other: this.#other ?? null,
    }
  }

  async #take(whole: boolean): Promise<void> {
    const free = await this.#turn.take()
    try {
      if (!this.#stopped) await this.#collect(whole)
    } finally {
      free()
    }
  }

  async #collect(whole: boolean): Promise<void> {
    const start = performance.now()
    try {
      const seated = await this.#seated((session) => this.#round(session, whole))
      if (seated) {
        this.#readUpkeep()
        this.#lastSuccess = this.#clock.wall()
        this.#lastRoundAt = this.#clock.monotonic()
        this.#roundTime = performance.now() - start
      }
      this.#missed = 0
      this.#reachable = true
      this.#lastError = null
    } catch (error) {
      this.#missed++
      this.#reachable = !isDown(error)
      this.#lastError = lastErrorOf(error)
      this.#columns = null
      // What was read and not absorbed is read again.
      this.#parts = createParts()
    }
  }

  /** Runs `work` with the collector's session; false where another process collects. */
  async #seated(work: (session: Session) => Promise<void>): Promise<boolean> {
    for (let again = false; ; again = true) {
      const seat = await this.#leader.take()
      if (seat.session === null) {
        this.#other = seat.other
        return false
      }
      this.#other = undefined
      try {
        await work(seat.session)
        if (!seat.kept) seat.session.release()
        return true
      } catch (error) {
        const broken = isUnreachable(error)
        if (!seat.kept) seat.session.release(broken)
        else if (broken) this.#leader.lose()
        // The session may have ended long ago, by a restart or a timeout for idle ones: that is no failure of this round.
        if (!broken || again || !seat.kept) throw error
        this.#columns = null
      }
    }
  }

  async #round(session: Session, whole: boolean): Promise<void> {
    const { timeoutMs } = this.#settings
    this.#columns ??= await readColumns(session, timeoutMs)
    const reader = readerOf(session, this.#columns, timeoutMs)
    const identity = await identityPart.read(reader)
    if (serverKey(identity) !== this.#server) this.#parts = createParts()
    this.#server = serverKey(identity)
    const parts = this.#parts
    const at = this.#clock.monotonic()
    const wall = this.#clock.wall()
    const readings: Readings = {}
    const failures: PartFailure[] = []
    const round = this.#number++
    for (const name of Object.keys(parts) as PartName[]) {
      if (!whole && (this.#due.get(name) ?? 0) > round) continue
      const start = performance.now()
      try {
        Object.assign(readings, { [name]: await parts[name].read(reader) })
      } catch (error) {
        if (isUnreachable(error)) throw error
        failures.push(failureOf(name, error))
        // An extension that was updated or dropped has other columns now.
        this.#columns = null
      }
      const cost = (performance.now() - start) / (partBudget * this.#settings.intervalMs)
      const rounds = Math.max(parts[name].every, Math.ceil(cost))
      this.#due.set(name, round + (name in readings ? rounds : 1))
    }
    await this.#readTexts(reader, readings)
    await this.#sample(reader)
    this.state.absorb({ at, wall, identity, extension: reader.columns.extension, readings, failures })
    // It may be made any time.
    if (readings.statements?.missing != null) this.#columns = null
  }

  async #readTexts(reader: Reader, readings: Readings): Promise<void> {
    if (readings.statements?.missing !== null) return
    this.#names.seen(new Set([...readings.statements.keys].map(idOf)))
    const ids = this.#names.due(this.#clock.monotonic())
    if (ids.length > 0) await this.#names.learn(await readStatementTexts(reader, ids))
  }

  /**
   * Through the pool, and beside the rounds: it reads definitions, which wait for whoever changes a table, and a lock that everybody waits
   * for is what the rounds are there to see.
   */
  #readUpkeep(): void {
    const now = this.#clock.monotonic()
    const due = this.#upkeepAt === null || now - this.#upkeepAt >= this.#settings.upkeepMs
    if (this.#upkeep === null || this.#reading !== null || !due) return
    this.#upkeepAt = now
    this.#reading = this.#upkeep
      .read(this.#clock.wall(), this.#abort.signal)
      .then((upkeep) => this.state.absorbUpkeep(upkeep))
      // A failure there is none of the rounds; it is asked again some rounds later.
      .catch(() => {
        this.#upkeepAt = now - this.#settings.upkeepMs + upkeepAgain * this.#settings.intervalMs
      })
      .finally(() => {
        this.#reading = null
      })
  }

  /** Resolves when the look at indexes that is under way, if any, has ended. */
  async settled(): Promise<void> {
    await this.#reading
  }

  async #sample(reader: Reader): Promise<void> {
    const rows = await readSessions(reader)
    const waiting = rows.filter(({ waitType }) => waitType === "Lock").map(({ pid }) => pid!)
    const blocked = waiting.length === 0 ? [] : await readBlocked(reader, waiting)
    const concerned = new Set([...waiting, ...blocked.flatMap((row) => (row.blockers ?? []).map(Number))])
    const sessions = await this.#named(reader, rows, concerned)
    this.state.absorbSample({ at: this.#clock.monotonic(), sessions, blocked })
  }

  /** Sessions with their statements' names, from the server's id of it, or for those that hold others up, or may, from the text. */
  async #named(reader: Reader, rows: readonly SessionRow[], concerned: ReadonlySet<number>): Promise<ServerSession[]> {
    const nameOf = (fingerprint: string) => ({ fingerprint, summary: this.#names.describe(fingerprint)?.summary ?? null })
    const unnamed = rows
      .filter(({ pid, state, queryId, transactionMs }) => {
        const known = queryId !== null && this.#names.get(queryId) !== undefined
        const held = state !== "active" && transactionMs !== null
        return !known && (concerned.has(pid ?? 0) || held || (transactionMs ?? 0) > longMs)
      })
      .slice(0, lookedUp)
      .map(({ pid }) => pid!)
    const texts = unnamed.length === 0 ? new Map<number, string>() : await readTexts(reader, unnamed)
    if (texts.size > 0) await Promise.all([loadSql(), loadShapes()])
    return rows.map((row) => {
      const known = row.queryId === null ? undefined : this.#names.get(row.queryId)
      if (known !== undefined) return sessionOf(row, nameOf(known.fingerprint))
      const text = texts.get(row.pid ?? 0)
      const fingerprint = text === undefined ? null : fingerprintOf(text)
      // Its summary is of tables and a command, never of values.
      return sessionOf(row, fingerprint === null ? null : { fingerprint, summary: summaryOf(text!) })
    })
  }

  #repeat(slot: number, first: number, everyMs: number, run: () => Promise<void>): void {
    const arm = (afterMs: number): void => {
      if (this.#stopped) return
      this.#timers[slot] = setTimeout(() => {
        const start = performance.now()
        void run().then(() => arm(Math.max(everyMs / 10, everyMs - (performance.now() - start))))
      }, afterMs)
      this.#timers[slot].unref()
    }
    arm(first)
  }
}

const pooledGap: Gap = {
  what: "one collector among several processes",
  reason: "Behind a pooler no lock is sure to last: every process that watches asks the server.",
  remedy: "Give connect() the address past the pooler as directUrl.",
}

/** Errors that say nothing of what was asked, only that nobody answered. */
function isUnreachable(error: unknown): boolean {
  return !isSelectoError(error) || error.code === "E_POOL_TIMEOUT" || error.code === "E_POOL_CLOSED" || isDown(error)
}

/** Errors that say that there is no server. */
function isDown(error: unknown): boolean {
  if (!isSelectoError(error)) return false
  // admin_shutdown, crash_shutdown, cannot_connect_now, and the idle timeouts.
  return error.code === "E_CONNECTION" || /^(57P0[123]|25P0[345]|08)/.test(error.sqlState ?? "")
}

function failureOf(part: PartName, error: unknown): PartFailure {
  return isSelectoError(error)
    ? { part, sqlState: error.sqlState ?? null, message: error.message }
    : { part, sqlState: null, message: String(error) }
}

function lastErrorOf(error: unknown): CollectorHealth["lastError"] {
  return isSelectoError(error)
    ? { code: error.sqlState ?? error.code, message: error.message }
    : { code: "unknown", message: error instanceof Error ? error.message : String(error) }
}
