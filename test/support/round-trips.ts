import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** A TCP proxy before a server that counts how often the client waited for it. */
export interface RoundTripProxy {
  readonly port: number
  /** Times that the client sent something after the server had spoken, since the last call. */
  take(): number
  /** Cuts every connection, as a failing network does. */
  cut(): void
  close(): Promise<void>
}

export async function roundTripProxy(host: string, port: number): Promise<RoundTripProxy> {
  let trips = 0
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(port, host)
    let serverSpokeLast = true
    client.on("data", (data) => {
      if (serverSpokeLast) trips++
      serverSpokeLast = false
      server.write(data)
    })
    server.on("data", (data) => {
      serverSpokeLast = true
      client.write(data)
    })
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on("error", () => other.destroy())
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (proxy.address() as AddressInfo).port,
    take: () => {
      const taken = trips
      trips = 0
      return taken
    },
    cut,
    close: async () => {
      cut()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
