import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { statementShape } from "../sql/index.ts"
import { sessionsFor } from "./budget.ts"
import type { Stop } from "./crew.ts"
import type { Decision } from "./decide.ts"
import { type ExportOptions, type ExportResult, type ExportSource, exportFrom, soleSource } from "./export.ts"
import type { Settled } from "./option.ts"
import { PartSource } from "./part-source.ts"
import type { SplitPlan } from "./plan.ts"
import { refused } from "./refused.ts"
import { nothingSplit, type ParallelReport } from "./report.ts"
import { openFor, type SplitContext } from "./split-run.ts"
import { rowsWanted } from "./statements.ts"

/** One session exports the statement as it is. */
export async function exportAlone(database: Database, request: Request, options: ExportOptions): Promise<ExportResult> {
  await checkReads(request)
  const result = await exportFrom((stop) => soleSource(database, request, stop), options, request.timeoutMs)
  return { ...result, parallel: null }
}

async function checkReads(request: Request): Promise<void> {
  const { kind, writes } = await statementShape(request.statement.text)
  if (kind !== "select" || writes.length > 0)
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "export() takes a SELECT: it reads, and could not take back what a statement writes.",
    )
}

/** The statement exported by whoever was chosen for it, and the report of that. */
export async function exportShared(
  database: Database,
  request: Request,
  decision: Decision,
  settled: Settled,
  options: ExportOptions,
  decided: number,
): Promise<ExportResult> {
  await checkReads(request)
  const started = performance.now()
  let told: Partial<ParallelReport> & Pick<ParallelReport, "chosen" | "why"> = {
    chosen: decision.choice,
    why: decision.why,
    planned: decision.planned,
  }
  const alone = (stop: Stop, why: string): Promise<ExportSource> => {
    if (settled.where === "client") throw refused(why)
    told = { chosen: "none", why }
    return soleSource(database, request, stop)
  }
  const open = async (stop: Stop): Promise<ExportSource> => {
    if (decision.choice === "server")
      return soleSource(database, { ...request, settings: { ...decision.settings, ...request.settings } }, stop)
    if (decision.choice === "none" || decision.plan === null) return soleSource(database, request, stop)
    const reason = apart(decision.plan)
    if (reason !== null) return alone(stop, reason)
    const sessions = sessionsFor(database.direct, request, settled)
    if (typeof sessions === "string") {
      told = { chosen: "none", why: sessions }
      return soleSource(database, request, stop)
    }
    const { roundTripMs, mostParts } = decision
    const context = { database: database.direct, options: settled, sessions, roundTripMs, mostParts }
    const opened = await partsSource(request, decision.plan, context, stop, (outcome) => {
      told = { ...told, ...outcome, partition: decision.plan!.divided.division.label, merge: "streaming" }
    })
    return typeof opened === "string" ? alone(stop, opened) : opened
  }
  const result = await exportFrom(open, options, request.timeoutMs)
  const parallel: ParallelReport = {
    ...nothingSplit,
    estimate: decision.estimate,
    asked: settled.workers,
    timings: { decide: decided, setUp: 0, parts: performance.now() - started, merge: 0 },
    ...told,
  }
  settled.onReport?.(parallel)
  return { ...result, parallel }
}

/** Why a split whose rows could be merged cannot be written as it comes. */
function apart({ mode, sort, source }: SplitPlan): string | null {
  if (mode !== "rows") return "groups exist when all parts have been read: one session exports them"
  if (sort.length > 0) return "the rows are exported in their order, which one session gives"
  return rowsWanted(source) === null ? null : "LIMIT and OFFSET are counted over all parts"
}

async function partsSource(
  request: Request,
  plan: SplitPlan,
  context: SplitContext,
  stop: Stop,
  tell: (outcome: Partial<ParallelReport>) => void,
): Promise<ExportSource | string> {
  const leader = await openFor(request, plan, context, stop)
  if (typeof leader === "string") return leader
  if (leader.session.copyOut === undefined) {
    await leader.end()
    return "this driver has no COPY"
  }
  const source = new PartSource(request, plan, context, leader, stop, 1000)
  try {
    await source.open()
  } catch (error) {
    await leader.end()
    throw error
  }
  return {
    fields: plan.names.map((name, at) => ({ name, typeId: plan.types[at]! })),
    fill: async (exporter, format) => {
      await source.copy(exporter, format)
      tell(source.outcome)
    },
    close: () => leader.end(),
  }
}
