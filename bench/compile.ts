import { and as drizzleAnd, desc as drizzleDesc, eq as drizzleEq, gt as drizzleGt } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { integer, numeric, pgTable, text, timestamp } from "drizzle-orm/pg-core"
import knexFactory from "knex"
import { DummyDriver, type Generated, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely"
import { defineDomain } from "../src/domain/define.ts"
import { eq, gt } from "../src/query/condition.ts"
import { desc } from "../src/query/expression.ts"
import { from } from "../src/query/query.ts"
import { type BenchResult, compare } from "./support/compare.ts"

const domain = defineDomain({
  name: "Orders",
  source: {
    table: "orders",
    primaryKey: "id",
    columns: {
      id: "integer",
      customer_id: "integer",
      product_id: "integer",
      store_id: "integer",
      status: "string",
      total: "decimal",
      created_at: "timestamptz",
    },
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
      product: { target: "products", ownerKey: "product_id", relatedKey: "id" },
      store: { target: "stores", ownerKey: "store_id", relatedKey: "id" },
    },
  },
  schemas: {
    customers: { table: "customers", primaryKey: "id", columns: { id: "integer", email: "string", region: "string" } },
    products: { table: "products", primaryKey: "id", columns: { id: "integer", name: "string", price: "decimal" } },
    stores: { table: "stores", primaryKey: "id", columns: { id: "integer", city: "string" } },
  },
  joins: { customer: { type: "left" }, product: { type: "left" }, store: { type: "left" } },
})

interface Schema {
  orders: {
    id: Generated<number>
    customer_id: number
    product_id: number
    store_id: number
    status: string
    total: string
    created_at: Date
  }
  customers: { id: Generated<number>; email: string; region: string }
  products: { id: Generated<number>; name: string; price: string }
  stores: { id: Generated<number>; city: string }
}
const kysely = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

const orders = pgTable("orders", {
  id: integer().primaryKey(),
  customer_id: integer(),
  product_id: integer(),
  store_id: integer(),
  status: text(),
  total: numeric(),
  created_at: timestamp({ withTimezone: true }),
})
const customers = pgTable("customers", { id: integer().primaryKey(), email: text(), region: text() })
const products = pgTable("products", { id: integer().primaryKey(), name: text(), price: numeric() })
const stores = pgTable("stores", { id: integer().primaryKey(), city: text() })
const drizzleDb = drizzle.mock()
const knex = knexFactory({ client: "pg" })

const shapes = {
  selecto: (n: number) =>
    from(domain)
      .select({ id: "id", total: "total", region: "customer.region", product: "product.name", city: "store.city" })
      .filter(eq("status", "paid"), gt("total", n), eq("customer.region", "EU"))
      .orderBy(desc("created_at"))
      .limit(20)
      .toSql(),
  kysely: (n: number) =>
    kysely
      .selectFrom("orders")
      .leftJoin("customers as customer", "customer.id", "orders.customer_id")
      .leftJoin("products as product", "product.id", "orders.product_id")
      .leftJoin("stores as store", "store.id", "orders.store_id")
      .select([
        "orders.id as id",
        "orders.total as total",
        "customer.region as region",
        "product.name as product",
        "store.city as city",
      ])
      .where("orders.status", "=", "paid")
      .where("orders.total", ">", String(n))
      .where("customer.region", "=", "EU")
      .orderBy("orders.created_at", "desc")
      .limit(20)
      .compile(),
  drizzle: (n: number) =>
    drizzleDb
      .select({ id: orders.id, total: orders.total, region: customers.region, product: products.name, city: stores.city })
      .from(orders)
      .leftJoin(customers, drizzleEq(customers.id, orders.customer_id))
      .leftJoin(products, drizzleEq(products.id, orders.product_id))
      .leftJoin(stores, drizzleEq(stores.id, orders.store_id))
      .where(drizzleAnd(drizzleEq(orders.status, "paid"), drizzleGt(orders.total, String(n)), drizzleEq(customers.region, "EU")))
      .orderBy(drizzleDesc(orders.created_at))
      .limit(20)
      .toSQL(),
  knex: (n: number) =>
    knex("orders")
      .leftJoin("customers as customer", "customer.id", "orders.customer_id")
      .leftJoin("products as product", "product.id", "orders.product_id")
      .leftJoin("stores as store", "store.id", "orders.store_id")
      .select(
        "orders.id as id",
        "orders.total as total",
        "customer.region as region",
        "product.name as product",
        "store.city as city",
      )
      .where("orders.status", "paid")
      .where("orders.total", ">", n)
      .where("customer.region", "EU")
      .orderBy("orders.created_at", "desc")
      .limit(20)
      .toSQL()
      .toNative(),
}

/** Builds and compiles a filtered query of three joins, a new value each time, nothing memoised between iterations. */
export async function compileBench(): Promise<BenchResult> {
  return compare("compile", "build + compile, 3 joins, microseconds", shapes, "kysely")
}
