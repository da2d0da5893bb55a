import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { stream } from "../../src/execution/stream.ts"
import { withTransaction } from "../../src/execution/transaction.ts"
import {
  addHint,
  checkHints,
  hintCatalogue,
  hintServer,
  hintStage,
  probeServer,
  settingCatalogue,
} from "../../src/hints/index.ts"
import { settingText } from "../../src/hints/setting.ts"
import { eachServer } from "../support/each-server.ts"
import { databaseOf, hintsOf, requestOf, runHinted, shop, threeTables, twoTables } from "./support.ts"

/** The hints of the guides, and what a server without the extension can do with each. */
type Case = readonly [name: string, value: unknown, mechanism: string, status: string, text?: string | undefined]
const cases: readonly Case[] = [
  ["use_index", ["customers_email_idx"], "set_local", "honoured", "select id from customers where email = 'c7@example.com'"],
  ["use_index", ["customers_region_idx"], "set_local", "ignored", "select id from customers where email = 'c7@example.com'"],
  ["parallel_workers", 2, "set_local", "honoured", "select sum(quantity) from order_items"],
  ["parallel_workers", { table: "order_items", workers: 0 }, "set_local", "honoured", "select sum(quantity) from order_items"],
  ["parallel_workers", 900, "set_local", "ignored", "select sum(quantity) from order_items"],
  ["work_mem", "256MB", "set_local", "honoured"],
  ["maintenance_work_mem", "1GB", "set_local", "honoured"],
  ["join_order", ["customers", "orders", "order_items"], "rewrite", "honoured"],
  ["join_order", ["order_items", "orders", "customers"], "rewrite", "honoured"],
  // No condition joins these two: they are multiplied, so there are few of them.
  ["join_order", ["order_items", "customers", "orders"], "rewrite", "honoured", `${threeTables} and i.id < 50 and c.id < 50`],
  ["merge_join", ["orders", "customers"], "set_local", "honoured", twoTables],
  ["force_hash_join", ["customers", "orders"], "set_local", "honoured", twoTables],
  ["force_nested_loop", ["customers", "orders"], "set_local", "honoured", twoTables],
  ["force_merge_join", ["customers", "orders"], "set_local", "honoured", twoTables],
  ["hash_join", ["customers", "orders"], "set_local", "honoured", twoTables],
  ["nested_loop", ["customers", "orders"], "set_local", "honoured", twoTables],
  ["hash_join", ["customers", "order_items"], "set_local", "ignored"],
  [
    "disable_nested_loop",
    ["orders", "order_items"],
    "set_local",
    "honoured",
    "select 1 from orders o join order_items i on i.order_id = o.id",
  ],
  ["disable_hash_join", ["orders", "customers"], "set_local", "honoured", twoTables],
  ["disable_merge_join", ["orders", "customers"], "set_local", "honoured", twoTables],
  ["memoize", ["orders", "customers"], "none", "ignored", twoTables],
  ["no_memoize", ["orders", "customers"], "set_local", "honoured", twoTables],
  ["seq_scan", "orders", "set_local", "honoured", "select id from orders where status = 'open'"],
  ["index_scan", "orders", "set_local", "honoured", "select id from orders where status = 'open'"],
  ["index_only_scan", "orders", "set_local", "honoured", "select status from orders where status = 'open'"],
  ["index_only_scan", "orders", "set_local", "ignored", "select total from orders where status = 'open'"],
  ["bitmap_scan", "orders", "set_local", "honoured", "select id from orders where status = 'open'"],
  ["tid_scan", "orders", "set_local", "honoured", "select id from orders where ctid = '(0,1)'"],
  ["tid_scan", "orders", "set_local", "ignored", "select id from orders where id = 1"],
  ["no_seq_scan", "orders", "set_local", "honoured", "select id from orders where status = 'done'"],
  ["no_seq_scan", "orders", "set_local", "ignored", "select id from orders where total = 5"],
  ["no_index_scan", "orders", "set_local", "honoured", "select id from orders where id = 1"],
  ["no_index_only_scan", "orders", "set_local", "honoured", "select id from orders where id = 1"],
  ["no_bitmap_scan", "orders", "set_local", "honoured", "select id from orders where status = 'open'"],
  ["no_tid_scan", "orders", "set_local", "honoured", "select id from orders where ctid = '(0,1)'"],
  [
    "disable_index",
    { table: "orders", indexes: "orders_status_idx" },
    "none",
    "ignored",
    "select id from orders where status = 'open'",
  ],
  ["rows", { tables: ["orders", "customers"], correction: "*10" }, "none", "ignored", twoTables],
  ["materialize_cte", "w", "rewrite", "honoured", "with w as (select id from orders) select * from w where id = 5"],
  [
    "inline_cte",
    "w",
    "rewrite",
    "honoured",
    "with w as (select id from orders) select a.id from w a join w b on b.id = a.id where a.id = 5",
  ],
  ["seq_page_cost", 0.1, "set_local", "honoured"],
  ["random_page_cost", 0.1, "set_local", "honoured"],
  ["cpu_tuple_cost", 0.01, "set_local", "honoured"],
]

function caseOf([name, value, mechanism, status, text = threeTables]: Case) {
  return { name, value, mechanism, status, text }
}

eachServer(
  "hints without an extension",
  (target) => {
    let database: Database
    beforeAll(() => {
      database = databaseOf(target)
    })
    afterAll(() => database.close())
    const setting = async (name: string): Promise<string> =>
      (await database.queryText({ text: "select current_setting($1)", values: [name] })).rows[0]![0]!

    test("the extension is not there, even when somebody has set one of its settings", async () => {
      const session = await database.acquire()
      try {
        await session.query({ text: "set pg_hint_plan.enable_hint = on", values: [] })
        expect(await probeServer(session)).toEqual({
          version: target.version,
          pgHintPlan: false,
          reason: expect.stringContaining("not loaded"),
        })
        await session.query({ text: "reset pg_hint_plan.enable_hint", values: [] })
      } finally {
        session.release()
      }
    })

    test("a database is asked once", async () => {
      expect(hintServer(database)).toBe(hintServer(database))
    })

    // Before PostgreSQL 14 there is nothing to switch off.
    const here = cases.map((one) =>
      one[0] === "no_memoize" && target.version < 14 ? ([one[0], one[1], "none", "ignored", one[4]] as const) : one,
    )
    test.each(here.map(caseOf))("$name $value: $mechanism, $status", async ({ name, value, mechanism, status, text }) => {
      const option = hintsOf([name, value])
      const check = await checkHints(database, { text, values: [] }, option)
      expect(check.hints, JSON.stringify(check.hints)).toMatchObject([
        { hint: name, value, mechanism, status, reason: expect.stringMatching(/./) },
      ])
      const bare = await database.queryText({ text, values: [] })
      const run = await runHinted(database, text, [], option)
      expect(run.rows).toHaveLength(bare.rows.length)
      expect(run.hints.hints).toMatchObject([{ hint: name, mechanism }])
      expect(run.report.warnings.map(({ code }) => code)).toEqual(mechanism === "none" ? ["hint_not_enforceable"] : [])
    })

    test("every hint of the catalogue is among these", () => {
      expect(new Set(cases.map(([name]) => name).filter((name) => name in hintCatalogue))).toEqual(
        new Set(Object.keys(hintCatalogue)),
      )
    })

    test("every setting can be set, as its text, by this role, for one statement", async () => {
      const sample = { size: "2MB", boolean: false, number: 1, integer: 2, enum: "" } as const
      for (const [name, entry] of Object.entries(settingCatalogue)) {
        if (entry.since > target.version) continue
        const value = entry.type === "enum" ? entry.values[1] : sample[entry.type]
        const before = await setting(name)
        const run = await runHinted(database, `select current_setting('${name}') as now`, [], hintsOf([name, value]))
        const now = (run.rows as { now: string }[])[0]!.now
        expect([name, Number(now) || now]).toEqual([
          name,
          Number(settingText(name as "jit", value)) || settingText(name as "jit", value),
        ])
        expect(await setting(name)).toBe(before)
      }
    })

    test("a setting newer than the server is left out and said", async () => {
      const run = await runHinted(database, "select 1 as one", [], hintsOf(["enable_self_join_elimination", false]))
      expect(run.hints.hints[0]!.mechanism).toBe(target.version >= 18 ? "set_local" : "none")
    })

    test("work_mem acts while the statement runs, and its sort stays in memory", async () => {
      const text = "select id from order_items order by quantity, id desc"
      const { plan } = await checkHints(database, { text, values: [] }, hintsOf(["work_mem", "64MB"]), { analyze: true })
      const small = await checkHints(
        database,
        { text, values: [] },
        hintsOf(["work_mem", "64kB"], ["max_parallel_workers_per_gather", 0]),
        { analyze: true },
      )
      const spaces = (found: typeof plan) => JSON.stringify(found!.root).match(/"Sort Space Type":"(\w+)"/)?.[1]
      expect([spaces(plan), spaces(small.plan)]).toEqual(["Memory", "Disk"])
    })

    test("nothing is left behind: not after a run, an error, or in a transaction", async () => {
      const before = await setting("work_mem")
      await runHinted(database, "select 1", [], hintsOf(["work_mem", "77MB"]))
      await expect(runHinted(database, "select 1 / 0", [], hintsOf(["work_mem", "77MB"]))).rejects.toMatchObject({
        sqlState: "22012",
      })
      for (let again = 0; again < 12; again++) expect(await setting("work_mem")).toBe(before)
      await withTransaction(database, {}, async (transaction) => {
        const run = await runHinted(database, "select current_setting('work_mem') as now", [], hintsOf(["work_mem", "77MB"]), {
          transaction,
        })
        expect(run.rows).toEqual([{ now: "77MB" }])
        const { rows } = await transaction.session.queryText({ text: "show work_mem", values: [] })
        expect(rows).toEqual([[before]])
      })
    })

    test("checking inside a transaction leaves it as it was", async () => {
      await withTransaction(database, {}, async (transaction) => {
        const check = await checkHints(
          database,
          { text: twoTables, values: [] },
          hintsOf(["merge_join", ["orders", "customers"]]),
          { transaction },
        )
        expect(check.hints[0]!.status).toBe("honoured")
        const { rows } = await transaction.session.queryText({ text: "show enable_hashjoin", values: [] })
        expect(rows).toEqual([["on"]])
      })
    })

    test("values stay bound", async () => {
      const text =
        "select o.id from orders o join customers c on c.id = o.customer_id where c.email = $1 and o.status = $2 order by o.id"
      const run = await runHinted(
        database,
        text,
        ["c8@example.com", "done"],
        hintsOf(["join_order", ["customers", "orders"]], ["work_mem", "8MB"]),
      )
      const bare = await database.query({ text, values: ["c8@example.com", "done"] })
      expect(run.rows).toEqual(bare.rows)
      expect(run.rows.length).toBeGreaterThan(1)
    })

    test("a cursor gets hints too", async () => {
      const stage = hintStage(database)
      const request = await stage.prepare!(
        requestOf("select current_setting('work_mem') as now, id from orders", [], hintsOf(["work_mem", "99MB"])),
      )
      const rows: unknown[] = []
      for await (const row of stream(database, async () => request, { batchSize: 7000 })) rows.push(row)
      expect(rows).toHaveLength(20_000)
      expect(rows[19_999]).toMatchObject({ now: "99MB" })
    })

    test("INSERT, UPDATE, CREATE TABLE AS and EXPLAIN of a write change nothing when checked", async () => {
      await database.query({ text: "create table copies as select id, customer_id from orders where false", values: [] })
      const hint = hintsOf(["seq_scan", "orders"])
      const write = "insert into copies select id, customer_id from orders where status = 'open'"
      expect((await checkHints(database, { text: write, values: [] }, hint)).hints[0]).toMatchObject({ status: "honoured" })
      expect((await checkHints(database, { text: write, values: [] }, hint, { analyze: true })).hints[0]).toMatchObject({
        status: "honoured",
      })
      expect((await database.queryText({ text: "select count(*) from copies", values: [] })).rows).toEqual([["0"]])
      await runHinted(database, write, [], hint)
      expect((await database.queryText({ text: "select count(*) from copies", values: [] })).rows).toEqual([["400"]])
      await runHinted(database, "create table more as select id from orders where status = 'open'", [], hint)
      expect(
        (
          await checkHints(
            database,
            { text: "update copies c set customer_id = 1 from orders o where o.id = c.id", values: [] },
            hintsOf(["hash_join", ["c", "o"]]),
          )
        ).hints[0]!.status,
      ).toBe("honoured")
      expect(
        (await checkHints(database, { text: "vacuum orders", values: [] }, hintsOf(["seq_page_cost", 2]))).hints[0]!.status,
      ).toBe("honoured")
    })

    test("a missing index is an error before anything is sent, and a reason when asked", async () => {
      const text = "select id from customers where email = $1"
      const run = runHinted(database, text, ["x"], hintsOf(["use_index", ["customers_emial_idx"]]))
      await expect(run).rejects.toMatchObject({ code: "E_UNKNOWN_INDEX", suggestions: ["customers_email_idx"] })
      const check = await checkHints(database, { text, values: ["x"] }, hintsOf(["use_index", ["nope"]], ["work_mem", "1MB"]))
      expect(check.hints).toMatchObject([
        { hint: "work_mem", status: "honoured" },
        { hint: "use_index", mechanism: "none", status: "ignored", reason: expect.stringContaining("nope") },
      ])
      // The index of another table is missing too, and so is one whose building failed.
      await expect(runHinted(database, text, ["x"], hintsOf(["use_index", ["orders_status_idx"]]))).rejects.toMatchObject({
        code: "E_UNKNOWN_INDEX",
      })
    })

    test("unenforceable hints are an error where that was asked for", async () => {
      const option = {
        ...hintsOf(["rows", { tables: ["orders", "customers"], correction: "#5" }]),
        unenforceable: "error" as const,
      }
      await expect(runHinted(database, twoTables, [], option)).rejects.toMatchObject({ code: "E_HINT_NOT_ENFORCEABLE" })
    })

    test("a command that runs in no transaction refuses settings", async () => {
      const run = runHinted(
        database,
        "/* x */ create index concurrently later on orders (total)",
        [],
        hintsOf(["maintenance_work_mem", "64MB"]),
      )
      await expect(run).rejects.toMatchObject({ code: "E_NOT_SUPPORTED" })
      await runHinted(database, "create index later on orders (total)", [], hintsOf(["maintenance_work_mem", "64MB"]))
    })

    test("join paths name the tables of a builder query; its defaults give way", async () => {
      const option = {
        ...addHint(undefined, "merge_join", ["orders", "customer"]),
        paths: new Map([
          ["", "o"],
          ["customer", "c"],
        ]),
        defaults: [{ name: "work_mem", value: "9MB" }],
      }
      const run = await runHinted(database, twoTables, [], option)
      expect(run.hints.settings).toEqual({ work_mem: "9MB", enable_nestloop: "off", enable_hashjoin: "off" })
      const own = await runHinted(database, twoTables, [], addHint(option, "work_mem", "5MB"))
      expect(own.hints.settings.work_mem).toBe("5MB")
      await expect(runHinted(database, twoTables, [], addHint(option, "seq_scan", "items"))).rejects.toMatchObject({
        code: "E_UNKNOWN_HINT_TABLE",
      })
    })

    test("a plan without the table is no proof", async () => {
      const text = "select o.id from orders o left join customers c on c.id = o.customer_id"
      const { hints } = await checkHints(database, { text, values: [] }, hintsOf(["seq_scan", "c"], ["hash_join", ["o", "c"]]))
      expect(hints.map(({ status }) => status)).toEqual(["unverifiable", expect.stringMatching(/unverifiable|ignored/)])
    })

    test("partitions count as their table", async () => {
      const { hints } = await checkHints(
        database,
        { text: "select * from parts p where id = 7", values: [] },
        hintsOf(["use_index", ["parts_id_idx"]]),
      )
      expect(hints, JSON.stringify(hints)).toMatchObject([{ status: "honoured" }])
      const seq = await checkHints(
        database,
        { text: "select * from parts p where id = 7", values: [] },
        hintsOf(["seq_scan", "p"]),
      )
      expect(seq.hints).toMatchObject([{ status: "honoured" }])
    })

    test("no hint, no work", async () => {
      const request = requestOf("select 1", [], null)
      expect(await hintStage(database).prepare!(request)).toBe(request)
    })

    describe("the predicates see a plan that disobeys", () => {
      // The same statement, the hint asked of a plan that other switches have made otherwise.
      const text = twoTables
      test.each<[string, unknown, [string, unknown][]]>([
        [
          "disable_hash_join",
          ["o", "c"],
          [
            ["enable_hashjoin", true],
            ["enable_nestloop", false],
            ["enable_mergejoin", false],
          ],
        ],
      ])("%s", async (name, value, against) => {
        const { hints } = await checkHints(database, { text, values: [] }, hintsOf(...against, [name, value]))
        expect(hints.at(-1), JSON.stringify(hints)).toMatchObject({ hint: name, status: "ignored" })
      })
    })
  },
  { template: shop },
)
