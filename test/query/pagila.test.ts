import { expect, test } from "vitest"
import { avg, count, countDistinct, max, min, sum } from "../../src/query/aggregate.ts"
import { dateTrunc } from "../../src/query/calls.ts"
import {
  and,
  between,
  containedBy,
  contains,
  during,
  eq,
  exists,
  gt,
  gte,
  isNull,
  lt,
  lte,
  ne,
  noneOf,
  not,
  oneOf,
  or,
  overlaps,
  startsWith,
} from "../../src/query/condition.ts"
import { caseOf, desc, nest } from "../../src/query/expression.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"
import { activeCustomers, actors, customers, films, payments, storeCustomers } from "./pagila-domains.ts"
import { onlyValueOf, rowsOf, tuplesOf } from "./run.ts"

// A file without a test counts as a failure.
if (pagilaMissing()) test.skip("Pagila, first floor (its dump is not beside the checkout)", () => {})
else
  eachServer(
    "Pagila, first floor",
    (target) => {
      const rows = (query: Parameters<typeof rowsOf>[1]) => rowsOf(target, query)
      const tuples = (query: Parameters<typeof rowsOf>[1]) => tuplesOf(target, query)
      const value = (query: Parameters<typeof rowsOf>[1]) => onlyValueOf(target, query)
      const actorCount = from(actors).select({ n: count() })
      const filmCount = from(films).select({ n: count() })

      test("one column by its key", async () => {
        const query = from(actors).select("first_name").filter({ actor_id: 1 })
        expect(query.toSql().values).toEqual([1])
        expect(await rows(query)).toEqual([{ first_name: "PENELOPE" }])
      })

      test("no filter is the whole table, and no join is written that no path needs", async () => {
        expect(actorCount.toSql().text).toBe("SELECT count(*) AS n FROM actor")
        expect(await value(actorCount)).toBe(200)
      })

      test("comparisons", async () => {
        const tests = [ne(1), lt(11), lte(11), gt(190), gte(190)]
        const found: unknown[] = []
        for (const test of tests) found.push(await value(actorCount.filter({ actor_id: test })))
        expect(found).toEqual([199, 10, 11, 10, 11])
      })

      test("empty lists", async () => {
        expect(
          await tuples(
            from(actors)
              .select("actor_id")
              .filter({ actor_id: oneOf([]) }),
          ),
        ).toEqual([])
        expect(await value(actorCount.filter({ actor_id: noneOf([]) }))).toBe(200)
      })

      test("a list of enum labels", async () => {
        expect(await value(filmCount.filter({ rating: noneOf(["G", "PG"]) }))).toBe(628)
        expect(await value(filmCount.filter({ rating: oneOf(["G", "PG"]) }))).toBe(372)
      })

      test("between holds both ends, during the first only", async () => {
        const lengths = from(films).select({ length: "length", n: count() }).groupBy("length").orderBy("length")
        expect(await tuples(lengths.filter({ length: between(46, 48) }))).toEqual([
          [46, 5],
          [47, 7],
          [48, 11],
        ])
        const paid = from(payments).select({ n: count() })
        expect(await value(paid.filter({ payment_date: during("2022-02-01T00:00:00Z", "2022-03-01T00:00:00Z") }))).toBe(2401)
        expect(await value(paid.filter({ payment_date: during(new Date(Date.UTC(2022, 1)), new Date(Date.UTC(2022, 2))) }))).toBe(
          2401,
        )
      })

      test("filters of several calls all hold", async () => {
        const query = from(actors)
          .select("actor_id", "first_name")
          .filter(gt("actor_id", 10))
          .filter(lt("actor_id", 15))
          .orderBy("actor_id")
        expect(await tuples(query)).toEqual([
          [11, "ZERO"],
          [12, "KARL"],
          [13, "UMA"],
          [14, "VIVIEN"],
        ])
      })

      test("any of three tests", async () => {
        const query = from(actors)
          .select("actor_id")
          .filter(or(eq("actor_id", 1), eq("actor_id", 2), eq("first_name", "JOHNNY")))
          .orderBy("actor_id")
        expect(await tuples(query)).toEqual([[1], [2], [5], [40]])
      })

      test("junctions of nothing", async () => {
        expect(await value(actorCount.filter(and()))).toBe(200)
        expect(await value(actorCount.filter(or()))).toBe(0)
        expect(await value(actorCount.filter(and(or(), eq("actor_id", 1))))).toBe(0)
        expect(await value(actorCount.filter(not(and())))).toBe(0)
        expect(await value(actorCount.filter(not(or(and(), or()))))).toBe(0)
      })

      test("arrays", async () => {
        expect(await value(filmCount.filter({ special_features: contains(["Trailers"]) }))).toBe(535)
        expect(await value(filmCount.filter({ special_features: overlaps(["Trailers", "Commentaries"]) }))).toBe(798)
        expect(await value(filmCount.filter({ special_features: containedBy(["Trailers", "Commentaries"]) }))).toBe(206)
      })

      test("a string of digits for an integer, and one that is none", async () => {
        const filter = (actor_id: string) => ({ actor_id }) as never
        expect(await tuples(from(actors).select("first_name").filter(filter("1")))).toEqual([["PENELOPE"]])
        expect(() => from(actors).filter(filter("abc")).toSql()).toThrow(expect.objectContaining({ code: "E_INVALID_VALUE" }))
      })

      test("SQL in a value stays a value", async () => {
        expect(await value(actorCount.filter({ last_name: "O'HARA'; drop table actor; --" }))).toBe(0)
        expect(await value(actorCount)).toBe(200)
      })

      test("wildcards in a user's text are plain", async () => {
        expect(await value(filmCount.filter({ title: contains("%") }))).toBe(0)
        expect(await value(filmCount.filter({ title: contains("_") }))).toBe(0)
        expect(await value(filmCount.filter({ title: startsWith("ACADEMY D") }))).toBe(1)
      })

      test("two keys of order in opposite directions", async () => {
        const query = from(films)
          .select("title", "length")
          .orderBy(desc("length", { nulls: "last" }), "title")
          .limit(3)
        expect(await tuples(query)).toEqual([
          ["CHICAGO NORTH", 185],
          ["CONTROL ANTHEM", 185],
          ["DARN FORRESTER", 185],
        ])
      })

      test("limit and offset", async () => {
        const query = from(films).select("film_id").orderBy("film_id").limit(5).offset(995)
        expect(await tuples(query)).toEqual([[996], [997], [998], [999], [1000]])
      })

      test("a page that starts after a key", async () => {
        const query = from(films)
          .select("film_id", "length")
          .filter(or(lt("length", 185), and({ length: 185 }, gt("film_id", 500))))
          .orderBy(desc("length"), "film_id")
          .limit(3)
        expect(await tuples(query)).toEqual([
          [609, 185],
          [690, 185],
          [817, 185],
        ])
      })

      test("aggregates, each under its own alias", async () => {
        const query = from(films).select({
          all: count(),
          originals: count("original_language_id"),
          total: sum("length"),
          least: min("length"),
          most: max("length"),
          rate: avg("rental_rate"),
        })
        const [row] = await rows(query)
        expect({ ...row, rate: Number(row!.rate).toFixed(6) }).toEqual({
          all: 1000,
          originals: 0,
          total: "115272",
          least: 46,
          most: 185,
          rate: "2.980000",
        })
      })

      test("aggregates of some rows, values numbered in the order of the text", async () => {
        const query = from(films)
          .select({
            all: count(),
            kids: count().filter({ rating: "G" }),
            rate: avg("rental_rate").filter(eq("rating", "PG")),
          })
          .filter({ rating: oneOf(["G", "PG"]) })
        expect(query.toSql().values).toEqual(["G", "PG", ["G", "PG"]])
        const [row] = await rows(query)
        expect({ ...row, rate: Number(row!.rate).toFixed(6) }).toEqual({ all: 372, kids: 178, rate: "3.051856" })
      })

      test("a simple CASE without else", async () => {
        const query = from(films)
          .select({
            film_id: "film_id",
            who: caseOf("rating", [
              ["G", "kids"],
              ["PG", "ask"],
            ]),
          })
          .filter({ film_id: oneOf([1, 2, 3]) })
          .orderBy("film_id")
        expect(await tuples(query)).toEqual([
          [1, "ask"],
          [2, "kids"],
          [3, null],
        ])
      })

      test("months", async () => {
        const query = from(payments)
          .select({ month: dateTrunc("month", "payment_date"), total: sum("amount") })
          .groupBy("month")
          .orderBy("month")
        const found = (await rows(query)).map((row) => [(row.month as Date).toISOString().slice(0, 7), row.total])
        expect(found).toEqual([
          ["2022-01", "3094.78"],
          ["2022-02", "10164.97"],
          ["2022-03", "11413.86"],
          ["2022-04", "10759.52"],
          ["2022-05", "11347.28"],
          ["2022-06", "10923.45"],
          ["2022-07", "9712.65"],
        ])
      })

      test("groups of an enum in its declared order", async () => {
        const query = from(films).select({ rating: "rating", n: count() }).groupBy("rating").orderBy("rating")
        expect(await tuples(query)).toEqual([
          ["G", 178],
          ["PG", 194],
          ["PG-13", 223],
          ["R", 195],
          ["NC-17", 210],
        ])
      })

      test("groups of a dimension, whose join is written once", async () => {
        const query = from(films)
          .select({ language: "language", n: count() })
          .filter(ne("language", "English"))
          .groupBy("language")
          .orderBy("language.name")
        expect(query.toSql().text.match(/JOIN language/g)).toHaveLength(1)
        expect((await tuples(query)).map(([name, n]) => [String(name).trim(), n])).toEqual([
          ["French", 79],
          ["German", 87],
          ["Italian", 87],
          ["Japanese", 72],
          ["Mandarin", 90],
        ])
      })

      test("having", async () => {
        const query = from(actors)
          .select({ last_name: "last_name", n: count() })
          .groupBy("last_name")
          .having(gte(count(), 4))
          .orderBy(desc("n"), "last_name")
        expect(await tuples(query)).toEqual([
          ["KILMER", 5],
          ["NOLTE", 4],
          ["TEMPLE", 4],
        ])
      })

      test("distinct counts", async () => {
        const query = from(payments).select({ customers: countDistinct("customer_id"), staff: countDistinct("staff_id") })
        expect(await tuples(query)).toEqual([[599, 2]])
      })

      test("a left join keeps parents without children", async () => {
        expect(await value(filmCount.filter(isNull("inventory.inventory_id")))).toBe(42)
      })

      test("a join asked for by name is written although no path needs it", async () => {
        expect(await value(filmCount.join("film_actors", { type: "inner" }))).toBe(5462)
      })

      test("one table under two names", async () => {
        const query = from(films).select("title", "language", "original_language").filter({ film_id: 1 })
        const [row] = await tuples(query)
        expect([row![0], String(row![1]).trim(), row![2]]).toEqual(["ACADEMY DINOSAUR", "English", null])
      })

      test("a sum across five tables, once the fan-out is meant", async () => {
        const category = "rental.inventory.film.film_categories.category.name"
        const query = from(payments)
          .select({ category, total: sum("amount") })
          .groupBy("category")
          .orderBy(desc("total"), "category")
          .limit(3)
        expect(() => query.toSql()).toThrow(expect.objectContaining({ code: "E_FAN_OUT" }))
        expect(await tuples(query.allowFanOut())).toEqual([
          ["Foreign", "10507.67"],
          ["Children", "10437.05"],
          ["Animation", "10369.55"],
        ])
      })

      test("joins stand in the order they depend on each other", async () => {
        const name = "film_actors.film.language.name"
        const query = from(actors).select({ name }).filter({ actor_id: 2 }).groupBy(name).orderBy("name")
        expect(query.toSql().text).toMatch(/FROM actor LEFT JOIN film_actor .* LEFT JOIN film .* LEFT JOIN language/)
        expect((await tuples(query)).map(([one]) => String(one).trim())).toEqual([
          ...["English", "French", "German", "Italian", "Japanese", "Mandarin"],
        ])
      })

      test("a film without actors has no inner join to undo its row", async () => {
        const ids = from(films).select({ n: countDistinct("film_id"), named: count("film_actors.actor.last_name") })
        expect(await tuples(ids)).toEqual([[1000, 5462]])
      })

      test("many-to-many, in a join, in exists and in nest", async () => {
        const uma = filmCount.filter(exists("actors", { first_name: "UMA" }))
        const rolled = filmCount.filter(exists("film_actors", { "actor.first_name": "UMA" }))
        expect(await value(uma)).toBe(await value(rolled))
        const joined = from(films)
          .select({ n: countDistinct("film_id") })
          .filter({ "actors.first_name": "UMA" })
        expect(await value(uma)).toBe(await value(joined))
        const cast = from(films)
          .select({ cast: nest("actors", { name: "last_name" }, { orderBy: ["last_name", "actor_id"] }) })
          .filter({ film_id: 1 })
        const [row] = await rows(cast)
        expect(row!.cast).toHaveLength(10)
        expect((row!.cast as { name: string }[])[0]).toEqual({ name: "CAGE" })
      })

      test("an unknown path, with what was meant", () => {
        const query = (from(actors) as unknown as QueryBuilder).select("frist_name")
        expect(() => query.toSql()).toThrow(
          expect.objectContaining({ code: "E_UNKNOWN_FIELD", path: "frist_name", suggestions: ["first_name"] }),
        )
      })

      test("required filters stand outside of whatever the query asks", async () => {
        const all = from(activeCustomers).select({ n: count() })
        expect(await value(all)).toBe(584)
        expect(await value(all.filter(or({ active: 0 }, gt("customer_id", 0))))).toBe(584)
        expect(await value(all.filter({ active: 0 }))).toBe(0)
      })

      test("a domain that demands a scope", async () => {
        expect(await value(from(storeCustomers, { store_id: 1 }).select({ n: count() }))).toBe(326)
        const bare = from as unknown as (domain: unknown) => { toSql(): unknown }
        expect(() => bare(storeCustomers).toSql()).toThrow(expect.objectContaining({ code: "E_SCOPE_REQUIRED" }))
      })

      test("a redacted column can be read by no clause", () => {
        const email = "email" as never
        const query = from(customers) as unknown as QueryBuilder
        const payment = from(payments) as unknown as QueryBuilder
        for (const attempt of [
          () => query.select(email).toSql(),
          () => query.filter({ email: "x" } as never).toSql(),
          () => query.orderBy(email).toSql(),
          () => query.select({ n: count() }).groupBy(email).toSql(),
          () => query.select({ n: count(email) }).toSql(),
          () => payment.select("customer.email").toSql(),
          () => payment.select({ c: nest("customer", { e: email }) }).toSql(),
        ])
          expect(attempt).toThrow(expect.objectContaining({ code: "E_REDACTED_FIELD" }))
        expect(query.toSql().text).not.toContain("email")
      })
    },
    { template: pagila },
  )
