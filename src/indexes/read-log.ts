import { grouped } from "./read-sql.ts"
import type { WorkloadStatement } from "./workload.ts"

/**
 * The workload of a server log: csvlog, jsonlog, or plain text, with `log_min_duration_statement`, `log_statement` or auto_explain
 * lines. Bound parameters are taken from DETAIL. Statements are grouped by fingerprint and counted.
 */
export async function logWorkload(text: string): Promise<WorkloadStatement[]> {
  const first = text.trimStart()
  const entries = first.startsWith("{")
    ? jsonEntries(text)
    : /^\d{4}-\d\d-\d\d [\d:.]+ [^,\n]*,"?/.test(first)
      ? csvEntries(text)
      : plainEntries(text)
  const statements: WorkloadStatement[] = []
  for (const { message, detail } of entries) {
    const statement = statementOf(message)
    if (statement === null) continue
    const values = detail === null ? undefined : parametersOf(detail)
    statements.push(values === undefined ? { text: statement } : { text: statement, values })
  }
  return grouped(statements)
}

interface Entry {
  readonly message: string
  readonly detail: string | null
}

function statementOf(message: string): string | null {
  const plain = /^(?:duration: [\d.]+ ms\s+)?(?:statement|execute [^:]*|parse [^:]*|bind [^:]*): ([\s\S]+)$/.exec(message)
  if (plain !== null) {
    // With log_duration each step of the extended protocol has a line: execute is the one that counts.
    return /^(?:duration: [\d.]+ ms\s+)?(?:parse|bind) /.test(message) ? null : plain[1]!.trim()
  }
  const explained = /^duration: [\d.]+ ms\s+plan:\s*([\s\S]+)$/.exec(message)
  if (explained === null) return null
  const body = explained[1]!
  if (body.trimStart().startsWith("{")) {
    try {
      return (JSON.parse(body) as { "Query Text"?: string })["Query Text"] ?? null
    } catch {
      return null
    }
  }
  return (
    /Query Text: ([\s\S]*?)(?=\n\s*(?:Query Parameters:|[A-Z][A-Za-z ]+ ?(?:using|on|\(cost)))/.exec(body)?.[1]?.trim() ?? null
  )
}

/** `parameters: $1 = 'a', $2 = NULL` (17 and later: `Parameters:`) */
function parametersOf(detail: string): (string | null)[] | undefined {
  const list = /^parameters: ([\s\S]*)$/i.exec(detail)?.[1]
  if (list === undefined) return undefined
  const values: (string | null)[] = []
  for (const match of list.matchAll(/\$(\d+) = (?:NULL|'((?:[^']|'')*)')/g)) {
    values[Number(match[1]) - 1] = match[2] === undefined ? null : match[2].replaceAll("''", "'")
  }
  return values.length === 0 ? undefined : Array.from(values, (value) => value ?? null)
}

function* jsonEntries(text: string): Generator<Entry> {
  for (const line of text.split("\n")) {
    if (!line.startsWith("{")) continue
    try {
      const entry = JSON.parse(line) as { message?: string; detail?: string }
      if (entry.message !== undefined) yield { message: entry.message, detail: entry.detail ?? null }
    } catch {
      // The last line of a log that is being written may be cut off.
    }
  }
}

/** csvlog's columns: the message is the 14th, the detail the 15th. */
function* csvEntries(text: string): Generator<Entry> {
  for (const record of csvRecords(text)) {
    if (record.length >= 15) yield { message: record[13]!, detail: record[14] === "" ? null : record[14]! }
  }
}

function* csvRecords(text: string): Generator<string[]> {
  let record: string[] = []
  let field = ""
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (quoted) {
      if (character !== '"') field += character
      else if (text[at + 1] === '"') {
        field += '"'
        at++
      } else quoted = false
    } else if (character === '"') quoted = true
    else if (character === ",") {
      record.push(field)
      field = ""
    } else if (character === "\n") {
      record.push(field)
      yield record
      record = []
      field = ""
    } else if (character !== "\r") field += character
  }
  if (field !== "" || record.length > 0) {
    record.push(field)
    yield record
  }
}

/** Lines of the stderr log: a message goes on in lines that begin with a tab. The prefix is whatever stands before the severity. */
function* plainEntries(text: string): Generator<Entry> {
  let message: string | null = null
  let detail: string | null = null
  let inDetail = false
  for (const line of text.split("\n")) {
    const head = /(?:^|\s)(LOG|DETAIL|ERROR|FATAL|WARNING|STATEMENT|HINT|CONTEXT|NOTICE|PANIC|INFO|DEBUG\d?):\s{1,2}(.*)$/.exec(
      line,
    )
    if (head !== null && !line.startsWith("\t")) {
      if (head[1] === "DETAIL") {
        detail = head[2]!
        inDetail = true
        continue
      }
      if (message !== null) yield { message, detail }
      message = head[1] === "LOG" ? head[2]! : null
      detail = null
      inDetail = false
    } else if (inDetail && detail !== null) detail += `\n${line.replace(/^\t/, "")}`
    else if (message !== null) message += `\n${line.replace(/^\t/, "")}`
  }
  if (message !== null) yield { message, detail }
}
