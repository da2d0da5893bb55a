import { expect, test } from "vitest"
import { defineDomain } from "../../src/domain/define.ts"
import {
  arrayAgg,
  boolAnd,
  count,
  cube,
  grouping,
  groupingSets,
  jsonAgg,
  max,
  rollup,
  stddevPop,
  stringAgg,
  sum,
} from "../../src/query/aggregate.ts"
import { concat, substring } from "../../src/query/calls.ts"
import {
  contains,
  endsWith,
  eq,
  gt,
  icontains,
  iendsWith,
  istartsWith,
  like,
  lte,
  ne,
  noneOf,
  not,
  oneOf,
  startsWith,
} from "../../src/query/condition.ts"
import { desc, nest, ref } from "../../src/query/expression.ts"
import { matches, searchRank } from "../../src/query/full-text.ts"
import { defineFunction } from "../../src/query/function.ts"
import { hasKey, json, jsonText } from "../../src/query/json-path.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { countOf, every, none, some } from "../../src/query/relation.ts"
import { fromQuery, generateSeries, recursive, values } from "../../src/query/rows.ts"
import { except, intersect, union } from "../../src/query/set.ts"
import { allOf, anyOf, existsIn, outer, scalar } from "../../src/query/subquery.ts"
import {
  cumeDist,
  denseRank,
  firstValue,
  lag,
  lastValue,
  lead,
  nthValue,
  ntile,
  percentRank,
  rank,
  rowNumber,
} from "../../src/query/window.ts"
import { eachServer } from "../support/each-server.ts"
import { onlyValueOf, rowsOf, tuplesOf } from "./run.ts"
import { everyType, orders, shop } from "./shop.ts"

const query = from(orders)
const loose = query as unknown as QueryBuilder
const refuses = (attempt: () => unknown, code: string) => expect(attempt).toThrow(expect.objectContaining({ code }))
const frame = (given: unknown) => () =>
  loose
    .select({ s: (sum("total") as unknown as { over(w: unknown): unknown }).over({ orderBy: "id", frame: given }) } as never)
    .toSql()

test("frames that contradict themselves", () => {
  for (const given of [
    { rows: ["currentRow", { preceding: 1 }] },
    { rows: [{ preceding: 1 }, { preceding: 2 }] },
    { rows: [{ following: 2 }, { following: 1 }] },
    { rows: [{ following: 1 }] },
    { rows: ["unboundedFollowing"] },
    { rows: ["currentRow", "unboundedPreceding"] },
    { rows: [{ preceding: -1 }, "currentRow"] },
    { rows: [{ preceding: 1.5 }, "currentRow"] },
    { rows: [{ preceding: "1 day" }, "currentRow"] },
    { rows: ["currentRow"], range: ["currentRow"] },
    { rows: ["currentRow"], exclude: "nobody" },
    {},
    "rows",
  ])
    refuses(frame(given), "E_INVALID_OPTION")
  const over = sum("total") as unknown as { over(w: unknown): unknown }
  refuses(
    () => loose.select({ s: over.over({ frame: { groups: [{ preceding: 1 }, "currentRow"] } }) } as never).toSql(),
    "E_INVALID_OPTION",
  )
  refuses(
    () =>
      loose
        .select({ s: over.over({ orderBy: ["id", "status"], frame: { range: [{ preceding: 1 }, "currentRow"] } }) } as never)
        .toSql(),
    "E_INVALID_OPTION",
  )
  refuses(() => loose.select({ s: over.over("nowhere") } as never).toSql(), "E_INVALID_OPTION")
  refuses(() => over.over({ partition: "id" }), "E_INVALID_OPTION")
})

test("windows and aggregates where PostgreSQL has none", () => {
  refuses(() => query.filter(gt(sum("total"), 1)).toSql(), "E_NOT_GROUPED")
  refuses(() => query.filter(eq(rowNumber().over({ orderBy: "id" }), 1)).toSql(), "E_INVALID_OPERATOR")
  refuses(() => query.select({ n: count() }).groupBy("id").having(eq(rowNumber().over(), 1)).toSql(), "E_INVALID_OPERATOR")
  refuses(() => query.select({ n: count().distinct().over() }).toSql(), "E_NOT_SUPPORTED")
  refuses(() => loose.select({ n: rowNumber() } as never).toSql(), "E_UNSUPPORTED_INPUT")
})

test("set operations of unlike shape", () => {
  const loosely = union as unknown as (a: unknown, b: unknown) => { toSql(): unknown }
  refuses(() => loosely(query.select("id"), query.select("id", "status")), "E_UNLIKE_COLUMNS")
  refuses(() => loosely(query.select("id"), query.select({ other: "id" })), "E_UNLIKE_COLUMNS")
  refuses(() => loosely(query.select("id"), query.select({ id: "status" })), "E_UNLIKE_COLUMNS")
  refuses(() => loosely(query.select("id"), { toSql: () => ({ text: "select 1", values: [] }) }), "E_UNSUPPORTED_INPUT")
  refuses(
    () => (union(query.select("id"), query.select("id")) as unknown as QueryBuilder).orderBy("total").toSql(),
    "E_UNKNOWN_FIELD",
  )
})

test("recursion without a stop, or by a step that does not recur", () => {
  const bare = recursive as unknown as (first: unknown, step: unknown, options?: unknown) => never
  const step = (found: unknown) => found
  for (const options of [undefined, {}, { maxDepth: -1 }, { maxDepth: 1.5 }, { maxDepth: Number.POSITIVE_INFINITY }])
    refuses(() => bare(query.select("id"), step, options), "E_INVALID_OPTION")
  const idle = recursive(query.select("id"), () => query.select("id") as never, { maxDepth: 3 })
  refuses(() => fromQuery(idle).toSql(), "E_UNSUPPORTED_INPUT")
  refuses(
    () =>
      fromQuery(
        recursive(query.select("id"), (found) => (found as unknown as QueryBuilder).limit(1) as never, { maxDepth: 3 }),
      ).toSql(),
    "E_UNSUPPORTED_INPUT",
  )
})

test("joined queries that cannot be", () => {
  const other = query.select("id", "customer_id")
  refuses(() => loose.joinQuery("other", other, {}), "E_INVALID_OPTION")
  refuses(() => loose.joinQuery("other", other, { on: { nope: "id" } }), "E_UNKNOWN_FIELD")
  refuses(() => loose.joinQuery("other", other, { on: { id: "nope" } }), "E_UNKNOWN_FIELD")
  refuses(() => loose.joinQuery("items", other, { on: { id: "id" } }), "E_DUPLICATE_ALIAS")
  refuses(() => loose.joinQuery("a.b", other, { on: { id: "id" } }), "E_INVALID_NAME")
  refuses(() => loose.joinQuery("o", other, { lateral: true, cte: true }), "E_INVALID_OPTION")
  refuses(() => loose.joinQuery("o", { text: "select 1" }, { on: { id: "id" } }), "E_UNSUPPORTED_INPUT")
  refuses(() => query.filter(eq("id", outer("id") as never)).toSql(), "E_UNSUPPORTED_INPUT")
  refuses(
    () => loose.joinQuery("o", query.select("id").filter(eq("id", outer("id") as never)), { on: { id: "id" } }).toSql(),
    "E_UNSUPPORTED_INPUT",
  )
  refuses(() => loose.unnest("status", "s"), "E_INVALID_OPERATOR")
})

test("a joined query may repeat rows, unless its keys say otherwise", () => {
  const items = from(orders).select({ customer_id: "customer_id", id: "id" })
  const perCustomer = from(orders).select({ customer_id: "customer_id", n: count() }).groupBy("customer_id")
  const total = query.select({ s: sum("total") })
  refuses(() => total.joinQuery("o", items, { on: { customer_id: "customer_id" } }).toSql(), "E_FAN_OUT")
  expect(total.joinQuery("o", items, { on: { id: "id" } }).toSql().text).toContain("sum(")
  expect(total.joinQuery("o", perCustomer, { on: { customer_id: "customer_id" } }).toSql().text).toContain("sum(")
  const doubled = values({ id: "integer" }, [{ id: 1 }, { id: 1 }])
  refuses(() => total.joinQuery("v", doubled, { on: { id: "id" } }).toSql(), "E_FAN_OUT")
  expect(total.joinQuery("g", generateSeries(1, 3), { on: { id: "value" } }).toSql().text).toContain("sum(")
  refuses(() => total.joinQuery("g", generateSeries(1, 3), { lateral: true }).toSql(), "E_FAN_OUT")
})

test("WITH hides no table of its name", () => {
  const bare = { table: "orders", primaryKey: "id", columns: { id: "integer" } } as const
  return import("../../src/domain/define.ts").then(({ defineDomain }) => {
    const unqualified = from(defineDomain({ name: "O", source: bare }))
    const { text } = unqualified
      .joinQuery("o", unqualified.select("id"), { on: { id: "id" }, cte: true })
      .select("id")
      .filter(existsIn(from(defineDomain({ name: "P", source: { ...bare, table: "o" } }))))
      .toSql()
    const name = /^WITH (\S+) AS/.exec(text)![1]
    expect(name).not.toBe("o")
    expect(text).toContain("FROM o ")
  })
})

test("cursors of another query, damaged or forged", () => {
  const page = query.select("id").orderBy(desc("created_at"), "id").limit(2) as unknown as QueryBuilder
  for (const cursor of ["", "x", "!!", Buffer.from("[]").toString("base64url"), Buffer.from('["x",1]').toString("base64url"), 5])
    refuses(() => page.after(cursor as string), "E_INVALID_CURSOR")
  refuses(() => (query.select("id").orderBy("status").limit(2) as unknown as QueryBuilder).after("x"), "E_INVALID_OPTION")
  refuses(() => (query.select("id", "items.quantity").orderBy("id") as unknown as QueryBuilder).after("x"), "E_INVALID_OPTION")
})

test("retarget and locks where they mean nothing", () => {
  refuses(() => query.limit(3).retarget("items"), "E_NOT_SUPPORTED")
  refuses(() => loose.retarget("itemz"), "E_UNKNOWN_JOIN")
  refuses(() => query.select({ n: count() }).forUpdate().toSql(), "E_INVALID_OPTION")
  refuses(() => query.distinct().forUpdate().toSql(), "E_INVALID_OPTION")
  refuses(() => query.forUpdate({ of: ["customer"] }).toSql(), "E_UNKNOWN_JOIN")
})

eachServer(
  "the whole builder on the shop",
  (target) => {
    const rows = (made: Parameters<typeof rowsOf>[1]) => rowsOf(target, made)
    const tuples = (made: Parameters<typeof rowsOf>[1]) => tuplesOf(target, made)
    const value = (made: Parameters<typeof rowsOf>[1]) => onlyValueOf(target, made)
    const ids = async (made: { orderBy(...by: never[]): unknown }) =>
      (await tuples((made as unknown as QueryBuilder).select("id").orderBy("id") as never)).map(([id]) => id)

    test("aggregates with order, distinct and filter inside", async () => {
      refuses(() => loose.select({ b: boolAnd("note" as never) }).toSql(), "E_INVALID_OPERATOR")
      refuses(() => loose.select({ s: stringAgg("total" as never, ",") }).toSql(), "E_INVALID_OPERATOR")
      const made = loose.select({
        texts: stringAgg("status", "|").orderBy(desc("id")),
        distinct: stringAgg("status", ",").distinct(),
        list: arrayAgg("note").orderBy("id"),
        totals: arrayAgg("total").filter(gt("total", 9)).orderBy("total"),
        documents: jsonAgg("total").orderBy("id"),
        spread: stddevPop("id"),
      })
      expect(await rows(made)).toEqual([
        {
          texts: "paid|void|open|paid|paid",
          distinct: "open,paid,void",
          list: ["first", null, "100% _sure_", "a\\b", ""],
          totals: ["10.50", "20.00", "30.25"],
          documents: ["10.50", "20.00", "30.25", "5.00", "7.75"],
          spread: "1.4142135623730950",
        },
      ])
    })

    test("rollup, cube and grouping sets with grouping()", async () => {
      const counted = query.select({ tenant: "tenant_id", status: "status", n: count(), g: grouping("tenant_id", "status") })
      const rolled = await tuples(counted.groupBy(rollup("tenant_id", "status")).orderBy("g", "tenant_id", "status"))
      expect(rolled).toEqual([
        [7, "open", 1, 0],
        [7, "paid", 2, 0],
        [8, "paid", 1, 0],
        [8, "void", 1, 0],
        [7, null, 3, 1],
        [8, null, 2, 1],
        [null, null, 5, 3],
      ])
      expect(await tuples(counted.groupBy(cube("tenant_id", "status")))).toHaveLength(10)
      expect(await tuples(counted.groupBy(groupingSets(["tenant_id", "status"], [])))).toHaveLength(5)
    })

    test("every window function", async () => {
      const w = { orderBy: ["status", "id"] } as const
      const made = query
        .select({
          id: "id",
          n: rowNumber().over("w"),
          r: rank().over({ orderBy: "status" }),
          d: denseRank().over({ orderBy: "status" }),
          p: percentRank().over({ orderBy: "status" }),
          c: cumeDist().over({ orderBy: "status" }),
          t: ntile(2).over("w"),
          before: lag("status", 1, "none").over("w"),
          after: lead("id", 2).over("w"),
          first: firstValue("total").over("w"),
          last: lastValue("total").over({ ...w, frame: { rows: ["currentRow", "unboundedFollowing"] } }),
          second: nthValue("id", 2).over("w"),
        })
        .window("w", w)
        .orderBy("n")
      expect(await tuples(made)).toEqual([
        [3, 1, 1, 1, 0, 0.2, 1, "none", 2, "30.25", "5.00", null],
        [1, 2, 2, 2, 0.25, 0.8, 1, "open", 5, "30.25", "5.00", 1],
        [2, 3, 2, 2, 0.25, 0.8, 1, "paid", 4, "30.25", "5.00", 1],
        [5, 4, 2, 2, 0.25, 0.8, 2, "paid", null, "30.25", "5.00", 1],
        [4, 5, 5, 3, 1, 1, 2, "paid", null, "30.25", "5.00", 1],
      ])
    })

    test("frames by rows, groups and range, of numbers and moments", async () => {
      const made = query
        .select({
          rows: sum("id").over({ orderBy: "id", frame: { rows: [{ preceding: 1 }, { following: 1 }] } }),
          others: sum("id").over({ orderBy: "id", frame: { rows: [{ preceding: 1 }, { following: 1 }], exclude: "currentRow" } }),
          groups: count().over({ orderBy: "status", frame: { groups: [{ preceding: 1 }, "currentRow"] } }),
          near: count().over({ orderBy: "total", frame: { range: [{ preceding: 3 }, "currentRow"] } }),
          month: count().over({ orderBy: "created_at", frame: { range: [{ preceding: "30 days" }, "currentRow"] } }),
        })
        .orderBy("id")
      expect(await tuples(made)).toEqual([
        ["3", "2", 4, 2, 1],
        ["6", "4", 4, 1, 2],
        ["9", "6", 1, 1, 2],
        ["12", "8", 4, 1, 2],
        ["9", "4", 4, 2, 3],
      ])
    })

    test("a window over groups", async () => {
      const made = query
        .select({ status: "status", total: sum("total"), all: sum(sum("total") as never).over() })
        .groupBy("status")
        .orderBy("status")
      expect(await tuples(made)).toEqual([
        ["open", "30.25", "73.50"],
        ["paid", "38.25", "73.50"],
        ["void", "5.00", "73.50"],
      ])
    })

    test("to-many conditions, at depth and through a link", async () => {
      expect(await ids(query.filter(some("items", gt("quantity", 2))))).toEqual([1, 2, 4])
      expect(await ids(query.filter(none("items")))).toEqual([5])
      expect(await ids(query.filter(every("items", gt("quantity", 2))))).toEqual([2, 4, 5])
      expect(await ids(query.filter(not(every("items", gt("quantity", 2)))))).toEqual([1, 3])
      expect(await ids(query.filter(some("items.product.tags", { label: "rare" })))).toEqual([3])
      expect(await ids(query.filter(some("items", some("product.tags", { label: "desk" }), { quantity: 5 })))).toEqual([2])
      expect(await ids(query.filter(countOf("items.shipments", gt(1))))).toEqual([1])
      expect(await ids(query.filter(countOf("items", eq(1), { filter: { quantity: gt(2) } })))).toEqual([1, 2, 4])
      expect(await tuples(query.select({ id: "id", tags: countOf("items.product.tags") }).orderBy("id"))).toEqual([
        [1, 3],
        [2, 2],
        [3, 4],
        [4, 1],
        [5, 0],
      ])
    })

    test("queries as values", async () => {
      const paid = query.select("customer_id").filter({ status: "paid" })
      expect(await ids(query.filter({ customer_id: oneOf(paid) }))).toEqual([1, 2])
      // A null among the values must not make the negation find nothing.
      expect(await ids(query.filter({ customer_id: noneOf(paid) }))).toEqual([3, 4])
      expect(await ids(query.filter(gt("total", scalar(query.select({ m: max("total") }).filter({ status: "paid" })))))).toEqual([
        3,
      ])
      const voids = query.select("total").filter({ status: "void" })
      expect(await ids(query.filter(lte("total", allOf(voids))))).toEqual([4])
      expect(await ids(query.filter(eq("total", anyOf(query.select("total").filter(lte("id", 2))))))).toEqual([1, 2])
      const children = query.filter(eq("parent_id", outer("id")))
      expect(await ids(query.filter(existsIn(children)))).toEqual([1, 2, 4])
      const siblings = query.select({ n: count() }).filter(eq("customer_id", outer("customer_id")), ne("id", outer("id")))
      expect(await tuples(query.select({ id: "id", n: scalar(siblings) }).orderBy("id"))).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 1],
        [5, 0],
      ])
    })

    test("set operations, nested and over other queries' rows", async () => {
      const paid = query.select("id").filter({ status: "paid" })
      const small = query.select("id").filter(lte("id", 2))
      expect((await tuples(intersect(paid, small).orderBy("id"))).flat()).toEqual([1, 2])
      expect((await tuples(except(paid, small).orderBy("id"))).flat()).toEqual([5])
      expect(
        (await tuples(union(except(paid, small), values({ id: "integer" }, [{ id: 99 }])).orderBy(desc("id")))).flat(),
      ).toEqual([99, 5])
      expect(await value(fromQuery(union(paid, small, { all: true })).select({ n: count() }))).toBe(5)
      expect(await ids(query.filter({ id: oneOf(union(paid, small)) }))).toEqual([1, 2, 5])
    })

    test("chains of parents: depth, cycles, duplicates", async () => {
      const chain = (maxDepth: number) =>
        recursive(
          query.select({ id: "id", parent_id: "parent_id" }).filter({ id: 3 }),
          (found) =>
            query
              .joinQuery("child", found, { on: { id: "parent_id" }, type: "inner" })
              .select({ parent_id: "parent_id", id: "id" }),
          { maxDepth },
        )
      expect(await tuples(fromQuery(chain(10)).orderBy("id"))).toEqual([
        [1, null],
        [2, 1],
        [3, 2],
      ])
      expect(await tuples(fromQuery(chain(1)).orderBy("id"))).toHaveLength(2)
      const counting = recursive(values({ n: "integer" }, [{ n: 1 }]), (found) => found.select({ n: "n" }), { maxDepth: 1000 })
      expect(await tuples(fromQuery(counting))).toEqual([[1]])
      const joined = query
        .joinQuery("up", chain(10), { on: { id: "id" }, type: "inner" })
        .select("id")
        .orderBy("id")
      expect((await tuples(joined)).flat()).toEqual([1, 2, 3])
    })

    test("trees as materialized paths and as closure tables", async () => {
      await target.sql.exec(`
        drop table if exists store.node_closure, store.nodes;
        create table store.nodes (id int primary key, name text not null, path text not null);
        create table store.node_closure (ancestor int not null, descendant int not null, depth int not null, primary key (ancestor, descendant));
        insert into store.nodes values (1, 'root', '/1'), (2, 'a', '/1/2'), (3, 'a_b', '/1/2/3'), (4, 'c', '/1/4'), (10, 'other', '/10'), (5, '%', '/1/2/%5');
        insert into store.node_closure values (1,1,0), (2,2,0), (3,3,0), (4,4,0), (10,10,0), (1,2,1), (1,3,2), (1,4,1), (2,3,1)`)
      const nodes = defineDomain({
        name: "Nodes",
        source: {
          table: "nodes",
          schema: "store",
          primaryKey: "id",
          columns: { id: "integer", name: "string", path: "string" },
          associations: {
            below: {
              target: "nodes",
              ownerKey: "id",
              relatedKey: "id",
              through: { table: "node_closure", schema: "store", ownerKey: "ancestor", relatedKey: "descendant" },
            },
            steps: { target: "closure", ownerKey: "id", relatedKey: "ancestor", many: true },
          },
        },
        schemas: {
          nodes: { table: "nodes", schema: "store", primaryKey: "id", columns: { id: "integer", name: "string" } },
          closure: {
            table: "node_closure",
            schema: "store",
            primaryKey: ["ancestor", "descendant"],
            columns: { ancestor: "integer", descendant: "integer", depth: "integer" },
            associations: { node: { target: "nodes", ownerKey: "descendant", relatedKey: "id" } },
          },
        },
        joins: { below: { type: "left" }, steps: { type: "left", joins: { node: { type: "inner" } } } },
      })
      // Wildcards in the path of a node are plain characters: '/1/2/%5' is below '/1/2', and nothing is below '/1/2/%5'.
      const under = from(nodes)
        .select({ id: "id" })
        .filter(startsWith("path", concat(outer<string>("path"), "/")))
      const withChildren = from(nodes).select("id").filter(existsIn(under)).orderBy("id")
      expect((await tuples(withChildren)).flat()).toEqual([1, 2])
      const pairs = from(nodes)
        .joinQuery("under", under, { lateral: true, type: "inner" })
        .select("id", "under.id")
        .orderBy("id", "under.id")
      expect(await tuples(pairs)).toEqual([
        [1, 2],
        [1, 3],
        [1, 4],
        [1, 5],
        [2, 3],
        [2, 5],
      ])
      const tree = from(nodes)
        .select({ id: "id", names: nest("below", { name: "name" }, { orderBy: "name" }) })
        .filter({ id: 2 })
      expect(await rows(tree)).toEqual([{ id: 2, names: [{ name: "a" }, { name: "a_b" }] }])
      const near = from(nodes).select({
        id: "id",
        near: nest("steps", { name: "node.name", depth: "depth" }, { filter: { depth: 1 }, orderBy: "node.name" }),
      })
      expect(await rows(near.filter({ id: 1 }))).toEqual([
        {
          id: 1,
          near: [
            { name: "a", depth: 1 },
            { name: "c", depth: 1 },
          ],
        },
      ])
      expect((await tuples(from(nodes).filter({ id: 1 }).retarget("below").select("id").orderBy("id"))).flat()).toEqual([
        1, 2, 3, 4,
      ])
    })

    test("texts that begin with, end with and hold an expression, whatever it holds", async () => {
      const ids = async (condition: unknown) => (await tuples(loose.select("id").filter(condition).orderBy("id"))).flat()
      await target.sql.exec("update store.orders set note = 'PAid_x' where id = 5")
      const status = ref("status") as never
      expect(await ids(startsWith("note" as never, status))).toEqual([])
      expect(await ids(istartsWith("note" as never, status))).toEqual([5])
      expect(await ids(icontains("note" as never, substring(status, 2, 2)))).toEqual([5])
      expect(await ids(endsWith("status" as never, substring(status, 3)))).toEqual([1, 2, 3, 4, 5])
      expect(await ids(iendsWith("note" as never, concat("_", "X") as never))).toEqual([5])
      expect(await ids(contains("note" as never, concat("_", "x") as never))).toEqual([5])
      expect(await ids(like("note" as never, concat("PA", "%") as never))).toEqual([5])
    })

    test("series and lists", async () => {
      expect((await tuples(fromQuery(generateSeries(1, 7, 3)))).flat()).toEqual([1, 4, 7])
      const days = generateSeries(new Date("2024-01-01T00:00:00Z"), new Date("2024-01-03T00:00:00Z"), "1 day")
      expect(await tuples(fromQuery(days))).toHaveLength(3)
      const list = values({ id: "integer", tags: { type: "array", of: "string" }, at: "timestamptz?" }, [
        { id: 1, tags: ["a", "b"], at: null },
        { id: 2, tags: [], at: "2024-01-01T00:00:00Z" },
      ])
      expect(await rows(fromQuery(list).orderBy("id"))).toEqual([
        { id: 1, tags: ["a", "b"], at: null },
        { id: 2, tags: [], at: new Date("2024-01-01T00:00:00Z") },
      ])
      expect(await rows(fromQuery(values({ id: "integer" }, [])))).toEqual([])
      expect(await tuples(fromQuery(list).unnest("tags", "tag").select("id", "tag").orderBy("tag"))).toEqual([
        [1, "a"],
        [1, "b"],
      ])
    })

    test("retarget keeps scope, filters and every operator", async () => {
      const items = query.filter({ status: "paid" }, some("items.product.tags", { label: "write" })).retarget("items")
      expect(await tuples(items.select("order_id", "product.name").orderBy("order_id", "product_id"))).toEqual([
        [1, "Pen"],
        [1, "Ink"],
        [2, "Pen"],
      ])
      const tags = query.filter(lte("id", 2)).retarget("items").filter(gt("quantity", 2)).retarget("product.tags")
      expect((await tuples(tags.select("label").orderBy("label"))).flat()).toEqual(["desk", "write"])
    })

    test("documents", async () => {
      await target.sql.exec("delete from store.every_type")
      await target.sql.query(
        "insert into store.every_type (id, a_jsonb, a_json) values (1, $1::text::jsonb, $1::text::json), (2, null, null)",
        [JSON.stringify({ zone: { "it's": [1, { deep: "x" }] }, 'a"b': true })],
      )
      const documents = from(everyType)
      const made = documents
        .select({
          part: json("a_jsonb", "zone", "it's"),
          text: jsonText("a_jsonb", "zone", "it's", -1, "deep"),
          plain: json("a_json", "zone", "it's", 0),
          none: jsonText("a_jsonb", "zone", "nowhere"),
        })
        .filter(hasKey("a_jsonb", 'a"b'), eq(jsonText("a_json", "zone", "it's", 0), "1"))
      expect(await rows(made)).toEqual([{ part: [1, { deep: "x" }], text: "x", plain: 1, none: null }])
      expect(await rows(documents.filter({ a_jsonb: hasKey("b") }))).toEqual([])
    })

    test("full-text search of text, ranked", async () => {
      const found = query
        .select({ id: "id", rank: searchRank("note", "first", { configuration: "english" }) })
        .filter(matches("note", "first -second", { configuration: "english" }))
      expect((await rows(found)).map((row) => row.id)).toEqual([1])
      for (const mode of ["words", "phrase", "tsquery"] as const)
        expect(await ids(query.filter(matches("note", "first", { mode })))).toEqual([1])
    })

    test("functions of the user's own", async () => {
      await target.sql.exec(
        "create or replace function store.\"Tax\"(amount numeric, percent int) returns numeric language sql immutable as 'select amount * percent / 100'",
      )
      const tax = defineFunction({ name: "store.Tax", args: ["decimal", "integer"], returns: "decimal", volatility: "immutable" })
      expect(Number(await value(query.select({ t: tax(ref("total"), 10) }).filter({ id: 2 })))).toBe(2)
      refuses(() => (tax as unknown as (a: unknown) => unknown)(1), "E_UNSUPPORTED_INPUT")
    })

    test("locks", async () => {
      const locked = query.select("id").join("customer", { type: "inner" }).filter({ id: 1 })
      expect(await tuples(locked.forUpdate({ locked: "skip", of: ["customer"] }))).toEqual([[1]])
      expect(locked.forUpdate({ strength: "noKeyUpdate", locked: "fail" }).toSql().text).toMatch(
        / FOR NO KEY UPDATE OF orders NOWAIT$/,
      )
    })
  },
  { template: shop },
)
