import type { Json } from "../../src/domain/column.ts"
import type { DynamicDomain } from "../../src/domain/domain.ts"
import type { Expr } from "../../src/domain/expression.ts"
import type { Query } from "../../src/query/types/query.ts"
import { always, backwards, inferred, type Orders, orders, plain } from "./store.ts"
import * as s from "./surface.ts"

const {
  and,
  avg,
  between,
  caseOf,
  caseWhen,
  cast,
  coalesce,
  concat,
  contains,
  count,
  dateTrunc,
  desc,
  during,
  eq,
  exists,
  expr,
  extract,
  from,
  gt,
  isNull,
  like,
  literal,
  lower,
  max,
  nest,
  not,
  notNull,
  oneOf,
  or,
  overlaps,
  ref,
  round,
  sum,
} = s

declare const dynamic: DynamicDomain

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Fails to compile unless the query's row is exactly `Expected`. */
export declare function row<Expected>(): <Row, D extends never>(
  q: { execute(): Promise<Row[]> },
  ..._: Equal<Flat<Row>, Expected> extends true ? [] : [never, Flat<Row>]
) => void
type Flat<T> = { [K in keyof T]: T[K] }

row<{ id: number; "customer.region": string | null }>()(orders.select("id", "customer.region"))
row<{
  total: string
  weight: number
  serial: string
  placed_on: string
  meta: Json | null
  photo: Uint8Array
  created_at: Date
  note: string | null
}>()(orders.select("total", "weight", "serial", "placed_on", "meta", "photo", "created_at", "note"))
row<{ rating: "G" | "PG"; tags: string[]; valid: string | null; place: string }>()(
  orders.select("rating", "tags", "valid", "place"),
)
row<{ region: string | null; revenue: string | null; n: number }>()(
  orders.select({ region: "customer.region", revenue: sum("total"), n: count() }),
)
row<{ a: string | null; b: string; c: number | null; d: string | null; e: Date | null }>()(
  orders.select({
    a: avg("id"),
    b: coalesce(sum("total"), 0),
    c: sum("weight"),
    d: round(avg("total"), 2),
    e: max("created_at"),
  }),
)
row<{ product: string | null; country: string | null; sup: number | null }>()(
  orders.select({ product: "items.product", country: "customer.country.name", sup: "items.suppliers.rating" }),
)
row<{
  items: { product: string | null; qty: number; at: string; price: string; sup: { n: string }[] }[]
  customer: { r: string } | null
}>()(
  orders.select({
    items: nest("items", {
      product: "product",
      qty: "quantity",
      at: "added_at",
      price: "price",
      sup: nest("suppliers", { n: "name" }, { filter: { rating: gt(3) }, orderBy: desc("name"), limit: 2 }),
    }),
    customer: nest("customer", { r: "region" }),
  }),
)
row<{ n: number; g: number }>()(orders.select({ n: count(), g: count().filter({ rating: "G" }, eq("status", "paid")) }))
row<{ s: string | null }>()(orders.select({ s: sum("total").filter(or({ status: "a" }, isNull("customer.region"))) }))
row<{ l: string | null; m: Date; y: number; one: 1; t: "kids" | "ask" | null; u: "Long" | string; v: "Long" | "Short" }>()(
  orders.select({
    l: lower("customer.region"),
    m: dateTrunc("month", "created_at"),
    y: extract("year", "placed_on"),
    one: literal(1),
    t: caseOf("rating", [
      ["G", "kids"],
      ["PG", "ask"],
    ]),
    u: concat(ref("status"), "-", ref("note")),
    v: caseWhen([[{ total: gt(120) }, "Long"]], "Short"),
  }),
)
row<{ y: number; z: string; r: string; w: number }>()(
  orders.select({
    y: expr<number>`extract(year from ${ref("created_at")})`,
    z: notNull("customer.region"),
    r: coalesce("customer.region", "none"),
    w: cast("total", "float"),
  }),
)
row<{ id: number; n: number }>()(orders.select("id").select({ n: count() }))
row<{ id: number; "customer.region": string | null }>()(from(inferred, { tenant_id: 7 }))
row<{ id: number; tenant: string | null }>()(from(plain))
row<{ id: number; tenant_id: number; "customer.region": string | null }>()(from(always))
row<{ n: number; tenant_id: number; "customer.region": string | null }>()(from(always).select({ n: count() }))
row<{ id: number | null; "parent.id": number | null }>()(from(backwards).select("id", "parent.id"))
row<{ [path: string]: unknown }>()(from(dynamic))
row<{ a: unknown; n: number; s: unknown; items: { b: unknown } | { b: unknown }[] | null }>()(
  from(dynamic)
    .select({ a: "any.path", n: count(), s: max("x"), items: nest("many", { b: "c" }) })
    .filter({ "z.w": gt(1), a: "x", b: isNull() }, eq("b", 2), exists("items", { a: 1 }), or(like("x", "y")))
    .groupBy("a")
    .having(gt(sum("z"), 1))
    .orderBy(desc("z"), "q"),
)
row<{ full_name: string }>()(from(inferred, { tenant_id: 7 }).select("full_name"))

orders.filter({
  status: "paid",
  created_at: during("2023-01-01", "2024-01-01"),
  total: gt(1),
  "customer.region": oneOf(["EU"]),
  note: isNull(),
  rating: "G",
  tags: contains(["a"]),
  meta: contains({ a: 1 }),
  valid: contains(new Date()),
})
orders.filter(or(eq("customer.region", "EU"), exists("items", { product: like("A%") }), not({ status: "x" })))
orders.filter(
  gt("total", ref("weight")),
  eq(lower("status"), "paid"),
  between("id", 1, 2),
  during("created_at", "2023-01-01", new Date()),
  { created_at: between(new Date(), "2024-01-01") },
  contains("status", "x"),
  contains("tags", ["x"]),
  contains("meta", { a: [1] }),
  overlaps("tags", ["x"]),
)
orders
  .select({ n: count(), revenue: sum("total") })
  .groupBy("status", dateTrunc("day", "created_at"))
  .having(gt(sum("total"), 1000), { n: gt(1) })
  .orderBy(desc("revenue"), "n", desc(sum("total"), { nulls: "last" }))
  .limit(1)
  .offset(2)
orders.join("items", { type: "inner" }).select("id").join("items.product", { type: "left" })
row<{ id: number | null; note: string | null; "customer.region": string | null; total: string | null }>()(
  orders.select("id", "note", "customer.region").join("customer", { type: "full" }).select("total"),
)
export const paid = eq("status", "paid")
export const big = and<Orders>(eq("status", "paid"), { total: gt(1) })
export const apart = { n: count(), r: sum("total"), l: lower("status"), f: sum("total").filter<Orders>(eq("status", "x")) }
orders.filter(paid, big).select(apart)
row<{ n: number; r: string | null; l: string; f: string | null }>()(orders.select(apart))
export const assignable: Query<{ id: number }, Orders, { id: Orders["~fields"]["id"] }> = orders.select("id")
export type _ = Expr<1, 1>
