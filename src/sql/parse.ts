import type { Node, ParseResult } from "libpg-query"
import { SelectoError } from "../errors.ts"
import { isKeyword } from "./identifier.ts"

export type { Node, ParseResult } from "libpg-query"

type Parser = typeof import("libpg-query")

/** Longest text that is read, in characters; longer ones are refused before they cost memory. */
export const maxSqlLength: number = 32 * 1024 * 1024

let parser: Parser | null = null
let loading: Promise<void> | null = null
let generation = 0

/** Loads PostgreSQL's own grammar (WASM, once per process). The `…Sync` functions of this room work once it has resolved. */
export async function loadSql(): Promise<void> {
  if (parser !== null) return
  loading ??= load().finally(() => {
    loading = null
  })
  await loading
}

/** True when the `…Sync` functions may be called. */
export function sqlLoaded(): boolean {
  return parser !== null
}

async function load(): Promise<void> {
  // A query string gives a fresh module, and so a fresh WASM instance, after an overflow has spoilt the previous one.
  const specifier = generation === 0 ? "libpg-query" : `${import.meta.resolve("libpg-query")}?generation=${generation}`
  const fresh = (await import(specifier)) as Parser
  await fresh.loadModule()
  parser = fresh
}

/**
 * The parse tree of a text of any number of statements, as libpg-query gives it; locations in it are byte offsets.
 * Throws E_SQL_SYNTAX with line and column, or E_SQL_TOO_COMPLEX.
 */
export async function parseSql(text: string): Promise<ParseResult> {
  await loadSql()
  return parseSqlSync(text)
}

/** As {@link parseSql}, once {@link loadSql} has resolved. */
export function parseSqlSync(text: string): ParseResult {
  return callParser(text, (loaded) => (text.trim() === "" ? { version: 0, stmts: [] } : loaded.parseSync(text)))
}

/** One statement of a longer text. */
export interface SplitStatement {
  readonly text: string
  /** One-based line of its first character in the whole text. */
  readonly line: number
  readonly node: Node
}

/** The statements of a text, each with its own text: split by the grammar, so a semicolon in a string or function body stays. */
export async function splitStatements(text: string): Promise<SplitStatement[]> {
  await loadSql()
  return splitStatementsSync(text)
}

/** As {@link splitStatements}, once {@link loadSql} has resolved. */
export function splitStatementsSync(text: string): SplitStatement[] {
  const statements = (parseSqlSync(text).stmts ?? []).filter((statement) => statement.stmt !== undefined)
  if (statements.length === 0) return []
  const bytes = Buffer.from(text)
  return statements.map((statement) => {
    const start = statement.stmt_location ?? 0
    const end = statement.stmt_len ? start + statement.stmt_len : bytes.length
    const raw = bytes.toString("utf8", start, end)
    const own = raw.trim()
    const before = bytes.toString("utf8", 0, start) + raw.slice(0, raw.length - raw.trimStart().length)
    return { text: own, line: before.split("\n").length, node: statement.stmt! }
  })
}

/** Runs one parser call; every failure leaves as a coded error. Internal to this room. */
export function callParser<T>(text: string, call: (loaded: Parser) => T): T {
  if (typeof text !== "string") throw new SelectoError("E_UNSUPPORTED_INPUT", "SQL must be a string.")
  if (parser === null) throw new SelectoError("E_NOT_SUPPORTED", "The SQL grammar is not loaded yet: await loadSql() first.")
  if (text.length > maxSqlLength) {
    throw new SelectoError(
      "E_SQL_TOO_COMPLEX",
      `The SQL text is longer than ${maxSqlLength} characters; bind long lists as one array parameter.`,
    )
  }
  // The grammar is C: it would silently stop at the NUL and leave the rest unread.
  const nul = text.indexOf("\0")
  if (nul >= 0) throw syntaxError(text, nul, "a NUL character")
  try {
    return call(parser)
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && error.name === "RuntimeError")) {
      // The stack of the WASM instance is not unwound: after some overflows it traps on every text. It is replaced.
      parser = null
      generation++
      throw new SelectoError("E_SQL_TOO_COMPLEX", "The SQL text is nested too deeply to be read.", { cause: error })
    }
    throw fromParser(text, error)
  }
}

function fromParser(text: string, error: unknown): SelectoError {
  const message = error instanceof Error ? error.message : "syntax error"
  if (/memory exhausted|stack depth|out of memory|allocation failed/i.test(message)) {
    return new SelectoError("E_SQL_TOO_COMPLEX", "The SQL text is nested too deeply to be read.", { cause: error })
  }
  const details = (error as { sqlDetails?: { cursorPosition?: number } }).sqlDetails
  const near = /at or near "([a-z_]+)"/i.exec(message)?.[1]?.toLowerCase()
  return syntaxError(
    text,
    utf16Offset(text, details?.cursorPosition ?? 0),
    near && isKeyword(near) ? `"${near}" is not expected there` : null,
  )
}

/** Names the place, and what stands there only if it is a keyword: anything else may be part of a value. */
function syntaxError(text: string, offset: number, what: string | null): SelectoError {
  const before = text.slice(0, offset)
  const line = before.split("\n").length
  const column = offset - (before.lastIndexOf("\n") + 1) + 1
  const fault =
    what ??
    (offset >= text.trimEnd().length ? "the text ends too early" : "PostgreSQL's grammar does not accept what stands there")
  return new SelectoError("E_SQL_SYNTAX", `SQL syntax error at line ${line}, column ${column}: ${fault}.`, { line, column })
}

/** The parser counts code points; strings count UTF-16 units. */
function utf16Offset(text: string, codePoints: number): number {
  let units = 0
  for (let count = 0; count < codePoints && units < text.length; count++) units += text.codePointAt(units)! > 0xffff ? 2 : 1
  return units
}
