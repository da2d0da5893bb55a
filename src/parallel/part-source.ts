import type { ResultField, Session, TextRow } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { OpenRows, Request } from "../execution/request.ts"
import { Channel } from "./channel.ts"
import { parameterTypes, withoutParameters } from "./copy-statement.ts"
import { type CrewOutcome, readParts, type Stop } from "./crew.ts"
import type { Exporter } from "./export.ts"
import type { FormatWriter } from "./export-format.ts"
import { type Helper, openHelper } from "./helper.ts"
import type { Leader } from "./leader.ts"
import { mergeSections, type Section } from "./merge-sections.ts"
import { ListQueue, type Part, type PartQueue } from "./part.ts"
import { type Readable, readRows } from "./part-reader.ts"
import { allOf } from "./partition.ts"
import type { SplitPlan } from "./plan.ts"
import { localSettings, measureOf, partComment, type SplitContext } from "./split-run.ts"
import { bindStatement, type OpenStatement, rowsPart, slotTypes } from "./statements.ts"
import { StreamCursor } from "./stream-cursor.ts"

/** The parts of a split that is read while it runs, under a leader that stays until the reader has ended. */
export class PartSource {
  readonly #request: Request
  readonly #plan: SplitPlan
  readonly #context: SplitContext
  readonly #leader: Leader
  readonly #stop: Stop
  readonly #batchSize: number
  #statements: readonly OpenStatement[] = []
  #types: readonly string[] = []
  /** What is known of the parts so far. */
  outcome: Partial<CrewOutcome> = {}

  constructor(request: Request, plan: SplitPlan, context: SplitContext, leader: Leader, stop: Stop, batchSize: number) {
    this.#request = request
    this.#plan = plan
    this.#context = context
    this.#leader = leader
    this.#stop = stop
    this.#batchSize = batchSize
  }

  async open(): Promise<void> {
    const { source, divided, sort } = this.#plan
    const now = `'${this.#leader.now}'::timestamptz`
    const keys = sort.map(({ sql }) => sql)
    this.#statements = rowsPart(source, divided.division, now, { sorted: sort.length > 0, limited: false, keys })
    this.#types = await parameterTypes(this.#leader.session, this.#request.statement)
  }

  /** Rows as they come from whichever part. */
  unordered(): OpenRows {
    const channel = new Channel(this.#batchSize * this.#context.sessions)
    const { blocks } = this.#leader
    const queue = this.#plan.divided.queue(measureOf(this.#plan, this.#context, blocks))
    const done = this.#crew(queue, () => channel)
    done.then(
      () => channel.end(),
      (error) => channel.end(error),
    )
    return this.#opened(() => channel.read(), [channel], done)
  }

  /** Parts that are ranges of the first key: one after the other, while later ones are read already. */
  inRanges(): OpenRows {
    const [first] = this.#plan.sort
    const ranges = allOf(this.#plan.divided.queue(measureOf(this.#plan, this.#context, this.#leader.blocks)))
    const nulls = ranges.filter((part) => part.condition === nullRange)
    const values = ranges.filter((part) => part.condition !== nullRange)
    if (first!.descending) values.reverse()
    const parts = (first!.nullsFirst ? [...nulls, ...values] : [...values, ...nulls]).map((part, index) => ({ ...part, index }))
    const channels = parts.map(() => new Channel(this.#batchSize * 4))
    const done = this.#crew(
      new ListQueue(parts),
      (part) => channels[part.index]!,
      (part) => channels[part.index]!.end(),
    )
    done.catch((error) => {
      for (const channel of channels) channel.end(error)
    })
    let at = 0
    const next: Section = async () => {
      for (; at < channels.length; at++) {
        const rows = await channels[at]!.read()
        if (rows !== null) return rows
      }
      return null
    }
    return this.#opened(next, channels, done)
  }

  /**
   * A section of the table for each session, sorted there and merged here. Every section must be under way before the first row is
   * known: null where there are fewer sessions than sections.
   */
  async inSections(order: (a: TextRow, b: TextRow) => number): Promise<OpenRows | null> {
    const { sessions, options, database } = this.#context
    const wanted = this.#leader.works ? sessions - 1 : sessions
    const local = localSettings(this.#request, this.#context)
    const opening = Array.from({ length: wanted }, () =>
      openHelper(database, this.#leader, local, this.#stop.signal, options.coordinationTimeoutMs).catch(() => null),
    )
    const helpers = (await Promise.all(opening)).filter((helper): helper is Helper => helper !== null)
    const readers: Session[] = [...(this.#leader.works ? [this.#leader.session] : []), ...helpers.map(({ session }) => session)]
    const parts = this.#plan.divided.sections(readers.length, this.#leader.blocks)
    if (parts.length > readers.length) {
      await Promise.all(helpers.map((helper) => helper.end()))
      return null
    }
    this.outcome = { workers: readers.length, parts: parts.length }
    const channels = parts.map(() => new Channel(this.#batchSize * 2))
    const work = parts.map(async (part, at) => {
      try {
        await this.#read(readers[at]!, part, this.#stop.signal, channels[at]!)
        channels[at]!.end()
      } catch (error) {
        this.#stop.fail(error)
        throw error
      }
    })
    const done = Promise.allSettled(work).then(async () => {
      await Promise.all(helpers.map((helper) => helper.end()))
      this.#stop.throwIfFailed()
    })
    done.catch((error) => {
      for (const channel of channels) channel.end(error)
    })
    const sections = channels.map(
      (channel): Section =>
        () =>
          channel.read(),
    )
    return this.#opened(mergeSections(sections, order), channels, done)
  }

  /** Every part as COPY gives it, in whatever order they come. */
  async copy(exporter: Exporter, format: FormatWriter): Promise<void> {
    const queue = this.#plan.divided.queue(measureOf(this.#plan, this.#context, this.#leader.blocks))
    await this.#parts(queue, (session, part, signal) => {
      const { statement, types } = this.#readable(part)
      return exporter.copy(session, withoutParameters(statement, types), format, signal)
    })
  }

  #crew(queue: PartQueue, channelOf: (part: Part) => Channel, ended: (part: Part) => void = () => {}): Promise<void> {
    return this.#parts(queue, async (session, part, signal) => {
      const outcome = await this.#read(session, part, signal, channelOf(part))
      ended(part)
      return outcome
    })
  }

  async #parts(
    queue: PartQueue,
    read: (session: Session, part: Part, signal: AbortSignal) => Promise<{ rows: number; bytes: number }>,
  ): Promise<void> {
    const { database, sessions, options } = this.#context
    const outcome = await readParts({
      database,
      leader: this.#leader,
      queue,
      helpers: this.#leader.works ? sessions - 1 : sessions,
      local: localSettings(this.#request, this.#context),
      read: async (session, part, signal) => {
        const started = performance.now()
        return { ...(await read(session, part, signal)), ms: performance.now() - started }
      },
      coordinationTimeoutMs: options.coordinationTimeoutMs,
      stop: this.#stop,
      // Rows of a lost part may have been read already.
      repeatable: false,
    })
    this.outcome = outcome
  }

  #read(session: Session, part: Part, signal: AbortSignal, channel: Channel): Promise<{ rows: number; bytes: number }> {
    return readRows(session, this.#readable(part), this.#batchSize, signal, (rows) => channel.write(rows))
  }

  #readable(part: Part): Readable {
    const open = this.#statements[part.condition]!
    const statement = bindStatement(open, part.values, this.#request.comment ?? partComment)
    return { statement, types: slotTypes(open, this.#types) }
  }

  #opened(next: Section, channels: readonly Channel[], done: Promise<unknown>): OpenRows {
    const { names, types } = this.#plan
    const fields: ResultField[] = names.map((name, at) => ({ name, typeId: types[at]! }))
    const settled = done.then(
      () => {},
      () => {},
    )
    // Writers must not wait for a reader who may not come back.
    this.#stop.signal.addEventListener("abort", () => {
      for (const channel of channels) channel.end(this.#stop.signal.reason)
    })
    let exhausted = false
    const counted: Section = async () => {
      const rows = await next()
      exhausted ||= rows === null
      return rows
    }
    return {
      cursor: new StreamCursor(fields, counted, this.#stop, this.#request.timeoutMs),
      converter: (columns) => this.#leader.session.converter(columns),
      end: async () => {
        // A reader that stops early ends what still runs, on the server too.
        if (!exhausted) this.#stop.fail(new SelectoError("E_ABORTED", "The reader of the rows has ended."))
        for (const channel of channels) channel.end()
        await settled
        await this.#leader.end()
        this.#stop.end()
      },
    }
  }
}

/** The condition of a range division that takes the NULLs. */
const nullRange = 3
