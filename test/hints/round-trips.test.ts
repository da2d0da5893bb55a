import pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { withTransaction } from "../../src/execution/transaction.ts"
import { serverTarget } from "../support/each-server.ts"
import { type DelayProxy, startProxy } from "../support/proxy.ts"
import { serverMissing } from "../support/servers.ts"
import { hintsOf, runHinted, shop, twoTables } from "./support.ts"

const three = hintsOf(["work_mem", "64MB"], ["random_page_cost", 1.5], ["hash_join", ["o", "c"]])
const order = hintsOf(["join_order", ["c", "o"]])
const index = hintsOf(["use_index", ["orders_status_idx"]])

describe.skipIf(serverMissing(18)).each([
  { driver: "batches in one round trip", options: {}, own: 0, inside: 1 },
  { driver: "one statement at a time", options: { pipeline: true }, own: 2, inside: 2 },
])("round trips of a driver that sends $driver", ({ options, own, inside }) => {
  const target = serverTarget(18, shop)
  let proxy: DelayProxy
  let pool: pg.Pool
  let database: Database
  beforeAll(async () => {
    proxy = await startProxy(target.server.server)
    pool = new pg.Pool({
      host: "127.0.0.1",
      port: proxy.port,
      user: "postgres",
      database: target.server.name,
      max: 1,
      ...options,
    } as pg.PoolConfig)
    database = openDatabase(pool)
    await database.query({ text: "select 1", values: [] })
  })
  afterAll(async () => {
    await database?.close()
    await pool?.end()
    await proxy?.close()
  })
  const counted = async <T>(run: () => Promise<T>): Promise<[T, number]> => {
    proxy.reset()
    const result = await run()
    return [result, proxy.roundTrips]
  }

  test.each([
    ["settings and switches", three],
    ["an order of joins", order],
    ["an index", index],
  ])("%s: what the report says is what was gone", async (_what, option) => {
    await runHinted(database, twoTables, [], option)
    const [{ hints }, trips] = await counted(() => runHinted(database, twoTables, [], option))
    expect([trips - 1, hints.extraRoundTrips]).toEqual([own, own])
  })

  test("in a transaction of the caller's", async () => {
    await withTransaction(database, {}, async (transaction) => {
      const [{ hints }, trips] = await counted(() => runHinted(database, twoTables, [], three, { transaction }))
      expect([trips - 1, hints.extraRoundTrips]).toEqual([inside, inside])
      expect(
        (
          await transaction.session.queryText({
            text: "select current_setting('work_mem'), current_setting('enable_nestloop')",
            values: [],
          })
        ).rows,
      ).toEqual([["4MB", "on"]])
    })
  })

  test("no hint: one", async () => {
    const [, trips] = await counted(() => database.query({ text: "select 1", values: [] }))
    expect(trips).toBe(1)
  })
})
