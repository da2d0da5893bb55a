import { buildPlan } from "./build.ts"
import { fieldOf, isRecord, limits, notAPlan, type PlanDocument, tooLarge } from "./document.ts"
import { endOfJson, valueOfJson } from "./json.ts"
import type { Plan } from "./plan.ts"
import { documentOfPlainText, mayHoldPlan } from "./text.ts"
import { unframe } from "./unframe.ts"
import { documentOfXml } from "./xml.ts"
import { valueOfYaml } from "./yaml.ts"

/**
 * Reads the output of EXPLAIN, PostgreSQL 9 to 18: JSON however it is wrapped (array, object, psql frames, a log line, a quoted
 * string), YAML, XML, or the text format (also without costs or times, framed, wrapped, or from auto_explain's log).
 * Takes the text, or what a driver already parsed. Of several plans the first is read.
 *
 * Throws E_PLAN_SYNTAX (with line and column) or E_PLAN_TOO_LARGE, nothing else.
 *
 * @example
 * const plan = parsePlan('[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "orders", "Total Cost": 12.5}}]')
 * const same = parsePlan("Seq Scan on orders  (cost=0.00..12.50 rows=1 width=4)")
 */
export function parsePlan(source: string | object): Plan {
  if (typeof source === "string") {
    refuseLong(source)
    return buildPlan(documentOfText(source, 0), source)
  }
  return buildPlan(documentOfValue(source, 0, ""), "")
}

function refuseLong(text: string): void {
  if (text.length > limits.characters) throw tooLarge(`A plan of ${text.length} characters is longer than ${limits.characters}.`)
}

function refuseManyLines(text: string): void {
  let lines = 1
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines++
  if (lines > limits.lines) throw tooLarge(`A plan of ${lines} lines is longer than ${limits.lines}.`)
}

/** Plans in strings in plans: further than this nobody wraps them. */
const deepestWrapping = 8

function documentOfText(text: string, wrapped: number): PlanDocument {
  refuseLong(text)
  if (wrapped > deepestWrapping) throw notAPlan("The plan is wrapped too often", text)
  if (text.includes("\u0000")) throw notAPlan("This is binary data", text, text.indexOf("\u0000"))
  const first = /\S/.exec(text)
  if (first === null) throw notAPlan("There is nothing here", text)
  const starts = text[first.index]!
  const mentions = /"(Plan|Node Type)\\?"\s*:/.test(text)
  const drawn = /->|\(cost=|\(actual |\(never executed\)/.test(text)
  if ((starts === "[" || starts === "{" || starts === '"') && (mentions || !drawn)) {
    const end = starts === '"' ? text.trimEnd().length : endOfJson(text, first.index)
    const whole = text.slice(end).trim() === ""
    if (whole || !mentions) return documentOfValue(valueOfJson(text, first.index, end), wrapped, text)
  }
  if (/<explain[\s>]/.test(text)) return documentOfXml(text)
  if (mentions) return documentOfEmbedded(text, wrapped)
  if (!mayHoldPlan(text) && !text.includes("Node Type")) throw notAPlan("There is no plan here", text)
  refuseManyLines(text)
  const plain = unframe(text)
  if (/^\s*(-\s+)?Plan:\s*$/m.test(plain) && /^\s*(-\s+)?Node Type:/m.test(plain))
    return documentOfValue(valueOfYaml(plain), wrapped, text)
  return documentOfPlainText(plain)
}

/** JSON somewhere in a terminal's output or a log. */
function documentOfEmbedded(text: string, wrapped: number): PlanDocument {
  refuseManyLines(text)
  const plain = unframe(text)
  const key = plain.search(/"(Plan|Node Type|Query Text)"\s*:/)
  // The innermost bracket before the first key begins the plan; array and object may be opened on lines of their own.
  const open = key === -1 ? -1 : plain.lastIndexOf("{", key)
  if (open === -1) {
    const string = /"((?:[^"\\]|\\.)*\\"(?:Plan|Node Type)\\"(?:[^"\\]|\\.)*)"/.exec(plain)
    if (string !== null) return documentOfValue(valueOfJson(plain, string.index, string.index + string[0].length), wrapped, text)
    throw notAPlan("There is no beginning of a JSON plan", text)
  }
  const end = endOfJson(plain, open)
  return documentOfValue(valueOfJson(plain, open, end), wrapped, text)
}

/** The statement inside what a driver, a log record or a file holds: arrays, rows with a "QUERY PLAN" column, plans in strings. */
function documentOfValue(value: unknown, wrapped: number, text: string): PlanDocument {
  let at = value
  for (let step = 0; step < 20; step++) {
    if (typeof at === "string") return documentOfText(at, wrapped + 1)
    if (Array.isArray(at)) {
      // Rows of the text format: one line each.
      const lines = at.map((row) => (isRecord(row) ? fieldOf(row, "QUERY PLAN") : row))
      if (lines.length > 1 && lines.every((line) => typeof line === "string"))
        return documentOfText(lines.join("\n"), wrapped + 1)
      at = at[0]
    } else if (isRecord(at)) {
      if (isRecord(fieldOf(at, "Plan"))) return at
      if (typeof fieldOf(at, "Node Type") === "string") return { Plan: at }
      const holder = at
      at = ["QUERY PLAN", "query_plan", "plan", "explain", "rows", "message"]
        .map((name) => fieldOf(holder, name))
        .find((one) => one !== undefined && one !== null)
    } else break
  }
  throw notAPlan("This holds no plan of PostgreSQL", text)
}
