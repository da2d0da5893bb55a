import type { PlanIssue } from "../issue.ts"
import type { Plan } from "../plan.ts"
import { renderTree } from "./tree.ts"

/** A plan and its issues as Markdown: the tree in a code block, the issues as a table, their advice as a list. */
export function renderMarkdown(
  plan: Plan,
  options: { readonly issues?: readonly PlanIssue[] | undefined; readonly title?: string | undefined } = {},
): string {
  const issues = options.issues ?? []
  const fence = "```"
  return [
    ...(options.title === undefined ? [] : [`## ${cell(options.title)}`, ""]),
    `${fence}text`,
    // A name may hold anything, also what would end the block.
    renderTree(plan, { width: 110 }).replaceAll(fence, "'''"),
    fence,
    "",
    ...(issues.length === 0 ? ["Nothing to complain about."] : issuesTable(issues)),
    "",
  ].join("\n")
}

function issuesTable(issues: readonly PlanIssue[]): string[] {
  return [
    "| severity | issue | node | what was seen |",
    "|---|---|---|---|",
    ...issues.map(
      (issue) =>
        `| ${issue.severity} | [${issue.issue}](${issue.docs}) | ${issue.node} ${cell(issue.nodeType)}${issue.table === undefined ? "" : ` on ${cell(issue.table)}`} | ${cell(issue.message)} |`,
    ),
    "",
    ...[...new Map(issues.map((issue) => [issue.issue, issue.advice]))].map(([id, advice]) => `- **${id}**: ${cell(advice)}`),
  ]
}

/** Text that may stand in a cell of a table: no bars, no line ends, no markup. */
export function cell(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>|]/g, "\\$&")
}
