import type { Selecto } from "../../client/selecto.ts"
import { defineDomain } from "../../domain/define.ts"
import { count, sum } from "../../query/aggregate.ts"
import { concat } from "../../query/calls.ts"
import { during, gt, oneOf } from "../../query/condition.ts"
import { desc, nest } from "../../query/expression.ts"
import type { Runnable } from "../../query/types/runnable.ts"
import type { StoreSize } from "./store.ts"

/** The store of the tour as a domain, in the schema it was made in. */
function storeDomain(schema: string) {
  return defineDomain({
    name: "Orders",
    source: {
      table: "orders",
      schema,
      primaryKey: "id",
      columns: {
        id: "integer",
        customer_id: "integer",
        status: "string",
        total: "decimal",
        note: "string?",
        created_at: "timestamptz",
      },
      associations: {
        customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
        items: { target: "order_items", ownerKey: "id", relatedKey: "order_id", many: true },
      },
    },
    schemas: {
      customers: {
        table: "customers",
        schema,
        primaryKey: "id",
        columns: {
          id: "integer",
          email: "string",
          first_name: "string",
          last_name: "string",
          region: "string",
          tier: "string",
          signed_up: "timestamptz",
        },
        redact: ["email"],
      },
      order_items: {
        table: "order_items",
        schema,
        primaryKey: "id",
        columns: { id: "integer", order_id: "integer", product_id: "integer", quantity: "integer", unit_price: "decimal" },
        associations: { product: { target: "products", ownerKey: "product_id", relatedKey: "id" } },
      },
      products: {
        table: "products",
        schema,
        primaryKey: "id",
        columns: { id: "integer", sku: "string", name: "string", category: "string", price: "decimal" },
      },
    },
    joins: {
      customer: { type: "left" },
      items: { type: "left", joins: { product: { type: "dimension", dimension: "name" } } },
    },
    customColumns: { customer_name: (f) => concat(f["customer.first_name"], " ", f["customer.last_name"]) },
    defaultSelected: ["id", "status", "total", "created_at"],
    defaultOrderBy: ["id"],
  })
}

/** One question of the tour, the code that asks it, and the query. */
export interface TourQuery {
  readonly title: string
  readonly code: string
  readonly query: Runnable<unknown>
}

/** The tour's questions, the first of which is walked through step by step. */
export function tourQueries(selecto: Selecto, schema: string, size: StoreSize): TourQuery[] {
  const orders = selecto.from(storeDomain(schema))
  // A customer and a product from the long tail: most are like them.
  const customer = Math.round(size.customers * 0.4)
  const product = Math.round(size.products * 0.7)
  return [
    {
      title: "a customer's latest orders, with their items",
      code: `orders.select({ id: "id", total: "total", customer: "customer_name",
               items: nest("items", { product: "product", qty: "quantity" }) })
      .filter({ customer_id: ${customer} })
      .orderBy(desc("created_at")).limit(10)`,
      query: orders
        .select({
          id: "id",
          total: "total",
          customer: "customer_name",
          items: nest("items", { product: "product", qty: "quantity" }),
        })
        .filter({ customer_id: customer })
        .orderBy(desc("created_at"))
        .limit(10),
    },
    {
      title: "what is still to be sent to enterprise customers",
      code: `orders.select({ id: "id", total: "total", customer: "customer_name" })
      .filter({ status: oneOf(["pending", "paid"]), "customer.tier": "enterprise" })
      .orderBy(desc("total")).limit(20)`,
      query: orders
        .select({ id: "id", total: "total", customer: "customer_name" })
        .filter({ status: oneOf(["pending", "paid"]), "customer.tier": "enterprise" })
        .orderBy(desc("total"))
        .limit(20),
    },
    {
      title: "how often one product sold in a week",
      code: `orders.select({ n: count(), pieces: sum("items.quantity") })
      .filter({ "items.product_id": ${product}, created_at: during("2025-03-01", "2025-03-08") }).allowFanOut()`,
      query: orders
        .select({ n: count(), pieces: sum("items.quantity") })
        .filter({ "items.product_id": product, created_at: during("2025-03-01", "2025-03-08") })
        .allowFanOut(),
    },
    {
      title: "the largest returned orders",
      code: `orders.select("id", "total", "created_at")
      .filter({ status: "returned", total: gt(2_000) }).orderBy(desc("total")).limit(10)`,
      query: orders
        .select("id", "total", "created_at")
        .filter({ status: "returned", total: gt(2_000) })
        .orderBy(desc("total"))
        .limit(10),
    },
  ]
}

/** The question that is shared among sessions: it reads every item. */
export function sharedQuery(selecto: Selecto, schema: string): TourQuery {
  return {
    title: "what each tier of customers has bought, by several sessions",
    code: `orders.select({ tier: "customer.tier", n: count(), pieces: sum("items.quantity") })
      .groupBy("customer.tier").allowFanOut().parallel({ workers: 2 })`,
    query: selecto
      .from(storeDomain(schema))
      .select({ tier: "customer.tier", n: count(), pieces: sum("items.quantity") })
      .groupBy("customer.tier")
      .allowFanOut(),
  }
}

/** The tour's materialized view. */
export const salesView = "sales_by_region"

/** What is summed up once, and what is asked of it. */
export interface SalesQueries {
  readonly byRegion: Runnable<unknown>
  readonly oneRegion: Runnable<unknown>
  readonly code: string
  readonly questionCode: string
}

/** Sales by region, and those of one region. */
export function salesQueries(selecto: Selecto, schema: string): SalesQueries {
  const byRegion = selecto
    .from(storeDomain(schema))
    .select({ region: "customer.region", sales: sum("total"), orders: count() })
    .groupBy("customer.region")
  return {
    byRegion,
    oneRegion: byRegion.filter({ "customer.region": "NA" }),
    code: `orders.select({ region: "customer.region", sales: sum("total"), orders: count() }).groupBy("customer.region")`,
    questionCode: `salesByRegion.filter({ "customer.region": "NA" }).route({ maxStaleness: Infinity })`,
  }
}
