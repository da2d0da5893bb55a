import pg from "pg"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { failure } from "../support/failure.ts"
import { roundTripProxy } from "../support/round-trips.ts"

const sql = (text: string, ...values: unknown[]): { text: string; values: unknown[] } => ({ text, values })

eachServer(
  "when things go wrong",
  (target) => {
    let pool: pg.Pool
    let database: Database
    beforeAll(() => {
      pool = new pg.Pool({ connectionString: target.server.url, max: 3, application_name: "under test" })
      pool.on("error", () => {})
      database = openDatabase(pool)
    })
    afterAll(async () => {
      await database.close()
      await pool.end()
    })
    // Nothing leaked: every client is back, and no backend runs anything or sits in a transaction.
    afterEach(async () => {
      expect([pool.waitingCount, pool.totalCount - pool.idleCount]).toEqual([0, 0])
      for (let attempt = 0; ; attempt++) {
        const { rows } = await target.sql.query(
          "select pid, state, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'",
        )
        if (rows.length === 0) break
        if (attempt === 40) throw new Error(`Left behind: ${JSON.stringify(rows)}`)
        await target.sql.query("select pg_sleep(0.05)")
      }
    })
    const kill = (pid: number | null) => target.sql.query("select pg_terminate_backend($1)", [pid])
    const running = async (text: string): Promise<number> => {
      for (;;) {
        const { rows } = await target.sql.query(
          "select pid from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
          [`${text}%`],
        )
        if (rows.length > 0) return rows[0]!.pid as number
      }
    }

    test("a pool that was ended: E_POOL_CLOSED, before anything is sent", async () => {
      const own = new pg.Pool({ connectionString: target.server.url })
      const closed = openDatabase(own)
      await own.end()
      for (const call of [() => closed.query(sql("select 1")), () => closed.queryText(sql("select 1")), () => closed.acquire()])
        expect((await failure(call() as Promise<unknown>)).code).toBe("E_POOL_CLOSED")
      await closed.close()
    })

    test("a database that was closed: E_POOL_CLOSED; close() is idempotent and leaves a user's pool open", async () => {
      const own = openDatabase(target.server.url)
      await own.query(sql("select 1"))
      await Promise.all([own.close(), own.close()])
      expect((await failure(own.query(sql("select 1")))).code).toBe("E_POOL_CLOSED")
      const over = openDatabase(pool)
      await over.close()
      expect((await failure(over.query(sql("select 1")))).code).toBe("E_POOL_CLOSED")
      expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }])
    })

    test("a server that is not there, a name that is none, a database that is not, a password that is wrong: E_CONNECTION", async () => {
      const { port } = target.server.server
      for (const url of [
        "postgresql://postgres@127.0.0.1:1/x",
        "postgresql://postgres@no-such-host.invalid/x",
        `postgresql://postgres@127.0.0.1:${port}/no_such_database`,
        `postgresql://nobody@127.0.0.1:${port}/x`,
      ]) {
        const own = openDatabase(url)
        const error = await failure(own.query(sql("select 1")))
        expect(error.code).toBe("E_CONNECTION")
        expect(error.message).not.toContain(url)
        await own.close()
      }
      expect(() => openDatabase(undefined)).toThrow(expect.objectContaining({ code: "E_NO_DATABASE_URL" }))
      for (const target of ["not a url", 7, null, {}, [], () => {}, new pg.Client()])
        expect(() => openDatabase(target)).toThrow(expect.objectContaining({ code: "E_UNSUPPORTED_INPUT" }))
    })

    test("an exhausted pool: the timeout and the signal end the waiting, and the place is not lost", async () => {
      const held = await Promise.all([database.acquire(), database.acquire(), database.acquire()])
      const error = await failure(database.query(sql("select 1"), { timeoutMs: 30 }))
      expect([error.code, error.message.includes("30 ms")]).toEqual(["E_POOL_TIMEOUT", true])
      const abort = new AbortController()
      const waiting = failure(database.acquire({ signal: abort.signal }) as Promise<unknown>)
      abort.abort()
      expect((await waiting).code).toBe("E_ABORTED")
      for (const session of held) session.release()
      expect((await database.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })

    test("an exhausted pool: a statement of it can still be cancelled", async () => {
      const held = await Promise.all([database.acquire(), database.acquire(), database.acquire()])
      const errors = await Promise.all(
        held.map((session) => failure(session.query(sql("select pg_sleep(60)"), { timeoutMs: 50 }))),
      )
      expect(errors.map(({ code }) => code)).toEqual(["E_TIMEOUT", "E_TIMEOUT", "E_TIMEOUT"])
      for (const session of held) session.release()
    })

    test("the driver's own waiting time: E_POOL_TIMEOUT", async () => {
      const own = new pg.Pool({ connectionString: target.server.url, max: 1, connectionTimeoutMillis: 30 })
      const over = openDatabase(own)
      const held = await over.acquire()
      expect((await failure(over.query(sql("select 1")))).code).toBe("E_POOL_TIMEOUT")
      held.release()
      await own.end()
    })

    test("the driver's own query_timeout: E_TIMEOUT, and the client in unknown state is thrown away", async () => {
      const own = new pg.Pool({ connectionString: target.server.url, max: 1, query_timeout: 500 })
      const over = openDatabase(own)
      expect((await failure(over.query(sql("select pg_sleep(60)")))).code).toBe("E_TIMEOUT")
      expect((await over.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
      await over.close()
      await own.end()
    })

    test("abort before, during and after a statement", async () => {
      const abort = new AbortController()
      const during = failure(database.query(sql("select pg_sleep(60) as aborted"), { signal: abort.signal }))
      await running("select pg_sleep(60) as aborted")
      abort.abort(new Error("enough"))
      const error = await during
      expect([error.code, (error.cause as Error).message]).toEqual(["E_ABORTED", "enough"])
      expect((await failure(database.query(sql("select 1"), { signal: abort.signal }))).code).toBe("E_ABORTED")
      const late = new AbortController()
      expect((await database.query(sql("select 1 as one"), { signal: late.signal })).rows).toEqual([{ one: 1 }])
      late.abort()
      expect((await database.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })

    test("a statement cancelled by somebody else is E_DATABASE, QueryCanceled", async () => {
      const work = failure(database.query(sql("select pg_sleep(60) as theirs")))
      await target.sql.query("select pg_cancel_backend($1)", [await running("select pg_sleep(60) as theirs")])
      expect(await work).toMatchObject({ code: "E_DATABASE", sqlClass: "QueryCanceled" })
    })

    test("a wrapped pool that does not say how it connects is cancelled by the protocol's own request", async () => {
      const wrapped = { connect: () => pool.connect(), query: pool.query.bind(pool), end: () => pool.end(), totalCount: 0 }
      const over = openDatabase(wrapped)
      expect((await failure(over.query(sql("select pg_sleep(60)"), { timeoutMs: 50 }))).code).toBe("E_TIMEOUT")
      await over.close()
    })

    test("a backend killed while it works, between statements, and in the middle of a cursor", async () => {
      const work = failure(database.query(sql("select pg_sleep(60) as doomed")))
      await kill(await running("select pg_sleep(60) as doomed"))
      expect((await work).code).toBe("E_CONNECTION")

      const session = await database.acquire()
      await session.query(sql("begin"))
      await kill(session.pid)
      expect((await failure(session.query(sql("select 1")))).code).toBe("E_CONNECTION")
      session.release()

      const reading = await database.acquire()
      const cursor = await reading.cursor(sql("select generate_series(1, 100000)"), { before: [sql("begin")] })
      await cursor.read(10)
      await kill(reading.pid)
      expect((await failure(cursor.read(10))).code).toBe("E_CONNECTION")
      await cursor.close()
      reading.release()
      expect((await database.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })

    test("a network that is cut: E_CONNECTION, and the next statement has a new connection", async () => {
      const { host, port } = target.server.server
      const proxy = await roundTripProxy(host, port)
      const own = openDatabase(`postgresql://postgres@127.0.0.1:${proxy.port}/${target.server.name}`)
      const work = failure(own.query(sql("select pg_sleep(60) as cut")))
      const pid = await running("select pg_sleep(60) as cut")
      proxy.cut()
      expect((await work).code).toBe("E_CONNECTION")
      await kill(pid)
      expect((await own.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
      await own.close()
      await proxy.close()
    })

    test("a listener whose connection breaks says so once", async () => {
      let losses = 0
      let lost = (_: Error): void => {}
      const loss = new Promise<Error>((resolve) => {
        lost = resolve
      })
      const listener = await database.listen!(
        ["lonely"],
        () => {},
        (error) => {
          losses++
          lost(error)
        },
      )
      const { rows } = await target.sql.query("select pid from pg_stat_activity where query like 'listen lonely%'")
      await kill(rows[0]!.pid as number)
      expect(await loss).toMatchObject({ code: "E_CONNECTION" })
      await listener.close()
      expect(losses).toBe(1)
    })

    test("COPY is refused, and the session goes on", { timeout: 15_000 }, async () => {
      await database.query(sql("create table if not exists copied (id int)"))
      expect((await failure(database.query(sql("copy copied from stdin")))).code).toBe("E_NOT_SUPPORTED")
      // Often enough for the server's answer to come before the given-up connection has closed: it must not go back to the pool.
      for (let time = 0; time < 40; time++) {
        const session = await database.acquire()
        const error = await failure(session.batch([sql("copy copied from stdin"), sql("select 1")]))
        session.release()
        expect(error.code).toBe("E_NOT_SUPPORTED")
        expect((await failure(database.query(sql("copy (select 1) to stdout")))).code).toBe("E_NOT_SUPPORTED")
      }
      expect((await database.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })
  },
  { pglite: false },
)
