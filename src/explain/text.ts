import { limits, notAPlan, type PlanDocument, tooLarge } from "./document.ts"
import { type Fields, readDetail } from "./text-detail.ts"
import { nodeOfHeading } from "./text-heading.ts"
import { readStatementLine, type StatementReading } from "./text-statement.ts"

/** A node while the text is read. */
interface Open {
  /** Column of its arrow; of the root, of its name. */
  readonly column: number
  readonly fields: Fields
  /** Children that no label names. */
  plain: number
  /** A label such as "SubPlan 1", which names the next node. */
  label: string | null
}

const arrow = /^(\s*)->\s+(.*)$/
const figures = /\((cost=|actual |never executed)/
const label = /^\s*((?:InitPlan|SubPlan) \S+(?: \(returns .*\))?|CTE .*\S)\s*$/
const heading = /^(?:QUERY PLAN|\(\d+ \S+\)|Explain)$|\bduration: [\d.]+ ms +plan:$/i
const header = { test: (line: string): boolean => heading.test(line.trim()) }
const statementLine =
  /^\s*(Planning(?: [Tt]ime)?|Execution [Tt]ime|Total [Rr]untime|Trigger .*|Settings|JIT|Functions|Options|Timing|Query Identifier|Serialization|Query Parameters)(:|$)/

/** The document in EXPLAIN's text format, frames taken off. Throws E_PLAN_SYNTAX with the place of the fault. */
export function documentOfPlainText(text: string): PlanDocument {
  const raw = text.split("\n")
  if (raw.length > limits.lines) throw tooLarge(`A plan of ${raw.length} lines is longer than ${limits.lines}.`)
  const lines = joinWrapped(raw)
  const first = rootLine(lines, text)
  const root = openNode(lines[first]!.text.trim(), indentOf(lines[first]!.text), null)
  const stack: Open[] = [root]
  const statement: StatementReading = { fields: [], section: null }
  const query = queryText(lines, first)
  if (query !== null) statement.fields.push(["Query Text", query])
  let nodes = 1
  let below = false
  // What concerns the whole statement stands where the root stands: a worker has a section "JIT:" of its own.
  const outermost = root.column + 1
  for (const { text: line } of lines.slice(first + 1)) {
    if (line.trim() === "" || header.test(line)) continue
    const drawn = arrow.exec(line)
    const whole = below || (statementLine.test(line) && indentOf(line) <= outermost)
    if (drawn === null && whole && readStatementLine(statement, line)) {
      below = true
      continue
    }
    if (below) {
      if (drawn === null) continue
      break
    }
    if (drawn !== null) {
      if (++nodes > limits.nodes) throw tooLarge(`The plan has more than ${limits.nodes} nodes.`)
      const column = drawn[1]!.length
      while (stack.length > 1 && stack.at(-1)!.column >= column) stack.pop()
      const parent = stack.at(-1)!
      if (stack.length > limits.depth) throw tooLarge(`The plan is nested more than ${limits.depth} levels deep.`)
      stack.push(openNode(drawn[2]!, column, parent))
      continue
    }
    const named = label.exec(line)
    if (named !== null) {
      // It stands where the details of its node stand: two further in than the node's name, six than its arrow.
      const column = indentOf(line)
      while (stack.length > 1 && stack.at(-1)!.column + 3 > column) stack.pop()
      stack.at(-1)!.label = named[1]!
      continue
    }
    readDetail(stack.at(-1)!.fields, line)
  }
  return Object.fromEntries([["Plan", root.fields.record], ...statement.fields])
}

function openNode(heading: string, column: number, parent: Open | null): Open {
  const fields = nodeOfHeading(heading)
  const open: Open = { column, fields, plain: 0, label: null }
  if (parent !== null) adopt(parent, open)
  return open
}

/** Hangs a node on its parent, and says how it hangs: the text says it by labels and by order. */
function adopt(parent: Open, open: Open): void {
  const record = open.fields.record
  const type = String(parent.fields.record["Node Type"])
  if (parent.label !== null) {
    record["Parent Relationship"] = parent.label.startsWith("SubPlan") ? "SubPlan" : "InitPlan"
    record["Subplan Name"] = parent.label
    parent.label = null
  } else {
    const plain = parent.plain++
    if (["Append", "Merge Append", "BitmapAnd", "BitmapOr"].includes(type)) record["Parent Relationship"] = "Member"
    else if (type === "Subquery Scan") record["Parent Relationship"] = "Subquery"
    else if (type === "Custom Scan" || type === "Task" || type === "Distributed Subplan") record["Parent Relationship"] = "Remote"
    else record["Parent Relationship"] = plain === 0 ? "Outer" : "Inner"
  }
  const plans = parent.fields.record.Plans
  if (Array.isArray(plans)) plans.push(record)
  else parent.fields.record.Plans = [record]
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

interface Line {
  readonly text: string
}

const startsAnew =
  /^\s*(->\s|(?:InitPlan|SubPlan) \d+|CTE \S+\s*$|\(\d+ \S+\)\s*$|[A-Z][\w/-]*(?: [\w/-]+){0,3}:(?:\s|$)|Trigger .*: time=)/

/** Puts together what a narrow terminal broke: a heading whose parenthesis is still open, a condition that goes on. */
function joinWrapped(raw: readonly string[]): Line[] {
  const lines: Line[] = []
  let parts: string[] = []
  let balance: Balance = balanced
  const flush = (): void => {
    if (parts.length > 0) lines.push({ text: parts.join("") })
    parts = []
  }
  for (const text of raw) {
    const goesOn = parts.length > 0 && balance.open && text.trim() !== "" && !startsAnew.test(text) && !header.test(text)
    if (goesOn) balance = weigh(text, balance)
    else {
      flush()
      // Only lines of a plan can go on; prose before it may hold any parenthesis.
      balance = arrow.test(text) || figures.test(text) || /^\s+[A-Z][\w -]*: /.test(text) ? weigh(text, balanced) : balanced
    }
    parts.push(text)
  }
  flush()
  return lines
}

interface Balance {
  readonly depth: number
  readonly quote: string
  readonly open: boolean
}

const balanced: Balance = { depth: 0, quote: "", open: false }

/** Whether parentheses or quotes are open after a further piece of a line, or it ends in a comma. */
function weigh(text: string, before: Balance): Balance {
  let { depth, quote } = before
  for (const letter of text) {
    if (quote !== "") {
      if (letter === quote) quote = ""
    } else if (letter === "'" || letter === '"') quote = letter
    else if (letter === "(") depth++
    else if (letter === ")") depth--
  }
  return { depth, quote, open: depth > 0 || quote !== "" || text.trimEnd().endsWith(",") }
}

/** Whether a text can hold a plan at all: asked before anything is taken apart. */
export function mayHoldPlan(text: string): boolean {
  return /->|\(cost=|\(actual |\(never executed\)|\b(Scan|Join|Aggregate|Result|Sort|Limit|Append|Insert|Update|Delete|Merge|Gather|Unique|WindowAgg|Hash)\b/.test(
    text,
  )
}

const names =
  /^(Parallel |Async |Partial |Finalize |Foreign |Simple )*(Seq Scan|Index (Only )?Scan|Bitmap (Heap|Index) Scan|Tid (Range )?Scan|Sample Scan|Subquery Scan|Function Scan|Table Function Scan|Values Scan|CTE Scan|WorkTable Scan|Named Tuplestore Scan|Foreign Scan|Custom Scan|Nested Loop|Hash|Merge|Sort|Incremental Sort|Materialize|Memoize|Aggregate|GroupAggregate|HashAggregate|MixedAggregate|Group|WindowAgg|Unique|SetOp|HashSetOp|Limit|LockRows|Result|ProjectSet|Append|BitmapAnd|BitmapOr|Gather|Recursive Union|Insert|Update|Delete|Parallel)\b/

/** The line of the topmost node. */
function rootLine(lines: readonly Line[], text: string): number {
  const priced = lines.findIndex((line) => figures.test(line.text))
  const drawn = lines.findIndex((line) => arrow.test(line.text))
  if (priced !== -1 && !arrow.test(lines[priced]!.text)) return priced
  // Without costs the root is known by its name, and by standing before the first arrow.
  const end = drawn === -1 ? lines.length : drawn
  for (let at = 0; at < end; at++) {
    const line = lines[at]!.text.trim()
    if (line === "" || header.test(line) || /^(Query Text|#|--)/.test(line)) continue
    if (names.test(line) && !/[;=]/.test(line.replace(/"[^"]*"/g, ""))) return at
  }
  if (drawn !== -1) return drawn
  throw notAPlan("There is no node of a plan here", text)
}

function queryText(lines: readonly Line[], root: number): string | null {
  const start = lines.slice(0, root).findIndex((line) => /^\s*Query Text:/.test(line.text))
  if (start === -1) return null
  const part = lines.slice(start, root).map((line) => line.text)
  part[0] = part[0]!.replace(/^\s*Query Text:\s?/, "")
  return part.join("\n").trim()
}
