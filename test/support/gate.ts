import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** An address with a server behind it that can go away, come back, and be another one. */
export interface Gate {
  readonly port: number
  /** Cuts every connection and refuses new ones, as a server that is down does. */
  shut(): void
  open(): void
  /** Cuts every connection; new ones go to another server, as after a fail-over. */
  lead(to: { readonly host: string; readonly port: number }): void
  close(): Promise<void>
}

export async function startGate(to: { readonly host: string; readonly port: number }): Promise<Gate> {
  const sockets = new Set<Socket>()
  let target: typeof to | null = to
  let shut = false
  const server = createServer((client) => {
    if (shut || target === null) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(target.port, target.host)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on("data", (data) => other.write(data))
      one.on("error", () => other.destroy())
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    shut: () => {
      shut = true
      cut()
    },
    open: () => {
      shut = false
    },
    lead: (next) => {
      target = next
      cut()
    },
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
