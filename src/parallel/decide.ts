import { readCapabilities } from "../database/capabilities.ts"
import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { statementShape } from "../sql/index.ts"
import { type Choice, choose, type Evidence, worthwhileMs } from "./choose.ts"
import { askEstimate, askEstimateWith, type Estimate } from "./estimate.ts"
import { type Memory, memoryOf, type ServerMemory } from "./memory.ts"
import type { ParallelRequest, Settled } from "./option.ts"
import { planSplit, type SplitPlan } from "./plan.ts"
import type { ParallelReport } from "./report.ts"
import { serverSettings } from "./server.ts"
import { bindStatement, groupsPart, rowsPart } from "./statements.ts"

/** Who runs a statement, and with what. */
export interface Decision {
  readonly choice: Choice
  readonly why: string
  readonly estimate: ParallelReport["estimate"]
  /** Of choice "client". */
  readonly plan: SplitPlan | null
  readonly mostParts: number
  /** Of choice "server". */
  readonly settings: Readonly<Record<string, string>>
  readonly planned: number | null
  readonly roundTripMs: number
  /** null where nothing is to be learnt from the run. */
  readonly memory: Memory | null
  /** Why it could not be split, where it was to be. */
  readonly refusal: string | null
}

/** What is remembered of a statement is asked anew after this time. */
const refreshMs = 600_000

/** Decides for one statement. Asks the planner the first time, and of what is not worth a second session nothing more. */
export class Decider {
  readonly #database: Database
  readonly #memory: ServerMemory

  constructor(database: Database) {
    this.#database = database
    this.#memory = memoryOf(database)
  }

  /** What needs no question to anybody; null where one must be asked. */
  known(request: Request, options: Settled): Decision | null {
    if (this.#database.capabilities.sessions === "one")
      return nothing("the database has one session: there is nobody to share with")
    if (options.workers === 1) return nothing("one worker was asked for")
    if (options.where !== "auto") return null
    const memory = this.#memory.of(request.statement.text)
    if (memory.estimate === null || this.#isStale(memory)) return null
    const ms = memory.times.none ?? Number.POSITIVE_INFINITY
    if (ms >= worthwhileMs(this.#memory.roundTripMs)) return null
    return {
      ...nothing(`it takes about ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms: a second session would not pay`),
      memory,
      estimate: estimateOf(memory, ms),
    }
  }

  async decide(request: Request, asked: ParallelRequest, options: Settled, streamed = false): Promise<Decision> {
    const shape = await statementShape(request.statement.text).catch(() => null)
    if (shape === null || shape.kind !== "select") return nothing("only a single SELECT can be run in parallel")
    try {
      const decision =
        options.where === "server"
          ? await this.#server(request, options)
          : options.where === "client"
            ? await this.#client(request, asked, options, streamed)
            : await this.#auto(request, asked, options, streamed)
      return { ...decision, roundTripMs: this.#memory.roundTripMs }
    } catch (error) {
      // Either the statement itself will be refused too, and says better what is wrong; or it runs as it is, which is always right.
      const harmless = request.transaction === null && options.where !== "client"
      if (isSelectoError(error, "E_DATABASE") && harmless) return nothing(`the server refused to plan it: ${error.message}`)
      throw error
    }
  }

  /** What a run took, for later choices. */
  note(decision: Decision, ms: number, rows: number, idle: number | null): void {
    const { memory } = decision
    if (memory === null) return
    this.#memory.noteTime(memory, decision.choice, ms)
    memory.rows = rows
    if (decision.choice === "none") memory.idle = idle
  }

  /** Forgets a plan that turned out to be outdated. */
  forget(request: Request): void {
    this.#memory.of(request.statement.text).split = null
  }

  #isStale(memory: Memory): boolean {
    return performance.now() - memory.estimatedAt > refreshMs
  }

  async #auto(request: Request, asked: ParallelRequest, options: Settled, streamed: boolean): Promise<Decision> {
    const memory = this.#memory.of(request.statement.text)
    const estimate = await this.#estimate(request, memory)
    const ms = memory.times.none ?? estimate.cost * this.#memory.msPerCost
    const worthwhile = worthwhileMs(this.#memory.roundTripMs)
    const found = { memory, estimate: estimateOf(memory, ms) }
    if (ms < worthwhile && memory.times.client === undefined && memory.times.server === undefined) {
      const { why } = choose({ ...this.#evidence(memory, estimate, ms), refusal: null, partsCost: null })
      return { ...nothing(why), ...found }
    }
    if (memory.tuned === null && request.transaction === null && !estimate.gather?.useful)
      memory.tuned = await askEstimateWith(this.#database, request, serverSettings(options.workers))
    const split = await this.#split(request, asked, options, estimate, streamed)
    const refusal = typeof split.plan === "string" ? split.plan : null
    const { choice, why } = choose({ ...this.#evidence(memory, estimate, ms), refusal, partsCost: split.partsCost })
    if (choice === "client" && typeof split.plan !== "string")
      return { ...nothing(why), ...found, choice, plan: split.plan, mostParts: split.mostParts }
    if (choice !== "server") return { ...nothing(why), ...found, refusal }
    const own = estimate.gather?.useful ? estimate.gather : null
    return {
      ...nothing(why),
      ...found,
      choice,
      settings: own === null ? serverSettings(options.workers) : {},
      planned: (own ?? memory.tuned?.gather)?.workers ?? null,
    }
  }

  async #server(request: Request, options: Settled): Promise<Decision> {
    const memory = this.#memory.of(request.statement.text)
    const estimate = await this.#estimate(request, memory)
    const settings = serverSettings(options.workers)
    if (memory.tuned === null && request.transaction === null)
      memory.tuned = await askEstimateWith(this.#database, request, settings)
    const planned = memory.tuned === null ? null : (memory.tuned.gather?.workers ?? 0)
    const why =
      planned === 0
        ? "asked for, but PostgreSQL plans it for one process even so"
        : planned === null
          ? "asked for"
          : `asked for, and PostgreSQL plans ${planned} workers`
    const ms = memory.times.none ?? estimate.cost * this.#memory.msPerCost
    return { ...nothing(why), choice: "server", memory, estimate: estimateOf(memory, ms), settings, planned }
  }

  async #client(request: Request, asked: ParallelRequest, options: Settled, streamed: boolean): Promise<Decision> {
    const memory = this.#memory.of(request.statement.text)
    const estimate = await this.#estimate(request, memory)
    const split = await this.#split(request, asked, options, estimate, streamed)
    const ms = memory.times.none ?? estimate.cost * this.#memory.msPerCost
    const found = { memory, estimate: estimateOf(memory, ms) }
    if (typeof split.plan === "string") return { ...nothing(split.plan), ...found, refusal: split.plan }
    return { ...nothing("asked for"), ...found, choice: "client", plan: split.plan, mostParts: split.mostParts }
  }

  #evidence(memory: Memory, estimate: Estimate, ms: number): Omit<Evidence, "refusal" | "partsCost"> {
    return {
      estimate,
      tuned: memory.tuned,
      ms,
      measured: memory.times,
      roundTripMs: this.#memory.roundTripMs,
      idle: memory.idle,
      rows: memory.rows ?? estimate.rows,
    }
  }

  async #estimate(request: Request, memory: Memory): Promise<Estimate> {
    if (memory.estimate !== null && !this.#isStale(memory)) return memory.estimate
    const { estimate, roundTripMs } = await askEstimate(this.#database, request)
    this.#memory.noteRoundTrip(roundTripMs)
    memory.estimate = estimate
    memory.estimatedAt = performance.now()
    memory.tuned = null
    // The data may have grown since: what was measured then is measured again.
    for (const choice of ["none", "server", "client"] as const) delete memory.times[choice]
    return estimate
  }

  /** The plan of the split: remembered outside of transactions, where names mean the same for every session of a pool. */
  async #split(
    request: Request,
    asked: ParallelRequest,
    options: Settled,
    estimate: Estimate,
    streamed: boolean,
  ): Promise<{ readonly plan: SplitPlan | string; readonly partsCost: number | null; readonly mostParts: number }> {
    const memory = this.#memory.of(request.statement.text)
    const { partition } = options
    const lasting = request.transaction === null && !(typeof partition === "object" && "custom" in partition)
    const key = JSON.stringify([
      partition,
      options.merge,
      options.settings,
      [...options.safeFunctions],
      asked.join,
      options.workers,
      streamed,
    ])
    const { split } = memory
    if (lasting && split !== null && split.key === key && performance.now() - split.at < refreshMs)
      return { ...split, plan: withValues(split.plan, request.statement.values) }
    const plan = (await this.#circumstances(request)) ?? (await this.#plan(request, asked, options, estimate, streamed))
    const cost = typeof plan === "string" ? unknownCost : await this.#partsCost(request, plan, options)
    if (lasting) memory.split = { key, plan, ...cost, at: performance.now() }
    return { plan, ...cost }
  }

  /** Why no session but the statement's own could run a part of it, whatever it says. */
  async #circumstances({ prelude, snapshot, isolation }: Request): Promise<string | null> {
    if (prelude.length > 0) return "statements before it set something up in its own session"
    if (snapshot !== null) return "it takes over another transaction's snapshot"
    if (isolation === "serializable") return "in a serializable transaction PostgreSQL watches what one session reads"
    if (this.#database.direct !== this.#database) return null
    const pooler = await this.#memory.pooler(async () => (await readCapabilities(this.#database)).pooler)
    return pooler === "transaction" ? behindPooler : null
  }

  async #plan(
    request: Request,
    asked: ParallelRequest,
    options: Settled,
    estimate: Estimate,
    streamed: boolean,
  ): Promise<SplitPlan | string> {
    const { statement, transaction } = request
    return planSplit(await statementShape(statement.text), statement.values, asked, options, {
      executor: transaction?.session ?? this.#database.direct,
      inTransaction: transaction !== null,
      expectedGroups: estimate.groups,
      streamed,
    })
  }

  /**
   * What the parts cost together, over the whole in one process; and how many of them there may be. What a part does beside its own
   * rows - building the hash table of a join - is done again in each: the planner prices one part, and so tells how much that is.
   */
  async #partsCost(
    request: Request,
    plan: SplitPlan,
    { workers }: Settled,
  ): Promise<{ partsCost: number | null; mostParts: number }> {
    if (request.transaction !== null) return unknownCost
    const none = { max_parallel_workers_per_gather: "0" }
    const whole = (await askEstimateWith(this.#database.direct, request, none)).cost
    const { division, driver } = plan.divided
    const statements =
      plan.mode === "groups"
        ? groupsPart(plan.source, plan.keys, plan.decompositions, division, "now()")
        : rowsPart(plan.source, division, "now()", { sorted: false, limited: false, keys: [] })
    const parts = division.kind === "blocks" ? 16 * workers : workers
    const blocks = driver?.facts.blocks ?? 0
    if (division.kind === "range" || division.kind === "custom" || blocks < parts) {
      if (division.kind !== "hash") return unknownCost
    }
    const values = division.kind === "blocks" ? ["(0,0)", `(${Math.ceil(blocks / parts)},0)`] : [parts, 0]
    const one = (await askEstimateWith(this.#database.direct, request, none, bindStatement(statements[0]!, values, ""))).cost
    if (division.kind === "hash") return { partsCost: (one * parts) / whole, mostParts: parts }
    const repeated = Math.max(0, (one * parts - whole) / (parts - 1))
    const mostParts = repeated === 0 ? parts * 4 : Math.max(workers, Math.floor((0.2 * whole) / repeated) + 1)
    return { partsCost: (whole + repeated * (Math.min(parts, mostParts) - 1)) / whole, mostParts }
  }
}

/** Why nothing is split behind a pooler that gives a backend to each transaction: a directUrl would help, so a warning says so too. */
export const behindPooler =
  "the pooler before the server gives its backends to transactions one by one: connect with { directUrl } beside it"

const unknownCost = { partsCost: null, mostParts: Number.POSITIVE_INFINITY }

function withValues(plan: SplitPlan | string, values: readonly unknown[]): SplitPlan | string {
  return typeof plan === "string" ? plan : { ...plan, source: { ...plan.source, values } }
}

function estimateOf(memory: Memory, ms: number): ParallelReport["estimate"] {
  return { ms, rows: memory.rows ?? memory.estimate?.rows ?? 0, from: memory.times.none === undefined ? "planner" : "measured" }
}

function nothing(why: string): Decision {
  return {
    choice: "none",
    why,
    estimate: null,
    plan: null,
    mostParts: Number.POSITIVE_INFINITY,
    settings: {},
    planned: null,
    roundTripMs: 0,
    memory: null,
    refusal: null,
  }
}
