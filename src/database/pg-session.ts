import { SelectoError } from "../errors.ts"
import { boundValues } from "./bound-value.ts"
import type {
  CopyReader,
  Cursor,
  CursorOptions,
  QueryOptions,
  Result,
  ResultField,
  Session,
  Statement,
  TextRow,
} from "./database.ts"
import { toSelectoError } from "./database-error.ts"
import { interruptible, isUninterruptible, refuseAborted } from "./deadline.ts"
import type { Canceller } from "./pg-cancel.ts"
import { PgCopyExchange } from "./pg-copy.ts"
import { PgExchange } from "./pg-exchange.ts"
import type { PgClientLike, PgWireClient } from "./pg-types.ts"
import { PortalCursor } from "./portal-cursor.ts"
import { convertRows, rowBuilder } from "./rows.ts"
import { runStep, type StepResult, type WireStep } from "./wire.ts"

/** A checked-out client of the JavaScript driver. */
export class PgSession implements Session {
  readonly #client: PgWireClient
  readonly #canceller: Canceller
  /** Set when the client was lost or its state is unknown: it must not be used again. */
  #broken = false
  #released = false
  #portals = 0

  constructor(client: PgWireClient, canceller: Canceller) {
    this.#client = client
    this.#canceller = canceller
  }

  get pid(): number | null {
    return this.#client.processID
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
    const steps = statements.map((statement) => runStep(statement.text, boundValues(statement)))
    return this.#run(steps, statements.at(-1)!, options)
  }

  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown> {
    return rowBuilder(fields.map(({ name, typeId }) => ({ name, decode: this.#client.getTypeParser(typeId, "text") })))
  }

  async cursor(statement: Statement, options: CursorOptions = {}): Promise<Cursor> {
    const portal = `selecto_${++this.#portals}`
    const before = (options.before ?? []).map((one) => runStep(one.text, boundValues(one)))
    const open: WireStep = {
      kind: "run",
      text: statement.text,
      values: boundValues(statement),
      portal,
      maxRows: Math.max(1, options.prefetch ?? 1),
    }
    const results = await this.#run([...before, open], statement, options)
    return new PortalCursor(
      portal,
      results.at(-1)!,
      (steps) => this.#run(steps, statement, options),
      (steps) => this.#run(steps, statement, {}),
    )
  }

  async copyOut(text: string, options: QueryOptions = {}): Promise<CopyReader> {
    this.#refuseReleased()
    refuseAborted(options.signal)
    const exchange = new PgCopyExchange(text, options.onFirstReply)
    let closed = false
    const deaf = hear(this.#client, options.onNotice)
    const cancel = async (settled: Promise<unknown>): Promise<void> => {
      exchange.discard()
      if (await this.#canceller.untilSettled(this.#client, settled)) this.#broken = true
    }
    this.#client.query(exchange as never)
    const whole = interruptible(exchange.done, options, cancel)
      .catch(async (error) => {
        if (exchange.settled !== null) await this.#canceller.untilSettled(this.#client, exchange.settled)
        const failure = toSelectoError(error, { text })
        if (exchange.settled !== null || failure.code === "E_CONNECTION" || failure.code === "E_POOL_CLOSED") this.#broken = true
        throw failure
      })
      .finally(deaf)
    whole.catch(() => {})
    return {
      read: async () => {
        const chunk = await exchange.next()
        if (chunk === null) await whole
        return chunk
      },
      get rows() {
        return exchange.rows
      },
      close: async () => {
        if (closed) return
        closed = true
        const settled = whole.then(
          () => {},
          () => {},
        )
        // What has been read to its end needs no cancelling, and a cancel under way must not meet a later statement.
        if (!exchange.ended) await cancel(settled)
        await settled
      },
    }
  }

  #refuseReleased(): void {
    if (this.#released) throw new SelectoError("E_POOL_CLOSED", "This session was released: acquire another one.")
  }

  release(destroy = false): void {
    if (this.#released) return
    this.#released = true
    // A transaction left open must not become the next user's.
    const open = (this.#client.getTransactionStatus?.() ?? "I") !== "I"
    this.#client.release(destroy || this.#broken || open || isLost(this.#client))
  }

  async #run(steps: readonly WireStep[], main: Statement, options: QueryOptions): Promise<StepResult[]> {
    this.#refuseReleased()
    refuseAborted(options.signal)
    const exchange = new PgExchange(steps, main, options.onFirstReply)
    const deaf = hear(this.#client, options.onNotice)
    try {
      this.#client.query(exchange as never)
      if (isUninterruptible(options)) return await exchange.done
      return await interruptible(exchange.done, options, async (settled) => {
        if (await this.#canceller.untilSettled(this.#client, settled)) this.#broken = true
      })
    } catch (error) {
      if (exchange.settled !== null) await this.#canceller.untilSettled(this.#client, exchange.settled)
      const failure = toSelectoError(error, steps.length === 1 ? main : {})
      // Where it was not the server that answered, nobody knows what the connection holds.
      const lost = failure.code === "E_CONNECTION" || failure.code === "E_POOL_CLOSED"
      if (exchange.settled !== null || exchange.abandoned || lost) this.#broken = true
      throw failure
    } finally {
      deaf()
    }
  }
}

/** Listens to a client's notices until the answer is called. */
export function hear(client: PgClientLike, onNotice: QueryOptions["onNotice"]): () => void {
  if (onNotice === undefined) return silent
  const listener = ({ message }: { message?: string }): void => onNotice(message ?? "")
  client.on("notice", listener)
  return () => client.removeListener("notice", listener)
}

function silent(): void {}

const lost = new WeakSet<object>()
const watched = new WeakSet<object>()

/**
 * Notes when a client loses its connection. One listener for its life: without it a connection that breaks between two statements
 * would be an uncaught 'error' event, because the pool takes its own listener away while the client is out.
 */
export function watch(client: { on(event: string, listener: () => void): unknown }): void {
  if (watched.has(client)) return
  watched.add(client)
  const note = (): void => {
    lost.add(client)
  }
  client.on("error", note)
  client.on("end", note)
}

/** True when the client's connection is gone. */
export function isLost(client: object): boolean {
  return lost.has(client)
}
