import { writeFile } from "node:fs/promises"
import { connect } from "../client/connect.ts"
import { SelectoError } from "../errors.ts"
import {
  type AnalyzeContext,
  analyzeQueryPlan,
  catalogOfPlan,
  loadPlanPicture,
  type Plan,
  type PlanIssue,
  parsePlan,
  renderHtml,
  renderIssues,
  renderTree,
} from "../explain/index.ts"
import { input } from "./input.ts"
import type { Terminal } from "./terminal.ts"

export interface ExplainCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly analyze?: boolean | undefined
  readonly plan?: string | undefined
  readonly html?: string | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** `selecto explain`. Returns the exit code: 1 with --check where a problem of severity medium or worse was found. */
export async function explainCommand(
  terminal: Terminal,
  file: string | undefined,
  options: ExplainCommandOptions,
): Promise<number> {
  const { plan, context } =
    options.plan === undefined ? await ask(terminal, file, options) : { plan: parsePlan(await input(options.plan)), context: {} }
  const issues = analyzeQueryPlan(plan, context)
  if (options.html !== undefined) {
    await writeFile(options.html, renderHtml(plan, { issues, picture: await loadPlanPicture() }))
    terminal.note(`wrote ${options.html}`)
  }
  if (options.json === true) terminal.out(JSON.stringify({ plan, issues }, null, 2))
  else {
    terminal.out(renderTree(plan, { width: terminal.width, issues, color: terminal.color }))
    terminal.out(
      issues.length === 0
        ? "\nNothing to complain about."
        : `\n${renderIssues(issues, { width: terminal.width, color: terminal.color })}`,
    )
  }
  return options.check === true && issues.some(serious) ? 1 : 0
}

function serious(issue: PlanIssue): boolean {
  return issue.severity === "critical" || issue.severity === "high" || issue.severity === "medium"
}

async function ask(
  terminal: Terminal,
  file: string | undefined,
  options: ExplainCommandOptions,
): Promise<{ plan: Plan; context: AnalyzeContext }> {
  const text = (await input(file ?? "-")).trim()
  if (text === "")
    throw new SelectoError("E_UNSUPPORTED_INPUT", "There is no statement to explain. Pass a file, or SQL on standard input.")
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto explain" })
  terminal.progress(options.analyze === true ? "running the statement…" : "asking for the plan…")
  const plan = await selecto
    .statement(text)
    .explain({ analyze: options.analyze, buffers: options.analyze, signal: options.signal })
  terminal.progress("looking at its tables…")
  // With the catalog at hand, findings are checked: is there an index already, are the statistics stale?
  const catalog = await catalogOfPlan(selecto.database, plan, { signal: options.signal })
  terminal.progress(null)
  return { plan, context: { catalog } }
}
