import type { CommentArgument, CommentHint } from "./comment.ts"
import type { OrderSide } from "./hint.ts"
import type { Mechanism, MechanismContext } from "./mechanism.ts"
import type { ResolvedHint } from "./resolve.ts"

const scanKeywords = {
  seq: "SeqScan",
  index: "IndexScan",
  index_only: "IndexOnlyScan",
  bitmap: "BitmapScan",
  tid: "TidScan",
} as const
const joinKeywords = { nested_loop: "NestLoop", hash: "HashJoin", merge: "MergeJoin" } as const

const freeWorkers: readonly CommentHint[] = ["parallel_setup_cost", "parallel_tuple_cost"].map((name) => ({
  keyword: "Set",
  args: [name, "0"],
}))

/** Hints in a comment at the beginning of the statement, read by the extension pg_hint_plan. */
export const pgHintPlan: Mechanism = {
  name: "pg_hint_plan",
  offer(hint, context) {
    if (context.server.reason !== null) return context.server.reason
    if (context.names.command === "EXECUTE") return "pg_hint_plan reads hints of a prepared statement in PREPARE, not in EXECUTE"
    const comment = commentOf(hint, context)
    if (typeof comment === "string") return comment
    // Parallel(… hard) makes the scan cheap, not the Gather above it or above an aggregate: without these a small table stays with
    // one process. Costs matter while planning only, so Set() is enough for them, and needs no transaction.
    const hard = hint.kind === "parallel" && hint.mode === "hard" && hint.workers > 0
    return hard ? { comment: [comment, ...freeWorkers], scope: "statement" } : { comment: [comment], scope: "relation" }
  },
}

function commentOf(hint: ResolvedHint, { server }: MechanismContext): CommentHint | string {
  switch (hint.kind) {
    case "setting":
      return "pg_hint_plan's Set() acts only while planning"
    case "cte":
      return "pg_hint_plan has no hint for WITH queries"
    case "scan": {
      const { alias } = hint.relation
      if (hint.forbid) return { keyword: `No${scanKeywords[hint.method === "any_index" ? "index" : hint.method]}`, args: [alias] }
      // Indexes that give no order (GIN, BRIN) can only be read by a bitmap scan.
      const method = hint.method !== "any_index" ? hint.method : hint.indexes.every(({ ordered }) => ordered) ? "index" : "bitmap"
      if (hint.matching !== null) return { keyword: `${scanKeywords[method]}Regexp`, args: [alias, hint.matching] }
      return { keyword: scanKeywords[method], args: [alias, ...hint.indexes.map(({ name }) => name)] }
    }
    case "index_off":
      if (server.version < 18) return "DisableIndex exists from pg_hint_plan 1.8, for PostgreSQL 18"
      return { keyword: "DisableIndex", args: [hint.relation.alias, ...hint.indexes.map(({ name }) => name)] }
    case "join":
      return { keyword: `${hint.forbid ? "No" : ""}${joinKeywords[hint.method]}`, args: hint.aliases }
    case "memoize":
      if (server.version < 14) return "Memoize exists from PostgreSQL 14"
      return { keyword: hint.forbid ? "NoMemoize" : "Memoize", args: hint.aliases }
    case "rows":
      return { keyword: "Rows", args: [...hint.aliases, `${hint.correction.how}${hint.correction.by}`] }
    case "order":
      // A directed order is one argument in parentheses of its own.
      return { keyword: "Leading", args: hint.list ?? [pair(hint.tree!)] }
    case "parallel":
      return { keyword: "Parallel", args: [hint.relation.alias, String(hint.workers), hint.mode] }
  }
}

function pair(side: OrderSide): CommentArgument {
  return typeof side === "string" ? side : [pair(side[0]), pair(side[1])]
}
