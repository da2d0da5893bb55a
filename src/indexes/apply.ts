import type { Database, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteQualified } from "../sql/index.ts"
import { bytesOf, type Duration, millisecondsOf, type Size } from "../units.ts"
import type { IndexRecommendation } from "./recommendation.ts"

export interface ApplyEvent {
  readonly statement: string
  readonly number: number
  readonly of: number
  /** "building" comes again and again, with the share done (0..1) where the server tells. */
  readonly phase: "start" | "building" | "done" | "failed"
  readonly share: number | null
}

export interface ApplyOptions {
  /** How long a statement waits for a lock before it gives up. Default "5s". */
  readonly lockTimeout?: Duration | undefined
  /** For the time of the build, on its session only. Default: the server's. */
  readonly maintenanceWorkMem?: Size | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: ApplyEvent) => void) | undefined
}

export interface ApplyResult {
  readonly statement: string
  readonly status: "done" | "failed" | "skipped"
  readonly ms: number
  /** Why it failed; the error of the server. */
  readonly error: string | null
}

/**
 * Creates recommended indexes, one statement after the other, concurrently, on one session with its own lock timeout. What a failed
 * build leaves behind (an invalid index) is dropped, and what builds on it is skipped. Never throws for a statement that fails; throws
 * E_CONNECTION and E_ABORTED.
 */
export async function applyIndexes(
  db: Database,
  recommendations: readonly IndexRecommendation[],
  options: ApplyOptions = {},
): Promise<ApplyResult[]> {
  const lockTimeout = millisecondsOf(options.lockTimeout ?? "5s", "lockTimeout")
  const memory = options.maintenanceWorkMem === undefined ? null : bytesOf(options.maintenanceWorkMem, "maintenanceWorkMem")
  // A pooler in transaction mode could give each statement another session.
  const session = await db.direct.acquire({ signal: options.signal })
  const results: ApplyResult[] = []
  const all = recommendations.flatMap((one) => one.statements.map((statement) => ({ one, statement })))
  const broken = new Set<IndexRecommendation>()
  const set = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
    session.query({ text: `${text} /* selecto:indexes */`, values }, { timeoutMs: 10_000 })
  let clean = false
  try {
    await set("SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', '0', false)", [`${lockTimeout}ms`])
    if (memory !== null) await set("SELECT set_config('maintenance_work_mem', $1, false)", [`${Math.floor(memory / 1024)}kB`])
    for (const [number, { one, statement }] of all.entries()) {
      options.signal?.throwIfAborted()
      const event = { statement, number: number + 1, of: all.length, share: null }
      if (broken.has(one)) {
        results.push({ statement, status: "skipped", ms: 0, error: null })
        continue
      }
      options.onProgress?.({ ...event, phase: "start" })
      const start = performance.now()
      const stop = watch(db, session, event, options)
      try {
        await session.query({ text: `${statement} /* selecto:indexes */`, values: [] }, { signal: options.signal })
        results.push({ statement, status: "done", ms: performance.now() - start, error: null })
        options.onProgress?.({ ...event, phase: "done", share: 1 })
      } catch (error) {
        await dropLeftover(session, one, statement).catch(() => {})
        if (options.signal?.aborted || (error instanceof SelectoError && error.code === "E_CONNECTION")) throw error
        broken.add(one)
        results.push({
          statement,
          status: "failed",
          ms: performance.now() - start,
          error: error instanceof Error ? error.message : String(error),
        })
        options.onProgress?.({ ...event, phase: "failed" })
      } finally {
        stop()
      }
    }
    await set("RESET lock_timeout")
    await set("RESET statement_timeout")
    await set("RESET maintenance_work_mem")
    clean = true
    return results
  } finally {
    session.release(!clean)
  }
}

/** The name that a CREATE INDEX of ours makes. */
function createdName(statement: string): string | null {
  const match = /^CREATE INDEX (?:CONCURRENTLY )?("(?:[^"]|"")+"|[^\s"]+) ON /.exec(statement)
  return match?.[1] === undefined ? null : match[1].startsWith('"') ? match[1].slice(1, -1).replaceAll('""', '"') : match[1]
}

/** Drops the invalid index of a failed build, and nothing but an invalid one. */
async function dropLeftover(session: Session, one: IndexRecommendation, statement: string): Promise<void> {
  const name = createdName(statement)
  if (name === null) return
  const qualified = quoteQualified(one.schema, name)
  const { rows } = await session.query<{ valid: boolean }>(
    {
      text: "SELECT indisvalid AS valid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass($1) /* selecto:indexes */",
      values: [qualified],
    },
    { timeoutMs: 10_000 },
  )
  if (rows[0]?.valid === false)
    await session.query({ text: `DROP INDEX CONCURRENTLY IF EXISTS ${qualified} /* selecto:indexes */`, values: [] })
}

/** Tells how far a build has come, from another session, twice a second; returns what ends it. */
function watch(db: Database, session: Session, event: Omit<ApplyEvent, "phase">, options: ApplyOptions): () => void {
  if (options.onProgress === undefined || session.pid === null || db.capabilities.sessions === "one") return () => {}
  let asking = false
  const timer = setInterval(() => {
    if (asking) return
    asking = true
    db.query<{ share: number | null }>(
      {
        text: `SELECT CASE WHEN blocks_total > 0 THEN blocks_done::float8 / blocks_total END AS share
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = $1 /* selecto:indexes */`,
        values: [session.pid],
      },
      { timeoutMs: 5_000 },
    ).then(
      ({ rows }) => {
        asking = false
        if (rows[0] !== undefined)
          options.onProgress?.({ ...event, phase: "building", share: rows[0].share === null ? null : Number(rows[0].share) })
      },
      () => {
        asking = false
      },
    )
  }, 500)
  timer.unref()
  return () => clearInterval(timer)
}
