import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database, Session } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { type RoundTripProxy, roundTripProxy } from "../support/round-trips.ts"

const sql = (text: string, ...values: unknown[]): { text: string; values: unknown[] } => ({ text, values })

eachServer(
  "round trips",
  (target) => {
    let proxy: RoundTripProxy
    let database: Database
    let session: Session
    beforeAll(async () => {
      const { host, port } = target.server.server
      proxy = await roundTripProxy(host, port)
      database = openDatabase(`postgresql://postgres@127.0.0.1:${proxy.port}/${target.server.name}`)
      session = await database.acquire()
      await session.query(sql("select 1"))
      proxy.take()
    })
    afterAll(async () => {
      session.release()
      await database.close()
      await proxy.close()
    })
    const count = async (work: () => Promise<unknown>): Promise<number> => {
      proxy.take()
      await work()
      return proxy.take()
    }

    test("one for a statement, with values or without", async () => {
      expect(await count(() => session.query(sql("select 1")))).toBe(1)
      expect(await count(() => session.queryText(sql("select $1::int", 1)))).toBe(1)
      expect(await count(() => database.queryText(sql("select $1::int", 1)))).toBeLessThanOrEqual(4)
      expect(await count(() => database.queryText(sql("select $1::int", 1)))).toBe(1)
    })

    test("one for a whole transaction in a batch", async () => {
      const statements = [
        sql("begin"),
        sql("select set_config('work_mem', $1, true)", "8MB"),
        sql("select 1"),
        sql("select 2"),
        sql("commit"),
      ]
      expect(await count(() => session.batch(statements))).toBe(1)
      // The counter can tell: one by one it is five.
      expect(
        await count(async () => {
          for (const statement of statements) await session.queryText(statement)
        }),
      ).toBe(5)
    })

    test("one to open a cursor with its transaction and first rows, one for each further read", async () => {
      const open = () => session.cursor(sql("select generate_series(1, 10)"), { before: [sql("begin")], prefetch: 4 })
      let cursor: Awaited<ReturnType<typeof open>>
      expect(
        await count(async () => {
          cursor = await open()
          expect(await cursor.read(4)).toHaveLength(4)
        }),
      ).toBe(1)
      expect(await count(() => cursor.read(4))).toBe(1)
      expect(await count(() => cursor.read(4))).toBe(1)
      expect(await count(() => cursor.read(4))).toBe(0)
      expect(await count(() => cursor.close())).toBe(1)
      await session.query(sql("commit"))
    })

    test("a pool that pipelines by itself is taken one by one", async () => {
      const pool = new pg.Pool({
        host: "127.0.0.1",
        port: proxy.port,
        user: "postgres",
        database: target.server.name,
        pipeline: true,
      } as pg.PoolConfig)
      const own = openDatabase(pool)
      expect(own.capabilities.pipeline).toBe(false)
      const plain = await own.acquire()
      await plain.query(sql("select 1"))
      expect(await count(() => plain.batch([sql("begin"), sql("select 1"), sql("commit")]))).toBe(3)
      plain.release()
      await pool.end()
    })
  },
  { pglite: false },
)
