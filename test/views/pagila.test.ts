import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { count } from "../../src/query/aggregate.ts"
import { gt } from "../../src/query/condition.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"

const films = defineDomain({
  name: "Films",
  source: {
    table: "film",
    primaryKey: "film_id",
    columns: {
      film_id: "integer",
      title: "string",
      length: "smallint?",
      rating: { type: "enum", pgType: "mpaa_rating", values: ["G", "PG", "PG-13", "R", "NC-17"] },
    },
  },
})

describe.skipIf(pagilaMissing())("the life of a view over Pagila", () => {
  eachServer(
    "films by rating",
    (target) => {
      let selecto: Selecto
      const rows = async (text: string): Promise<Record<string, unknown>[]> => (await target.sql.query(text)).rows
      beforeAll(() => {
        selecto = connect(target.source)
      })
      afterAll(async () => {
        await selecto.close()
      })

      test("made of a query of the builder; once more nothing changes", async () => {
        const byRating = selecto.from(films).select({ rating: "rating", n: count() }).groupBy("rating")
        const made = await byRating.materialize({ name: "films_by_rating", refresh: "daily", track: true })
        expect(made).toMatchObject({
          view: "public.films_by_rating",
          outcome: "created",
          unique: ["rating"],
          refresh: { rows: 5 },
        })
        expect(await rows("select count(*)::int as n, sum(n)::int as films from films_by_rating")).toEqual([
          { n: 5, films: 1000 },
        ])
        expect((await byRating.materialize({ name: "films_by_rating", refresh: "daily", track: true })).outcome).toBe("unchanged")
        expect((await selecto.views.status("films_by_rating")).freshness).toBe("exact")
      })

      test("concurrently only with a plain unique index; what holds nothing cannot be read, nor refreshed concurrently", async () => {
        await target.sql.exec("create materialized view bare as select rating, count(*) as n from film group by rating")
        await expect(selecto.views.refresh("bare", { concurrently: true })).rejects.toMatchObject({
          code: "E_VIEW_NOT_CONCURRENT",
          message: expect.stringContaining("create a unique index with no WHERE clause on one or more of its columns"),
        })
        expect(await selecto.views.refresh("bare")).toMatchObject({ outcome: "refreshed", concurrently: false, rows: 5 })
        for (const refused of ["(rating) where n > 0", "((n + 1))"]) {
          await target.sql.exec(`create unique index on bare ${refused}`)
          await expect(selecto.views.refresh("bare", { concurrently: true })).rejects.toMatchObject({
            code: "E_VIEW_NOT_CONCURRENT",
          })
        }
        await target.sql.exec("create unique index on bare (rating)")
        expect(await selecto.views.refresh("bare", { concurrently: true })).toMatchObject({ concurrently: true })
        await expect(rows("select * from rental_by_category")).rejects.toThrow(/has not been populated/)
        await expect(selecto.views.refresh("rental_by_category", { concurrently: true })).rejects.toMatchObject({
          code: "E_VIEW_NOT_CONCURRENT",
          message: expect.stringContaining("holds nothing yet"),
        })
      })

      test("an adopted view is filled, and then right", async () => {
        await selecto.views.adopt("rental_by_category", { refresh: "hourly", track: true })
        expect(await selecto.views.status("rental_by_category")).toMatchObject({ freshness: "empty", usable: false })
        expect(await selecto.views.refresh("rental_by_category")).toMatchObject({ outcome: "refreshed" })
        expect(
          await rows("select category, total_sales::text as total from rental_by_category order by total_sales desc limit 3"),
        ).toEqual([
          { category: "Foreign", total: "10507.67" },
          { category: "Children", total: "10437.05" },
          { category: "Animation", total: "10369.55" },
        ])
        const { freshness, asOf } = await selecto.views.status("rental_by_category")
        expect(freshness).toBe("exact")
        expect(asOf).toBeInstanceOf(Date)
        await target.sql.exec("update payment set amount = amount + 1 where payment_id = (select min(payment_id) from payment)")
        expect((await selecto.views.status("rental_by_category")).freshness).toBe("stale")
      })

      test("bound values are refused, or written into the definition where that is asked for", async () => {
        const long = selecto.from(films).select("film_id", "title").filter(gt("length", 180), { title: "O'Brien's \\ film" })
        await expect(long.materialize({ name: "long_films" })).rejects.toMatchObject({
          code: "E_VIEW_PARAMETERS",
          message: expect.stringContaining("inlineValues"),
        })
        const made = await long.materialize({ name: "long_films", inlineValues: true })
        expect(made).toMatchObject({ outcome: "created", unique: ["film_id"], refresh: { rows: 0 } })
        const above = selecto.from(films).select("film_id").filter(gt("length", 180))
        const [{ n }] = (await rows("select count(*)::int as n from film where length > 180")) as [{ n: number }]
        expect(n).toBeGreaterThan(10)
        expect((await above.materialize({ name: "above_180", inlineValues: true })).refresh?.rows).toBe(n)
        await expect(
          selecto.transaction((tx) => tx.from(films).select("film_id").materialize({ name: "inside" })),
        ).rejects.toMatchObject({ code: "E_TRANSACTION_CONFLICT" })
      })
    },
    { template: pagila },
  )
})
