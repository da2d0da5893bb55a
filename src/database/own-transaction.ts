import { isSelectoError, SelectoError } from "../errors.ts"
import type { Database, Session, Statement } from "./database.ts"

export interface OwnTransactionOptions {
  /** The room that asks, for the comment behind its statements. */
  readonly room: string
  /** Milliseconds that a statement waits for a lock. Default 2,000. */
  readonly lockTimeoutMs?: number | undefined
  readonly isolation?: "read committed" | "repeatable read" | undefined
  readonly readOnly?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** A standby refuses READ WRITE as something that it does not support (0A000). */
function onStandby(cause: unknown): never {
  if (isSelectoError(cause, "E_DATABASE") && cause.sqlState === "0A000")
    throw new SelectoError("E_READ_ONLY", "This server is a standby and takes no writes. Connect to the primary.", { cause })
  throw cause
}

/** Milliseconds for the statements that open and end a transaction. */
const limits = { timeoutMs: 10_000 }

/**
 * A transaction of the library's own: says its isolation level and how long it waits for locks, whatever the role's defaults are;
 * committed when `work` resolves, rolled back when it rejects, the session released in every ending. Errors: E_READ_ONLY on a standby.
 */
export async function ownTransaction<T>(
  database: Database,
  options: OwnTransactionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const say = (text: string, values: readonly unknown[] = []): Statement => ({
    text: `${text} /* selecto:${options.room} */`,
    values,
  })
  const session = await database.acquire({ signal: options.signal })
  let healthy = true
  try {
    const level = options.isolation ?? "read committed"
    await session
      .batch(
        [
          say(`begin isolation level ${level} ${options.readOnly === true ? "read only" : "read write"}`),
          say("select pg_catalog.set_config('lock_timeout', $1, true)", [`${options.lockTimeoutMs ?? 2_000}ms`]),
        ],
        { ...limits, signal: options.signal },
      )
      .catch(onStandby)
    const result = await work(session)
    options.signal?.throwIfAborted()
    const { command } = await session.query(say("commit"), limits)
    // COMMIT of a failed transaction is answered by ROLLBACK.
    if (command === "ROLLBACK")
      throw new SelectoError("E_TRANSACTION_ABORTED", "PostgreSQL rolled the transaction back: a statement in it had failed.")
    return result
  } catch (error) {
    healthy = await session.query(say("rollback"), limits).then(
      () => true,
      () => false,
    )
    throw error
  } finally {
    session.release(!healthy)
  }
}
