/**
 * Reading the conditions that EXPLAIN prints. PostgreSQL deparses them with a parenthesis around every operator, so a small
 * reader suffices; what it does not understand it leaves alone.
 */

/** A piece of a condition: a word or number, a quoted name, a string, an operator, or a parenthesis with what it holds. */
export type Piece =
  | { readonly kind: "word" | "name" | "string" | "operator"; readonly text: string }
  | { readonly kind: "group"; readonly open: "(" | "["; readonly pieces: readonly Piece[] }

/** One comparison of a condition, its sides taken apart. */
export interface Comparison {
  readonly operator: string
  readonly left: readonly Piece[]
  readonly right: readonly Piece[]
}

const token =
  /\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*|\d+(?:\.\d+)?(?:e[-+]?\d+)?|::|[-+*/<>=~!@#%^&|`?]+|[()[\],.:]|./gy

/** Deeper than this a condition is left unread. */
const maximumDepth = 200
const maximumLength = 200_000

/** The pieces of a condition's text; null where parentheses do not match or it is too long to be worth it. */
export function readCondition(text: string): readonly Piece[] | null {
  if (text.length > maximumLength) return null
  const open: Piece[][] = []
  let pieces: Piece[] = []
  token.lastIndex = 0
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const part = match[0]
    const first = part[0]!
    if (/\s/.test(first)) continue
    if (part === "(" || part === "[") {
      if (open.length >= maximumDepth) return null
      open.push(pieces)
      pieces = []
    } else if (part === ")" || part === "]") {
      const outer = open.pop()
      if (outer === undefined) return null
      outer.push({ kind: "group", open: part === ")" ? "(" : "[", pieces })
      pieces = outer
    } else pieces.push({ kind: kindOf(first), text: part })
  }
  return open.length === 0 ? unwrap(pieces) : null
}

function kindOf(first: string): "word" | "name" | "string" | "operator" {
  if (first === "'") return "string"
  if (first === '"') return "name"
  return /[\w$\u0080-\uffff]/.test(first) ? "word" : "operator"
}

/** Without parentheses around the whole. */
export function unwrap(pieces: readonly Piece[]): readonly Piece[] {
  let at = pieces
  while (at.length === 1 && at[0]!.kind === "group") at = at[0]!.pieces
  return at
}

/** The parts between a keyword (AND, OR) at the top level; one part where there is none. */
export function splitBy(pieces: readonly Piece[], keyword: "AND" | "OR"): (readonly Piece[])[] {
  const parts: Piece[][] = [[]]
  for (const piece of pieces) {
    if (piece.kind === "word" && piece.text === keyword) parts.push([])
    else parts.at(-1)!.push(piece)
  }
  return parts.map(unwrap)
}

/** Conditions that must all hold. */
export function conjunctsOf(text: string): (readonly Piece[])[] {
  const pieces = readCondition(text)
  return pieces === null ? [] : splitBy(pieces, "AND").flatMap((part) => (hasTop(part, "AND") ? splitBy(part, "AND") : [part]))
}

function hasTop(pieces: readonly Piece[], keyword: string): boolean {
  return pieces.some((piece) => piece.kind === "word" && piece.text === keyword)
}

/** Alternatives of one conjunct; empty where it has no OR at its top. */
export function alternativesOf(conjunct: readonly Piece[]): (readonly Piece[])[] {
  return hasTop(conjunct, "OR") ? splitBy(conjunct, "OR") : []
}

const comparing = new Set([
  "=",
  "<>",
  "<",
  "<=",
  ">",
  ">=",
  "~~",
  "!~~",
  "~~*",
  "!~~*",
  "~",
  "~*",
  "!~",
  "!~*",
  "@>",
  "<@",
  "&&",
  "?",
  "?|",
  "?&",
  "@@",
  "^@",
])

/** The comparison a condition makes, or null where it makes none at its top level. */
export function comparisonOf(condition: readonly Piece[]): Comparison | null {
  const at = condition.findIndex((piece) => piece.kind === "operator" && comparing.has(piece.text))
  if (at <= 0 || at === condition.length - 1) return null
  return { operator: (condition[at] as { text: string }).text, left: condition.slice(0, at), right: condition.slice(at + 1) }
}

const keywords = new Set(
  "AND OR NOT IS NULL TRUE FALSE UNKNOWN DISTINCT FROM ANY ALL ARRAY ROW CASE WHEN THEN ELSE END AT TIME ZONE COLLATE LIKE IN EXISTS SubPlan InitPlan AlternativeSubPlan hashed SYMMETRIC ASYMMETRIC CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP CURRENT_USER SESSION_USER CURRENT_ROLE USER OVER PARTITION BY ORDER FILTER WHERE WITHIN GROUP returns true false null precision varying without with time zone E B X U".split(
    " ",
  ),
)

/** A column that an expression reads, and whether something is done to it first. */
export interface ColumnUse {
  /** As printed, qualifier included: `o.total`. */
  readonly name: string
  readonly qualifier: string | null
}

/** The columns read by an expression, in order, repeated where they are. Functions, types and keywords are not columns. */
export function columnsOf(pieces: readonly Piece[]): ColumnUse[] {
  const found: ColumnUse[] = []
  collect(pieces, found)
  return found
}

function collect(pieces: readonly Piece[], found: ColumnUse[]): void {
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at]!
    if (piece.kind === "group") {
      collect(piece.pieces, found)
      continue
    }
    if (isOperator(piece, "::")) {
      at = skipType(pieces, at + 1) - 1
      continue
    }
    if (piece.kind !== "word" && piece.kind !== "name") continue
    if (piece.kind === "word" && (/^[\d$]/.test(piece.text) || keywords.has(piece.text))) continue
    // A name may be qualified: a, t.a, s.t.a.
    const parts = [piece.text]
    let end = at + 1
    while (isOperator(pieces[end], ".") && (pieces[end + 1]?.kind === "word" || pieces[end + 1]?.kind === "name")) {
      parts.push((pieces[end + 1] as { text: string }).text)
      end += 2
    }
    const next = pieces[end]
    const call = next?.kind === "group" && next.open === "("
    if (!call) found.push({ name: parts.join("."), qualifier: parts.length > 1 ? parts.at(-2)! : null })
    at = end - 1
  }
}

function isCall(piece: Piece | undefined): boolean {
  return piece?.kind === "group" && piece.open === "("
}

function isOperator(piece: Piece | undefined, text: string): boolean {
  return piece?.kind === "operator" && piece.text === text
}

/** Index after a type name: words of which only some may go on ("double precision", "timestamp with time zone"), (n), []. */
function skipType(pieces: readonly Piece[], from: number): number {
  let at = from + 1
  while (isOperator(pieces[at], ".")) at += 2
  const goesOn = new Set(["precision", "varying", "with", "without", "time", "zone"])
  for (; at < pieces.length; at++) {
    const piece = pieces[at]!
    if (piece.kind === "word" && goesOn.has(piece.text)) continue
    if (piece.kind === "group") continue
    break
  }
  return at
}

/** What stands between a column and its comparison. */
export type Wrapping =
  | { readonly kind: "bare" }
  | { readonly kind: "cast"; readonly type: string }
  | { readonly kind: "expression" }

/** How an expression uses its columns: as they are, cast, or computed upon. Null where it reads none. */
export function wrappingOf(
  side: readonly Piece[],
): { readonly wrapping: Wrapping; readonly columns: readonly ColumnUse[] } | null {
  const pieces = unwrap(side)
  const columns = columnsOf(pieces)
  if (columns.length === 0) return null
  const castAt = pieces.findIndex((piece) => isOperator(piece, "::"))
  const head = unwrap(castAt === -1 ? pieces : pieces.slice(0, castAt))
  const bareHead = isName(head)
  if (bareHead && castAt === -1) return { wrapping: { kind: "bare" }, columns }
  if (bareHead && skipType(pieces, castAt + 1) >= pieces.length) {
    const type = pieces
      .slice(castAt + 1)
      .map((piece) => (piece.kind === "group" ? "" : piece.text))
      .join(" ")
      .trim()
    return { wrapping: { kind: "cast", type }, columns }
  }
  return { wrapping: { kind: "expression" }, columns }
}

function isName(pieces: readonly Piece[]): boolean {
  if (pieces.length === 0 || pieces.length % 2 === 0) return false
  return pieces.every((piece, at) => (at % 2 === 0 ? piece.kind === "word" || piece.kind === "name" : isOperator(piece, ".")))
}

/** The first string literal of an expression, without its quotes; null where there is none. */
export function literalOf(pieces: readonly Piece[]): string | null {
  for (const piece of pieces) {
    if (piece.kind === "string") return piece.text.slice(1, -1).replaceAll("''", "'")
    if (piece.kind === "group") {
      const inner = literalOf(piece.pieces)
      if (inner !== null) return inner
    }
  }
  return null
}

/** The functions that an expression calls, lower case, without a schema. */
export function functionsOf(pieces: readonly Piece[]): string[] {
  const found: string[] = []
  const walk = (list: readonly Piece[]): void => {
    for (const [at, piece] of list.entries()) {
      if (piece.kind === "group") walk(piece.pieces)
      else if ((piece.kind === "word" || piece.kind === "name") && isCall(list[at + 1]) && !keywords.has(piece.text)) {
        if (!isOperator(list[at - 1], "::")) found.push(piece.text.replaceAll('"', "").toLowerCase())
      }
    }
  }
  walk(pieces)
  return found
}

/** A column's own name: without qualifier and quotes. */
export function bareName(name: string): string {
  const last = /(?:^|\.)("(?:[^"]|"")*"|[^."]+)$/.exec(name)?.[1] ?? name
  return last.startsWith('"') ? last.slice(1, -1).replaceAll('""', '"') : last
}
