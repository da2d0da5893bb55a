import { afterAll, beforeAll, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { defineDomain } from "../../src/domain/define.ts"
import type { Report } from "../../src/execution/request.ts"
import { count, sum } from "../../src/query/aggregate.ts"
import type { RouteDecision } from "../../src/views/index.ts"
import { eachServer } from "../support/each-server.ts"

const orders = defineDomain({
  name: "Orders",
  source: {
    table: "orders",
    primaryKey: "id",
    columns: { id: "integer", customer_id: "integer", status: "string", total: "decimal" },
    associations: { customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" } },
  },
  schemas: { customers: { table: "customers", primaryKey: "id", columns: { id: "integer", region: "string" } } },
  joins: { customer: { type: "left" } },
})

const setUp = `
create table customers (id int primary key, region text not null);
create table orders (id int primary key, customer_id int references customers, status text not null, total numeric(10,2) not null);
insert into customers select n, (array['North America', 'EU', 'Asia'])[n % 3 + 1] from generate_series(1, 300) n;
insert into orders select n, n % 300 + 1, (array['paid', 'open'])[n % 2 + 1], n % 97 from generate_series(1, 20000) n;
create materialized view sales_by_region as
  select c.region, o.status, sum(o.total) as total, count(*) as n from orders o left join customers c on c.id = o.customer_id group by c.region, o.status;
analyze;
`

const any = { maxStaleness: Number.POSITIVE_INFINITY }
const decision = (report: Report): RouteDecision => report.route as RouteDecision

eachServer("queries routed to views", (target) => {
  let selecto: Selecto
  beforeAll(async () => {
    await target.sql.exec(setUp)
    selecto = connect(target.source)
  })
  afterAll(() => selecto.close())
  const byRegion = () =>
    selecto
      .from(orders)
      .select({ region: "customer.region", total: sum("total"), n: count() })
      .groupBy("customer.region")

  test("of a view that is kept here the age is known", async () => {
    const query = selecto
      .from(orders)
      .select({ customer: "customer_id", total: sum("total") })
      .groupBy("customer_id")
    const before = await query.route({ maxStaleness: "1h" }).run()
    expect(before.report.source).toBe("database")
    await query.materialize({ name: "total_by_customer", refresh: "daily", maxStaleness: "1h" })
    expect((await query.run()).report.source).toBe("database")
    expect((await query.route().run()).report.view).toBe("public.total_by_customer")
    const routed = await query.route({ maxStaleness: "1h" }).run()
    expect(routed.report).toMatchObject({ source: "view", view: "public.total_by_customer" })
    expect(Date.now() - routed.report.asOf!.at.getTime()).toBeLessThan(3_600_000)
    expect(new Map(routed.rows.map(({ customer, total }) => [customer, total]))).toEqual(
      new Map(before.rows.map(({ customer, total }) => [customer, total])),
    )
    const silent = await byRegion().route().run()
    expect(silent.report.source).toBe("database")
    expect(JSON.stringify(silent.report.route)).toMatch(/neither the view nor the query says how old/)
    const late = await query.route({ maxStaleness: 0 }).run()
    expect(late.report.source).toBe("database")
    expect(JSON.stringify(late.report.route)).toMatch(/0 ms are allowed/)
    await selecto.views.drop("total_by_customer")
    expect((await query.route({ maxStaleness: "1h" }).run()).report.source).toBe("database")
  })

  test("answers from the view what was allowed to be old, with the same rows", async () => {
    const query = byRegion().filter({ "customer.region": "North America" })
    const plain = await query.run()
    const routed = await query.route(any).run()
    expect(plain.report).toMatchObject({ source: "database", view: null, route: null })
    expect(routed.report).toMatchObject({ source: "view", view: "public.sales_by_region", asOf: null })
    expect(routed.report.sql).toContain("sales_by_region")
    expect(routed.rows).toEqual(plain.rows)
    expect(routed.columns.map(({ name, typeId }) => [name, typeId])).toEqual(
      plain.columns.map(({ name, typeId }) => [name, typeId]),
    )
    const { costs } = decision(routed.report)
    expect(costs!.rewritten).toBeLessThan(costs!.base)
  })

  test("goes to its tables unless asked, and when it opted out", async () => {
    for (const query of [byRegion(), byRegion().route(false)])
      expect((await query.run()).report).toMatchObject({ source: "database", view: null, route: null })
  })

  test("does not take a view for young whose age nobody knows", async () => {
    const { report } = await byRegion().route({ maxStaleness: "1h" }).run()
    expect(report.source).toBe("database")
    expect(decision(report)).toMatchObject({
      view: null,
      reason: "no view is young enough",
      reasons: [{ view: "public.sales_by_region", reason: "nobody knows when it was refreshed" }],
    })
  })

  test("says why a view cannot answer", async () => {
    const { report } = await selecto
      .from(orders)
      .select({ total: sum("total") })
      .filter({ id: 7 })
      .route(any)
      .run()
    expect(report.source).toBe("database")
    expect(decision(report).reasons).toEqual([
      { view: "public.sales_by_region", reason: "the query has a condition on columns that the view lacks" },
    ])
  })

  test("refuses to join a view with tables of another moment", async () => {
    await target.sql.exec(
      "create materialized view by_customer as select customer_id, sum(total) as total, count(*) as n from orders group by customer_id; analyze by_customer",
    )
    const fresh = connect(target.source)
    const { report } = await fresh
      .statement(
        "select c.id, t.total from customers c join (select customer_id, sum(total) as total from orders group by customer_id) t on t.customer_id = c.id",
      )
      .route(any)
      .run()
    expect(report.source).toBe("database")
    expect(decision(report).reason).toMatch(/by_customer answers it only together with public.customers/)
    await fresh.close()
  })

  test("keeps to tables inside a transaction", async () => {
    await selecto.transaction(async (tx) => {
      const { report } = await tx.from(orders).select({ n: count() }).route(any).run()
      expect(report.source).toBe("database")
      expect(decision(report).reason).toMatch(/transaction/)
    })
  })

  test("binds values, and holds for others", async () => {
    const text = "select status, sum(total) as total from orders where status = $1 group by status"
    for (const status of ["paid", "open", "none"]) {
      const base = await selecto.statement(text, [status]).run()
      const routed = await selecto.statement(text, [status]).route(any).run()
      expect(routed.report.view).toBe("public.sales_by_region")
      expect(routed.rows).toEqual(base.rows)
    }
  })

  test("streams from the view, and explains the plan that is run", async () => {
    const query = byRegion().route(any)
    const streamed: unknown[] = []
    for await (const row of query.stream()) streamed.push(row)
    expect(streamed).toHaveLength(3)
    expect(JSON.stringify(await query.explain())).toContain("sales_by_region")
    expect(JSON.stringify(await byRegion().explain())).not.toContain("sales_by_region")
  })

  test("goes to the tables when the view was dropped or emptied meanwhile", async () => {
    await target.sql.exec(
      "create materialized view totals as select status, count(*) as n, max(id) as last from orders group by status; analyze totals",
    )
    const fresh = connect(target.source)
    const query = fresh.statement("select status, max(id) as last from orders group by status order by 1").route(any)
    const before = await query.run()
    expect(before.report.view).toBe("public.totals")
    await target.sql.exec("refresh materialized view totals with no data")
    const emptied = await query.run()
    expect(emptied.report).toMatchObject({ source: "database", view: null })
    expect(decision(emptied.report).reason).toMatch(/totals is not what it was/)
    await target.sql.exec("drop materialized view totals")
    const dropped = await query.run()
    expect(dropped.report.source).toBe("database")
    expect(dropped.rows).toEqual(before.rows)
    await fresh.close()
  })

  test("rewrites a text, or says why not", async () => {
    const found = await selecto.views.rewrite(
      "select region, count(*) from orders o left join customers c on c.id = customer_id group by region",
      {
        judge: "semantics",
      },
    )
    expect(found).toMatchObject({ views: ["public.sales_by_region"], kind: "full" })
    const none = await selecto.views.rewrite("select stddev(total) from orders", { judge: "semantics" })
    expect(none.text).toBeNull()
  })

  test("refuses an option that it does not know", () => {
    for (const option of [null, "1h", true, { maxStaleness: "soon" }, { maxStaleness: -1 }])
      expect(() => byRegion().route(option as never), JSON.stringify(option)).toThrow(
        expect.objectContaining({ code: "E_INVALID_OPTION" }),
      )
  })
})
