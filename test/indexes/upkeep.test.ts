import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { adviseStatement, applyIndexes, indexService } from "../../src/indexes/index.ts"
import { eachServer } from "../support/each-server.ts"
import { shop } from "./shop.ts"

eachServer(
  "index upkeep",
  (target) => {
    let db: Database
    beforeAll(async () => {
      db = openDatabase(target.source)
      await target.sql.exec(
        "create index one on orders (customer_id); create index two on orders (customer_id); create index long on orders (customer_id, total); create unique index uniq on customers (email); create index partial on orders (customer_id) where status = 'new'",
      )
    })
    afterAll(() => db.close())

    test("duplicates and prefixes are named, never a constraint's, a unique or a partial one", async () => {
      const found = await indexService(db).duplicates()
      expect(found.map((one) => [one.index, one.coveredBy])).toEqual([
        ["one", "two"],
        ["two", "long"],
      ])
      expect(found[0]!.sql).toBe("DROP INDEX CONCURRENTLY public.one")
    })

    test("usage, unused and effectiveness", async () => {
      const service = indexService(db)
      const usage = await service.usage()
      expect(usage.indexes.find((one) => one.index === "customers_pkey")).toMatchObject({
        constraint: true,
        unique: true,
        table: "customers",
      })
      const unused = (await service.unused()).indexes.map((one) => one.index)
      expect(unused).toContain("long")
      expect(unused).not.toContain("uniq")
      expect(unused).not.toContain("orders_pkey")
      expect(await service.effectiveness("public.long")).toMatchObject({ index: "long", table: "orders", statements: [] })
      await expect(service.effectiveness("nothing")).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
      await expect(service.advise("monitor")).rejects.toMatchObject({ code: "E_NOT_SUPPORTED" })
    })

    test("advice is applied one by one; what fails leaves nothing invalid behind", async () => {
      const good = await adviseStatement(db, { text: "select * from items where product = $1" }, { whatIf: "none" })
      const events: string[] = []
      const bad = { ...good[0]!, statements: ["CREATE INDEX CONCURRENTLY broken_idx ON items ((1 / (qty - qty)))"] }
      const results = await applyIndexes(db, [bad, ...good], {
        maintenanceWorkMem: "32MB",
        onProgress: (event) => events.push(event.phase),
      })
      expect(results.map((one) => one.status)).toEqual(["failed", "done"])
      expect(events).toEqual(expect.arrayContaining(["start", "failed", "done"]))
      expect(await indexService(db).invalid()).toEqual([])
      const { rows } = await target.sql.query(
        "select count(*)::int as n from pg_class where relname in ('items_product_idx', 'broken_idx')",
      )
      expect(rows[0]!.n).toBe(1)
    })
  },
  { template: shop },
)
