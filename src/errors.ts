/** Every code a {@link SelectoError} can carry, with what it means. Codes are stable: programs and guides rely on them. */
export const errorCodes = {
  E_ABORTED: "the caller's signal was aborted; the statement was cancelled on the server too",
  E_AMBIGUOUS_HINT: "a hint names a table that stands for several relations of the statement",
  E_ARRAY_VALUE: "an array stands where one value is compared",
  E_CONFLICTING_HINTS: "two hints contradict each other",
  E_CONNECTION: "the server could not be reached or the connection was lost",
  E_DATABASE: "PostgreSQL refused the statement; see sqlState and cause",
  E_DECODE: "the server's text of a value is not in the style that is read",
  E_DRIVER_MISSING: "the package of a driver is not installed; the message has the command that installs it",
  E_DUPLICATE_ALIAS: "two selected columns have the same name and different meanings",
  E_EXPLAIN_WRITES: "EXPLAIN ANALYZE was asked for a statement that writes, without saying that it may be rolled back",
  E_FAN_OUT: "an aggregate would count rows more than once through a join to many",
  E_HINT_BLOCK: "a hint comment that is already in the SQL text cannot be read or merged",
  E_HINT_NOT_ENFORCEABLE: "nothing on this server can enforce a hint, and that was to be an error",
  E_HINT_PRIVILEGE: "a hint needs rights, or a restart of the server, that no statement has",
  E_INVALID_CURSOR: "a page's cursor is damaged or belongs to another query",
  E_INVALID_DOMAIN: "a domain definition has faults; all are listed",
  E_INVALID_HINT: "the value of a hint is of the wrong kind, range or unit",
  E_INVALID_IDENTIFIER: "a name is empty, longer than 63 bytes, or holds a character that PostgreSQL cannot keep",
  E_INVALID_NAME: "a name that no column of a result can have",
  E_INVALID_OPERATOR: "a condition or function does not apply to the column's type",
  E_INVALID_OPTION: "an option has a value outside its range or of the wrong kind",
  E_INVALID_VALUE: "a value is not of the column's type",
  E_LOCK_TIMEOUT: "a lock on a table or on our own state was not had in time; nothing was changed",
  E_MISSING_RIGHT: "the role lacks a right in the database; the message has the GRANT",
  E_MULTIPLE_RESULTS: "executeOne() found more than one row",
  E_NAME_TAKEN: "something else in the database has this name already",
  E_NOT_CONNECTED: "a query made without a connection cannot run",
  E_NOT_GROUPED: "a column of a grouped query is neither grouped nor aggregated",
  E_NOT_INSTALLED: "schema selecto, or the part of it that this call needs, is not in the database yet",
  E_NOT_SUPPORTED: "the connected database or driver lacks a capability that this call needs",
  E_NO_DATABASE_URL: "no database was given and DATABASE_URL is not set",
  E_NO_RESULT: "executeOne() found no row",
  E_NULL_VALUE: "null stands where a value is compared",
  E_PARALLEL_REFUSED: "a statement was to be split among sessions, and that would change its answer or cannot be done",
  E_PLAN_SYNTAX: "the text is not an EXPLAIN output that can be read; see line and column",
  E_PLAN_TOO_LARGE: "the EXPLAIN output is longer or more deeply nested than any plan of PostgreSQL's own",
  E_POOL_CLOSED: "the pool or database was closed before this call",
  E_POOL_TIMEOUT: "no connection of the pool became free in time",
  E_READ_ONLY: "the server is a standby, or the session is read-only: it takes no writes",
  E_REDACTED_FIELD: "the domain keeps this column from every query",
  E_SCOPE_REQUIRED: "the domain demands a scope, such as a tenant, that was not given",
  E_SHADOW_CRASHED: "the embedded planner failed, was started again once, and failed again",
  E_SQL_STATEMENT_COUNT: "the SQL text holds no statement, or several where one is expected",
  E_SQL_SYNTAX: "the SQL text could not be parsed; see line and column",
  E_SQL_TOO_COMPLEX: "the SQL text is nested too deeply or too long to be read",
  E_STATE_NEWER: "schema selecto was made by a newer version of this library than this one knows",
  E_TIMEOUT: "the statement ran longer than its timeout and was cancelled on the server",
  E_TOO_MANY_PARAMETERS: "a statement binds more than 65,535 values",
  E_TRANSACTION_ABORTED: "a transaction was rolled back because a statement in it had failed",
  E_TRANSACTION_CONFLICT: "what a statement needs and the open transaction cannot be had together",
  E_TRANSACTION_ENDED: "a transaction was used after it had been committed or rolled back",
  E_UNDEFINED_VALUE: "undefined stands where a value is compared",
  E_UNEXPECTED_NULL: "a column declared notNull() came as null",
  E_UNKNOWN_FIELD: "a path is not in the domain",
  E_UNKNOWN_HINT: "a hint or setting that does not exist",
  E_UNKNOWN_HINT_TABLE: "a hint names a table that the statement does not use",
  E_UNKNOWN_INDEX: "a hint names an index that does not exist on the table, or is not valid",
  E_UNKNOWN_JOIN: "a join path is not in the domain",
  E_UNKNOWN_TABLE: "a table is not in the database, or this role cannot see it",
  E_UNKNOWN_VIEW: "a materialized view is not in the database, or this role cannot see it",
  E_UNLIKE_COLUMNS: "the sides of a set operation select different columns, or columns of different types",
  E_UNSUPPORTED_INPUT: "the argument is none of the forms this call accepts",
  E_UNTRACKABLE_TABLE: "changes of a table cannot be known: it is a view, foreign, temporary or unlogged",
  E_VIEW_DIFFERS: "a materialized view of this name is there with another definition",
  E_VIEW_DUPLICATES: "rows of a materialized view are not unique in the columns that were to be its key",
  E_VIEW_IN_USE: "other objects depend on a materialized view",
  E_VIEW_NOT_CONCURRENT:
    "a materialized view cannot be refreshed while it is read: it has no unique index for it, or holds nothing yet",
  E_VIEW_NOT_KEEPABLE:
    "the definition of a materialized view gives something else at each moment, so that no refresh could keep it",
  E_VIEW_PARAMETERS: "a query with bound values was to become a materialized view, which can hold none",
  E_VIEW_UNTRACKABLE: "changes below a materialized view cannot be followed, so that it cannot be tracked",
} as const

/** One of the codes of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** Extra facts about an error, for programs. Parameter values are never among them. */
export interface ErrorDetails {
  /** The domain path, option name, or place in the input that is at fault. */
  readonly path?: string | undefined
  /** What was probably meant. */
  readonly suggestions?: readonly string[] | undefined
  /** PostgreSQL's five-character SQLSTATE. */
  readonly sqlState?: string | undefined
  /** The class of the SQLSTATE, such as "UniqueViolation". */
  readonly sqlClass?: string | undefined
  /** Several faults reported at once. */
  readonly faults?:
    | readonly { readonly path: string; readonly message: string; readonly suggestions?: readonly string[] | undefined }[]
    | undefined
  /** Position in the text at fault, one-based. */
  readonly line?: number | undefined
  readonly column?: number | undefined
  readonly cause?: unknown
}

/**
 * The one error class of this library. `code` is stable, `message` says what to do.
 *
 * @example
 * try { await q.executeOne() } catch (error) {
 *   if (isSelectoError(error, "E_NO_RESULT")) return null
 *   throw error
 * }
 */
export class SelectoError extends Error {
  override readonly name: string = "SelectoError"
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly suggestions: readonly string[]
  readonly sqlState: string | undefined
  readonly sqlClass: string | undefined
  readonly faults: NonNullable<ErrorDetails["faults"]>
  readonly line: number | undefined
  readonly column: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.path = details.path
    this.suggestions = details.suggestions ?? []
    this.sqlState = details.sqlState
    this.sqlClass = details.sqlClass
    this.faults = details.faults ?? []
    this.line = details.line
    this.column = details.column
  }
}

/** True for our errors; with a code, true for that code only. */
export function isSelectoError(error: unknown, code?: ErrorCode): error is SelectoError {
  return error instanceof SelectoError && (code === undefined || error.code === code)
}

/** executeOne() found no row. */
export class NoResultError extends SelectoError {
  override readonly name: string = "NoResultError"
  constructor() {
    super("E_NO_RESULT", "The query found no row. Use execute() where none is an answer.")
  }
}

/** executeOne() found more than one row. */
export class MultipleResultsError extends SelectoError {
  override readonly name: string = "MultipleResultsError"
  constructor() {
    super("E_MULTIPLE_RESULTS", "The query found more than one row. Filter by a unique key, or use execute().")
  }
}
