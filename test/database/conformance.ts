import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { CopyReader, Database, Session } from "../../src/database/database.ts"
import { failure } from "../support/failure.ts"

/** What an adapter's author hands to {@link conformance}. */
export interface ConformanceTarget {
  /** A database that holds nothing yet. Called once, before the tests. */
  open(): Promise<Database>
  /** Called after the tests, when the database has been closed: for what open() started. */
  cleanUp?(): Promise<void>
  /** The most parameters that the driver takes, where it is fewer than the protocol's 65,535. */
  readonly maxParameters?: number | undefined
}

/** Statements that sleep must not outlive their test; nothing waits for this long. */
const longSleep = "select pg_sleep(60)"

/**
 * What every adapter of the Database port promises, in groups by capability. For adapters of this project and of others:
 * call it in a test file with a database of your own.
 */
export function conformance(name: string, target: ConformanceTarget): void {
  describe(`${name} as a Database`, () => {
    let database: Database
    beforeAll(async () => {
      database = await target.open()
      await database.query({ text: "create table conformance_item (id int primary key, label text, at timestamptz)", values: [] })
    })
    afterAll(async () => {
      await database?.query({ text: "drop table if exists conformance_item", values: [] })
      await database?.close()
      await target.cleanUp?.()
    })
    const known = (): Database => database
    values(known)
    sessions(known)
    batches(known)
    cursors(known)
    errors(known, target.maxParameters ?? 65_535)
    describe("by capability", () => {
      cancelling(known)
      listening(known)
      manySessions(known)
      copying(known)
    })
  })
}

const sql = (text: string, ...values: unknown[]): { text: string; values: unknown[] } => ({ text, values })

async function withSession<T>(database: Database, run: (session: Session) => Promise<T>): Promise<T> {
  const session = await database.acquire()
  try {
    return await run(session)
  } finally {
    session.release()
  }
}

function values(database: () => Database): void {
  describe("values and rows", () => {
    test("text rows are PostgreSQL's own text, whatever the type", async () => {
      const { rows, fields, command, rowCount } = await database().queryText(
        sql(
          "select 1 as i, 2::int8 as b, 1.50::numeric as n, true as t, '2024-02-29'::date as d, '{\"a\": 1}'::jsonb as j, null as z, '{1,2}'::int[] as a",
        ),
      )
      expect(rows).toEqual([["1", "2", "1.50", "t", "2024-02-29", '{"a": 1}', null, "{1,2}"]])
      expect(fields.map(({ name, typeId }) => [name, typeId])).toEqual([
        ["i", 23],
        ["b", 20],
        ["n", 1700],
        ["t", 16],
        ["d", 1082],
        ["j", 3802],
        ["z", 25],
        ["a", 1007],
      ])
      expect([command, rowCount]).toEqual(["SELECT", 1])
    })

    test("objects have the driver's conversion, and so has the session's converter", async () => {
      const text = "select 1 as i, 'x' as s, null as z, true as t"
      const { rows } = await database().query(sql(text))
      expect(rows).toEqual([{ i: 1, s: "x", z: null, t: true }])
      await withSession(database(), async (session) => {
        const result = await session.queryText(sql(text))
        expect(result.rows.map(session.converter(result.fields))).toEqual(rows)
      })
    })

    test("binds strings, numbers, bigints, booleans, bytes, dates, arrays, objects and null", async () => {
      const at = new Date("2024-02-29T12:34:56.789Z")
      const { rows } = await database().queryText(
        sql(
          "select $1::text, $2::float8, $3::int8, $4::bool, $5::bytea, $6::timestamptz = '2024-02-29T12:34:56.789Z', $7::text[], $8::jsonb, $9::int, $10::int[][]",
          'it\'s \\ "é" 漢',
          1.5,
          2n ** 62n,
          false,
          new Uint8Array([0, 255, 7]),
          at,
          ['a"b', "c\\d", null, "e,f", "{", "", "NULL"],
          { a: ["x"] },
          null,
          [
            [1, 2],
            [3, 4],
          ],
        ),
      )
      expect(rows[0]).toEqual([
        'it\'s \\ "é" 漢',
        "1.5",
        "4611686018427387904",
        "f",
        "\\x00ff07",
        "t",
        '{"a\\"b","c\\\\d",NULL,"e,f","{","","NULL"}',
        '{"a": ["x"]}',
        null,
        "{{1,2},{3,4}}",
      ])
    })

    test("duplicate and strange column names, no columns, no rows, an empty statement", async () => {
      const { rows } = await database().query(sql(`select 1 as a, 2 as a, 3 as "__proto__", 4 as "q""é"`))
      expect(Object.keys(rows[0]!)).toEqual(["a", "__proto__", 'q"é'])
      expect(rows[0]!.a).toBe(2)
      expect(Object.getOwnPropertyDescriptor(rows[0], "__proto__")?.value).toBe(3)
      expect((await database().queryText(sql("select from generate_series(1, 2)"))).rows).toEqual([[], []])
      expect((await database().queryText(sql("select 1 where false"))).rows).toEqual([])
      expect((await database().queryText(sql(""))).rows).toEqual([])
    })

    test("commands give their tag and count", async () => {
      const inserted = await database().queryText(sql("insert into conformance_item select n from generate_series(1, 3) n"))
      expect([inserted.command, inserted.rowCount, inserted.rows]).toEqual(["INSERT", 3, []])
      const removed = await database().queryText(sql("delete from conformance_item where id > $1 returning id", 1))
      expect([removed.command, removed.rowCount, removed.rows.length]).toEqual(["DELETE", 2, 2])
      await database().query(sql("truncate conformance_item"))
    })

    test("calls onAcquired and onFirstReply once, in order", async () => {
      const calls: string[] = []
      await database().queryText(sql("select generate_series(1, 1000)"), {
        onAcquired: () => calls.push("acquired"),
        onFirstReply: () => calls.push("reply"),
      })
      expect(calls).toEqual(["acquired", "reply"])
    })
  })
}

function sessions(database: () => Database): void {
  describe("sessions", () => {
    test("a session keeps its state, and another statement of the database does not see it", async () => {
      await withSession(database(), async (session) => {
        await session.query(sql("select set_config('selecto.mark', $1, false)", "mine"))
        expect((await session.queryText(sql("select current_setting('selecto.mark')"))).rows).toEqual([["mine"]])
        await session.query(sql("select set_config('selecto.mark', '', false)"))
      })
    })

    test("release is idempotent, and a released session refuses work", async () => {
      const session = await database().acquire()
      session.release()
      session.release()
      expect((await failure(session.query(sql("select 1")))).code).toBe("E_POOL_CLOSED")
      expect((await database().query(sql("select 1 as one"))).rows).toEqual([{ one: 1 }])
    })

    test("a transaction left open at release is not the next user's", async () => {
      const session = await database().acquire()
      await session.query(sql("begin"))
      await session.query(sql("insert into conformance_item values (99)"))
      session.release()
      expect((await database().queryText(sql("select id from conformance_item"))).rows).toEqual([])
    })

    test("many at once are all served", async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => database().queryText(sql("select $1::int", n))))
      expect(answers.map(({ rows }) => Number(rows[0]![0]))).toEqual(Array.from({ length: 50 }, (_, n) => n))
    })
  })
}

function batches(database: () => Database): void {
  describe("batches", () => {
    test("answer every statement, in order", async () => {
      await withSession(database(), async (session) => {
        const results = await session.batch([
          sql("begin"),
          sql("select set_config('work_mem', $1, true)", "7MB"),
          sql("show work_mem"),
          sql("select n from generate_series(1, 2) n"),
          sql("commit"),
        ])
        expect(results.map(({ command }) => command)).toEqual(["BEGIN", "SELECT", "SHOW", "SELECT", "COMMIT"])
        expect(results[2]!.rows).toEqual([["7MB"]])
        expect(results[3]!.rows).toEqual([["1"], ["2"]])
        expect(results[2]!.fields[0]!.name).toBe("work_mem")
        expect(await session.batch([])).toEqual([])
      })
    })

    test("the first error rejects, nothing after it is applied, and ROLLBACK makes the session usable", async () => {
      await withSession(database(), async (session) => {
        const error = await failure(
          session.batch([
            sql("begin"),
            sql("insert into conformance_item values (1)"),
            sql("insert into conformance_item values (1)"),
            sql("commit"),
          ]),
        )
        expect([error.code, error.sqlState, error.sqlClass]).toEqual(["E_DATABASE", "23505", "UniqueViolation"])
        await session.query(sql("rollback"))
        expect((await session.queryText(sql("select count(*) from conformance_item"))).rows).toEqual([["0"]])
      })
    })
  })
}

function cursors(database: () => Database): void {
  describe("cursors", () => {
    const numbers = sql("select n from generate_series(1, $1::int) n", 10)

    test("read in batches to the end", async () => {
      await withSession(database(), async (session) => {
        const cursor = await session.cursor(numbers, { before: [sql("begin")], prefetch: 3 })
        expect(cursor.fields.map(({ name }) => name)).toEqual(["n"])
        const read: string[][] = []
        for (let rows = await cursor.read(4); rows.length > 0; rows = await cursor.read(4)) read.push(rows.map(([n]) => n!))
        expect(read.flat()).toEqual(Array.from({ length: 10 }, (_, n) => String(n + 1)))
        expect(Math.max(...read.map(({ length }) => length))).toBeLessThanOrEqual(4)
        await cursor.close()
        await cursor.close()
        expect(await cursor.read(1)).toEqual([])
        await session.query(sql("commit"))
      })
    })

    test("closed half-way leaves the session ready and no portal open", async () => {
      await withSession(database(), async (session) => {
        const cursor = await session.cursor(numbers, { before: [sql("begin")] })
        expect(await cursor.read(2)).toEqual([["1"], ["2"]])
        await cursor.close()
        const { rows } = await session.queryText(sql("select count(*) from pg_cursors where name like 'selecto%'"))
        expect(rows).toEqual([["0"]])
        await session.query(sql("commit"))
      })
    })

    test("two cursors in one transaction do not mix", async () => {
      await withSession(database(), async (session) => {
        const one = await session.cursor(numbers, { before: [sql("begin")] })
        const two = await session.cursor(sql("select 'x' || n from generate_series(1, 3) n"))
        expect(await one.read(2)).toEqual([["1"], ["2"]])
        expect(await two.read(2)).toEqual([["x1"], ["x2"]])
        expect(await one.read(1)).toEqual([["3"]])
        await one.close()
        expect(await two.read(5)).toEqual([["x3"]])
        await two.close()
        await session.query(sql("rollback"))
      })
    })

    test("an error at opening or while reading rejects, and close() still works", async () => {
      await withSession(database(), async (session) => {
        expect((await failure(session.cursor(sql("select * from no_such_table"), { before: [sql("begin")] }))).sqlClass).toBe(
          "UndefinedTable",
        )
        await session.query(sql("rollback"))
        const cursor = await session.cursor(sql("select 1 / (3 - n) from generate_series(1, 5) n"), { before: [sql("begin")] })
        expect((await failure(cursor.read(5))).sqlClass).toBe("DivisionByZero")
        await cursor.close()
        await session.query(sql("rollback"))
        expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
      })
    })
  })
}

function errors(database: () => Database, most: number): void {
  describe("errors", () => {
    test("carry SQLSTATE, class and place, and the session goes on", async () => {
      await withSession(database(), async (session) => {
        const error = await failure(session.query(sql("select 1,\n  nope from conformance_item")))
        expect([error.code, error.sqlState, error.sqlClass, error.line, error.column]).toEqual([
          "E_DATABASE",
          "42703",
          "UndefinedColumn",
          2,
          3,
        ])
        expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
      })
    })

    test("never hold a parameter value in the message", async () => {
      const secret = "s3cr3t-value"
      for (const statement of [
        sql("select $1::int", secret),
        sql("select $1::jsonb", `{${secret}`),
        sql("select $1::timestamptz", secret),
        sql("do $$ begin raise exception 's3cr3t-value'; end $$"),
      ]) {
        const error = await failure(database().query(statement))
        expect(error.code).toBe("E_DATABASE")
        expect(error.message).not.toContain(secret)
        expect(error.cause).toBeInstanceOf(Error)
      }
    })

    test("too many parameters are refused before anything is sent", async () => {
      const error = await failure(database().query({ text: "select 1", values: new Array(most + 1).fill(1) }))
      expect(error.code).toBe("E_TOO_MANY_PARAMETERS")
      const list = Array.from({ length: most }, (_, n) => `$${n + 1}::int`).join(",")
      const { rows } = await database().queryText({ text: `select cardinality(array[${list}])`, values: new Array(most).fill(7) })
      expect(rows).toEqual([[String(most)]])
    })

    test("values that have no text are refused by their place, unshown", async () => {
      for (const value of [() => 1, Symbol("s3cr3t"), new Date(Number.NaN), { a: 1n }]) {
        const error = await failure(database().query(sql("select $1::text, $2::text", "fine", value)))
        expect(error.code).toBe("E_UNSUPPORTED_INPUT")
        expect(error.message).toContain("$2")
        expect(error.message).not.toContain("s3cr3t")
      }
      expect((await failure(database().query(sql("select 1 \0")))).code).toBe("E_UNSUPPORTED_INPUT")
    })

    test("an aborted signal sends nothing", async () => {
      const reason = new Error("enough")
      const error = await failure(
        database().query(sql("insert into conformance_item values (7)"), { signal: AbortSignal.abort(reason) }),
      )
      expect([error.code, error.cause]).toEqual(["E_ABORTED", reason])
      expect((await failure(database().acquire({ signal: AbortSignal.abort() }) as Promise<unknown>)).code).toBe("E_ABORTED")
      expect((await database().queryText(sql("select id from conformance_item"))).rows).toEqual([])
    })
  })
}

function cancelling(database: () => Database): void {
  describe("cancel", () => {
    test("a timeout cancels on the server and the session is usable", async ({ skip }) => {
      if (!database().capabilities.cancel) skip("this driver cannot cancel")
      await withSession(database(), async (session) => {
        const error = await failure(session.query(sql(longSleep), { timeoutMs: 50 }))
        expect([error.code, (error.cause as { code?: string }).code]).toEqual(["E_TIMEOUT", "57014"])
        expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
      })
    })

    test("an abort cancels, and never a later statement of the session", async ({ skip }) => {
      if (!database().capabilities.cancel) skip("this driver cannot cancel")
      await withSession(database(), async (session) => {
        for (let round = 0; round < 20; round++) {
          const abort = new AbortController()
          const work = failure(session.query(sql(longSleep), { signal: abort.signal }))
          // The cancel often comes before the statement has started: it must be repeated.
          setImmediate(() => abort.abort())
          expect((await work).code).toBe("E_ABORTED")
          expect((await session.queryText(sql("select count(*) from generate_series(1, 10000)"))).rows).toEqual([["10000"]])
        }
      })
    })

    test("a cancelled batch is rolled back by its caller, a cancelled cursor closes", async ({ skip }) => {
      if (!database().capabilities.cancel) skip("this driver cannot cancel")
      await withSession(database(), async (session) => {
        const batch = [sql("begin"), sql("insert into conformance_item values (5)"), sql(longSleep), sql("commit")]
        expect((await failure(session.batch(batch, { timeoutMs: 50 }))).code).toBe("E_TIMEOUT")
        await session.query(sql("rollback"))
        expect((await session.queryText(sql("select id from conformance_item"))).rows).toEqual([])
        const cursor = await session.cursor(sql("select n, case when n > 2 then pg_sleep(60) end from generate_series(1, 5) n"), {
          before: [sql("begin")],
          timeoutMs: 50,
        })
        expect((await failure(cursor.read(5))).code).toBe("E_TIMEOUT")
        await cursor.close()
        await session.query(sql("rollback"))
      })
    })
  })
}

function listening(database: () => Database): void {
  describe("listen", () => {
    test("notices arrive until closed, on names that need quotes too", async ({ skip }) => {
      const { listen, capabilities } = database()
      if (!capabilities.listen || listen === undefined) return skip("this driver cannot listen")
      const channel = 'Selecto "é" channel'
      const got: [string, string][] = []
      let wake = (): void => {}
      const listener = await listen.call(
        database(),
        [channel],
        (name, payload) => {
          got.push([name, payload])
          wake()
        },
        () => {},
      )
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      await database().query(sql("select pg_notify($1, $2)", channel, "payload é"))
      await woken
      expect(got).toEqual([[channel, "payload é"]])
      await listener.close()
      await listener.close()
      await database().query(sql("select pg_notify($1, 'late')", channel))
      await database().query(sql("select 1"))
      expect(got.length).toBe(1)
    })

    test("a notice of the listener's own comes back after all that was sent before it", async ({ skip }) => {
      const { listen, capabilities } = database()
      if (!capabilities.listen || listen === undefined) return skip("this driver cannot listen")
      const got: string[] = []
      let wake = (): void => {}
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const listener = await listen.call(
        database(),
        ["work", "echo"],
        (channel, payload) => {
          got.push(`${channel} ${payload}`)
          if (channel === "echo") wake()
        },
        () => {},
      )
      for (let n = 0; n < 50; n++) await database().query(sql("select pg_notify('work', $1)", String(n)))
      await listener.notify("echo", "here")
      await woken
      expect(got).toEqual([...Array.from({ length: 50 }, (_, n) => `work ${n}`), "echo here"])
      await listener.close()
    })

    test("the loss of the session is told once, and not after close()", async ({ skip }) => {
      const { listen, capabilities } = database()
      if (capabilities.sessions === "one" || listen === undefined) return skip("one session only")
      const losses: Error[] = []
      let wake = (): void => {}
      const lost = new Promise<void>((resolve) => {
        wake = resolve
      })
      const onLoss = (error: Error): void => {
        losses.push(error)
        wake()
      }
      const killed = await listen.call(database(), ["loss"], () => {}, onLoss)
      await database().query(
        sql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like 'listen loss%'"),
      )
      await lost
      expect(losses).toMatchObject([{ code: "E_CONNECTION" }])
      expect((await failure(killed.notify("loss", "late"))).code).toMatch(/E_CONNECTION|E_POOL_CLOSED/)
      await killed.close()
      const closed = await listen.call(database(), ["loss"], () => {}, onLoss)
      await closed.close()
      await database().query(sql("select 1"))
      expect(losses).toHaveLength(1)
    })
  })
}

function manySessions(database: () => Database): void {
  describe("many sessions", () => {
    test("two sessions run at once and have different backends", async ({ skip }) => {
      if (database().capabilities.sessions === "one") skip("one session only")
      await withSession(database(), (one) =>
        withSession(database(), async (two) => {
          expect(one.pid).not.toBe(two.pid)
          await one.query(sql("select pg_advisory_lock(4711)"))
          const { rows } = await two.queryText(sql("select pg_try_advisory_lock(4711)"))
          expect(rows).toEqual([["f"]])
          await one.query(sql("select pg_advisory_unlock(4711)"))
        }),
      )
    })

    test("where there is one session, the next user waits for it, and may give up", async ({ skip }) => {
      if (database().capabilities.sessions === "many") skip("many sessions")
      const session = await database().acquire()
      const order: string[] = []
      const second = database()
        .query(sql("select 1"))
        .then(() => order.push("second"))
      expect((await failure(database().query(sql("select 1"), { timeoutMs: 20 }))).code).toBe("E_POOL_TIMEOUT")
      const abort = new AbortController()
      const third = failure(database().acquire({ signal: abort.signal }) as Promise<unknown>)
      abort.abort()
      expect((await third).code).toBe("E_ABORTED")
      await session.query(sql("select 1"))
      order.push("first")
      session.release()
      await second
      expect(order).toEqual(["first", "second"])
    })
  })
}

async function bytesOf(reader: CopyReader): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for (let piece = await reader.read(); piece !== null; piece = await reader.read()) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

function copying(database: () => Database): void {
  describe("COPY to the client", () => {
    /** The session of a driver that has it; the test is skipped where it has not. */
    async function copied(
      skip: (note: string) => void,
      run: (copy: NonNullable<Session["copyOut"]>, session: Session) => Promise<void>,
    ) {
      await withSession(database(), async (session) => {
        if (session.copyOut === undefined) return skip("this driver has no COPY")
        await run(session.copyOut.bind(session), session)
      })
    }

    test("gives the server's bytes, whole rows a piece, and counts them", async ({ skip }) => {
      await copied(skip, async (copy, session) => {
        const reader = await copy("copy (select n, repeat('x', n % 300) from generate_series(1, 20000) n) to stdout")
        let rows = 0
        for (let piece = await reader.read(); piece !== null; piece = await reader.read()) {
          const text = Buffer.from(piece).toString()
          expect(text.endsWith("\n")).toBe(true)
          for (const line of text.trimEnd().split("\n")) {
            const [n, x] = line.split("\t") as [string, string]
            expect([Number(n), x.length]).toEqual([++rows, rows % 300])
          }
        }
        expect([rows, reader.rows]).toEqual([20_000, 20_000])
        await reader.close()
        expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
      })
    })

    test("a row longer than any buffer comes whole, and so does nothing at all", async ({ skip }) => {
      await copied(skip, async (copy) => {
        const long = await copy("copy (select repeat('ä', 3000000)) to stdout")
        expect((await bytesOf(long)).toString()).toBe(`${"ä".repeat(3_000_000)}\n`)
        await long.close()
        const empty = await copy("copy (select 1 where false) to stdout")
        expect((await bytesOf(empty)).length).toBe(0)
        expect(empty.rows).toBe(0)
        await empty.close()
      })
    })

    test("what the server refuses, at once or in the middle, is its coded error, and the session is usable", async ({ skip }) => {
      await copied(skip, async (copy, session) => {
        for (const text of [
          "copy (select 1 / (50000 - n) from generate_series(1, 60000) n) to stdout",
          "copy (select nothing) to stdout",
        ]) {
          const reader = await copy(text)
          expect((await failure(bytesOf(reader))).code).toBe("E_DATABASE")
          await reader.close()
          expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
        }
      })
    })

    test("an abort, a timeout and a reader that stops cancel on the server", async ({ skip }) => {
      await copied(skip, async (copy, session) => {
        const endless = "copy (select generate_series(1, 1000000000)) to stdout"
        const abort = new AbortController()
        const aborted = await copy(endless, { signal: abort.signal })
        await aborted.read()
        abort.abort()
        expect((await failure(bytesOf(aborted))).code).toBe("E_ABORTED")
        await aborted.close()
        const late = await copy("copy (select pg_sleep(60)) to stdout", { timeoutMs: 50 })
        expect((await failure(bytesOf(late))).code).toBe("E_TIMEOUT")
        await late.close()
        const stopped = await copy(endless)
        await stopped.read()
        await stopped.close()
        await stopped.close()
        expect((await session.queryText(sql("select 1"))).rows).toEqual([["1"]])
      })
    })

    test("the server waits for a reader who is slow", async ({ skip }) => {
      await copied(skip, async (copy, session) => {
        const reader = await copy("copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout")
        await reader.read()
        const waiting = sql("select wait_event from pg_stat_activity where pid = $1", session.pid)
        for (let event: unknown = null; event !== "ClientWrite"; ) {
          const { rows } = await database().query<{ wait_event: string | null }>(waiting)
          event = rows[0]!.wait_event
        }
        expect(reader.rows).toBeLessThan(100_000)
        expect((await bytesOf(reader)).length).toBeGreaterThan(100_000_000)
        expect(reader.rows).toBe(200_000)
        await reader.close()
      })
    })
  })
}
