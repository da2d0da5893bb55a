export { analyzeQueryPlan } from "./analyze.ts"
export { catalogOfPlan } from "./catalog.ts"
export { comparePlans, type NodeChange, type PlanComparison } from "./compare.ts"
export { type ExplainStatementOptions, explainStatement } from "./explain-statement.ts"
export type { AnalyzeContext } from "./facts.ts"
export {
  type BaselineEntry,
  type CheckPlansOptions,
  checkPlans,
  type NamedStatement,
  namedStatements,
  type PlanBaseline,
  type PlanCheck,
  type PlanCheckReport,
  parseBaseline,
} from "./gate.ts"
export { guide, type PlanIssue, type PlanIssueId, planIssueIds, type Severity, severities } from "./issue.ts"
export { type Explainable, type MatcherResult, type NoIssuesOptions, planMatchers } from "./matchers.ts"
export { parsePlan } from "./parse.ts"
export { parsePlanAside } from "./parse-aside.ts"
export {
  nodeAt,
  type Plan,
  type PlanExclusive,
  type PlanJit,
  type PlanNode,
  type PlanRelation,
  type PlanSerialization,
  type PlanTotals,
  type PlanTrigger,
  planNodes,
} from "./plan.ts"
export { pseudonymisePlan } from "./pseudonymise.ts"
export { type HtmlOptions, renderHtml } from "./render/html.ts"
export { renderMarkdown } from "./render/markdown.ts"
export { loadPlanPicture, type PlanPicture } from "./render/picture.ts"
export { type RenderOptions, renderIssues, renderTree } from "./render/tree.ts"
export { planHash, planShape } from "./shape.ts"
