import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import { describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { startServer, urlOf } from "../support/server.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { reportOf, workshop } from "./support.ts"
import { trickyTables } from "./tables.ts"

/** Some seconds of work, in many parts. */
const slow = "select count(*) as n, sum(length(md5(m.filler || i))) as s from main m, generate_series(1, 80) as i"
/** Backends that read parts: the leader's transaction is older than its helpers'. */
const readers = `select pid from pg_stat_activity where datname = current_database() and state = 'active' and query like '%ctid >=%'
  and pid <> pg_backend_pid() order by xact_start`

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`faults while a statement is split, PostgreSQL ${version}`, () => {
    const shop = workshop(version)
    const split = (text = slow) => shop.selecto.statement<Record<string, string>>(text).parallel({ workers: 3, where: "client" })

    /** Waits until so many sessions read parts. */
    async function reading(count: number): Promise<number[]> {
      for (;;) {
        const rows = await shop.query(readers)
        if (rows.length >= count) return rows.map(({ pid }) => pid as number)
        await delay(5)
      }
    }

    test("a worker that is killed gives its part back", async () => {
      const [expected] = await shop.selecto.statement(slow).execute()
      const run = split().run()
      const pids = await reading(2)
      await shop.query("select pg_terminate_backend($1)", [pids.at(-1)])
      const result = await run
      expect(result.rows).toEqual([expected])
      expect(reportOf(result).lost).toBe(1)
    })

    test("when the leader is killed all end, with the connection's error", async () => {
      const run = split().run()
      const caught = run.catch((error) => error)
      const pids = await reading(2)
      await shop.query("select pg_terminate_backend($1)", [pids[0]])
      expect(await caught).toMatchObject({ code: "E_CONNECTION" })
      expect(await shop.selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
    })

    test("one failing part cancels the others on the server", async () => {
      // Only the last row fails.
      const failing = "select sum(length(md5(m.filler || i)) / (11000 - m.id % 12000)) from main m, generate_series(1, 80) as i"
      await expect(split(failing).execute()).rejects.toMatchObject({ code: "E_DATABASE", sqlState: "22012" })
      expect(await shop.query(readers)).toEqual([])
    })

    test("an abort at any moment leaves nothing behind", async () => {
      const outcomes: Record<string, number> = {}
      for (let round = 0; round < 25; round++) {
        const controller = new AbortController()
        const run = split("select count(*), sum(length(md5(m.filler || i))) from main m, generate_series(1, 20) as i").execute({
          signal: controller.signal,
        })
        const settled = run.then(
          () => "done",
          (error) => String(error.code),
        )
        await delay(round * 7)
        controller.abort()
        const outcome = await settled
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        expect(await shop.query(readers)).toEqual([])
        expect(shop.pool.totalCount - shop.pool.idleCount).toBe(0)
      }
      expect(Object.keys(outcomes).every((one) => one === "E_ABORTED" || one === "done")).toBe(true)
      expect(outcomes.E_ABORTED).toBeGreaterThan(5)
    })

    test("an abort that came before sends nothing", async () => {
      await expect(split().execute({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E_ABORTED" })
    })

    test("the timeout holds for all of it", async () => {
      const started = performance.now()
      await expect(split().execute({ timeoutMs: 150 })).rejects.toMatchObject({ code: "E_TIMEOUT" })
      expect(performance.now() - started).toBeLessThan(5000)
    })

    test("TRUNCATE and ALTER wait until the last part is read", async () => {
      await shop.query("create table victim as select * from main")
      const text = slow.replace("main m", "victim m")
      const [expected] = await shop.selecto.statement(slow).execute()
      for (const change of ["alter table victim alter k type bigint", "truncate victim"]) {
        const client = await shop.database.client()
        const run = split(text).run()
        await reading(2)
        const changed = client.query(change)
        expect((await run).rows).toEqual([expected])
        expect(reportOf(await run).parts).toBeGreaterThan(2)
        await changed
      }
      expect(await split(text).execute()).toMatchObject([{ n: "0" }])
      await shop.query("drop table victim")
    })

    test("behind who waits for the leader's lock no helper waits", async () => {
      await shop.query("create table barred as select * from main")
      const client = await shop.database.client()
      const run = shop.selecto.transaction(async (tx) => {
        await tx.statement("select 1 from barred limit 1").execute()
        const changed = client.query("alter table barred add column more int")
        for (;;) {
          const waiting = await shop.query("select from pg_locks where relation = 'barred'::regclass and not granted")
          if (waiting.length > 0) break
          await delay(5)
        }
        const caught = await tx
          .statement(slow.replace("main m", "barred m"))
          .parallel({ workers: 3, where: "client" })
          .execute()
          .catch((error) => error)
        return { caught, changed }
      })
      const { caught, changed } = await run
      expect(caught).toMatchObject({ code: "E_LOCK_TIMEOUT" })
      await changed
      await shop.query("drop table barred")
    })

    test("a plan made for another definition is made anew", async () => {
      await shop.query("create table changing as select id, k, filler from main")
      const query = shop.selecto
        .statement<Record<string, unknown>>("select k, count(*)::int as n from changing group by k order by k limit 1")
        .parallel({ where: "client" })
      const before = await query.run()
      expect(reportOf(before).chosen).toBe("client")
      await shop.query("drop table changing; create table changing as select id, (k + 1)::numeric(9,1) as k, filler from main")
      const after = await query.run()
      expect(reportOf(after).chosen).toBe("client")
      expect(after.rows).toEqual([{ k: `${(before.rows[0] as { k: number }).k + 1}.0`, n: (before.rows[0] as { n: number }).n }])
      // Temporary tables that take a table's name are seen by one session only.
      await shop.query("drop table changing")
      await expect(query.execute()).rejects.toMatchObject({ code: "E_DATABASE", sqlState: "42P01" })
    })

    test("with the pool held by others it runs in fewer sessions, or in one", async () => {
      const held = await Promise.all(Array.from({ length: 5 }, () => shop.pool.connect()))
      try {
        const two = await split("select count(*)::int as n from main").run()
        expect(reportOf(two)).toMatchObject({ chosen: "client", asked: 3 })
        expect(reportOf(two).workers).toBeLessThanOrEqual(2)
        held.push(await shop.pool.connect())
        const one = await split("select count(*)::int as n from main").run()
        expect(reportOf(one)).toMatchObject({ chosen: "none", workers: 1 })
        expect(reportOf(one).why).toMatch(/of the pool (is|are) free: too few/)
        expect(one.rows).toEqual(two.rows)
      } finally {
        for (const client of held) client.release()
      }
    })

    test("a reader that stops early, fails or aborts ends the sessions", async () => {
      const rows = () => split("select * from main")
      for await (const _ of rows().stream({ batchSize: 10 })) break
      await expect(
        (async () => {
          for await (const _ of rows().stream({ batchSize: 10 })) throw new Error("mine")
        })(),
      ).rejects.toThrow("mine")
      const controller = new AbortController()
      await expect(
        (async () => {
          for await (const _ of rows().stream({ batchSize: 10, signal: controller.signal })) controller.abort()
        })(),
      ).rejects.toMatchObject({ code: "E_ABORTED" })
    })

    test("a worker that is killed under a stream fails it: rows of its part are gone already", async () => {
      const stream = split("select m.id, md5(m.filler || i) from main m, generate_series(1, 60) as i").stream({ batchSize: 100 })
      await expect(
        (async () => {
          let killed = false
          for await (const _ of stream) {
            if (killed) continue
            killed = true
            const [pid] = await shop.query(
              `select pid from pg_stat_activity where datname = current_database() and query like 'COPY%' and state = 'active' and pid <> pg_backend_pid() limit 1`,
            )
            await shop.query("select pg_terminate_backend($1)", [pid!.pid])
          }
        })(),
      ).rejects.toMatchObject({ code: "E_CONNECTION" })
    })
  })

describe.skipIf(serverMissing(18))("a server that goes away", () => {
  test("ends the statement with the connection's error, and the next one finds the server that came back", async () => {
    const server = await startServer(18)
    const url = urlOf(server, "postgres")
    const client = new pg.Client({ connectionString: url })
    client.on("error", () => {})
    await client.connect()
    await trickyTables.build({ query: (text, values) => client.query(text, values), exec: (text) => client.query(text) })
    const pool = new pg.Pool({ connectionString: url, max: 4 })
    pool.on("error", () => {})
    const selecto = connect(pool)
    try {
      const run = selecto
        .statement(slow)
        .parallel({ workers: 3, where: "client" })
        .execute()
        .catch((error) => error)
      while ((await client.query(readers)).rows.length < 2) await delay(5)
      await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
      )
      expect(await run).toMatchObject({ code: "E_CONNECTION" })
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
    } finally {
      await client.end()
      await selecto.close()
      await pool.end()
      await server.stop()
    }
    await expect(connect(url).statement("select 1").parallel({ where: "client" }).execute()).rejects.toMatchObject({
      code: "E_CONNECTION",
    })
  })
})
