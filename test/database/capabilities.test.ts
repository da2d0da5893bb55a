import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import { readCapabilities } from "../../src/database/capabilities.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { openPgliteWorker } from "../../src/database/pglite-worker.ts"
import { eachServer } from "../support/each-server.ts"

eachServer("readCapabilities", (target) => {
  let database: Database
  beforeAll(() => {
    database = openDatabase(target.source)
  })
  afterAll(() => database.close())

  test("version, sessions, replica, extensions; asked once", async () => {
    const asked = readCapabilities(database)
    expect(readCapabilities(database)).toBe(asked)
    const capabilities = await asked
    expect(Math.floor(capabilities.serverVersion / 10_000)).toBe(target.version)
    expect(capabilities).toMatchObject({
      replica: false,
      pooler: null,
      hintPlan: false,
      sessions: target.kind === "server" ? "many" : "one",
    })
    expect(capabilities.extensions.plpgsql).toMatchObject({ schema: "pg_catalog" })
    expect(capabilities.extensions.hypopg).toBeUndefined()
    if (target.kind === "server") expect(capabilities.available.pg_stat_statements).toMatch(/^\d/)
    expect(Object.values(capabilities.rights).every(({ granted }) => granted)).toBe(true)
  })
})

eachServer(
  "the rights of a plain role",
  (target) => {
    const role = `Plain "role" ${Date.now()}`
    const quoted = `"${role.replaceAll('"', '""')}"`
    afterAll(async () => {
      await target.sql.exec(`drop role ${quoted}`)
    })

    test("what is missing comes with the GRANT that gives it, and that GRANT does", async () => {
      await target.sql.exec(`create role ${quoted} login`)
      const { host, port } = target.server.server
      const pool = new pg.Pool({ host, port, user: role, database: target.server.name, max: 3 })
      try {
        const { rights, role: mine } = await readCapabilities(openDatabase(pool))
        expect(mine).toBe(role)
        expect(rights.eventTriggers).toEqual({ granted: false, grant: null })
        const lacking = [rights.statistics, rights.settings, rights.cancel, rights.createSchema]
        for (const { granted, grant } of lacking) {
          expect(granted).toBe(false)
          await target.sql.exec(grant!)
        }
        const after = await readCapabilities(openDatabase(pool))
        expect(
          [after.rights.statistics, after.rights.settings, after.rights.cancel, after.rights.createSchema].map(
            ({ granted }) => granted,
          ),
        ).toEqual([true, true, true, true])
        await target.sql.exec(`drop owned by ${quoted}`)
      } finally {
        await pool.end()
      }
    })
  },
  { pglite: false },
)

test("an attempt that failed is forgotten", async () => {
  const database = openDatabase("postgresql://nobody@127.0.0.1:1/nothing")
  await expect(readCapabilities(database)).rejects.toMatchObject({ code: "E_CONNECTION" })
  const again = readCapabilities(database)
  await expect(again).rejects.toMatchObject({ code: "E_CONNECTION" })
  await database.close()
})

test("an embedded database in a worker can be started from a dump, with extensions that ship with it", async () => {
  const first = await openPgliteWorker({ extensions: ["pg_trgm"] })
  await first.query({ text: "create extension pg_trgm", values: [] })
  await first.query({ text: "create table kept (id int)", values: [] })
  const dump = await first.dumpDataDir()
  await first.close()
  const second = await openPgliteWorker({ extensions: ["pg_trgm"], loadDataDir: dump })
  expect((await readCapabilities(second)).extensions.pg_trgm).toBeDefined()
  expect((await second.queryText({ text: "select count(*) from kept", values: [] })).rows).toEqual([["0"]])
  await second.close()
  await expect(second.query({ text: "select 1", values: [] })).rejects.toMatchObject({ code: "E_POOL_CLOSED" })
})
