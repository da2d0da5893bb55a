import { type ChildProcess, type SpawnSyncOptions, spawn, spawnSync } from "node:child_process"
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
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
  return await startWith(version, extra, initialised)
}

/**
 * Starts a standby of a running server that follows it by streaming under this name: a copy of its files, taken while it runs.
 * pg_promote() makes it a primary of the next timeline.
 */
export async function startStandby(primary: ServerAddress, name = "standby"): Promise<RunningServer> {
  return await startWith(primary.version, {}, async (place) => {
    const client = new pg.Client({ connectionString: urlOf(primary, "postgres") })
    await client.connect()
    try {
      const [begin, end] =
        primary.version < 15
          ? ["pg_start_backup('standby', true, false)", "pg_stop_backup(false)"]
          : ["pg_backup_start('standby', true)", "pg_backup_stop()"]
      await client.query(`select ${begin}`)
      cpSync(join(primary.socketDir, "data"), place.data, {
        recursive: true,
        filter: (file) => !/\/(postmaster\.pid|postmaster\.opts|pg_replslot\/.+)$/.test(file),
      })
      const { rows } = await client.query<{ labelfile: string }>(`select labelfile from ${end}`)
      writeFileSync(join(place.data, "backup_label"), rows[0]!.labelfile)
    } finally {
      await client.end()
    }
    writeFileSync(join(place.data, "standby.signal"), "")
    const connection = `host=${primary.host} port=${primary.port} user=postgres application_name=${name}`
    appendFileSync(join(place.data, "postgresql.auto.conf"), `primary_conninfo = '${connection}'\n`)
    chmodSync(place.data, 0o700)
    if (place.account !== null) {
      const { uid, gid } = place.account
      for (const file of [".", ...readdirSync(place.data, { recursive: true, encoding: "utf8" })])
        lchownSync(join(place.data, file), uid, gid)
    }
  })
}

/** Where a server's files are to be made, and what with. */
interface Place {
  readonly version: number
  readonly data: string
  readonly bin: string
  readonly account: Account | null
  /** How its programs are run. */
  readonly as: SpawnSyncOptions
}

async function startWith(
  version: number,
  extra: Readonly<Record<string, string>>,
  fill: (place: Place) => void | Promise<void>,
): Promise<RunningServer> {
  const account = process.getuid?.() === 0 ? unprivileged() : null
  const scratch = mkdtempSync(join(tmpdir(), `selecto-test-${version}-`))
  chmodSync(scratch, 0o755)
  if (account !== null) chownSync(scratch, account.uid, account.gid)
  try {
    return await start(version, account, scratch, extra, fill)
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
  fill: (place: Place) => void | Promise<void>,
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
  await fill({ version, data, bin, account, as })

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

/** A new cluster. */
function initialised({ version, data, bin, as }: Place): void {
  const options = ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
  const made = spawnSync(join(bin, "initdb"), options, { ...as, encoding: "utf8" })
  if (made.status !== 0) throw new Error(`initdb of PostgreSQL ${version} failed: ${made.stderr || made.error?.message}`)
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
      const log = readLog(server.socketDir)
      if (/FATAL|PANIC/.test(log) && !/starting up|not yet accepting/.test(log)) return false
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
