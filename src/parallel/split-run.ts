import type { Database, ResultField, Session, TextRow } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { combineRows, isTextual } from "./combine.ts"
import { type CrewOutcome, readParts, Stop } from "./crew.ts"
import { distinctOrder } from "./keys.ts"
import { type Leader, openLeader } from "./leader.ts"
import type { Settled } from "./option.ts"
import { rowOrder } from "./order.ts"
import type { Part, PartOutcome, PartQueue } from "./part.ts"
import type { Measure } from "./partition.ts"
import type { SplitPlan } from "./plan.ts"
import type { ParallelReport } from "./report.ts"
import {
  bindStatement,
  distinctFinal,
  groupsFinal,
  groupsPart,
  type OpenStatement,
  rowsPart,
  rowsWanted,
  sortFinal,
} from "./statements.ts"

/** What a split is run with. */
export interface SplitContext {
  readonly database: Database
  readonly options: Settled
  /** Sessions that may take part, the leader's included. */
  readonly sessions: number
  readonly roundTripMs: number
  /** More parts than this would repeat too much work. */
  readonly mostParts: number
}

export interface SplitAnswer {
  readonly rows: TextRow[]
  readonly fields: readonly ResultField[]
  /** How the driver's own type parsers convert rows, for raw statements. */
  readonly converter: (fields: readonly ResultField[]) => (row: TextRow) => Record<string, unknown>
  readonly outcome: CrewOutcome
  readonly merge: NonNullable<ParallelReport["merge"]>
  readonly asOf: { readonly snapshot: string | null; readonly at: Date } | null
  readonly timings: { readonly poolWait: number; readonly setUp: number; readonly parts: number; readonly merge: number }
  /** From the first part's sending to its answer. */
  readonly firstReply: number
}

/** More partial rows than this are merged in the process first, where that is exact. */
const worthCombining = 10_000

export const partComment = "/* selecto:parallel */"

/** Runs a planned split and merges the answers. A string says why the sessions could not be put into one place; nothing is left open. */
export async function runSplit(request: Request, plan: SplitPlan, context: SplitContext): Promise<SplitAnswer | string> {
  const started = performance.now()
  const stop = new Stop(request.signal, request.timeoutMs)
  try {
    const leader = await openFor(request, plan, context, stop)
    if (typeof leader === "string") return leader
    try {
      const setUp = performance.now()
      const answer = await new SplitRun(request, plan, context, leader, stop).run()
      const { gathered } = answer
      return {
        ...answer,
        timings: {
          poolWait: leader.poolWait,
          setUp: setUp - started - leader.poolWait,
          parts: gathered - setUp,
          merge: performance.now() - gathered,
        },
      }
    } finally {
      await leader.end()
    }
  } catch (error) {
    // What failed because everything was stopped is not what went wrong.
    stop.fail(error)
    stop.throwIfFailed()
    throw error
  } finally {
    stop.end()
  }
}

/** SET LOCAL for every session that reads parts. */
export function localSettings(request: Request, { options }: SplitContext): Readonly<Record<string, string>> {
  return {
    ...request.settings,
    // The parts are the parallelism; and a scan that starts in the middle would give a subquery's rows in another order to every part.
    max_parallel_workers_per_gather: "0",
    synchronize_seqscans: "off",
    ...(options.workerMemory === null ? {} : { work_mem: `${Math.floor(options.workerMemory / 1024)}kB` }),
  }
}

export async function openFor(
  request: Request,
  plan: SplitPlan,
  context: SplitContext,
  stop: Stop,
): Promise<(Leader & { readonly poolWait: number }) | string> {
  const { options } = context
  const asked = performance.now()
  const { catalog, settings, asked: names, functions } = plan.knowledge
  const leader = await openLeader(
    context.database,
    request.transaction,
    {
      relations: catalog.relations.filter((one) => one !== null),
      asked: names,
      functions,
      fingerprint: catalog.fingerprint,
      oid: plan.divided.driver?.facts.oid ?? null,
      snapshot: options.consistency === "snapshot",
      settings,
      local: localSettings(request, context),
      coordinationTimeoutMs: options.coordinationTimeoutMs,
    },
    { signal: stop.signal },
  )
  if (typeof leader === "string") return leader
  const reason = styleRefusal(leader, plan)
  if (reason === null) return { ...leader, poolWait: leader.acquired - asked }
  await leader.end()
  return reason
}

/** Styles of text that cannot be read back, or not to the last digit, where the plan has to. */
function styleRefusal({ settings }: Leader, plan: SplitPlan): string | null {
  const style = new Map(settings)
  const types = [...plan.givenTypes, ...plan.sort.map(({ type }) => type)].map(({ baseId }) => baseId)
  const has = (...ids: readonly number[]): boolean => types.some((id) => ids.includes(id))
  if (has(700, 701) && Number(style.get("extra_float_digits")) < 1)
    return "extra_float_digits is below 1, so floats are cut in their text"
  if (has(1082, 1114, 1184) && !style.get("DateStyle")?.startsWith("ISO")) return "DateStyle is not ISO"
  if (has(1186) && style.get("IntervalStyle") !== "postgres") return "IntervalStyle is not postgres"
  if (has(17) && style.get("bytea_output") !== "hex") return "bytea_output is not hex"
  return null
}

export function measureOf(plan: SplitPlan, { options, roundTripMs, sessions, mostParts }: SplitContext, blocks: number): Measure {
  return {
    blocks,
    workers: sessions,
    mostParts,
    batchSize: options.batchSize ?? (roundTripMs >= 5 ? 10_000 : 1000),
    strategy: options.batchStrategy,
    rowWidth: plan.types.length * 16,
    leastMs: 10 * roundTripMs,
  }
}

class SplitRun {
  readonly #request: Request
  readonly #plan: SplitPlan
  readonly #context: SplitContext
  readonly #leader: Leader
  readonly #stop: Stop
  readonly #now: string
  readonly #answers: TextRow[][] = []
  #fields: readonly ResultField[] | null = null
  #count = 0
  #firstReply = 0

  constructor(request: Request, plan: SplitPlan, context: SplitContext, leader: Leader, stop: Stop) {
    this.#request = request
    this.#plan = plan
    this.#context = context
    this.#leader = leader
    this.#stop = stop
    this.#now = `'${leader.now}'::timestamptz`
  }

  async run(): Promise<Omit<SplitAnswer, "timings"> & { readonly gathered: number }> {
    const { mode, source, divided, keys, decompositions, sort } = this.#plan
    const limit = mode === "rows" ? rowsWanted(source) : null
    const order = rowOrder(sort, this.#plan.names.length)
    const statements =
      mode === "groups"
        ? groupsPart(source, keys, decompositions, divided.division, this.#now)
        : rowsPart(source, divided.division, this.#now, {
            sorted: mode === "rows" && sort.length > 0 && (order !== null || limit !== null),
            limited: mode === "rows" && limit !== null,
            keys: mode === "rows" ? sort.map(({ sql }) => sql) : [],
          })
    const started = performance.now()
    const queue = divided.queue(measureOf(this.#plan, this.#context, this.#leader.blocks))
    const outcome = await readParts({
      database: this.#context.database,
      leader: this.#leader,
      queue: limit !== null && sort.length === 0 ? this.#untilEnough(queue, limit.to) : queue,
      helpers: this.#leader.works ? this.#context.sessions - 1 : this.#context.sessions,
      local: localSettings(this.#request, this.#context),
      read: (session, part, signal) => this.#read(session, statements, part, signal),
      coordinationTimeoutMs: this.#context.options.coordinationTimeoutMs,
      stop: this.#stop,
      repeatable: true,
    })
    const gathered = performance.now()
    const merged = mode === "rows" ? await this.#putTogether(order, limit) : await this.#finalise()
    const leader = this.#leader
    const snapshot = this.#context.options.consistency === "snapshot"
    return {
      ...merged,
      // A session's way of converting outlives its use for this statement.
      converter: (fields) => leader.session.converter(fields),
      outcome: mode === "rows" ? outcome : { ...outcome, largestPart: null },
      asOf: snapshot && !leader.replica ? { snapshot: leader.snapshot, at: leader.at } : null,
      gathered,
      firstReply: Math.max(0, this.#firstReply - started),
    }
  }

  /** Without an order any rows will do: what is left to read once there are enough is left unread. */
  #untilEnough(queue: PartQueue, wanted: number): PartQueue {
    return {
      take: (worker) => (this.#count >= wanted && this.#fields !== null ? null : queue.take(worker)),
      giveBack: (part) => queue.giveBack(part),
      done: (part, outcome) => queue.done(part, outcome),
    }
  }

  async #read(session: Session, statements: readonly OpenStatement[], part: Part, signal: AbortSignal): Promise<PartOutcome> {
    const started = performance.now()
    const statement = bindStatement(statements[part.condition]!, part.values, this.#request.comment ?? partComment)
    const { rows, fields } = await session.queryText(statement, {
      signal,
      onFirstReply: () => {
        if (this.#firstReply === 0) this.#firstReply = performance.now()
      },
    })
    this.#fields ??= fields
    this.#answers[part.index] = rows
    this.#count += rows.length
    return { rows: rows.length, bytes: bytesOf(rows), ms: performance.now() - started }
  }

  async #putTogether(
    order: ((a: TextRow, b: TextRow) => number) | null,
    limit: { readonly from: number; readonly to: number } | null,
  ): Promise<Pick<SplitAnswer, "rows" | "fields" | "merge">> {
    const { sort } = this.#plan
    const width = this.#fields!.length - sort.length
    let rows = this.#answers.flat()
    if (sort.length > 0) rows = order === null ? await this.#sorted(rows, width) : rows.sort(order)
    if (limit !== null) rows = rows.slice(limit.from, limit.to)
    const fields = this.#fields!.slice(0, width)
    return { rows, fields, merge: sort.length > 0 ? "sort_merge" : "union" }
  }

  /** The order of keys that only PostgreSQL can tell: it gets the keys, and gives the rows' places. */
  async #sorted(rows: readonly TextRow[], width: number): Promise<TextRow[]> {
    const { sort } = this.#plan
    const columns = sort.map((_key, at) => rows.map((row) => row[width + at]!))
    const places = await this.#leader.session.queryText({ text: sortFinal(sort), values: columns }, { signal: this.#stop.signal })
    return places.rows.map(([place]) => rows[Number(place)]!)
  }

  /** Merges what the parts gave: in this process where there is much of it and that is exact, then by the last statement. */
  async #finalise(): Promise<Pick<SplitAnswer, "rows" | "fields" | "merge">> {
    const { mode, source, given, givenTypes, names, types, keys, decompositions } = this.#plan
    const partial = this.#answers.flat()
    const combines = decompositions.flatMap((one) => one.partials.map(({ combine }) => combine))
    const textual = given.slice(0, keys.length).every(({ collation }, at) => isTextual(givenTypes[at]!, collation))
    const wanted = partial.length > worthCombining || this.#context.options.merge === "hash"
    const combined = wanted && textual ? combineRows(partial, keys.length, combines) : null
    const rows = combined ?? partial
    const columns = given.map((_column, at) => rows.map((row) => row[at]!))
    const final =
      mode === "groups"
        ? groupsFinal(source, names, decompositions, given, this.#now)
        : distinctFinal(source, names, distinctOrder(source.pieces)!, given, this.#now)
    const statement = bindStatement(final, columns, this.#request.comment ?? partComment)
    const result = await this.#leader.session.queryText(statement, { signal: this.#stop.signal })
    const unlike = result.fields.findIndex(({ typeId }, at) => typeId !== types[at])
    if (unlike >= 0)
      throw new SelectoError(
        "E_PARALLEL_REFUSED",
        `The merged column ${JSON.stringify(names[unlike])} has not the type of the statement's own. Run it without parallel().`,
      )
    return { rows: result.rows, fields: result.fields, merge: "hash" }
  }
}

/** About as many bytes as the rows were on the wire: measured on some of them. */
function bytesOf(rows: readonly TextRow[]): number {
  const step = Math.max(1, Math.floor(rows.length / 100))
  let bytes = 0
  let measured = 0
  for (let at = 0; at < rows.length; at += step, measured++) for (const value of rows[at]!) bytes += (value?.length ?? 0) + 4
  return measured === 0 ? 0 : (bytes / measured) * rows.length
}
