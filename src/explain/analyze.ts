import { withoutSymptoms } from "./cause.ts"
import { confirm } from "./confirm.ts"
import { type AnalyzeContext, type Facts, factsOf } from "./facts.ts"
import { guide, type PlanIssue, type PlanIssueId, type Severity, severities } from "./issue.ts"
import type { Plan, PlanNode } from "./plan.ts"
import { planRules } from "./rules/index.ts"
import type { Observation, Rule } from "./rules/rule.ts"
import { time } from "./rules/rule.ts"

/** What a rule saw, with the node it names. */
export interface Finding {
  readonly rule: Rule
  readonly node: PlanNode
  readonly seen: Observation
  readonly alsoAt: readonly string[]
}

/** Told however short the statement was: they say nothing about its nodes' times. */
const told: ReadonlySet<PlanIssueId> = new Set([
  "disabled_node",
  "jit_overhead",
  "high_planning_time",
  "planner_settings_overridden",
])

/** Statement-wide conditions: one finding names the worst node, however many show it. */
const oncePerStatement: ReadonlySet<PlanIssueId> = new Set(["low_cache_hit", "slow_io", "disabled_node", "parallel_imbalance"])

/**
 * What is wrong with a plan, worst first: ranked by what mending it would save. A symptom is reported once, at the deepest node that
 * causes it; what would save less than a millisecond or a twentieth of the statement is not mentioned.
 *
 * Works best on a plan with ANALYZE, BUFFERS and VERBOSE; of a plan that was not run it says what costs alone can tell, at most as "medium".
 *
 * @example
 * const [worst] = analyzeQueryPlan(await q.explain({ analyze: true }))
 * worst // { issue: "sequential_scan", severity: "critical", node: "0.0", table: "orders", cost: 25859, saving: { ms: 201, fraction: 0.97 }, … }
 */
export function analyzeQueryPlan(plan: Plan, context: AnalyzeContext = {}): PlanIssue[] {
  const facts = factsOf(plan, context)
  const merged = mergeAlike(look(facts), facts)
  const worth = merged.filter((finding) => worthTelling(finding, facts))
  const issues = withoutSymptoms(worth, facts).map((finding) => confirm(issueOf(finding, facts), finding.node, facts))
  return issues.sort(worstFirst)
}

function look(facts: Facts): Finding[] {
  const found: Finding[] = []
  const ask = (rule: Rule, node: PlanNode): void => {
    if (rule.needs === "analyze" && !facts.analyzed) return
    const seen = rule.test(node, facts)
    if (seen !== null) found.push({ rule, node: seen.at ?? node, seen, alsoAt: [] })
  }
  const byType = new Map<string, Rule[]>()
  for (const rule of planRules) {
    if (rule.types === "statement") ask(rule, facts.plan.root)
    else for (const type of rule.types === "any" ? ["any"] : rule.types) byType.set(type, [...(byType.get(type) ?? []), rule])
  }
  const always = byType.get("any") ?? []
  for (const node of facts.nodes) {
    for (const rule of byType.get(node.type) ?? []) ask(rule, node)
    for (const rule of always) ask(rule, node)
  }
  return found
}

/** The same finding at sibling partitions, or at every node of a statement-wide condition, becomes one at the worst of them. */
function mergeAlike(findings: readonly Finding[], facts: Facts): Finding[] {
  const groups = new Map<string, Finding[]>()
  for (const finding of findings) {
    const parent = facts.parentOf.get(finding.node)
    const siblings = parent !== undefined && (parent.type === "Append" || parent.type === "Merge Append")
    const key = oncePerStatement.has(finding.rule.id)
      ? finding.rule.id
      : `${finding.rule.id} ${siblings ? `${parent.path}.*` : finding.node.path}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [finding])
    else group.push(finding)
  }
  return [...groups.values()].map((group) => {
    if (group.length === 1) return group[0]!
    const worst = group.reduce((most, one) => (weight(one) > weight(most) ? one : most))
    const others = group.filter((one) => one !== worst && one.node !== worst.node)
    return {
      ...worst,
      alsoAt: others.map((one) => one.node.path),
      seen: {
        ...worst.seen,
        ms: worst.seen.ms === null ? null : group.reduce((sum, one) => sum + (one.seen.ms ?? 0), 0),
        costPart: group.reduce((sum, one) => sum + one.seen.costPart, 0),
      },
    }
  })
}

function weight(finding: Finding): number {
  return finding.seen.ms ?? finding.seen.costPart
}

function worthTelling(finding: Finding, facts: Facts): boolean {
  if (told.has(finding.rule.id)) return true
  if (facts.totalTime !== null && facts.totalTime < 1) return false
  if (finding.seen.anyway === true) return true
  if (facts.totalTime !== null && finding.seen.ms !== null) return finding.seen.ms >= Math.max(1, 0.05 * facts.totalTime)
  return finding.seen.costPart >= 0.05
}

function issueOf(finding: Finding, facts: Facts): PlanIssue {
  const { rule, node, seen } = finding
  const whole =
    rule.id === "high_planning_time" ? (facts.totalTime ?? 0) + (facts.plan.planningTime ?? 0) : (facts.totalTime ?? 0)
  const measured = facts.timed && seen.ms !== null
  const fraction = Math.min(1, Math.max(0, measured ? seen.ms! / Math.max(whole, 1e-9) : seen.costPart))
  const also = finding.alsoAt.length
  return {
    issue: rule.id,
    severity: seen.severity ?? severityOf(fraction, whole, facts.timed),
    node: node.path,
    nodeType: node.type,
    ...(node.relation === null ? {} : { table: node.relation.name }),
    ...(node.index === null ? {} : { index: node.index }),
    ...(node.totalCost === null ? {} : { cost: node.totalCost }),
    saving: { ms: measured ? seen.ms : null, fraction },
    confidence: facts.analyzed ? "measured" : "estimated",
    confirmed: seen.confirmed ?? false,
    message: `${seen.message}${also === 0 ? "" : ` The same holds for ${also} ${also === 1 ? "node" : "nodes"} more.`}${measured && seen.ms! >= 1 ? ` Up to ${time(seen.ms!)} could be saved.` : ""}`,
    advice: seen.advice ?? rule.advice,
    docs: `${guide}#${rule.id}`,
    ...(seen.estimatedMemory === undefined ? {} : { estimatedMemory: Math.round(seen.estimatedMemory) }),
    ...(seen.availableMemory === undefined ? {} : { availableMemory: Math.round(seen.availableMemory) }),
    ...(seen.columns === undefined ? {} : { columns: seen.columns }),
    ...(also === 0 ? {} : { alsoAt: finding.alsoAt }),
  }
}

function severityOf(fraction: number, whole: number, timed: boolean): Severity {
  if (!timed) return fraction >= 0.1 ? "medium" : "low"
  if (fraction >= 0.5 && whole >= 100) return "critical"
  if (fraction >= 0.25) return "high"
  return fraction >= 0.1 ? "medium" : "low"
}

function worstFirst(a: PlanIssue, b: PlanIssue): number {
  const rank = severities.indexOf(a.severity) - severities.indexOf(b.severity)
  return rank || b.saving.fraction - a.saving.fraction || (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)
}
