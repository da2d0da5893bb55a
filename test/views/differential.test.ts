import pg from "pg"
import { describe, expect, test } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { serverMissing } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"
import { runDifferential, told } from "./differential.ts"
import { isNoticed, mutants } from "./mutants.ts"

// Half a minute of it with the tests; 20,000 pairs by `npm run check:views`.

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 1e6))
const budget = Number(process.env.SELECTO_SECONDS ?? 25) * 1000

describe.skipIf(serverMissing(18))("random views and queries", () => {
  const database = testDatabase({ version: 18 })
  const spare = testDatabase({ version: 18 })

  test("every rewriting gives the rows and types of its query", async () => {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const db = openDatabase(database.url)
    const started = performance.now()
    const figures = await runDifferential(client, db, {
      seed,
      pairs: 3000,
      databases: 3,
      enough: ({ pairs, mistakes }) => mistakes.length > 0 || (pairs >= 150 && performance.now() - started > budget),
    })
    await db.close()
    await client.end()
    console.log(told(figures))
    expect(figures.mistakes).toEqual([])
    expect(figures.rewritten / figures.pairs).toBeGreaterThan(0.2)
    expect(figures.filled / figures.runs).toBeGreaterThan(0.6)
  })

  test.each(mutants.filter(({ often }) => often))("notices $name", async (mutant) => {
    expect(await isNoticed(mutant, spare.url, 2)).toBe(true)
  })
})
