import type { Database, Session } from "../../database/database.ts"

/** Who collects, when it is not us. */
export interface OtherCollector {
  readonly pid: number
  readonly application: string
  /** Milliseconds since it last asked the server anything; null where this role may not see it. */
  readonly quietMs: number | null
}

/** How the session of a round was had. */
export type Seat =
  /** Ours: hold it, or give it back when it says so. */
  | { readonly session: Session; readonly kept: boolean }
  /** Another process collects; null where it cannot be seen. */
  | { readonly session: null; readonly other: OtherCollector | null }

/** All processes agree on who collects by an advisory lock of this key; the server keeps such locks for each database apart. */
const collectorLock = "7305113402"

const tryLock = "select pg_try_advisory_lock($1) /* selecto:monitor */"
const backend = "select pg_backend_pid() /* selecto:monitor */"
const unlock = "select pg_advisory_unlock($1) /* selecto:monitor */"
const holder = `select a.pid, a.application_name, extract(epoch from clock_timestamp() - a.state_change) * 1000
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint /* selecto:monitor */`

/**
 * The one collector of a database among many processes: whoever holds the lock, which lasts as long as its session. So a session is kept
 * for it, unless there is only one, which others need, or a pooler stands between, which would give the lock to somebody else.
 */
export class Leader {
  readonly #database: Database
  readonly #exclusive: boolean
  readonly #timeoutMs: number
  #kept: Session | null = null
  #pooled = false

  constructor(database: Database, exclusive: boolean, timeoutMs: number) {
    this.#database = database.direct
    this.#exclusive = exclusive
    this.#timeoutMs = timeoutMs
  }

  /** A session to collect with, or who else does. Rejects where the server cannot be reached. */
  async take(): Promise<Seat> {
    if (this.#kept !== null) return { session: this.#kept, kept: true }
    const session = await this.#database.acquire({ timeoutMs: this.#timeoutMs })
    const query = { timeoutMs: this.#timeoutMs }
    try {
      if (!(await this.#locks(session))) return { session, kept: false }
      const { rows } = await session.queryText({ text: tryLock, values: [collectorLock] }, query)
      if (rows[0]?.[0] === "t" || rows[0]?.[0] === "true") {
        this.#kept = session
        return { session, kept: true }
      }
      const [other] = (await session.queryText({ text: holder, values: [collectorLock] }, query)).rows
      session.release()
      return { session: null, other: other === undefined ? null : otherOf(other) }
    } catch (error) {
      session.release(true)
      throw error
    }
  }

  /** True where processes cannot agree, since a pooler stands between: each that is told to collect does. */
  get pooled(): boolean {
    return this.#pooled
  }

  /** Ends the session that is kept: it broke, and the lock with it. */
  lose(): void {
    this.#kept?.release(true)
    this.#kept = null
  }

  /** Gives lock and session back. */
  async leave(): Promise<void> {
    const session = this.#kept
    this.#kept = null
    if (session === null) return
    const left = await session.queryText({ text: unlock, values: [collectorLock] }, { timeoutMs: 1000 }).then(
      () => true,
      () => false,
    )
    session.release(!left)
  }

  /** A pooler gives its own number for the server's process; whether a lock through it lasts cannot be told for sure. */
  async #locks(session: Session): Promise<boolean> {
    if (!this.#exclusive || this.#database.capabilities.sessions === "one") return false
    const { rows } = await session.queryText({ text: backend, values: [] }, { timeoutMs: this.#timeoutMs })
    this.#pooled = session.pid !== Number(rows[0]?.[0])
    return !this.#pooled
  }
}

function otherOf(row: readonly (string | null)[]): OtherCollector {
  return { pid: Number(row[0]), application: row[1] ?? "", quietMs: row[2] === null ? null : Number(row[2]) }
}
