import { existsSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { addHint, checkHints, type HintOption } from "../../src/hints/index.ts"
import { eq } from "../../src/query/condition.ts"
import type { QueryBuilder } from "../../src/query/query.ts"
import { from } from "../../src/query/query.ts"
import { eachServer, serverTarget, type Target } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"
import { serverMissing } from "../support/servers.ts"
import { databaseOf, hintsOf, runHinted } from "./support.ts"

const rentals = defineDomain({
  name: "Rentals",
  source: {
    table: "rental",
    primaryKey: "rental_id",
    columns: { rental_id: "integer", inventory_id: "integer", customer_id: "integer", staff_id: "integer" },
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "customer_id" },
      inventory: { target: "inventories", ownerKey: "inventory_id", relatedKey: "inventory_id" },
    },
  },
  schemas: {
    customers: {
      table: "customer",
      primaryKey: "customer_id",
      columns: { customer_id: "integer", email: "string?", store_id: "integer" },
    },
    inventories: {
      table: "inventory",
      primaryKey: "inventory_id",
      columns: { inventory_id: "integer", film_id: "integer" },
      associations: { film: { target: "films", ownerKey: "film_id", relatedKey: "film_id" } },
    },
    films: { table: "film", primaryKey: "film_id", columns: { film_id: "integer", title: "string" } },
  },
  joins: { customer: { type: "left" }, inventory: { type: "inner", joins: { film: { type: "inner" } } } },
})

/** A query's statement, and its hints with the join paths that name its tables. */
function hinted(query: unknown, option: HintOption) {
  const { text, values, aliases } = (query as QueryBuilder).compiled()
  return { statement: { text, values }, option: { ...option, paths: aliases } }
}

const one = from(rentals).select("rental_id").filter(eq("inventory_id", 5))
const wide = from(rentals).select("rental_id", "customer.email", "inventory.film.title").filter(eq("customer.store_id", 1))

// In no package registry: it is no service that a test run can demand.
const extension = existsSync("/usr/lib/postgresql/15/lib/pg_hint_plan.so") && !serverMissing(15)

function scanOf(check: Awaited<ReturnType<typeof checkHints>>, table: string): string[] {
  const found: string[] = []
  const visit = (node: NonNullable<typeof check.plan>["root"]): void => {
    if (node.relation?.name === table) found.push(node.type)
    for (const child of node.children) visit(child)
  }
  visit(check.plan!.root)
  return found
}

function suite(target: Target, withExtension: boolean): void {
  let database: Database
  beforeAll(async () => {
    if (withExtension)
      await target.sql.exec(`alter database ${target.server.name} set session_preload_libraries = 'pg_hint_plan'`)
    database = databaseOf(target)
  })
  afterAll(() => database?.close())
  const check = (query: unknown, option: HintOption) => {
    const { statement, option: named } = hinted(query, option)
    return checkHints(database, statement, named)
  }

  test("a hint by the root's table name reaches its alias", async () => {
    const bare = await check(one, hintsOf(["work_mem", "8MB"]))
    expect(scanOf(bare, "rental")).toEqual(["Bitmap Heap Scan"])
    const seq = await check(one, hintsOf(["seq_scan", "rental"]))
    expect([scanOf(seq, "rental"), seq.hints[0]!.status]).toEqual([["Seq Scan"], "honoured"])
    expect(seq.hints[0]!.mechanism).toBe(withExtension ? "pg_hint_plan" : "set_local")
    const index = await check(one, hintsOf(["use_index", ["idx_fk_inventory_id"]]))
    expect(index.hints, JSON.stringify(index.hints)).toMatchObject([{ status: "honoured" }])
  })

  test("join paths name joined tables, nested ones too", async () => {
    const option = hintsOf(
      ["merge_join", ["rental", "customer"]],
      ["join_order", ["rental", "customer", "inventory", "inventory.film"]],
    )
    const { hints } = await check(wide, option)
    expect(hints, JSON.stringify(hints)).toMatchObject([{ status: "honoured" }, { status: "honoured" }])
    const { statement, option: named } = hinted(wide, option)
    const { rows } = await runHinted(database, statement.text, statement.values, named)
    const bare = await database.query({ ...statement })
    expect(rows.length).toBe(bare.rows.length)
    expect(rows.length).toBeGreaterThan(1000)
  })

  test("parallel workers are for the root", async () => {
    const { hints, comment, settings } = await check(
      from(rentals).select("rental_id", "customer_id"),
      hintsOf(["parallel_workers", 2]),
    )
    expect(hints, JSON.stringify(hints)).toMatchObject([
      { status: "honoured", reason: expect.stringContaining("2 workers are planned") },
    ])
    if (withExtension) expect(comment).toMatch(/^\/\*\+ Parallel\(rental 2 hard\)/)
    else expect(settings.max_parallel_workers_per_gather).toBe("2")
  })

  test("a name that the query does not use, or that would break out, is refused", async () => {
    await expect(check(one, hintsOf(["seq_scan", "customer"]))).rejects.toMatchObject({ code: "E_UNKNOWN_HINT_TABLE" })
    await expect(check(one, hintsOf(["seq_scan", "selecto_root"]))).rejects.toMatchObject({ code: "E_UNKNOWN_HINT_TABLE" })
    for (const bad of ["a*/b", "a\nb"])
      expect(() => hintsOf(["use_index", [bad]])).toThrow(expect.objectContaining({ code: "E_INVALID_HINT" }))
    const { statement, option } = hinted(one, hintsOf(["use_index", ["no_such_idx"]]))
    await expect(runHinted(database, statement.text, statement.values, option)).rejects.toMatchObject({ code: "E_UNKNOWN_INDEX" })
  })

  test("the forms of other databases are no hints", () => {
    for (const name of ["USE_INDEX", "PARALLEL", "SET"])
      expect(() => addHint(undefined, name as never, ["rental"] as never)).toThrow(
        expect.objectContaining({ code: "E_UNKNOWN_HINT" }),
      )
    expect(() => hintsOf(["work_mem", "'256MB'"])).toThrow(expect.objectContaining({ code: "E_INVALID_HINT" }))
  })

  test("settings end with the statement", async () => {
    const { statement, option } = hinted(
      one,
      hintsOf(
        ["work_mem", "256MB"],
        ["enable_nestloop", false],
        ["random_page_cost", 3],
        ["max_parallel_workers_per_gather", 1],
        ["join_collapse_limit", 3],
      ),
    )
    const names = option.hints.map(({ name }) => name)
    const state = async () =>
      (await database.queryText({ text: `select ${names.map((name) => `current_setting('${name}')`).join(", ")}`, values: [] }))
        .rows
    const before = await state()
    const { hints } = await runHinted(database, statement.text, statement.values, option)
    expect(Object.keys(hints.settings).sort()).toEqual([...names].sort())
    expect(await state()).toEqual(before)
  })

  test("a quoted alias is hinted", async () => {
    const { hints } = await checkHints(
      database,
      { text: 'select c.rental_id from rental c join customer "customer:tier" using (customer_id)', values: [] },
      hintsOf(["seq_scan", "customer:tier"]),
    )
    expect(hints[0]!.status).toBe("honoured")
    if (withExtension) expect(hints[0]!.sent).toEqual(['SeqScan("customer:tier")'])
  })
}

if (!extension) process.stderr.write("skipped: pg_hint_plan is not installed in the system's PostgreSQL 15\n")
// A file without a test counts as a failure.
if (pagilaMissing()) test.skip("hints of builder queries (the Pagila dump is not beside the checkout)", () => {})
else {
  eachServer("hints of builder queries", (target) => suite(target, false), { template: pagila })
  describe.skipIf(!extension)("hints of builder queries with pg_hint_plan", () => suite(serverTarget(15, pagila), true))
}
