import { isSelectoError } from "../../errors.ts"
import { analyzeQueryPlan, catalogOfPlan, type Plan, type PlanIssue } from "../../explain/index.ts"
import type { AdvisedIndex, MonitorPorts } from "../ports.ts"
import type { Tracked } from "./engine.ts"

/** What an action found out for an alert. */
export interface ActionResult {
  readonly recommendations: readonly AdvisedIndex[] | null
  readonly issues: readonly PlanIssue[] | null
  readonly error: string | null
}

export const noResult: ActionResult = { recommendations: null, issues: null, error: null }

/** Of an alert that came together with more than are looked into. */
export const tooMany: ActionResult = { ...noResult, error: "It was not looked into: too many came together." }

/** Whether more is to be found out before the alert is told. */
export function asks({ settings }: Tracked): boolean {
  return settings.action === "suggest_index" || settings.action === "optimize_query"
}

/** What actions ask of the monitor. */
export interface ActionSources {
  readonly ports: MonitorPorts
  /** Texts without constants of a statement, or of all that touch a table. */
  workload(of: { readonly fingerprint: string | null; readonly table: string | null }): readonly { text: string; calls: number }[]
  /** The statement's plan, taken now where there is none of late; null where it cannot be had. */
  plan(fingerprint: string): Promise<Plan | null>
}

/** Most time that the advisor may take for an alert; alerts that need no looking into do not wait for it. */
const adviceMs = 60_000
const catalogMs = 5000

/** Does what the alert's rule asks for. Never rejects: an alert is told without what could not be found out. */
export async function act(alert: Tracked, sources: ActionSources, signal: AbortSignal): Promise<ActionResult> {
  try {
    const { action } = alert.settings
    if (action === "suggest_index") return { ...noResult, ...(await suggestIndexes(alert, sources, signal)) }
    if (action === "optimize_query") return { ...noResult, issues: await planIssues(alert, sources, signal) }
    return noResult
  } catch (error) {
    return { ...noResult, error: reasonOf(error) }
  }
}

async function suggestIndexes(
  { measurement }: Tracked,
  { ports, workload }: ActionSources,
  signal: AbortSignal,
): Promise<Pick<ActionResult, "recommendations" | "error">> {
  if (ports.indexes === null) throw new ActionFailure("There is no index advisor here: connect() hands it to the monitor.")
  const { fingerprint, subject, evidence } = measurement
  const table = typeof evidence?.table === "string" ? subject : null
  const statements = workload({ fingerprint, table })
  if (statements.length === 0)
    throw new ActionFailure(
      "No statement on it is known, so the index advisor was not asked: it needs pg_stat_statements, or calls through this process.",
    )
  const advice = await ports.indexes.advise(statements, { timeLimit: adviceMs, signal })
  const here = advice.recommendations.filter(({ schema, table: name }) => table === null || `${schema}.${name}` === table)
  const recommendations = here.sort((a, b) => verifiedFirst(a) - verifiedFirst(b))
  if (recommendations.length > 0) return { recommendations, error: null }
  return { recommendations, error: advice.partial ? unfinished : noIndexHelps }
}

const unfinished = `The index advisor had found nothing after ${adviceMs / 1000} s; ask it with more time: selecto advise.`
const noIndexHelps = "The index advisor found no index that makes the statements on it cheaper."

async function planIssues(
  { measurement }: Tracked,
  { ports, plan: planOf }: ActionSources,
  signal: AbortSignal,
): Promise<readonly PlanIssue[]> {
  const { fingerprint } = measurement
  if (fingerprint === null || ports.database === null)
    throw new ActionFailure("It is about no statement whose plan could be read.")
  const plan = await planOf(fingerprint)
  if (plan === null)
    throw new ActionFailure(
      "Its plan could not be had: plans are taken of reading statements that the server can plan without their values.",
    )
  const catalog = await catalogOfPlan(ports.database, plan, { signal, timeoutMs: catalogMs }).catch(() => undefined)
  return analyzeQueryPlan(plan, { catalog })
}

/** A reason that is told as it is. */
class ActionFailure extends Error {}

function reasonOf(error: unknown): string {
  if (error instanceof ActionFailure) return error.message
  // What a server says of a statement may quote it.
  return `It could not be looked into (${isSelectoError(error) ? (error.sqlState ?? error.code) : "an unexpected error"}).`
}

function verifiedFirst({ confidence }: AdvisedIndex): number {
  return confidence === "verified" ? 0 : 1
}
