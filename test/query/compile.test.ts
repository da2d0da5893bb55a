import { expect, test } from "vitest"
import { count, sum } from "../../src/query/aggregate.ts"
import { coalesce, dateTrunc } from "../../src/query/calls.ts"
import { contains, eq, exists, gt, oneOf, or } from "../../src/query/condition.ts"
import { desc, nest } from "../../src/query/expression.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { orders } from "./shop.ts"

const query = from(orders)

test("the whole statement of a query with every clause", () => {
  const { text, values } = query
    .select({
      region: "customer.region",
      month: dateTrunc("month", "created_at"),
      revenue: coalesce(sum("total"), 0),
      n: count(),
    })
    .filter({ status: oneOf(["paid", "open"]) }, or(gt("total", 3), contains("note", "50%")))
    .groupBy("customer.region", "month")
    .having(gt(count(), 1))
    .orderBy(desc("revenue"), "customer.region")
    .limit(10)
    .offset(20)
    .toSql()
  expect(text).toBe(
    "SELECT customer.region AS region, date_trunc('month', orders.created_at) AS month, " +
      "coalesce(sum(orders.total), $1::numeric) AS revenue, count(*) AS n " +
      "FROM store.orders LEFT JOIN store.customers AS customer ON customer.id = orders.customer_id " +
      "WHERE orders.status = ANY ($2) AND (orders.total > $3 OR orders.note LIKE $4) " +
      "GROUP BY customer.region, date_trunc('month', orders.created_at) HAVING count(*) > $5 " +
      "ORDER BY revenue DESC, customer.region LIMIT $6 OFFSET $7",
  )
  expect(values).toEqual([0, ["paid", "open"], 3, "%50\\%%", 1, 10, 20])
})

test("the text depends on the shape alone", () => {
  const of = (status: string, ids: number[], limit: number) =>
    query
      .filter({ status, id: oneOf(ids) })
      .limit(limit)
      .toSql().text
  expect(of("paid", [1], 3)).toBe(of("'; drop table x; --", [1, 2, 3, 4], 500))
})

test("a query is a value: deriving from it leaves it alone", () => {
  const base = query.select("id")
  const before = base.toSql().text
  base.filter({ id: 1 }).select("status").orderBy("id").limit(1).distinct()
  expect(base.toSql().text).toBe(before)
})

test("an inner join below a left one stays inside it", () => {
  expect(query.select("customer.country.name").toSql().text).toBe(
    'SELECT customer_country.name AS "customer.country.name" FROM store.orders LEFT JOIN (store.customers AS customer ' +
      "JOIN store.countries AS customer_country ON customer_country.code = customer.country_code) ON customer.id = orders.customer_id",
  )
})

test("a query with subqueries numbers its values once, in the order of the text", () => {
  const { text, values } = query
    .select({ id: "id", items: nest("items", { q: "quantity" }, { filter: { quantity: gt(1) }, limit: 5 }) })
    .filter(exists("items", { "product.name": "Pen" }, exists("shipments", { carrier: "sea" })), eq("status", "paid"))
    .toSql()
  expect(values).toEqual([1, 5, "Pen", "sea", "paid"])
  const numbers = [...text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1]))
  expect(numbers).toEqual([1, 2, 3, 4, 5])
})

test("aliases of subqueries are their own, and the same each time", () => {
  const make = () =>
    query
      .select({ a: nest("items", { q: "quantity" }), b: nest("items", { q: "product.name" }) })
      .filter(exists("items", { quantity: 1 }))
      .toSql().text
  const text = make()
  expect(make()).toBe(text)
  const aliases = [...text.matchAll(/store\.items AS (\w+)/g)].map((match) => match[1])
  expect(new Set(aliases).size).toBe(aliases.length)
  expect(aliases.length).toBe(3)
})

test("a long alias is kept apart from its neighbours and comes back whole", () => {
  const long = "a".repeat(70)
  const builder = query as unknown as QueryBuilder
  const { output, text } = builder.select({ [`${long}1`]: "id", [`${long}2`]: "status" }).compiled()
  expect(output.map((column) => column.name)).toEqual([`${long}1`, `${long}2`])
  const names = [...text.matchAll(/AS (a+_\w+)/g)].map((match) => match[1])
  expect(new Set(names).size).toBe(2)
  for (const name of names) expect(name!.length).toBeLessThanOrEqual(63)
})
