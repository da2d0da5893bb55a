import type { ParseResult } from "../sql/parse.ts"
import type { CommentHint } from "./comment.ts"
import type { StatementNames } from "./relation.ts"
import type { ResolvedHint } from "./resolve.ts"
import type { HintServer } from "./server.ts"

/** How a hint reaches the planner. More may come: a server's own plan advice would be one that sends settings. */
export type MechanismName = "pg_hint_plan" | "set_local" | "rewrite"

/** What a mechanism looks at. */
export interface MechanismContext {
  readonly server: HintServer
  readonly names: StatementNames
  /** The statement's tree, freshly parsed, for a mechanism that changes it. */
  readonly parse: () => ParseResult
  /** SQL of a changed tree. Throws where the text would not say what the tree says. */
  readonly write: (tree: ParseResult) => string
}

/** What a mechanism would send for one hint. */
export interface Offer {
  readonly comment?: readonly CommentHint[] | undefined
  /** SET LOCAL, in the statement's transaction. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Switches that another hint must not turn off. */
  readonly keeps?: readonly string[] | undefined
  /** The statement in other words, of the same meaning. */
  readonly text?: string | undefined
  /** "statement" where it touches more than the relations that the hint names. */
  readonly scope: "relation" | "statement"
  /** What the user should know about it. */
  readonly remark?: string | undefined
}

/** A way of enforcing hints: an offer, or the reason why it cannot. */
export interface Mechanism {
  readonly name: MechanismName
  offer(hint: ResolvedHint, context: MechanismContext): Offer | string
}
