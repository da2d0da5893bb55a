import fc from "fast-check"
import {
  DummyDriver,
  type Expression,
  type ExpressionBuilder,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type SqlBool,
  sql,
} from "kysely"
import { describe, expect, test } from "vitest"
import { avg, count, countDistinct, max, min, sum } from "../../src/query/aggregate.ts"
import { and, between, contains, eq, gt, gte, isNull, lt, lte, ne, noneOf, not, oneOf, or } from "../../src/query/condition.ts"
import { asc, desc } from "../../src/query/expression.ts"
import { from, type QueryBuilder } from "../../src/query/query.ts"
import { countOf, every, none, some } from "../../src/query/relation.ts"
import { loadSql, parseSqlSync } from "../../src/sql/parse.ts"
import { eachServer } from "../support/each-server.ts"
import { textOf } from "./run.ts"
import { orders, shop } from "./shop.ts"

// Random queries, each written twice by two generators that share nothing but the description: ours, and Kysely's.

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
const total = Number(process.env.SELECTO_DIFFERENTIAL ?? 300)
console.log(`differential: SELECTO_SEED=${seed} SELECTO_DIFFERENTIAL=${total}`)

type Kind = "number" | "text" | "decimal"
/** Paths of the domain, with the column as Kysely names it: table alias of the join, column. */
const fields = {
  id: ["orders.id", "number"],
  tenant_id: ["orders.tenant_id", "number"],
  customer_id: ["orders.customer_id", "number"],
  status: ["orders.status", "text"],
  total: ["orders.total", "decimal"],
  note: ["orders.note", "text"],
  "customer.region": ["c.region", "text"],
  "customer.first_name": ["c.first_name", "text"],
  "customer.country.name": ["k.name", "text"],
  "parent.total": ["p.total", "decimal"],
  "items.quantity": ["i.quantity", "number"],
  "items.product.name": ["r.name", "text"],
  "items.product.price": ["r.price", "decimal"],
} as const satisfies Record<string, readonly [string, Kind]>
type Path = keyof typeof fields
const paths = Object.keys(fields) as Path[]
const texts = ["paid", "open", "void", "EU", "", "a\\b", "100% _sure_", "Pen", "Ada", "France", "%", "_"]

type Test =
  | { readonly is: "eq" | "ne" | "gt" | "gte" | "lt" | "lte"; readonly path: Path; readonly value: string | number }
  | { readonly is: "null"; readonly path: Path }
  | { readonly is: "between"; readonly path: Path; readonly low: number; readonly high: number }
  | { readonly is: "oneOf" | "noneOf"; readonly path: Path; readonly values: readonly (string | number)[] }
  | { readonly is: "contains"; readonly path: Path; readonly value: string }
  | { readonly is: "and" | "or"; readonly of: readonly Test[] }
  | { readonly is: "not"; readonly of: Test }
  | { readonly is: "some" | "none" | "every"; readonly quantity: number }
  | { readonly is: "tagged"; readonly label: string }
  | { readonly is: "count"; readonly more: number }

interface Spec {
  readonly select: readonly Path[]
  readonly filter: readonly Test[]
  readonly group: readonly Path[] | null
  readonly having: number | null
  readonly descending: boolean
  readonly limit: number | null
  readonly offset: number | null
  readonly distinct: boolean
}

const value = (path: Path): fc.Arbitrary<string | number> =>
  fields[path][1] === "text"
    ? fc.constantFrom(...texts)
    : fields[path][1] === "number"
      ? fc.integer({ min: -1, max: 9 })
      : fc.constantFrom(5, 7.75, 10.5, 20, 30.25, 1.5)
const onPath = <T>(make: (path: Path) => fc.Arbitrary<T>, from: readonly Path[] = paths): fc.Arbitrary<T> =>
  fc.constantFrom(...from).chain(make)

const tests = fc.letrec<{ test: Test }>((tie) => ({
  test: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    onPath((path) =>
      fc.record({ is: fc.constantFrom("eq", "ne", "gt", "gte", "lt", "lte"), path: fc.constant(path), value: value(path) }),
    ) as fc.Arbitrary<Test>,
    onPath((path) => fc.constant({ is: "null", path } as const)),
    onPath((path) =>
      fc.record({
        is: fc.constantFrom("oneOf", "noneOf"),
        path: fc.constant(path),
        values: fc.array(value(path), { maxLength: 4 }),
      }),
    ) as fc.Arbitrary<Test>,
    onPath(
      (path) =>
        fc.record({
          is: fc.constant("between"),
          path: fc.constant(path),
          low: fc.integer({ min: 0, max: 8 }),
          high: fc.integer({ min: 0, max: 30 }),
        }),
      paths.filter((path) => fields[path][1] !== "text"),
    ) as fc.Arbitrary<Test>,
    onPath(
      (path) => fc.record({ is: fc.constant("contains"), path: fc.constant(path), value: fc.constantFrom(...texts) }),
      paths.filter((path) => fields[path][1] === "text"),
    ) as fc.Arbitrary<Test>,
    fc.record({ is: fc.constantFrom("some", "none", "every"), quantity: fc.integer({ min: 0, max: 5 }) }) as fc.Arbitrary<Test>,
    fc.record({ is: fc.constant("tagged"), label: fc.constantFrom("desk", "write", "rare", "zzz") }) as fc.Arbitrary<Test>,
    fc.record({ is: fc.constant("count"), more: fc.integer({ min: 0, max: 3 }) }) as fc.Arbitrary<Test>,
    fc.record({ is: fc.constantFrom("and", "or"), of: fc.array(tie("test"), { maxLength: 3 }) }) as fc.Arbitrary<Test>,
    fc.record({ is: fc.constant("not"), of: tie("test") }) as fc.Arbitrary<Test>,
  ),
})).test

const specs: fc.Arbitrary<Spec> = fc.record({
  select: fc.uniqueArray(fc.constantFrom(...paths), { minLength: 1, maxLength: 5 }),
  filter: fc.array(tests, { maxLength: 3 }),
  group: fc.option(fc.uniqueArray(fc.constantFrom(...paths), { maxLength: 3 }), { freq: 2 }),
  having: fc.option(fc.integer({ min: 0, max: 3 })),
  descending: fc.boolean(),
  limit: fc.option(fc.integer({ min: 0, max: 6 })),
  offset: fc.option(fc.integer({ min: 0, max: 3 })),
  distinct: fc.boolean(),
})

// ── ours

function ourTest(test: Test): unknown {
  switch (test.is) {
    case "null":
      return isNull(test.path as never)
    case "between":
      return between(test.path as never, test.low as never, test.high as never)
    case "oneOf":
      return oneOf(test.path as never, test.values as never)
    case "noneOf":
      return noneOf(test.path as never, test.values as never)
    case "contains":
      return contains(test.path as never, test.value as never)
    case "and":
      return and(...(test.of.map(ourTest) as never[]))
    case "or":
      return or(...(test.of.map(ourTest) as never[]))
    case "not":
      return not(ourTest(test.of) as never)
    case "some":
      return some("items" as never, gt("quantity" as never, test.quantity as never))
    case "none":
      return none("items" as never, { quantity: gt(test.quantity) } as never)
    case "every":
      return every("items" as never, gt("quantity" as never, test.quantity as never))
    case "tagged":
      return some("items.product.tags" as never, { label: test.label } as never)
    case "count":
      return countOf("items" as never, gt(test.more))
    default:
      return { eq, ne, gt, gte, lt, lte }[test.is](test.path as never, test.value as never)
  }
}

const aggregates = {
  n: count(),
  c: count("items.quantity"),
  d: countDistinct("status"),
  lo: min("total"),
  hi: max("note"),
  s: sum("total"),
  a: avg("id"),
}

function ours(spec: Spec): { text: string; values: readonly unknown[] } {
  let query = (from(orders) as unknown as QueryBuilder).allowFanOut().filter(...spec.filter.map(ourTest))
  const direction = spec.descending ? desc : asc
  if (spec.group === null) {
    query = query.select(Object.fromEntries(spec.select.map((path, index) => [`f${index}`, path])))
    if (spec.distinct) query = query.distinct()
    query = query.orderBy(...spec.select.map((_, index) => direction(`f${index}` as never)))
  } else {
    query = query.select(Object.fromEntries(spec.group.map((path, index) => [`f${index}`, path]))).select(aggregates)
    if (spec.group.length > 0) query = query.groupBy(...spec.group)
    if (spec.having !== null) query = query.having(gt(count(), spec.having))
    query = query.orderBy(...spec.group.map((_, index) => direction(`f${index}` as never)))
  }
  if (spec.limit !== null) query = query.limit(spec.limit)
  if (spec.offset !== null) query = query.offset(spec.offset)
  return query.toSql()
}

// ── Kysely's

// biome-ignore lint/suspicious/noExplicitAny: the second generator is untyped on purpose, it must not lean on our types
type Any = any
const kysely = new Kysely<Any>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
const operators = { eq: "=", ne: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const
const column = (path: Path): string => fields[path][0]

function pathsOf(test: Test): readonly Path[] {
  if (test.is === "and" || test.is === "or") return test.of.flatMap(pathsOf)
  if (test.is === "not") return pathsOf(test.of)
  return "path" in test ? [test.path] : []
}

function theirTest(eb: ExpressionBuilder<Any, Any>, test: Test): Expression<SqlBool> {
  const items = (build: (i: Any) => Any): Any =>
    build(eb.selectFrom("store.items as x").select(sql.lit(1).as("one")).whereRef("x.order_id", "=", "orders.id"))
  switch (test.is) {
    case "null":
      return eb(column(test.path), "is", null)
    case "between":
      return eb.between(column(test.path), test.low, test.high)
    case "oneOf":
      return test.values.length === 0 ? sql<SqlBool>`false` : eb(column(test.path), "in", [...test.values])
    case "noneOf":
      return test.values.length === 0 ? sql<SqlBool>`true` : eb(column(test.path), "not in", [...test.values])
    case "contains":
      return sql<SqlBool>`position(${test.value}::text in ${sql.ref(column(test.path))}) > 0`
    case "and":
      return eb.and(test.of.map((one) => theirTest(eb, one)))
    case "or":
      return eb.or(test.of.map((one) => theirTest(eb, one)))
    case "not":
      return eb.not(theirTest(eb, test.of))
    case "some":
      return eb.exists(items((i) => i.where("x.quantity", ">", test.quantity)))
    case "none":
      return eb.not(eb.exists(items((i) => i.where("x.quantity", ">", test.quantity))))
    case "every":
      return eb.not(eb.exists(items((i) => i.where("x.quantity", "<=", test.quantity))))
    case "tagged":
      return eb(
        "orders.id",
        "in",
        eb
          .selectFrom("store.items as x")
          .innerJoin("store.product_tags as pt", "pt.product_id", "x.product_id")
          .innerJoin("store.tags as t", "t.id", "pt.tag_id")
          .where("t.label", "=", test.label)
          .select("x.order_id"),
      )
    case "count":
      return eb(
        eb.selectFrom("store.items as x").select(eb.fn.countAll().as("n")).whereRef("x.order_id", "=", "orders.id"),
        ">",
        test.more,
      )
    default:
      return eb(column(test.path), operators[test.is], test.value)
  }
}

function theirs(spec: Spec): { text: string; values: readonly unknown[] } {
  const used = new Set<string>([
    ...spec.filter.flatMap(pathsOf),
    ...(spec.group ?? spec.select),
    ...(spec.group === null ? [] : ["items.quantity"]),
  ])
  const uses = (prefix: string): boolean => [...used].some((path) => path.startsWith(prefix))
  let query: Any = kysely.selectFrom("store.orders as orders")
  if (uses("customer.country."))
    query = query.leftJoin(
      (eb: Any) =>
        eb
          .selectFrom("store.customers")
          .innerJoin("store.countries", "code", "country_code")
          .selectAll("store.customers")
          .as("c"),
      "c.id",
      "orders.customer_id",
    )
  else if (uses("customer.")) query = query.leftJoin("store.customers as c", "c.id", "orders.customer_id")
  if (uses("customer.country.")) query = query.leftJoin("store.countries as k", "k.code", "c.country_code")
  if (uses("parent.")) query = query.leftJoin("store.orders as p", "p.id", "orders.parent_id")
  if (uses("items.")) query = query.leftJoin("store.items as i", "i.order_id", "orders.id")
  if (uses("items.product.")) query = query.leftJoin("store.products as r", "r.id", "i.product_id")
  for (const test of spec.filter) query = query.where((eb: Any) => theirTest(eb, test))
  const direction = spec.descending ? "desc" : "asc"
  if (spec.group === null) {
    query = query.select(spec.select.map((path, index) => `${column(path)} as f${index}`))
    if (spec.distinct) query = query.distinct()
    spec.select.forEach((_, index) => {
      query = query.orderBy(`f${index}`, direction)
    })
  } else {
    query = query
      .select(spec.group.map((path, index) => `${column(path)} as f${index}`))
      .select((eb: Any) => [
        eb.fn.countAll().as("n"),
        eb.fn.count("i.quantity").as("c"),
        eb.fn.count("orders.status").distinct().as("d"),
        eb.fn.min("orders.total").as("lo"),
        eb.fn.max("orders.note").as("hi"),
        eb.fn.sum("orders.total").as("s"),
        eb.fn.avg("orders.id").as("a"),
      ])
    if (spec.group.length > 0) query = query.groupBy(spec.group.map(column))
    if (spec.having !== null) query = query.having((eb: Any) => eb(eb.fn.countAll(), ">", spec.having))
    spec.group.forEach((_, index) => {
      query = query.orderBy(`f${index}`, direction)
    })
  }
  if (spec.limit !== null) query = query.limit(spec.limit)
  if (spec.offset !== null) query = query.offset(spec.offset)
  const { sql: text, parameters } = query.compile()
  return { text, values: parameters }
}

test("the two generators write different statements", () => {
  const [spec] = fc.sample(specs, { seed, numRuns: 1 })
  expect(ours(spec!).text).not.toBe(theirs(spec!).text)
})

describe("random queries give the rows of an independent statement", () => {
  eachServer(
    "differential",
    (target) => {
      test(`${total} queries`, async () => {
        await target.sql.exec(`insert into store.orders select n, 7 + n % 3, case when n % 4 = 0 then null else 1 + n % 3 end, case when n % 5 = 0 then 1 + n % 5 end,
            (array['paid', 'open', 'void'])[1 + n % 3], (n % 9) * 2.75, case when n % 3 = 0 then null else (array['a', '', '%', 'a\\b'])[1 + n % 4] end, timestamptz '2024-01-01Z' + n * interval '7 hours'
            from generate_series(10, 60) n;
            insert into store.items select n, 1 + n % 3, n % 7 from generate_series(10, 50) n;
            insert into store.items select n, 1 + (n + 1) % 3, 1 + n % 4 from generate_series(10, 50, 2) n`)
        await loadSql()
        let filled = 0
        await fc.assert(
          fc.asyncProperty(specs, async (spec) => {
            const [mine, other] = [ours(spec), theirs(spec)]
            const read = async (statement: { text: string; values: readonly unknown[] }) =>
              (await textOf(target, statement.text, statement.values)).rows
            expect(parseSqlSync(mine.text).stmts).toHaveLength(1)
            const rows = await read(mine)
            expect(rows).toEqual(await read(other))
            if (rows.length > 0) filled++
          }),
          { seed, numRuns: target.kind === "pglite" ? Math.ceil(total / 3) : total },
        )
        const share = filled / (target.kind === "pglite" ? Math.ceil(total / 3) : total)
        console.log(`${target.label}: ${Math.round(share * 100)} % of the queries found rows`)
        expect(share).toBeGreaterThan(0.25)
      }, 600_000)
    },
    { template: shop },
  )
})
