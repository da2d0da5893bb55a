import type { Database, Session, Statement } from "../database/database.ts"
import { beginStatement, rollback, snapshotStatement } from "../execution/transaction.ts"
import { type Leader, settingsStatement } from "./leader.ts"

/** A session that reads parts beside the leader. */
export interface Helper {
  readonly session: Session
  /** Ends its transaction and gives the session back; a session that does not answer is thrown away. */
  end(): Promise<void>
}

const check: Statement = {
  text: `select session_user, exists (select from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema()) /* selecto:parallel */`,
  values: [],
}

/**
 * What the leader has locked is free for a helper, unless somebody waits behind the leader for a lock that bars it: ALTER TABLE, REINDEX.
 * To wait behind that one would be to wait for ourselves, which PostgreSQL cannot see.
 */
const lockWait: Statement = { text: "SET LOCAL lock_timeout = 1000", values: [] }

/**
 * Acquires a session and puts it into the leader's place: its snapshot before any query, its role and settings. null where the
 * session is another user's, or has temporary tables that would stand before the real ones. Fails when a lock is not to be had.
 */
export async function openHelper(
  database: Database,
  leader: Leader,
  local: Readonly<Record<string, string>>,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Helper | null> {
  const session = await database.acquire({ signal, timeoutMs })
  const end = async (): Promise<void> => {
    const healthy = await rollback(session)
    session.release(!healthy)
  }
  try {
    const isolation = leader.snapshot === null ? "read committed" : "repeatable read"
    const statements = [
      beginStatement(isolation, true),
      leader.snapshot === null ? null : snapshotStatement(leader.snapshot),
      lockWait,
      // The role comes last: it may not be allowed to set the others.
      settingsStatement([...leader.settings, ...Object.entries(local), ["role", leader.role]]),
      leader.lock,
      check,
    ].filter((one) => one !== null)
    const results = await session.batch(statements, { signal, timeoutMs })
    const [user, temporary] = results.at(-1)!.rows[0]!
    if (user === leader.sessionUser && temporary === "f") return { session, end }
    await end()
    return null
  } catch (error) {
    await end()
    throw error
  }
}
