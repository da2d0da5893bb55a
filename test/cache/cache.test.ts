import { beforeAll, describe, expect, test } from "vitest"
import type { Selecto } from "../../src/client/selecto.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { cacheShop } from "./support.ts"

for (const version of serverVersions)
  for (const mode of ["strict", "delivered"] as const)
    describe.skipIf(serverMissing(version))(`results kept in mode ${mode}, PostgreSQL ${version}`, () => {
      const shop = cacheShop(version)
      let selecto: Selecto
      beforeAll(async () => {
        selecto = shop.open({ cache: { mode } })
        await selecto.cache.install(["customers", "orders", "log", "other"])
      })

      const total = "select sum(total)::text as total from orders"
      const run = (text: string, values: readonly unknown[] = [], on = selecto) =>
        on.statement<Record<string, unknown>>(text, values).cache().run()
      const source = async (text: string, values: readonly unknown[] = [], on = selecto): Promise<string> =>
        (await run(text, values, on)).report.source

      test("the second run is given what the first has read, until a table changes", async () => {
        expect(await source(total)).toBe("database")
        const second = await run(total)
        expect(second.report).toMatchObject({ source: "cache", warnings: [], timings: { poolWait: 0, server: 0 } })
        expect(second.report.asOf!.at).toBeInstanceOf(Date)
        await selecto.statement("update orders set total = total + 1 where id = 1").execute()
        const third = await run(total)
        expect(third).toMatchObject({ rows: [{ total: "5051" }], report: { source: "database" } })
        expect(await source(total)).toBe("cache")
        // A table that it does not read.
        await selecto.statement("update other set n = n + 1").execute()
        expect(await source(total)).toBe("cache")
      })

      test("a change that others commit is seen: DML of any kind, cascades, TRUNCATE, a partition's own", async () => {
        const seen = `select (select count(*) from orders)::int as o, (select count(*) from log)::int as l,
          (select count(*) from customers)::int as c`
        const changes = [
          "insert into orders values (1001, 1, 3)",
          "delete from customers where id = 5",
          "insert into log_low values (700, 'direct')",
          `merge into orders o using (values (1001), (1002)) v (id) on o.id = v.id
             when matched then delete when not matched then insert values (v.id, 1, 1)`,
          "truncate log",
          "create table log_high partition of log for values from (1000) to (2000); insert into log_high values (1500, 'new')",
          "begin; savepoint a; insert into orders values (1003, 1, 1); rollback to a; insert into orders values (1004, 1, 1); commit",
        ]
        for (const change of changes) {
          await run(seen)
          await shop.query(change)
          await expect.poll(async () => (await run(seen)).rows, { message: change }).toEqual(await shop.query(seen))
        }
        await run(seen)
        await shop.query("begin; delete from orders; rollback")
        expect(await source(seen)).toBe("cache")
      })

      test("in a transaction nothing is given or kept; its end is seen at once", async () => {
        await run(total)
        await selecto.transaction(async (tx) => {
          await tx.statement("update orders set total = total + 10 where id = 2").execute()
          expect(await source(total, [], tx)).toBe("database")
        })
        const before = (await run(total)).rows
        expect(before).toEqual(await shop.query(total))
        expect(await source(total)).toBe("cache")
        await expect(
          selecto.transaction(async (tx) => {
            await tx.statement("delete from orders").execute()
            throw new Error("mine")
          }),
        ).rejects.toThrow("mine")
        expect((await run(total)).rows).toEqual(before)
      })

      test("definitions that change are seen", async () => {
        const view = "select count(*)::int as n from big_orders"
        await run(view)
        await expect.poll(() => source(view)).toBe("cache")
        await shop.query(`create or replace view big_orders as
          select o.id, o.total, c.region from orders o join customers c on c.id = o.customer_id where o.total > 90`)
        await expect.poll(async () => (await run(view)).rows).toEqual(await shop.query(view))
      })

      test("keys: values with their types, the statement's settings, what rows are made of", async () => {
        const text = "select id from other where id::text = $1::text"
        await run(text, [1])
        expect(await source(text, [1])).toBe("cache")
        expect(await source(text, ["1"])).toBe("database")
        expect(await source(text, [2])).toBe("database")
        const hinted = await selecto.statement(text, [1]).cache().hint("work_mem", "5MB").run()
        expect(hinted.rows).toEqual([{ id: 1 }])
        const domain = (type: "integer" | "string") =>
          defineDomain({ name: "Other", source: { table: "other", primaryKey: "id", columns: { id: "integer", n: type } } })
        const numbers = await selecto.from(domain("integer")).select("n").orderBy("n").cache().execute()
        const texts = await selecto.from(domain("string")).select("n").orderBy("n").cache().execute()
        expect([typeof numbers[0]!.n, typeof texts[0]!.n]).toEqual(["number", "string"])
      })

      test("rows are nobody's to change, and keep their types", async () => {
        const text = "select id, seen, extra, raw, id::numeric as n from customers order by id limit 2"
        const first = await run(text)
        const kept = structuredClone(first.rows)
        first.rows.pop()
        const changed = first.rows[0]!
        ;(changed.extra as Record<string, unknown>).n = "changed"
        ;(changed.seen as Date).setTime(0)
        const second = await run(text)
        expect(second.report.source).toBe("cache")
        expect(second.rows.map((row) => ({ ...row, raw: null }))).toEqual(kept.map((row) => ({ ...row, raw: null })))
        expect((second.rows[0]!.raw as Buffer).toString("hex")).toBe("0102")
        expect(() => {
          second.rows[0]!.id = 7
        }).toThrow(TypeError)
        ;(second.rows[0]!.raw as Buffer)[0] = 9
        expect(((await run(text)).rows[0]!.raw as Buffer).toString("hex")).toBe("0102")
      })

      test("what cannot be kept says why", async () => {
        await shop.query("create table uninstalled (id int)")
        // Until the definition has been heard of, nothing is refused: nothing is looked at.
        await expect.poll(async () => (await run("select now()")).report.warnings[0]?.code).toBe("cache_refused")
        const refusals: Record<string, RegExp> = {
          "select now()": /now\(\) tells of/,
          "select current_date": /clock/,
          "select 'today'::date": /clock/,
          "select random()": /VOLATILE/,
          "select id from orders for update": /FOR UPDATE/,
          "select id from orders tablesample system (10)": /TABLESAMPLE/,
          "select relname from pg_class": /system catalog/,
          "select doubled(total) from orders": /doubled\(\) is a function of this database/,
          "select at from clocked": /now\(\) tells of/,
        }
        for (const [text, reason] of Object.entries(refusals)) {
          const { report } = await run(text)
          expect(report.source, text).toBe("database")
          expect(report.warnings[0], text).toMatchObject({ code: "cache_refused", message: expect.stringMatching(reason) })
        }
        await expect(run("select nope from nowhere")).rejects.toMatchObject({ code: "E_DATABASE" })
        const missing = await run("select count(*) from uninstalled")
        expect(missing.report.warnings).toEqual([
          { code: "cache_not_installed", message: expect.stringContaining('selecto.cache.install(["public.uninstalled"])') },
        ])
        const own = shop.open({ cache: { mode, functions: ["doubled"] } })
        await run("select doubled(total) from orders where id = 3", [], own)
        expect(await source("select doubled(total) from orders where id = 3", [], own)).toBe("cache")
        expect(Object.keys(selecto.cache.stats().bypasses).length).toBeGreaterThan(5)
      })

      test("two misses at once run one statement, where that is allowed", async () => {
        const before = selecto.cache.stats()
        const text = "select count(*)::int as n, max(a.id) as m from orders a, orders b, orders c where a.id > $1"
        await run(text, [50])
        const results = await Promise.all(Array.from({ length: 4 }, () => run(text, [0])))
        for (const { rows } of results) expect(rows).toEqual(results[0]!.rows)
        const { misses, joined } = selecto.cache.stats()
        expect(misses - before.misses).toBe(mode === "strict" ? 5 : 2)
        expect(joined - before.joined).toBe(mode === "strict" ? 0 : 3)
      })

      test("an error is not kept, and not handed to who joined", async () => {
        const text = "select 1 / (total - total) from orders where id = $1"
        for (let round = 0; round < 2; round++) await expect(run(text, [1])).rejects.toMatchObject({ sqlState: "22012" })
        const controller = new AbortController()
        const slow = "select count(*)::int as n from orders a, orders b, orders c where a.id <> $1"
        const first = selecto.statement(slow, [7]).cache().run({ signal: controller.signal })
        const second = run(slow, [7])
        controller.abort()
        await first.catch(() => {})
        expect((await second).rows).toEqual(await shop.query(slow, [7]))
      })

      test("by name: tables, tags, all; a partition's change is its parent's", async () => {
        const read = (tag: string) =>
          selecto
            .statement("select count(*)::int as n from log where $1 <> ''", [tag])
            .cache({ tags: [tag] })
            .run()
        for (const drop of [{ tags: ["a"] }, { tables: ["log_low"] }, { tables: ["log"] }]) {
          await read("a")
          await read("b")
          expect((await read("a")).report.source).toBe("cache")
          await selecto.cache.invalidate(drop)
          expect((await read("a")).report.source).toBe("database")
          expect((await read("b")).report.source).toBe("tags" in drop ? "cache" : "database")
        }
        selecto.cache.clear()
        expect(selecto.cache.stats()).toMatchObject({ entries: 0, bytes: 0 })
        await expect(selecto.cache.invalidate({ tables: ["nowhere"] })).rejects.toMatchObject({ code: "E_UNKNOWN_TABLE" })
        await expect(selecto.cache.invalidate({})).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
      })

      test("a time to live ends a result; for a while after it is given while a new one is fetched", async () => {
        const brief = () =>
          selecto.statement("select count(*)::int as n from other").cache({ ttl: "200ms", staleWhileRevalidate: "1h" }).run()
        await brief()
        await expect.poll(async () => (await brief()).report.warnings.map(({ code }) => code)).toEqual(["cache_stale"])
        await expect.poll(async () => (await brief()).report).toMatchObject({ source: "cache", warnings: [] })
        await selecto.statement("insert into other select max(id) + 1, 0 from other").execute()
        expect((await brief()).report).toMatchObject({ source: "cache", warnings: [{ code: "cache_stale" }] })
        await expect.poll(async () => (await brief()).rows).toEqual(await shop.query("select count(*)::int as n from other"))
      })

      test("a result that does not fit is not kept, and the longest unread goes first", async () => {
        const small = shop.open({ cache: { mode, maxBytes: 4500 } })
        const one = (id: number) =>
          small.statement("select id, repeat('x', 300) as filler from other where id = $1", [id]).cache().run()
        await one(1)
        await one(2)
        expect((await one(1)).report.source).toBe("cache")
        await one(3)
        expect((await one(1)).report.source).toBe("cache")
        expect((await one(2)).report.source).toBe("database")
        await small.statement("select id, repeat('x', 300) as filler from other").cache().run()
        expect(small.cache.stats().bytes).toBeLessThanOrEqual(4500)
      })
    })

describe.skipIf(serverMissing(18))("a cache without triggers", () => {
  const shop = cacheShop(18)

  test('in mode "ttl" a result lives as long as it was told, whatever changes; options are checked', async () => {
    const selecto = shop.open({ cache: { mode: "ttl" } })
    const run = () => selecto.statement("select count(*)::int as n from orders").cache({ ttl: "1h" }).run()
    await run()
    await shop.query("delete from orders where id = 100")
    expect(await run()).toMatchObject({ rows: [{ n: 100 }], report: { source: "cache" } })
    await selecto.cache.invalidate({ tables: ["orders"] })
    expect(await run()).toMatchObject({ rows: [{ n: 99 }], report: { source: "database" } })
    await expect(selecto.statement("select 1").cache().run()).rejects.toMatchObject({ code: "E_INVALID_OPTION", path: "ttl" })
    expect(() => selecto.statement("select 1").cache({ tll: 1 } as never)).toThrow(expect.objectContaining({ path: "tll" }))
    for (const cache of [{ mode: "best" }, { maxBytes: 0 }, { functions: "f" }])
      expect(() => shop.open({ cache: cache as never })).toThrow(expect.objectContaining({ code: "E_INVALID_OPTION" }))
  })

  test("where nothing is installed a statement runs as always and the report says what to call", async () => {
    for (const mode of ["strict", "delivered"] as const) {
      const selecto = shop.open({ cache: { mode } })
      const result = await selecto.statement("select count(*)::int as n from orders").cache().run()
      expect(result.report).toMatchObject({ source: "database", warnings: [{ code: "cache_not_installed" }] })
      expect((await selecto.cache.status()).installed).toBe(false)
    }
  })
})
