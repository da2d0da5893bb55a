import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { unprivileged } from "./account.ts"
import type { ServerAddress } from "./server.ts"
import { skips } from "./servers.ts"

function program(): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"]
  return folders.map((folder) => join(folder, "pgbouncer")).find((file) => existsSync(file)) ?? null
}

/** True when PgBouncer is not installed; prints the reason. */
export function pgbouncerMissing(): boolean {
  return skips(program() === null ? "PgBouncer is not installed" : null)
}

export interface PgBouncer {
  readonly port: number
  stop(): Promise<void>
}

/** PgBouncer before a server, with this many server connections, ended with its standard input. */
export async function startPgbouncer(server: ServerAddress, mode: "session" | "transaction", size = 2): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), "selecto-bouncer-"))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const file = join(folder, "pgbouncer.ini")
  writeFileSync(
    file,
    `[databases]
* = host=${server.host} port=${server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${size}
ignore_startup_parameters = extra_float_digits
`,
  )
  const account = process.getuid?.() === 0 ? unprivileged() : {}
  const child = spawn("/bin/sh", ["-c", supervisor, "sh", program()!, "-q", file], {
    ...account,
    stdio: ["pipe", "ignore", "ignore"],
  })
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error("PgBouncer did not start")
    await delay(20)
  }
  return {
    port,
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve))
      child.stdin.end()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const supervisor = `
"$@" </dev/null &
pid=$!
while read -r line; do :; done
kill -KILL $pid 2>/dev/null
wait $pid
`

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
