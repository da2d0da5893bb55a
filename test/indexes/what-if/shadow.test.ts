import { afterAll, beforeAll, expect, it } from "vitest"
import { extractCatalog, openPlanner, openShadow, type ShadowPlanner } from "../../../src/indexes/what-if/index.ts"
import { eachServer } from "../../support/each-server.ts"
import { candidate, recording, rootOf, shapeOf, sharedCache, shop, truth } from "./support.ts"

const statements = [
  "select * from orders where customer_id = 42",
  "select count(*) from orders where status = 'void' and created_at < '2023-02-01'",
  "select c.region, sum(o.total) from orders o join customers c on c.id = o.customer_id where o.id < 900 group by 1",
  "select * from customers where region = 'US' and score = 7",
  "select date_trunc('month', created_at), count(*) from orders group by 1",
  "select * from paid where email = 'secret7@example.com'",
  "select * from parts where at between '2023-03-01' and '2023-03-05'",
  "select * from parts where id = 5",
  "select * from animals where name = 'cat 5'",
  "select * from orders where how = 'it''s complicated'",
  "select * from orders where twice(customer_id) = 84",
  `select * from "Späti"."Kunden ""Liste""" where "select" < 10`,
  "select * from regions where n > 5",
  "select * from orders where id > 39990",
  "select max(id) from orders",
]

eachServer(
  "the shadow",
  (target) => {
    const database = (): ReturnType<typeof recording> => shared!
    let shared: ReturnType<typeof recording> | undefined
    let shadow: ShadowPlanner
    beforeAll(async () => {
      shared = recording(target)
      shadow = await openShadow(await extractCatalog(database()), { cacheFolder: sharedCache() })
    })
    afterAll(async () => {
      await shadow?.close()
      if (target.kind === "server") await shared?.close()
    })

    it("copies everything of the schema", () => {
      expect(shadow.skipped).toEqual([])
    })

    it.each(statements)("plans as production does: %s", async (text) => {
      const real = await truth(target, text)
      const { cost, plan, used } = await shadow.plan({ text }, [])
      expect(used).toEqual([])
      expect(shapeOf(rootOf(plan))).toBe(shapeOf(real))
      expect(Math.abs(cost / real["Total Cost"] - 1)).toBeLessThan(0.01)
    })

    it.each([
      [candidate("orders", ["created_at"]), "select * from orders where created_at between '2023-03-01' and '2023-03-03'"],
      [
        candidate("orders", ["status", "created_at desc"]),
        "select * from orders where status = 'void' order by created_at desc limit 20",
      ],
      [
        candidate("orders", ["created_at"], { include: ["total"] }),
        "select sum(total) from orders where created_at > '2023-09-01'",
      ],
      [candidate("orders", ["tags"], { method: "gin" }), "select * from orders where tags @> array['t3', 'u3']"],
      [candidate("orders", ["created_at"], { method: "brin" }), "select count(*) from orders where created_at < '2023-01-10'"],
      [candidate("customers", ["email"], { method: "hash" }), "select * from customers where email = 'secret9@example.com'"],
      [candidate("customers", ["email"], { unique: true }), "select * from customers where email = 'secret9@example.com'"],
      [
        candidate("orders", ["total"], { where: "status = 'void'" }),
        "select * from orders where status = 'void' and total between 5 and 20",
      ],
      [candidate("parts", ["at"]), "select * from parts where at = '2023-03-01'"],
      [candidate("orders", ["shout(status)"]), "select * from orders where shout(status) = 'VOID!'"],
      [
        candidate('Kunden "Liste"', ['"Straße"'], { schema: "Späti" }),
        `select * from "Späti"."Kunden ""Liste""" where "Straße" = 'Straße 7'`,
      ],
    ])("prices %j as if it were built", async (index, text) => {
      const said = await shadow.plan({ text }, [index])
      const size = await shadow.size(index)
      const table = index.schema === "public" ? index.table : '"Späti"."Kunden ""Liste"""'
      const include = index.include.length === 0 ? "" : ` include (${index.include.join()})`
      const where = index.where === null ? "" : ` where ${index.where}`
      await target.sql.exec(
        `create ${index.unique === true ? "unique " : ""}index built on ${table} using ${index.method} (${index.keys.join()})${include}${where}`,
      )
      try {
        const real = await truth(target, text)
        expect(shapeOf(rootOf(said.plan))).toBe(shapeOf(real))
        expect(said.used).toEqual([index.id])
        expect(Math.abs(said.cost / real["Total Cost"] - 1)).toBeLessThan(0.05)
        const schema = index.schema === "public" ? "" : '"Späti".'
        const { rows } =
          await target.sql.query(`with recursive i(oid) as (select '${schema}built'::regclass::oid union all select inhrelid from pg_inherits join i on inhparent = i.oid)
          select sum(pg_relation_size(oid))::int as bytes from i`)
        expect(size! / Number(rows[0]!.bytes)).toBeGreaterThan(0.6)
        expect(size! / Number(rows[0]!.bytes)).toBeLessThan(1.5)
      } finally {
        await target.sql.exec(`drop index ${index.schema === "public" ? "" : '"Späti".'}built`)
      }
    })

    it("does not believe in an index that does not help", async () => {
      const index = candidate("orders", ["status"])
      const { used, cost } = await shadow.plan({ text: "select * from orders where total > 5" }, [index])
      const without = await shadow.plan({ text: "select * from orders where total > 5" }, [])
      expect(used).toEqual([])
      expect(cost).toBe(without.cost)
    })

    it("keeps the candidates of one call out of the next", async () => {
      const index = candidate("orders", ["created_at"])
      const text = "select * from orders where created_at = '2023-03-01'"
      const first = await shadow.plan({ text }, [])
      expect((await shadow.plan({ text }, [index])).used).toEqual([index.id])
      expect((await shadow.plan({ text }, [])).cost).toBe(first.cost)
    })

    it("plans for values, and generically without", async () => {
      const text = "select * from orders where status = $1 and created_at < $2"
      const index = candidate("orders", ["created_at"])
      const few = await shadow.plan({ text, values: ["void", new Date("2023-01-02T00:00:00Z")] }, [index])
      const many = await shadow.plan({ text, values: ["void", "2029-01-01"] }, [index])
      const generic = await shadow.plan({ text }, [index])
      expect(few.cost).toBeLessThan(generic.cost)
      expect(few.used).toEqual([index.id])
      expect(many.used).toEqual([])
      expect(JSON.stringify(generic.plan)).toContain("$1")
    })

    it("answers a wrong statement with the server's own SQLSTATE, and goes on", async () => {
      await expect(shadow.plan({ text: "select nothing from orders" }, [])).rejects.toMatchObject({
        code: "E_DATABASE",
        sqlState: "42703",
      })
      await expect(shadow.plan({ text: "select 1; drop table orders" }, [])).rejects.toMatchObject({
        code: "E_SQL_STATEMENT_COUNT",
      })
      await expect(shadow.plan({ text: "select * from orders" }, [candidate("nowhere", ["a"])])).rejects.toMatchObject({
        sqlState: "42P01",
      })
      await expect(shadow.plan({ text: "select * from orders" }, [candidate("orders", ["nothing"])])).rejects.toMatchObject({
        sqlState: "42703",
      })
      expect((await shadow.plan({ text: "select * from orders" }, [])).cost).toBeGreaterThan(0)
    })

    it("sends nothing to production after the extraction, and only catalog queries during it", async () => {
      const planner = await openPlanner(database(), { whatIf: "shadow", cacheFolder: sharedCache() })
      try {
        const before = database().sent.length
        await planner.plan({ text: "select * from orders where total = 5" }, [candidate("orders", ["total"])])
        await planner.size(candidate("orders", ["total"]))
        expect(database().sent.length).toBe(before)
        await planner.refresh()
        expect(database().sent.length).toBeGreaterThan(before)
        expect(database().sent.every((text) => text.endsWith("/* selecto:indexes */"))).toBe(true)
        expect(database().sent.filter((text) => /^\s*(insert|update|delete|create|alter|drop|analyze)/i.test(text))).toEqual([])
      } finally {
        await planner.close()
      }
    })

    it("takes over what changed, and only that", async () => {
      const planner = await openPlanner(database(), {
        whatIf: "shadow",
        cacheFolder: sharedCache(),
        relations: [{ name: "empty" }, { name: "customers" }],
      })
      try {
        await expect(planner.plan({ text: "select * from orders" }, [])).rejects.toMatchObject({ sqlState: "42P01" })
        expect(await planner.refresh()).toEqual({ rebuilt: 0 })
        await target.sql.exec("insert into empty select i, 'b' from generate_series(1, 5000) i")
        await target.sql.exec("alter table empty add column c date; analyze empty")
        expect(await planner.refresh()).toEqual({ rebuilt: 1 })
        const real = await truth(target, "select c from empty where a < 50")
        expect((await planner.plan({ text: "select c from empty where a < 50" }, [])).cost).toBe(real["Total Cost"])
      } finally {
        await planner.close()
      }
    })
  },
  { template: shop },
)
