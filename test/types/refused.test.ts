import { describe, expect, it } from "vitest"
import { check } from "./compiler.ts"

const head = `import * as s from "./surface.ts"
import { definition, inferred, orders, ordersDomain, type Orders } from "./store.ts"
const { and, asc, between, caseOf, caseWhen, coalesce, contains, count, dateTrunc, defineDomain, desc, eq, exists, from, gt, isNull, like, lower, nest, not, oneOf, or, overlaps, ref, sum } = s
declare const maybe: string | undefined
declare const nullable: string | null
`
const lines = head.split("\n").length
const table = (rest: string) => `defineDomain({ name: "X", source: { table: "x", columns: { id: "integer" }, ${rest} })`
const two = (association: string, joins: string) =>
  `defineDomain({ name: "X", source: { table: "x", primaryKey: "id", columns: { id: "integer" }, associations: { y: ${association} } }, schemas: { y: { table: "y", primaryKey: "id", columns: { id: "integer", name: "string" } } }, joins: ${joins} })`

/** What each line may not compile to, and what its one error says: on one line, unless `several` says why not. */
const refused: readonly (readonly [code: string, says: string | RegExp, several?: string])[] = [
  // Paths, with a suggestion where the compiler gives one: in objects, not in arguments.
  ['orders.select({ r: "customer.regoin" })', /Did you mean '"customer\.region"'\?$/],
  ['orders.select("regoin")', `'"regoin"' is not assignable to parameter of type '"id"`],
  ['orders.select("id", "customer.regoin")', /"items\.product\.price"'\.$/],
  ['orders.filter({ statu: "x" })', "'statu' does not exist in type 'Filter<Orders>'. Did you mean to write 'status'?"],
  ['orders.filter({ "customer.regoin": "x" })', `'"customer.regoin"' does not exist in type 'Filter<Orders>'.`],
  ['orders.filter(or({ statu: "x" }))', "Did you mean to write 'status'?"],
  ['orders.filter(and<Orders>({ statu: "x" }))', "Did you mean to write 'status'?"],
  ['orders.filter(not({ statu: "x" }))', "Did you mean to write 'status'?"],
  ['orders.filter(eq("nope", 1))', `'"nope"' is not assignable to parameter of type '"id"`],
  ['orders.filter(or(eq("nope", 1)))', `'"nope"' is not assignable to parameter of type '"id"`],
  ['orders.filter(gt(sum("totl"), 1))', `'"totl"' is not assignable to parameter of type '"id"`],
  ['orders.having(gt(lower("statu"), "x"))', `'"statu"' is not assignable to parameter of type '"status"`],
  ['orders.orderBy(desc(coalesce("statu", "x")))', `'"statu"' is not assignable to parameter of type`],
  ['orders.groupBy("statu")', `'"statu"' is not assignable to parameter of type`],
  ['orders.select({ n: count() }).orderBy("m")', `'"m"' is not assignable to parameter of type`],
  ['orders.select({ n: count() }).orderBy(desc("m"))', `'"m"' is not assignable to parameter of type`],
  ["orders.select({ n: count() }).having({ m: gt(1) })", "'m' does not exist in type 'Filter<Both<Orders,"],
  ['orders.select({ n: count().filter({ statu: "x" }) })', "Did you mean to write 'status'?"],
  ['orders.select({ n: caseWhen([[{ statu: "x" }, 1]]) })', "Did you mean to write 'status'?"],
  ['orders.orderBy("id", "desc")', `'"desc"' is not assignable to parameter of type`],
  ['orders.filter(gt("total", ref("weigt")))', `'"weigt"' is not assignable to parameter of type '"id"`],
  ['orders.filter(between("total", 1, ref("weigt")))', `'"weigt"' is not assignable to parameter of type '"id"`],
  ['orders.select({ n: coalesce("note", ref("statu")) })', `'"statu"' is not assignable to parameter of type '"id"`],
  [
    'orders.select({ n: caseWhen([[{ status: "x" }, ref("statu")]], "x") })',
    `'"statu"' is not assignable to parameter of type '"id"`,
  ],
  [
    'orders.select({ n: caseWhen([[{ status: "x" }, 1]], ref("statu")) })',
    `'"statu"' is not assignable to parameter of type '"id"`,
  ],
  [
    'orders.select({ n: s.concat("status", " ", s.ref("note")) })',
    `'"status"' is not assignable to parameter of type 'Expr<unknown, Orders> | ("status" & PathAsText)'.`,
  ],
  ['orders.select({ n: s.concat(s.ref("statu"), "x") })', `'"statu"' is not assignable to parameter of type '"id"`],
  // Redacted columns do not exist, at any depth.
  ['orders.select({ c: "card_number" })', `'"card_number"' is not assignable to type`],
  ['orders.filter({ card_number: "x" })', "'card_number' does not exist in type 'Filter<Orders>'."],
  ['orders.select({ e: "customer.email" })', `'"customer.email"' is not assignable to type`],
  ['orders.select({ c: nest("customer", { e: "email" }) })', `'"email"' is not assignable to type`],
  // Joins.
  ['orders.filter(exists("itemz"))', `'"itemz"' is not assignable to parameter of type '"customer" | "items" |`],
  [
    'orders.filter(exists("items", { prodct: "x" }))',
    `in type 'Filter<Behind<Orders, "items">>'. Did you mean to write 'product'?`,
  ],
  ['orders.filter(exists("items", { status: "x" }))', `'status' does not exist in type 'Filter<Behind<Orders, "items">>'.`],
  ['orders.filter(exists("items", eq("quantity", "x")))', "'string' is not assignable to parameter of type 'number |"],
  ['orders.select({ n: nest("itemz", { a: "product" }) })', `'"itemz"' is not assignable to parameter of type '"customer" |`],
  ['orders.select({ n: nest("items", { a: "prodct" }) })', /Did you mean '"product"'\?$/],
  ['orders.select({ n: nest("items", { a: "product" }, { filter: { quantty: 1 } }) })', "Did you mean to write 'quantity'?"],
  ['orders.select({ n: nest("items", { a: "product" }, { orderBy: "quantty" }) })', /Did you mean '"quantity"'\?$/],
  ['orders.join("itmes")', `'"itmes"' is not assignable to parameter of type '"customer" |`],
  ['orders.join("items", { type: "outer" })', `'"outer"' is not assignable to type '"`],
  // Values.
  ["orders.filter({ status: 1 })", "Type 'number' is not assignable to type 'string | Test<string, \"text\">'."],
  ["orders.filter({ status: null })", "Type 'null' is not assignable to type 'string |"],
  [
    "orders.filter({ status: nullable })",
    "Type 'string | null' is not assignable to type 'string |",
    "the part of the union at fault",
  ],
  ["orders.filter({ status: undefined })", "exactOptionalPropertyTypes", "the compiler's own way to say it"],
  ["orders.filter({ status: maybe })", "exactOptionalPropertyTypes", "the compiler's own way to say it"],
  ['orders.filter({ status: ["a"] })', "Type 'string[]' is not assignable to type 'string |"],
  ['orders.filter({ tags: ["a"] })', "is missing in type 'string[]' but required in type 'Test<readonly string[], \"array\">'"],
  ['orders.filter({ meta: "x" })', "Type 'string' is not assignable to type 'Test<unknown, \"json\">'."],
  ['orders.filter({ rating: "R" })', `'"R"' is not assignable to type '"G" | "PG" | Test<"G" | "PG", "enum">'.`],
  [
    'orders.filter(eq("id", "x"))',
    "Argument of type 'string' is not assignable to parameter of type 'number | Expr<unknown, Orders>",
  ],
  ['orders.filter(eq("id", null))', "Argument of type 'null' is not assignable to parameter of type 'number |"],
  ['orders.filter(eq("id", undefined))', "Argument of type 'undefined' is not assignable to parameter of type 'number |"],
  ['orders.filter(eq("id", [1]))', "Argument of type 'number[]' is not assignable to parameter of type 'number |"],
  [
    'orders.filter(eq("tags", ["x"]))',
    "Argument of type 'string[]' is not assignable to parameter of type 'Expr<unknown, Orders>",
    "what the interface is",
  ],
  ['orders.filter(eq("meta", "x"))', "Argument of type 'string' is not assignable to parameter of type 'Expr<unknown, Orders>"],
  ['orders.filter(eq("rating", "R"))', `'"R"' is not assignable to parameter of type '"G" | "PG" |`],
  ['orders.filter(eq(lower("status"), 1))', "'number' is not assignable to parameter of type 'string |"],
  ['orders.filter(gt("total", true))', "'boolean' is not assignable to parameter of type 'string | number | bigint |"],
  ['orders.filter(oneOf("rating", ["G", "R"]))', `'"R"' is not assignable to type '"G" | "PG"'`],
  ['orders.filter(contains("status", 1))', "'number' is not assignable to parameter of type 'string'."],
  ['orders.filter(contains("tags", [1]))', "'number' is not assignable to type 'string'."],
  ['orders.select({ n: caseOf("rating", [["R", 1]]) })', `'"R"' is not assignable to type '"G" | "PG"'.`],
  ['orders.limit("1")', "'string' is not assignable to parameter of type 'number'."],
  // Tests and functions that the column's kind does not know.
  ['orders.filter({ total: like("x") })', `Type 'Test<never, "text">' is not assignable to type`, "the kinds that differ"],
  ["orders.filter({ status: gt(1) })", "Type 'Test<1, OrderedKind>' is not assignable to type", "the values that differ"],
  ["orders.filter({ meta: gt(1) })", "Type 'Test<1, OrderedKind>' is not assignable to type", "the kinds that differ"],
  [
    'orders.filter({ tags: contains("a") })',
    "is not assignable to type 'Test<readonly string[], \"array\">'.",
    "the values that differ",
  ],
  ['orders.filter({ status: overlaps(["a"]) })', "is not assignable to type 'string | Test", "the values that differ"],
  ['orders.filter(like("total", "x"))', `'"total"' is not assignable to parameter of type '"status" | "note" |`],
  ['orders.select({ r: sum("status") })', `'"status"' is not assignable to parameter of type '"id" |`],
  ['orders.select({ r: lower("total") })', `'"total"' is not assignable to parameter of type '"status" |`],
  [
    'orders.select({ r: dateTrunc("month", "total") })',
    `'"total"' is not assignable to parameter of type '"created_at" | "placed_on" |`,
  ],
  ['orders.select({ r: dateTrunc("mont", "created_at") })', "is not assignable to parameter of type 'DateUnit'."],
  ['orders.orderBy(desc("id", { nulls: "middle" }))', `'"middle"' is not assignable to type '"first" | "last" | undefined'.`],
  // A test is no condition, a condition no expression, an expression no filter.
  ['orders.filter(eq("paid"))', "has no properties in common with type 'Filter<Orders>'."],
  ['orders.filter(sum("total"))', "has no properties in common with type 'Filter<Orders>'."],
  ['orders.select({ n: eq("status", "x") })', "is not assignable to type", "the brands that differ"],
  // Apart from a query.
  [
    'const wrong = eq("status", 1); orders.filter(wrong)',
    "Type 'number' is not assignable to type 'string'.",
    "it is found where it is used",
  ],
  ['const wrong = eq("statu", "x"); orders.filter(wrong)', "Property 'statu' is missing in type", "it is found where it is used"],
  [
    'const apart = and(eq("status", "x")); orders.filter(apart)',
    "apart from a query name the domain: and<Orders>(…)",
    "it is found where it is used",
  ],
  [
    'const apart = sum("status"); orders.select({ apart })',
    `Type '"string"' is not assignable to type 'NumericSpec'`,
    "it is found where it is used",
  ],
  // Required columns.
  ["from(inferred)", "Expected 2 arguments, but got 1."],
  ["from(inferred, {})", "Property 'tenant_id' is missing in type '{}'", "which property is missing"],
  ['from(inferred, { tenant_id: "7" })', "Type 'string' is not assignable to type 'number'."],
  ["from(inferred, { tenant_id: 7, x: 1 })", "'x' does not exist in type '{ readonly tenant_id: number; }'."],
  ["from(ordersDomain, { tenant_id: 7 })", "Expected 1 arguments, but got 2."],
  // Definitions.
  [table('primaryKey: "idd" }'), `Type '"idd"' is not assignable to type '"idd" & NoColumn<"id">'.`, "what the interface is"],
  [table('primaryKey: "id", redact: ["idd"] }'), `& NoColumn<"id">'.`, "what the interface is"],
  [table('primaryKey: "id" }, joins: { y: { type: "left" } }'), "& NoAssociation<never>'.", "what the interface is"],
  [two('{ target: "z", ownerKey: "id", relatedKey: "id" }', "{}"), `'"z" & NoTable<"y">'.`, "what the interface is"],
  [two('{ target: "y", ownerKey: "idd", relatedKey: "id" }', "{}"), `'"idd" & NoColumn<"id">'.`, "what the interface is"],
  [
    two('{ target: "y", ownerKey: "id", relatedKey: "idd" }', "{}"),
    `'"idd" & NoColumn<"id" | "name">'.`,
    "what the interface is",
  ],
  [
    two('{ target: "y", ownerKey: "id", relatedKey: "id" }', '{ z: { type: "left" } }'),
    `& NoAssociation<"y">'.`,
    "what the interface is",
  ],
  [
    two('{ target: "y", ownerKey: "id", relatedKey: "id" }', '{ y: { type: "dimension", dimension: "nam" } }'),
    `'"nam" & NoColumn<"id" | "name">'.`,
    "what the interface is",
  ],
  [
    two('{ target: "y", ownerKey: "id", relatedKey: "id" }', '{ y: { type: "lft" } }'),
    `'"lft"' is not assignable to type 'JoinType'. Did you mean '"left"'?`,
  ],
  [
    'defineDomain({ name: "X", source: { table: "x", primaryKey: "id", columns: { id: "integr" } } })',
    `'ColumnSpec'. Did you mean '"integer"'?`,
  ],
  ['defineDomain({ ...definition, required: ["tenant"] })', `'"tenant"' is not assignable to type '"id" |`],
  ['defineDomain({ ...definition, defaultSelected: ["statu"] })', /Did you mean '"status"'\?$/],
  ['defineDomain({ ...definition, defaultOrderBy: ["statu"] })', /Did you mean '"status"'\?$/],
  ['defineDomain({ ...definition, requiredFilters: [{ statu: "x" }] })', "Did you mean to write 'status'?"],
  ["defineDomain({ ...definition, customColumns: { a: (f) => f.nope } })", "Property 'nope' does not exist on type"],
]

describe("what does not compile", { timeout: 240_000 }, () => {
  // One program for all: each line is an island in a block of its own.
  const { errors } = check({ "refused.ts": head + refused.map(([code]) => `{ ${code} }`).join("\n") })
  it.each(refused.map(([code, says, several], i) => ({ code, says, several, line: lines + i })))(
    "$code",
    ({ says, several, line }) => {
      const found = errors.filter((error) => error.line === line)
      expect(found).toHaveLength(1)
      if (says instanceof RegExp) expect(found[0]!.text).toMatch(says)
      else expect(found[0]!.text).toContain(says)
      if (several === undefined) expect(found[0]!.text.split("\n")).toHaveLength(1)
    },
  )

  it("has no error elsewhere", () => {
    expect(errors.filter((error) => error.line < lines || error.line >= lines + refused.length)).toEqual([])
  })

  it("refuses undefined only under exactOptionalPropertyTypes, null without it too", () => {
    const loose = { exactOptionalPropertyTypes: false }
    expect(check({ "undefined.ts": `${head}orders.filter({ status: maybe })` }, loose).errors).toEqual([])
    expect(check({ "null.ts": `${head}orders.filter({ status: null })` }, loose).errors).toHaveLength(1)
    expect(check({ "eq.ts": `${head}orders.filter(eq("status", maybe))` }, loose).errors).toHaveLength(1)
  })
})
