// npm run check:parallel: 2,000 random statements on each of two servers, serial against parallel in one snapshot, then four planted
// faults, each of which has to be found. SELECTO_SEED repeats a run, SELECTO_STATEMENTS changes its length.
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { missingReason } from "../support/binaries.ts"
import { startServer, urlOf } from "../support/server.ts"
import { asAdmin } from "../support/test-database.ts"
import { type Differences, differential } from "./differential.ts"
import { trickyTables } from "./tables.ts"

interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Faults that are easy to make, each in one place of the sources. */
const mutants: readonly Mutant[] = [
  {
    name: "numerics added as floats",
    file: "src/parallel/combine.ts",
    find: "return addDecimals(a, b) ?? undefined",
    replace: "return String(Number(a) + Number(b))",
  },
  {
    name: "text ordered by JavaScript",
    file: "src/parallel/order.ts",
    find: `return collation === '"C"' || collation === '"POSIX"' ? compareBytes : null`,
    replace: "return compareUnits",
  },
  {
    name: "the group of NULL lost",
    file: "src/parallel/division.ts",
    find: "coalesce(pg_catalog.$" + "{own}(($" + "{expression}), 0), 0)",
    replace: "pg_catalog.$" + "{own}(($" + "{expression}), 0)",
  },
  {
    name: "workers with snapshots of their own",
    file: "src/parallel/helper.ts",
    find: "leader.snapshot === null ? null : snapshotStatement(leader.snapshot)",
    replace: "null",
  },
]

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
const statements = Number(process.env.SELECTO_STATEMENTS ?? 2000)
const asked = process.env.SELECTO_DIFFERENTIAL_URL

if (asked === undefined) await main()
else {
  // A child with a mutant: says whether it was found.
  const found = await differential({ url: asked, seed, statements: 1500, impatient: true })
  console.log(JSON.stringify({ statements: found.statements, failure: found.failures[0] ?? null }))
}

async function main(): Promise<void> {
  console.log(`SELECTO_SEED=${seed}`)
  let broken = 0
  for (const version of [15, 18]) {
    const missing = missingReason(version)
    if (missing !== null) {
      console.log(`skipped: ${missing}`)
      continue
    }
    const server = await startServer(version)
    try {
      const url = await filled(server, "tricky")
      const started = performance.now()
      const found = await differential({ url, seed, statements })
      broken += report(version, found, performance.now() - started)
      if (version === 18) broken += await checkMutants(await filled(server, "mutants"))
    } finally {
      await server.stop()
    }
  }
  console.log(broken === 0 ? "passed" : `${broken} failed`)
  process.exitCode = broken === 0 ? 0 : 1
}

async function filled(server: Parameters<typeof urlOf>[0], name: string): Promise<string> {
  await asAdmin(server, (admin) => admin.query(`create database ${name}`))
  const url = urlOf(server, name)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await trickyTables.build({ query: (text, values) => client.query(text, values), exec: (text) => client.query(text) })
  await client.end()
  return url
}

function report(version: number, found: Differences, ms: number): number {
  const { statements: count, split, refused, withRows, ways, failures } = found
  const share = split / count
  console.log(
    `PostgreSQL ${version}: ${count} statements in ${Math.round(ms / 1000)} s, ${split} split (${(share * 100).toFixed(0)} %), ${refused} refused, ${withRows} with rows, ${failures.length} different`,
  )
  for (const [way, times] of Object.entries(ways).sort(([, a], [, b]) => b - a))
    console.log(`  ${String(times).padStart(5)}  ${way}`)
  for (const failure of failures) console.log(failure)
  return failures.length + (share < 0.5 ? 1 : 0)
}

async function checkMutants(url: string): Promise<number> {
  let missed = 0
  for (const mutant of mutants) {
    const { statements: count, failure } = await runMutant(mutant, url)
    if (failure === null) missed++
    console.log(
      `mutant, ${mutant.name}: ${failure === null ? `NOT found in ${count} statements` : `found by statement ${count}: ${failure.split("\n")[0]}`}`,
    )
  }
  return missed
}

function runMutant(mutant: Mutant, url: string): Promise<{ statements: number; failure: string | null }> {
  const node = [
    "--import",
    "./test/support/register.mjs",
    "--import",
    "./test/support/mutant.mjs",
    fileURLToPath(import.meta.url),
  ]
  const env = {
    ...process.env,
    SELECTO_MUTANT: JSON.stringify(mutant),
    SELECTO_DIFFERENTIAL_URL: url,
    SELECTO_SEED: String(seed),
  }
  const child = spawn(process.execPath, node, { env, stdio: ["ignore", "pipe", "inherit"] })
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
