import { existsSync } from "node:fs"
import { mkdir, readFile, rename, rmdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { PGlite } from "@electric-sql/pglite"
import type pg from "pg"
import { afterAll, beforeAll, describe } from "vitest"
import { serverMissing, serverVersions } from "./servers.ts"
import { type Filler, type Template, type TestDatabase, testDatabase } from "./test-database.ts"

/** The database that one run of a suite works on. Its members but `label`, `kind` and `version` are for tests and hooks only. */
export interface Target {
  readonly kind: "server" | "pglite"
  /** "PostgreSQL 18", "PGlite". */
  readonly label: string
  readonly version: number
  /** The server's database; throws on PGlite. */
  readonly server: TestDatabase
  /** The instance; throws on a server. */
  readonly pglite: PGlite
  /** What openDatabase and connect take: a URL or a PGlite. */
  readonly source: string | PGlite
  /** Runs SQL past the library: on a connection of the target's own, or on the PGlite itself. */
  readonly sql: Filler
}

export interface EachServerOptions {
  readonly template?: Template | undefined
  /** False: real servers only, for what needs several sessions. Default true. */
  readonly pglite?: boolean | undefined
  /** Server versions. Default: 15, 18 and those of SELECTO_TEST_VERSIONS. */
  readonly versions?: readonly number[] | undefined
}

/** Runs a suite on every server and on PGlite, each with a fresh database cloned from the template. */
export function eachServer(name: string, suite: (target: Target) => void, options: EachServerOptions = {}): void {
  for (const version of options.versions ?? serverVersions) {
    describe.skipIf(serverMissing(version))(`${name} on PostgreSQL ${version}`, () =>
      suite(serverTarget(version, options.template)),
    )
  }
  if (options.pglite !== false) describe(`${name} on PGlite`, () => suite(pgliteTarget(options.template)))
}

/** A fresh database on a server as a {@link Target}; registers its hooks. */
export function serverTarget(version: number, template?: Template): Target {
  const database = testDatabase({ version, template })
  let client: Promise<pg.Client> | undefined
  const own = (): Promise<pg.Client> => {
    client ??= database.client()
    return client
  }
  return {
    kind: "server",
    label: `PostgreSQL ${version}`,
    version,
    server: database,
    get pglite(): PGlite {
      throw new Error("This target is a server.")
    },
    get source() {
      return database.url
    },
    sql: {
      query: async (text, values) => (await own()).query(text, values),
      exec: async (text) => (await own()).query(text),
    },
  }
}

/** A fresh in-process PGlite as a {@link Target}; registers its hooks. */
export function pgliteTarget(template?: Template): Target {
  let pglite: PGlite | undefined
  const known = (): PGlite => {
    if (pglite === undefined) throw new Error("The PGlite is made in beforeAll: use it in tests and hooks only.")
    return pglite
  }
  beforeAll(async () => {
    pglite = await openPglite(template)
  })
  afterAll(async () => {
    if (pglite !== undefined && !pglite.closed) await pglite.close()
  })
  return {
    kind: "pglite",
    label: "PGlite",
    version: 18,
    get server(): TestDatabase {
      throw new Error("This target is a PGlite.")
    },
    get pglite() {
      return known()
    },
    get source() {
      return known()
    },
    sql: {
      query: async (text, values) => known().query<Record<string, unknown>>(text, values),
      exec: (text) => known().exec(text),
    },
  }
}

/** A PGlite, from the template's dump of this run where there is one. The caller closes it. */
export async function openPglite(template?: Template): Promise<PGlite> {
  const { PGlite } = await import("@electric-sql/pglite")
  if (template === undefined) return PGlite.create()
  const folder = process.env.SELECTO_TEST_FOLDER
  if (folder === undefined) return filled(template)
  const file = join(folder, `pglite-${template.name.replace(/\W/g, "_")}.tar`)
  const lock = `${file}.lock`
  while (!existsSync(file)) {
    try {
      await mkdir(lock)
    } catch {
      await delay(50)
      continue
    }
    try {
      if (existsSync(file)) break
      const pglite = await filled(template)
      // Renamed, so that nobody reads half of it.
      await writeFile(`${file}.part`, Buffer.from(await (await pglite.dumpDataDir("none")).arrayBuffer()))
      await rename(`${file}.part`, file)
      return pglite
    } finally {
      await rmdir(lock)
    }
  }
  return PGlite.create({ loadDataDir: new Blob([await readFile(file)]) })
}

async function filled(template: Template): Promise<PGlite> {
  const { PGlite } = await import("@electric-sql/pglite")
  const pglite = await PGlite.create()
  await template.build({
    query: (text, values) => pglite.query<Record<string, unknown>>(text, values),
    exec: (text) => pglite.exec(text),
  })
  return pglite
}
