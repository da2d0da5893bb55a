import type { Database, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"

/** What hints need to know of a server. */
export interface HintServer {
  /** Major version. */
  readonly version: number
  /** pg_hint_plan is loaded in the session that answered, and its `enable_hint` is on. */
  readonly pgHintPlan: boolean
  /** Why pg_hint_plan cannot be used; null where it can. */
  readonly reason: string | null
}

/** Whoever runs statements: a database, or the session of an open transaction. */
export type Executor = Pick<Database, "queryText"> | Pick<Session, "queryText">

/**
 * One row, no side effect, nothing that can fail for lack of rights. pg_settings leaves out placeholders: `SET
 * pg_hint_plan.enable_hint` in a session without the extension makes current_setting() answer, but makes no row there.
 */
const probeText = `select current_setting('server_version_num'),
  (select setting from pg_catalog.pg_settings where name = 'pg_hint_plan.enable_hint') /* selecto:hints */`

const timeoutMs = 10_000
const known = new WeakMap<object, Promise<HintServer>>()
const answered = new WeakMap<object, HintServer>()

/** What a database can do with hints; asked once per database, and again only if asking failed. `executor` defaults to the database. */
export function hintServer(database: Database, executor: Executor = database): Promise<HintServer> {
  const before = known.get(database)
  if (before !== undefined) return before
  const asked = probeServer(executor)
  known.set(database, asked)
  asked.then(
    (server) => answered.set(database, server),
    () => known.delete(database),
  )
  return asked
}

/** What is known already, without asking. */
export function knownHintServer(database: Database): HintServer | undefined {
  return answered.get(database)
}

/** Asks now, this session. */
export async function probeServer(executor: Executor): Promise<HintServer> {
  const { rows } = await executor.queryText({ text: probeText, values: [] }, { timeoutMs })
  const [version, enabled] = rows[0] ?? []
  const number = Math.floor(Number(version) / 10_000)
  if (!(number > 0)) throw new SelectoError("E_NOT_SUPPORTED", "The server did not tell its version.")
  const reason =
    enabled === null || enabled === undefined
      ? "the extension pg_hint_plan is not loaded on this server"
      : enabled === "on"
        ? null
        : "pg_hint_plan is loaded, but pg_hint_plan.enable_hint is off"
  return { version: number, pgHintPlan: reason === null, reason }
}

/** Forgets what is known of a database: after the extension was installed, for instance. */
export function forgetHintServer(database: Database): void {
  known.delete(database)
  answered.delete(database)
}
