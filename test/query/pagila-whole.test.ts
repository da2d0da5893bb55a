import { expect, test } from "vitest"
import { avg, count, max, stringAgg, sum } from "../../src/query/aggregate.ts"
import { and, eq, gt, gte, lt, lte, ne, oneOf } from "../../src/query/condition.ts"
import { asc, desc, nest } from "../../src/query/expression.ts"
import { matches } from "../../src/query/full-text.ts"
import { from } from "../../src/query/query.ts"
import { countOf, every, none, some } from "../../src/query/relation.ts"
import { fromQuery, recursive, values } from "../../src/query/rows.ts"
import { except, union } from "../../src/query/set.ts"
import { existsIn, outer, scalar } from "../../src/query/subquery.ts"
import { rowNumber } from "../../src/query/window.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"
import { actors, castings, customers, films, payments, storeCustomers } from "./pagila-domains.ts"
import { onlyValueOf, rowsOf, tuplesOf } from "./run.ts"

// A file without a test counts as a failure.
if (pagilaMissing()) test.skip("Pagila, whole builder (its dump is not beside the checkout)", () => {})
else
  eachServer(
    "Pagila, whole builder",
    (target) => {
      const rows = (query: Parameters<typeof rowsOf>[1]) => rowsOf(target, query)
      const tuples = (query: Parameters<typeof rowsOf>[1]) => tuplesOf(target, query)
      const value = (query: Parameters<typeof rowsOf>[1]) => onlyValueOf(target, query)
      const filmCount = from(films).select({ n: count() })

      test("some of the related rows are in a list", async () => {
        expect(await value(filmCount.filter(some("film_categories.category", { name: oneOf(["Action", "Comedy"]) })))).toBe(280)
        expect(await value(filmCount.filter(none("film_categories.category", { name: oneOf(["Action", "Comedy"]) })))).toBe(720)
      })

      test("every related row", async () => {
        const all = filmCount.filter(every("inventory", { store_id: 1 }))
        const noneElse = filmCount.filter(none("inventory", ne("store_id", 1)))
        expect(await value(all)).toBe(await value(noneElse))
        expect(await value(filmCount.filter(every("inventory", lt("inventory_id", 0))))).toBe(42)
      })

      test("the number of related rows", async () => {
        expect(await value(filmCount.filter(countOf("film_actors", gt(10))))).toBe(27)
        expect(await value(filmCount.filter(gt(countOf("film_actors"), 10)))).toBe(27)
      })

      test("two conditions on one path are met by different rows", async () => {
        const both = filmCount
          .filter(some("film_actors.actor", { last_name: "GUINESS" }))
          .filter(some("film_actors.actor", { last_name: "WAHLBERG" }))
        expect(await value(both)).toBe(4)
        const many = filmCount.filter(some("actors", { last_name: "GUINESS" }), some("actors", { last_name: "WAHLBERG" }))
        expect(await value(many)).toBe(4)
      })

      test("the values of a query", async () => {
        const cast = from(castings).select("actor_id").filter({ film_id: 1 })
        const inFilm = from(actors)
          .select({ n: count() })
          .filter({ actor_id: oneOf(cast) })
        expect(await value(inFilm)).toBe(10)
        const correlated = from(castings).filter(eq("actor_id", outer("actor_id")), { film_id: 1 })
        expect(await value(from(actors).select({ n: count() }).filter(existsIn(correlated)))).toBe(10)
      })

      test("an ordered array of related rows", async () => {
        const query = from(actors)
          .select({ first_name: "first_name", films: nest("film_actors.film", { title: "title" }, { orderBy: "title" }) })
          .filter({ actor_id: 1 })
        const [row] = await rows(query)
        const titles = (row!.films as { title: string }[]).map((film) => film.title)
        expect([row!.first_name, titles.length, titles[0], titles[1]]).toEqual([
          ...["PENELOPE", 19, "ACADEMY DINOSAUR", "ANACONDA CONFESSIONS"],
        ])
      })

      test("two counts of related rows do not multiply each other", async () => {
        const query = from(actors)
          .select({
            actor_id: "actor_id",
            n: countOf("film_actors"),
            r: countOf("film_actors.film", { filter: { rating: "R" } }),
          })
          .filter(lte("actor_id", 3))
          .orderBy("actor_id")
        expect(await tuples(query)).toEqual([
          [1, 19, 3],
          [2, 25, 2],
          [3, 22, 5],
        ])
      })

      test("texts of related rows, joined in their order by a bound separator", async () => {
        const titles = from(castings)
          .joinQuery("film", from(films).select("film_id", "title"), { on: { film_id: "film_id" }, type: "inner" })
          .select({ titles: stringAgg("film.title", "; ").orderBy("film.title") })
          .filter(eq("actor_id", outer("actor_id")), { film_id: oneOf([1, 23]) })
        const query = from(actors)
          .select({ titles: scalar(titles) })
          .filter({ actor_id: 1 })
        expect(await value(query)).toBe("ACADEMY DINOSAUR; ANACONDA CONFESSIONS")
      })

      test("retargeted: each related row once, with order, limit, required filters and scope", async () => {
        const penelope = from(actors).filter({ first_name: "PENELOPE" }).retarget("film_actors.film")
        expect(await value(penelope.select({ n: count() }))).toBe(97)
        const first = from(actors).filter({ actor_id: 1 }).retarget("film_actors.film").select("title").orderBy("title").limit(2)
        expect(await tuples(first)).toEqual([["ACADEMY DINOSAUR"], ["ANACONDA CONFESSIONS"]])
        const paid = from(storeCustomers, { store_id: 1 }).retarget("payments").select({ n: count() })
        expect(await value(paid)).toBe(8748)
        expect(paid.toSql().values).toEqual([1])
        const twice = from(actors).filter({ actor_id: 1 }).retarget("film_actors").filter(gt("film.length", 100)).retarget("film")
        expect((await rows(twice)).length).toBeGreaterThan(3)
      })

      test("the first of each partition, by a filter on a window", async () => {
        const numbered = from(films).select({
          rating: "rating",
          title: "title",
          n: rowNumber().over({ partitionBy: "rating", orderBy: [desc("length"), "film_id"] }),
        })
        const query = fromQuery(numbered).select("rating", "title").filter({ n: 1 }).orderBy("rating")
        expect(await tuples(query)).toEqual([
          ["G", "CONTROL ANTHEM"],
          ["PG", "WORST BANGER"],
          ["PG-13", "CHICAGO NORTH"],
          ["R", "HOME PITY"],
          ["NC-17", "CRYSTAL BREAKING"],
        ])
        const distinct = from(films).select("rating", "title").distinctOn("rating").orderBy("rating", desc("length"), "film_id")
        expect(await tuples(distinct)).toEqual(await tuples(query))
      })

      test("a running total, and a moving mean", async () => {
        const total = from(payments)
          .select({
            payment_id: "payment_id",
            amount: "amount",
            total: sum("amount").over({ orderBy: ["payment_date", "payment_id"] }),
          })
          .filter({ customer_id: 1 })
          .orderBy("payment_date", "payment_id")
          .limit(3)
        expect(await tuples(total)).toEqual([
          [29000, "4.99", "4.99"],
          [28999, "4.99", "9.98"],
          [18501, "3.99", "13.97"],
        ])
        const mean = from(payments)
          .select({ id: "payment_id", mean: avg("amount").over("last") })
          .window("last", { orderBy: "payment_id", frame: { rows: [{ preceding: 2 }, "currentRow"] } })
          .filter({ customer_id: 1 })
          .orderBy("payment_id")
          .limit(3)
        expect((await tuples(mean)).map(([id, one]) => [id, Number(one).toFixed(4)])).toEqual([
          [16677, "2.9900"],
          [16678, "1.9900"],
          [18495, "3.3233"],
        ])
      })

      test("a joined query written as WITH, its values before those of the query", async () => {
        const big = from(payments)
          .select({ customer_id: "customer_id", total: sum("amount") })
          .groupBy("customer_id")
          .having(gt(sum("amount"), 180))
        const make = (cte: boolean) =>
          from(customers)
            .joinQuery("big", big, { on: { customer_id: "customer_id" }, type: "inner", cte })
            .select("last_name", "big.total")
            .filter(lt("customer_id", 500))
            .orderBy(desc("big.total"), "last_name")
        const expected = [
          ["HUNT", "216.54"],
          ["SHAW", "195.58"],
          ["KENNEDY", "194.61"],
          ["SNYDER", "194.61"],
          ["COLLAZO", "186.62"],
        ]
        expect(make(true).toSql().text).toMatch(/^WITH big AS \(/)
        expect(make(true).toSql().values).toEqual([180, 500])
        expect(await tuples(make(true))).toEqual(expected)
        expect(await tuples(make(false))).toEqual(expected)
      })

      test("a list of values as a lookup, joined to an enum", async () => {
        const labels = values({ code: "string", label: "string" }, [
          { code: "G", label: "General" },
          { code: "R", label: "Restricted" },
        ])
        const query = from(films)
          .joinQuery("labels", labels, { on: { rating: "code" } })
          .select({ label: "labels.label", n: count() })
          .groupBy("labels.label")
          .orderBy(asc("label", { nulls: "last" }))
        expect(await tuples(query)).toEqual([
          ["General", 178],
          ["Restricted", 195],
          [null, 627],
        ])
        expect(query.toSql().values).toEqual([
          ["G", "R"],
          ["General", "Restricted"],
        ])
      })

      test("set operations", async () => {
        const people = (all: boolean) =>
          union(from(actors).select("first_name", "last_name"), from(customers).select("last_name", "first_name"), { all })
        const counted = async (query: Parameters<typeof fromQuery>[0]) => await value(fromQuery(query).select({ n: count() }))
        expect(await counted(people(false))).toBe(797)
        expect(await counted(people(true))).toBe(799)
        const names = union(from(actors).select("last_name"), from(customers).select("last_name"))
        expect(await tuples(names.orderBy("last_name").limit(2))).toEqual([["ABNEY"], ["ADAM"]])
        const two = union(
          from(actors).select("first_name").filter({ actor_id: 1 }),
          from(customers).select("first_name").filter({ customer_id: 1 }),
        )
        expect(await tuples(two.orderBy("first_name"))).toEqual([["MARY"], ["PENELOPE"]])
        expect(two.toSql().values).toEqual([1, 1])
        const onlyActors = except(from(actors).select("last_name"), from(customers).select("last_name"))
        expect(await counted(onlyActors)).toBeLessThan(121)
      })

      test("a lateral query for each row", async () => {
        const top = from(payments)
          .select("amount", "payment_id")
          .filter(eq("customer_id", outer("customer_id")))
          .orderBy(desc("amount"), "payment_id")
          .limit(2)
        const query = from(customers)
          .joinQuery("top", top, { lateral: true })
          .select("customer_id", "top.amount", "top.payment_id")
          .filter(lte("customer_id", 2))
          .orderBy("customer_id", desc("top.amount"), "top.payment_id")
        expect(await tuples(query)).toEqual([
          [1, "9.99", 18497],
          [1, "7.99", 28997],
          [2, "10.99", 29014],
          [2, "6.99", 22694],
        ])
      })

      test("elements of an array as rows", async () => {
        const query = from(films)
          .unnest("special_features", "feature")
          .select({ feature: "feature", n: count() })
          .groupBy("feature")
          .orderBy("feature")
        expect(await tuples(query)).toEqual([
          ["Behind the Scenes", 538],
          ["Commentaries", 539],
          ["Deleted Scenes", 503],
          ["Trailers", 535],
        ])
      })

      test("full-text search", async () => {
        const found = await rows(from(films).select("title").filter(matches("fulltext", "dinosaur -academy")))
        expect(found.length).toBeGreaterThan(0)
        expect(found).not.toContainEqual({ title: "ACADEMY DINOSAUR" })
        expect(await value(filmCount.filter({ fulltext: matches("academy dinosaur") }))).toBe(1)
      })

      test("a recursion over a self join ends by itself and at its depth", async () => {
        const first = from(films).select({ id: "film_id" }).filter({ film_id: 1 })
        const step = (depth: number) =>
          recursive(
            first,
            (found) =>
              from(films)
                .joinQuery("found", found, { on: { language_id: "id" }, type: "inner" })
                .select({ id: "film_id" })
                .filter(lte("film_id", 20)),
            { maxDepth: depth },
          )
        expect(await tuples(fromQuery(step(0)).orderBy("id"))).toEqual([[1]])
        const deep = await tuples(fromQuery(step(30)).orderBy("id"))
        expect(deep.length).toBeGreaterThan(3)
        expect(new Set(deep.map(([id]) => id)).size).toBe(deep.length)
      })

      test("comparisons with all values of a query", async () => {
        const longest = from(films).select({ m: max("length") })
        const query = filmCount.filter(gte("length", scalar(longest)), and())
        expect(await value(query)).toBe(10)
      })
    },
    { template: pagila },
  )
