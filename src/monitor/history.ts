import { randomUUID } from "node:crypto"
import { migrate, nameOf, removeOwned } from "../changes/index.ts"
import type { Database, QueryOptions, Session, Statement } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { SelectoError } from "../errors.ts"
import type { MinuteRecord } from "./entry.ts"
import { createHistogram, mergeSparse } from "./histogram.ts"
import {
  createPartition,
  dropPartition,
  expiredPartitions,
  type Grain,
  grains,
  monitorComponent,
  partitionStart,
  partitionsStatement,
  rollUpStatements,
} from "./history-schema.ts"
import { type ExecutionTime, executionTimeOf } from "./metrics.ts"
import type { Monitor } from "./monitor.ts"

/** How minutes are kept in the database. */
export interface HistoryOptions {
  /** Minute records kept in memory while they cannot be written; older ones are dropped and counted. Default 5,000. */
  readonly maxPending?: number | undefined
  /** Names this process in the rows. Default: a random id. */
  readonly source?: string | undefined
  /** Milliseconds that one statement of ours may take. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

/** One statement in one stretch of the history. */
export interface HistoryPoint {
  readonly at: Date
  readonly fingerprint: string
  readonly calls: number
  readonly errors: Readonly<Record<string, number>>
  readonly rows: number
  readonly executionTime: ExecutionTime
}

/** A moment within which all processes agree who tidies up: an advisory lock of this key. */
const tidyLock = 7_305_113_401n

/**
 * Keeps the minutes of a monitor in tables of schema `selecto`. Each minute's records go to a queue in memory, and from there to the
 * database in the background; where that fails they wait, and the oldest are dropped and counted. No query ever waits for it.
 */
export class History {
  readonly #database: Database
  readonly #monitor: Monitor
  readonly #maxPending: number
  readonly #source: string
  readonly #options: QueryOptions
  readonly #made = new Set<string>()
  readonly #known = new Set<string>()
  #pending: MinuteRecord[] = []
  #stop: (() => void) | null = null
  #flushing: Promise<void> | null = null
  #tidied = 0
  #caughtUp = false
  /** Why the last write failed; null after a success. */
  lastError: unknown = null

  constructor(database: Database, monitor: Monitor, options: HistoryOptions = {}) {
    this.#database = database
    this.#monitor = monitor
    this.#maxPending = options.maxPending ?? 5000
    this.#source = options.source ?? randomUUID()
    this.#options = { timeoutMs: options.timeoutMs ?? 10_000 }
  }

  /** Records that wait to be written. */
  get pending(): number {
    return this.#pending.length
  }

  /** Makes the tables, or brings them up to date. Idempotent, and safe in many processes. Errors: E_MISSING_RIGHT with the GRANT. */
  async install(): Promise<void> {
    await migrate(this.#database, [monitorComponent])
  }

  /** Drops the tables and all that is in them; schema `selecto` too, when nothing else of ours is in it. */
  async uninstall(): Promise<void> {
    const { kept } = await removeOwned(this.#database, { components: [monitorComponent.name] })
    this.#made.clear()
    this.#known.clear()
    const failure = kept.find(({ failed }) => failed)
    if (failure !== undefined)
      throw new SelectoError("E_DATABASE", `${nameOf(failure.object)} could not be dropped: ${failure.reason}`)
  }

  /** Begins to keep minutes; what ends after it is written. */
  start(): void {
    this.#stop ??= this.#monitor.on("minute", (records) => {
      this.#enqueue(records)
      void this.flush()
    })
  }

  /** Writes what waits. Never rejects: a failure is in `lastError`, and the records wait on. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = null
    })
    await this.#flushing
  }

  /** Ends keeping; writes what there is once more. */
  async close(): Promise<void> {
    this.#stop?.()
    this.#stop = null
    await this.flush()
  }

  /** The points of a statement (or of all, when null) between two moments, oldest first; rows of several processes are added up. */
  async read(fingerprint: string | null, from: Date, to: Date, grain: Grain["name"] = "minute"): Promise<HistoryPoint[]> {
    const { rows } = await this.#database.query<HistoryRow>(
      {
        text: `select extract(epoch from at)::float8 * 1000 as at, fingerprint, calls::float8, errors::float8, executions::float8, time_sum, time_min, time_max,
                 row_sum::float8, buckets::text, counts::text, states::text
               from selecto.monitor_${grains.find((one) => one.name === grain)!.name}
               where at >= $1::timestamptz and at < $2::timestamptz and ($3::text is null or fingerprint = $3)
               order by at, fingerprint /* selecto:monitor */`,
        values: [from.toISOString(), to.toISOString(), fingerprint],
      },
      this.#options,
    )
    return pointsOf(rows)
  }

  #enqueue(records: readonly MinuteRecord[]): void {
    this.#pending.push(...records)
    const excess = this.#pending.length - this.#maxPending
    if (excess <= 0) return
    this.#pending.splice(0, excess)
    this.#monitor.recorder.historyDropped += excess
  }

  async #write(): Promise<void> {
    if (this.#pending.length === 0) return
    const batch = this.#pending
    this.#pending = []
    try {
      await this.#partitions(new Set(batch.map((record) => record.minute)))
      await this.#transaction(async (session) => {
        await session.query(insertStatement(batch, this.#source), this.#options)
        const names = batch.map((record) => record.fingerprint).filter((name) => !this.#known.has(name))
        if (names.length > 0) await session.query(this.#statements(names), this.#options)
      })
      for (const record of batch) this.#known.add(record.fingerprint)
      this.lastError = null
    } catch (error) {
      this.lastError = error
      this.#made.clear()
      const newer = this.#pending
      this.#pending = []
      this.#enqueue([...batch, ...newer])
      return
    }
    const now = this.#monitor.recorder.clock.wall()
    if (now - this.#tidied >= 3_600_000 || now < this.#tidied) {
      this.#tidied = now
      await this.tidy().catch((error) => {
        this.lastError = error
      })
    }
  }

  /**
   * Sums minutes into hours and hours into days, and drops partitions that are too old. One process at a time does it; called each
   * hour by itself.
   */
  async tidy(): Promise<void> {
    const now = this.#monitor.recorder.clock.wall()
    await this.#transaction(async (session) => {
      const { rows } = await session.query<{ mine: boolean }>(
        { text: "select pg_try_advisory_xact_lock($1) as mine /* selecto:monitor */", values: [String(tidyLock)] },
        this.#options,
      )
      if (rows[0]?.mine !== true) return
      for (const [at, to] of grains.entries()) {
        const from = grains[at - 1]
        if (from === undefined) continue
        // The stretch that runs and the one before it, for late records; at first all that the finer table still has whole, since
        // nobody may have been there to sum it up.
        const current = Math.floor(now / to.ms) * to.ms
        const back = this.#caughtUp ? 1 : Math.floor(from.keptMs / to.ms) - 1
        for (let start = current - back * to.ms; start <= current; start += to.ms) {
          await session.query(createPartition(to, partitionStart(to, start)), this.#options)
          for (const statement of rollUpStatements(from, to, start)) await session.query(statement, this.#options)
        }
      }
      const { rows: partitions } = await session.query<{ name: string }>(partitionsStatement, this.#options)
      for (const name of expiredPartitions(
        partitions.map((row) => row.name),
        now,
      ))
        await session.query(dropPartition(name), this.#options)
      this.#caughtUp = true
    })
  }

  async #partitions(minutes: ReadonlySet<number>): Promise<void> {
    const [grain] = grains as readonly [Grain]
    for (const minute of minutes) {
      const start = partitionStart(grain, minute)
      const statement = createPartition(grain, start)
      if (this.#made.has(statement.text)) continue
      await this.#transaction(async (session) => {
        await session.query(statement, this.#options)
      })
      this.#made.add(statement.text)
    }
  }

  #statements(fingerprints: readonly string[]): Statement {
    const { store } = this.#monitor.recorder
    const unique = [...new Set(fingerprints)]
    const rows = unique.map((fingerprint) => {
      const entry = store.get(fingerprint)
      return { fingerprint, text: entry?.text ?? null, summary: entry?.summary ?? null }
    })
    return {
      text: `insert into selecto.monitor_statement (fingerprint, text, summary)
             select fingerprint, text, summary from jsonb_to_recordset($1::jsonb) as r(fingerprint text, text text, summary text)
             on conflict (fingerprint) do update set last_seen = now(), text = coalesce(monitor_statement.text, excluded.text)
             /* selecto:monitor */`,
      values: [JSON.stringify(rows)],
    }
  }

  async #transaction(work: (session: Session) => Promise<void>): Promise<void> {
    await ownTransaction(this.#database, { room: "monitor" }, work)
  }
}

interface HistoryRow {
  readonly at: number
  readonly fingerprint: string
  readonly calls: number
  readonly errors: number
  readonly executions: number
  readonly time_sum: number
  readonly time_min: number | null
  readonly time_max: number
  readonly row_sum: number
  readonly buckets: string
  readonly counts: string
  readonly states: string
}

function insertStatement(records: readonly MinuteRecord[], source: string): Statement {
  const rows = records.map(({ time, states, ...record }) => ({
    at: new Date(record.minute).toISOString(),
    source,
    fingerprint: record.fingerprint,
    calls: record.calls,
    errors: record.errors,
    executions: time.count,
    time_sum: time.sum,
    time_min: time.count === 0 ? null : time.min,
    time_max: time.max,
    server_sum: record.server,
    transfer_sum: record.transfer,
    pool_wait_sum: record.poolWait,
    pool_wait_max: record.poolWaitMax,
    row_sum: record.rows,
    row_max: record.rowsMax,
    buckets: time.buckets,
    counts: time.counts,
    states: Object.fromEntries(states),
  }))
  return {
    text: `insert into selecto.monitor_minute
           select r.* from jsonb_populate_recordset(null::selecto.monitor_minute, $1::jsonb) r /* selecto:monitor */`,
    values: [JSON.stringify(rows)],
  }
}

/** Rows of one moment and statement, added up. */
function pointsOf(rows: readonly HistoryRow[]): HistoryPoint[] {
  const points = new Map<
    string,
    { row: HistoryRow; calls: number; rows: number; errors: Map<string, number>; time: ReturnType<typeof createHistogram> }
  >()
  for (const row of rows) {
    const key = `${row.at} ${row.fingerprint}`
    const point = points.get(key) ?? { row, calls: 0, rows: 0, errors: new Map<string, number>(), time: createHistogram() }
    points.set(key, point)
    point.calls += Number(row.calls)
    point.rows += Number(row.row_sum)
    for (const [state, n] of Object.entries(JSON.parse(row.states) as Record<string, number>))
      point.errors.set(state, (point.errors.get(state) ?? 0) + n)
    mergeSparse(point.time, {
      buckets: numbers(row.buckets),
      counts: numbers(row.counts),
      count: Number(row.executions),
      sum: Number(row.time_sum),
      min: row.time_min === null ? Number.POSITIVE_INFINITY : Number(row.time_min),
      max: Number(row.time_max),
    })
  }
  return [...points.values()].map(({ row, calls, rows: total, errors, time }) => ({
    at: new Date(Number(row.at)),
    fingerprint: row.fingerprint,
    calls,
    errors: Object.fromEntries(errors),
    rows: total,
    executionTime: executionTimeOf({ time }),
  }))
}

/** An array in PostgreSQL's own text: {1,2,3}. */
function numbers(text: string): number[] {
  const inner = text.slice(1, -1)
  return inner === "" ? [] : inner.split(",").map(Number)
}
