import { isSelectoError, SelectoError } from "../errors.ts"
import { cancelUntil } from "./cancel.ts"
import type { Cursor, CursorOptions, QueryOptions, Result, ResultField, Session, Statement, TextRow } from "./database.ts"
import { toSelectoError } from "./database-error.ts"
import { interruptible, isUninterruptible, refuseAborted } from "./deadline.ts"
import { driverRows, neverSent, queryOf, sendOn, textResult } from "./postgres-js-query.ts"
import type { PostgresJsConnection, PostgresJsLike, PostgresJsQuery } from "./postgres-js-types.ts"
import { convertRows } from "./rows.ts"
import { sqlCursor } from "./sql-cursor.ts"

/**
 * Takes a connection out of the pool, as the driver's begin() does: by the first query that is sent on it, here an empty one that travels
 * with the first statement. The driver's reserve() will not do: it answers for a pool that was ended, loses a place of the pool for
 * good with each connection that cannot be made, and does not say when the connection closes.
 */
export function openSession(driver: PostgresJsLike, tries = 2): Promise<PostgresJsSession> {
  return new Promise((resolve, reject) => {
    let session: PostgresJsSession | null = null
    const hello = driver.unsafe("", [], {
      simple: true,
      onexecute: (connection: PostgresJsConnection) => {
        session = new PostgresJsSession(driver, connection, hello)
        // Else it stands behind the statement of somebody else, and the session begins when that has ended.
        if (hello.active === true) resolve(session)
        // Nobody's statement may follow on this connection.
        return false
      },
    })
    hello.then(
      // The driver calls nobody while its socket is full.
      () => resolve(session ?? openSession(driver)),
      (error) => (tries > 1 && neverSent(hello, error) ? resolve(openSession(driver, tries - 1)) : reject(error)),
    )
  })
}

/** A connection of postgres.js for one user. Statements of a batch are sent without waiting, each with a Sync of its own. */
class PostgresJsSession implements Session {
  readonly #driver: PostgresJsLike
  readonly #connection: PostgresJsConnection
  readonly #hello: PostgresJsQuery
  /** Never fulfilled; rejected when the connection is lost: not all of its queries are answered by the driver then. */
  readonly #loss: Promise<never>
  #lose!: (error: Error) => void
  /** The driver has the connection back, and may have given it a new life: nothing may be sent on it. */
  #lost = false
  /**
   * A statement has failed because the connection breaks; the socket closes in a moment. What is sent in that moment the driver keeps,
   * and in the connection's next life waits for its answer for ever.
   */
  #ending = false
  #released = false
  /** Inside a transaction, as far as the answers tell. */
  #open = false
  #cursors = 0

  constructor(driver: PostgresJsLike, connection: PostgresJsConnection, hello: PostgresJsQuery) {
    this.#driver = driver
    this.#connection = connection
    this.#hello = hello
    this.#loss = new Promise((_, reject) => {
      this.#lose = reject
    })
    this.#loss.catch(ignore)
    connection.reserved = Object.assign(() => {}, { release: true })
    connection.onclose = () => this.#giveUp("Connection terminated unexpectedly")
  }

  get pid(): number | null {
    return (this.#hello.state as { readonly pid?: number | null } | null)?.pid ?? null
  }

  async query<Row = Record<string, unknown>>(statement: Statement, options: QueryOptions = {}): Promise<Result<Row>> {
    const result = await this.queryText(statement, options)
    return convertRows<Row>(result, this.converter(result.fields))
  }

  async queryText(statement: Statement, options: QueryOptions = {}): Promise<Result<TextRow>> {
    // The server would warn that there is nothing to end, and the driver print it.
    if (!this.#open && !this.#lost && /^\s*rollback\s*$/i.test(statement.text))
      return { rows: [], fields: [], rowCount: null, command: "ROLLBACK" }
    return (await this.#run([statement], options))[0]!
  }

  async batch(statements: readonly Statement[], options: QueryOptions = {}): Promise<Result<TextRow>[]> {
    return statements.length === 0 ? [] : this.#run(statements, options)
  }

  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown> {
    return driverRows(this.#driver.options, fields)
  }

  async cursor(statement: Statement, options: CursorOptions = {}): Promise<Cursor> {
    return sqlCursor(this, `selecto_${++this.#cursors}`, statement, options)
  }

  release(destroy = false): void {
    if (this.#released) return
    this.#released = true
    if (this.#lost) return
    if (destroy || this.#ending) {
      this.#connection.terminate()
      return
    }
    this.#connection.onclose = null
    this.#connection.reserved = null
    // The driver puts the connection back when it has answered something: an open transaction ends by the way.
    const text = this.#open ? "rollback /* selecto:database */" : ""
    sendOn(this.#connection, this.#driver.unsafe(text, [], { simple: true })).then(ignore, ignore)
  }

  #giveUp(message: string): void {
    this.#lost = true
    this.#lose(new Error(message))
  }

  async #run(statements: readonly Statement[], options: QueryOptions): Promise<Result<TextRow>[]> {
    if (this.#released) throw new SelectoError("E_POOL_CLOSED", "This session was released: acquire another one.")
    refuseAborted(options.signal)
    // All are made before the first is sent: a value that cannot be bound sends nothing.
    const queries = statements.map((statement) => sendOn(this.#connection, queryOf(this.#driver, statement)))
    try {
      const work = Promise.race([this.#answers(statements, queries, options.onFirstReply), this.#loss])
      if (isUninterruptible(options)) return await work
      return await interruptible(work, options, async (settled) => {
        if (!(await cancelUntil(settled, () => cancelActive(queries)))) this.#abandon()
      })
    } catch (error) {
      throw toSelectoError(error, statements.length === 1 ? statements[0] : {})
    }
  }

  /** The answers, when all have come; the first error, when nothing more is under way. */
  async #answers(
    statements: readonly Statement[],
    queries: readonly PostgresJsQuery[],
    onFirstReply: (() => void) | undefined,
  ): Promise<Result<TextRow>[]> {
    if (this.#lost || this.#ending) return await this.#loss
    for (const query of queries) query.execute()
    const results: Result<TextRow>[] = []
    let failure: { readonly error: unknown } | null = null
    for (const [index, query] of queries.entries()) {
      try {
        const result = textResult(await query)
        results.push(result)
        this.#note(result.command, statements[index]!.text)
      } catch (error) {
        failure ??= { error }
        if (isSelectoError(toSelectoError(error), "E_CONNECTION")) this.#ending = true
      }
      if (index === 0) onFirstReply?.()
    }
    if (failure !== null) throw failure.error
    return results
  }

  /** The driver does not pass on whether a transaction is open. */
  #note(command: string, text: string): void {
    if (command === "BEGIN" || command === "START") this.#open = true
    // ROLLBACK TO and AND CHAIN have the same tag and end nothing; a word too many here costs one ROLLBACK at release.
    else if ((command === "COMMIT" || command === "ROLLBACK" || command === "PREPARE") && !/\b(?:to|chain)\b/i.test(text))
      this.#open = false
  }

  /** The statement heeds no cancellation: its connection stays out of the pool until the server has ended it. */
  #abandon(): void {
    const { pid } = this
    this.#giveUp("Connection terminated: the statement did not heed its cancellation")
    this.#connection.terminate()
    if (pid === null) return
    const end = { text: "select pg_terminate_backend($1) /* selecto:database */", values: [pid] }
    queryOf(this.#driver, end).then(ignore, ignore)
  }
}

export type { PostgresJsSession }

/** Cancels the one that the server works on; what waits behind it in a failed transaction needs no request. */
async function cancelActive(queries: readonly PostgresJsQuery[]): Promise<void> {
  const active = queries.find((query) => query.active === true)
  if (active === undefined) return
  // Not cancel(), which can be called once only and says nothing of the end.
  if (typeof active.canceller === "function") await (active.canceller as (query: unknown) => Promise<void>)(active)
  else active.cancel()
}

function ignore(): void {}
