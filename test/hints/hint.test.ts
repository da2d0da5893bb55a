import { describe, expect, test } from "vitest"
import { inputOfSpec, readHint } from "../../src/hints/hint.ts"
import { addHint, hintCatalogue, settingCatalogue } from "../../src/hints/index.ts"

const code = (wanted: string) => expect.objectContaining({ code: wanted })

describe("hints as they are asked for", () => {
  test.each<[string, unknown]>([
    ["use_index", ["customers_email_idx"]],
    ["use_index", "customers_email_idx"],
    ["use_index", { table: "customers", indexes: ["a", "b"] }],
    ["parallel_workers", 4],
    ["parallel_workers", { table: "orders", workers: 2, mode: "soft" }],
    ["work_mem", "256MB"],
    ["work_mem", 64 * 1024],
    ["maintenance_work_mem", "1GB"],
    ["join_order", ["customers", "orders", "order_items"]],
    ["join_order", [["customers", "orders"], "order_items"]],
    ["merge_join", ["orders", "customers"]],
    ["force_hash_join", ["customers", "orders"]],
    ["disable_nested_loop", ["orders", "order_items"]],
    ["seq_page_cost", 0.1],
    ["random_page_cost", 0.1],
    ["cpu_tuple_cost", 0.01],
    ["enable_nestloop", false],
    ["jit", "off"],
    ["plan_cache_mode", "force_custom_plan"],
    ["seq_scan", ["a", "b"]],
    ["bitmap_scan", { table: "a", matching: "^idx" }],
    ["rows", { tables: ["a", "b"], correction: "*10" }],
    ["set", { name: "work_mem", value: "1MB" }],
  ])("%s %j", (name, value) => {
    expect(readHint({ name, value }).length).toBeGreaterThan(0)
  })

  test.each<[string, unknown, string]>([
    ["use_indx", ["a"], "E_UNKNOWN_HINT"],
    ["search_path", "x", "E_UNKNOWN_HINT"],
    ["set", { name: "statement_timeout", value: 1 }, "E_UNKNOWN_HINT"],
    ["work_mem", "256", "E_INVALID_HINT"],
    ["work_mem", 256, "E_INVALID_HINT"],
    ["work_mem", "256 parsecs", "E_INVALID_HINT"],
    ["work_mem", "256mb", "E_INVALID_HINT"],
    ["work_mem", "'256MB'", "E_INVALID_HINT"],
    ["work_mem", "10kB", "E_INVALID_HINT"],
    ["work_mem", "9999TB", "E_INVALID_HINT"],
    ["work_mem", undefined, "E_INVALID_HINT"],
    ["seq_page_cost", "0.1", "E_INVALID_HINT"],
    ["seq_page_cost", "5ms", "E_INVALID_HINT"],
    ["seq_page_cost", -1, "E_INVALID_HINT"],
    ["seq_page_cost", Number.NaN, "E_INVALID_HINT"],
    ["enable_nestloop", "no; drop table x", "E_INVALID_HINT"],
    ["plan_cache_mode", "sometimes", "E_INVALID_HINT"],
    ["parallel_workers", 1.5, "E_INVALID_HINT"],
    ["parallel_workers", "4", "E_INVALID_HINT"],
    ["merge_join", ["orders"], "E_INVALID_HINT"],
    ["merge_join", ["orders", "orders"], "E_INVALID_HINT"],
    ["merge_join", "orders", "E_INVALID_HINT"],
    ["join_order", [["a", "b", "c"], "d"], "E_INVALID_HINT"],
    ["use_index", ["a */ drop"], "E_INVALID_HINT"],
    ["seq_scan", "a\nb", "E_INVALID_HINT"],
    ["seq_scan", [], "E_INVALID_HINT"],
    ["rows", { tables: ["a", "b"], correction: "10" }, "E_INVALID_HINT"],
    ["temp_file_limit", "1GB", "E_HINT_PRIVILEGE"],
    ["role", "postgres", "E_HINT_PRIVILEGE"],
    ["shared_buffers", "1GB", "E_HINT_PRIVILEGE"],
    ["set", { name: "session_replication_role", value: "replica" }, "E_HINT_PRIVILEGE"],
  ])("refuses %s %j", (name, value, wanted) => {
    expect(() => readHint({ name, value })).toThrow(code(wanted))
  })

  test("an unknown hint names its neighbours", () => {
    expect(() => addHint(undefined, "use_indx" as never, ["a"] as never)).toThrow(
      expect.objectContaining({ suggestions: expect.arrayContaining(["use_index"]) }),
    )
    expect(() => addHint(undefined, "wrk_mem" as never, "1MB" as never)).toThrow(
      expect.objectContaining({ suggestions: expect.arrayContaining(["work_mem"]) }),
    )
  })

  test("the object form says the same as the short one", () => {
    expect(inputOfSpec({ scan: "seq", table: "a" })).toEqual({ name: "seq_scan", value: "a" })
    expect(inputOfSpec({ scan: "index", table: "a", forbid: true })).toEqual({ name: "no_index_scan", value: "a" })
    expect(inputOfSpec({ join: "hash", tables: ["a", "b"], forbid: true })).toEqual({
      name: "disable_hash_join",
      value: ["a", "b"],
    })
    expect(inputOfSpec({ memoize: ["a", "b"] })).toEqual({ name: "memoize", value: ["a", "b"] })
    expect(inputOfSpec({ set: "work_mem", value: "1MB" })).toEqual({ name: "work_mem", value: "1MB" })
    const specs = [
      { scan: "bitmap", table: "a", indexes: ["i"] },
      { leading: ["a", "b"], direction: true },
      { leading: [["a", "b"], "c"] },
      { rows: ["a", "b"], correction: "#10" },
      { parallel: "a", workers: 2, mode: "soft" },
      { disableIndex: "i", table: "a" },
      { materialize: "w" },
    ] as const
    for (const spec of specs) expect(readHint(inputOfSpec(spec))).toHaveLength(1)
    expect(readHint(inputOfSpec({ leading: ["a", "b"], direction: true }))[0]).toMatchObject({ list: null, tree: ["a", "b"] })
    for (const bad of [
      null,
      {},
      { scan: "fast", table: "a" },
      { join: "loop", tables: ["a", "b"] },
      { scan: "seq", table: "a", indexes: ["i"] },
    ])
      expect(() => readHint(inputOfSpec(bad))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^E_(UNKNOWN_HINT|INVALID_HINT)$/) }),
      )
  })

  test("sizes are written as the server shows them", () => {
    const text = (value: unknown) => (readHint({ name: "work_mem", value })[0] as { text: string }).text
    expect([text("256MB"), text("1024MB"), text(65536), text("1.5MB"), text("2 GB")]).toEqual([
      "256MB",
      "1GB",
      "64kB",
      "1536kB",
      "2GB",
    ])
  })

  test("no name is both a hint and a setting", () => {
    expect(Object.keys(hintCatalogue).filter((name) => name in settingCatalogue)).toEqual([])
  })
})
