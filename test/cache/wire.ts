import { connect, createServer, type Socket } from "node:net"
import type { ServerAddress } from "../support/server.ts"

/** A way to a server that can be interrupted: as a line goes silent, or as it breaks and cannot be made again. */
export interface Wire {
  readonly port: number
  /** Nothing gets through in either direction, and nobody is told. */
  freeze(): void
  /** All lines break, and no new one is to be had. */
  cut(): void
  /** As at first. What was frozen is broken: its bytes are lost. */
  mend(): void
  close(): Promise<void>
}

export async function startWire(target: ServerAddress): Promise<Wire> {
  const sockets = new Set<Socket>()
  let state: "whole" | "frozen" | "cut" = "whole"
  const server = createServer((client) => {
    if (state === "cut") {
      client.destroy()
      return
    }
    const upstream = connect(target.port, target.host)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on("error", () => {})
      from.on("data", (bytes) => {
        if (state === "whole" && to.writable) to.write(bytes)
      })
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    freeze: () => {
      state = "frozen"
    },
    cut: () => {
      state = "cut"
      breakAll()
    },
    mend: () => {
      breakAll()
      state = "whole"
    },
    close: async () => {
      breakAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
