/**
 * How well the what-if planners agree with an index really built, for each production version:
 * npm run check:what-if -- [--versions 13,15] [--queries 480] [--seed 1] [--json] [--misses]
 * Ends with 1 where an agreement falls below what the project promises.
 */
import { parseArgs } from "node:util"
import pg from "pg"
import { openDatabase } from "../src/database/open.ts"
import { extractCatalog } from "../src/indexes/what-if/extract.ts"
import { hypopgInstalled, openHypopg } from "../src/indexes/what-if/hypopg.ts"
import { openShadow } from "../src/indexes/what-if/shadow.ts"
import { startServer, urlOf } from "../test/support/server.ts"
import { type Agreement, agreementOf, truthOf } from "./what-if/agreement.ts"
import { cases, schema } from "./what-if/cases.ts"

const { values: options } = parseArgs({
  options: {
    versions: { type: "string", default: "13,14,15,16,17,18" },
    queries: { type: "string", default: "480" },
    seed: { type: "string", default: "20261123" },
    json: { type: "boolean", default: false },
    misses: { type: "boolean", default: false },
  },
})
const versions = options.versions.split(",").map(Number)
const asked = cases(Number(options.queries), Number(options.seed))
const rows: (Agreement & { version: number; share: number })[] = []

for (const version of versions) {
  const server = await startServer(version, { shared_buffers: "256MB", autovacuum: "off" })
  try {
    const client = new pg.Client({ connectionString: urlOf(server, "postgres") })
    await client.connect()
    await client.query(schema)
    await client.query("vacuum analyze")
    const sizes = new Map<string, number>()
    const database = openDatabase(urlOf(server, "postgres"))
    const catalog = await extractCatalog(database)
    const shadow = await openShadow(catalog)
    const hypopg = await client
      .query("create extension hypopg")
      .then(() => openHypopg(database))
      .catch(() => null)
    const truths = await truthOf(client, asked, sizes)
    const share = truths.filter(({ used }) => used).length / truths.length
    rows.push({ version, share, ...(await agreementOf(shadow, truths, sizes)) })
    if (hypopg !== null && (await hypopgInstalled(database)))
      rows.push({ version, share, ...(await agreementOf(hypopg, truths, sizes)) })
    await shadow.close()
    await hypopg?.close()
    await database.close()
    await client.end()
  } finally {
    await server.stop()
  }
  if (!options.json) process.stderr.write(`PostgreSQL ${version} done\n`)
}

const percent = (part: number, whole: number): string =>
  `${part}/${whole}`.padStart(8) + ` ${((100 * part) / whole).toFixed(1)} %`.padStart(8)
if (options.json) {
  process.stdout.write(`${JSON.stringify({ seed: options.seed, rows }, null, 1)}\n`)
} else {
  process.stdout.write(`seed ${options.seed}, node ${process.version}\n`)
  process.stdout.write(
    "version planner  uses it   used or not       verdict >= 10 %   cost within 1 %   same plan shape   sizes 15 %   ms a plan\n",
  )
  for (const row of rows) {
    process.stdout.write(
      `${String(row.version).padEnd(8)}${row.planner.padEnd(8)} ${(100 * row.share).toFixed(0).padStart(5)} %   ${percent(row.used, row.queries)}  ${percent(row.verdict, row.queries)}  ${percent(row.within1Percent, row.queries)}  ${percent(row.sameShape, row.queries)}   ${`${row.sizesWithin15Percent}/${row.sizes}`.padStart(6)}   ${row.milliseconds.toFixed(1).padStart(7)}\n`,
    )
    if (options.misses) for (const miss of row.misses) process.stdout.write(`    ${miss}\n`)
  }
}
const failed = rows.filter(
  (row) =>
    row.planner === "shadow" &&
    (row.used < 0.99 * row.queries ||
      row.verdict < 0.99 * row.queries ||
      row.within1Percent < 0.9 * row.queries ||
      row.share < 0.3 ||
      row.share > 0.7),
)
for (const row of failed) process.stderr.write(`PostgreSQL ${row.version}: below the promised agreement\n`)
process.exitCode = failed.length > 0 ? 1 : 0
