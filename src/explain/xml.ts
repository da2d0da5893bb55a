import { limits, notAPlan, type PlanDocument, tooLarge } from "./document.ts"

/** Names whose slash or hyphen the tag has lost: a tag has a hyphen for every character that XML forbids in one. */
const special = new Map(
  [
    "I/O Read Time",
    "I/O Write Time",
    "Shared I/O Read Time",
    "Shared I/O Write Time",
    "Local I/O Read Time",
    "Local I/O Write Time",
    "Temp I/O Read Time",
    "Temp I/O Write Time",
    "One-Time Filter",
    "Full-sort Groups",
    "Pre-sorted Groups",
  ].map((name) => [name.replace(/[^A-Za-z0-9]/g, "-"), name]),
)

/** Fields that are text even where they look like a number. */
const textual = /^(Node Type|Alias|Schema|.* Name|(?!Rows Removed)(.* )?Filter|.* Cond|.* Key|Query Text|Query Identifier|Item)$/

const lists = new Set([
  "Item",
  "Plan",
  "Trigger",
  "Worker",
  "Grouping Set",
  "Hash Key",
  "Group Key",
  "Target Table",
  "Group",
  "Query",
])
/** Lists that are printed empty. */
const emptyLists = new Set(["Plans", "Triggers", "Workers", "Hash Key", "Group Key"])

interface Element {
  readonly name: string
  readonly start: number
  readonly children: Element[]
  text: string
}

/** The document in EXPLAIN's XML. Throws E_PLAN_SYNTAX with the place of the fault. */
export function documentOfXml(text: string): PlanDocument {
  const begin = text.search(/<explain[\s>]/)
  const root: Element = { name: "", start: begin, children: [], text: "" }
  const open: Element[] = [root]
  const piece = /<!--[\s\S]*?-->|<\/([^\s>]+)\s*>|<([A-Za-z_][^\s/>]*)[^>]*?(\/)?>|([^<]+)/y
  piece.lastIndex = begin
  let nodes = 0
  while (open.length > 1 || root.children.length === 0) {
    const at = piece.lastIndex
    const match = piece.exec(text)
    if (match === null) throw notAPlan(at >= text.length ? "The XML ends too early" : "This is not well-formed XML", text, at)
    const [, closed, opened, empty, words] = match
    const top = open.at(-1)!
    if (words !== undefined) top.text += words
    else if (opened !== undefined) {
      if (++nodes > limits.nodes * 40) throw tooLarge("The plan has too many elements.")
      const element: Element = { name: nameOf(opened), start: at, children: [], text: "" }
      top.children.push(element)
      if (empty === undefined) open.push(element)
      if (open.length > limits.depth * 3) throw tooLarge(`The plan is nested more than ${limits.depth} levels deep.`)
    } else if (closed !== undefined) {
      if (nameOf(closed) !== top.name) throw notAPlan(`The element ${top.name} is not closed`, text, at)
      open.pop()
    }
  }
  const query = root.children[0]!.children.find((element) => element.name === "Query")
  if (query === undefined) throw notAPlan("The XML holds no Query", text, begin)
  return recordOf(query)
}

function nameOf(tag: string): string {
  return special.get(tag) ?? tag.replaceAll("-", " ")
}

function recordOf(element: Element): Record<string, unknown> {
  // Entries, not assignments: a tag may be called __proto__.
  return Object.fromEntries(element.children.map((child) => [child.name, readValue(child)]))
}

function readValue(element: Element): unknown {
  const { children } = element
  if (children.length === 0) return scalarOf(element)
  if (
    element.name !== "Query" &&
    children.every((child) => child.name === children[0]!.name && lists.has(child.name)) &&
    element.name !== children[0]!.name
  ) {
    return children.map(readValue)
  }
  return recordOf(element)
}

function scalarOf(element: Element): unknown {
  const text = element.text.includes("&") ? plain(element.text) : element.text
  if (text.trim() === "" && emptyLists.has(element.name)) return []
  if (textual.test(element.name)) return text
  if (text === "true" || text === "false") return text === "true"
  return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text
}

const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" }

function plain(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (name[0] !== "#") return Object.hasOwn(entities, name) ? entities[name]! : whole
    const code = name[1] === "x" || name[1] === "X" ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
