import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import { unprivileged } from "./account.ts"
import { type Account, binariesOf } from "./binaries.ts"

/** How to reach a server of this test run. The superuser is postgres; everything on 127.0.0.1 is trusted. */
export interface ServerAddress {
  readonly version: number
  readonly host: string
  readonly port: number
  /** The folder of its unix socket. */
  readonly socketDir: string
}

/** A server that this process started. */
export interface RunningServer extends ServerAddress {
  stop(): Promise<void>
  /** Stops it and starts it again on the same port, with what it has stored. */
  restart(): Promise<void>
}

/** The URL of a database on a server. */
export function urlOf(server: ServerAddress, database: string): string {
  return `postgresql://postgres@${server.host}:${server.port}/${encodeURIComponent(database)}`
}

/** Fast rather than safe: nothing here outlives the run. */
const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "200",
  shared_buffers: "128MB",
  timezone: "UTC",
  log_timezone: "UTC",
  lc_messages: "C",
  max_worker_processes: "16",
  max_parallel_workers: "8",
  wal_level: "logical",
  max_prepared_transactions: "50",
  autovacuum_naptime: "10min",
}

/** Extra libraries to preload where the installation has them. */
const preload = "pg_stat_statements"

/** Starts a server of this version in a temporary folder, on a free port. It ends with this process, however that ends. */
export async function startServer(version: number, extra: Readonly<Record<string, string>> = {}): Promise<RunningServer> {
  return startFrom(version, extra, (bin, data) => [
    join(bin, "initdb"),
    ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
  ])
}

/** Starts a standby of a server that follows it. Where the installation brings pg_basebackup (Debian's does). */
export async function startStandby(primary: ServerAddress, name: string): Promise<RunningServer> {
  return startFrom(primary.version, {}, (bin, data) => [
    join(bin, "pg_basebackup"),
    [
      ...["-D", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
      ...["-d", `host=${primary.host} port=${primary.port} user=postgres application_name=${name}`],
    ],
  ])
}

/** The program that makes a data folder, and its arguments. */
type Maker = (bin: string, data: string) => readonly [program: string, options: readonly string[]]

async function startFrom(version: number, extra: Readonly<Record<string, string>>, make: Maker): Promise<RunningServer> {
  const account = process.getuid?.() === 0 ? unprivileged() : null
  const scratch = mkdtempSync(join(tmpdir(), `selecto-test-${version}-`))
  chmodSync(scratch, 0o755)
  if (account !== null) chownSync(scratch, account.uid, account.gid)
  try {
    return await start(version, account, scratch, extra, make)
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true })
    throw error
  }
}

async function start(
  version: number,
  account: Account | null,
  scratch: string,
  extra: Readonly<Record<string, string>>,
  make: Maker,
): Promise<RunningServer> {
  const { bin, lib } = await binariesOf(version, account, scratch)
  const home = join(scratch, "run")
  mkdirSync(home)
  if (account !== null) chownSync(home, account.uid, account.gid)
  const as = {
    ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
    cwd: home,
    env: {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      ...(lib === null ? {} : { LD_LIBRARY_PATH: lib }),
    },
  }
  const data = join(home, "data")
  const [program, options] = make(bin, data)
  const made = spawnSync(program, options, { ...as, encoding: "utf8" })
  if (made.status !== 0) throw new Error(`${program} of PostgreSQL ${version} failed: ${made.stderr || made.error?.message}`)

  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const arguments_ = Object.entries({ shared_preload_libraries: preload, ...settings, ...extra }).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ])
    const command = [join(bin, "postgres"), "-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", home, ...arguments_]
    const child = spawn("/bin/sh", ["-c", supervisor, "sh", home, ...command], { ...as, stdio: ["pipe", "ignore", "ignore"] })
    const server = { version, host: "127.0.0.1", port, socketDir: home }
    if (await ready(server, child)) {
      // The server must not keep the run alive; the closing pipe ends it.
      child.unref()
      ;(child.stdin as unknown as { unref?: () => void }).unref?.()
      return {
        ...server,
        stop: () => stop(child, scratch),
        restart: async () => {
          const before = await startedAt(server)
          child.stdin!.write("restart\n")
          for (const deadline = Date.now() + 60_000; ; ) {
            const now = await startedAt(server)
            if (now !== null && now !== before) return
            if (Date.now() > deadline) throw new Error(`PostgreSQL ${version} did not come back: ${readLog(home)}`)
            await delay(20)
          }
        },
      }
    }
    const log = readLog(home)
    await stop(child, null)
    // Somebody may have taken the port between our look and the server's bind.
    if (attempt === 3) throw new Error(`PostgreSQL ${version} did not start: ${log}`)
    mkdirSync(home, { recursive: true })
  }
}

/**
 * Runs the server and waits for the end of its standard input, which the kernel closes when the parent dies: so a crashed run
 * leaves nothing behind. The word "keep" leaves the folder for another try, "restart" stops the server and starts it again.
 */
const supervisor = `
home=$1; shift
"$@" >"$home/log" 2>&1 </dev/null &
pid=$!
keep=no
while read -r line; do
  if [ "$line" = restart ]; then
    kill -INT $pid; wait $pid
    "$@" >>"$home/log" 2>&1 </dev/null &
    pid=$!
  else keep=$line; fi
done
kill -INT $pid 2>/dev/null
wait $pid
[ "$keep" = keep ] || rm -rf "$(dirname "$home")"
`

async function ready(server: ServerAddress, child: ChildProcess): Promise<boolean> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline && child.exitCode === null; ) {
    const client = new pg.Client({ connectionString: urlOf(server, "postgres") })
    client.on("error", () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ folder: string }>("select current_setting('data_directory') as folder")
      // Another server may sit on our port.
      if (rows[0]?.folder === join(server.socketDir, "data")) return true
    } catch {
      if (/FATAL|PANIC/.test(readLog(server.socketDir)) && !/starting up/.test(readLog(server.socketDir))) return false
    } finally {
      await client.end().catch(() => {})
    }
    await delay(50)
  }
  return false
}

/** When the server that answers was started; null while none does. */
async function startedAt(server: ServerAddress): Promise<number | null> {
  const client = new pg.Client({ connectionString: urlOf(server, "postgres") })
  client.on("error", () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ at: number }>("select extract(epoch from pg_postmaster_start_time())::float8 as at")
    return rows[0]?.at ?? null
  } catch {
    return null
  } finally {
    await client.end().catch(() => {})
  }
}

function readLog(home: string): string {
  try {
    return readFileSync(join(home, "log"), "utf8").slice(-2000)
  } catch {
    return ""
  }
}

async function stop(child: ChildProcess, scratch: string | null): Promise<void> {
  if (child.exitCode === null) {
    child.ref()
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    child.stdin?.end(scratch === null ? "keep\n" : "")
    await ended
  }
  if (scratch !== null) rmSync(scratch, { recursive: true, force: true })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
