import { SelectoError } from "../errors.ts"
import { refuseAborted } from "./deadline.ts"

/** Runs one statement with values bound to its `$n`. */
export type DumpExecutor = (text: string, values: readonly (string | null)[]) => Promise<unknown>

export interface DumpOptions {
  /** Keep `ALTER … OWNER TO`, `GRANT` and `REVOKE`: they name roles that the target may not have. Default false. */
  readonly ownership?: boolean | undefined
  /** Called now and then with the share of the text that is done, 0 to 1. */
  readonly onProgress?: ((done: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A part of a dump: a statement, or the rows of a `COPY … FROM stdin`. */
export type DumpPart =
  | { readonly kind: "statement"; readonly text: string; readonly end: number }
  | {
      readonly kind: "copy"
      readonly table: string
      readonly columns: readonly string[]
      readonly rows: readonly (string | null)[][]
      readonly end: number
    }

const ownership = /^(?:ALTER\s[^;]*\sOWNER\s+TO\s|GRANT\s|REVOKE\s|ALTER\s+DEFAULT\s+PRIVILEGES\s)/i
const copyStart = /^COPY\s+((?:"(?:[^"]|"")+"|[^\s."(]+)(?:\.(?:"(?:[^"]|"")+"|[^\s."(]+))?)\s*\(([^;]*)\)\s+FROM\s+stdin\s*$/i
/** The protocol counts parameters in 16 bits. */
const maxValues = 65_535

/**
 * Loads a plain-text dump (`pg_dump --format=plain`) through anything that runs statements: rows of `COPY` become `INSERT`s with
 * bound values, so that no COPY protocol is needed and an embedded database takes the same path as a server.
 * Restores one statement at a time, as psql does; the first error ends it. Errors: E_UNSUPPORTED_INPUT for a text that ends half-way.
 *
 * @example
 * await loadDump(await readFile("shop.sql", "utf8"), (text, values) => session.queryText({ text, values }))
 */
export async function loadDump(dump: string, execute: DumpExecutor, options: DumpOptions = {}): Promise<void> {
  for (const part of dumpParts(dump)) {
    refuseAborted(options.signal)
    if (part.kind === "copy") await insert(part.table, part.columns, part.rows, execute)
    else if (options.ownership === true || !ownership.test(part.text)) await execute(part.text, [])
    options.onProgress?.(part.end / dump.length)
  }
}

async function insert(
  table: string,
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  execute: DumpExecutor,
): Promise<void> {
  const perStatement = Math.max(1, Math.floor(Math.min(maxValues, 8000) / Math.max(1, columns.length)))
  for (let from = 0; from < rows.length; from += perStatement) {
    const some = rows.slice(from, from + perStatement)
    let n = 0
    const tuples = some.map((row) => `(${row.map(() => `$${++n}`).join(",")})`).join(",")
    // COPY writes identity columns as they are; so must we.
    await execute(`INSERT INTO ${table} (${columns.join(", ")}) OVERRIDING SYSTEM VALUE VALUES ${tuples}`, some.flat())
  }
}

/** The parts of a dump, in order. Comments and psql's own commands (`\connect`, `\restrict`) are left out. */
export function* dumpParts(dump: string): Generator<DumpPart> {
  let at = 0
  while (at < dump.length) {
    at = afterBlank(dump, at)
    if (at >= dump.length) return
    const end = statementEnd(dump, at)
    const text = dump.slice(at, end).trim()
    at = Math.min(dump.length, end + 1)
    const copy = copyStart.exec(text)
    if (copy === null) {
      if (text !== "") yield { kind: "statement", text, end: at }
      continue
    }
    const columns = splitColumns(copy[2]!)
    const start = dump.indexOf("\n", at) + 1
    const stop = start === 0 ? -1 : endOfRows(dump, start)
    if (stop === -1) throw unfinished("the rows of a COPY have no end")
    const lines = stop === start ? [] : dump.slice(start, stop - 1).split(/\r?\n/)
    at = stop + 2
    yield { kind: "copy", table: copy[1]!, columns, rows: lines.map((line) => line.split("\t").map(copyValue)), end: at }
  }
}

function unfinished(what: string): SelectoError {
  return new SelectoError(
    "E_UNSUPPORTED_INPUT",
    `The dump ends half-way: ${what}. Give the whole output of pg_dump --format=plain.`,
  )
}

function endOfRows(dump: string, start: number): number {
  if (dump.startsWith("\\.", start)) return start
  const found = dump.indexOf("\n\\.", start)
  return found === -1 ? -1 : found + 1
}

function splitColumns(list: string): string[] {
  return (list.match(/"(?:[^"]|"")+"|[^\s,"]+/g) ?? []) as string[]
}

const copyEscapes: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" }

/** COPY's text format: PostgreSQL documentation, "COPY", section File Formats. */
function copyValue(field: string): string | null {
  if (field === "\\N") return null
  if (!field.includes("\\")) return field
  return field.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([\s\S]))/g, (_, octal, hex, other) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return copyEscapes[other as string] ?? (other as string)
  })
}

/** Past white space, comments, and lines that are commands of psql. */
function afterBlank(dump: string, from: number): number {
  let at = from
  for (;;) {
    const before = at
    while (at < dump.length && /\s/.test(dump[at]!)) at++
    if (dump.startsWith("--", at) || dump[at] === "\\") at = lineEnd(dump, at)
    else if (dump.startsWith("/*", at)) at = commentEnd(dump, at)
    if (at === before) return at
  }
}

function lineEnd(dump: string, from: number): number {
  const end = dump.indexOf("\n", from)
  return end === -1 ? dump.length : end + 1
}

/** Block comments nest in PostgreSQL. */
function commentEnd(dump: string, from: number): number {
  const marks = /\/\*|\*\//g
  marks.lastIndex = from
  let depth = 0
  for (let mark = marks.exec(dump); mark !== null; mark = marks.exec(dump)) {
    depth += mark[0] === "/*" ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  throw unfinished("a comment is not closed")
}

/** The place of the semicolon that ends the statement (or the end of the text): not inside quotes, comments or BEGIN ATOMIC … END. */
function statementEnd(dump: string, from: number): number {
  const token =
    /;|--|\/\*|[eE]?'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|\b(?:BEGIN\s+ATOMIC|CASE|END)\b|[\w\u0080-\uffff$]+/gi
  token.lastIndex = from
  let atomic = 0
  for (let match = token.exec(dump); match !== null; match = token.exec(dump)) {
    const [text] = match
    if (text === ";") {
      if (atomic === 0) return match.index
    } else if (text === "--") token.lastIndex = lineEnd(dump, match.index)
    else if (text === "/*") token.lastIndex = commentEnd(dump, match.index)
    else if (text.endsWith("'")) token.lastIndex = quoteEnd(dump, token.lastIndex, text.length > 1)
    else if (text === '"') token.lastIndex = closing(dump, '"', token.lastIndex, "a quoted name is not closed")
    else if (text.startsWith("$") && text.endsWith("$"))
      token.lastIndex = closing(dump, text, token.lastIndex, "a dollar quote is not closed")
    else if (/^BEGIN\s+ATOMIC$/i.test(text)) atomic++
    else if (atomic > 0 && /^CASE$/i.test(text)) atomic++
    else if (atomic > 0 && /^END$/i.test(text)) atomic--
  }
  return dump.length
}

function closing(dump: string, mark: string, from: number, what: string): number {
  const end = dump.indexOf(mark, from)
  if (end === -1) throw unfinished(what)
  return end + mark.length
}

function quoteEnd(dump: string, from: number, escapes: boolean): number {
  for (let at = from; at < dump.length; at++) {
    if (escapes && dump[at] === "\\") at++
    else if (dump[at] === "'") return at + 1
  }
  throw unfinished("a string is not closed")
}
