import { readFile } from "node:fs/promises"
import type { PGlite, PGliteOptions } from "@electric-sql/pglite"
import { importDriver } from "../../database/import-driver.ts"
import { readDataDirectory, removeDataDirectory, writeDataDirectory } from "./data-directory.ts"
import type { Engine } from "./engine.ts"
import { pgliteEngine } from "./pglite-engine.ts"

/** Extensions that come with PGlite and matter to types, operators or indexes; module names where they differ. */
const modules: Readonly<Record<string, string>> = {
  bloom: "bloom",
  btree_gin: "btree_gin",
  btree_gist: "btree_gist",
  citext: "citext",
  cube: "cube",
  earthdistance: "earthdistance",
  fuzzystrmatch: "fuzzystrmatch",
  hstore: "hstore",
  intarray: "intarray",
  isn: "isn",
  lo: "lo",
  ltree: "ltree",
  pg_trgm: "pg_trgm",
  pgcrypto: "pgcrypto",
  seg: "seg",
  tablefunc: "tablefunc",
  tsm_system_rows: "tsm_system_rows",
  tsm_system_time: "tsm_system_time",
  unaccent: "unaccent",
  "uuid-ossp": "uuid_ossp",
}

/** An empty catalog needs few buffers, and nothing here has to survive a crash. */
const parameters = [
  "shared_buffers=16MB",
  "full_page_writes=off",
  "autovacuum=off",
  "jit=off",
  "min_wal_size=32MB",
  "max_wal_size=48MB",
  "wal_buffers=1MB",
]

/** Starts a PGlite in memory from the cached data directory; makes and keeps that where it is missing or damaged. */
export async function startPglite(folder: string | null, wanted: readonly string[]): Promise<Engine> {
  const { PGlite } = await importDriver<typeof import("@electric-sql/pglite")>(
    "@electric-sql/pglite",
    () => import("@electric-sql/pglite"),
  )
  const names = wanted.filter((name) => modules[name] !== undefined)
  // earthdistance is built on cube.
  if (names.includes("earthdistance") && !names.includes("cube")) names.push("cube")
  const extensions: Record<string, unknown> = {}
  for (const name of names) {
    const module = modules[name]!
    extensions[module] = ((await import(`@electric-sql/pglite/contrib/${module}`)) as Record<string, unknown>)[module]
  }
  const options: PGliteOptions = {
    startParams: [...PGlite.defaultStartParams, ...parameters.flatMap((parameter) => ["-c", parameter])],
    extensions: extensions as NonNullable<PGliteOptions["extensions"]>,
  }
  const pglite =
    (folder === null ? undefined : await fromCache(PGlite, folder, options)) ?? (await initialised(PGlite, folder, options))
  return pgliteEngine(pglite, new Set(names))
}

type PGliteClass = typeof import("@electric-sql/pglite").PGlite

/** From the kept directory; undefined where there is none. One that has its checksum and still does not start is thrown away. */
async function fromCache(PGlite: PGliteClass, folder: string, options: PGliteOptions): Promise<PGlite | undefined> {
  const version = await versionOf()
  const tar = await readDataDirectory(folder, version)
  if (tar === null) return undefined
  // PGlite reports some of its failures past the promise, and after it: those must not end the thread.
  const ignore = (): void => {}
  process.on("uncaughtException", ignore)
  try {
    const blob = new Blob([tar as Uint8Array<ArrayBuffer>], { type: "application/x-gzip" })
    const pglite = await PGlite.create({ ...options, loadDataDir: blob })
    process.off("uncaughtException", ignore)
    return pglite
  } catch {
    await removeDataDirectory(folder, version)
    return undefined
  }
}

async function initialised(PGlite: PGliteClass, folder: string | null, options: PGliteOptions): Promise<PGlite> {
  const pglite = await PGlite.create(options)
  // Templates for further databases only make the copy larger.
  await pglite.exec("update pg_database set datistemplate = false, datallowconn = false where datname like 'template%'")
  await pglite.exec("drop database template1")
  await pglite.exec("drop database template0")
  if (folder !== null) {
    const dump = await pglite.dumpDataDir("gzip")
    await writeDataDirectory(folder, await versionOf(), new Uint8Array(await dump.arrayBuffer()))
  }
  return pglite
}

async function versionOf(): Promise<string> {
  const entry = import.meta.resolve("@electric-sql/pglite")
  const text = await readFile(new URL("../package.json", entry), "utf8").catch(() => "{}")
  return (JSON.parse(text) as { version?: string }).version ?? "unknown"
}
