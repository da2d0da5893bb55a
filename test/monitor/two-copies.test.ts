import pg from "pg"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { eachServer } from "../support/each-server.ts"

/** The library as one program may have it twice: once of its own, once below a dependency. */
type Copy = Awaited<ReturnType<typeof load>>

async function load() {
  vi.resetModules()
  const { instrumentPool } = await import("../../src/pg.ts")
  const { createMonitor } = await import("../../src/monitor/index.ts")
  const { connect } = await import("../../src/index.ts")
  return { instrumentPool, createMonitor, connect }
}

/** A copy that marks pools and clients by another name, as a version must whose recorder is called in another way. */
async function loadOther(): Promise<Copy> {
  const original = Symbol.for
  const spy = vi
    .spyOn(Symbol, "for")
    .mockImplementation((key) => original.call(Symbol, key.replace(/^(selecto-pg\.\w+)\.\d+$/, "$1.other")))
  try {
    return await load()
  } finally {
    spy.mockRestore()
  }
}

eachServer(
  "two copies of the library in one process",
  (target) => {
    let first: Copy
    let second: Copy
    let other: Copy
    beforeAll(async () => {
      first = await load()
      second = await load()
      other = await loadOther()
    })
    afterAll(() => vi.resetModules())

    test("are two: each has classes of its own", () => {
      expect(first.instrumentPool).not.toBe(second.instrumentPool)
      expect(second.instrumentPool).not.toBe(other.instrumentPool)
    })

    test("each counts every call of a pool that both watch, once", async () => {
      for (const beside of [second, other]) {
        const monitors = [first, beside].map((copy) => copy.createMonitor({ eventLoopDelay: false }).service)
        const pool = new pg.Pool({ connectionString: target.server.url, max: 2 })
        for (const again of [1, 2])
          for (const [at, copy] of [first, beside].entries())
            copy.instrumentPool(pool, { monitor: monitors[at]! }, { name: `asked ${again}` })
        await Promise.all(Array.from({ length: 10 }, (_, n) => pool.query("select $1::int + 1", [n])))
        await new Promise((resolve) => pool.query("select 'by callback' from pg_class limit 1", resolve))
        await expect(pool.query("select 1 / 0 as wrong")).rejects.toMatchObject({ code: "22012" })
        const client = await pool.connect()
        await client.query("begin")
        await client.query("rollback")
        client.release()
        for (const monitor of monitors) {
          await monitor.ready()
          const counted = monitor.metrics().map(({ calls, errors }) => [calls, errors["22"] ?? 0].join(" calls, errors "))
          expect(counted.sort()).toEqual([
            "1 calls, errors 0",
            "1 calls, errors 0",
            "1 calls, errors 0",
            "1 calls, errors 1",
            "10 calls, errors 0",
          ])
          expect(monitor.pools()).toHaveLength(1)
          await monitor.close()
        }
        await pool.end()
      }
    })

    test("what one of them sends through the pool is counted by it alone, and its own statements by nobody", async () => {
      for (const beside of [second, other]) {
        const pool = new pg.Pool({ connectionString: target.server.url, max: 2 })
        const watching = beside.createMonitor({ eventLoopDelay: false }).service
        beside.instrumentPool(pool, { monitor: watching })
        const selecto = first.connect(pool, { monitor: { server: true, plans: false, eventLoopDelay: false, logger: false } })
        await selecto.statement("select relname from pg_class limit 1").execute()
        await selecto.monitor.collect()
        await selecto.monitor.ready()
        await watching.ready()
        expect(selecto.monitor.health().collector).toMatchObject({ lastError: null })
        expect(selecto.monitor.metrics().map(({ text, calls }) => [text, calls])).toEqual([
          ["select relname from pg_class limit $1", 1],
        ])
        expect(watching.metrics()).toEqual([])
        await selecto.close()
        await watching.close()
        await pool.end()
      }
    })

    test("of two that ask the server one collects, and the other says who", async () => {
      const options = { monitor: { server: true, plans: false, eventLoopDelay: false, logger: false } } as const
      const [one, two] = [first, second].map((copy) => copy.connect(target.server.url, options))
      await one!.monitor.collect()
      await two!.monitor.collect()
      const states = [one!, two!].map(({ monitor }) => monitor.health().collector!.state)
      expect(states.sort()).toEqual(["collecting", "standby"])
      await one!.close()
      await two!.close()
    })
  },
  { pglite: false },
)
