import postgres from "postgres"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import type { PostgresJsLike } from "../../src/database/postgres-js-types.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { sum } from "../../src/query/aggregate.ts"
import { eachServer } from "../support/each-server.ts"
import { failure } from "../support/failure.ts"
import { roundTripProxy } from "../support/round-trips.ts"

const sql = (text: string, ...values: unknown[]): { text: string; values: unknown[] } => ({ text, values })

/** The driver's own types fit the structure that the adapter asks for. */
export const fits = (driver: postgres.Sql): PostgresJsLike => driver

const things = defineDomain({
  name: "Things",
  source: {
    table: "things",
    primaryKey: "id",
    columns: {
      id: "integer",
      big_number: "bigint",
      price: "decimal",
      made_at: "timestamptz",
      on_day: "date",
      is_new: "boolean",
      raw_bytes: "bytea",
      meta_data: "jsonb",
      tag_list: { type: "array", of: "string" },
    },
  },
})

eachServer(
  "postgres.js",
  (target) => {
    let driver: postgres.Sql
    let database: Database
    beforeAll(async () => {
      driver = postgres(target.server.url, { max: 3, onnotice: () => {}, connection: { application_name: "under test" } })
      database = openDatabase(driver)
      await target.sql.exec(`
        create table things (id int primary key, big_number int8, price numeric, made_at timestamptz, on_day date, is_new bool,
          raw_bytes bytea, meta_data jsonb, tag_list text[]);
        insert into things select n, 9007199254740993, n + 0.10, timestamptz '2024-01-01T10:00:00.123456Z', '2024-02-29', n % 2 = 0,
          '\\x00ff', '{"some_key": [1, null, "x"]}', array['a', null, 'b "c"'] from generate_series(1, 3000) n`)
    })
    afterAll(async () => {
      await database.close()
      await driver.end()
    })
    // Nothing leaked: no backend runs anything or sits in a transaction, and every connection of the pool can be had.
    afterEach(async () => {
      for (let attempt = 0; ; attempt++) {
        const { rows } = await target.sql.query(
          "select pid, state, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'",
        )
        if (rows.length === 0) break
        if (attempt === 40) throw new Error(`Left behind: ${JSON.stringify(rows)}`)
        await target.sql.query("select pg_sleep(0.05)")
      }
      const all = await Promise.all([database.acquire(), database.acquire(), database.acquire()])
      for (const session of all) session.release()
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

    test("a builder's rows come as declared and a statement's as the driver gives them, however it is configured", async () => {
      const configured = postgres(target.server.url, {
        max: 2,
        transform: { ...postgres.camel, undefined: null },
        types: {
          bigint: postgres.BigInt,
          date: { to: 1184, from: [1082, 1184], serialize: String, parse: (x: string) => `<${x}>` },
        },
      })
      const selecto = connect(configured)
      try {
        const row = await selecto.from(things).filter({ id: 2 }).executeOne()
        expect(row).toEqual({
          id: 2,
          big_number: "9007199254740993",
          price: "2.10",
          made_at: new Date("2024-01-01T10:00:00.123Z"),
          on_day: "2024-02-29",
          is_new: true,
          raw_bytes: new Uint8Array([0, 255]),
          meta_data: { some_key: [1, null, "x"] },
          tag_list: ["a", null, 'b "c"'],
        })
        const text = "select id, big_number, on_day, meta_data, tag_list, null as no_value from things where id = $1"
        const own = await configured.unsafe(text, [2])
        expect(await selecto.statement(text, [2]).execute()).toEqual([...own])
        expect(Object.keys(own[0]!)).toContain("bigNumber")
        for await (const streamed of selecto.statement(text, [2]).stream()) expect(streamed).toEqual(own[0])
      } finally {
        await selecto.close()
        await configured.end()
      }
    })

    test("values of every kind reach the server unchanged, past the driver's serializers", async () => {
      const { rows } = await database.queryText(
        sql(
          "select $1::timestamptz = '2024-01-01T10:00:00.123456Z', $2::jsonb, $3::bool, $4::bytea, $5::date, $6::timestamptz, $7::text",
          "2024-01-01T10:00:00.123456Z",
          '{"a": "b"}',
          false,
          new Uint8Array([1, 2]),
          "infinity",
          "-infinity",
          "$1",
        ),
      )
      expect(rows).toEqual([["t", '{"a": "b"}', "f", "\\x0102", "infinity", "-infinity", "$1"]])
    })

    test("a query, a stream left early, a transaction, a plan, an aggregate", async () => {
      const selecto = connect(driver)
      expect(
        await selecto
          .from(things)
          .select({ total: sum("price") })
          .executeOne(),
      ).toEqual({ total: "4501800.00" })
      const seen: number[] = []
      for await (const { id } of selecto.from(things).select("id").orderBy("id").stream({ batchSize: 7 }))
        if (seen.push(id) === 20) break
      expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
      const lost = selecto.transaction(async (tx) => {
        await tx.statement("delete from things where id = 1").execute()
        throw new Error("changed my mind")
      })
      await expect(lost).rejects.toThrow("changed my mind")
      expect((await selecto.from(things).select("id").filter({ id: 1 }).execute()).length).toBe(1)
      const plan = await selecto
        .from(things)
        .select("id")
        .filter({ id: 1 })
        .hint("enable_indexscan", false)
        .explain({ analyze: true })
      expect(plan.root.actual?.rows).toBe(1)
      await selecto.close()
    })

    test("one round trip for a statement, a transaction in a batch, and the opening of a cursor", async () => {
      const { host, port } = target.server.server
      const proxy = await roundTripProxy(host, port)
      const own = postgres({ host: "127.0.0.1", port: proxy.port, user: "postgres", database: target.server.name, max: 1 })
      const over = openDatabase(own)
      const count = async (work: () => Promise<unknown>): Promise<number> => {
        proxy.take()
        await work()
        return proxy.take()
      }
      await over.query(sql("select 1"))
      expect(await count(() => over.queryText(sql("select $1::int, $2::text", 1, "x")))).toBe(1)
      const session = await over.acquire()
      await session.query(sql("select 1"))
      const batch = [sql("begin"), sql("select set_config('work_mem', $1, true)", "8MB"), sql("select 1"), sql("commit")]
      expect(await count(() => session.batch(batch))).toBe(1)
      expect(await count(() => session.cursor(sql("select generate_series(1, $1)", 9), { before: [sql("begin")] }))).toBe(1)
      await session.query(sql("commit"))
      session.release()
      await own.end()
      await proxy.close()
    })

    test("a pool that was ended: E_POOL_CLOSED for a statement and for a session", async () => {
      const own = postgres(target.server.url)
      const over = openDatabase(own)
      await over.query(sql("select 1"))
      await own.end()
      for (const call of [
        () => over.query(sql("select 1")),
        () => over.acquire(),
        () => over.query(sql("select 1"), { timeoutMs: 5000 }),
      ])
        expect((await failure(call() as Promise<unknown>)).code).toBe("E_POOL_CLOSED")
      await over.close()
    })

    test("close() leaves the user's pool open", async () => {
      const over = openDatabase(driver)
      await over.close()
      expect((await failure(over.query(sql("select 1")))).code).toBe("E_POOL_CLOSED")
      expect((await failure(over.acquire() as Promise<unknown>)).code).toBe("E_POOL_CLOSED")
      expect(await driver`select 1 as one`).toHaveLength(1)
    })

    test("a server that is not there, a database that is not, a role that is none: E_CONNECTION", async () => {
      const { port } = target.server.server
      for (const url of [
        "postgresql://postgres@127.0.0.1:1/x",
        `postgresql://postgres@127.0.0.1:${port}/no_such_database`,
        `postgresql://nobody@127.0.0.1:${port}/x`,
      ]) {
        const own = postgres(url)
        const over = openDatabase(own)
        expect((await failure(over.query(sql("select 1")))).code).toBe("E_CONNECTION")
        for (let attempt = 0; attempt < 3; attempt++)
          expect((await failure(over.acquire() as Promise<unknown>)).code).toBe("E_CONNECTION")
        await own.end()
      }
    })

    test("the sql of a transaction is refused", async () => {
      await driver.begin(async (tx) => {
        expect(() => openDatabase(tx)).toThrow(expect.objectContaining({ code: "E_UNSUPPORTED_INPUT" }))
      })
    })

    test("an exhausted pool: the timeout and the signal end the waiting, and a statement of it can still be cancelled", async () => {
      const held = await Promise.all([database.acquire(), database.acquire(), database.acquire()])
      expect((await failure(database.query(sql("select 1"), { timeoutMs: 30 }))).code).toBe("E_POOL_TIMEOUT")
      const abort = new AbortController()
      const waiting = failure(database.acquire({ signal: abort.signal }) as Promise<unknown>)
      abort.abort()
      expect((await waiting).code).toBe("E_ABORTED")
      const errors = await Promise.all(
        held.map((session) => failure(session.query(sql("select pg_sleep(60)"), { timeoutMs: 50 }))),
      )
      expect(errors.map(({ code }) => code)).toEqual(["E_TIMEOUT", "E_TIMEOUT", "E_TIMEOUT"])
      for (const session of held) session.release()
    })

    test("a session thrown away is ended on the server", async () => {
      const session = await database.acquire()
      await session.query(sql("begin"))
      const { pid } = session
      session.release(true)
      for (;;) {
        const { rows } = await target.sql.query("select from pg_stat_activity where pid = $1", [pid])
        if (rows.length === 0) break
      }
      expect((await database.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })

    test("a backend killed while it works, between statements, and in the middle of a cursor", async () => {
      const work = failure(database.query(sql("select pg_sleep(60) as doomed")))
      await kill(await running("select pg_sleep(60) as doomed"))
      expect((await work).code).toBe("E_CONNECTION")

      // The driver would send the next statement to a socket that is none, where nobody could catch what it throws.
      for (const opening of ["begin", "select 1"]) {
        const session = await database.acquire()
        await session.query(sql(opening))
        await kill(session.pid)
        for (let attempt = 0; attempt < 20; attempt++) await target.sql.query("select 1")
        for (const use of [
          () => session.query(sql("select 1")),
          () => session.query(sql("rollback")),
          () => session.batch([sql("select 1")]),
        ])
          expect((await failure(use())).code).toBe("E_CONNECTION")
        session.release()
      }

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
      const own = postgres({ host: "127.0.0.1", port: proxy.port, user: "postgres", database: target.server.name, max: 1 })
      const over = openDatabase(own)
      const work = failure(over.query(sql("select pg_sleep(60) as cut"), { timeoutMs: 60_000 }))
      const pid = await running("select pg_sleep(60) as cut")
      proxy.cut()
      expect((await work).code).toBe("E_CONNECTION")
      await kill(pid)
      expect((await over.query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
      await own.end()
      await proxy.close()
    })

    test("a listener whose connection breaks says so once, and closing the database ends the others", async () => {
      let losses = 0
      let lost = (_: Error): void => {}
      const loss = new Promise<Error>((resolve) => {
        lost = resolve
      })
      const over = openDatabase(driver)
      const onLoss = (error: Error): void => {
        losses++
        lost(error)
      }
      const listener = await over.listen!(["lonely"], () => {}, onLoss)
      const { rows } = await target.sql.query("select pid from pg_stat_activity where query like 'listen lonely%'")
      await kill(rows[0]!.pid as number)
      expect(await loss).toMatchObject({ code: "E_CONNECTION" })
      await listener.close()
      await over.listen!(["lonely"], () => {}, onLoss)
      await over.close()
      expect(losses).toBe(1)
    })

    test("COPY is refused before it is sent, wherever it stands", async () => {
      for (const text of ["copy things from stdin", "/* x */ -- y\n COPY (select 1) TO STDOUT"])
        expect((await failure(database.query(sql(text)))).code).toBe("E_NOT_SUPPORTED")
      expect((await database.queryText(sql("select 'copy from stdin'"))).rows).toEqual([["copy from stdin"]])
    })

    test("directUrl is opened by postgres.js too, and closed by us", async () => {
      const selecto = connect(driver, { directUrl: target.server.url })
      const { direct } = selecto.database
      expect([direct.driver, (await direct.query(sql("select 1 as one"))).rows]).toEqual(["postgres.js", [{ one: 1 }]])
      await selecto.close()
      expect((await failure(direct.query(sql("select 1")))).code).toBe("E_POOL_CLOSED")
    })

    test("behind a role whose statements are watched, a failed batch leaves no warning and no transaction", async () => {
      const notices: string[] = []
      const own = postgres(target.server.url, { max: 1, onnotice: ({ message }) => notices.push(message!) })
      const selecto = connect(own)
      const failing = selecto.statement("select 1 / 0").hint("work_mem", "8MB")
      await expect(failing.execute()).rejects.toMatchObject({ code: "E_DATABASE", sqlClass: "DivisionByZero" })
      expect((await selecto.from(things).select("id").filter({ id: 1 }).hint("work_mem", "8MB").execute()).length).toBe(1)
      expect(notices).toEqual([])
      await selecto.close()
      await own.end()
    })
  },
  { pglite: false },
)
