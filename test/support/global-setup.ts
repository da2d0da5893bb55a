import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningServer, startServer } from "./server.ts"

/**
 * One broker a run: test processes ask it for a server, and the first question starts it. So a run that needs no server starts
 * none. Returns the end of the run: every server stopped, every folder removed.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "selecto-run-"))
  const servers = new Map<string, Promise<RunningServer>>()
  const broker = createServer((request, response) => {
    const version = request.url?.slice(1) ?? ""
    const server = servers.get(version) ?? startServer(Number(version))
    servers.set(version, server)
    server.then(
      ({ version, host, port, socketDir }) => response.end(JSON.stringify({ version, host, port, socketDir })),
      (error) => response.writeHead(500).end(String(error.message)),
    )
  })
  const socket = join(folder, "broker")
  await new Promise<void>((resolve) => broker.listen(socket, resolve))
  process.env.SELECTO_TEST_BROKER = socket
  process.env.SELECTO_TEST_FOLDER = folder
  return async () => {
    broker.closeAllConnections()
    await new Promise((resolve) => broker.close(resolve))
    for (const server of await Promise.allSettled(servers.values())) if (server.status === "fulfilled") await server.value.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
