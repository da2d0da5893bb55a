import { describe, expect, test } from "vitest"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"
import { differential } from "./differential.ts"
import { trickyTables } from "./tables.ts"

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
console.log(`parallel differential: SELECTO_SEED=${seed}`)

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`random statements, serial and parallel, on PostgreSQL ${version}`, () => {
    const database = testDatabase({ version, template: trickyTables })

    test("give the same rows in the same snapshot", async () => {
      const found = await differential({ url: database.url, seed, statements: 2000, ms: 25_000 })
      const { statements, split, withRows, ways, failures } = found
      console.log(`PostgreSQL ${version}: ${split} of ${statements} statements split, ${withRows} with rows;`, ways)
      expect(failures.join("\n")).toBe("")
      expect(statements).toBeGreaterThan(50)
      expect(split / statements).toBeGreaterThanOrEqual(0.5)
      expect(withRows / statements).toBeGreaterThan(0.5)
      expect(Object.keys(ways).length).toBeGreaterThan(4)
    })
  })
