import { connect, createServer, type Socket } from "node:net"

/** A TCP proxy to a server, which makes the way longer and narrower and counts how often it is gone. */
export interface DelayProxy {
  readonly port: number
  /** Times that the client sent after the server had, since the last reset: round trips of all connections together. */
  readonly roundTrips: number
  reset(): void
  close(): Promise<void>
}

/**
 * Starts a proxy on a free port of 127.0.0.1. `delayMs` is added each way; `bytesPerSecond` is what each connection lets through
 * towards the client.
 */
export async function startProxy(
  target: { readonly host: string; readonly port: number },
  delayMs = 0,
  bytesPerSecond = Number.POSITIVE_INFINITY,
): Promise<DelayProxy> {
  const sockets = new Set<Socket>()
  let roundTrips = 0
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host)
    let clientsTurn = true
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
    }
    const there = new Line(delayMs, Number.POSITIVE_INFINITY, upstream, client)
    const back = new Line(delayMs, bytesPerSecond, client, upstream)
    client.on("data", (chunk) => {
      if (clientsTurn) roundTrips++
      clientsTurn = false
      there.carry(chunk)
    })
    upstream.on("data", (chunk) => {
      clientsTurn = true
      back.carry(chunk)
    })
    client.on("close", () => there.end())
    upstream.on("close", () => back.end())
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  return {
    port: (server.address() as { port: number }).port,
    get roundTrips() {
      return roundTrips
    },
    reset: () => {
      roundTrips = 0
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** More than this on the way, and the sender has to wait, as for a window of TCP. */
const window = 256 * 1024

/** One direction of a connection. */
class Line {
  readonly #delayMs: number
  readonly #bytesPerMs: number
  readonly #to: Socket
  readonly #from: Socket
  /** What is on the way, with the moment when its last byte arrives; null is the end. */
  readonly #queue: { readonly chunk: Buffer | null; readonly at: number }[] = []
  #queued = 0
  #free = 0
  #timer: NodeJS.Timeout | undefined

  constructor(delayMs: number, bytesPerSecond: number, to: Socket, from: Socket) {
    this.#delayMs = delayMs
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#to = to
    this.#from = from
  }

  carry(chunk: Buffer): void {
    if (this.#delayMs === 0 && this.#bytesPerMs === Number.POSITIVE_INFINITY) {
      if (this.#to.writable) this.#to.write(chunk)
      return
    }
    this.#queued += chunk.length
    if (this.#queued > window) this.#from.pause()
    this.#send(chunk)
  }

  end(): void {
    if (this.#delayMs === 0 && this.#queue.length === 0) this.#to.destroy()
    else this.#send(null)
  }

  #send(chunk: Buffer | null): void {
    this.#free = Math.max(this.#free, performance.now()) + (chunk?.length ?? 0) / this.#bytesPerMs
    this.#queue.push({ chunk, at: this.#free + this.#delayMs })
    this.#timer ??= this.#later()
  }

  #later(): NodeJS.Timeout {
    return setTimeout(() => this.#arrive(), Math.max(0, this.#queue[0]!.at - performance.now()))
  }

  #arrive(): void {
    const now = performance.now()
    // A timer is a millisecond early or late: what is due within half of one is due.
    while (this.#queue.length > 0 && this.#queue[0]!.at <= now + 0.5) {
      const { chunk } = this.#queue.shift()!
      if (chunk === null) this.#to.destroy()
      else if (this.#to.writable) this.#to.write(chunk)
      this.#queued -= chunk?.length ?? 0
    }
    if (this.#queued < window / 2) this.#from.resume()
    this.#timer = this.#queue.length === 0 ? undefined : this.#later()
  }
}
