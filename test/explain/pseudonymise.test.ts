import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { analyzeQueryPlan, type Plan, parsePlan, pseudonymisePlan } from "../../src/explain/index.ts"

/** A plan of one node with these fields, and what is left of a field when names and literals are gone. */
const hidden = (fields: Record<string, unknown>, more: Record<string, unknown> = {}): Plan =>
  pseudonymisePlan(parsePlan([{ Plan: { "Node Type": "Seq Scan", "Relation Name": "orders", Alias: "o", ...fields }, ...more }]))
const left = (field: string, value: unknown): unknown => hidden({ [field]: value }).root.raw[field]

describe("a pseudonymised plan", () => {
  it.each<[string, unknown, unknown]>([
    // Names that PostgreSQL has words for as well.
    ["Output", ["o.name", "o.date", "name", "rank", "o.time", "(o.type)::text"], ["column_1", "column_2"]],
    ["Filter", "((o.year = 2024) AND (o.count > 5) AND (mode = 'x'::text))", "column_1 = 0"],
  ])("hides columns that are called like types or functions: %s %j", (field, value) => {
    const text = JSON.stringify(left(field, value))
    expect(text).not.toMatch(/\b(name|date|rank|time|year|count|mode|type)\b/)
  })
  it("hides tables, aliases and indexes that are called like words of SQL", () => {
    const plan = hidden({ "Relation Name": "user", Alias: "left", "Index Name": "rank", Schema: "interval" })
    expect(JSON.stringify(plan.root)).not.toMatch(/"(user|left|rank|interval)"/)
  })
  it("keeps types, functions and keywords of PostgreSQL where they stand as such", () => {
    expect(left("Filter", "(date_trunc('month'::text, (o.placed)::timestamp with time zone) = '2024-01-01'::date)")).toBe(
      "(date_trunc('x'::text, (alias_1.column_1)::timestamp with time zone) = 'x'::date)",
    )
    expect(left("Output", ["count(*)", "EXTRACT(year FROM o.placed)", "(o.price)::double precision", "CURRENT_DATE"])).toEqual([
      "count(*)",
      "EXTRACT(year FROM alias_1.column_1)",
      "(alias_1.column_2)::double precision",
      "CURRENT_DATE",
    ])
  })
  it("hides every number, also behind a word", () => {
    const text = JSON.stringify(
      left("Output", [
        "CASE WHEN (o.a > 4711) THEN 4712 ELSE 4713 END",
        "(o.b + '4714'::numeric)",
        "(o.c * 1.5e4715)",
        "numeric_4716(o.d)",
      ]),
    )
    expect(text).not.toMatch(/47\d\d/)
  })
  it.each([
    ["Remote SQL", "SELECT id, name FROM crm.customer WHERE ((region = 'north')) ORDER BY id LIMIT 4711::bigint"],
    ["Relations", "(crm.customer c) INNER JOIN (crm.invoice i)"],
    ["Function Call", "crm.customer('north', 4711)"],
    ["Table Function Call", "XMLTABLE(('/north'::text) PASSING (customer.doc) COLUMNS crm text PATH 'north')"],
    ["Conflict Filter", "(customer.region = 'north'::text)"],
    ["Sampling Parameters", ["'4711'::real", "customer"]],
    ["Subplan Name", "InitPlan customer north"],
    ["Sort Key", ['customer.region COLLATE "north"', "(crm(4711)) USING ~crm~"]],
    ["Some Later Field", { customer: "north", "Crm Field": ["customer 4711"] }],
  ])("hides what is in %s", (field, value) => {
    expect(JSON.stringify(hidden({ [field]: value }))).not.toMatch(/crm\b|customer|north|4711|invoice/)
  })
  it("hides what concerns the statement: text, triggers, settings, nodes of a distributed query", () => {
    const plan = hidden(
      {
        "Distributed Query": {
          Job: {
            Tasks: [{ Query: "SELECT customer", Node: "host=north.crm.test port=4711 dbname=customer", "Remote Plan": [] }],
          },
        },
      },
      {
        "Query Text": "select customer",
        "Query Identifier": "4711",
        Triggers: [{ "Trigger Name": "customer", "Constraint Name": "crm", Relation: "north", Time: 1, Calls: 1 }],
        Settings: { work_mem: "8MB", search_path: "crm", "crm.secret_cost": "customer", random_page_cost: "1.1", jit: "off" },
        "Some Later Field": "customer",
      },
    )
    expect(JSON.stringify(plan)).not.toMatch(/crm|customer|north|4711/)
    expect(plan.settings).toEqual({ work_mem: "8MB", random_page_cost: "1.1", jit: "off" })
  })
})

const cases = join(import.meta.dirname, "../../../shared/cases")
const folders = ["plans-collected/json", "plans-collected/text", "plans-planted/pg15", "plans-planted/pg18"].map((one) =>
  join(cases, one),
)
if (!folders.every(existsSync)) console.log("skipped: no plans beside the checkout to be pseudonymised")
describe.skipIf(!folders.every(existsSync))("pseudonymised plans of others", () => {
  it("have the same issues at the same nodes, and no name of their tables", () => {
    const files = folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => !file.endsWith(".sql"))
        .map((file) => join(folder, file)),
    )
    let issues = 0
    for (const file of files) {
      const plan = parsePlan(readFileSync(file, "utf8"))
      const without = pseudonymisePlan(plan)
      const told = (one: Plan): string[] =>
        analyzeQueryPlan(one).map(({ issue, node, severity }) => `${issue} ${node} ${severity}`)
      expect(told(without), file).toEqual(told(plan))
      issues += told(plan).length
    }
    expect(issues).toBeGreaterThan(100)
  })
})
