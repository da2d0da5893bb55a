import type { Cursor, Database, Session, TextRow } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { rowDecoder } from "./decode.ts"
import type { Request, StreamEnd } from "./request.ts"
import { opening, sent } from "./run.ts"
import { checkAgainst, rollback } from "./transaction.ts"

export interface StreamingOptions {
  /** Rows fetched at a time; default 500. */
  readonly batchSize?: number | undefined
}

/**
 * Rows one by one from a cursor in a transaction of its own. However it ends - at the last row, by break, by an error, by abort - the
 * cursor is closed, the transaction ended and the session released. At most one batch is fetched ahead of its reader.
 */
export function stream(
  database: Database,
  prepare: () => Promise<Request>,
  options: StreamingOptions = {},
): AsyncIterableIterator<unknown> & AsyncDisposable {
  const size = options.batchSize ?? 500
  if (!Number.isSafeInteger(size) || size < 1)
    throw new SelectoError("E_INVALID_OPTION", "`batchSize` is a whole number, one or more.", { path: "batchSize" })
  return new RowStream(database, prepare, size)
}

interface Source {
  readonly cursor: Cursor
  readonly convert: (row: TextRow) => unknown
  /** Ends the transaction and gives the session back; null in somebody else's transaction. */
  readonly end: () => Promise<void>
  /** Tells who watches how it went. */
  readonly onEnd: Request["onEnd"]
  /** The batch under way. */
  next: Promise<TextRow[]>
}

const done: IteratorReturnResult<undefined> = { value: undefined, done: true }

/** Not an async generator: rows of a batch that is here already are handed out without a turn of the event loop for each layer. */
class RowStream implements AsyncIterableIterator<unknown>, AsyncDisposable {
  readonly #database: Database
  readonly #prepare: () => Promise<Request>
  readonly #size: number
  #rows: readonly TextRow[] = []
  #at = 0
  #source: Source | null = null
  #ended = false
  /** What is under way: later calls wait for it. */
  #busy: Promise<unknown> | null = null
  readonly #watch: { -readonly [Key in keyof StreamEnd]: StreamEnd[Key] } = {
    poolWait: 0,
    server: 0,
    transfer: 0,
    rows: 0,
    error: undefined,
  }

  constructor(database: Database, prepare: () => Promise<Request>, size: number) {
    this.#database = database
    this.#prepare = prepare
    this.#size = size
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#busy !== null) return this.#busy.then(() => this.next())
    if (this.#at < this.#rows.length) {
      try {
        return Promise.resolve({ value: this.#source!.convert(this.#rows[this.#at++]!), done: false })
      } catch (error) {
        return this.#alone(() => this.#fail(error))
      }
    }
    if (this.#ended) return Promise.resolve(done)
    return this.#alone(() => this.#advance())
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#busy !== null) return this.#busy.then(() => this.return())
    return this.#alone(() => this.#finish())
  }

  async throw(error: unknown): Promise<IteratorResult<unknown, undefined>> {
    await this.return()
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = work()
    const settled = result.then(
      () => {},
      () => {},
    )
    this.#busy = settled.then(() => {
      this.#busy = null
    })
    return result
  }

  async #advance(): Promise<IteratorResult<unknown, undefined>> {
    try {
      this.#source ??= await this.#open()
      const source = this.#source
      const asked = performance.now()
      this.#rows = await source.next
      this.#watch.transfer += performance.now() - asked
      this.#watch.rows += this.#rows.length
      this.#at = 0
      if (this.#rows.length === 0) return await this.#finish()
      // The next batch travels while this one is read; its error is reported when its turn comes.
      source.next = this.#rows.length < this.#size ? Promise.resolve([]) : source.cursor.read(this.#size)
      source.next.catch(() => {})
      return { value: source.convert(this.#rows[this.#at++]!), done: false }
    } catch (error) {
      return await this.#fail(error)
    }
  }

  async #open(): Promise<Source> {
    const request = await this.#prepare()
    try {
      return await this.#start(request)
    } catch (error) {
      // What never opened has ended too.
      this.#watch.error = error
      request.onEnd?.(this.#watch)
      throw error
    }
  }

  async #start(request: Request): Promise<Source> {
    const { signal, timeoutMs, transaction } = request
    const elsewhere = await this.#elsewhere(request)
    if (elsewhere !== null) return elsewhere
    if (transaction !== null) {
      checkAgainst(transaction, request)
      return await this.#over(transaction.session, request, [], async () => {})
    }
    const start = performance.now()
    const session = await this.#database.acquire({ signal, timeoutMs })
    this.#watch.poolWait = performance.now() - start
    // Reading changes nothing: ROLLBACK ends the transaction, one that an error has spoilt too.
    const end = async (): Promise<void> => {
      const healthy = await rollback(session)
      session.release(!healthy)
    }
    try {
      return await this.#over(session, request, opening(request, this.#database.capabilities.pipeline), end)
    } catch (error) {
      await end()
      throw error
    }
  }

  /** Rows that are not read by a cursor of one session. */
  async #elsewhere(request: Request): Promise<Source | null> {
    const start = performance.now()
    const rows = (await request.openRows?.(request, this.#size)) ?? null
    if (rows === null) return null
    this.#watch.server = performance.now() - start
    const { cursor } = rows
    try {
      const convert = request.output === null ? rows.converter(cursor.fields) : rowDecoder(request.output, cursor.fields)
      return { cursor, convert, end: () => rows.end(), onEnd: request.onEnd, next: cursor.read(this.#size) }
    } catch (error) {
      await rows.end()
      throw error
    }
  }

  async #over(session: Session, request: Request, before: ReturnType<typeof opening>, end: () => Promise<void>): Promise<Source> {
    const { signal, timeoutMs, onEnd } = request
    const start = performance.now()
    const cursor = await session.cursor(sent(request), { signal, timeoutMs, before, prefetch: this.#size })
    this.#watch.server = performance.now() - start
    const convert = request.output === null ? session.converter(cursor.fields) : rowDecoder(request.output, cursor.fields)
    return { cursor, convert, end, onEnd, next: cursor.read(this.#size) }
  }

  async #finish(): Promise<IteratorReturnResult<undefined>> {
    this.#ended = true
    this.#rows = []
    this.#at = 0
    const source = this.#source
    this.#source = null
    if (source !== null) {
      await source.cursor.close().catch(() => {})
      await source.end()
      source.onEnd?.(this.#watch)
    }
    return done
  }

  async #fail(error: unknown): Promise<never> {
    this.#watch.error = error
    await this.#finish()
    throw error
  }
}
