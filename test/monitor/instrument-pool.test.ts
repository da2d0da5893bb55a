import { AsyncLocalStorage } from "node:async_hooks"
import { once } from "node:events"
import pg from "pg"
import Cursor from "pg-cursor"
import QueryStream from "pg-query-stream"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { selectoOf } from "../../src/client/selecto.ts"
import { openDatabase } from "../../src/database/open.ts"
import { createMonitor, type Monitor, withTags } from "../../src/monitor/index.ts"
import type { StatementMetrics } from "../../src/monitor/metrics.ts"
import { instrumentPool } from "../../src/pg.ts"
import { eachServer } from "../support/each-server.ts"

eachServer(
  "instrumentPool",
  (target) => {
    let monitor: Monitor
    let pool: pg.Pool

    beforeEach(() => {
      monitor = createMonitor({ eventLoopDelay: false }).service
      pool = instrumentPool(new pg.Pool({ connectionString: target.server.url, max: 3 }), { monitor })
      pool.on("error", () => {})
    })
    afterEach(async () => {
      monitor.close()
      await pool.end()
    })

    const all = async (of: Monitor = monitor): Promise<Map<string, StatementMetrics>> => {
      await of.ready()
      return new Map(of.metrics().map((one) => [one.text ?? one.fingerprint, one]))
    }

    test("promises, callbacks and configurations, on the pool and on a client", async () => {
      await pool.query("select 1 as a")
      await pool.query("select $1 as b", ["1"])
      await pool.query({ text: "select 3 as c from generate_series(1, 5)", rowMode: "array" })
      await new Promise((resolve) => pool.query("select 4 as d from pg_class limit 4", (_error, result) => resolve(result)))
      await new Promise((resolve) =>
        pool.query("select $1::text as e from pg_type limit 6", ["x"], (_error, result) => resolve(result)),
      )
      const client = await pool.connect()
      const config = Object.freeze({ name: "seven", text: "select relname from pg_class limit 7" })
      const results = [await client.query(config), await client.query(config)]
      await new Promise((resolve) => client.query("select typname from pg_type limit 2", () => resolve(null)))
      client.release()
      expect(results.map((result) => result.rowCount)).toEqual([7, 7])
      const metrics = await all()
      const rows = [...metrics.values()].map((one) => `${one.calls} calls, ${one.rowsReturned.total} rows`)
      // The first two are one statement: constants and parameters are the same to a fingerprint.
      expect(rows.sort()).toEqual([
        "1 calls, 2 rows",
        "1 calls, 4 rows",
        "1 calls, 5 rows",
        "1 calls, 6 rows",
        "2 calls, 14 rows",
        "2 calls, 2 rows",
      ])
      for (const one of metrics.values()) {
        expect(one.bytesReceived!.avg).toBeGreaterThan(10)
        expect(one.split!.server).toBeGreaterThan(0)
      }
    })

    test("several statements in one text, and pg.Query objects", async () => {
      await pool.query("select 1; select relname from pg_class limit 3")
      const client = await pool.connect()
      const query = client.query(new pg.Query("select typname from pg_type limit 9"))
      expect(query).toBeInstanceOf(pg.Query)
      await once(query, "end")
      client.release()
      expect((await all()).get("select typname from pg_type limit $1")!.rowsReturned.total).toBe(9)
    })

    test("transactions, with their errors; the caller sees what it always saw", async () => {
      const client = await pool.connect()
      await client.query("begin")
      await expect(client.query("select 1 / 0 as broken")).rejects.toMatchObject({ code: "22012" })
      await expect(client.query("select 2 as after")).rejects.toMatchObject({ code: "25P02" })
      await client.query("rollback")
      const failure = await new Promise((resolve) => client.query("select * from gone", (error) => resolve(error)))
      expect(failure).toMatchObject({ code: "42P01" })
      client.release()
      const errors = [...(await all()).values()].map((one) => one.errors).filter((one) => Object.keys(one).length > 0)
      expect(errors).toEqual(expect.arrayContaining([{ "22": 1 }, { "25": 1 }, { "42": 1 }]))
    })

    test("a refused argument still throws", async () => {
      const client = await pool.connect()
      expect(() => client.query(null as never)).toThrow(TypeError)
      await expect(client.query("select $1", "no array" as never)).rejects.toThrow("array")
      client.release()
    })

    test("cursors: read to the end, closed early, failing; the time is the server's, not the reader's", async () => {
      const client = await pool.connect()
      const cursor = client.query(new Cursor("select n from generate_series(1, 25) n"))
      expect(cursor).toBeInstanceOf(Cursor)
      expect(await cursor.read(10)).toHaveLength(10)
      await cursor.close()
      const whole = client.query(new Cursor("select oid from pg_class where oid > $1 limit 30", [0]))
      while ((await whole.read(8)).length > 0);
      const failing = client.query(new Cursor("select 1 / (5 - n) from generate_series(1, 9) n"))
      await expect(failing.read(10)).rejects.toMatchObject({ code: "22012" })
      await client.query("select 2")
      client.release()
      const metrics = await all()
      expect(metrics.get("select oid from pg_class where oid > $1 limit $2")).toMatchObject({
        calls: 1,
        errors: {},
        rowsReturned: { total: 30 },
        executionTime: { count: 1 },
      })
      expect(metrics.get("select $1 / ($2 - n) from generate_series($3, $4) n")).toMatchObject({ calls: 1, errors: { "22": 1 } })
    })

    test("streams: read to the end, destroyed early", async () => {
      const client = await pool.connect()
      const stream = client.query(new QueryStream("select n from generate_series(1, 500) n", [], { batchSize: 50 }))
      expect(stream).toBeInstanceOf(QueryStream)
      let n = 0
      for await (const _ of stream) n++
      expect(n).toBe(500)
      const left = client.query(new QueryStream("select oid from pg_attribute, pg_class", [], { batchSize: 10 }))
      for await (const _ of left) break
      await client.query("select 1 as after")
      client.release()
      const metrics = await all()
      expect(metrics.get("select n from generate_series($1, $2) n")).toMatchObject({ calls: 1, rowsReturned: { total: 500 } })
      expect(metrics.get("select oid from pg_attribute, pg_class")).toMatchObject({ calls: 1, errors: {} })
    })

    test("waiting for the pool is told apart from the server", async () => {
      const held = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
      const waiting = pool.query("select 'waited'")
      await held[0]!.query("select pg_sleep(0.1)")
      for (const client of held) client.release()
      await waiting
      const one = (await all()).get("select $1")!
      expect(one.split!.poolWait).toBeGreaterThan(90)
      expect(one.executionTime.max).toBeLessThan(one.split!.poolWait)
    })

    test("is idempotent, and tells a second monitor beside the first", async () => {
      const second = createMonitor({ eventLoopDelay: false }).service
      instrumentPool(pool, { monitor })
      instrumentPool(pool, { monitor: second })
      instrumentPool(pool, { monitor: second })
      await pool.query("select 1")
      for (const one of [monitor, second]) expect([...(await all(one)).values()].map((metrics) => metrics.calls)).toEqual([1])
      second.close()
    })

    test("what goes through a Selecto on the same pool is counted once, by it", async () => {
      const { stage, service } = createMonitor({ eventLoopDelay: false })
      instrumentPool(pool, { monitor: service })
      const selecto = selectoOf(openDatabase(pool), {}, [stage])
      await selecto.statement("select relname from pg_class limit 1").execute()
      for await (const _ of selecto.statement("select typname from pg_type limit 2").stream());
      await pool.query("select 1")
      const calls = [...(await all(service)).entries()].map(([text, one]) => [text, one.calls])
      expect(Object.fromEntries(calls)).toEqual({
        "select relname from pg_class limit $1": 1,
        "select typname from pg_type limit $1": 1,
        "select $1": 1,
      })
      service.close()
      await selecto.close()
    })

    test("the context is the caller's: in what is recorded, in tags, and in callbacks", async () => {
      const requests = new AsyncLocalStorage<number>()
      const tagging = instrumentPool(
        new pg.Pool({ connectionString: target.server.url, max: 2 }),
        { monitor },
        { tags: { static: {} } },
      )
      monitor.recorder.addContext("request", () => requests.getStore())
      const seen: [string, unknown][] = []
      monitor.on("query", ({ text, context }) => seen.push([text, context?.request]))
      await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          requests.run(n, () =>
            withTags({ route: `r${n}` }, async () => {
              const text = `select ${n} as n, query from pg_stat_activity where pid = pg_backend_pid()`
              const check = (rows: { query: string }[]): void => {
                expect(requests.getStore()).toBe(n)
                expect(rows[0]!.query).toBe(`${text} /*route='r${n}'*/`)
              }
              if (n % 4 === 0) check((await tagging.query(text)).rows)
              else if (n % 4 === 1)
                await new Promise<void>((resolve, reject) =>
                  tagging.query(text, (error: Error, result: pg.QueryResult) => {
                    try {
                      check(result.rows)
                      resolve()
                    } catch (failure) {
                      reject(error ?? failure)
                    }
                  }),
                )
              else if (n % 4 === 2) {
                const client = await tagging.connect()
                check((await client.query({ text })).rows)
                client.release()
              } else
                await new Promise<void>((resolve, reject) =>
                  tagging.connect((_error, client, release) => {
                    client!.query(text, (_failure: Error, result: pg.QueryResult) => {
                      release()
                      try {
                        check(result.rows)
                        resolve()
                      } catch (failure) {
                        reject(failure)
                      }
                    })
                  }),
                )
            }),
          ),
        ),
      )
      expect(seen).toHaveLength(60)
      for (const [text, context] of seen) expect(text).toContain(`select ${context} as n`)
      const named = await tagging.query({
        name: "named",
        text: "select query from pg_stat_activity where pid = pg_backend_pid()",
      })
      expect(named.rows[0].query).not.toContain("/*")
      await tagging.end()
    })

    test("ten pools, one monitor", async () => {
      const pools = Array.from({ length: 10 }, (_, n) =>
        instrumentPool(new pg.Pool({ connectionString: target.server.url, max: 1 }), { monitor }, { name: `shard-${n}` }),
      )
      await Promise.all(pools.flatMap((one) => [one.query("select 1"), one.query("select 1")]))
      expect((await all()).get("select $1")!.calls).toBe(20)
      expect(monitor.pools().filter((one) => one.name.startsWith("shard"))).toHaveLength(10)
      expect(monitor.pools().find((one) => one.name === "shard-3")).toMatchObject({ totalCount: 1, idleCount: 1, max: 1 })
      await Promise.all(pools.map((one) => one.end()))
    })

    test("a server that goes away and comes back: failures are counted, then calls go on", async () => {
      const client = await pool.connect()
      client.on("error", () => {})
      const { rows } = await client.query("select pg_backend_pid() as pid")
      const hanging = client.query("select pg_sleep(60)")
      const killed = pool.query("select pg_terminate_backend($1)", [rows[0].pid])
      const [outcome] = await Promise.allSettled([hanging, killed])
      expect(outcome.status).toBe("rejected")
      client.release(true)
      await pool.query("select 'back'")
      const metrics = await all()
      expect(metrics.get("select pg_sleep($1)")).toMatchObject({ calls: 1, executionTime: { count: 1 } })
      expect(Object.keys(metrics.get("select pg_sleep($1)")!.errors)).toHaveLength(1)
      expect(metrics.get("select $1")).toMatchObject({ calls: 1, errors: {} })
    })
  },
  { pglite: false },
)

describe("instrumentPool without a server", () => {
  test("a refused connection is an error without time", async () => {
    const monitor = createMonitor({ eventLoopDelay: false }).service
    const pool = instrumentPool(new pg.Pool({ host: "127.0.0.1", port: 1 }), { monitor })
    await expect(pool.query("select 1")).rejects.toMatchObject({ code: "ECONNREFUSED" })
    await expect(pool.connect()).rejects.toMatchObject({ code: "ECONNREFUSED" })
    await monitor.ready()
    expect(monitor.metrics()).toMatchObject([{ calls: 1, errors: { ECONNREFUSED: 1 }, executionTime: { count: 0, avg: null } }])
    monitor.close()
    await pool.end()
  })
})
