import { type ErrorCode, isSelectoError, SelectoError } from "../errors.ts"
import { sqlClassOf } from "./sqlstate.ts"

/** What a driver's error may carry. Everything is optional: drivers and the network differ. */
interface DriverError {
  readonly code?: unknown
  readonly message?: unknown
  readonly position?: unknown
  readonly severity?: unknown
  readonly errors?: unknown
}

/** What is known of the statement when it failed. */
export interface FailureContext {
  /** The statement's text, for line and column of a fault in it. */
  readonly text?: string | undefined
  /** It failed while the connection was being made. */
  readonly connecting?: boolean | undefined
}

const network = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOENT",
  "EACCES",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "CERT_HAS_EXPIRED",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "ERR_TLS_CERT_ALTNAME_INVALID",
])
/** Class 08, and the server going away or refusing new connections: nothing about the statement. */
const lost = new Set(["57P01", "57P02", "57P03", "57P05", "53300"])
const lostMessages =
  /connection terminated|connection ended|not queryable|server closed|socket|does not support SSL|SSL connection|timeout expired|CONNECT_TIMEOUT|CONNECTION_(?:CLOSED|DESTROYED)/i

/**
 * Turns what a driver threw into a {@link SelectoError} with `cause`: E_DATABASE with SQLSTATE and its class for what PostgreSQL
 * says, E_CONNECTION, E_POOL_CLOSED or E_POOL_TIMEOUT for what happened on the way. An error of ours is returned as it is.
 * The message never holds a parameter value: where PostgreSQL itself quotes one, the message names the class of the condition
 * instead, and PostgreSQL's own words are in `cause` only.
 */
export function toSelectoError(cause: unknown, context: FailureContext = {}): SelectoError {
  if (isSelectoError(cause)) return cause
  const error = (cause ?? {}) as DriverError
  const message = typeof error.message === "string" ? error.message : String(cause)
  const code = typeof error.code === "string" ? error.code : null
  const sqlState = code !== null && /^[0-9A-Z]{5}$/.test(code) && error.severity !== undefined ? code : null
  if (sqlState !== null) return fromServer(cause, sqlState, message, error.position, context)
  if (code === "CONNECTION_ENDED" || /pool after calling end|pool is closed|PGlite is closed|PGlite is closing/i.test(message)) {
    return failure("E_POOL_CLOSED", "The connection pool is closed. Open a new one with connect().", cause)
  }
  if (/timeout exceeded when trying to connect/i.test(message)) {
    return failure(
      "E_POOL_TIMEOUT",
      "No connection of the pool became free in time. Raise the pool's max, or hold connections for less long.",
      cause,
    )
  }
  if (/query read timeout/i.test(message)) return failure("E_TIMEOUT", "The driver's query_timeout ran out.", cause)
  if (code !== null && network.has(code)) {
    return failure(
      "E_CONNECTION",
      `The server could not be reached (${code}). Check host, port and TLS settings, and that it is running.`,
      cause,
    )
  }
  if (lostMessages.test(message) || /aggregate/i.test(String((cause as Error)?.name))) {
    return failure("E_CONNECTION", "The connection to the server was lost or could not be made. See cause.", cause)
  }
  return failure("E_CONNECTION", "The driver failed. See cause.", cause)
}

function failure(code: ErrorCode, message: string, cause: unknown): SelectoError {
  return new SelectoError(code, message, { cause })
}

function fromServer(cause: unknown, sqlState: string, message: string, position: unknown, context: FailureContext): SelectoError {
  const sqlClass = sqlClassOf(sqlState) ?? undefined
  if (sqlState.startsWith("08") || sqlState.startsWith("28") || lost.has(sqlState) || context.connecting) {
    return new SelectoError("E_CONNECTION", `PostgreSQL refused or ended the connection: ${named(sqlState, sqlClass)}.`, {
      cause,
      sqlState,
      sqlClass,
    })
  }
  const place = placeOf(context.text, position)
  const where = place === null ? "" : ` at line ${place.line}, column ${place.column} of the statement`
  const words = quotesValues(sqlState) ? named(sqlState, sqlClass) : `${message} (${named(sqlState, sqlClass)})`
  return new SelectoError("E_DATABASE", `PostgreSQL refused the statement${where}: ${words}.`, {
    cause,
    sqlState,
    sqlClass,
    ...place,
  })
}

/**
 * Data exceptions (22) quote the input, "invalid input syntax for type integer: …"; RAISE (P0001) and contrib code (XX, F0, HV)
 * may say anything. The others name schema objects only.
 */
const speaksOfSchema = new Set(["0A", "23", "25", "26", "2B", "34", "3D", "3F", "40", "42", "53", "54", "55", "57"])

function quotesValues(sqlState: string): boolean {
  return !speaksOfSchema.has(sqlState.slice(0, 2))
}

function named(sqlState: string, sqlClass: string | undefined): string {
  return sqlClass === undefined ? `SQLSTATE ${sqlState}` : `${sqlClass}, SQLSTATE ${sqlState}`
}

function placeOf(text: string | undefined, position: unknown): { line: number; column: number } | null {
  const at = Number(position)
  if (text === undefined || !Number.isInteger(at) || at < 1) return null
  // PostgreSQL counts characters, JavaScript UTF-16 units.
  const before = [...text].slice(0, at - 1).join("")
  const lines = before.split("\n")
  return { line: lines.length, column: [...lines.at(-1)!].length + 1 }
}

/** The error of a statement that outlived its timeout. */
export function timeoutError(timeoutMs: number, cause?: unknown): SelectoError {
  return new SelectoError(
    "E_TIMEOUT",
    `The statement ran longer than its timeout of ${timeoutMs} ms and was cancelled on the server.`,
    { cause },
  )
}

/** The error of an aborted call; `cause` is the signal's reason. */
export function abortError(signal: AbortSignal): SelectoError {
  return new SelectoError("E_ABORTED", "The call was aborted by its signal.", { cause: signal.reason })
}
