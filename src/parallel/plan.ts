import { isSelectoError } from "../errors.ts"
import type { StatementShape } from "../sql/index.ts"
import type { Decomposition } from "./aggregates.ts"
import type { TypeFacts } from "./catalog.ts"
import { type Knowledge, learn } from "./knowledge.ts"
import type { ParallelRequest, Settled } from "./option.ts"
import type { SortColumn } from "./order.ts"
import type { Divided } from "./partition.ts"
import { type PlanContext, Planning } from "./planning.ts"
import { textRefusal } from "./rules.ts"
import type { GivenColumn, Source } from "./statements.ts"

/** How the answers of the parts become the answer. */
export type Mode =
  /** Rows, or groups that no two parts share: put together. */
  | "rows"
  /** Partial groups: merged by a last statement. */
  | "groups"
  /** Rows that several parts may have: SELECT DISTINCT over them. */
  | "distinct"

/** Everything that is decided about splitting a statement before a session is asked for. */
export interface SplitPlan {
  readonly mode: Mode
  readonly knowledge: Knowledge
  readonly source: Source
  readonly divided: Divided
  /** Grouping keys of a part, and aggregates taken apart. Modes groups and distinct. */
  readonly keys: readonly string[]
  readonly decompositions: readonly Decomposition[]
  /** The columns that parts give, as the last statement reads them. Modes groups and distinct. */
  readonly given: readonly GivenColumn[]
  readonly givenTypes: readonly TypeFacts[]
  /** Names and types of the answer. */
  readonly names: readonly string[]
  readonly types: readonly number[]
  /** The keys of ORDER BY that parts of mode rows are sorted by. */
  readonly sort: readonly SortColumn[]
}

/** Plans the split of a statement. A string says why it cannot be done exactly. */
export async function planSplit(
  shape: StatementShape,
  values: readonly unknown[],
  request: ParallelRequest,
  options: Settled,
  context: PlanContext,
): Promise<SplitPlan | string> {
  const reason = textRefusal(shape)
  if (reason !== null) return reason
  const knowledge = await learn(context.executor, shape, options, context.inTransaction)
  if (typeof knowledge === "string") return knowledge
  try {
    const planning = new Planning(knowledge, values, request, options, context)
    const plan = await planning.plan()
    return typeof plan === "string" ? plan : (mergeRefusal(plan, options) ?? plan)
  } catch (error) {
    // What the grammar reads and the deparser cannot write again is no fault of the statement.
    if (isSelectoError(error, "E_UNSUPPORTED_INPUT")) return error.message
    throw error
  }
}

/** A way of merging that was asked for and does not suit the statement. */
function mergeRefusal(plan: SplitPlan, { merge }: Settled): string | null {
  if (merge === "hash" && plan.mode === "rows") return 'merge: "hash" is for groups, and these parts share none'
  if (merge === "sort_merge" && plan.mode === "rows" && plan.sort.length === 0) return 'merge: "sort_merge" needs an ORDER BY'
  if ((merge === "union" || merge === "streaming") && plan.mode !== "rows")
    return `merge: "${merge}" only puts rows together, and these parts would share groups`
  return null
}
