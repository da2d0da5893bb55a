import { describe, expect, test } from "vitest"
import { defineDomain, modelOf } from "../../src/domain/define.ts"
import { isSelectoError, type SelectoError } from "../../src/errors.ts"
import { from } from "../../src/query/query.ts"
import { suggestionsFor } from "../../src/suggest.ts"
import { shopDefinition } from "../query/shop.ts"

function faultsOf(definition: unknown): Record<string, string> {
  try {
    defineDomain(definition as never)
  } catch (error) {
    if (!isSelectoError(error, "E_INVALID_DOMAIN")) throw error
    return Object.fromEntries((error as SelectoError).faults.map((fault) => [fault.path, fault.message]))
  }
  return {}
}

const table = { table: "t", primaryKey: "id", columns: { id: "integer", other_id: "integer" } }

test("a sound definition has no faults", () => {
  expect(faultsOf(shopDefinition)).toEqual({})
  expect([...modelOf(defineDomain(shopDefinition)).joins.keys()]).toEqual([
    ...["", "customer", "customer.country", "items", "items.product", "items.product.tags", "items.shipments", "parent"],
  ])
})

test("every fault is reported at once, with its place and what was meant", () => {
  const faults = faultsOf({
    name: "",
    source: {
      ...table,
      primaryKey: "idd",
      columns: { ...table.columns, odd: "strnig", dotted: { type: "enum" }, "a.b": "string" },
      redact: ["nothing"],
      associations: {
        other: { target: "othr", ownerKey: "other_idd", relatedKey: "id" },
        pair: { target: "other", ownerKey: ["id", "other_id"], relatedKey: "id" },
        missing: {},
      },
      primaryKeys: "x",
    },
    schemas: { other: table },
    joins: { other: { type: "lft" }, others: { type: "left" }, pair: { type: "dimension" } },
    required: ["tenant"],
    defaultSelected: ["idd"],
    defaultOrderBy: ["nope"],
    customColumns: { id: () => null, broken: 1 },
    requiredFilters: "x",
    performance: { slowQueryMs: -1, hint: [] },
  })
  expect(Object.keys(faults).sort()).toEqual(
    [
      ...["name", "source.primaryKey", "source.columns.odd", "source.columns.dotted", "source.columns.a.b", "source.redact"],
      ...["source.associations.other.target", "source.associations.other.ownerKey", "source.associations.pair"],
      ...["source.associations.missing.target", "source.associations.missing.ownerKey", "source.associations.missing.relatedKey"],
      ...["source.primaryKeys", "joins.other.type", "joins.others", "joins.pair.dimension", "required", "defaultSelected"],
      ...["defaultOrderBy", "customColumns.id", "customColumns.broken", "requiredFilters", "performance.slowQueryMs"],
      "performance.hint",
    ].sort(),
  )
  expect(faults["source.primaryKey"]).toContain('Did you mean "id"')
  expect(faults["source.primaryKeys"]).toContain('Did you mean "primaryKey"')
  expect(faults["joins.others"]).toContain('"other"')
})

test.each([null, undefined, 7, "x", [], () => null])("%s is no definition", (definition) => {
  expect(() => defineDomain(definition as never)).toThrow(expect.objectContaining({ code: "E_INVALID_DOMAIN" }))
})

test("names that PostgreSQL would cut or could not hold", () => {
  const faults = faultsOf({
    name: "D",
    source: {
      ...table,
      table: "t".repeat(64),
      schema: "a\0b",
      columns: { id: "integer", other_id: "integer", ["c".repeat(64)]: "string" },
    },
  })
  expect(Object.keys(faults).sort()).toEqual([`source.columns.${"c".repeat(64)}`, "source.schema", "source.table"])
})

test("a redacted column cannot come back through a dimension", () => {
  const schemas = { customers: { table: "c", primaryKey: "id", columns: { id: "integer", email: "string" }, redact: ["email"] } }
  const source = { ...table, associations: { customer: { target: "customers", ownerKey: "other_id", relatedKey: "id" } } }
  const joins = { customer: { type: "dimension", dimension: "email" } }
  expect(Object.keys(faultsOf({ name: "D", source, schemas, joins }))).toEqual(["joins.customer.dimension"])
})

test("a tree deeper than eight joins is refused as a probable cycle", () => {
  const source = { ...table, associations: { other: { target: "other", ownerKey: "other_id", relatedKey: "id" } } }
  const tree = (depth: number): object => (depth === 0 ? {} : { other: { type: "left", joins: tree(depth - 1) } })
  const define = (depth: number) => faultsOf({ name: "D", source, schemas: { other: source }, joins: tree(depth) })
  expect(define(8)).toEqual({})
  expect(Object.keys(define(9))).toEqual([`joins${".other.joins".repeat(8)}.other`])
})

test("what defineDomain did not make is no domain", () => {
  for (const value of [{}, null, shopDefinition, "Orders"])
    expect(() => from(value as never)).toThrow(expect.objectContaining({ code: "E_INVALID_DOMAIN" }))
})

describe("suggestions", () => {
  const names = ["status", "total", "customer.region", "customer.first_name", "created_at"]
  test.each([
    ["statu", ["status"]],
    ["regoin", ["customer.region"]],
    ["customer.regoin", ["customer.region"]],
    ["region", ["customer.region"]],
    ["zzz", []],
  ])("for %s", (name, expected) => {
    expect(suggestionsFor(name, names)).toEqual(expected)
  })
})
