import type { Database } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { splitStatements } from "../sql/index.ts"
import { analyzeQueryPlan } from "./analyze.ts"
import { explainStatement } from "./explain-statement.ts"
import type { AnalyzeContext } from "./facts.ts"
import { type PlanIssue, type PlanIssueId, severities } from "./issue.ts"
import type { Plan } from "./plan.ts"
import { cell } from "./render/markdown.ts"
import { shortCount } from "./render/title.ts"
import { planHash, planShape } from "./shape.ts"

/** A statement that a pull request must not make worse. Without values, a statement with `$n` is planned for unknown ones. */
export interface NamedStatement {
  readonly name: string
  readonly text: string
  readonly values?: readonly unknown[] | undefined
}

/** What is kept of a plan between two runs. Plain JSON, stable in its order, so that a change of it can be reviewed. */
export interface PlanBaseline {
  readonly version: 1
  readonly statements: Readonly<Record<string, BaselineEntry>>
}

/** What is kept of one statement's plan. */
export interface BaselineEntry {
  readonly hash: string
  readonly cost: number
  readonly issues: readonly PlanIssueId[]
  /** The plan's shape, a line a node: what a reviewer reads. */
  readonly shape: readonly string[]
}

/** One statement held against the baseline. */
export interface PlanCheck {
  readonly name: string
  /** "regressed" and "failed" are what a pull request is stopped for. */
  readonly verdict: "same" | "changed" | "better" | "new" | "gone" | "regressed" | "failed"
  /** Why, in words; empty for "same". */
  readonly reasons: readonly string[]
  readonly costRatio: number | null
  readonly issues: readonly PlanIssue[]
  readonly plan: Plan | null
}

/** What {@link checkPlans} found. */
export interface PlanCheckReport {
  readonly checks: readonly PlanCheck[]
  /** Those of the checks that are worse than the baseline. */
  readonly regressions: readonly PlanCheck[]
  /** What to store as the next baseline. */
  readonly baseline: PlanBaseline
  /** For a comment on a pull request. */
  readonly markdown: string
}

/** Options of {@link checkPlans}. */
export interface CheckPlansOptions {
  /** A plan this many times dearer than the baseline's is a regression. Default 1.2. */
  readonly maxCostRatio?: number | undefined
  /** Issues from this severity on count. Default "medium". */
  readonly severity?: "high" | "medium" | "low" | undefined
  readonly context?: AnalyzeContext | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number; readonly name: string }) => void) | undefined
}

/**
 * Plans statements on a database, without running them, and holds the plans against a baseline: the shape, the cost, the issues.
 * Worse is: dearer by more than the ratio, an issue that was not there, or a statement that cannot be planned any more.
 */
export async function checkPlans(
  database: Database,
  statements: readonly NamedStatement[],
  baseline: PlanBaseline | null,
  options: CheckPlansOptions = {},
): Promise<PlanCheckReport> {
  refuseDoubled(statements)
  const checks: PlanCheck[] = []
  const kept: [string, BaselineEntry][] = []
  for (const [done, statement] of statements.entries()) {
    options.onProgress?.({ done, total: statements.length, name: statement.name })
    const before =
      baseline !== null && Object.hasOwn(baseline.statements, statement.name) ? baseline.statements[statement.name]! : null
    const { check, entry } = await checkOne(database, statement, before, options)
    checks.push(check)
    if (entry !== null) kept.push([statement.name, entry])
    else if (before !== null) kept.push([statement.name, before])
  }
  const names = new Set(statements.map((statement) => statement.name))
  for (const name of Object.keys(baseline?.statements ?? {})) {
    if (!names.has(name))
      checks.push({ name, verdict: "gone", reasons: ["no such statement any more"], costRatio: null, issues: [], plan: null })
  }
  kept.sort(([a], [b]) => (a < b ? -1 : 1))
  const regressions = checks.filter((check) => check.verdict === "regressed" || check.verdict === "failed")
  return { checks, regressions, baseline: { version: 1, statements: Object.fromEntries(kept) }, markdown: markdownOf(checks) }
}

/** The statements of SQL files: named after the file, or `-- name: …` before a statement, or by number where a file holds several. */
export async function namedStatements(
  files: readonly { readonly name: string; readonly text: string }[],
): Promise<NamedStatement[]> {
  const found: NamedStatement[] = []
  for (const file of files) {
    const statements = await splitStatements(file.text)
    for (const [at, statement] of statements.entries()) {
      const own = /--\s*name:\s*(\S.*?)\s*$/m.exec(commentBefore(file.text, statement.line))
      const numbered = statements.length === 1 ? file.name : `${file.name}#${at + 1}`
      found.push({ name: own?.[1] ?? numbered, text: statement.text })
    }
  }
  return found
}

/** The comment lines that stand directly above a line, or begin there. */
function commentBefore(text: string, line: number): string {
  const lines = text.split("\n")
  const found: string[] = []
  for (let at = line - 1; at < lines.length && lines[at]!.trimStart().startsWith("--"); at++) found.push(lines[at]!)
  for (let at = line - 2; at >= 0 && lines[at]!.trimStart().startsWith("--"); at--) found.unshift(lines[at]!)
  return found.join("\n")
}

/** Reads a stored baseline. Throws E_UNSUPPORTED_INPUT for anything else. */
export function parseBaseline(text: string): PlanBaseline {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The baseline is not JSON. Write a new one with --update.", { cause })
  }
  const held = value as { version?: unknown; statements?: unknown } | null
  if (held?.version !== 1 || typeof held.statements !== "object" || held.statements === null)
    throw new SelectoError("E_UNSUPPORTED_INPUT", "This is not a baseline of plans. Write a new one with --update.")
  return value as PlanBaseline
}

function refuseDoubled(statements: readonly NamedStatement[]): void {
  const names = new Set<string>()
  for (const { name } of statements) {
    if (names.has(name)) throw new SelectoError("E_INVALID_OPTION", `Two statements are named ${name}.`, { path: name })
    names.add(name)
  }
}

async function checkOne(
  database: Database,
  statement: NamedStatement,
  before: BaselineEntry | null,
  options: CheckPlansOptions,
): Promise<{ check: PlanCheck; entry: BaselineEntry | null }> {
  let plan: Plan
  try {
    const generic = statement.values === undefined && /\$\d/.test(statement.text)
    plan = await explainStatement(
      database,
      { text: statement.text, values: statement.values ?? [] },
      { genericPlan: generic, signal: options.signal, timeoutMs: options.timeoutMs },
    )
  } catch (error) {
    if (!isSelectoError(error) || error.code === "E_ABORTED" || error.code === "E_CONNECTION") throw error
    return {
      check: { name: statement.name, verdict: "failed", reasons: [error.message], costRatio: null, issues: [], plan: null },
      entry: null,
    }
  }
  const floor = severities.indexOf(options.severity ?? "medium")
  const issues = analyzeQueryPlan(plan, options.context).filter((issue) => severities.indexOf(issue.severity) <= floor)
  const entry: BaselineEntry = {
    hash: planHash(plan),
    cost: plan.root.totalCost ?? 0,
    issues: [...new Set(issues.map((issue) => issue.issue))].sort(),
    shape: planShape(plan).split("\n"),
  }
  const costRatio = before === null || before.cost === 0 ? null : entry.cost / before.cost
  return { check: { name: statement.name, ...judge(entry, before, costRatio, options), costRatio, issues, plan }, entry }
}

function judge(
  now: BaselineEntry,
  before: BaselineEntry | null,
  costRatio: number | null,
  options: CheckPlansOptions,
): Pick<PlanCheck, "verdict" | "reasons"> {
  if (before === null) return { verdict: "new", reasons: now.issues.map((id) => `has ${id}`) }
  const added = now.issues.filter((id) => !before.issues.includes(id))
  const mended = before.issues.filter((id) => !now.issues.includes(id))
  const limit = options.maxCostRatio ?? 1.2
  const worse = [
    ...(costRatio !== null && costRatio > limit
      ? [`cost ${shortCount(before.cost)} → ${shortCount(now.cost)}, ${costRatio.toFixed(1)} times`]
      : []),
    ...added.map((id) => `now has ${id}`),
  ]
  const changed = now.hash === before.hash ? [] : [`another plan: ${firstDifference(before.shape, now.shape)}`]
  if (worse.length > 0) return { verdict: "regressed", reasons: [...worse, ...changed] }
  const better = [
    ...(costRatio !== null && costRatio < 1 / limit ? [`cost ${shortCount(before.cost)} → ${shortCount(now.cost)}`] : []),
    ...mended.map((id) => `${id} is gone`),
  ]
  if (better.length > 0) return { verdict: "better", reasons: [...better, ...changed] }
  return { verdict: changed.length > 0 ? "changed" : "same", reasons: changed }
}

function firstDifference(before: readonly string[], now: readonly string[]): string {
  const at = now.findIndex((line, index) => line !== before[index])
  const shown = (line: string | undefined): string =>
    line?.replace(/^\d+ /, "").replaceAll("|", " ").replace(/\s+/g, " ").trim() ?? "nothing"
  return at === -1 ? `${shown(before[now.length])} is gone` : `${shown(before[at])} → ${shown(now[at])}`
}

const signs: Record<PlanCheck["verdict"], string> = {
  regressed: "❌",
  failed: "❌",
  changed: "⚠️",
  better: "✅",
  new: "🆕",
  gone: "—",
  same: "✅",
}

function markdownOf(checks: readonly PlanCheck[]): string {
  const bad = checks.filter((check) => check.verdict === "regressed" || check.verdict === "failed").length
  const told = checks.filter((check) => check.verdict !== "same")
  const head =
    bad === 0
      ? `### Plans: nothing got worse (${checks.length} statements)`
      : `### Plans: ${bad} of ${checks.length} statements got worse`
  if (told.length === 0) return `${head}\n`
  const rows = told.map(
    (check) => `| ${signs[check.verdict]} ${check.verdict} | ${cell(check.name)} | ${check.reasons.map(cell).join("<br>")} |`,
  )
  const advice = new Map(
    checks.filter((check) => check.verdict === "regressed").flatMap((check) => check.issues.map((issue) => [issue.issue, issue])),
  )
  return [
    head,
    "",
    "| | statement | what |",
    "|---|---|---|",
    ...rows,
    "",
    ...[...advice.values()].map((issue) => `- **${issue.issue}**: ${cell(issue.message)} ${cell(issue.advice)}`),
    "",
  ].join("\n")
}
