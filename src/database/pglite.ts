import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { boundValues } from "./bound-value.ts"
import type {
  AcquireOptions,
  Cursor,
  CursorOptions,
  Database,
  DriverCapabilities,
  Listener,
  QueryOptions,
  Result,
  ResultField,
  Session,
  Statement,
  TextRow,
} from "./database.ts"
import { toSelectoError } from "./database-error.ts"
import { interruptible, isUninterruptible, refuseAborted, waitFor } from "./deadline.ts"
import { notifyStatement } from "./notify.ts"
import { localLink, type PGliteLike, type PGliteLink, type ServerFailure } from "./pglite-link.ts"
import { PortalCursor } from "./portal-cursor.ts"
import { convertRows, rowBuilder } from "./rows.ts"
import { runStep, type StepResult, type WireStep } from "./wire.ts"

const capabilities: DriverCapabilities = { sessions: "one", cancel: false, listen: true, pipeline: true }

export interface PGliteDatabaseOptions {
  /** True when close() shall close the instance: it is ours. Default false. */
  readonly owned?: boolean | undefined
}

/**
 * A {@link Database} over a PGlite of this thread. One session: acquire() waits for its turn, and the instance's other users wait
 * for ours. A statement runs to its end before an abort or timeout is heard: the thread is busy meanwhile.
 */
export function pgliteDatabase(pglite: PGliteLike, options: PGliteDatabaseOptions = {}): Database {
  return linkedDatabase("pglite", localLink(pglite), options)
}

/** A {@link Database} over any link to a PGlite. */
export function linkedDatabase(driver: string, link: PGliteLink, options: PGliteDatabaseOptions = {}): Database {
  let closed: Promise<void> | null = null
  const acquire = async (wait: AcquireOptions = {}): Promise<Session> => {
    refuseAborted(wait.signal)
    if (closed !== null || link.closed)
      throw new SelectoError("E_POOL_CLOSED", "The embedded database is closed. Open a new one.")
    try {
      return new PGliteSession(link, await waitFor(link.hold(), wait, (free) => free()))
    } catch (error) {
      throw toSelectoError(error)
    }
  }
  const withSession = async <T>(wait: QueryOptions, run: (session: Session) => Promise<T>): Promise<T> => {
    const session = await acquire(wait)
    try {
      wait.onAcquired?.()
      return await run(session)
    } finally {
      session.release()
    }
  }
  const database: Database = {
    driver,
    capabilities,
    acquire,
    query: <Row>(statement: Statement, wait: QueryOptions = {}) =>
      withSession(wait, (session) => session.query<Row>(statement, wait)),
    queryText: (statement, wait = {}) => withSession(wait, (session) => session.queryText(statement, wait)),
    listen: (channels, onNotice) => listen(database, link, channels, onNotice),
    get direct() {
      return database
    },
    close() {
      closed ??= options.owned === true ? link.close() : Promise.resolve()
      return closed
    },
  }
  return database
}

const listeners = new WeakMap<PGliteLink, Map<string, number>>()

async function listen(
  database: Database,
  link: PGliteLink,
  channels: readonly string[],
  onNotice: (channel: string, payload: string) => void,
): Promise<Listener> {
  const counts = listeners.get(link) ?? new Map<string, number>()
  listeners.set(link, counts)
  const off = link.onNotification((channel, payload) => {
    if (channels.includes(channel)) onNotice(channel, payload)
  })
  for (const channel of channels) {
    counts.set(channel, (counts.get(channel) ?? 0) + 1)
    await database.queryText({ text: `listen ${quoteIdentifier(channel)} /* selecto:database */`, values: [] })
  }
  let open = true
  return {
    notify: async (channel, payload, options) => {
      await database.queryText(notifyStatement(channel, payload), options)
    },
    close: async () => {
      if (!open) return
      open = false
      off()
      for (const channel of channels) {
        const left = (counts.get(channel) ?? 1) - 1
        counts.set(channel, left)
        // One session: another listener of ours may need the channel still.
        if (left === 0 && !link.closed) {
          await database.queryText({ text: `unlisten ${quoteIdentifier(channel)} /* selecto:database */`, values: [] })
        }
      }
    },
  }
}

class PGliteSession implements Session {
  readonly pid = null
  readonly #link: PGliteLink
  readonly #free: () => void
  #released = false
  #portals = 0
  #open = false

  constructor(link: PGliteLink, free: () => void) {
    this.#link = link
    this.#free = free
  }

  async query<Row = Record<string, unknown>>(statement: Statement, options: QueryOptions = {}): Promise<Result<Row>> {
    const [result] = await this.#run([runStep(statement.text, boundValues(statement))], statement, options)
    return convertRows<Row>(result!, this.converter(result!.fields))
  }

  async queryText(statement: Statement, options: QueryOptions = {}): Promise<Result<TextRow>> {
    const results = await this.#run([runStep(statement.text, boundValues(statement))], statement, options)
    return results[0]!
  }

  async batch(statements: readonly Statement[], options: QueryOptions = {}): Promise<Result<TextRow>[]> {
    if (statements.length === 0) return []
    return this.#run(
      statements.map((statement) => runStep(statement.text, boundValues(statement))),
      statements.at(-1)!,
      options,
    )
  }

  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown> {
    return rowBuilder(fields.map(({ name, typeId }) => ({ name, decode: this.#link.parserOf(typeId) })))
  }

  async cursor(statement: Statement, options: CursorOptions = {}): Promise<Cursor> {
    const portal = `selecto_${++this.#portals}`
    const before = (options.before ?? []).map((one) => runStep(one.text, boundValues(one)))
    const maxRows = Math.max(1, options.prefetch ?? 1)
    const open: WireStep = { kind: "run", text: statement.text, values: boundValues(statement), portal, maxRows }
    const results = await this.#run([...before, open], statement, options)
    return new PortalCursor(
      portal,
      results.at(-1)!,
      (steps) => this.#run(steps, statement, options),
      (steps) => this.#run(steps, statement, {}),
    )
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    // The one session cannot be thrown away: an open transaction would become the next user's.
    if (this.#open) void this.#link.exchange([runStep("rollback /* selecto:database */", [])]).then(this.#free, this.#free)
    else this.#free()
  }

  async #run(steps: readonly WireStep[], main: Statement, options: QueryOptions): Promise<StepResult[]> {
    if (this.#released) throw new SelectoError("E_POOL_CLOSED", "This session was released: acquire another one.")
    refuseAborted(options.signal)
    const work = this.#link.exchange(steps)
    try {
      const reply = isUninterruptible(options) ? await work : await interruptible(work, options, () => Promise.resolve())
      options.onFirstReply?.()
      this.#open = reply.open
      if (reply.failure !== null) throw serverError(reply.failure)
      return reply.results
    } catch (error) {
      const failure = toSelectoError(error, steps.length === 1 ? main : {})
      // Settled, or the call would not have ended; what it left behind is unknown.
      if (failure.code === "E_ABORTED" || failure.code === "E_TIMEOUT") this.#open = true
      throw failure
    }
  }
}

function serverError({ message, fields }: ServerFailure): Error {
  return Object.assign(new Error(message), fields)
}
