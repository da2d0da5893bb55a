import type { Database, QueryOptions, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { lockError } from "./lock-error.ts"
import { isPassing, type RetryOptions, retrying } from "./retry.ts"
import { rightError } from "./rights.ts"

/** For statements on a tree: a partitioned table may have thousands of partitions. */
export const treeLimits: QueryOptions = { timeoutMs: 60_000 }

/**
 * One transaction on one tree, tried again while others hold locks of it. Errors: E_LOCK_TIMEOUT with who held it, E_MISSING_RIGHT.
 */
export async function rootTransaction<T>(
  database: Database,
  root: number,
  options: RetryOptions,
  work: (session: Session, query: QueryOptions) => Promise<T>,
): Promise<T> {
  const query = { ...treeLimits, signal: options.signal }
  try {
    return await retrying(options, (lockTimeoutMs) =>
      ownTransaction(database, { room: "changes", lockTimeoutMs, signal: options.signal }, (session) => work(session, query)),
    )
  } catch (error) {
    if (isPassing(error)) throw await lockError(database, root, error)
    throw rightError(error, "put triggers on this table", "to own the table, or to be a member of the role that does.")
  }
}
