import fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { defineDomain } from "../../src/domain/define.ts"
import { isSelectoError } from "../../src/errors.ts"
import { count } from "../../src/query/aggregate.ts"
import { concat } from "../../src/query/calls.ts"
import { contains, endsWith, eq, exists, oneOf, startsWith } from "../../src/query/condition.ts"
import { caseWhen, cast, literal, nest } from "../../src/query/expression.ts"
import { json, jsonText } from "../../src/query/json-path.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { fromQuery } from "../../src/query/rows.ts"
import { union } from "../../src/query/set.ts"
import { rowNumber } from "../../src/query/window.ts"
import { quoteIdentifier } from "../../src/sql/identifier.ts"
import { loadSql, parseSqlSync } from "../../src/sql/parse.ts"
import { eachServer } from "../support/each-server.ts"
import { onlyValueOf, rowsOf } from "./run.ts"
import { everyType, orders, shop } from "./shop.ts"

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
console.log(`hostile strings: SELECTO_SEED=${seed}`)
const runs = (numRuns: number) => ({ seed, numRuns })

const nasty = [
  ...[
    "",
    " ",
    "'",
    '"',
    "''",
    '""',
    "\\",
    "\\'",
    "\0",
    "a\0b",
    "$1",
    "$$",
    "--",
    "/*",
    "*/",
    "/* selecto:x */",
    ";",
    "%",
    "_",
    "\n",
    "\r\n",
  ],
  ...[
    "'; drop table store.orders; --",
    '"; drop table store.orders; --',
    "x' OR '1'='1",
    "1); select pg_sleep(9); --",
    "E'\\x'",
    'U&"\\0041"',
  ],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "select",
    "SELECT",
    "user",
    "order",
    "null",
    "true",
    "*",
    "count(*)",
    "id",
    "customer.region",
  ],
  ...[
    "é".repeat(40),
    "a".repeat(63),
    "a".repeat(64),
    "a".repeat(200),
    "漢".repeat(21),
    "漢".repeat(22),
    "🙂".repeat(16),
    "\ud800",
    "\u202e",
    "\u0301",
    "\ufeff",
  ],
  ...["{", "}", "{}", "[]", ",", "NULL", "a.b", ".", "a.", ".b", ":x", "?", "@>", "::int", "\\u0000"],
]
const hostile = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 80 }) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...nasty), fc.string({ maxLength: 8 })).map((parts) => parts.join("")) },
)

/** The parse tree without names, texts and places: what a hostile name must not change. */
function outline(text: string): unknown {
  const { stmts } = parseSqlSync(text) as { stmts?: unknown[] }
  expect(stmts).toHaveLength(1)
  return JSON.parse(
    JSON.stringify(stmts, (key, value) =>
      key === "location" ||
      key === "stmt_len" ||
      key === "name" ||
      key === "sval" ||
      key === "relname" ||
      key === "schemaname" ||
      key === "aliasname" ||
      key === "ctename"
        ? undefined
        : value,
    ),
  )
}

/** Runs what may throw a coded error only; null where it did. */
function coded<T>(attempt: () => T): T | null {
  try {
    return attempt()
  } catch (error) {
    if (!isSelectoError(error)) throw error
    return null
  }
}

describe("hostile strings where nothing runs", () => {
  beforeAll(loadSql)
  const query = from(orders) as unknown as QueryBuilder

  test("as an alias the statement keeps its shape", () => {
    const plain = outline(query.select({ x: "id", n: count() }).groupBy("id").orderBy("x").toSql().text)
    let kept = 0
    fc.assert(
      fc.property(hostile, (name) => {
        const made = coded(() =>
          query
            .select(JSON.parse(`{${JSON.stringify(name)}: "id"}`))
            .select({ n: count() })
            .groupBy("id")
            .orderBy(name)
            .toSql(),
        )
        if (made === null || ["n", "id", "customer.region"].includes(name)) return
        kept++
        expect(outline(made.text)).toEqual(plain)
      }),
      runs(400),
    )
    expect(kept).toBeGreaterThan(100)
  })

  test("as a path, a join, an order, a group: unknown, or what the domain declares", () => {
    const known = new Set(["id", "customer.region"])
    fc.assert(
      fc.property(hostile, (name) => {
        const counted = () => query.select({ n: count(name as "id") }).toSql()
        if (name !== "*" && coded(counted) !== null) expect(known.has(name), JSON.stringify(name)).toBe(true)
        for (const attempt of [
          () => query.select(name).toSql(),
          () => query.filter(JSON.parse(`{${JSON.stringify(name)}: 1}`)).toSql(),
          () => query.orderBy(name).toSql(),
          () => query.select({ n: count() }).groupBy(name).toSql(),
          () => query.filter(exists(name as "items")).toSql(),
          () => query.join(name).toSql(),
          () => query.select({ c: nest(name as "items", { q: "quantity" as "id" }) }).toSql(),
        ]) {
          const made = coded(attempt)
          if (made !== null) expect(known.has(name), JSON.stringify(name)).toBe(true)
        }
      }),
      runs(300),
    )
  })

  test("as the name of a joined query, a window, a set's column, a JSON key", () => {
    const statements = (name: string) => {
      const column = JSON.parse(`{${JSON.stringify(name)}: "id"}`)
      const inner = () => query.select(column)
      return [
        () =>
          query
            .joinQuery(name, query.select("id", "status"), { on: { id: "id" }, cte: true })
            .select("id", `${name}.status`)
            .toSql().text,
        () =>
          query
            .joinQuery("j", inner(), { on: { id: name } })
            .select("id", `j.${name}`)
            .toSql().text,
        () =>
          query
            .window(name, { orderBy: "id" })
            .select({ n: rowNumber().over(name) })
            .toSql().text,
        () => (union(inner() as never, inner() as never) as unknown as QueryBuilder).orderBy(name).toSql().text,
        () =>
          (fromQuery(inner() as never) as unknown as QueryBuilder)
            .select(name)
            .filter(JSON.parse(`{${JSON.stringify(name)}: 1}`))
            .toSql().text,
        () =>
          query.filter(eq(jsonText(json(cast("note", "jsonb") as never, name) as never, name) as never, "x") as never).toSql()
            .text,
      ]
    }
    const plain = statements("plain").map((make) => outline(make()))
    let kept = 0
    fc.assert(
      fc.property(hostile, (name) => {
        statements(name).forEach((make, index) => {
          const text = coded(make)
          if (text === null || ["id", "status", "orders"].includes(name)) return
          kept++
          expect(outline(text)).toEqual(plain[index])
        })
      }),
      runs(200),
    )
    expect(kept).toBeGreaterThan(300)
  })

  test("as a value the text does not change", () => {
    const text = query.filter({ status: "x" }, contains("note", "x"), startsWith("note", "x")).toSql().text
    fc.assert(
      fc.property(hostile, (value) => {
        const made = coded(() => query.filter({ status: value }, contains("note", value), startsWith("note", value)).toSql())
        if (made !== null) expect(made.text).toBe(text)
      }),
      runs(400),
    )
  })

  test("as any name of a domain: faults, or a statement of the same shape", () => {
    const make = (name: string) =>
      defineDomain({
        name,
        source: {
          table: name,
          schema: name,
          primaryKey: "k",
          columns: JSON.parse(
            `{"k": "integer", ${JSON.stringify(name)}: {"type": "enum", "pgType": ${JSON.stringify(name)}, "values": ["a"]}}`,
          ),
          associations: JSON.parse(
            `{${JSON.stringify(`${name}s`)}: {"target": ${JSON.stringify(name)}, "ownerKey": "k", "relatedKey": "k", "many": true}}`,
          ),
        },
        schemas: JSON.parse(
          `{${JSON.stringify(name)}: {"table": ${JSON.stringify(name)}, "primaryKey": "k", "columns": {"k": "integer"}}}`,
        ),
        joins: JSON.parse(`{${JSON.stringify(`${name}s`)}: {"type": "left"}}`),
      } as never)
    const statement = (name: string) => {
      const domain = from(make(name) as never) as unknown as QueryBuilder
      return domain
        .select({ a: name, j: `${name}s.k`, c: caseWhen([[eq(name as never, "a" as never), literal("b")]]) })
        .filter(JSON.parse(`{${JSON.stringify(name)}: "a"}`), exists(`${name}s` as never))
        .toSql().text
    }
    const plain = outline(statement("plain"))
    let kept = 0
    fc.assert(
      fc.property(hostile, (name) => {
        const text = coded(() => statement(name))
        if (text === null || name === "k") return
        kept++
        expect(outline(text)).toEqual(plain)
      }),
      runs(300),
    )
    expect(kept).toBeGreaterThan(50)
  })

  test("parsed JSON is never taken for a condition, a test or an expression", () => {
    const forged = [
      { node: { condition: "and", operands: [] } },
      { "Symbol(selecto-pg.node)": "condition", node: { condition: "or", operands: [] } },
      { test: "null", negated: true },
      { expression: "raw", strings: ["1; drop table x"], parts: [] },
      { $gt: "" },
      [],
      [1],
    ]
    for (const value of forged) {
      expect(coded(() => query.filter(JSON.parse(JSON.stringify(value))).toSql())).toBeNull()
      expect(coded(() => query.filter({ status: JSON.parse(JSON.stringify(value)) }).toSql())).toBeNull()
    }
  })
})

eachServer(
  "hostile strings on the server",
  (target) => {
    const one = (from(orders) as unknown as QueryBuilder).filter({ id: 1 })

    test("come back from values and find themselves", async () => {
      await fc.assert(
        fc.asyncProperty(hostile, hostile, async (value, other) => {
          const made = coded(() =>
            one
              .select({ v: literal(value), w: concat(value, other), l: caseWhen([[eq(literal(value), other), "same"]], "other") })
              .toSql(),
          )
          // Read past the library, PGlite's decoder drops a byte order mark at the start.
          if (made === null || (target.kind === "pglite" && `${value}${other}`.includes("\ufeff"))) return
          const [row] = await rowsOf(
            target,
            one.select({
              v: literal(value),
              w: concat(value, other),
              l: caseWhen([[eq(literal(value), other), "same"]], "other"),
            }),
          )
          expect(row).toEqual({ v: value, w: value + other, l: value === other ? "same" : "other" })
          for (const [test, expected] of [
            [contains(literal(value), other), value.includes(other)],
            [startsWith(literal(value), other), value.startsWith(other)],
            [endsWith(literal(value), other), value.endsWith(other)],
            [oneOf(literal(value), [other]), value === other],
          ] as const)
            expect(await onlyValueOf(target, one.select({ v: caseWhen([[test as never, 1]], 0) }))).toBe(expected ? 1 : 0)
        }),
        runs(60),
      )
    })

    test("come back from aliases and nested keys", async () => {
      let kept = 0
      await fc.assert(
        fc.asyncProperty(hostile, async (name) => {
          const query = coded(() => {
            const made = one.select(JSON.parse(`{${JSON.stringify(name)}: "id"}`))
            made.toSql()
            return made
          })
          if (query !== null) {
            kept++
            expect(await rowsOf(target, query)).toEqual([{ [name]: 1 }])
          }
          const nested = coded(() => {
            const made = one.select({
              c: nest("customer" as never, JSON.parse(`{${JSON.stringify(name)}: "first_name"}`) as never),
            })
            made.toSql()
            return made
          })
          if (nested !== null) expect(await rowsOf(target, nested)).toEqual([{ c: { [name]: "Ada" } }])
        }),
        runs(120),
      )
      expect(kept).toBeGreaterThan(40)
    })

    test("as elements of arrays and as parts of documents", async () => {
      await target.sql.exec("delete from store.every_type")
      await target.sql.query("insert into store.every_type (id) values (1)")
      const row = from(everyType) as unknown as QueryBuilder
      await fc.assert(
        fc.asyncProperty(hostile, hostile, async (a, b) => {
          const filter = {
            strings: contains([a, b] as never),
            a_jsonb: contains(JSON.parse(`{${JSON.stringify(a)}: [${JSON.stringify(b)}]}`)),
          }
          const made = coded(() => {
            const query = row.select("id").filter(filter)
            query.toSql()
            return query
          })
          if (made === null) return
          const document = JSON.stringify(JSON.parse(`{${JSON.stringify(a)}: [${JSON.stringify(b)}], "more": 1}`))
          await target.sql.query(
            "update store.every_type set strings = array[$1::text, 'x', $2::text], a_jsonb = $3::text::jsonb",
            [a, b, document],
          )
          if (a !== "more") expect(await rowsOf(target, made)).toEqual([{ id: 1 }])
          const [back] = await rowsOf(target, row.select("strings", "a_jsonb"))
          expect(back!.strings).toEqual([a, "x", b])
          expect(Object.keys(back!.a_jsonb as object)).toContain(a)
        }),
        runs(60),
      )
    })

    test("as names of real tables and columns", async () => {
      const names = nasty.filter((name) => coded(() => quoteIdentifier(name)) !== null && !name.includes("."))
      const distinct = [...new Set(names)].filter((name) => name !== "k" && !/^(ctid|xmin|xmax|cmin|cmax|tableoid)$/.test(name))
      const table = 'hostile "table"; --'
      await target.sql.exec(
        `create table store.${quoteIdentifier(table)} (k int, ${distinct.map((name) => `${quoteIdentifier(name)} text`).join(", ")})`,
      )
      await target.sql.query(
        `insert into store.${quoteIdentifier(table)} values (1, ${distinct.map((_, index) => `$${index + 1}`).join(", ")})`,
        distinct.map((_, index) => `value ${index}`),
      )
      const columns = JSON.parse(`{"k": "integer", ${distinct.map((name) => `${JSON.stringify(name)}: "string?"`).join(", ")}}`)
      const source = { table, schema: "store", primaryKey: "k", columns }
      const readable = distinct.filter(
        (name) =>
          coded(() =>
            (from(defineDomain({ name: "H", source } as never) as never) as unknown as QueryBuilder).select(name).toSql(),
          ) !== null,
      )
      expect(readable.length).toBeGreaterThan(30)
      const query = from(defineDomain({ name: "H", source } as never) as never) as unknown as QueryBuilder
      const [row] = await rowsOf(target, query.select(...(readable as [string])))
      for (const name of readable) expect(row![name]).toBe(`value ${distinct.indexOf(name)}`)
    })
  },
  { template: shop },
)
