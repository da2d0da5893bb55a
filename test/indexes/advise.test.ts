import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import {
  type Advice,
  type AdviseOptions,
  advise,
  adviseStatement,
  realPlanner,
  type WorkloadStatement,
} from "../../src/indexes/index.ts"
import { type OpenPlanner, openPlanner } from "../../src/indexes/what-if/open.ts"
import { eachServer } from "../support/each-server.ts"
import { shop } from "./shop.ts"

eachServer(
  "index advice",
  (target) => {
    let db: Database
    let planner: OpenPlanner
    beforeAll(async () => {
      db = openDatabase(target.source)
      planner = await openPlanner(db, { whatIf: "shadow" })
    })
    afterAll(async () => {
      await planner?.close()
      await db.close()
    })

    function advised(workload: readonly WorkloadStatement[], options: AdviseOptions = {}): Promise<Advice> {
      return advise(db, workload, { planner, ...options })
    }
    async function indexesFor(text: string, options: AdviseOptions & { values?: unknown[] } = {}): Promise<string[]> {
      const advice = await advised([options.values === undefined ? { text } : { text, values: options.values }], options)
      return advice.recommendations.map((one) => one.sql.replace(/^CREATE INDEX CONCURRENTLY \S+ ON (public\.)?/, "")).sort()
    }

    describe("candidates that pay", () => {
      test("equality, the most selective first, with a range after it", async () => {
        expect(await indexesFor("select * from orders where customer_id = 17")).toEqual(["orders (customer_id)"])
        expect(
          await indexesFor("select * from orders where customer_id = $1 and created_at > $2", { values: [17, "2024-03-01"] }),
        ).toEqual(["orders (customer_id)"])
        expect(await indexesFor("select * from customers where lower(email) = 'user17@example.org'")).toEqual([
          "customers (lower(email))",
        ])
        expect(await indexesFor("select id from orders where attrs->>'brand' = 'b17'")).toEqual(["orders ((attrs ->> 'brand'))"])
      })

      test("a rare NULL, boolean or constant", async () => {
        expect(await indexesFor("select * from orders where paid_at is null order by created_at limit 20")).toEqual([
          "orders (created_at) WHERE paid_at IS NULL",
        ])
        // The primary key gives the order too, and reads every row on the way.
        expect(await indexesFor("select id, note from orders where paid_at is null order by id limit 20")).toEqual([
          "orders (id) WHERE paid_at IS NULL",
        ])
        const [partial] = await indexesFor("select * from customers where not active order by created_at limit 5")
        expect(partial).toMatch(/^customers \(created_at\)/)
      })

      test("an ordering with a limit, its directions kept where they are mixed", async () => {
        expect(await indexesFor("select * from orders order by total desc limit 10")).toEqual(["orders (total)"])
        expect(await indexesFor("select * from customers order by region, created_at desc limit 10")).toEqual([
          "customers (region, created_at DESC)",
        ])
        expect(await indexesFor("select max(total) from orders")).toEqual(["orders (total)"])
      })

      test("both sides of a join, both arms of an OR", async () => {
        const join =
          "select o.total, i.qty from customers c join orders o on o.customer_id = c.id join items i on i.order_id = o.id where c.email = 'user5@example.org'"
        expect(await indexesFor(join)).toEqual(["customers (email)", "orders (customer_id)"])
        expect(await indexesFor("select * from orders where customer_id = 3 or total = 17.17")).toEqual([
          "orders (customer_id)",
          "orders (total)",
        ])
      })

      test("arrays, documents and prefixes by their own methods", async () => {
        expect(await indexesFor("select id from orders where tags @> array['t17']")).toEqual(["orders USING gin (tags)"])
        expect(await indexesFor('select id from orders where attrs @> \'{"brand":"b17"}\'')).toEqual([
          "orders USING gin (attrs jsonb_path_ops)",
        ])
        expect(await indexesFor("select * from customers where email like 'user77%'")).toEqual([
          expect.stringMatching(/^customers \(email( text_pattern_ops)?\)$/),
        ])
      })

      test("through views, subqueries, CTEs and UNION arms, down to the table", async () => {
        expect(await indexesFor("select * from recent where buyer = 17")).toEqual([
          expect.stringMatching(/^orders \(customer_id/),
        ])
        expect(await indexesFor("with o as (select * from orders) select * from o where customer_id = 17")).toEqual([
          "orders (customer_id)",
        ])
        expect(
          await indexesFor(
            "select * from (select customer_id as c from orders union all select product from items) u where c = 17",
          ),
        ).toHaveLength(2)
        expect(
          await indexesFor("select * from customers c where id = 5 and exists (select 1 from orders where customer_id = c.id)"),
        ).toEqual(["orders (customer_id)"])
      })

      test("for UPDATE, DELETE and the foreign keys behind them", async () => {
        expect(await indexesFor("update orders set note = 'x' where customer_id = 17")).toEqual(["orders (customer_id)"])
        const advice = await advised([{ text: "delete from customers where id = 17" }])
        expect(advice.recommendations).toMatchObject([
          { table: "orders", columns: ["customer_id"], patterns: ["foreign_key"], confidence: "verified" },
        ])
        expect(advice.statements[0]!.costAfter!).toBeLessThan(advice.statements[0]!.costBefore! / 5)
        // All columns of the key, though the first alone would find few rows.
        const composite = await advised([{ text: "delete from items where order_id = 17 and line = 1" }])
        expect(composite.recommendations).toMatchObject([{ table: "returns", columns: ["order_id", "line"] }])
      })

      test("of quoted names and other schemas", async () => {
        expect(await indexesFor('select * from "Odd Name"."Big ""Table""" where "select" = 17')).toEqual(
          ['"Odd Name"."Big ""Table""" ("select")'].map((text) => expect.stringContaining(text)),
        )
      })

      test("of tables that inherit, which no index of their parent holds", async () => {
        expect(await indexesFor("select * from documents where owner = 17")).toEqual(["contracts (owner)", "documents (owner)"])
      })

      test("of partitioned tables, partition by partition, then attached", async () => {
        const [one] = (await advised([{ text: "select * from events where device = 17" }])).recommendations
        expect(one!.statements).toHaveLength(5)
        expect(one!.statements[0]).toMatch(/^CREATE INDEX events_device_idx ON ONLY public.events \(device\)/)
        expect(one!.statements.slice(1, 3).every((text) => text.startsWith("CREATE INDEX CONCURRENTLY events_"))).toBe(true)
        for (const text of one!.statements) await target.sql.exec(text)
        const { rows } = await target.sql.query(
          "select indisvalid from pg_index where indexrelid = 'events_device_idx'::regclass",
        )
        expect(rows[0]!.indisvalid).toBe(true)
        for (const text of one!.undo) await target.sql.exec(text)
      })
    })

    describe("no index, and why", () => {
      async function verdict(text: string): Promise<[string, string]> {
        const advice = await advised([{ text }])
        expect(advice.recommendations).toEqual([])
        return [advice.statements[0]!.verdict, advice.statements[0]!.explanation]
      }
      test("what exists is not proposed, nor a prefix of it", async () => {
        expect((await verdict("select * from orders where id = 17"))[0]).toBe("already_optimal")
        expect((await verdict("select * from items where order_id = 17"))[0]).toBe("already_optimal")
        expect((await verdict("select 1"))[0]).toBe("already_optimal")
      })
      test("what matches most rows is read whole", async () => {
        expect((await verdict("select * from customers where active"))[0]).toBe("not_selective")
        expect((await verdict("select sum(total) from orders where created_at > '2024-01-03'"))[0]).toBe("not_selective")
      })
      test("what is written so that no index serves it gets another way to write it", async () => {
        expect(await verdict("select count(*) from orders where date(created_at) = '2024-03-01'")).toEqual([
          "rewrite_needed",
          expect.stringContaining("created_at >= start"),
        ])
        expect(await verdict("select id from orders where 't17' = any(tags)")).toEqual([
          "rewrite_needed",
          expect.stringContaining("@> ARRAY"),
        ])
      })
      test("what cannot be planned is listed with its reason, and hides nothing", async () => {
        const advice = await advised([
          { text: "select * from nowhere where a = 1" },
          { text: "create table x (a int)" },
          { text: "select * frm orders" },
          { text: "select * from orders where nothing = 1" },
          { text: "select 1; select 2" },
          { text: "select * from orders where customer_id = 17", calls: 3 },
        ])
        expect(advice.statements.map((one) => one.verdict)).toEqual([
          "unsupported",
          "unsupported",
          "unsupported",
          "unsupported",
          "unsupported",
          "served",
        ])
        for (const one of advice.statements.slice(0, 5)) expect(one.error).not.toBe("")
      })
      test("a table never analysed is named", async () => {
        const advice = await advised([{ text: "select * from raw where a = 5" }])
        expect(advice.notes).toEqual([expect.stringContaining("ANALYZE public.raw")])
      })
    })

    describe("a workload", () => {
      test("one index serves several statements; a needless one goes", async () => {
        const advice = await advised([
          { text: "select * from orders where customer_id = 17 and status = 'new' and total = 12.5", calls: 100 },
          { text: "select * from items where product = 5" },
        ])
        expect(advice.recommendations.map((one) => one.table)).toContain("items")
        expect(advice.statements.every((one) => one.costAfter! <= one.costBefore! * 1.0001)).toBe(true)
        expect(advice.cost.after).toBeLessThan(advice.cost.before)
      })

      test("writes weigh against an index, most of all against one that ends heap-only updates", async () => {
        const read = "select * from counters where grp = 7 order by hits desc limit 5"
        const write = "update counters set hits = hits + 1 where id = 5"
        const quiet = await advised([{ text: read, calls: 1 }])
        expect(quiet.recommendations.length).toBe(1)
        const busy = await advised([
          { text: read, calls: 1 },
          { text: write, calls: 2000 },
        ])
        expect(busy.recommendations.every((one) => !one.columns.join().includes("hits"))).toBe(true)
        const drowned = await advised([
          { text: read, calls: 1 },
          { text: "insert into counters values (1, 2, 3)", calls: 100_000 },
        ])
        expect(drowned.recommendations).toEqual([])
        expect(drowned.statements[0]!.verdict).toBe("write_cost")
      })

      test("a budget of 0 buys nothing, a small one the best that fits", async () => {
        const workload = [
          { text: "select * from orders where customer_id = 17" },
          { text: "select * from orders where total = 55.55" },
        ]
        const nothing = await advised(workload, { budgetBytes: 0 })
        expect(nothing.recommendations).toEqual([])
        expect(nothing.statements.map((one) => one.verdict)).toEqual(["over_budget", "over_budget"])
        expect((await advised([])).notes).toEqual([expect.stringContaining("The workload is empty")])
        const both = await advised(workload)
        expect(both.recommendations).toHaveLength(2)
        const budget = Math.max(...both.recommendations.map((one) => one.sizeBytes!)) + 8192
        const some = await advised(workload, { budgetBytes: budget })
        expect(some.recommendations).toHaveLength(1)
        expect(some.recommendations[0]!.sizeBytes!).toBeLessThanOrEqual(budget)
        expect((await advised(workload, { maxIndexes: 1 })).recommendations).toHaveLength(1)
      })

      test("when time runs out while statements are still looked at, the best so far is the answer", async () => {
        // Each question takes so long that the search is over after a few of them.
        let asked = 0
        const slow: OpenPlanner = {
          ...planner,
          plan: async (statement, candidates) => {
            asked++
            await new Promise((resolve) => setTimeout(resolve, 20))
            return planner.plan(statement, candidates)
          },
        }
        const texts = Array.from({ length: 40 }, (_, at) => `select * from orders where total = ${at} and status = 's${at}'`)
        const advice = await advise(
          db,
          [{ text: "select * from orders where customer_id = 17", calls: 1000 }, ...texts.map((text) => ({ text }))],
          { planner: slow, timeLimit: "4s" },
        )
        expect(asked).toBeGreaterThan(40)
        expect(advice.partial).toBe(true)
        expect(advice.recommendations.map((one) => one.columns[0])).toContain("customer_id")
      })

      test("bad options are coded errors", async () => {
        for (const bad of [
          { maxWidth: 0 },
          { budgetBytes: -1 },
          { minGain: 2 },
          { maxIndexes: 1.5 },
          { whatIf: "magic" as never },
        ]) {
          await expect(advise(db, [], bad)).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
        }
      })

      test("without a planner advice rests on rules and says so", async () => {
        const [one] = await adviseStatement(db, { text: "select * from orders where customer_id = $1" }, { whatIf: "none" })
        expect(one).toMatchObject({ confidence: "rules", evidence: null, columns: ["customer_id"] })
      })

      test("the same by really building, in a transaction that is rolled back", async () => {
        if (db.capabilities.sessions === "one") {
          await expect(realPlanner(db)).rejects.toMatchObject({ code: "E_NOT_SUPPORTED" })
          return
        }
        const real = await realPlanner(db)
        const advice = await advise(db, [{ text: "select * from orders where customer_id = 17 and total = 5" }], {
          planner: real,
        })
        await real.close()
        expect(advice.recommendations).toMatchObject([{ confidence: "verified", table: "orders" }])
        expect(advice.recommendations[0]!.sizeBytes).toBeGreaterThan(100_000)
      })

      test("nothing is left behind", async () => {
        const { rows } = await target.sql.query("select relname from pg_class where relname like 'selecto%'")
        expect(rows).toEqual([])
      })
    })

    test("a recommendation says what, why and how", async () => {
      const [one] = (await advised([{ text: "select * from orders where customer_id = 17", calls: 10 }])).recommendations
      expect(one).toMatchObject({
        type: "btree_index",
        schema: "public",
        table: "orders",
        columns: ["customer_id"],
        include: [],
        where: null,
        priority: "high",
        confidence: "verified",
        patterns: ["equality_filter"],
        name: "orders_customer_id_idx",
        statements: ["CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id)"],
        undo: ["DROP INDEX CONCURRENTLY public.orders_customer_id_idx"],
        queries: ["select * from orders where customer_id = 17"],
        replaces: [],
      })
      expect(one!.reason).toContain("WHERE customer_id = …")
      expect(one!.reason).not.toContain("17")
      expect(one!.evidence!.costAfter).toBeLessThan(one!.evidence!.costBefore)
    })
  },
  { template: shop },
)
