import { existsSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { stream } from "../../src/execution/stream.ts"
import { checkHints, forgetHintServer, hintCatalogue, hintStage, prepareHints, probeServer } from "../../src/hints/index.ts"
import { serverTarget } from "../support/each-server.ts"
import { serverMissing } from "../support/servers.ts"
import { databaseOf, hintsOf, requestOf, runHinted, shop, threeTables, twoTables } from "./support.ts"

const versions = [15, 16, 17, 18]
const installed = versions.filter(
  (version) => existsSync(`/usr/lib/postgresql/${version}/lib/pg_hint_plan.so`) && (version !== 15 || !serverMissing(version)),
)
const version = installed.includes(15) ? 15 : undefined
// In no package registry: it is no service that a test run can demand.
if (version === undefined) process.stderr.write("skipped: pg_hint_plan is not installed in the system's PostgreSQL 15\n")

const open = "select id from orders where status = 'open'"
const cases: readonly (readonly [name: string, value: unknown, sent: string, status: string, text?: string])[] = [
  [
    "use_index",
    ["customers_email_idx"],
    "IndexScan(customers customers_email_idx)",
    "honoured",
    "select id from customers where email = 'c7@example.com' and region = 'r7'",
  ],
  [
    "use_index",
    ["customers_region_idx"],
    "IndexScan(customers customers_region_idx)",
    "honoured",
    "select id from customers where email = 'c7@example.com' and region = 'r7'",
  ],
  [
    "use_index",
    ["customers_tags_idx"],
    "BitmapScan(customers customers_tags_idx)",
    "honoured",
    "select id from customers where tags @> '{t3}'",
  ],
  [
    "use_index",
    ["customers_region_idx"],
    "IndexScan(customers customers_region_idx)",
    "ignored",
    "select id from customers where email like '%7'",
  ],
  ["use_index", ["parts_id_idx"], "IndexScan(p parts_id_idx)", "honoured", "select * from parts p where id = 7"],
  [
    "parallel_workers",
    2,
    "Parallel(order_items 2 hard) Set(parallel_setup_cost 0) Set(parallel_tuple_cost 0)",
    "honoured",
    "select sum(quantity) from order_items",
  ],
  [
    "parallel_workers",
    4,
    "Parallel(order_items 4 hard) Set(parallel_setup_cost 0) Set(parallel_tuple_cost 0)",
    "honoured",
    "select sum(quantity) from order_items",
  ],
  [
    "parallel_workers",
    { table: "order_items", workers: 3, mode: "soft" },
    "Parallel(order_items 3 soft)",
    "ignored",
    "select sum(quantity) from order_items where id = 5",
  ],
  [
    "parallel_workers",
    { table: "order_items", workers: 0 },
    "Parallel(order_items 0 hard)",
    "honoured",
    "select sum(quantity) from order_items",
  ],
  ["join_order", ["customers", "orders", "order_items"], "Leading(c o i)", "honoured"],
  ["join_order", ["order_items", "orders", "customers"], "Leading(i o c)", "honoured"],
  // No condition joins these two: the extension does not make the planner multiply them.
  ["join_order", ["order_items", "customers", "orders"], "Leading(i c o)", "ignored"],
  ["join_order", [["customers", "orders"], "order_items"], "Leading(((c o) i))", "honoured"],
  ["join_order", [["orders", "customers"], "order_items"], "Leading(((o c) i))", "honoured"],
  ["join_order", ["order_items", ["orders", "customers"]], "Leading((i (o c)))", "honoured"],
  [
    "join_order",
    ["items", "orders"],
    "Leading(items o)",
    "honoured",
    "select 1 from orders o join order_items items on items.order_id = o.id",
  ],
  ["merge_join", ["orders", "customers"], "MergeJoin(o c)", "honoured", twoTables],
  ["force_hash_join", ["customers", "orders"], "HashJoin(c o)", "honoured", twoTables],
  ["force_merge_join", ["customers", "orders"], "MergeJoin(c o)", "honoured", twoTables],
  ["force_nested_loop", ["customers", "orders"], "NestLoop(c o)", "honoured", twoTables],
  ["hash_join", ["customers", "orders", "order_items"], "HashJoin(c o i)", "honoured"],
  ["hash_join", ["customers", "order_items"], "HashJoin(c i)", "ignored"],
  ["nested_loop", ["customers", "orders"], "NestLoop(c o)", "honoured", twoTables],
  [
    "disable_nested_loop",
    ["orders", "order_items"],
    "NoNestLoop(o order_items)",
    "honoured",
    "select 1 from orders o join order_items on order_items.order_id = o.id where o.status = 'open'",
  ],
  ["disable_hash_join", ["orders", "customers"], "NoHashJoin(o c)", "honoured", twoTables],
  ["disable_merge_join", ["orders", "customers"], "NoMergeJoin(o c)", "honoured", twoTables],
  ["memoize", ["orders", "customers"], "Memoize(o c)", "ignored", twoTables],
  ["no_memoize", ["orders", "customers"], "NoMemoize(o c)", "honoured", twoTables],
  ["seq_scan", "orders", "SeqScan(orders)", "honoured", open],
  ["index_scan", "orders", "IndexScan(orders)", "honoured", open],
  ["index_scan", { table: "orders", matching: "^orders_st" }, 'IndexScanRegexp(orders "^orders_st")', "honoured", open],
  ["index_only_scan", "orders", "IndexOnlyScan(orders)", "honoured", "select status from orders where status = 'open'"],
  ["index_only_scan", "orders", "IndexOnlyScan(orders)", "ignored", "select total from orders where status = 'open'"],
  ["bitmap_scan", { table: "orders", indexes: "orders_status_idx" }, "BitmapScan(orders orders_status_idx)", "honoured", open],
  ["tid_scan", "orders", "TidScan(orders)", "honoured", "select id from orders where ctid = '(0,1)'"],
  ["no_seq_scan", "orders", "NoSeqScan(orders)", "ignored", "select id from orders where total::text = '5'"],
  ["no_seq_scan", "orders", "NoSeqScan(orders)", "honoured", "select id from orders where status = 'done'"],
  ["no_index_scan", "orders", "NoIndexScan(orders)", "honoured", "select id from orders where id = 1"],
  ["no_index_only_scan", "orders", "NoIndexOnlyScan(orders)", "honoured", "select id from orders where id = 1"],
  ["no_bitmap_scan", "orders", "NoBitmapScan(orders)", "honoured", open],
  ["no_tid_scan", "orders", "NoTidScan(orders)", "honoured", "select id from orders where ctid = '(0,1)'"],
  ["rows", { tables: ["orders", "customers"], correction: "#7" }, "Rows(o c #7)", "honoured", twoTables],
  ["rows", { tables: ["orders", "customers"], correction: "*10" }, "Rows(o c *10)", "honoured", twoTables],
  ["rows", { tables: ["orders", "customers"], correction: "+50" }, "Rows(o c +50)", "honoured", twoTables],
  ["rows", { tables: ["orders", "customers"], correction: "-50" }, "Rows(o c -50)", "honoured", twoTables],
  ["seq_scan", "q t", 'SeqScan("q t")', "honoured", `select id from orders "q t" where status = 'open'`],
  [
    "hash_join",
    ["Ö", 'a"b'],
    'HashJoin("Ö" "a""b")',
    "honoured",
    'select 1 from orders "Ö" join customers "a""b" on "a""b".id = "Ö".customer_id',
  ],
  [
    "hash_join",
    ["w", "customers"],
    "HashJoin(w customers)",
    "honoured",
    "with w as materialized (select * from orders) select 1 from w join customers on customers.id = w.customer_id",
  ],
]

function caseOf([name, value, sent, status, text = threeTables]: (typeof cases)[number]) {
  return { name, value, sent, status, text }
}

describe.skipIf(version === undefined)("hints with pg_hint_plan", () => {
  const target = serverTarget(version ?? 15, shop)
  let database: Database
  beforeAll(async () => {
    await target.sql.exec(`alter database ${target.server.name} set session_preload_libraries = 'pg_hint_plan'`)
    database = databaseOf(target)
  })
  afterAll(() => database?.close())

  test("the extension is there, and is not when it is switched off", async () => {
    expect(await probeServer(database)).toEqual({ version: 15, pgHintPlan: true, reason: null })
    const session = await database.acquire()
    try {
      await session.query({ text: "set pg_hint_plan.enable_hint = off", values: [] })
      expect(await probeServer(session)).toMatchObject({
        pgHintPlan: false,
        reason: expect.stringContaining("enable_hint is off"),
      })
    } finally {
      session.release(true)
    }
  })

  test.each(cases.map(caseOf))("$name $value sends $sent: $status", async ({ name, value, sent, status, text }) => {
    const option = hintsOf([name, value])
    const check = await checkHints(database, { text, values: [] }, option)
    expect(check.hints, JSON.stringify(check.hints)).toMatchObject([
      { hint: name, value, mechanism: "pg_hint_plan", sent: sent.split(/(?<=\)) (?=Set)/), status },
    ])
    expect(check.comment).toBe(`/*+ ${sent} */`)
    const bare = await database.queryText({ text, values: [] })
    const run = await runHinted(database, text, [], option)
    expect(run.rows).toHaveLength(bare.rows.length)
    expect(run.hints).toMatchObject({ comment: `/*+ ${sent} */`, settings: {}, extraRoundTrips: 0 })
  })

  test("every hint that the extension knows is among these", () => {
    const tried = new Set(cases.map(([name]) => name))
    const elsewhere = ["disable_index", "materialize_cte", "inline_cte"]
    expect(
      Object.keys(hintCatalogue)
        .filter((name) => !tried.has(name))
        .sort(),
    ).toEqual(elsewhere.sort())
  })

  test("what only newer versions know is not sent", async () => {
    const { hints, comment } = await checkHints(
      database,
      { text: open, values: [] },
      hintsOf(["disable_index", { table: "orders", indexes: "orders_status_idx" }]),
    )
    expect([hints[0]!.mechanism, comment]).toEqual(["none", null])
  })

  test("memoizing is seen where the planner does it", async () => {
    const text = "select count(*) from order_items i join products p on p.id = i.product_id"
    const { hints } = await checkHints(
      database,
      { text, values: [] },
      hintsOf(["nested_loop", ["i", "p"]], ["memoize", ["i", "p"]]),
    )
    expect(hints.map(({ status }) => status)).toEqual(["honoured", "honoured"])
    const without = await checkHints(
      database,
      { text, values: [] },
      hintsOf(["nested_loop", ["i", "p"]], ["no_memoize", ["i", "p"]]),
    )
    expect(without.hints.map(({ status }) => status)).toEqual(["honoured", "honoured"])
  })

  test("the reason is the extension's own where it has one", async () => {
    const text = "select c.id from (select * from customers offset 0) c join orders o on o.customer_id = c.id"
    // The subquery is not pulled up: the name stands for it in joins, the table inside has another.
    const { hints } = await checkHints(
      database,
      { text, values: [] },
      hintsOf(["hash_join", ["c", "o"]], ["seq_scan", "customers"]),
    )
    expect(hints.map(({ status }) => status)).toEqual(["honoured", "honoured"])
    const pair = await checkHints(
      database,
      { text: threeTables, values: [] },
      hintsOf(["hash_join", ["customers", "order_items"]]),
    )
    expect(pair.hints[0]).toMatchObject({
      status: "ignored",
      reason: expect.stringContaining("pg_hint_plan reports it as not used"),
    })
  })

  test("a hint that was used and not obeyed is ignored", async () => {
    const text =
      "select o.id, c.email, i.quantity from orders o left join customers c on c.id = o.customer_id left join order_items i on i.order_id = o.id"
    const { hints } = await checkHints(database, { text, values: [] }, hintsOf(["join_order", [["i", "c"], "o"]]))
    expect(hints[0]!.status).toBe("ignored")
  })

  test("workers are seen to be launched", async () => {
    const text = "select sum(quantity) from order_items"
    const { hints } = await checkHints(database, { text, values: [] }, hintsOf(["parallel_workers", 2]), { analyze: true })
    expect(hints[0]!.reason).toMatch(/2 workers are planned, [12] were launched|only [01] were launched/)
  })

  test("a block that was there is obeyed together with ours, and the extension reads one", async () => {
    const text = `select /*+ SeqScan(c) */ o.id from orders o join customers c on c.id = o.customer_id where c.email = 'c5@example.com'`
    const check = await checkHints(database, { text, values: [] }, hintsOf(["hash_join", ["o", "c"]]))
    expect(check.comment).toBe("/*+ SeqScan(c) HashJoin(o c) */")
    expect(check.hints[0]!.status).toBe("honoured")
    expect(JSON.stringify(check.plan!.root)).toContain('"Seq Scan"')
    // Two blocks: only the first is read. That is what merging prevents.
    const twice = await database.queryText({ text: `/*+ HashJoin(o c) */ explain ${text}`, values: [] })
    expect(twice.rows.flat().join("\n")).not.toContain("Seq Scan on customers c")
  })

  test("bound values, cursors, CREATE TABLE AS, INSERT, UPDATE and DELETE carry hints", async () => {
    const notices: string[] = []
    const session = await database.acquire()
    try {
      for (const text of [
        "/*+ SeqScan(orders) */ select id from orders where status = $1",
        "/*+ SeqScan(orders) */ insert into orders select id + 100000, customer_id, 'new', total from orders where status = $1",
        "/*+ SeqScan(orders) */ update orders set total = 1 where status = $1",
        "/*+ SeqScan(orders) */ delete from orders where status = $1",
      ]) {
        const told: string[] = []
        await session.batch(
          [
            { text: "begin", values: [] },
            {
              text: "select set_config('pg_hint_plan.debug_print', 'on', true), set_config('pg_hint_plan.message_level', 'notice', true)",
              values: [],
            },
            { text, values: ["open"] },
            { text: "rollback", values: [] },
          ],
          { onNotice: (message) => told.push(message) },
        )
        notices.push(told.some((message) => /used hint:\nSeqScan\(orders\)\nnot used hint:\n/.test(message)) ? "used" : text)
      }
      // The listener is gone with its statement.
      await session.queryText({ text: "do $$ begin raise notice 'nobody listens'; end $$", values: [] })
      expect(notices).toEqual(["used", "used", "used", "used"])
    } finally {
      session.release()
    }
    const request = await hintStage(database).prepare!(
      requestOf("select id from orders where status = $1", ["open"], hintsOf(["seq_scan", "orders"], ["work_mem", "9MB"])),
    )
    let count = 0
    for await (const _ of stream(database, async () => request)) count++
    expect(count).toBe(400)
    const copy = await runHinted(
      database,
      "create table hinted as select id from orders where status = 'open'",
      [],
      hintsOf(["seq_scan", "orders"]),
    )
    expect(copy.hints.comment).toBe("/*+ SeqScan(orders) */")
  })

  test("PREPARE, COPY and named statements of the driver carry hints", async () => {
    const client = await target.server.client()
    const told: string[] = []
    client.on("notice", ({ message }) => told.push(message ?? ""))
    await client.query("set pg_hint_plan.debug_print = on; set pg_hint_plan.message_level = notice")
    const used = async (run: () => Promise<unknown>): Promise<boolean> => {
      told.length = 0
      await run()
      return told.some((message) => /used hint:\nSeqScan\(orders\)\nnot used hint:\n/.test(message))
    }
    const textOf = async (text: string): Promise<string> =>
      (await prepareHints(database, text, hintsOf(["seq_scan", "orders"]))).text
    await client.query(await textOf("prepare again(text) as select id from orders where status = $1"))
    expect(await used(() => client.query("execute again('open')"))).toBe(true)
    const copy = await textOf("copy (select id from orders where status = 'open') to program 'cat > /dev/null'")
    expect(await used(() => client.query(copy))).toBe(true)
    const view = await textOf("create materialized view kept as select id from orders where status = 'open'")
    expect(await used(() => client.query(view))).toBe(true)
    const named = { name: "named", text: await textOf("select id from orders where status = $1"), values: ["open"] }
    for (let run = 0; run < 5; run++) expect(await used(() => client.query(named))).toBe(true)
    // From PREPARE on the hint is the prepared statement's: EXECUTE cannot take one.
    await expect(runHinted(database, "execute again('open')", [], hintsOf(["seq_scan", "orders"]))).rejects.toMatchObject({
      code: "E_UNKNOWN_HINT_TABLE",
    })
  })

  test("more workers than the server can have are said to be an error of the hint", async () => {
    const { hints } = await checkHints(
      database,
      { text: "select sum(quantity) from order_items", values: [] },
      hintsOf(["parallel_workers", 900]),
    )
    expect(hints[0]).toMatchObject({ status: "ignored", reason: expect.stringContaining("pg_hint_plan reports an error in it") })
  })

  test("a role that may only read can use and check hints", async () => {
    const role = `reader_${target.server.name}`
    await target.sql.exec(`create role ${role} login; grant select on all tables in schema public to ${role}`)
    const reader = openDatabase(target.server.url.replace("postgres@", `${role}@`))
    try {
      const option = hintsOf(["hash_join", ["o", "c"]], ["work_mem", "64MB"], ["parallel_workers", 2], ["jit", false])
      const { hints } = await checkHints(reader, { text: twoTables, values: [] }, option)
      expect(hints.map(({ hint, status }) => [hint, status])).toEqual([
        ["hash_join", "honoured"],
        ["work_mem", "honoured"],
        ["parallel_workers", expect.stringMatching(/honoured|ignored/)],
        ["jit", "honoured"],
      ])
      expect((await runHinted(reader, twoTables, [], option)).rows).toHaveLength(400)
    } finally {
      await reader.close()
      await target.sql.exec(`drop owned by ${role}; drop role ${role}`)
    }
  })

  test("pg_stat_statements sees the same statement with and without", async () => {
    await target.sql.exec("create extension if not exists pg_stat_statements")
    const text = "select id from orders where status = $1 and total > $2"
    await database.query({ text, values: ["open", 5] })
    await runHinted(database, text, ["open", 5], hintsOf(["seq_scan", "orders"]))
    const { rows } = await target.sql.query(
      "select calls::int from pg_stat_statements where query like '%from orders where status = $1 and total > $2%' and dbid = (select oid from pg_database where datname = current_database())",
    )
    expect(rows).toEqual([{ calls: 2 }])
  })

  test("an index that does not exist would be a sequential scan, so it is not sent", async () => {
    const text = "select id from customers where email = 'c7@example.com'"
    const raw = await database.queryText({ text: `/*+ IndexScan(customers nope) */ explain ${text}`, values: [] })
    expect(raw.rows.flat().join("\n")).toContain("Seq Scan")
    await expect(runHinted(database, text, [], hintsOf(["use_index", ["nope"]]))).rejects.toMatchObject({
      code: "E_UNKNOWN_INDEX",
    })
  })

  test("hints stay in force for a statement that is planned again and again", async () => {
    const text = "select id from orders where status = $1"
    for (let run = 0; run < 8; run++) {
      const { hints } = await runHinted(database, text, ["open"], hintsOf(["seq_scan", "orders"]))
      expect(hints.comment).toBe("/*+ SeqScan(orders) */")
    }
    forgetHintServer(database)
    expect((await runHinted(database, text, ["open"], hintsOf(["seq_scan", "orders"]))).rows).toHaveLength(400)
  })
})
