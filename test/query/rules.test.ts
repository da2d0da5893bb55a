import { describe, expect, test } from "vitest"
import { defineDomain } from "../../src/domain/define.ts"
import { avg, count, countDistinct, max, sum } from "../../src/query/aggregate.ts"
import { coalesce, concat, dateTrunc, lower } from "../../src/query/calls.ts"
import { eq, exists, gt, icontains, iendsWith, istartsWith, oneOf } from "../../src/query/condition.ts"
import { expr, literal, nest, ref } from "../../src/query/expression.ts"
import { defineQueries } from "../../src/query/library.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { eachServer } from "../support/each-server.ts"
import { rowsOf } from "./run.ts"
import { orders, shop, shopDefinition } from "./shop.ts"

const query = from(orders)
const loose = query as unknown as QueryBuilder
const refuses = (attempt: () => unknown, code: string, path?: string) =>
  expect(attempt).toThrow(expect.objectContaining(path === undefined ? { code } : { code, path }))

describe("fan-out", () => {
  test("a sum or avg above a join to many is refused, in every clause that joins it", () => {
    const revenue = query.select({ revenue: sum("total") })
    for (const multiplied of [
      revenue.filter({ "items.quantity": gt(1) }),
      revenue.select("items.product.name").groupBy("items.product.name"),
      revenue.join("items"),
      query.select({ a: avg(expr`${ref("total")} * 2`) }).join("items"),
      query
        .select({ n: count() })
        .groupBy("status")
        .having(gt(sum("total"), 1))
        .join("items.product.tags"),
    ])
      refuses(() => multiplied.toSql(), "E_FAN_OUT")
  })

  test("a sum of what the join itself brings is right, unless a second join to many stands beside it", () => {
    const items = query.select({ n: sum("items.quantity") })
    expect(items.toSql().text).toContain("sum(items.quantity)")
    refuses(() => items.join("items.shipments").toSql(), "E_FAN_OUT", "items.quantity")
  })

  test("allowFanOut, exists and nest are the ways out", () => {
    const revenue = query.select({ revenue: sum("total") })
    expect(revenue.join("items").allowFanOut().toSql().text).toContain("LEFT JOIN")
    expect(revenue.filter(exists("items", { quantity: gt(1) })).toSql().text).toContain("EXISTS")
    expect(query.select({ id: "id", items: nest("items", { q: "quantity" }) }).toSql().text).toContain("json_agg")
  })

  test("other repetition warns", () => {
    const warnings = (made: unknown) => (made as QueryBuilder).compiled().warnings.map((warning) => warning.code)
    expect(warnings(query.select("id", "items.quantity"))).toEqual(["fan_out"])
    expect(warnings(query.select({ n: count() }).join("items"))).toEqual(["fan_out"])
    expect(warnings(query.select("id").join("items").distinct())).toEqual([])
    expect(warnings(query.select("id", "customer.region"))).toEqual([])
    expect(
      warnings(
        query
          .select({ n: countDistinct("id") })
          .join("items")
          .allowFanOut(),
      ),
    ).toEqual([])
  })
})

describe("grouping", () => {
  test("a column neither grouped nor aggregated", () => {
    refuses(() => query.select({ s: "status", n: count() }).toSql(), "E_NOT_GROUPED", "status")
    refuses(() => query.select({ s: "status", t: "total" }).groupBy("status").toSql(), "E_NOT_GROUPED", "total")
    refuses(() => query.select({ n: count() }).groupBy("status").orderBy("total").toSql(), "E_NOT_GROUPED", "total")
    refuses(
      () =>
        query
          .select({ n: count() })
          .groupBy("status")
          .having({ total: gt(1) })
          .toSql(),
      "E_NOT_GROUPED",
      "total",
    )
  })

  test("a grouped primary key brings the columns of its table, and of no other", () => {
    expect(query.select("id", "status", "total").groupBy("id").toSql().text).toContain("GROUP BY orders.id")
    refuses(() => query.select("id", "customer.region").groupBy("id").toSql(), "E_NOT_GROUPED", "customer.region")
    expect(query.select("customer.region").groupBy("customer.id").toSql().text).toContain("GROUP BY customer.id")
    refuses(() => query.select("items.quantity").groupBy("items.order_id").toSql(), "E_NOT_GROUPED", "items.quantity")
    expect(query.select("items.quantity").groupBy("items.order_id", "items.product_id").toSql().text).toContain("GROUP BY")
  })

  test("an aggregate's alias cannot be grouped by", () => {
    refuses(() => query.select({ n: count() }).groupBy("n").toSql(), "E_NOT_GROUPED", "n")
  })

  test("an expression grouped by its alias shares its placeholders", () => {
    const { text, values } = query
      .select({ label: concat(ref("status"), "!"), n: count() })
      .groupBy("label")
      .toSql()
    expect(values).toEqual(["!"])
    expect(text.match(/\$1/g)).toHaveLength(2)
  })
})

describe("names", () => {
  test("the same alias twice means the same or is refused", () => {
    expect(loose.select({ a: "id" }).select({ a: "id" }).toSql().text).toBe("SELECT orders.id AS a FROM store.orders")
    refuses(() => loose.select({ a: "id" }).select({ a: "status" }), "E_DUPLICATE_ALIAS", "a")
  })

  test("having reads paths before aliases, orderBy aliases before paths", () => {
    const { text } = loose.select({ status: count() }).groupBy("status").having({ status: "paid" }).orderBy("status").toSql()
    expect(text).toContain("HAVING orders.status = $1")
    expect(text).toContain("ORDER BY count(*)")
  })

  test("the words asc and desc are no paths", () => {
    expect(() => loose.orderBy("id", "desc").toSql()).toThrow(/write desc\("path"\)/)
  })
})

describe("scope", () => {
  const tenants = defineDomain({ ...shopDefinition, required: ["tenant_id"], requiredFilters: [eq("status", "paid")] })
  const bare = from as unknown as (domain: unknown, scope?: unknown) => QueryBuilder

  test("no scope, no statement", () => {
    for (const scope of [undefined, {}, { tenant_id: undefined }, { tenant_id: null }, { tenant_id: [7] }])
      expect(() => bare(tenants, scope).toSql()).toThrow(expect.objectContaining({ path: "tenant_id" }))
    refuses(() => bare(tenants).toSql(), "E_SCOPE_REQUIRED")
    refuses(() => bare(tenants, { tenant: 7 }).toSql(), "E_INVALID_OPTION")
  })

  test("scope and required filters stand outside of what the query adds", () => {
    const { text, values } = from(tenants, { tenant_id: 7 })
      .filter(eq("id", 1))
      .filter({ status: oneOf(["void"]) })
      .toSql()
    expect(text).toContain("WHERE orders.tenant_id = $1 AND orders.status = $2 AND orders.id = $3 AND orders.status = ANY ($4)")
    expect(values).toEqual([7, "paid", 1, ["void"]])
  })
})

describe("a library of named queries", () => {
  const library = defineQueries(orders, {
    paid: (made) => made.filter({ status: "paid" }),
    above: (made, { total }: { total: number }) => made.select("id").filter({ total: gt(total) }),
  })

  test("makes queries of its domain, with parameters", () => {
    expect(library.above(query, { total: 5 }).toSql().values).toEqual([5])
    expect(library.paid(query).select("id").toSql().text).toContain("orders.status = $1")
  })

  test("of no other", () => {
    const other = from(defineDomain({ ...shopDefinition, name: "Other" })) as never
    refuses(() => library.paid(other), "E_INVALID_OPTION")
    refuses(() => library.paid({} as never), "E_INVALID_OPTION")
    refuses(() => defineQueries(orders, { x: 1 } as never), "E_INVALID_OPTION")
  })
})

describe("options", () => {
  test("limits and offsets that are no whole numbers", () => {
    for (const rows of [-1, 1.5, Number.NaN, "5", null, Number.POSITIVE_INFINITY]) {
      refuses(() => loose.limit(rows as number), "E_INVALID_OPTION")
      refuses(() => loose.offset(rows as number), "E_INVALID_OPTION")
    }
    expect(loose.limit(0).toSql().values).toEqual([0])
  })

  test("too many values", () => {
    const filters = Array.from({ length: 65_536 }, (_, id) => eq("id", id))
    refuses(() => loose.filter(...filters).toSql(), "E_TOO_MANY_PARAMETERS")
    expect(loose.filter({ id: oneOf(Array.from({ length: 70_000 }, (_, id) => id)) }).toSql().values).toHaveLength(1)
  })
})

eachServer(
  "expressions on rows",
  (target) => {
    test("functions, custom columns and raw text", async () => {
      const rows = await rowsOf(
        target,
        query
          .select({
            id: "id",
            who: concat(ref("customer.first_name"), " ", ref("customer.last_name")),
            month: dateTrunc("month", "created_at"),
            note: coalesce(lower("note"), "none"),
            year: expr<number>`extract(year from ${ref("created_at")}) + ${literal(1)}`,
          })
          .filter({ id: oneOf([2, 5]) })
          .orderBy("id"),
      )
      expect(rows).toEqual([
        { id: 2, who: "Ada Byron", month: new Date("2024-01-01T00:00:00Z"), note: "none", year: 2025 },
        { id: 5, who: " ", month: new Date("2024-03-01T00:00:00Z"), note: "", year: 2025 },
      ])
    })

    test("text whatever its case, wildcards plain", async () => {
      const ids = async (test: unknown) =>
        (
          await rowsOf(
            target,
            query
              .select("id")
              .filter({ note: test as never })
              .orderBy("id"),
          )
        ).map((row) => row.id)
      expect(await ids(icontains("_SURE_"))).toEqual([3])
      expect(await ids(icontains("_IRST"))).toEqual([])
      expect(await ids(istartsWith("FIR"))).toEqual([1])
      expect(await ids(istartsWith("%"))).toEqual([])
      expect(await ids(iendsWith("\\B"))).toEqual([4])
    })

    test("aggregates of nothing", async () => {
      expect(await rowsOf(target, query.select({ n: count(), s: sum("total"), m: max("id") }).filter({ id: -1 }))).toEqual([
        { n: 0, s: null, m: null },
      ])
    })
  },
  { template: shop },
)
