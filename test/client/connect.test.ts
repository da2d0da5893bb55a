import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { isSelectoError, MultipleResultsError, NoResultError } from "../../src/errors.ts"
import { count, sum } from "../../src/query/aggregate.ts"
import { coalesce } from "../../src/query/calls.ts"
import { gt, oneOf } from "../../src/query/condition.ts"
import { desc, expr, nest, notNull, ref } from "../../src/query/expression.ts"
import { from } from "../../src/query/query.ts"
import { eachServer, serverTarget } from "../support/each-server.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import type { Template } from "../support/test-database.ts"

const shop: Template = {
  name: "client",
  async build(filler) {
    await filler.exec(`
      create type mood as enum ('calm', 'wild');
      create table customers (id integer primary key, region text);
      create table orders (id integer primary key, customer_id integer references customers, total numeric(12,2) not null, big bigint not null,
        placed timestamptz not null, day date not null, tags text[] not null, mood mood not null, doc jsonb, raw bytea not null, note text);
      create table items (id integer primary key, order_id integer not null references orders, product text not null, qty integer not null);
      insert into customers values (1, 'EU'), (2, 'NA'), (3, null);
      insert into orders select n, 1 + n % 3, n * 1.5, 9007199254740993, timestamptz '2024-01-01 10:00:00.123456+02' + n * interval '1 day', date '2024-01-01' + n,
        array['a', 'b c', null, 'd"e'], (array['calm','wild'])[1 + n % 2]::mood, '{"a": [1, null]}', '\\x00ff', case when n % 4 = 0 then 'note' end
      from generate_series(1, 20) n;
      insert into items select n, 1 + n % 10, 'product ' || n, n % 5 from generate_series(1, 40) n;
      create function fail() returns integer language plpgsql as $$ begin raise exception 'no' using errcode = 'P0001'; end $$;
    `)
  },
}

const orders = defineDomain({
  name: "Orders",
  source: {
    table: "orders",
    primaryKey: "id",
    columns: {
      id: "integer",
      customer_id: "integer",
      total: "decimal",
      big: "bigint",
      placed: "timestamptz",
      day: "date",
      tags: { type: "array", of: "string" },
      mood: { type: "enum", pgType: "mood", values: ["calm", "wild"] },
      doc: "jsonb?",
      raw: "bytea",
      note: "string?",
    },
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
      items: { target: "items", ownerKey: "id", relatedKey: "order_id", many: true },
    },
  },
  schemas: {
    customers: { table: "customers", primaryKey: "id", columns: { id: "integer", region: "string?" } },
    items: {
      table: "items",
      primaryKey: "id",
      columns: { id: "integer", order_id: "integer", product: "string", qty: "integer" },
    },
  },
  joins: { customer: { type: "left" }, items: { type: "left" } },
})

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return isSelectoError(error) ? error.code : `not ours: ${String(error)}`
  }
  return "no error"
}

eachServer(
  "a connected Selecto",
  (target) => {
    let selecto: Selecto
    beforeAll(() => {
      selecto = connect(target.source)
    })
    afterAll(async () => {
      await selecto.close()
    })

    test("rows come as declared, whatever the driver's parsers", async () => {
      const row = await selecto
        .from(orders)
        .select("id", "total", "big", "placed", "day", "tags", "mood", "doc", "raw", "note", "customer.region")
        .filter({ id: 1 })
        .executeOne()
      expect(row).toEqual({
        id: 1,
        total: "1.50",
        big: "9007199254740993",
        placed: new Date("2024-01-02T08:00:00.123Z"),
        day: "2024-01-02",
        tags: ["a", "b c", null, 'd"e'],
        mood: "wild",
        doc: { a: [1, null] },
        raw: new Uint8Array([0, 255]),
        note: null,
        "customer.region": "NA",
      })
    })

    test("aggregates, nested rows and expressions", async () => {
      const rows = await selecto
        .from(orders)
        .select({ region: "customer.region", n: count(), total: coalesce(sum("total"), 0) })
        .groupBy("customer.region")
        .orderBy(desc("total"))
        .execute()
      expect(rows).toEqual(
        [
          { region: null, n: 7, total: "115.50" },
          { region: "NA", n: 7, total: "105.00" },
          { region: "EU", n: 6, total: "94.50" },
        ].sort((a, b) => Number(b.total) - Number(a.total)),
      )
      const nested = await selecto
        .from(orders)
        .select({
          id: "id",
          year: expr<number>`extract(year from ${ref("placed")})`,
          items: nest("items", { product: "product", qty: "qty" }, { orderBy: "id", limit: 2 }),
        })
        .filter({ id: oneOf([2, 20]) })
        .orderBy("id")
        .execute()
      expect(nested).toEqual([
        {
          id: 2,
          year: 2024,
          items: [
            { product: "product 1", qty: 1 },
            { product: "product 11", qty: 1 },
          ],
        },
        { id: 20, year: 2024, items: [] },
      ])
    })

    test("executeOne refuses none and several", async () => {
      const q = selecto.from(orders).select("id")
      await expect(q.filter({ id: 999 }).executeOne()).rejects.toBeInstanceOf(NoResultError)
      await expect(q.executeOne()).rejects.toBeInstanceOf(MultipleResultsError)
    })

    test("a null where notNull was promised is an error", async () => {
      expect(
        await codeOf(
          selecto
            .from(orders)
            .select({ note: notNull("note") })
            .filter({ id: 1 })
            .execute(),
        ),
      ).toBe("E_UNEXPECTED_NULL")
    })

    test("statement and sql bind values and keep the driver's rows", async () => {
      expect(await selecto.statement<{ n: number }>("select $1::int + 1 as n", [41]).execute()).toEqual([{ n: 42 }])
      const hostile = "'; drop table orders; --"
      expect(await selecto.sql`select ${hostile}::text as t, ${2}::int as n`.execute()).toEqual([{ t: hostile, n: 2 }])
      expect(await codeOf(Promise.resolve().then(() => (selecto.sql as unknown as (text: string) => unknown)("select 1")))).toBe(
        "E_UNSUPPORTED_INPUT",
      )
    })

    test("a report says what happened", async () => {
      const { rows, columns, report } = await selecto
        .from(orders)
        .select("id")
        .filter({ "items.qty": gt(3) })
        .run()
      expect(rows.length).toBe(8)
      expect(columns.map((column) => column.name)).toEqual(["id"])
      expect(report.source).toBe("database")
      expect(report.sql).toContain("LEFT JOIN items")
      expect(report.warnings.map((warning) => warning.code)).toEqual(["fan_out"])
      for (const time of Object.values(report.timings)) expect(time).toBeGreaterThanOrEqual(0)
    })

    test("streams to the end, and stops when its reader does", async () => {
      const q = selecto.from(orders).select("id").orderBy("id")
      const ids: number[] = []
      for await (const row of q.stream({ batchSize: 7 })) ids.push(row.id)
      expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
      for await (const row of q.stream({ batchSize: 3 })) {
        if (row.id === 4) break
      }
      const raw: unknown[] = []
      for await (const row of selecto.statement("select id, total from orders order by id limit 2").stream({ batchSize: 1 }))
        raw.push(row)
      expect(raw).toEqual([
        { id: 1, total: "1.50" },
        { id: 2, total: "3.00" },
      ])
      // The session is free again: with one session this would wait for ever.
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
    })

    test("a stream that fails half-way reports the error and leaves nothing open", async () => {
      const read = async (): Promise<void> => {
        for await (const _ of selecto
          .statement("select 1 / (5 - n) as x from generate_series(1, 10) n")
          .stream({ batchSize: 2 })) {
          // Reading is all there is to do.
        }
      }
      await expect(read()).rejects.toMatchObject({ code: "E_DATABASE", sqlState: "22012" })
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
    })

    test("transactions commit, roll back, and notice a caught failure", async () => {
      const insert = (tx: Selecto, id: number) => tx.statement("insert into customers values ($1, 'X')", [id]).execute()
      const has = async (id: number) =>
        (await selecto.statement("select 1 from customers where id = $1", [id]).execute()).length === 1
      expect(await selecto.transaction((tx) => insert(tx, 100).then(() => 7))).toBe(7)
      expect(await has(100)).toBe(true)
      await expect(
        selecto.transaction(async (tx) => {
          await insert(tx, 101)
          throw new Error("mine")
        }),
      ).rejects.toThrow("mine")
      expect(await has(101)).toBe(false)
      const caught = selecto.transaction(async (tx) => {
        await insert(tx, 102)
        await tx
          .statement("select fail()")
          .execute()
          .catch(() => {})
      })
      expect(await codeOf(caught)).toBe("E_TRANSACTION_ABORTED")
      expect(await has(102)).toBe(false)
      expect(await codeOf(selecto.transaction((tx) => tx.transaction(async () => {})))).toBe("E_TRANSACTION_CONFLICT")
      expect(await codeOf(selecto.transaction((tx) => insert(tx, 103), { readOnly: true }))).toBe("E_DATABASE")
    })

    test("a transaction that has ended takes no more statements", async () => {
      let kept: Selecto | undefined
      await selecto.transaction(async (tx) => {
        kept = tx
      })
      const late = kept!.from(orders).select("id")
      expect(await codeOf(late.execute())).toBe("E_TRANSACTION_ENDED")
      expect(() => late.stream()).toThrow(expect.objectContaining({ code: "E_TRANSACTION_ENDED" }))
      expect(await codeOf((async () => late.explain())())).toBe("E_TRANSACTION_ENDED")
    })

    test("a signal that is aborted between two statements of a transaction rolls back: E_ABORTED", async () => {
      const abort = new AbortController()
      const reason = new Error("enough")
      const work = selecto.transaction(
        async (tx) => {
          await tx.statement("insert into customers values (200, 'X')").execute()
          abort.abort(reason)
        },
        { signal: abort.signal },
      )
      await expect(work).rejects.toMatchObject({ code: "E_ABORTED", cause: reason })
      expect(await selecto.statement("select 1 from customers where id = 200").execute()).toEqual([])
    })

    test("hints travel with the statement, leave nothing behind, and say whether they worked", async () => {
      const q = selecto
        .from(orders)
        .select("id")
        .filter({ id: 1 })
        .hint("work_mem", "77MB")
        .hint("disable_nested_loop", ["orders", "customer"])
      const { hints } = await q.filter({ "customer.region": "NA" }).checkHints()
      expect(hints.map(({ hint, status }) => [hint, status])).toContainEqual(["work_mem", "honoured"])
      const { rows, report } = await q.filter({ "customer.region": "NA" }).run()
      expect(rows).toEqual([{ id: 1 }])
      expect(report.hints).toMatchObject({ settings: { work_mem: expect.anything() } })
      expect(await selecto.statement("show work_mem").execute()).not.toEqual([{ work_mem: "77MB" }])
      expect(() => q.hint("no_such_hint" as never, 1 as never)).toThrow(expect.objectContaining({ code: "E_UNKNOWN_HINT" }))
      const shown = await selecto.statement("select current_setting('work_mem') as mem").hint("work_mem", "77MB").execute()
      expect(shown).toEqual([{ mem: "77MB" }])
    })

    test("explain gives a plan, measured on request, and never writes", async () => {
      const plan = await selecto
        .from(orders)
        .select("id")
        .filter({ "customer.region": "EU" })
        .explain({ analyze: true, buffers: true })
      expect(plan.executionTime).toBeGreaterThan(0)
      expect(plan.root.actual).not.toBeNull()
      await expect(selecto.statement("delete from items returning id").explain({ analyze: true })).rejects.toMatchObject({
        name: "SelectoError",
      })
      expect((await selecto.statement("select count(*)::int as n from items").execute())[0]).toEqual({ n: 40 })
    })
  },
  { template: shop },
)

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`endings, PostgreSQL ${version}`, () => {
    const target = serverTarget(version, shop)
    const busy = async (): Promise<number> => {
      const { rows } = await target.sql.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'",
      )
      return rows[0]!.n as number
    }
    let selecto: Selecto
    beforeAll(() => {
      selecto = connect(target.source, { maxConnections: 2 })
    })
    afterAll(async () => {
      await selecto.close()
    })

    test("a timeout cancels on the server and frees the session", async () => {
      const slow = selecto.statement("select pg_sleep(60)")
      expect(await codeOf(slow.execute({ timeoutMs: 100 }))).toBe("E_TIMEOUT")
      expect(await codeOf(slow.hint("work_mem", "8MB").execute({ timeoutMs: 100 }))).toBe("E_TIMEOUT")
      expect(await busy()).toBe(0)
    })

    test("an abort cancels execute, stream and transaction, and frees the session", async () => {
      const aborted = (work: (signal: AbortSignal) => Promise<unknown>): Promise<string> => {
        const controller = new AbortController()
        const ending = codeOf(work(controller.signal))
        setTimeout(() => controller.abort(), 50)
        return ending
      }
      expect(await aborted((signal) => selecto.statement("select pg_sleep(60)").execute({ signal }))).toBe("E_ABORTED")
      expect(
        await aborted(async (signal) => {
          for await (const _ of selecto
            .statement("select n, pg_sleep(0.01) from generate_series(1, 10000) n")
            .stream({ signal, batchSize: 10 })) {
            // Reading is all there is to do.
          }
        }),
      ).toBe("E_ABORTED")
      expect(
        await aborted((signal) =>
          selecto.transaction((tx) => tx.statement("select pg_sleep(60)").execute({ signal }), { signal }),
        ),
      ).toBe("E_ABORTED")
      expect(await busy()).toBe(0)
    })

    test("an exhausted pool gives up in time, and works again afterwards", async () => {
      const holders = [selecto.statement("select pg_sleep(0.5)").execute(), selecto.statement("select pg_sleep(0.5)").execute()]
      expect(await codeOf(selecto.statement("select 1").hint("work_mem", "8MB").execute({ timeoutMs: 50 }))).toBe(
        "E_POOL_TIMEOUT",
      )
      await Promise.all(holders)
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
    })

    test("a session killed in the middle is an error, and not given to the next", async () => {
      const dying = codeOf(selecto.statement("select pg_terminate_backend(pg_backend_pid()), pg_sleep(1)").execute())
      expect(await dying).toBe("E_CONNECTION")
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
      const read = async (): Promise<void> => {
        for await (const row of selecto
          .statement<{ n: number }>("select n from generate_series(1, 100000) n")
          .stream({ batchSize: 100 }))
          if (row.n === 500)
            await target.sql.query(
              "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
            )
      }
      expect(await codeOf(read())).toBe("E_CONNECTION")
      expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
      expect(await busy()).toBe(0)
    })

    test("more values than the protocol can count are refused before anything is sent", async () => {
      const values = Array.from({ length: 65_536 }, (_, n) => n)
      expect(
        await codeOf(selecto.statement(`select 1 where 1 in (${values.map((n) => `$${n + 1}`).join(", ")})`, values).execute()),
      ).toBe("E_TOO_MANY_PARAMETERS")
      expect(
        await selecto
          .from(orders)
          .select({ n: count() })
          .filter({ id: oneOf(values) })
          .execute(),
      ).toEqual([{ n: 20 }])
    })

    test("a closed pool says so", async () => {
      const closed = connect(target.source)
      await closed.statement("select 1").execute()
      await closed.close()
      expect(await codeOf(closed.statement("select 1").execute())).toBe("E_POOL_CLOSED")
    })
  })

describe("without a database", () => {
  test("connect refuses what is none, and a lone query does not run", async () => {
    expect(() => connect(undefined)).toThrow(expect.objectContaining({ code: "E_NO_DATABASE_URL" }))
    expect(() => connect({})).toThrow(expect.objectContaining({ code: "E_UNSUPPORTED_INPUT" }))
    expect(await codeOf(Promise.resolve().then(() => from(orders).select("id").execute()))).toBe("E_NOT_CONNECTED")
    const nowhere = connect("postgresql://nobody@127.0.0.1:1/none")
    expect(await codeOf(nowhere.from(orders).select("id").execute())).toBe("E_CONNECTION")
    await nowhere.close()
  })
})
