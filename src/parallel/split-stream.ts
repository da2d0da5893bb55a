import type { Database } from "../database/database.ts"
import type { OpenRows, Request } from "../execution/request.ts"
import { sessionsFor } from "./budget.ts"
import type { Choice } from "./choose.ts"
import { Stop } from "./crew.ts"
import type { Decision } from "./decide.ts"
import { isColumn } from "./keys.ts"
import type { Settled } from "./option.ts"
import { rowOrder } from "./order.ts"
import { PartSource } from "./part-source.ts"
import type { SplitPlan } from "./plan.ts"
import { nothingSplit, type ParallelReport } from "./report.ts"
import { openServerRows } from "./server-rows.ts"
import { openFor, runSplit, type SplitContext } from "./split-run.ts"
import { rowsWanted } from "./statements.ts"

/** The request of a stream, its rows read as was decided. `decided`: milliseconds that deciding took. */
export function withStream(database: Database, request: Request, decision: Decision, options: Settled, decided: number): Request {
  const { choice, why, plan, estimate } = decision
  const started = performance.now()
  const report = (chosen: Choice, reason: string, more: Partial<ParallelReport> = {}): void =>
    options.onReport?.({
      chosen,
      why: reason,
      estimate,
      asked: options.workers,
      ...nothingSplit,
      timings: { decide: decided, setUp: 0, parts: performance.now() - started, merge: 0 },
      ...more,
    })
  /** Tells at the end, when there is something to tell. */
  const told = (rows: OpenRows, tell: () => void): OpenRows => {
    let open = true
    return {
      ...rows,
      end: async () => {
        await rows.end()
        if (open) tell()
        open = false
      },
    }
  }
  if (choice === "none" || (choice === "client" && plan === null)) {
    report("none", why)
    return request
  }
  return {
    ...request,
    openRows: async (final, batchSize) => {
      if (choice === "server") {
        const rows = await openServerRows(database, final, decision.settings)
        if (rows !== null) return told(rows, () => report("server", why, { planned: decision.planned }))
        report("none", "a cursor cannot be shared by PostgreSQL's workers, and this driver has no COPY")
        return null
      }
      const sessions = sessionsFor(database.direct, final, options)
      const { roundTripMs, mostParts } = decision
      const opened =
        typeof sessions === "string"
          ? sessions
          : await openSplit(final, plan!, { database: database.direct, options, sessions, roundTripMs, mostParts }, batchSize)
      if (typeof opened !== "string") return told(opened.rows, () => report("client", why, opened.outcome()))
      report("none", opened)
      return null
    },
  }
}

interface Opened {
  readonly rows: OpenRows
  /** What is known of the parts, in the end. */
  readonly outcome: () => Partial<ParallelReport>
}

/** Opens a planned split for reading. A sentence says why one session shall read it all. */
async function openSplit(request: Request, plan: SplitPlan, context: SplitContext, batchSize: number): Promise<Opened | string> {
  // Groups exist when the last part has been read, and the first rows of an order only then.
  if (plan.mode !== "rows" || rowsWanted(plan.source) !== null) return whole(request, plan, context)
  const order = rowOrder(plan.sort, plan.names.length)
  const sorted = plan.sort.length > 0
  const { rangeOf } = plan.divided
  const ranged = sorted && rangeOf !== null && isColumn(plan.source.pieces.order[0]!.expression, rangeOf, plan.knowledge.shape)
  if (sorted && !ranged && order === null) return "its order is PostgreSQL's to tell, and would need all rows at once"
  const stop = new Stop(request.signal, undefined)
  let rows: OpenRows | null = null
  try {
    const leader = await openFor(request, plan, context, stop)
    if (typeof leader === "string") return leader
    try {
      const source = new PartSource(request, plan, context, leader, stop, batchSize)
      await source.open()
      rows = !sorted ? source.unordered() : ranged ? source.inRanges() : await source.inSections(order!)
      if (rows === null) return "fewer sessions came than sections that have to be read at once"
      const partition = plan.divided.division.label
      return { rows, outcome: () => ({ ...source.outcome, partition, merge: sorted ? "sort_merge" : "streaming" }) }
    } finally {
      if (rows === null) await leader.end()
    }
  } catch (error) {
    stop.fail(error)
    stop.throwIfFailed()
    throw error
  } finally {
    if (rows === null) stop.end()
  }
}

/** An answer that is complete before its first row is known. */
async function whole(request: Request, plan: SplitPlan, context: SplitContext): Promise<Opened | string> {
  const answer = await runSplit(request, plan, context)
  if (typeof answer === "string") return answer
  let at = 0
  const rows: OpenRows = {
    cursor: {
      fields: answer.fields,
      read: async (count) => {
        at += count
        return answer.rows.slice(at - count, at)
      },
      close: async () => {},
    },
    converter: answer.converter,
    end: async () => {},
  }
  const partition = plan.divided.division.label
  return { rows, outcome: () => ({ ...answer.outcome, partition, merge: answer.merge }) }
}
