import { SelectoError } from "../errors.ts"
import { loadShapes, parseSqlSync } from "../sql/index.ts"
import { writeTree } from "../sql/tree.ts"
import { type CommentHint, parseComment, printComment, printHint, subjectOfComment } from "./comment.ts"
import type { HintInput } from "./hint.ts"
import type { Mechanism, MechanismName, Offer } from "./mechanism.ts"
import { pgHintPlan } from "./pg-hint-plan.ts"
import type { StatementNames } from "./relation.ts"
import type { ResolvedHint } from "./resolve.ts"
import { rewrite } from "./rewrite.ts"
import { commentsOf } from "./scan-text.ts"
import type { HintServer } from "./server.ts"
import { setLocal } from "./set-local.ts"

/** The mechanisms in the order in which they are asked; the first whose offer fits the others' carries the hint. */
export const mechanisms: readonly Mechanism[] = [pgHintPlan, rewrite, setLocal]

/** What became of one hint. */
export interface AppliedHint {
  /** Its name, as it was asked for. */
  readonly hint: string
  readonly value: unknown
  readonly mechanism: MechanismName | "none"
  /** "statement": a global switch or setting that touches all of the statement, not only the relations that the hint names. */
  readonly scope: "relation" | "statement" | null
  /** What was sent: `HashJoin(o c)`, `enable_nestloop = off`. */
  readonly sent: readonly string[]
  /** Why nothing enforces it (mechanism "none"), or what to know about the way it was sent. */
  readonly reason: string | null
}

/** A statement with its hints. */
export interface HintedStatement {
  readonly text: string
  readonly comment: string | null
  readonly settings: Readonly<Record<string, string>>
  readonly rewritten: boolean
  readonly applied: readonly AppliedHint[]
  /** The hints with what carries each, in the same order as `applied`, for checking. */
  readonly resolved: readonly ResolvedHint[]
}

interface Draft {
  text: string
  readonly comment: CommentHint[]
  readonly settings: Map<string, { readonly value: string; readonly by: HintInput }>
  readonly keeps: Map<string, HintInput>
}

/**
 * Chooses a mechanism for every hint and puts them together: one comment at position 0, settings, a rewritten text. Pure but for
 * the parser, which must be loaded. Throws E_CONFLICTING_HINTS and E_HINT_BLOCK for a hint block that is in the text already.
 */
export function applyHints(
  text: string,
  hints: readonly ResolvedHint[],
  names: StatementNames,
  server: HintServer,
): HintedStatement {
  const draft: Draft = { text, comment: [], settings: new Map(), keeps: new Map() }
  // What the user set comes first: a switch that stands in for another hint must give way to it.
  const order = [...hints].sort((a, b) => Number(b.kind === "setting") - Number(a.kind === "setting"))
  const outcome = new Map<ResolvedHint, AppliedHint>()
  for (const hint of order) outcome.set(hint, applyOne(hint, draft, names, server))
  const rewritten = draft.text !== text
  // What the user set is not undone by a setting that only helps another hint.
  const own = draft.comment.filter(({ keyword, args }) => keyword !== "Set" || !draft.settings.has(args[0] as string))
  const merged = withComment(text, draft.text, own)
  const settings = Object.fromEntries([...draft.settings].map(([name, { value }]) => [name, value]))
  return { ...merged, settings, rewritten, applied: hints.map((hint) => outcome.get(hint)!), resolved: hints }
}

function applyOne(hint: ResolvedHint, draft: Draft, names: StatementNames, server: HintServer): AppliedHint {
  const reasons: string[] = []
  const context = { server, names, parse: () => parseSqlSync(draft.text), write: writeTree }
  for (const mechanism of mechanisms) {
    const offer = mechanism.offer(hint, context)
    const refusal = typeof offer === "string" ? offer : clash(offer, hint, draft)
    if (typeof offer === "string" || refusal !== null) {
      reasons.push(refusal!)
      continue
    }
    accept(offer, hint, draft)
    const sent = [
      ...(offer.comment ?? []).map(printHint),
      ...Object.entries(offer.settings ?? {}).map(([name, value]) => `${name} = ${value}`),
      ...(offer.text === undefined ? [] : ["the statement, rewritten"]),
    ]
    return {
      hint: hint.input.name,
      value: hint.input.value,
      mechanism: mechanism.name,
      scope: offer.scope,
      sent,
      reason: offer.remark ?? null,
    }
  }
  return {
    hint: hint.input.name,
    value: hint.input.value,
    mechanism: "none",
    scope: null,
    sent: [],
    reason: [...new Set(reasons)].join("; "),
  }
}

/** A switch for the whole statement must not undo what another hint demands. */
function clash(offer: Offer, hint: ResolvedHint, draft: Draft): string | null {
  for (const [name, value] of Object.entries(offer.settings ?? {})) {
    const before = draft.settings.get(name)
    if (before !== undefined && before.value !== value) return `${name} = ${value} would undo the hint ${before.by.name}`
    const keeper = draft.keeps.get(name)
    if (value === "off" && keeper !== undefined && hint.kind !== "setting")
      return `${name} = off is for the whole statement and would undo the hint ${keeper.name}`
  }
  for (const name of offer.keeps ?? []) {
    const before = draft.settings.get(name)
    if (before?.value === "off") return `the hint ${before.by.name} sets ${name} = off for the whole statement`
  }
  return null
}

function accept(offer: Offer, hint: ResolvedHint, draft: Draft): void {
  for (const item of offer.comment ?? [])
    if (!draft.comment.some((other) => printHint(other) === printHint(item))) draft.comment.push(item)
  for (const [name, value] of Object.entries(offer.settings ?? {})) draft.settings.set(name, { value, by: hint.input })
  for (const name of offer.keeps ?? []) draft.keeps.set(name, hint.input)
  if (offer.text !== undefined) draft.text = offer.text
}

/**
 * The text with one hint comment at position 0. A block that the user wrote is taken into it: before PostgreSQL 17 the second of
 * two blocks is not read, from 17 it is an error. Other block comments of a rewritten text are put back at its end.
 */
function withComment(original: string, text: string, own: readonly CommentHint[]): { text: string; comment: string | null } {
  const comments = commentsOf(original)
  const blocks = comments.filter(({ hint }) => hint)
  const rewritten = text !== original
  if (own.length === 0 && !rewritten) return { text, comment: blocks[0]?.text ?? null }
  if (own.length === 0 && blocks.length === 0) return { text: `${text}${trailing(comments)}`, comment: null }
  if (blocks.length > 1)
    throw new SelectoError(
      "E_HINT_BLOCK",
      "The statement holds more than one hint comment; PostgreSQL reads only the first, or refuses it. Keep one.",
    )
  // Nothing to add: what the user wrote stays as it is, read or not.
  if (own.length === 0) return { text: `${blocks[0]!.text} ${text}${trailing(comments)}`, comment: blocks[0]!.text }
  const written = blocks.length === 0 ? [] : parseComment(blocks[0]!.text)
  const added = own.filter((hint) => {
    const same = written.find((other) => subjectOfComment(other) === subjectOfComment(hint))
    if (same === undefined) return true
    if (printHint(same) === printHint(hint)) return false
    throw new SelectoError(
      "E_CONFLICTING_HINTS",
      `The hint comment of the statement has ${printHint(same)} and hint() adds ${printHint(hint)}: keep one.`,
      { path: printHint(same) },
    )
  })
  const comment = printComment([...written, ...added])
  let body = text
  if (rewritten) body += trailing(comments)
  else for (const block of [...blocks].reverse()) body = `${body.slice(0, block.start)}${body.slice(block.end)}`
  return { text: `${comment} ${body.trimStart()}`, comment }
}

function trailing(comments: ReturnType<typeof commentsOf>): string {
  return comments
    .filter(({ hint, text }) => !hint && text.startsWith("/*") && text.endsWith("*/"))
    .map(({ text }) => ` ${text}`)
    .join("")
}

/** Loads what {@link applyHints} needs, once per process. */
export const loadHints: () => Promise<void> = loadShapes
