import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "kysely"
import { jsonArrayFrom } from "kysely/helpers/postgres"
import { defineDomain } from "../src/domain/define.ts"
import { count, sum } from "../src/query/aggregate.ts"
import { dateTrunc } from "../src/query/calls.ts"
import { between, during, gt, isNotNull, like, oneOf, or } from "../src/query/condition.ts"
import { caseWhen, desc, nest } from "../src/query/expression.ts"
import { from } from "../src/query/query.ts"
import { some } from "../src/query/relation.ts"
import { union } from "../src/query/set.ts"
import { rowNumber } from "../src/query/window.ts"
import { type BenchResult, compare } from "./support/compare.ts"

const domain = defineDomain({
  name: "Orders",
  source: {
    table: "orders",
    primaryKey: "id",
    columns: { id: "integer", customer_id: "integer", status: "string", total: "decimal", created_at: "timestamptz" },
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
      items: { target: "items", ownerKey: "id", relatedKey: "order_id", many: true },
    },
  },
  schemas: {
    customers: { table: "customers", primaryKey: "id", columns: { id: "integer", email: "string", region: "string" } },
    items: {
      table: "items",
      primaryKey: "id",
      columns: { id: "integer", order_id: "integer", product_id: "integer", quantity: "integer" },
      associations: { product: { target: "products", ownerKey: "product_id", relatedKey: "id" } },
    },
    products: { table: "products", primaryKey: "id", columns: { id: "integer", name: "string" } },
  },
  joins: { customer: { type: "left" }, items: { type: "left", joins: { product: { type: "left" } } } },
})

interface Schema {
  orders: { id: number; customer_id: number; status: string; total: string; created_at: Date }
  customers: { id: number; email: string; region: string }
  items: { id: number; order_id: number; product_id: number; quantity: number }
  products: { id: number; name: string }
}
const kysely = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
const orders = from(domain)
const day = 86_400_000

/** Each shape twice, for the same SQL or as near as the two come. */
const pairs: Readonly<Record<string, readonly [ours: (n: number) => unknown, theirs: (n: number) => unknown]>> = {
  "primary key": [
    (n) => orders.select("id", "status", "total").filter({ id: n }).toSql(),
    (n) => kysely.selectFrom("orders").select(["id", "status", "total"]).where("id", "=", n).compile(),
  ],
  conditions: [
    (n) =>
      orders
        .select("id")
        .filter(or({ status: oneOf(["paid", "open"]) }, { total: between(n, n + 10) }), like("status", "p%"), {
          created_at: during(new Date(n * day), new Date((n + 7) * day)),
          total: isNotNull(),
        })
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select("id")
        .where((eb) => eb.or([eb("status", "in", ["paid", "open"]), eb.between("total", String(n), String(n + 10))]))
        .where("status", "like", "p%")
        .where("created_at", ">=", new Date(n * day))
        .where("created_at", "<", new Date((n + 7) * day))
        .where("total", "is not", null)
        .compile(),
  ],
  groups: [
    (n) =>
      orders
        .select({
          region: "customer.region",
          month: dateTrunc("month", "created_at"),
          n: count(),
          paid: count().filter({ status: "paid" }),
          total: sum("total"),
        })
        .filter({ id: gt(n) })
        .groupBy("customer.region", "month")
        .having(gt(sum("total"), 1000))
        .orderBy(desc("total"))
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .leftJoin("customers as customer", "customer.id", "orders.customer_id")
        .select((eb) => [
          "customer.region as region",
          sql<Date>`date_trunc('month', ${sql.ref("orders.created_at")})`.as("month"),
          eb.fn.countAll().as("n"),
          eb.fn.countAll().filterWhere("orders.status", "=", "paid").as("paid"),
          eb.fn.sum("orders.total").as("total"),
        ])
        .where("orders.id", ">", n)
        .groupBy(["customer.region", "month"])
        .having((eb) => eb(eb.fn.sum("orders.total"), ">", 1000))
        .orderBy("total", "desc")
        .compile(),
  ],
  window: [
    (n) =>
      orders
        .select({ id: "id", place: rowNumber().over({ partitionBy: "status", orderBy: [desc("total"), "id"] }) })
        .filter({ id: gt(n) })
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select((eb) => [
          "id",
          eb.fn
            .agg<number>("row_number")
            .over((over) => over.partitionBy("status").orderBy("total", "desc").orderBy("id"))
            .as("place"),
        ])
        .where("id", ">", n)
        .compile(),
  ],
  "to-many condition": [
    (n) =>
      orders
        .select("id")
        .filter(some("items.product", { name: `product ${n}` }))
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select("id")
        .where((eb) =>
          eb.exists(
            eb
              .selectFrom("items")
              .innerJoin("products", "products.id", "items.product_id")
              .select(sql.lit(1).as("one"))
              .whereRef("items.order_id", "=", "orders.id")
              .where("products.name", "=", `product ${n}`),
          ),
        )
        .compile(),
  ],
  "nested rows": [
    (n) =>
      orders
        .select({
          id: "id",
          items: nest("items", { product: "product.name", quantity: "quantity" }, { orderBy: "id", limit: 5 }),
        })
        .filter({ id: n })
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select((eb) => [
          "id",
          jsonArrayFrom(
            eb
              .selectFrom("items")
              .leftJoin("products", "products.id", "items.product_id")
              .select(["products.name as product", "items.quantity as quantity"])
              .whereRef("items.order_id", "=", "orders.id")
              .orderBy("items.id")
              .limit(5),
          ).as("items"),
        ])
        .where("id", "=", n)
        .compile(),
  ],
  CASE: [
    (n) =>
      orders
        .select({
          id: "id",
          size: caseWhen(
            [
              [gt("total", n), "large"],
              [gt("total", 10), "small"],
            ],
            "tiny",
          ),
        })
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select((eb) => [
          "id",
          eb
            .case()
            .when("total", ">", String(n))
            .then("large")
            .when("total", ">", "10")
            .then("small")
            .else("tiny")
            .end()
            .as("size"),
        ])
        .compile(),
  ],
  "query as a value": [
    (n) =>
      orders
        .select("id")
        .filter({ customer_id: oneOf(orders.select("customer_id").filter({ total: gt(n) })) })
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select("id")
        .where("customer_id", "in", (eb) => eb.selectFrom("orders as o").select("o.customer_id").where("o.total", ">", String(n)))
        .compile(),
  ],
  "WITH, joined": [
    (n) => {
      const big = orders
        .select({ customer_id: "customer_id", total: sum("total") })
        .groupBy("customer_id")
        .having(gt(sum("total"), n))
      return orders
        .joinQuery("big", big, { on: { customer_id: "customer_id" }, type: "inner", cte: true })
        .select("id", "big.total")
        .toSql()
    },
    (n) =>
      kysely
        .with("big", (db) =>
          db
            .selectFrom("orders")
            .select((eb) => ["customer_id", eb.fn.sum("total").as("total")])
            .groupBy("customer_id")
            .having((eb) => eb(eb.fn.sum("total"), ">", n)),
        )
        .selectFrom("orders")
        .innerJoin("big", "big.customer_id", "orders.customer_id")
        .select(["orders.id", "big.total"])
        .compile(),
  ],
  union: [
    (n) =>
      union(orders.select("id").filter({ id: n }), orders.select("id").filter({ status: "paid" }))
        .orderBy("id")
        .limit(10)
        .toSql(),
    (n) =>
      kysely
        .selectFrom("orders")
        .select("id")
        .where("id", "=", n)
        .union(kysely.selectFrom("orders").select("id").where("status", "=", "paid"))
        .orderBy("id")
        .limit(10)
        .compile(),
  ],
}

/** Builds and compiles one shape of query after the other, each with a new value every time and nothing memoised. */
export function compileShapesBench(): BenchResult[] {
  return Object.entries(pairs).map(([shape, [selecto, theirs]]) =>
    compare(`compile-${shape}`, `build + compile, ${shape}, microseconds`, { selecto, kysely: theirs }, "kysely", 301, 20),
  )
}
