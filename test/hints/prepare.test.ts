import { beforeAll, describe, expect, test } from "vitest"
import { readHint } from "../../src/hints/hint.ts"
import { applyHints, type HintedStatement, loadHints } from "../../src/hints/prepare.ts"
import { statementNames } from "../../src/hints/relation.ts"
import { resolveHint, settleHints } from "../../src/hints/resolve.ts"
import type { HintServer } from "../../src/hints/server.ts"

const withExtension: HintServer = { version: 15, pgHintPlan: true, reason: null }
const without: HintServer = { version: 15, pgHintPlan: false, reason: "not here" }
const facts = [
  { name: "c_email", aliases: ["c"], valid: true, ordered: true, parts: [] },
  { name: "c_region", aliases: ["c"], valid: true, ordered: true, parts: [] },
  { name: "c_tags", aliases: ["c"], valid: true, ordered: false, parts: [] },
  { name: "c_broken", aliases: ["c"], valid: false, ordered: true, parts: [] },
  { name: "o_pkey", aliases: ["o"], valid: true, ordered: true, parts: [] },
]
const sql = "select o.id from orders o join customers c on c.id = o.customer_id join items i on i.order_id = o.id"

async function apply(
  text: string,
  server: HintServer,
  ...pairs: readonly (readonly [string, unknown])[]
): Promise<HintedStatement> {
  const names = await statementNames(text)
  const hints = pairs.flatMap(([name, value]) => readHint({ name, value })).map((hint) => resolveHint(hint, names, facts))
  return applyHints(text, settleHints(hints), names, server)
}

beforeAll(loadHints)

describe("with pg_hint_plan", () => {
  test.each<[string, unknown, string]>([
    ["use_index", ["c_email"], "IndexScan(c c_email)"],
    ["use_index", ["c_tags"], "BitmapScan(c c_tags)"],
    ["use_index", { table: "customers", indexes: ["c_email", "c_region"] }, "IndexScan(c c_email c_region)"],
    ["seq_scan", "orders", "SeqScan(o)"],
    ["no_seq_scan", "o", "NoSeqScan(o)"],
    ["index_only_scan", { table: "o", indexes: "o_pkey" }, "IndexOnlyScan(o o_pkey)"],
    ["bitmap_scan", { table: "c", matching: "^c_" }, 'BitmapScanRegexp(c "^c_")'],
    ["tid_scan", "i", "TidScan(i)"],
    ["hash_join", ["orders", "customers"], "HashJoin(o c)"],
    ["force_merge_join", ["o", "c", "i"], "MergeJoin(o c i)"],
    ["disable_nested_loop", ["o", "i"], "NoNestLoop(o i)"],
    ["memoize", ["o", "c"], "Memoize(o c)"],
    ["no_memoize", ["o", "c"], "NoMemoize(o c)"],
    ["join_order", ["customers", "orders", "items"], "Leading(c o i)"],
    ["join_order", [["c", "o"], "i"], "Leading(((c o) i))"],
    ["join_order", ["c", ["o", "i"]], "Leading((c (o i)))"],
    ["rows", { tables: ["o", "c"], correction: "*10" }, "Rows(o c *10)"],
    ["join_order", ["c", "o"], "Leading(c o)"],
    ["parallel_workers", { table: "c", workers: 2, mode: "soft" }, "Parallel(c 2 soft)"],
  ])("%s %j is %s", async (name, value, sent) => {
    const { comment, text, applied, settings } = await apply(sql, withExtension, [name, value])
    expect(comment).toBe(`/*+ ${sent} */`)
    expect(text).toBe(`/*+ ${sent} */ ${sql}`)
    expect(settings).toEqual({})
    expect(applied).toMatchObject([{ hint: name, mechanism: "pg_hint_plan", scope: "relation", sent: [sent] }])
  })

  test("several hints are one comment; settings never are in it", async () => {
    const { comment, settings } = await apply(
      sql,
      withExtension,
      ["seq_scan", ["o", "c"]],
      ["work_mem", "256MB"],
      ["hash_join", ["o", "c"]],
    )
    expect(comment).toBe("/*+ SeqScan(o) SeqScan(c) HashJoin(o c) */")
    expect(settings).toEqual({ work_mem: "256MB" })
  })

  test("demanded workers cost nothing, unless the user says what they cost", async () => {
    const free = await apply(sql, withExtension, ["parallel_workers", 4], ["parallel_workers", { table: "c", workers: 2 }])
    expect(free.comment).toBe(
      "/*+ Parallel(o 4 hard) Set(parallel_setup_cost 0) Set(parallel_tuple_cost 0) Parallel(c 2 hard) */",
    )
    const priced = await apply(sql, withExtension, ["parallel_workers", 4], ["parallel_setup_cost", 10])
    expect([priced.comment, priced.settings]).toEqual([
      "/*+ Parallel(o 4 hard) Set(parallel_tuple_cost 0) */",
      { parallel_setup_cost: "10" },
    ])
    expect((await apply(sql, withExtension, ["parallel_workers", 0])).comment).toBe("/*+ Parallel(o 0 hard) */")
  })

  test("what this version lacks is no error, and said", async () => {
    const { applied } = await apply(sql, withExtension, ["disable_index", { table: "c", indexes: "c_email" }])
    expect(applied).toMatchObject([{ mechanism: "none", reason: expect.stringContaining("PostgreSQL 18") }])
    const later = await apply(sql, { ...withExtension, version: 18 }, ["disable_index", { table: "c", indexes: "c_email" }])
    expect(later.comment).toBe("/*+ DisableIndex(c c_email) */")
  })
})

describe("a hint comment that is there already", () => {
  test("takes ours in, wherever it stood", async () => {
    const before = "select /*+ SeqScan(c) */ o.id from orders o join customers c on c.id = o.customer_id /* traceparent='x' */"
    const { text } = await apply(before, withExtension, ["hash_join", ["o", "c"]])
    expect(text).toBe(
      "/*+ SeqScan(c) HashJoin(o c) */ select  o.id from orders o join customers c on c.id = o.customer_id /* traceparent='x' */",
    )
    expect(text.match(/\/\*\+/g)).toHaveLength(1)
  })
  test("stays as it is when only settings are added", async () => {
    const before = `/*+ whatever this is */ ${sql}`
    expect((await apply(before, withExtension, ["work_mem", "64MB"])).text).toBe(before)
    expect((await apply(before, without, ["hash_join", ["o", "c"]])).text).toBe(before)
  })
  test("is not repeated", async () => {
    expect((await apply(`/*+ HashJoin(o c) */ ${sql}`, withExtension, ["hash_join", ["o", "c"]])).text).toBe(
      `/*+ HashJoin(o c) */ ${sql}`,
    )
  })
  test.each([
    ["E_CONFLICTING_HINTS", "/*+ MergeJoin(c o) */"],
    ["E_HINT_BLOCK", "/*+ USE_INDEX(c x) */"],
    ["E_HINT_BLOCK", "/*+ SeqScan(c) */ /*+ SeqScan(o) */"],
  ])("is refused with %s: %s", async (code, block) => {
    await expect(apply(`${block} ${sql}`, withExtension, ["hash_join", ["o", "c"]])).rejects.toMatchObject({ code })
  })
  test("in a string it is none", async () => {
    const text = "select '/*+ MergeJoin(c o) */' from orders o join customers c on c.id = o.customer_id"
    expect((await apply(text, withExtension, ["hash_join", ["o", "c"]])).text).toBe(`/*+ HashJoin(o c) */ ${text}`)
  })
})

describe("without the extension", () => {
  test.each<[string, unknown, Record<string, string>]>([
    ["seq_scan", "o", { enable_indexscan: "off", enable_indexonlyscan: "off", enable_bitmapscan: "off" }],
    ["use_index", ["c_email"], { enable_seqscan: "off" }],
    ["hash_join", ["o", "c"], { enable_nestloop: "off", enable_mergejoin: "off" }],
    ["disable_nested_loop", ["o", "c"], { enable_nestloop: "off" }],
    ["no_memoize", ["o", "c"], { enable_memoize: "off" }],
    ["parallel_workers", 0, { max_parallel_workers_per_gather: "0" }],
    ["join_order", ["o", "c", "i"], { join_collapse_limit: "1" }],
  ])("%s %j", async (name, value, expected) => {
    const { settings, comment, applied } = await apply(sql, without, [name, value])
    expect(comment).toBeNull()
    expect(settings).toEqual(expected)
    expect(applied[0]!.scope).toBe("statement")
  })

  test.each<[string, unknown]>([
    ["rows", { tables: ["o", "c"], correction: "*10" }],
    ["memoize", ["o", "c"]],
    ["join_order", ["c", ["o", "i"]]],
    ["disable_index", { table: "c", indexes: "c_email" }],
  ])("%s is said to have no effect", async (name, value) => {
    const { settings, text, applied } = await apply(sql, without, [name, value])
    expect([text, settings]).toEqual([sql, {}])
    expect(applied).toMatchObject([{ mechanism: "none", reason: expect.stringContaining("not here") }])
  })

  test("a switch for the whole statement does not undo another hint", async () => {
    const { applied, settings } = await apply(sql, without, ["hash_join", ["o", "c"]], ["merge_join", ["o", "c", "i"]])
    expect(settings).toEqual({ enable_nestloop: "off", enable_mergejoin: "off" })
    expect(applied.map(({ mechanism }) => mechanism)).toEqual(["set_local", "none"])
    expect(applied[1]!.reason).toContain("hash_join")
  })

  test("an older server is not sent what it does not know", async () => {
    const { applied, settings } = await apply(sql, { ...without, version: 13 }, ["enable_memoize", false])
    expect([applied[0]!.mechanism, settings]).toEqual(["none", {}])
  })
})

describe("names", () => {
  const both = "select 1 from orders a join orders b on a.id = b.id join customers on customers.id = a.customer_id"
  test.each<[string, string, [string, unknown]]>([
    ["E_AMBIGUOUS_HINT", both, ["seq_scan", "orders"]],
    ["E_AMBIGUOUS_HINT", "select 1 from orders o union all select 2 from orders o", ["seq_scan", "o"]],
    ["E_UNKNOWN_HINT_TABLE", both, ["seq_scan", "order_items"]],
    ["E_UNKNOWN_HINT_TABLE", both, ["merge_join", ["a", "zz"]]],
    ["E_UNKNOWN_HINT_TABLE", both, ["materialize_cte", "w"]],
    ["E_INVALID_HINT", sql, ["merge_join", ["o", "orders"]]],
    ["E_INVALID_HINT", "select 1 from generate_series(1, 2) g", ["seq_scan", "g"]],
    ["E_INVALID_HINT", sql, ["use_index", ["c_email", "o_pkey"]]],
    ["E_UNKNOWN_INDEX", sql, ["use_index", ["c_emial"]]],
    ["E_UNKNOWN_INDEX", sql, ["use_index", ["c_broken"]]],
    ["E_UNKNOWN_INDEX", sql, ["index_scan", { table: "o", indexes: "c_email" }]],
    ["E_SQL_STATEMENT_COUNT", "select 1; select 2", ["seq_scan", "o"]],
    ["E_INVALID_HINT", 'select 1 from orders "a*/b"', ["seq_scan", "orders"]],
  ])("%s: %s %j", async (code, text, pair) => {
    await expect(apply(text, withExtension, pair)).rejects.toMatchObject({ code })
  })

  test("alias before table, and as the server keeps it", async () => {
    const { comment } = await apply('select 1 from customers orders, orders "Odd Name"', withExtension, [
      "seq_scan",
      ["orders", "Odd Name"],
    ])
    expect(comment).toBe('/*+ SeqScan(orders) SeqScan("Odd Name") */')
  })
  test("a schema tells tables apart", async () => {
    const { comment } = await apply("select 1 from s1.t a, s2.t b", withExtension, ["seq_scan", "s2.t"])
    expect(comment).toBe("/*+ SeqScan(b) */")
  })
  test("what an INSERT fills is not what it reads", async () => {
    const { comment } = await apply("insert into orders select * from orders where id > 5", withExtension, ["seq_scan", "orders"])
    expect(comment).toBe("/*+ SeqScan(orders) */")
  })
})

describe("contradictions", () => {
  test.each<[string, ...[string, unknown][]]>([
    ["two methods for one join", ["merge_join", ["o", "c"]], ["force_hash_join", ["customers", "orders"]]],
    ["a method demanded and forbidden", ["hash_join", ["o", "c"]], ["disable_hash_join", ["o", "c"]]],
    [
      "all methods forbidden",
      ["disable_hash_join", ["o", "c"]],
      ["disable_merge_join", ["c", "o"]],
      ["disable_nested_loop", ["o", "c"]],
    ],
    ["two scans of one table", ["seq_scan", "o"], ["index_scan", "o"]],
    ["a scan demanded and forbidden", ["index_only_scan", "o"], ["no_index_scan", "o"]],
    ["two orders", ["join_order", ["o", "c"]], ["join_order", ["c", "o"]]],
    ["two values of one setting", ["work_mem", "1MB"], ["work_mem", "2MB"]],
    ["a method whose switch is off", ["hash_join", ["o", "c"]], ["enable_hashjoin", false]],
    ["more workers than the setting allows", ["parallel_workers", 4], ["max_parallel_workers_per_gather", 2]],
    ["memoize and not", ["memoize", ["o", "c"]], ["no_memoize", ["c", "o"]]],
    ["two corrections", ["rows", { tables: ["o", "c"], correction: "*2" }], ["rows", { tables: ["c", "o"], correction: "*3" }]],
  ])("%s", async (_what, ...pairs) => {
    const failure = await apply(sql, withExtension, ...pairs).catch((error) => error)
    expect(failure.code).toBe("E_CONFLICTING_HINTS")
    for (const [name] of pairs) expect(failure.message).toContain(name)
  })

  test.each<[string, string, ...[string, unknown][]]>([
    ["the same twice", "/*+ HashJoin(o c) */", ["hash_join", ["o", "c"]], ["force_hash_join", ["c", "o"]]],
    ["indexes of one table", "/*+ IndexScan(c c_email c_region) */", ["use_index", ["c_email"]], ["use_index", ["c_region"]]],
    [
      "a join and a wider join",
      "/*+ HashJoin(o c) MergeJoin(o c i) */",
      ["hash_join", ["o", "c"]],
      ["merge_join", ["o", "c", "i"]],
    ],
    [
      "two methods forbidden",
      "/*+ NoHashJoin(o c) NoMergeJoin(o c) */",
      ["disable_hash_join", ["o", "c"]],
      ["disable_merge_join", ["o", "c"]],
    ],
  ])("but not %s", async (_what, comment, ...pairs) => {
    expect((await apply(sql, withExtension, ...pairs)).comment).toBe(comment)
  })
})

describe("rewriting", () => {
  const lefts =
    "select o.id from orders o left join customers c on c.id = o.customer_id left join items i on i.order_id = o.id and i.c = c.x"
  test.each([
    ["inner joins in any order", sql, ["i", "o", "c"], "items"],
    ["a comma list", "select 1 from a, b, c where a.x = b.x and b.y = c.y", ["c", "b", "a"], "CROSS JOIN"],
  ])("%s", async (_what, text, order, part) => {
    const { rewritten, applied, text: written } = await apply(text, without, ["join_order", order])
    expect([rewritten, applied[0]!.mechanism]).toEqual([true, "rewrite"])
    expect(written).toContain(part)
  })
  test("an order that stands is not touched", async () => {
    const { rewritten, text, settings } = await apply(lefts, without, ["join_order", ["o", "c", "i"]])
    expect([rewritten, text, settings]).toEqual([false, lefts, { join_collapse_limit: "1" }])
  })
  test.each([
    ["a left join before what it needs", lefts, ["o", "i", "c"]],
    ["a left joined table first", lefts, ["c", "o", "i"]],
    ["a full join", "select 1 from a full join b on a.x = b.x", ["b", "a"]],
    ["using", "select 1 from a join b using (x)", ["b", "a"]],
    ["select *", "select * from a join b on a.x = b.x", ["b", "a"]],
    ["lateral", "select 1 from a, lateral (select a.x) b", ["b", "a"]],
    ["an unqualified condition", "select 1 from a left join b on x = y left join c on c.z = a.z", ["a", "c", "b"]],
    ["a union", "select 1 from a, b union select 2 from d", ["b", "a"]],
  ])("refuses %s", async (_what, text, order) => {
    const { rewritten, text: same, applied } = await apply(text, without, ["join_order", order])
    expect([rewritten, same, applied[0]!.mechanism]).toEqual([false, text, "none"])
  })
  test("fences", async () => {
    const text = "with w as (select 1 as a), v as (select 2 as b) select * from w, v /* app=shop */"
    const fenced = await apply(text, withExtension, ["materialize_cte", "w"], ["inline_cte", "v"])
    expect(fenced.text.replace(/\s+/g, " ")).toMatch(
      /^WITH w AS MATERIALIZED ?\(.* v AS NOT MATERIALIZED ?\(.*\/\* app=shop \*\/$/i,
    )
    expect(fenced.applied.map(({ mechanism }) => mechanism)).toEqual(["rewrite", "rewrite"])
  })
})
