import { describe, expect, test } from "vitest"
import { seedOf } from "../support/random.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"
import { history } from "./history.ts"

const seed = seedOf()
console.log(`cache history: SELECTO_SEED=${seed}`)

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`what is read through the cache while it changes, PostgreSQL ${version}`, () => {
    const database = testDatabase({ version })

    for (const mode of ["strict", "delivered"] as const)
      test(`is never older than mode ${mode} allows`, async () => {
        const { server, name } = database
        const found = await history({ server, database: name, mode, seed, ms: 12_000 })
        const { reads, hits, commits, rollbacks, faults, failed, violations } = found
        console.log(
          `PostgreSQL ${version}, ${mode}: ${reads} reads, ${hits} from the cache, ${commits} commits, ${rollbacks} rollbacks, ${faults} faults, ${failed} failed, ${violations.length} too old`,
        )
        expect(violations).toEqual([])
        expect(hits).toBeGreaterThan(2)
        expect(reads).toBeGreaterThan(50)
        expect(commits).toBeGreaterThan(20)
      }, 60_000)
  })
