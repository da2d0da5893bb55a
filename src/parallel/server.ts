import type { Database, Session } from "../database/database.ts"

/**
 * PostgreSQL's own knobs for one statement: as many workers as asked for, from smaller tables on, and a start that is thought cheaper.
 * What passes from a worker to its leader keeps its price: with it the planner knows when gathering does not pay.
 */
export function serverSettings(workers: number): Readonly<Record<string, string>> {
  return {
    max_parallel_workers_per_gather: String(workers),
    parallel_setup_cost: "200",
    min_parallel_table_scan_size: "1MB",
    min_parallel_index_scan_size: "64kB",
  }
}

/** Watches how many of PostgreSQL's workers a session has, from another session and only while one is free. */
export class WorkerWatch {
  readonly #database: Database
  #pid: number | null = null
  #timer: NodeJS.Timeout | undefined
  #seen: number | null = null
  #asking: Promise<void> = Promise.resolve()

  constructor(database: Database) {
    this.#database = database
  }

  /** The session that runs the statement. */
  readonly start = (session: Session): void => {
    this.#pid = session.pid
    if (this.#pid !== null) this.#later(20)
  }

  /** The most workers that were seen at once; null where nobody looked in time. */
  async end(): Promise<number | null> {
    this.#pid = null
    clearTimeout(this.#timer)
    await this.#asking
    return this.#seen
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#asking = this.#ask(ms)
    }, ms)
    this.#timer.unref()
  }

  async #ask(ms: number): Promise<void> {
    if ((this.#database.free?.() ?? 0) > 0)
      try {
        const { rows } = await this.#database.queryText(
          {
            text: "select count(*) from pg_catalog.pg_stat_activity where leader_pid = $1 and pid <> $1 /* selecto:parallel */",
            values: [this.#pid],
          },
          { timeoutMs: 1000 },
        )
        if (this.#pid !== null || this.#seen === null) this.#seen = Math.max(this.#seen ?? 0, Number(rows[0]![0]))
      } catch {
        // A figure for the report is not worth an error.
      }
    // Sparser and sparser: a long statement is not asked about a thousand times.
    if (this.#pid !== null) this.#later(ms * 2)
  }
}
