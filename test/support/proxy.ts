import { connect, createServer, type Socket } from "node:net"

/** A TCP proxy to a server, which makes the way longer and counts how often it is gone. */
export interface DelayProxy {
  readonly port: number
  /** Times that the client sent after the server had, since the last reset: round trips of all connections together. */
  readonly roundTrips: number
  reset(): void
  close(): Promise<void>
}

/** Starts a proxy on a free port of 127.0.0.1. `delayMs` is added each way. */
export async function startProxy(target: { readonly host: string; readonly port: number }, delayMs = 0): Promise<DelayProxy> {
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
    // Timers of one delay fire in the order in which they were set.
    const later = (run: () => void): void => void (delayMs === 0 ? run() : setTimeout(run, delayMs))
    client.on("data", (chunk) => {
      if (clientsTurn) roundTrips++
      clientsTurn = false
      later(() => upstream.writable && upstream.write(chunk))
    })
    upstream.on("data", (chunk) => {
      clientsTurn = true
      later(() => client.writable && client.write(chunk))
    })
    client.on("close", () => later(() => upstream.destroy()))
    upstream.on("close", () => later(() => client.destroy()))
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
