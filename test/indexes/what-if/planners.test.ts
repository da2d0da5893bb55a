import { existsSync, readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import { extractCatalog, openHypopg, openPlanner, openServer } from "../../../src/indexes/what-if/index.ts"
import { binariesOf } from "../../support/binaries.ts"
import { serverTarget } from "../../support/each-server.ts"
import { serverMissing, skips } from "../../support/servers.ts"
import { candidate, freshFolder, rootOf, shapeOf, sharedCache, shop, truth } from "./support.ts"

const hypopgMissing = skips(
  existsSync("/usr/share/postgresql/15/extension/hypopg.control") ? null : "postgresql-15-hypopg is not installed",
)

describe.skipIf(serverMissing(15) || hypopgMissing)("hypopg", () => {
  const target = serverTarget(15, shop)
  let database: Database
  beforeAll(async () => {
    database = openDatabase(target.source)
  })
  afterAll(() => database.close())

  it("is refused where the extension is missing, and auto does without", async () => {
    await expect(openHypopg(database)).rejects.toMatchObject({ code: "E_NOT_SUPPORTED" })
    const planner = await openPlanner(database, { candidates: [candidate("orders", ["total"])], cacheFolder: sharedCache() })
    expect([planner.name, planner.why]).toEqual(["shadow", "hypopg is not installed"])
    await planner.close()
    await target.sql.exec("create extension hypopg")
  })

  it("is what auto takes when it can price every candidate, and only then", async () => {
    const plain = await openPlanner(database, {
      candidates: [candidate("orders", ["total desc"]), candidate("orders", ["created_at"], { method: "brin" })],
    })
    expect(plain.name).toBe("hypopg")
    await plain.close()
    const gin = await openPlanner(database, {
      candidates: [candidate("orders", ["tags"], { method: "gin" })],
      cacheFolder: sharedCache(),
    })
    expect([gin.name, gin.why]).toEqual(["shadow", "hypopg cannot price gin on tags"])
    await gin.close()
    const hypopg = await openHypopg(database)
    expect(hypopg.canPrice(candidate("orders", ["shout(status)"]))).toBe(false)
    expect(hypopg.canPrice(candidate("orders", ['"Odd name" desc nulls last', "status text_pattern_ops"]))).toBe(true)
    await expect(hypopg.plan({ text: "select 1" }, [candidate("orders", ["tags"], { method: "gin" })])).rejects.toMatchObject({
      code: "E_NOT_SUPPORTED",
    })
  })

  it("charges the descents that hypopg forgets: a copy of an existing index gains nothing", async () => {
    const hypopg = await openHypopg(database)
    const text = "select * from customers c join orders o on o.customer_id = c.id where c.region = 'US' and c.score = 7"
    const real = await truth(target, text)
    const before = await hypopg.plan({ text }, [])
    expect(before.cost).toBe(real["Total Cost"])
    const copied = await hypopg.plan({ text }, [candidate("orders", ["customer_id"])])
    expect((before.cost - copied.cost) / before.cost).toBeLessThan(0.01)
    await target.sql.exec("create index built on orders (created_at)")
    const built = await truth(target, "select * from orders where created_at = '2023-03-01'")
    await target.sql.exec("drop index built")
    const index = candidate("orders", ["created_at"])
    const priced = await hypopg.plan({ text: "select * from orders where created_at = '2023-03-01'" }, [index])
    expect(priced.used).toEqual([index.id])
    expect(priced.cost).toBeCloseTo(built["Total Cost"], 2)
    expect(await hypopg.size(index)).toBeLessThan(1.15 * 40_000 * 21)
  })

  it("plans generically before 16 and for values, and leaves no hypothetical index behind", async () => {
    const hypopg = await openHypopg(database)
    const index = candidate("orders", ["total"])
    expect((await hypopg.plan({ text: "select * from orders where total = $1" }, [index])).used).toEqual([index.id])
    expect((await hypopg.plan({ text: "select * from orders where total = $1", values: ["5"] }, [index])).used).toEqual([
      index.id,
    ])
    await expect(hypopg.plan({ text: "select oops" }, [index])).rejects.toMatchObject({ sqlState: "42703" })
    await expect(hypopg.plan({ text: "select 1; commit; drop table orders" }, [])).rejects.toMatchObject({
      code: "E_SQL_STATEMENT_COUNT",
    })
    const left = await database.queryText({ text: "select count(*) from hypopg()", values: [] })
    expect(left.rows).toEqual([["0"]])
    expect(shapeOf(rootOf((await hypopg.plan({ text: "select * from orders where total = 5" }, [])).plan))).not.toContain("Index")
  })
})

describe.skipIf(serverMissing(18))("a scratch server", () => {
  const target = serverTarget(18, shop)

  it("plans as production, indexes and terabytes included, and leaves nothing behind", async () => {
    const account = process.getuid?.() === 0 ? postgresAccount() : null
    const binaries = await binariesOf(18, account, freshFolder())
    const database = openDatabase(target.source)
    const catalog = await extractCatalog(database)
    const pages = 1024 ** 4 / 8192
    const planner = await openServer(
      {
        ...catalog,
        relations: catalog.relations.map((relation) =>
          relation.name === "empty" ? { ...relation, pages, tuples: 9e9, bytes: 1024 ** 4 } : relation,
        ),
      },
      { binaries },
    )
    try {
      expect(planner.skipped).toEqual([])
      const text = "select * from orders where created_at between '2023-03-01' and '2023-03-03'"
      const index = candidate("orders", ["created_at"])
      const said = await planner.plan({ text }, [index])
      expect(said.used).toEqual([index.id])
      await target.sql.exec("create index built on orders (created_at)")
      expect(said.cost / (await truth(target, text))["Total Cost"]).toBeCloseTo(1, 1)
      await target.sql.exec("drop index built")
      expect((await planner.plan({ text }, [])).cost).toBe((await truth(target, text))["Total Cost"])
      const vast = candidate("empty", ["a"])
      expect((await planner.plan({ text: "select * from empty where a = 5 limit 1" }, [vast])).used).toEqual([vast.id])
      expect((await planner.plan({ text: "select count(*) from empty" }, [])).cost).toBeGreaterThan(pages)
      await expect(planner.plan({ text: "select oops" }, [])).rejects.toMatchObject({ code: "E_DATABASE", sqlState: "42703" })
      expect(await planner.refresh(catalog)).toEqual({ rebuilt: 1 })
    } finally {
      await planner.close()
      await database.close()
    }
  })
})

it("none prices nothing and says so; unknown choices are refused", async () => {
  const database = openDatabase("postgresql://nobody@127.0.0.1:1/none")
  const none = await openPlanner(database, { whatIf: "none" })
  expect([
    none.name,
    none.canPrice(candidate("t", ["a"])),
    await none.size(candidate("t", ["a"])),
    (await none.plan({ text: "select 1" }, [])).cost,
  ]).toEqual(["none", false, null, Number.NaN])
  await none.close()
  await expect(openPlanner(database, { whatIf: "guess" as "none" })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
  await expect(openPlanner(database, { whatIf: "shadow" })).rejects.toMatchObject({ code: "E_CONNECTION" })
  await database.close()
})

function postgresAccount(): { uid: number; gid: number } {
  const lines = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
  const found = lines.find(([name]) => name === "postgres") ?? lines.find(([name]) => name === "nobody")
  return { uid: Number(found?.[2]), gid: Number(found?.[3]) }
}
