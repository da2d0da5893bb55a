import type { Database, QueryOptions, Session, Statement } from "../database/database.ts"
import { refuseAborted } from "../database/deadline.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteLiteral } from "../sql/identifier.ts"
import type { IsolationLevel, OpenTransaction, Request } from "./request.ts"

/** Options of `selecto.transaction()`. */
export interface TransactionOptions {
  /** Default "read committed". */
  readonly isolation?: IsolationLevel | undefined
  /** Default false. */
  readonly readOnly?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const isolationLevels: readonly string[] = ["read committed", "repeatable read", "serializable"]

/** The statement that opens a transaction. */
export function beginStatement(isolation: IsolationLevel | null, readOnly: boolean): Statement {
  const level = isolation === null ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`
  return { text: `BEGIN${level}${readOnly ? " READ ONLY" : ""}`, values: [] }
}

/** SET TRANSACTION SNAPSHOT takes no parameter; an exported snapshot is hexadecimal digits and dashes. */
export function snapshotStatement(snapshot: string): Statement {
  return { text: `SET TRANSACTION SNAPSHOT '${snapshot.replace(/[^0-9A-Fa-f-]/g, "")}'`, values: [] }
}

/** `SET LOCAL name = value`, with both bound. */
export function settingStatement(name: string, value: string): Statement {
  return { text: "SELECT set_config($1, $2, true) /* selecto:execution */", values: [name, value] }
}

/** The same as text, for a message of several statements, which takes no parameters. */
export function settingText(name: string, value: string): string {
  return `SET LOCAL ${name.split(".").map(quoteIdentifier).join(".")} = ${quoteLiteral(value)}`
}

export const commitStatement: Statement = { text: "COMMIT", values: [] }
const rollbackStatement: Statement = { text: "ROLLBACK", values: [] }

/** Rolls back; a session that cannot is thrown away. Never rejects: the error that led here is the one to report. */
export async function rollback(session: Session): Promise<boolean> {
  try {
    await session.query(rollbackStatement, { timeoutMs: 10_000 })
    return true
  } catch {
    return false
  }
}

/**
 * Runs `work` in one transaction on one session: committed when it resolves, rolled back when it rejects, the session released in
 * every ending. An abort cancels what runs on the server and rolls back.
 */
export async function withTransaction<T>(
  database: Database,
  options: TransactionOptions,
  work: (transaction: OpenTransaction) => Promise<T>,
): Promise<T> {
  const isolation = options.isolation ?? "read committed"
  if (!isolationLevels.includes(isolation))
    throw new SelectoError("E_INVALID_OPTION", `\`isolation\` is one of ${isolationLevels.join(", ")}.`, { path: "isolation" })
  const readOnly = options.readOnly === true
  const query: QueryOptions = { signal: options.signal }
  const session = await database.acquire(query)
  const transaction = { session, isolation, readOnly, ended: false }
  let healthy = true
  try {
    await session.query(beginStatement(isolation, readOnly), query)
    const result = await work(transaction)
    refuseAborted(options.signal)
    const { command } = await session.query(commitStatement)
    // COMMIT of a failed transaction is answered by ROLLBACK: what was caught inside must not pass for success.
    if (command === "ROLLBACK")
      throw new SelectoError(
        "E_TRANSACTION_ABORTED",
        "A statement of the transaction failed and its error was caught, so PostgreSQL rolled everything back instead of committing. Let the error leave the transaction.",
      )
    return result
  } catch (error) {
    healthy = await rollback(session)
    throw error
  } finally {
    transaction.ended = true
    session.release(!healthy)
  }
}

/** Throws E_TRANSACTION_ENDED for a transaction that nothing can run in any more. */
export function refuseEnded(transaction: OpenTransaction | null): void {
  if (transaction?.ended === true)
    throw new SelectoError(
      "E_TRANSACTION_ENDED",
      "This transaction has ended. Await what runs in it inside its function, and use the Selecto that opened it afterwards.",
    )
}

/** Refuses what an open transaction cannot give any more. */
export function checkAgainst(transaction: OpenTransaction, request: Request): void {
  const { isolation, readOnly, snapshot } = request
  const conflict =
    isolation !== null && isolationLevels.indexOf(isolation) > isolationLevels.indexOf(transaction.isolation)
      ? `the isolation level ${isolation}`
      : readOnly && !transaction.readOnly
        ? "a read-only transaction"
        : snapshot !== null
          ? "a snapshot of its own"
          : null
  if (conflict !== null)
    throw new SelectoError(
      "E_TRANSACTION_CONFLICT",
      `The statement needs ${conflict}, which the open transaction is not. Open it so, or run the statement outside.`,
    )
}
