import pc from "picocolors"
import type { Selecto } from "../../client/selecto.ts"
import { analyzeQueryPlan, type PlanIssue, renderTree } from "../../explain/index.ts"
import type { IndexRecommendation } from "../../indexes/recommendation.ts"
import { formatMs, indent, type Terminal, table, wrap } from "../terminal.ts"
import type { TourQuery } from "./queries.ts"

/** What one question cost before and after its advice was taken. */
export interface Improvement {
  readonly title: string
  readonly sql: string
  readonly before: Measured
  readonly after: Measured
  readonly issues: readonly PlanIssue[]
  readonly indexes: readonly IndexRecommendation[]
}

export interface Measured {
  /** Median wall time of the runs, milliseconds. */
  readonly ms: number
  readonly runs: number
}

export interface WalkOptions {
  /** Show every step, not only the outcome. */
  readonly detailed: boolean
  readonly signal?: AbortSignal | undefined
}

export function paint(terminal: Terminal): ReturnType<typeof pc.createColors> {
  return pc.createColors(terminal.color)
}

/** Takes one question from its code to its index: composed, compiled, run, explained, advised, verified, built, measured again. */
export async function improve(
  selecto: Selecto,
  terminal: Terminal,
  say: (text: string) => void,
  { title, code, query }: TourQuery,
  { detailed, signal }: WalkOptions,
): Promise<Improvement> {
  const { bold, cyan, dim, green } = paint(terminal)
  const sql = query.toSql()
  say(`${bold(`▸ ${title}`)}\n`)
  say(indent(cyan(code)))
  if (detailed) {
    say(`\n${dim("compiles to")}\n${indent(wrap(sql.text, terminal.width - 4))}`)
    say(indent(dim(`values: ${JSON.stringify(sql.values)}`)))
  }
  terminal.progress("running…")
  const rows = await query.execute({ signal })
  const before = await measure(() => query.execute({ signal }))
  if (detailed) say(`\n${dim(`${rows.length} rows, the first of them`)}\n${indent(sample(rows, terminal.width - 4))}`)
  terminal.progress("explaining…")
  const plan = await query.explain({ analyze: true, buffers: true, signal })
  const issues = analyzeQueryPlan(plan)
  if (detailed)
    say(`\n${dim("is executed as")}\n${indent(renderTree(plan, { width: terminal.width - 4, issues, color: terminal.color }))}`)
  for (const issue of issues.slice(0, detailed ? 3 : 1)) say(`\n${indent(wrap(sentence(issue), terminal.width - 4))}`)
  terminal.progress("asking for an index…")
  const indexes = (await query.analyzeIndexes({ signal })).filter((one) => one.confidence === "verified")
  for (const index of indexes) say(proposal(index, terminal))
  if (indexes.length === 0) say(`\n${indent(`No index makes it cheaper. ${formatMs(before.ms)} a run.`)}\n`)
  for (const index of indexes) await build(selecto, terminal, index, signal)
  const after = indexes.length === 0 ? before : await measure(() => query.execute({ signal }))
  terminal.progress(null)
  if (indexes.length > 0)
    say(
      `\n  ${green(`built: ${formatMs(before.ms)} → ${formatMs(after.ms)}`)} ${dim(`median of ${before.runs} and ${after.runs} runs`)}\n`,
    )
  return { title, sql: sql.text, before, after, issues, indexes }
}

/** Median of at least three runs and of about half a second of them. */
export async function measure(run: () => Promise<unknown>): Promise<Measured> {
  const times: number[] = []
  const end = performance.now() + 500
  while (times.length < 3 || (performance.now() < end && times.length < 50)) {
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { ms: times[times.length >> 1]!, runs: times.length }
}

async function build(
  selecto: Selecto,
  terminal: Terminal,
  index: IndexRecommendation,
  signal: AbortSignal | undefined,
): Promise<void> {
  terminal.progress(`building ${index.sql}`)
  const session = await selecto.database.direct.acquire({ signal })
  try {
    // One by one and outside a transaction: CREATE INDEX CONCURRENTLY allows neither.
    for (const text of index.statements) await session.query({ text: `${text} /* selecto:tour */`, values: [] }, { signal })
    await session.query({ text: `analyze ${index.schema}.${index.table} /* selecto:tour */`, values: [] }, { signal })
  } finally {
    session.release()
  }
}

function proposal(index: IndexRecommendation, terminal: Terminal): string {
  const { bold, dim } = paint(terminal)
  const evidence = index.evidence
  const verified =
    evidence === null
      ? "not verified"
      : `verified by the planner (${evidence.planner}): cost ${round(evidence.costBefore)} → ${round(evidence.costAfter)}`
  return `\n${indent(bold(wrap(index.sql, terminal.width - 4)))}\n${indent(wrap(index.reason, terminal.width - 4))}\n${indent(dim(verified))}`
}

function sentence(issue: PlanIssue): string {
  const saving = issue.saving.ms === null ? `${Math.round(issue.saving.fraction * 100)} %` : formatMs(issue.saving.ms)
  return `${issue.issue} (${issue.severity}, would save ${saving}): ${issue.message} ${issue.advice}`
}

function sample(rows: readonly unknown[], width: number): string {
  const first = rows.slice(0, 5) as Record<string, unknown>[]
  const names = Object.keys(first[0] ?? {})
  return table(
    names,
    first.map((row) => names.map((name) => cell(row[name]))),
    width,
  )
}

function cell(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)
}

function round(cost: number): string {
  return Math.round(cost).toLocaleString("en-US")
}
