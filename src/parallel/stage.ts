import { performance as clock } from "node:perf_hooks"
import type { Database } from "../database/database.ts"
import { rowDecoder } from "../execution/decode.ts"
import type { Request, Response, Stage, Warning } from "../execution/request.ts"
import { sessionsFor } from "./budget.ts"
import { behindPooler, Decider, type Decision } from "./decide.ts"
import { checkExport, type ExportOptions, type ExportResult } from "./export.ts"
import { exportAlone, exportShared } from "./export-run.ts"
import { outdated } from "./leader.ts"
import { checkOptions, type ParallelDefaults, type ParallelRequest, type Settled, settle } from "./option.ts"
import { refused } from "./refused.ts"
import { nothingSplit, type ParallelReport } from "./report.ts"
import { WorkerWatch } from "./server.ts"
import { runSplit } from "./split-run.ts"
import { withStream } from "./split-stream.ts"

type Next = (request: Request) => Promise<Response>

/** The feature: its stage in the pipeline, and what a person calls. */
export interface Parallel {
  readonly stage: Stage
  /** Writes a statement's rows to a file or stream. The request has passed the stages before this one. */
  export(request: Request, options: ExportOptions): Promise<ExportResult>
}

/** Running in parallel over a database. Throws E_INVALID_OPTION. */
export function createParallel(database: Database, defaults: ParallelDefaults = {}): Parallel {
  checkOptions(defaults)
  const decider = new Decider(database)
  const askedOf = (request: Request): { asked: ParallelRequest; options: Settled } | null => {
    const asked = request.options.parallel as ParallelRequest | undefined
    if (asked === undefined) {
      if (defaults.all !== true || request.transaction !== null) return null
      return { asked: { options: {} }, options: settle(defaults, {}) }
    }
    return asked.options === false ? null : { asked, options: settle(defaults, asked.options) }
  }
  return {
    /** Reads `request.options.parallel`, chooses who runs the statement, and tells in `report.parallel`. */
    stage: {
      name: "parallel",
      run: async (request, next) => {
        const found = askedOf(request)
        if (found === null) return next(request)
        const started = performance.now()
        const decision = decider.known(request, found.options) ?? (await decider.decide(request, found.asked, found.options))
        const run: Run = { database, decider, request, next, ...found, decision, decided: performance.now() - started }
        if (decision.choice === "client") return onClient(run)
        return decision.choice === "server" ? onServer(run) : asItIs(run, decision.why)
      },
      prepare: async (request) => {
        const found = askedOf(request)
        if (found === null) return request
        const { asked, options } = found
        const started = performance.now()
        const decision = decider.known(request, options) ?? (await decider.decide(request, asked, options, true))
        if (decision.refusal !== null && options.where === "client") throw refused(decision.refusal)
        return withStream(database, request, decision, options, performance.now() - started)
      },
    },
    export: async (request, options) => {
      checkExport(options)
      const found = askedOf(request)
      if (found === null) return exportAlone(database, request, options)
      const started = performance.now()
      const decision = decider.known(request, found.options) ?? (await decider.decide(request, found.asked, found.options))
      if (decision.refusal !== null && found.options.where === "client") throw refused(decision.refusal)
      return exportShared(database, request, decision, found.options, options, performance.now() - started)
    },
  }
}

interface Run {
  readonly database: Database
  readonly decider: Decider
  readonly request: Request
  readonly next: Next
  readonly asked: ParallelRequest
  readonly options: Settled
  readonly decision: Decision
  /** Milliseconds that the decision took. */
  readonly decided: number
}

/** One session, as without parallel(). */
async function asItIs(run: Run, why: string, refusal: string | null = run.decision.refusal): Promise<Response> {
  const { request, next, options, decider, decision } = run
  if (refusal !== null && options.where === "client") throw refused(refusal)
  const before = clock.eventLoopUtilization()
  const response = await next(request)
  const { timings } = response.report
  const idle = 1 - clock.eventLoopUtilization(before).utilization
  decider.note({ ...decision, choice: "none" }, timings.total - timings.poolWait, response.rows.length, idle)
  const warned =
    refusal === behindPooler
      ? { ...response, report: { ...response.report, warnings: [...response.report.warnings, poolerWarning] } }
      : response
  return reported(run, warned, {
    chosen: "none",
    why,
    ...nothingSplit,
    timings: { decide: run.decided, setUp: 0, parts: timings.total, merge: 0 },
  })
}

const poolerWarning: Warning = { code: "parallel_needs_direct_url", message: `Nothing was split: ${behindPooler}.` }

/** PostgreSQL's own workers. */
async function onServer(run: Run): Promise<Response> {
  const { database, request, next, decision, decider } = run
  const watch = new WorkerWatch(database)
  let launched: number | null = null
  let response: Response
  try {
    response = await next({ ...request, settings: { ...decision.settings, ...request.settings }, onSession: watch.start })
  } finally {
    launched = await watch.end()
  }
  const { timings } = response.report
  decider.note(decision, timings.total - timings.poolWait, response.rows.length, null)
  return reported(run, response, {
    chosen: "server",
    why: decision.why,
    ...nothingSplit,
    planned: decision.planned,
    launched,
    timings: { decide: run.decided, setUp: 0, parts: timings.total, merge: 0 },
  })
}

/** Several sessions of ours. */
async function onClient(run: Run): Promise<Response> {
  const { database, request, decision, decider, options, asked } = run
  const sessions = sessionsFor(database.direct, request, options)
  if (typeof sessions === "string") return asItIs(run, sessions, null)
  const started = performance.now()
  const context = {
    database: database.direct,
    options,
    sessions,
    roundTripMs: decision.roundTripMs,
    mostParts: decision.mostParts,
  }
  let answer = await runSplit(request, decision.plan!, context)
  if (answer === outdated) {
    decider.forget(request)
    const again = await decider.decide(request, asked, options)
    answer = again.plan === null ? again.why : await runSplit(request, again.plan, context)
  }
  if (typeof answer === "string") return asItIs(run, answer, answer)
  const { fields, outcome, merge, asOf, timings } = answer
  const convert = request.output === null ? answer.converter(fields) : rowDecoder(request.output, fields)
  const rows = answer.rows.map(convert)
  const total = performance.now() - started
  decider.note(decision, total - timings.poolWait, rows.length, null)
  const warnings: Warning[] =
    options.consistency === "none"
      ? [{ code: "parallel_inconsistent", message: "Each part of the statement saw what was committed when it started." }]
      : []
  const response: Response = {
    rows,
    columns: fields,
    report: {
      source: "database",
      view: null,
      asOf,
      hints: null,
      route: null,
      parallel: null,
      timings: {
        poolWait: timings.poolWait,
        server: timings.setUp + answer.firstReply,
        transfer: Math.max(0, timings.parts - answer.firstReply),
        total,
      },
      sql: request.statement.text,
      warnings: [...request.warnings, ...warnings],
    },
  }
  return reported(run, response, {
    chosen: "client",
    why: decision.why,
    ...nothingSplit,
    ...outcome,
    partition: decision.plan!.divided.division.label,
    merge,
    timings: { decide: run.decided, setUp: timings.setUp, parts: timings.parts, merge: timings.merge },
  })
}

function reported(run: Run, response: Response, report: Omit<ParallelReport, "estimate" | "asked">): Response {
  const parallel: ParallelReport = { ...report, estimate: run.decision.estimate, asked: run.options.workers }
  run.options.onReport?.(parallel)
  return { ...response, report: { ...response.report, parallel } }
}
