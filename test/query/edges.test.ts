import { describe, expect, test } from "vitest"
import { defineDomain } from "../../src/domain/define.ts"
import { count, max, stringAgg, sum } from "../../src/query/aggregate.ts"
import { coalesce, dateTrunc } from "../../src/query/calls.ts"
import { between, contains, eq, gt, isNull, lt, noneOf, oneOf } from "../../src/query/condition.ts"
import { caseOf, caseWhen, cast, desc, literal, nest, ref } from "../../src/query/expression.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { some } from "../../src/query/relation.ts"
import { fromQuery, values as listed, recursive } from "../../src/query/rows.ts"
import { except, intersect, union } from "../../src/query/set.ts"
import { outer } from "../../src/query/subquery.ts"
import { eachServer } from "../support/each-server.ts"
import { rowsOf } from "./run.ts"
import { everyType, orders, shop } from "./shop.ts"

// What looks right and went wrong once, on real rows.

const query = from(orders)
const loose = query as unknown as QueryBuilder

eachServer(
  "edges",
  (target) => {
    const rows = (made: unknown) => rowsOf(target, made as QueryBuilder)
    const values = async (made: unknown) => (await rows(made)).flatMap((row) => Object.values(row))

    describe("CASE gives its results one type", () => {
      const whole = query.orderBy("id")
      test("null beside numbers, exact columns and texts", async () => {
        expect(await values(whole.select({ c: caseWhen([[eq("status", "void"), null]], 5) }))).toEqual([5, 5, 5, null, 5])
        expect(await values(whole.select({ c: caseWhen([[eq("status", "void"), null]], ref("total")) }))).toEqual([
          "10.50",
          "20.00",
          "30.25",
          null,
          "7.75",
        ])
        expect(await values(whole.select({ c: caseOf("status", [["void", null]], "x") }))).toEqual(["x", "x", "x", null, "x"])
        expect(await values(whole.select({ c: caseWhen([[eq("status", "void"), null]]) }).limit(1))).toEqual([null])
      })
      test("a plain value is bound as the type of the columns beside it, whichever comes first", async () => {
        expect(await values(whole.select({ c: caseWhen([[eq("status", "void"), 1]], ref("total")) }))).toEqual([
          "10.50",
          "20.00",
          "30.25",
          "1",
          "7.75",
        ])
        const huge = whole.select({ c: caseWhen([[eq("status", "open"), 1]], literal(9007199254740993n)) })
        expect(await values(huge.limit(1))).toEqual(["9007199254740993"])
        expect(await values(whole.select({ c: caseWhen([[eq("id", 1), 1]], 2.5) }).limit(2))).toEqual([1, 2.5])
        await target.sql.exec(
          "delete from store.every_type; insert into store.every_type (id, a_mood) values (1, null), (2, 'sad')",
        )
        const moods = from(everyType)
          .select({ mood: caseWhen([[isNull("a_mood"), "ok"]], ref("a_mood")) })
          .orderBy("id")
        expect(await values(moods)).toEqual(["ok", "sad"])
        expect(() =>
          from(everyType)
            .select({ m: caseWhen([[isNull("a_mood"), "none"]], ref("a_mood")) })
            .toSql(),
        ).toThrow(expect.objectContaining({ code: "E_INVALID_VALUE" }))
      })
      test("the text is one whatever the values, null or not", () => {
        const text = (value: unknown) =>
          loose.select({ c: caseWhen([[eq("status" as never, "void" as never), value as never]], ref("total" as never)) }).toSql()
            .text
        expect(text(null)).toBe(text(7))
      })
      test("a sum of it", async () => {
        expect(await values(query.select({ s: sum(caseWhen([[gt("total", 10), ref("total")]])) }))).toEqual(["60.75"])
        expect(await values(query.select({ s: coalesce(sum(caseWhen([[gt("total", 1000), 1]], 0)), 0) }))).toEqual(["0"])
      })
    })

    describe("values beside columns", () => {
      const every = from(everyType)
      const ids = (made: unknown) => values((made as QueryBuilder).select("id").orderBy("id"))
      test("a literal is bound as the type of the column it is compared with", async () => {
        await target.sql.exec(
          "delete from store.every_type; insert into store.every_type (id, a_mood, a_uuid, a_jsonb) values (1, 'ok', '00000000-0000-4000-8000-00000000000a', '1')",
        )
        expect(await ids(query.filter(eq("created_at", literal("2024-01-01T10:00:00Z"))))).toEqual([1])
        expect(await ids(every.filter(eq("a_mood", literal("ok"))))).toEqual([1])
        expect(await ids(every.filter(eq("a_uuid", literal("00000000-0000-4000-8000-00000000000a"))))).toEqual([1])
        expect(await ids(query.filter(gt("id", literal(4.5))))).toEqual([5])
        expect(await ids(query.filter(eq(literal("paid"), ref("status"))))).toEqual([1, 2, 5])
        expect(() => query.filter(eq("note", literal(null))).toSql()).toThrow(expect.objectContaining({ code: "E_NULL_VALUE" }))
      })

      test("dates before the year 1 and after 9999", async () => {
        await target.sql.exec(
          "delete from store.every_type; insert into store.every_type (id, a_date) values (1, '0044-03-15 BC'), (2, '12024-03-15'), (3, '0044-03-15')",
        )
        const day = (year: number) => new Date(new Date(Date.UTC(2000, 2, 15)).setUTCFullYear(year))
        expect(await ids(every.filter({ a_date: day(-43) }))).toEqual([1])
        expect(await ids(every.filter({ a_date: day(12024) }))).toEqual([2])
        expect(await ids(every.filter({ a_date: day(44) }))).toEqual([3])
      })

      test("booleans and bytes have an order", async () => {
        await target.sql.exec(
          "delete from store.every_type; insert into store.every_type (id, a_boolean, a_bytea) values (1, true, '\\x02'), (2, false, '\\x01ff'), (3, null, null)",
        )
        expect(await ids(every.filter(gt("a_boolean", false)))).toEqual([1])
        expect(await ids(every.filter({ a_bytea: gt(new Uint8Array([1, 255])) }))).toEqual([1])
        expect(await ids(every.filter({ a_bytea: between(new Uint8Array([1]), new Uint8Array([1, 255, 0])) }))).toEqual([2])
      })

      test("a range holds a point, and a range", async () => {
        await target.sql.exec(
          "delete from store.every_type; insert into store.every_type (id, span, period) values (1, '[1,9]', '[2024-01-01Z,2024-02-01Z)'), (2, '[5,6)', null)",
        )
        expect(await ids(every.filter({ span: contains(5) }))).toEqual([1, 2])
        expect(await ids(every.filter({ span: contains("[2,6]") }))).toEqual([1])
        expect(await ids(every.filter({ span: contains("empty") }))).toEqual([1, 2])
        expect(await ids(every.filter({ period: contains("[2024-01-05Z,2024-01-06Z)") }))).toEqual([1])
        expect(await ids(every.filter({ period: contains("2024-01-05T00:00:00Z") }))).toEqual([1])
      })
    })

    describe("groups by an expression that is selected", () => {
      test("the same value, one that writes the same SQL, and one with bound values", async () => {
        const month = dateTrunc("month", "created_at")
        const expected = [
          [new Date(Date.UTC(2024, 0)), 2],
          [new Date(Date.UTC(2024, 1)), 2],
          [new Date(Date.UTC(2024, 2)), 1],
        ]
        const months = loose.select({ month, n: count() } as never).orderBy(month)
        for (const by of [month, dateTrunc("month", "created_at"), "month"])
          expect((await rows(months.groupBy(by))).map((row) => Object.values(row))).toEqual(expected)
        const note = coalesce("note", "none")
        const notes = await rows(
          loose
            .select({ status: note, n: count() } as never)
            .groupBy(note)
            .orderBy(desc(note as never)),
        )
        expect(notes.map((row) => row.status)).toEqual(["none", "first", "a\\b", "100% _sure_", ""])
      })

      test("an alias that is the name of another path does not pass for it", () => {
        const named = loose.select({ status: "note", n: count() } as never).groupBy("status")
        expect(() => named.toSql()).toThrow(expect.objectContaining({ code: "E_NOT_GROUPED", path: "note" }))
      })
    })

    describe("nested rows are compared", () => {
      const nested = from(orders).select({
        status: "status",
        lines: nest(
          "items",
          { quantity: "quantity", product: nest("product", { name: "name", price: "price" }) },
          { orderBy: "product_id" },
        ),
      })
      const lines = (quantity: number) => nested.filter(some("items", { quantity }))
      test("by distinct(), and by set operations", async () => {
        const pen = { name: "Pen", price: "1.50" }
        const two = { status: "paid", lines: [{ quantity: 5, product: pen }] }
        expect(await rows(lines(5).distinct())).toEqual([two])
        expect(await rows(union(lines(5), lines(5)))).toEqual([two])
        expect(await rows(union(lines(5), lines(5), { all: true }))).toEqual([two, two])
        expect(await rows(intersect(nested, lines(5)))).toEqual([two])
        expect(await rows(union(union(lines(5), lines(5), { all: true }), lines(5)))).toEqual([two])
        expect((await rows(except(nested, lines(5)))).length).toBe(4)
        const both = fromQuery(union(lines(5), lines(5)))
        expect(await rows(both.filter({ status: "paid" }))).toEqual([two])
        // @ts-expect-error: a column of both sides keeps its type
        expect(() => both.filter({ status: 1 }).toSql()).toThrow(expect.objectContaining({ code: "E_INVALID_VALUE" }))
        const roots = nested.select("id").filter({ id: 2 })
        const found = recursive(roots, (previous) => previous.select("status", "lines", "id"), { maxDepth: 3 })
        expect(await rows(fromQuery(found))).toEqual([{ ...two, id: 2 }])
      })

      test("json that is stored is refused by its name", async () => {
        const docs = from(everyType).select("id", "a_json")
        for (const made of [
          () => docs.distinct().toSql(),
          () => union(docs, docs).toSql(),
          () => docs.groupBy("id", "a_json").toSql(),
        ])
          expect(made).toThrow(expect.objectContaining({ code: "E_INVALID_OPERATOR", path: "a_json" }))
        const documents = from(everyType).select({ id: "id", doc: cast("a_json", "jsonb") })
        expect(await rows(union(documents, documents))).toEqual(await rows(documents.distinct()))
      })
    })

    describe("sides of unlike types have the type that PostgreSQL gives both", () => {
      test("in set operations", async () => {
        const exact = from(orders)
          .select({ x: cast("id", "bigint") })
          .filter({ id: 1 })
        const numbers = from(orders).select({ x: "id" }).filter({ id: 2 })
        expect(await rows(union(numbers, exact as never).orderBy("x"))).toEqual([{ x: "1" }, { x: "2" }])
        expect(await rows(union(exact, numbers as never).orderBy("x"))).toEqual([{ x: "1" }, { x: "2" }])
        const day = from(orders)
          .select({ x: cast("created_at", "date") })
          .filter({ id: 3 })
        const moment = from(orders).select({ x: "created_at" }).filter({ id: 1 })
        const both = [{ x: new Date("2024-01-01T10:00:00Z") }, { x: new Date("2024-02-01T00:00:00Z") }]
        expect(await rows(union(moment, day as never).orderBy("x"))).toEqual(both)
        expect(await rows(union(day, moment as never).orderBy("x"))).toEqual(both)
      })

      test("in coalesce() and CASE", async () => {
        const one = query.filter({ id: 3 })
        expect(await values(one.select({ x: coalesce("parent_id", ref("total")) }))).toEqual(["2"])
        expect(await values(one.select({ x: coalesce(cast("created_at", "date"), ref("created_at")) }))).toEqual([
          new Date("2024-02-01T00:00:00Z"),
        ])
      })
    })

    test("a query that gives one row by its aggregates does not multiply the rows it is joined to", async () => {
      const before = from(orders)
        .select({ m: max("total"), n: count() })
        .filter(lt("id", outer("id")))
      const joined = query.joinQuery("earlier", before, { lateral: true })
      expect(await values(joined.select({ s: sum("total"), n: sum("earlier.n") }))).toEqual(["73.50", "10"])
    })

    test("rows of values() hold every column, and null only where it is declared", () => {
      const columns = { code: "string", label: "string?" } as const
      for (const [row, code] of [
        [{ code: "a" }, "E_UNDEFINED_VALUE"],
        [{ code: null, label: "x" }, "E_NULL_VALUE"],
      ] as const)
        expect(() => fromQuery(listed(columns, [row as never])).toSql()).toThrow(
          expect.objectContaining({ code, message: expect.stringMatching(/values\(\)/) }),
        )
    })

    test("values that are not among those of a query, although one of these is null where none was declared", async () => {
      const declared = defineDomain({
        name: "Wrong",
        source: { table: "orders", schema: "store", primaryKey: "id", columns: { id: "integer", customer_id: "integer" } },
      })
      expect(
        await values(
          query
            .select("id")
            .filter(noneOf("id", from(declared).select("customer_id")))
            .orderBy("id"),
        ),
      ).toEqual([3, 4, 5])
    })

    test("texts of an enum and of uuids, joined", async () => {
      await target.sql.exec(
        "delete from store.every_type; insert into store.every_type (id, a_mood, a_uuid) values (1, 'ok', '00000000-0000-4000-8000-00000000000a'), (2, 'sad', null)",
      )
      const joined = (path: string) =>
        (from(everyType) as unknown as QueryBuilder).select({ m: stringAgg(path as never, "; ").orderBy("id" as never) })
      expect(await values(joined("a_mood"))).toEqual(["ok; sad"])
      expect(await values(joined("a_uuid"))).toEqual(["00000000-0000-4000-8000-00000000000a"])
    })

    describe("types that only PostgreSQL knows", () => {
      const odd = defineDomain({
        name: "Odd",
        source: {
          table: "odd",
          schema: "store",
          primaryKey: "id",
          columns: {
            id: "integer",
            bits: { type: "other", pgType: "bit varying" },
            octet: { type: "other", pgType: "bit" },
            clock: { type: "other", pgType: "time with time zone" },
            pair: { type: "other", pgType: "store.pair" },
            table: { type: "other", pgType: "regclass" },
            boxes: { type: "array", of: { type: "other", pgType: "box" } },
            pairs: { type: "array", of: { type: "other", pgType: "store.pair" } },
          },
        },
      })
      const row = {
        id: 1,
        bits: "101",
        octet: "10101010",
        clock: "10:00:00+02",
        pair: '(1,"x y")',
        table: "pg_class",
        boxes: ["(1,1),(0,0)", "(2,2),(1,1)"],
        pairs: ['(1,"a,b")'],
      }
      test("are found, replaced, listed and paged by their text", async () => {
        await target.sql.exec(`
          drop table if exists store.odd; drop type if exists store.pair;
          create type store.pair as (x int, y text);
          create table store.odd (id int primary key, bits bit varying(5), octet bit(8), clock time with time zone, pair store.pair, "table" regclass, boxes box[], pairs store.pair[]);
          insert into store.odd values (1, B'101', B'10101010', '10:00:00+02', row(1, 'x y'), 'pg_class', '{(1,1),(0,0);(2,2),(1,1)}', array[row(1, 'a,b')::store.pair]); insert into store.odd values (2)`)
        const rowsOfOdd = from(odd) as unknown as QueryBuilder
        expect(await rows(rowsOfOdd.filter({ id: 1 }))).toEqual([row])
        for (const column of ["bits", "octet", "clock", "pair", "table"] as const) {
          expect(await ids(rowsOfOdd.filter({ [column]: row[column] })), column).toEqual([1])
          expect(await ids(rowsOfOdd.filter({ [column]: oneOf([row[column]]) })), column).toEqual([1])
          expect(await values(rowsOfOdd.select({ x: coalesce(column as never, row[column]) })), column).toEqual([
            row[column],
            row[column],
          ])
        }
        const columns = {
          boxes: { type: "array", of: { type: "other", pgType: "box" } },
          pair: { type: "other", pgType: "store.pair" },
        } as const
        expect(await rows(fromQuery(listed(columns, [{ boxes: row.boxes, pair: row.pair }])))).toEqual([
          { boxes: row.boxes, pair: row.pair },
        ])
        expect(await ids(rowsOfOdd.filter({ pairs: contains(row.pairs) }))).toEqual([1])
      })
      const ids = (made: QueryBuilder) => values(made.select("id").orderBy("id"))
    })

    test("exact numbers are text, and a text of digits stands beside them", async () => {
      expect(await values(query.select({ s: coalesce(sum("total"), "0.00") }).filter({ id: 99 }))).toEqual(["0.00"])
      expect(
        await values(
          query
            .select({ x: caseWhen([[eq("id", 1), "7.50"]], ref("total")) })
            .filter({ id: oneOf([1, 2]) })
            .orderBy("id"),
        ),
      ).toEqual(["7.50", "20.00"])
      expect(await values(query.select("id").filter(eq("total", literal("10.5"))))).toEqual([1])
    })
  },
  { template: shop },
)
