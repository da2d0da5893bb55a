import { connect } from "node:net"
import { cancelUntil, graceMs, within } from "./cancel.ts"
import type { PgPoolLike, PgWireClient } from "./pg-types.ts"

interface ControlClient {
  connect(): Promise<unknown>
  query(text: string, values: unknown[]): Promise<{ rows: { cancelled?: boolean }[] }>
  end(): Promise<void>
  on(event: string, listener: () => void): unknown
  unref?(): void
  readonly host?: string
  readonly port?: number
}

/** The control connection is closed after this long without use. */
const idleMs = 5_000

/**
 * Cancels statements of one pool from a connection of its own, opened when it is first needed: so it works when every connection
 * of the pool is taken.
 */
export class Canceller {
  readonly #pool: PgPoolLike
  #control: Promise<ControlClient> | null = null
  #idle: NodeJS.Timeout | undefined
  /** One request at a time: several sessions may be cancelled at once, and a client takes one query. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(pool: PgPoolLike) {
    this.#pool = pool
  }

  /** Cancels what the client runs until `settled`. True when the client had to be thrown away, because it did not settle. */
  async untilSettled(client: PgWireClient, settled: Promise<unknown>): Promise<boolean> {
    if (await cancelUntil(settled, () => this.#cancel(client))) return false
    client.connection.stream.destroy()
    await within(settled, 1000)
    return true
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const control = this.#control
    this.#control = null
    await control?.then((client) => client.end()).catch(ignore)
  }

  async #cancel(client: PgWireClient): Promise<void> {
    try {
      const control = await this.#connected()
      const ask = (): ReturnType<ControlClient["query"]> =>
        control.query("select pg_cancel_backend($1) as cancelled /* selecto:database */", [client.processID])
      const asked = this.#last.then(ask, ask)
      this.#last = asked
      const { rows } = await asked
      if (rows[0]?.cancelled === true) return
    } catch {
      // No slot left on the server, or the control connection was lost: what follows needs neither.
    }
    // Behind a pooler the process id is the pooler's own: only the protocol's request reaches it.
    await this.#request(client)
  }

  /** The protocol's CancelRequest; the server closes the connection when it has passed the signal on. */
  async #request(client: PgWireClient): Promise<void> {
    const { host, port } = client as PgWireClient & { host?: string; port?: number }
    if (client.processID === null || client.secretKey === null || host === undefined || port === undefined) return
    const message = Buffer.alloc(16)
    message.writeInt32BE(16, 0)
    message.writeInt32BE(80_877_102, 4)
    message.writeInt32BE(client.processID, 8)
    message.writeInt32BE(client.secretKey, 12)
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    await within(
      new Promise<void>((resolve) => {
        socket.on("connect", () => socket.write(message))
        socket.on("error", ignore)
        socket.on("close", () => resolve())
        socket.resume()
      }),
      graceMs / 2,
    )
    socket.destroy()
  }

  async #connected(): Promise<ControlClient> {
    clearTimeout(this.#idle)
    this.#control ??= this.#open()
    const control = await this.#control
    this.#idle = setTimeout(() => void this.close(), idleMs)
    this.#idle.unref()
    return control
  }

  async #open(): Promise<ControlClient> {
    try {
      const pool = this.#pool as PgPoolLike & { Client?: new (options: object) => ControlClient }
      if (pool.Client === undefined) throw new Error("This pool does not say how it makes its clients.")
      const client = new pool.Client(pool.options ?? {})
      client.on("error", () => {
        this.#control = null
      })
      await client.connect()
      client.unref?.()
      return client
    } catch (error) {
      this.#control = null
      throw error
    }
  }
}

function ignore(): void {}
