import { analyzeQueryPlan } from "./analyze.ts"
import { type PlanIssueId, type Severity, severities } from "./issue.ts"
import { type Plan, planNodes } from "./plan.ts"
import { renderIssues, renderTree } from "./render/tree.ts"

/** What the matchers take: a plan, or anything that can be explained. */
export type Explainable = Plan | { explain(options?: { analyze?: boolean | undefined }): Promise<unknown> }

/** What a matcher answers to Vitest or Jest. */
export interface MatcherResult {
  readonly pass: boolean
  message(): string
}

/** Options of `toHaveNoPlanIssues()`. */
export interface NoIssuesOptions {
  /** Runs the statement, which finds more. Default false. */
  readonly analyze?: boolean | undefined
  /** Issues from this severity on fail. Default "medium". */
  readonly severity?: Exclude<Severity, "info"> | undefined
  /** Issues that are known and accepted. */
  readonly except?: readonly PlanIssueId[] | undefined
}

/** Matchers for `expect.extend`, where the runner is not Vitest. */
export const planMatchers: {
  toUseIndex(received: unknown, index: string): Promise<MatcherResult>
  toHaveNoPlanIssues(received: unknown, options?: NoIssuesOptions): Promise<MatcherResult>
} = { toUseIndex, toHaveNoPlanIssues }

async function toUseIndex(received: unknown, index: string): Promise<MatcherResult> {
  const plan = await planOf(received, false)
  const used = [...new Set([...planNodes(plan.root)].flatMap((node) => (node.index === null ? [] : [node.index])))]
  return {
    pass: used.includes(index),
    message: () =>
      used.includes(index)
        ? `The plan uses the index ${index}:\n\n${renderTree(plan)}`
        : `The plan does not use the index ${index}${used.length === 0 ? "" : ` (but ${used.join(", ")})`}:\n\n${renderTree(plan)}`,
  }
}

async function toHaveNoPlanIssues(received: unknown, options: NoIssuesOptions = {}): Promise<MatcherResult> {
  const plan = await planOf(received, options.analyze === true)
  const floor = severities.indexOf(options.severity ?? "medium")
  const issues = analyzeQueryPlan(plan).filter(
    (issue) => severities.indexOf(issue.severity) <= floor && !(options.except ?? []).includes(issue.issue),
  )
  return {
    pass: issues.length === 0,
    message: () =>
      issues.length === 0
        ? "The plan has no issues, and some were expected."
        : `The plan has issues:\n\n${renderTree(plan, { issues })}\n\n${renderIssues(issues)}`,
  }
}

async function planOf(received: unknown, analyze: boolean): Promise<Plan> {
  const explainable = received as { explain?: unknown; root?: unknown } | null
  if (typeof explainable?.explain === "function")
    return (await (explainable as { explain(options: object): Promise<unknown> }).explain({ analyze })) as Plan
  if (typeof explainable?.root === "object") return received as Plan
  throw new TypeError("Expected a plan, or a query that has a method explain().")
}
