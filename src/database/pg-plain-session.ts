import { SelectoError } from "../errors.ts"
import { boundValues } from "./bound-value.ts"
import type { Cursor, CursorOptions, QueryOptions, Result, ResultField, Session, Statement, TextRow } from "./database.ts"
import { toSelectoError } from "./database-error.ts"
import { interruptible, isUninterruptible, refuseAborted } from "./deadline.ts"
import { ownQuery } from "./own-query.ts"
import type { Canceller } from "./pg-cancel.ts"
import { hear, isLost } from "./pg-session.ts"
import type { PgClientLike, PgWireClient } from "./pg-types.ts"
import { rowBuilder } from "./rows.ts"
import { sqlCursor } from "./sql-cursor.ts"

interface PlainResult {
  readonly rows: never[]
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
  readonly rowCount: number | null
  readonly command: string
}

interface Submitting {
  query(config: object): Promise<PlainResult>
}

const asText = { getTypeParser: () => (text: string) => text }

/**
 * A checked-out client that takes query configurations only: pg-native's, or one whose pool has `pipeline: true`. Statements go one
 * by one, cursors are SQL's own.
 */
export class PgPlainSession implements Session {
  readonly #client: PgClientLike & Partial<PgWireClient>
  readonly #canceller: Canceller
  #broken = false
  #released = false
  #cursors = 0

  constructor(client: PgClientLike, canceller: Canceller) {
    this.#client = client
    this.#canceller = canceller
  }

  get pid(): number | null {
    return this.#client.processID ?? null
  }

  async query<Row = Record<string, unknown>>(statement: Statement, options: QueryOptions = {}): Promise<Result<Row>> {
    return resultOf(await this.#run(statement, {}, options))
  }

  async queryText(statement: Statement, options: QueryOptions = {}): Promise<Result<TextRow>> {
    return resultOf(await this.#run(statement, { rowMode: "array", types: asText }, options))
  }

  async batch(statements: readonly Statement[], options: QueryOptions = {}): Promise<Result<TextRow>[]> {
    const results: Result<TextRow>[] = []
    for (const statement of statements) results.push(await this.queryText(statement, options))
    return results
  }

  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown> {
    const parserOf = this.#client.getTypeParser?.bind(this.#client)
    return rowBuilder(fields.map(({ name, typeId }) => ({ name, decode: parserOf?.(typeId, "text") ?? ((text) => text) })))
  }

  async cursor(statement: Statement, options: CursorOptions = {}): Promise<Cursor> {
    return sqlCursor(this, `selecto_${++this.#cursors}`, statement, options)
  }

  release(destroy = false): void {
    if (this.#released) return
    this.#released = true
    const open = (this.#client.getTransactionStatus?.() ?? "I") !== "I"
    this.#client.release(destroy || this.#broken || open || isLost(this.#client))
  }

  async #run(statement: Statement, mode: object, options: QueryOptions): Promise<PlainResult> {
    const values = boundValues(statement).map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value))
    if (this.#released) throw new SelectoError("E_POOL_CLOSED", "This session was released: acquire another one.")
    refuseAborted(options.signal)
    const deaf = hear(this.#client, options.onNotice)
    try {
      const work = (this.#client as Submitting).query({ [ownQuery]: true, text: statement.text, values, ...mode })
      const result = isUninterruptible(options)
        ? await work
        : await interruptible(work, options, async (settled) => {
            if (await this.#canceller.untilSettled(this.#client as PgWireClient, settled)) this.#broken = true
          })
      options.onFirstReply?.()
      return result
    } catch (error) {
      const failure = toSelectoError(error, statement)
      const driverTimeout = failure.code === "E_TIMEOUT" && options.timeoutMs === undefined
      if (driverTimeout || failure.code === "E_CONNECTION" || failure.code === "E_POOL_CLOSED") this.#broken = true
      throw failure
    } finally {
      deaf()
    }
  }
}

function resultOf<Row>(result: PlainResult): Result<Row> {
  return {
    rows: result.rows,
    fields: (result.fields ?? []).map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })),
    rowCount: result.rowCount,
    command: result.command,
  }
}
