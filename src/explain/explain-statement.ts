import { readCapabilities } from "../database/capabilities.ts"
import type { Database, QueryOptions, Session, Statement } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { loadShapes, statementShapeSync } from "../sql/index.ts"
import { type ExplainOptions, explainClause } from "./explain-options.ts"
import { parsePlanAside } from "./parse-aside.ts"
import type { Plan } from "./plan.ts"

/** Options of {@link explainStatement}. */
export interface ExplainStatementOptions extends ExplainOptions {
  /** An abort cancels the statement on the server: E_ABORTED. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds after which the statement is cancelled on the server: E_TIMEOUT. Default 60000. */
  readonly timeoutMs?: number | undefined
  /** SET LOCAL name = value around the statement: how a hint or another work_mem would change the plan. */
  readonly local?: Readonly<Record<string, string>> | undefined
  /** Statements run before it in the same transaction. */
  readonly prelude?: readonly Statement[] | undefined
  /** A transaction that is already open: a savepoint of it is used, and rolled back. */
  readonly transaction?: Session | undefined
  /** Called about once a second while the server works. */
  readonly onProgress?: ((progress: { readonly elapsedMs: number }) => void) | undefined
}

const lockTimeoutMs = 5000

/**
 * Asks the server how it would run a statement, or with `analyze` how it did. Always in a transaction that is rolled back; with `analyze`
 * it is READ ONLY unless `writes: "rollback"` says otherwise, so a statement that writes is refused with E_EXPLAIN_WRITES.
 *
 * @example
 * const plan = await explainStatement(db, { text: "select * from film where length > $1", values: [90] }, { analyze: true })
 * // EXPLAIN (FORMAT JSON, ANALYZE, VERBOSE, BUFFERS ON, SETTINGS, WAL) select * from film where length > $1
 */
export function explainStatement(
  database: Database,
  statement: Statement,
  options: ExplainStatementOptions & { readonly format: "text" },
): Promise<string>
export function explainStatement(
  database: Database,
  statement: Statement,
  options?: ExplainStatementOptions & { readonly format?: "json" | undefined },
): Promise<Plan>
export function explainStatement(
  database: Database,
  statement: Statement,
  options?: ExplainStatementOptions,
): Promise<Plan | string>
export async function explainStatement(
  database: Database,
  statement: Statement,
  options: ExplainStatementOptions = {},
): Promise<Plan | string> {
  checkOptions(options)
  const version = Math.floor((await readCapabilities(database)).serverVersion / 10_000)
  const clause = explainClause(options, version)
  const work = await workFor(statement, clause, options)
  const ticking = tick(options.onProgress)
  try {
    const rows =
      options.transaction === undefined
        ? await inOwnTransaction(database, work, options)
        : await inSavepoint(options.transaction, work, options)
    const text = rows.join("\n")
    return options.format === "text" ? text : await parsePlanAside(text)
  } catch (error) {
    throw isReadOnlyFailure(error) ? writesError(error) : error
  } finally {
    ticking()
  }
}

function checkOptions(options: ExplainStatementOptions): void {
  const { timeoutMs, writes, format } = options
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= 2 ** 31 - 1))
    throw new SelectoError("E_INVALID_OPTION", "`timeoutMs` must be a number of milliseconds above 0.", { path: "timeoutMs" })
  if (writes !== undefined && writes !== "refuse" && writes !== "rollback")
    throw new SelectoError("E_INVALID_OPTION", '`writes` is "refuse" or "rollback".', { path: "writes" })
  if (format !== undefined && format !== "json" && format !== "text")
    throw new SelectoError("E_INVALID_OPTION", '`format` is "json" or "text".', { path: "format" })
}

/** The statements before, the question itself, and those after. */
interface Work {
  readonly before: readonly Statement[]
  readonly ask: Statement
}

async function workFor(statement: Statement, clause: string, options: ExplainStatementOptions): Promise<Work> {
  // The timeout cancels by itself; the server's own is for when the cancel does not get through.
  const limits = { lock_timeout: `${lockTimeoutMs}ms`, statement_timeout: `${Math.ceil(options.timeoutMs ?? 60_000) + 2000}ms` }
  const set = Object.entries({ ...limits, ...options.local }).map(([name, value]) => ({
    text: "SELECT set_config($1, $2, true) /* selecto:explain */",
    values: [name, value],
  }))
  const before = [...set, ...(options.prelude ?? [])]
  // The comment stands on a line of its own: the statement may end in one that runs to the end of its line.
  if (options.genericPlan !== true)
    return { before, ask: { text: `EXPLAIN ${clause} ${statement.text}\n/* selecto:explain */`, values: statement.values } }
  return { before: [...before, ...(await prepared(statement))], ask: await executePrepared(statement, clause) }
}

const preparedName = "selecto_explain"

/**
 * A prepared statement that is told to be planned without its values. EXPLAIN's own GENERIC_PLAN (16 and later) is for the simple protocol
 * only: in the extended one the server wants a value for each parameter all the same.
 */
async function prepared(statement: Statement): Promise<Statement[]> {
  return [
    { text: "SELECT set_config('plan_cache_mode', 'force_generic_plan', true) /* selecto:explain */", values: [] },
    { text: `PREPARE ${preparedName} AS ${statement.text}\n/* selecto:explain */`, values: [] },
  ]
}

async function executePrepared(statement: Statement, clause: string): Promise<Statement> {
  await loadShapes()
  const count = Math.max(0, ...statementShapeSync(statement.text).parameters.map((parameter) => parameter.number))
  const values = count === 0 ? "" : `(${new Array(count).fill("NULL").join(", ")})`
  return { text: `EXPLAIN ${clause} EXECUTE ${preparedName}${values} /* selecto:explain */`, values: [] }
}

function lines(result: { readonly rows: readonly (readonly (string | null)[])[] }): string[] {
  return result.rows.map((row) => row[0] ?? "")
}

async function inOwnTransaction(database: Database, work: Work, options: ExplainStatementOptions): Promise<string[]> {
  const query: QueryOptions = { signal: options.signal, timeoutMs: options.timeoutMs ?? 60_000 }
  const session = await database.acquire({ signal: options.signal, timeoutMs: options.timeoutMs })
  const readOnly = options.writes !== "rollback"
  let healthy = false
  try {
    const begin = { text: `BEGIN${readOnly ? " READ ONLY" : ""} /* selecto:explain */`, values: [] }
    const results = await session.batch([begin, ...work.before, work.ask], query)
    return lines(results.at(-1)!)
  } finally {
    healthy = await quietly(session, "ROLLBACK /* selecto:explain */")
    // A prepared statement outlives a rollback.
    if (healthy && work.ask.text.includes(`EXECUTE ${preparedName}`))
      await quietly(session, `DEALLOCATE ${preparedName} /* selecto:explain */`)
    session.release(!healthy)
  }
}

async function inSavepoint(session: Session, work: Work, options: ExplainStatementOptions): Promise<string[]> {
  const query: QueryOptions = { signal: options.signal, timeoutMs: options.timeoutMs ?? 60_000 }
  const savepoint = { text: "SAVEPOINT selecto_explain /* selecto:explain */", values: [] }
  await session.query(savepoint, query)
  try {
    const readOnly =
      options.writes === "rollback" ? [] : [{ text: "SET LOCAL transaction_read_only = on /* selecto:explain */", values: [] }]
    const results = await session.batch([...readOnly, ...work.before, work.ask], query)
    return lines(results.at(-1)!)
  } finally {
    // Settings made since, transaction_read_only among them, go with the savepoint.
    await quietly(session, "ROLLBACK TO SAVEPOINT selecto_explain /* selecto:explain */")
    await quietly(session, "RELEASE SAVEPOINT selecto_explain /* selecto:explain */")
    if (work.ask.text.includes(`EXECUTE ${preparedName}`))
      await quietly(session, `DEALLOCATE ${preparedName} /* selecto:explain */`)
  }
}

async function quietly(session: Session, text: string): Promise<boolean> {
  try {
    await session.query({ text, values: [] }, { timeoutMs: 10_000 })
    return true
  } catch {
    return false
  }
}

function isReadOnlyFailure(error: unknown): boolean {
  return isSelectoError(error) && error.sqlState === "25006"
}

function writesError(cause: unknown): SelectoError {
  return new SelectoError(
    "E_EXPLAIN_WRITES",
    'The statement writes, and EXPLAIN ANALYZE would run it. Explain it without `analyze`, or say `writes: "rollback"` to run it and undo it.',
    { cause, sqlState: "25006" },
  )
}

function tick(onProgress: ExplainStatementOptions["onProgress"]): () => void {
  if (onProgress === undefined) return () => {}
  const start = performance.now()
  const timer = setInterval(() => onProgress({ elapsedMs: performance.now() - start }), 1000)
  timer.unref()
  return () => clearInterval(timer)
}
