import type { Relation } from "../database/catalog.ts"
import { relationIn } from "./catalog.ts"
import { bareName } from "./condition.ts"
import type { Facts } from "./facts.ts"
import type { PlanIssue, PlanIssueId } from "./issue.ts"
import type { PlanNode } from "./plan.ts"

/** Findings that an index would mend. */
const wantsIndex: ReadonlySet<PlanIssueId> = new Set(["sequential_scan", "nested_loop_inner_seq_scan"])

/** An issue held against the catalog: confirmed where it bears it out, and said differently where it contradicts. */
export function confirm(issue: PlanIssue, node: PlanNode, facts: Facts): PlanIssue {
  const { catalog } = facts.context
  if (catalog === undefined) return issue
  if (issue.issue === "unindexed_foreign_key") return confirmForeignKey(issue, node, facts)
  const table = relationIn(catalog, node.relation)
  if (table === null) return issue
  if (issue.issue === "implicit_cast") return confirmCast(issue, table)
  if (!wantsIndex.has(issue.issue)) return issue
  const wanted = (issue.columns ?? []).map(bareName)
  const serving = table.indexes.find((index) => index.valid && wanted.includes(index.columns[0]?.column ?? ""))
  if (serving === undefined) return wanted.length === 0 ? issue : { ...issue, confirmed: true }
  return {
    ...issue,
    message: `${issue.message} The index ${serving.name} starts with ${serving.columns[0]!.text}, and was not used.`,
    advice: `Find out why ${serving.name} was not used: it finds too many rows by itself (add the other columns of the filter), the comparison's type or collation is another, its WHERE does not cover this condition, or the statistics are stale (ANALYZE).`,
  }
}

function confirmCast(issue: PlanIssue, table: Relation): PlanIssue {
  const column = table.columns.find((one) => issue.columns?.some((name) => bareName(name) === one.name))
  return column === undefined
    ? issue
    : { ...issue, confirmed: true, message: `${issue.message} The column's type is ${column.type}.` }
}

function confirmForeignKey(issue: PlanIssue, node: PlanNode, facts: Facts): PlanIssue {
  const { catalog } = facts.context
  const key = relationIn(catalog, node.relation)?.referencedBy.find((one) => issue.message.includes(` ${one.name} `))
  if (key === undefined) return issue
  const referencing = relationIn(catalog, key.from)
  // Only a picture of the catalog that holds the other table can say what indexes it has.
  const indexed = referencing?.indexes.some((index) => key.columns.every((column, at) => index.columns[at]?.column === column))
  if (indexed === true) return issue
  return {
    ...issue,
    confirmed: indexed === false,
    columns: key.columns,
    advice: `Index ${key.from.name} (${key.columns.join(", ")}): every deleted or changed key is looked up there.`,
  }
}
