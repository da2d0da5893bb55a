import type { Database, Statement, TextRow } from "../database/database.ts"
import type { Request } from "../execution/request.ts"
import { opening } from "../execution/run.ts"
import { rollback } from "../execution/transaction.ts"
import { type Plan, type PlanNode, parsePlan, planNodes } from "../explain/index.ts"

/** What the planner says of a statement. */
export interface Estimate {
  readonly cost: number
  readonly rows: number
  readonly width: number
  /** Groups before HAVING and LIMIT; 0 for a statement without. */
  readonly groups: number
  readonly gather: Gather | null
}

/** PostgreSQL's own parallelism in a plan. */
export interface Gather {
  readonly workers: number
  /** Little passes from the workers to their leader: they do the work, and not only the reading. */
  readonly useful: boolean
}

export function estimateOf(plan: Plan): Estimate {
  const { root } = plan
  const nodes = [...planNodes(root)]
  const groups = nodes.find((node) => /Aggregate|^Group|Unique/.test(node.type))?.planRows ?? 0
  return {
    cost: root.totalCost ?? 0,
    rows: root.planRows ?? 0,
    width: root.planWidth ?? 0,
    groups,
    gather: gatherOf(nodes),
  }
}

function gatherOf(nodes: readonly PlanNode[]): Gather | null {
  const gather = nodes.find((node) => node.type === "Gather" || node.type === "Gather Merge")
  if (gather === undefined) return null
  const scanned = Math.max(1, ...[...planNodes(gather)].map((node) => node.planRows ?? 0))
  const passed = gather.planRows ?? 0
  return { workers: Number(gather.raw["Workers Planned"] ?? 0), useful: passed <= Math.max(10_000, scanned / 5) }
}

function explainStatement({ text, values }: Statement): Statement {
  return { text: `EXPLAIN (FORMAT JSON, SUMMARY) ${text}`, values }
}

function read(rows: readonly TextRow[]): Plan {
  return parsePlan(rows.map(([line]) => line).join("\n"))
}

const timeoutMs = 10_000

/** The plan as the statement would get it, and the round trip to the server in milliseconds, as far as it shows. */
export async function askEstimate(
  database: Database,
  request: Request,
): Promise<{ readonly estimate: Estimate; readonly roundTripMs: number }> {
  const statement = explainStatement(request.statement)
  let sent = performance.now()
  const wait = {
    signal: request.signal,
    timeoutMs,
    onAcquired: () => {
      sent = performance.now()
    },
  }
  const settings = Object.keys(request.settings).length > 0
  const rows =
    request.transaction !== null
      ? (await request.transaction.session.queryText(statement, wait)).rows
      : settings
        ? await withSettings(database, request, {}, statement)
        : (await database.queryText(statement, wait)).rows
  const took = performance.now() - sent
  const plan = read(rows)
  return { estimate: estimateOf(plan), roundTripMs: Math.max(0, took - (plan.planningTime ?? 0)) }
}

/** The plan with other settings, in a transaction that is rolled back. Not in a caller's transaction. */
export async function askEstimateWith(
  database: Database,
  request: Request,
  settings: Readonly<Record<string, string>>,
  statement: Statement = request.statement,
): Promise<Estimate> {
  return estimateOf(read(await withSettings(database, request, settings, explainStatement(statement))))
}

async function withSettings(
  database: Database,
  request: Request,
  settings: Readonly<Record<string, string>>,
  statement: Statement,
): Promise<TextRow[]> {
  const { signal } = request
  const session = await database.acquire({ signal, timeoutMs })
  let healthy = true
  try {
    const before = opening(
      { ...request, readOnly: true, settings: { ...request.settings, ...settings } },
      database.capabilities.pipeline,
    )
    const results = await session.batch([...before, statement], { signal, timeoutMs })
    return results.at(-1)!.rows
  } finally {
    healthy = await rollback(session)
    session.release(!healthy)
  }
}
