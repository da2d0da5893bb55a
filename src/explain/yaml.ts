import { limits, notAPlan, tooLarge } from "./document.ts"

interface Line {
  readonly indent: number
  readonly key: string | null
  readonly value: string
  /** Begins an entry of a list. */
  readonly item: boolean
  readonly number: number
}

/**
 * The value of the YAML that EXPLAIN writes: maps and lists by indentation, values in JSON's quotes, short lists in brackets.
 * Other YAML is not read. Throws E_PLAN_SYNTAX with the place of the fault.
 */
export function valueOfYaml(text: string): unknown {
  const lines = linesOf(text)
  const reader: Reader = { lines, at: lines.findIndex((line) => line.key === "Plan"), text }
  if (reader.at === -1) throw notAPlan("The YAML holds no Plan", text)
  // A log puts other fields before the plan.
  while (reader.at > 0 && lines[reader.at - 1]!.indent === lines[reader.at]!.indent && lines[reader.at - 1]!.key !== null)
    reader.at--
  if (reader.at > 0 && lines[reader.at - 1]!.item && lines[reader.at - 1]!.indent < lines[reader.at]!.indent) reader.at--
  return readBlock(reader, lines[reader.at]!.indent, 1)
}

interface Reader {
  readonly lines: readonly Line[]
  at: number
  readonly text: string
}

function linesOf(text: string): Line[] {
  const found: Line[] = []
  for (const [number, raw] of text.split("\n").entries()) {
    let rest = raw.trimEnd()
    if (rest.trim() === "") continue
    let indent = rest.length - rest.trimStart().length
    rest = rest.trimStart()
    // "- a: 1" is an entry whose first key stands two further in.
    while (rest.startsWith("- ") || rest === "-") {
      const after = rest.slice(1)
      const inner = after.trimStart()
      const isMap = /^("(?:[^"\\]|\\.)*"|[A-Za-z_][^":]*):(\s|$)/.test(inner) || inner === "" || inner.startsWith("- ")
      if (!isMap) {
        found.push({ indent, key: null, value: inner, item: true, number })
        rest = ""
        break
      }
      found.push({ indent, key: null, value: "", item: true, number })
      indent += 1 + (after.length - inner.length)
      rest = inner
    }
    if (rest === "") continue
    const match = /^("(?:[^"\\]|\\.)*"|[^\s"][^:]*?):(?:\s+(.*))?$/.exec(rest)
    if (match === null) found.push({ indent, key: null, value: rest, item: false, number })
    else
      found.push({
        indent,
        key: match[1]!.startsWith('"') ? String(scalarOf(match[1]!)) : match[1]!,
        value: (match[2] ?? "").trim(),
        item: false,
        number,
      })
  }
  return found
}

function readBlock(reader: Reader, indent: number, depth: number): unknown {
  if (depth > limits.depth * 3) throw tooLarge(`The plan is nested more than ${limits.depth} levels deep.`)
  const first = reader.lines[reader.at]
  if (first === undefined) return null
  return first.item ? readList(reader, indent, depth) : readMap(reader, indent, depth)
}

function readList(reader: Reader, indent: number, depth: number): unknown[] {
  const list: unknown[] = []
  for (let line = reader.lines[reader.at]; line?.item && line.indent === indent; line = reader.lines[reader.at]) {
    reader.at++
    const next = reader.lines[reader.at]
    if (line.value !== "") list.push(scalarOf(line.value))
    else list.push(next !== undefined && next.indent > indent ? readBlock(reader, next.indent, depth + 1) : null)
  }
  return list
}

function readMap(reader: Reader, indent: number, depth: number): Record<string, unknown> {
  const entries: [string, unknown][] = []
  for (
    let line = reader.lines[reader.at];
    line !== undefined && !line.item && line.indent === indent;
    line = reader.lines[reader.at]
  ) {
    if (line.key === null) break
    reader.at++
    const next = reader.lines[reader.at]
    const nested = next !== undefined && (next.indent > indent || (next.item && next.indent === indent))
    entries.push([line.key, line.value !== "" ? scalarOf(line.value) : nested ? readBlock(reader, next.indent, depth + 1) : []])
  }
  const line = reader.lines[reader.at]
  if (line !== undefined && line.indent > indent)
    throw notAPlan(`Line ${line.number + 1} of the YAML stands too far in`, reader.text, offsetOf(reader.text, line.number))
  return Object.fromEntries(entries)
}

function offsetOf(text: string, line: number): number {
  let at = 0
  for (let count = 0; count < line; count++) at = text.indexOf("\n", at) + 1
  return at
}

function scalarOf(value: string): unknown {
  if (value === "true" || value === "false") return value === "true"
  if (value === "null" || value === "~") return null
  if (/^-?\d{1,15}(\.\d+)?$/.test(value)) return Number(value)
  if (/^["[{]/.test(value)) {
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }
  return value
}
