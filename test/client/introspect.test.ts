import { afterAll, beforeAll, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { checkDomain, introspectDefinition, introspectDomain } from "../../src/client/introspect.ts"
import { domainFile } from "../../src/client/introspection.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { count } from "../../src/query/aggregate.ts"
import { nest } from "../../src/query/expression.ts"
import { everyType, orders, shop, shopDefinition } from "../query/shop.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"
import { check } from "../types/compiler.ts"

eachServer(
  "introspection",
  (target) => {
    let selecto: Selecto
    beforeAll(() => {
      selecto = connect(target.source)
    })
    afterAll(() => selecto.close())

    test("every column type as it would be declared by hand", async () => {
      const { source } = await introspectDefinition(selecto, { root: "every_type" })
      expect(source.columns).toEqual(everyType.definition.source.columns)
      expect(source.primaryKey).toBe("id")
    })

    test("types whose names have several words or carry a size", async () => {
      await target.sql.exec(`create table store.sized (id int primary key, v varchar(10), n numeric(5, 2)[], at timestamp(3), i interval day to second(3), s interval(2),
        b bit varying(5), t time(3) with time zone, c char(5), q "char")`)
      const { source } = await introspectDefinition(selecto, { root: "sized" })
      expect(source.columns).toEqual({
        id: "integer",
        v: "string?",
        n: { type: "array", of: "decimal", nullable: true },
        at: "timestamp?",
        i: "interval?",
        s: "interval?",
        b: { type: "other", pgType: "bit varying", nullable: true },
        t: { type: "other", pgType: "time with time zone", nullable: true },
        c: "string?",
        q: { type: "other", pgType: "char", nullable: true },
      })
    })

    test("joins in both directions, composite keys and link tables", async () => {
      const { source, schemas, joins } = await introspectDefinition(selecto, { root: "store.orders", depth: 4 })
      expect(source.associations).toMatchObject({
        customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
        parent: { target: "orders", ownerKey: "parent_id", relatedKey: "id" },
        items: { target: "items", many: true },
        orders: { target: "orders", many: true },
        products: {
          target: "products",
          through: { table: "items", schema: "store", ownerKey: "order_id", relatedKey: "product_id" },
        },
      })
      expect(schemas!.items!.associations!.shipments).toMatchObject({
        ownerKey: ["order_id", "product_id"],
        relatedKey: ["order_id", "product_id"],
        many: true,
      })
      expect(schemas!.products!.associations!.tags).toMatchObject({ through: { table: "product_tags" } })
      expect(joins!.items!.joins!.product!.joins!.tags).toBeDefined()
    })

    test("the domain answers queries", async () => {
      const domain = await introspectDomain(selecto, { root: "orders" })
      const rows = await selecto
        .from(domain)
        .select({ id: "id", region: "customer.region", items: nest("items", { q: "quantity" }, { orderBy: "quantity" }) })
        .filter({ id: 1 })
        .execute()
      expect(rows).toEqual([{ id: 1, region: "EU", items: [{ q: 1 }, { q: 3 }] }])
      expect(() => selecto.from(domain).select("customer.regoin").toSql()).toThrow(
        expect.objectContaining({ code: "E_UNKNOWN_FIELD" }),
      )
    })

    test("the file compiles and types the rows", async () => {
      const definition = await introspectDefinition(selecto, { root: "orders", name: "Shop orders" })
      const file = domainFile(definition).replace(
        'import { defineDomain, type DomainOf } from "selecto-pg"',
        'import type { DomainOf } from "../../src/domain/domain.ts"\nimport { defineDomain, from } from "./surface.ts"',
      )
      const use =
        'const rows: Promise<{ id: number; region: string | null }[]> = from(shopOrdersDomain).select({ id: "id", region: "customer.region" }).execute()\nexport { rows }'
      expect(check({ "introspected.ts": `${file}\n${use}` }).errors).toEqual([])
      const wrong = use.replace("id: number", "id: string")
      expect(check({ "introspected.ts": `${file}\n${wrong}` }).errors).not.toEqual([])
    })

    test("a root that is not there", async () => {
      await expect(introspectDomain(selecto, { root: "ordres" })).rejects.toMatchObject({
        code: "E_UNKNOWN_TABLE",
        suggestions: ["orders"],
      })
    })

    test("drift between a domain and the catalog", async () => {
      expect(await checkDomain(selecto, orders)).toEqual([])
      expect(await checkDomain(selecto, everyType)).toEqual([])
      const drifted = defineDomain({
        ...shopDefinition,
        source: {
          ...shopDefinition.source,
          columns: { ...shopDefinition.source.columns, total: "integer", note: "string", gone: "string" },
        },
        schemas: { ...shopDefinition.schemas, tags: { ...shopDefinition.schemas.tags, table: "labels" } },
      } as never)
      const drift = await checkDomain(selecto, drifted as never)
      expect(drift.map((one) => one.path)).toEqual([
        "source.columns.total",
        "source.columns.note",
        "source.columns.gone",
        "schemas.tags.table",
      ])
    })
  },
  { template: shop },
)

if (!pagilaMissing())
  eachServer(
    "introspection of Pagila",
    (target) => {
      test("partitions stand behind their table, actors behind their link", async () => {
        await using selecto = connect(target.source)
        const film = await introspectDomain(selecto, { root: "film" })
        const cast = await selecto
          .from(film)
          .select({ title: "title", cast: nest("actor", { name: "last_name" }) })
          .filter({ film_id: 1 })
          .executeOne()
        expect((cast.cast as unknown[]).length).toBe(10)
        const customer = await introspectDomain(selecto, { root: "customer", depth: 1 })
        const paid = await selecto
          .from(customer)
          .filter({ customer_id: 1 })
          .retarget("payment")
          .select({ n: count() })
          .executeOne()
        expect(Number(paid.n)).toBeGreaterThan(10)
      })
    },
    { template: pagila },
  )
