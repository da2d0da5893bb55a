import { describe, expect, it } from "vitest"
import { bigDomain, bigQueries } from "./big.ts"
import { check } from "./compiler.ts"
import { whole } from "./whole.ts"

const head = `${whole}
import { asc, avg, count, desc, eq, from, gt, like, lower, max, nest, ref, sum } from "./surface.ts"
import { orders, plain } from "./store.ts"
import type { Json } from "../../src/domain/column.ts"
import type { Runnable } from "../../src/query/types/runnable.ts"
declare const raw: Runnable<{ id: number }>
const big = orders.select({ customer_id: "customer_id", total: sum("total") }).groupBy("customer_id")
type Flat<T> = { [K in keyof T]: T[K] }
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function row<Expected>(): <Row>(q: { execute(): Promise<Row[]> }, ..._: Equal<Flat<Row>, Expected> extends true ? [] : [never, Flat<Row>]) => void
`
const lines = head.split("\n").length
/** Each snippet is an island in a block of its own. */
const islands = (snippets: readonly string[]) => head + snippets.map((code) => `;{ ${code} }`).join("\n")

const accepted = [
  'row<{ n: number; s: string | null; p: string | null; l: string | null; m: string; f: Date | null; r: number }>()(orders.select({ n: rowNumber().over({ partitionBy: "status", orderBy: [desc("created_at"), "id"] }), s: sum("total").over({ orderBy: "id", frame: { rows: [{ preceding: 2 }, "currentRow"] } }), p: lag("status").over({ orderBy: "id" }), l: lag("customer.region", 2, "none").over({ orderBy: "id" }), m: lag("status", 1, "none").over({ orderBy: "id" }), f: firstValue("created_at").over("w"), r: rank().over() }).window("w", { orderBy: "id" }))',
  'row<{ rating: "G" | "PG"; n: number }>()(fromQuery(orders.select({ rating: "rating", n: rowNumber().over({ partitionBy: "rating" }) })).filter({ n: 1 }))',
  'row<{ a: string[] | null; b: string | null; j: (string | null)[] | null; d: string | null; sd: string | null }>()(orders.select({ a: arrayAgg("status"), b: stringAgg("status", ", "), j: jsonAgg("note"), d: sum("total").distinct().filter({ status: "x" }), sd: stddev("total") }))',
  'orders.groupBy(rollup("status", ["rating", "customer.region"])).select({ g: grouping("status") })',
  'orders.groupBy(groupingSets(["status"], []))',
  'orders.filter(some("items", { product: like("A%") }), none("items.suppliers", { rating: gt(3) }), every("items", gt("quantity", 1)))',
  'orders.filter(countOf("items", gt(3)), countOf("items", gt(3), { filter: { quantity: 1 } }), gt(countOf("items"), 3))',
  'row<{ n: number; m: number }>()(orders.select({ n: countOf("items"), m: countOf("items", { filter: { quantity: gt(2) } }) }))',
  'orders.filter(isOneOf("id", orders.select("customer_id")), gt("total", scalar(orders.select({ m: avg("total") }))), eq("id", anyOf(orders.select("id"))), { id: isOneOf(orders.select("id")) })',
  'row<{ m: string | null }>()(orders.select({ m: scalar(orders.select({ m: max("total") })) }))',
  'orders.filter(existsIn(orders.filter(eq("id", outer("customer_id")))))',
  'row<{ id: number; r: string | null }>()(union(orders.select({ id: "id", r: "status" }), orders.select({ id: "customer_id", r: "customer.region" })).orderBy("id", desc("r")).limit(1))',
  'row<{ id: number }>()(except(orders.select("id"), orders.select({ id: "customer_id" }), { all: true }))',
  'row<{ status: string; t: string | null; s: string | null }>()(orders.joinQuery("big", big, { on: { customer_id: "customer_id" }, type: "inner", cte: true }).select({ status: "status", t: "big.total", s: sum("big.total") }).filter({ "big.total": gt(1) }).orderBy(desc("big.total")))',
  'row<{ label: string | null; n: number }>()(orders.joinQuery("labels", values({ code: "string", label: "string" }, [{ code: "G", label: "General" }]), { on: { rating: "code" } }).select({ label: "labels.label", n: count() }))',
  'row<{ feature: string; n: number }>()(orders.unnest("tags", "feature").select({ feature: "feature", n: count() }).groupBy("feature"))',
  'row<{ product: string | null; quantity: number }>()(orders.filter({ status: "x" }).retarget("items").select("product", "quantity").filter({ price: gt(1) }).orderBy("quantity"))',
  'row<{ order_id: number; product_id: number; quantity: number; price: string; added_at: Date }>()(orders.retarget("items"))',
  'orders.orderBy("id").limit(3).after("x").forUpdate({ locked: "skip", of: ["customer"] }).distinctOn("status")',
  'const page: Promise<{ rows: { id: number }[]; next: string | null }> = orders.select("id").page({ timeoutMs: 1 })',
  'row<{ id: number; parent: number }>()(fromQuery(recursive(orders.select({ id: "id", parent: "customer_id" }), (previous) => previous.select({ id: "parent", parent: "id" }), { maxDepth: 5 })))',
  "row<{ value: number }>()(fromQuery(generateSeries(1, 10)))",
  'orders.filter({ status: matches("shoes -red") }, matches("note", "x", { mode: "phrase" })).orderBy(desc(searchRank("note", "x")))',
  'row<{ z: string | null; j: Json | null; d: string | null }>()(orders.select({ z: jsonText("meta", "warehouse", 0), j: json("meta", "a"), d: discount(ref("total"), 3) }))',
  'orders.filter(eq(jsonText("meta", "zone"), "A"), { meta: hasKey("zone") }, hasKey("meta", "zone"), gt(discount(ref("total"), null), 5))',
]

const wrong: readonly (readonly [from: string, to: string])[] = [
  ["{ n: number; s", "{ n: string; s"],
  ["l: string | null", "l: string"],
  ["m: string;", "m: string | null;"],
  ["a: string[] | null", "a: string[]"],
  ["j: (string | null)[]", "j: string[]"],
  ["label: string | null", "label: string"],
  ["t: string | null; s", "t: number | null; s"],
  ["feature: string;", "feature: string | null;"],
  ["product_id: number; quantity", "product_id: string; quantity"],
  ["r: string | null }>()(union", "r: string }>()(union"],
  ["next: string | null", "next: string"],
]

const refused: readonly (readonly [code: string, says: string | RegExp, more?: string])[] = [
  ["orders.select({ n: rowNumber() })", "Type 'WindowCall<"],
  ['orders.select({ n: rowNumber().over({ partitionBy: "statu" }) })', "Type '\"statu\"' is not assignable to type"],
  ['orders.select({ n: rowNumber().over({ orderBy: desc("statu") }) })', "Argument of type '\"statu\"'"],
  [
    'orders.select({ n: rowNumber().over({ orderBy: "id", frame: { rows: ["unboundedFollowing"] } }) })',
    "Type '\"unboundedFollowing\"' is not assignable to type 'FrameStart'.",
  ],
  [
    'orders.select({ n: rowNumber().over({ orderBy: "id", frame: { rws: ["currentRow"] } }) })',
    "'rws' does not exist in type 'Frame'.",
  ],
  [
    'orders.select({ n: sum("totl").over({ orderBy: "id" }) })',
    "Property 'totl' is missing in type",
    "several lines: the call before `.over` stands apart",
  ],
  ['orders.select({ n: stringAgg("total", ",") })', '\'"total"\' is not assignable to parameter of type \'"status" |'],
  ['orders.select({ n: stringAgg("status", ",").orderBy("statu") })', "Argument of type '\"statu\"'"],
  ['orders.groupBy(rollup("statu"))', "Argument of type '\"statu\"'"],
  ['orders.select({ n: grouping("statu") })', "Argument of type '\"statu\"'"],
  ['orders.filter(some("itms"))', 'Argument of type \'"itms"\' is not assignable to parameter of type \'"customer" |'],
  [
    'orders.filter(some("items", { prodct: "x" }))',
    "in type 'Filter<Behind<Orders, \"items\">>'. Did you mean to write 'product'?",
  ],
  ['orders.filter(countOf("itms", gt(1)))', "Argument of type '\"itms\"'"],
  ['orders.filter(countOf("items", { filter: { quantity: 1 } }))', "has no properties in common with type 'Filter<Orders>'."],
  ['orders.select({ n: countOf("items", gt(1)) })', "Type 'Condition<Orders>' is not assignable to type"],
  [
    'orders.filter(isOneOf("id", orders.select("status")))',
    "is not assignable to parameter of type 'readonly number[] | Column<number>'.",
    "which members are missing",
  ],
  ['orders.filter(isOneOf("id", raw))', "Argument of type 'Runnable<{ id: number; }>' is not assignable"],
  ['orders.filter(isOneOf("status", [1]))', "Type 'number' is not assignable to type 'string'."],
  [
    'orders.filter(eq("id", anyOf(orders.select("id", "status"))))',
    `& OneColumnNeeded<"id" | "status">'.`,
    "what the interface is",
  ],
  [
    'orders.filter(eq("id", anyOf(raw)))',
    "Property '[composed]' is missing in type 'Runnable<{ id: number; }>'",
    "what is missing",
  ],
  ['orders.select({ m: scalar(orders.select("id", "total")) })', `& OneColumnNeeded<"id" | "total">'.`, "what the interface is"],
  ['union(orders.select("id"), orders.select("id", "status"))', '& OtherColumns<never, "status">\'.', "what the interface is"],
  ['union(orders.select("id", "status"), orders.select("id"))', '& OtherColumns<"status", never>\'.', "what the interface is"],
  ['union(orders.select("id"), orders.select({ id: "status" }))', '& OtherTypes<"id">\'.', "what the interface is"],
  ['union(orders.select("id"), raw)', "Argument of type 'Runnable<{ id: number; }>'", "what is missing"],
  [
    'union(orders.select("id"), orders.select("id")).orderBy("status")',
    'Argument of type \'"status"\' is not assignable to parameter of type \'"id" |',
  ],
  [
    'union(orders.select("id"), orders.select("id")).orderBy(desc("status"))',
    'Argument of type \'"status"\' is not assignable to parameter of type \'"id" |',
  ],
  ['union(orders.select("id"), orders.select("id")).filter({ id: 1 })', "Property 'filter' does not exist on type 'SetQuery<"],
  [
    'orders.joinQuery("big", orders.select("customer_id"), { on: { customer_id: "customer" } })',
    "Type '\"customer\"' is not assignable to type '\"customer_id\"'.",
  ],
  [
    'orders.joinQuery("big", orders.select("customer_id"), { on: { customer: "customer_id" } })',
    "'customer' does not exist in type",
  ],
  [
    'orders.joinQuery("big", orders.select("customer_id"), { on: { customer_id: "customer_id" }, type: "outer" })',
    'Type \'"outer"\' is not assignable to type \'"left" | "inner" | undefined\'.',
  ],
  [
    'orders.joinQuery("big", orders.select("customer_id"), { on: { customer_id: "customer_id" } }).select({ x: "big.customer" })',
    "Did you mean '\"big.customer_id\"'?",
  ],
  [
    'orders.joinQuery("big", raw, { on: { id: "id" } })',
    "Property '[composed]' is missing in type 'Runnable<{ id: number; }>'",
    "what is missing",
  ],
  ['orders.unnest("status", "s")', "& NotAnArray'.", "what the interface is"],
  ['orders.unnest("tag", "s")', "Argument of type '\"tag\"'"],
  ['orders.retarget("itms")', "Argument of type '\"itms\"'"],
  ['orders.retarget("items").select({ p: "prodct" })', "Did you mean '\"product\"'?"],
  ["orders.after(5)", "Argument of type 'number' is not assignable to parameter of type 'string'."],
  ['orders.forUpdate({ locked: "skipp" })', "Did you mean '\"skip\"'?"],
  ['orders.distinctOn("statu")', "Argument of type '\"statu\"'"],
  ['values({ code: "string" }, [{ code: 1 }])', "Type 'number' is not assignable to type 'string'."],
  ['values({ code: "string" }, [{ cod: "x" }])', "Did you mean to write 'code'?"],
  ['values({ code: "text" }, [])', "Type '\"text\"' is not assignable to type 'ColumnSpec'."],
  ["generateSeries(1, new Date())", "Argument of type 'Date' is not assignable to parameter of type 'number'."],
  [
    'recursive(orders.select("id"), (p) => p.select({ ids: "id" }), { maxDepth: 5 })',
    "Property 'id' is missing in type '{ ids: number; }'",
    "which column is missing",
  ],
  ['recursive(orders.select("id"), (p) => p.select("id"))', "Expected 3 arguments, but got 2."],
  ['orders.filter({ total: matches("x") })', "is not assignable to type", "the kinds that differ"],
  ['orders.filter(matches("statu", "x"))', "Argument of type '\"statu\"'"],
  [
    'orders.filter(eq(jsonText("meta", "zone"), 5))',
    "Argument of type 'number' is not assignable to parameter of type 'string |",
  ],
  ['orders.select({ z: jsonText("meta") })', "Expected at least 2 arguments, but got 1."],
  ['orders.select({ d: discount(ref("totl"), 3) })', "Argument of type '\"totl\"'"],
  ['orders.select({ d: discount(ref("total")) })', "Expected 2 arguments, but got 1."],
  ['orders.select({ d: discount(ref("total"), true) })', "Argument of type 'true' is not assignable to parameter of type"],
]

describe("the rest of the builder's types", { timeout: 240_000 }, () => {
  it("accept what they should, with exact rows", () => {
    expect(check({ "accepted.ts": islands(accepted) }).errors).toEqual([])
  })

  const text = islands(accepted)
  const mutants = check({
    "whole.ts": whole,
    ...Object.fromEntries(wrong.map(([from, to], i) => [`mutant-${i}.ts`, text.replace(from, to)])),
  })
  it.each(wrong.map(([from, to], i) => ({ from, to, i })))("notice $from read as $to", ({ from, i }) => {
    expect(text).toContain(from)
    expect(mutants.errors.filter((error) => error.file === `mutant-${i}.ts`)).toHaveLength(1)
  })

  const { errors } = check({ "refused.ts": islands(refused.map(([code]) => code)) })
  it.each(refused.map(([code, says, more], i) => ({ code, says, more, line: lines + i })))(
    "refuse $code",
    ({ says, more, line }) => {
      const found = errors.filter((error) => error.line === line)
      expect(found).toHaveLength(1)
      expect(found[0]!.text).toContain(says)
      if (more === undefined) expect(found[0]!.text.split("\n")).toHaveLength(1)
    },
  )

  it("leave the budget alone", () => {
    const { errors, instantiations } = check({ "whole.ts": whole, "big-domain.ts": bigDomain(), "queries.ts": bigQueries(20) })
    console.log(`20 queries, all methods: ${instantiations} instantiations`)
    expect(errors).toEqual([])
    expect(instantiations).toBeLessThanOrEqual(110_000)
  })
})
