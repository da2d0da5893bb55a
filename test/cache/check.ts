// npm run check:cache -- [--minutes 10]: histories of reads and writes on each of two servers in both modes, then four planted faults,
// each of which has to be found. SELECTO_SEED repeats a run as far as the machine's timing lets it.
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { missingReason } from "../support/binaries.ts"
import { seedOf } from "../support/random.ts"
import { type ServerAddress, startServer } from "../support/server.ts"
import { asAdmin } from "../support/test-database.ts"
import { type History, history } from "./history.ts"

interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Faults that are easy to make, each in one place of the sources. */
const mutants: readonly Mutant[] = [
  {
    name: "the token taken after the query",
    file: "src/cache/cache.ts",
    find: "if (this.versions.holds(token))",
    replace: "entry = { ...entry, token: this.versions.token(names) }; if (true)",
  },
  {
    name: "a flight joined unchecked",
    file: "src/cache/cache.ts",
    find: 'this.mode !== "strict" && this.versions.holds(flight.token)',
    replace: 'this.mode !== "strict"',
  },
  {
    name: "the loss of the listener ignored",
    file: "src/cache/ear.ts",
    find: "return this.#listener?.up === true",
    replace: "return (this.#listener?.generation ?? 0) > 0",
  },
  {
    name: "local writes not waited for",
    file: "src/cache/ear.ts",
    find: "this.#written++",
    replace: "void 0",
  },
]

const seed = seedOf()
const asked = process.env.SELECTO_HISTORY

if (asked === undefined) await main()
else {
  // A child with a mutant: says whether it was found.
  const { server, database } = JSON.parse(asked) as { server: ServerAddress; database: string }
  const found = await history({ server, database, mode: "delivered", seed, ms: 90_000, impatient: true })
  console.log(JSON.stringify({ reads: found.reads, violation: found.violations[0] ?? null }))
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--minutes")
  const minutes = at < 0 ? 1 : Number(process.argv[at + 1])
  if (!(minutes > 0)) throw new Error("--minutes is a number above 0")
  console.log(`SELECTO_SEED=${seed}`)
  let broken = 0
  const versions = [15, 18].filter((version) => {
    const missing = missingReason(version)
    if (missing !== null) console.log(`skipped: ${missing}`)
    return missing === null
  })
  for (const version of versions) {
    const server = await startServer(version)
    try {
      for (const mode of ["strict", "delivered"] as const) {
        const database = `history_${mode}`
        await asAdmin(server, (admin) => admin.query(`create database ${database}`))
        const ms = (minutes * 60_000) / versions.length / 2
        broken += report(`PostgreSQL ${version}, ${mode}`, await history({ server, database, mode, seed, ms }))
      }
      if (version === versions.at(-1)) broken += await checkMutants(server)
    } finally {
      await server.stop()
    }
  }
  console.log(broken === 0 ? "passed" : `${broken} failed`)
  process.exitCode = broken === 0 ? 0 : 1
}

function report(name: string, found: History): number {
  const { reads, hits, commits, rollbacks, faults, failed, violations } = found
  console.log(
    `${name}: ${reads} reads, ${hits} from the cache (${((100 * hits) / reads).toFixed(0)} %), ${commits} commits, ${rollbacks} rollbacks, ${faults} faults, ${failed} failed reads, ${violations.length} too old`,
  )
  for (const violation of violations.slice(0, 10)) console.log(violation)
  return violations.length + (hits === 0 ? 1 : 0)
}

async function checkMutants(server: ServerAddress): Promise<number> {
  let missed = 0
  for (const [at, mutant] of mutants.entries()) {
    const database = `mutant_${at}`
    await asAdmin(server, (admin) => admin.query(`create database ${database}`))
    const { reads, violation } = await runMutant(mutant, server, database)
    if (violation === null) missed++
    console.log(
      `mutant, ${mutant.name}: ${violation === null ? `NOT found in ${reads} reads` : `found in ${reads} reads: ${violation}`}`,
    )
  }
  return missed
}

function runMutant(
  mutant: Mutant,
  { version, host, port, socketDir }: ServerAddress,
  database: string,
): Promise<{ reads: number; violation: string | null }> {
  const modules = ["--import", "./test/support/register.mjs", "--import", "./test/support/mutant.mjs"]
  const env = {
    ...process.env,
    SELECTO_MUTANT: JSON.stringify(mutant),
    SELECTO_HISTORY: JSON.stringify({ server: { version, host, port, socketDir }, database }),
    SELECTO_SEED: String(seed),
  }
  const child = spawn(process.execPath, [...modules, fileURLToPath(import.meta.url)], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  let output = ""
  child.stdout.on("data", (chunk) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.on("exit", () => {
      try {
        resolve(JSON.parse(output.trim().split("\n").at(-1)!))
      } catch {
        reject(new Error(`The mutant "${mutant.name}" did not run: ${output}`))
      }
    })
  })
}
