import { afterAll, beforeAll, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { count } from "../../src/query/aggregate.ts"
import { lower } from "../../src/query/calls.ts"
import { like } from "../../src/query/condition.ts"
import { desc } from "../../src/query/expression.ts"
import { csv } from "../../src/query/output.ts"
import { fromQuery } from "../../src/query/rows.ts"
import { union } from "../../src/query/set.ts"
import { rowNumber } from "../../src/query/window.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"
import { actors, films, rentals } from "./pagila-domains.ts"
import { orders, shop } from "./shop.ts"

/** All rows of a query, page by page. */
async function pages(query: {
  after(cursor: string): unknown
  page(): Promise<{ rows: unknown[]; next: string | null }>
}): Promise<unknown[][]> {
  const all: unknown[][] = []
  let page = await query.page()
  for (;;) {
    all.push(page.rows)
    if (page.next === null) return all
    page = await (query.after(page.next) as typeof query).page()
  }
}

eachServer(
  "queries with a connection",
  (target) => {
    let selecto: Selecto
    beforeAll(() => {
      selecto = connect(target.source)
    })
    afterAll(() => selecto.close())

    test("pages hold each row once, to the microsecond, in every direction and with nulls", async () => {
      const rows = selecto.from(orders).select("id")
      await target.sql.exec(
        "update store.orders set created_at = '2024-01-01T00:00:00.000001Z'::timestamptz + id * interval '1 microsecond' where id <= 3",
      )
      for (const order of [
        ["created_at", "id"],
        [desc("created_at"), desc("id")],
        [desc("note"), "id"],
        ["note", desc("id")],
        [desc("note", { nulls: "last" }), "id"],
        [desc("customer.region"), "customer_id", "id"],
        ["status", desc("total"), "id"],
      ] as const)
        for (const size of [1, 2, 3, 5, 9]) {
          const ordered = rows.orderBy(...(order as unknown as readonly ["id"]))
          const whole = await ordered.execute()
          const found = await pages(ordered.limit(size))
          expect(found.flat()).toEqual(whole)
          expect(found.length).toBe(Math.ceil(whole.length / size))
        }
    })

    test("pages of groups", async () => {
      const grouped = selecto.from(orders).select({ status: "status", n: count() }).groupBy("status").orderBy(desc("n"), "status")
      expect((await pages(grouped.limit(1))).flat()).toEqual(await grouped.execute())
    })

    test("pages of distinct rows, and of groups under a right join, hold each once", async () => {
      const distinct = selecto.from(orders).select("status", "tenant_id").distinct().orderBy("tenant_id", desc("status"))
      expect((await pages(distinct.limit(1))).flat()).toEqual(await distinct.execute())
      const perOrder = selecto
        .from(orders)
        .select({ id: "id", n: count("customer.id") })
        .join("customer", { type: "right" })
        .groupBy("id")
        .orderBy("id")
      expect((await pages(perOrder.limit(1))).flat()).toEqual(await perOrder.execute())
      const outer = selecto
        .from(orders)
        .select("id")
        .join("customer.country", { type: "left" })
        .orderBy("customer.country.name", "id")
      expect((await pages(outer.limit(1))).flat()).toEqual(await outer.execute())
    })

    test("pages whose order some rows share, or no condition can test, are refused", async () => {
      const rows = selecto.from(orders)
      for (const query of [
        rows.select("status", "tenant_id").distinct().orderBy("status"),
        rows
          .select({ total: "total" })
          .distinct()
          .orderBy(desc(lower("status"))),
        rows.select("id", "customer.id").join("customer", { type: "right" }).orderBy("id"),
        rows.select("id", "customer.id").join("customer", { type: "full" }).orderBy("id"),
        rows.select({ id: "id", n: rowNumber().over({ orderBy: "id" }) }).orderBy("n", "id"),
        rows.select("id").orderBy(desc(rowNumber().over({ orderBy: "id" })), "id"),
      ])
        await expect(query.limit(2).page()).rejects.toMatchObject({ code: "E_INVALID_OPTION", path: "orderBy()" })
    })

    test("a cursor belongs to its query", async () => {
      const query = selecto.from(orders).select("id").orderBy("id").limit(2)
      const { next } = await query.page()
      expect(await query.after(next!).execute()).toEqual([{ id: 3 }, { id: 4 }])
      for (const other of [query.select("status"), query.orderBy("status"), query.filter({ status: "paid" })])
        expect(() => other.after(next!)).toThrow(expect.objectContaining({ code: "E_INVALID_CURSOR" }))
      await expect(selecto.from(orders).select("id").orderBy("id").page()).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
      await expect(query.offset(1).page()).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    })

    test("set operations and queries over queries run where their first side is connected", async () => {
      const paid = selecto.from(orders).select("id").filter({ status: "paid" })
      const both = union(paid, selecto.from(orders).select("id").filter({ status: "void" })).orderBy(desc("id"))
      expect(await both.execute()).toEqual([{ id: 5 }, { id: 4 }, { id: 2 }, { id: 1 }])
      expect(await fromQuery(both).select({ n: count() }).executeOne()).toEqual({ n: 4 })
      const numbered = fromQuery(selecto.from(orders).select({ id: "id", n: rowNumber().over({ orderBy: desc("id") }) }))
      expect(await numbered.filter({ n: 1 }).execute()).toEqual([{ id: 5, n: 1 }])
    })
  },
  { template: shop },
)

if (!pagilaMissing())
  eachServer(
    "Pagila with a connection",
    (target) => {
      let selecto: Selecto
      beforeAll(() => {
        selecto = connect(target.source)
      })
      afterAll(() => selecto.close())

      test("one row, none, several", async () => {
        const named = selecto.from(actors).select("first_name")
        expect(await named.filter({ actor_id: 1 }).executeOne()).toEqual({ first_name: "PENELOPE" })
        await expect(named.filter({ actor_id: 0 }).executeOne()).rejects.toMatchObject({ code: "E_NO_RESULT" })
        await expect(named.filter({ first_name: like("A%") }).executeOne()).rejects.toMatchObject({ code: "E_MULTIPLE_RESULTS" })
      })

      test("a stream to its end, and one that is left", async () => {
        const all = selecto.from(rentals).select("rental_id").orderBy("rental_id")
        let seen = 0
        for await (const _ of all.stream({ batchSize: 500 })) seen++
        expect(seen).toBe(16_044)
        for await (const row of all.stream({ batchSize: 500 })) if (row.rental_id === 10) break
        expect(await all.limit(1).execute()).toEqual([{ rental_id: 1 }])
      })

      test("a stream as CSV", async () => {
        const film = selecto.from(films).select("title", "special_features", "original_language_id").filter({ film_id: 1 })
        const lines: string[] = []
        for await (const line of csv(film.stream())) lines.push(line)
        expect(lines).toEqual([
          "title,special_features,original_language_id\r\n",
          'ACADEMY DINOSAUR,"{""Deleted Scenes"",""Behind the Scenes""}",\r\n',
        ])
      })
    },
    { template: pagila },
  )
