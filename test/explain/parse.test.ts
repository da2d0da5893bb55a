import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isSelectoError } from "../../src/errors.ts"
import { analyzeQueryPlan, nodeAt, parsePlan, planNodes } from "../../src/explain/index.ts"

const scan = {
  "Node Type": "Seq Scan",
  "Relation Name": "orders",
  Alias: "o",
  "Startup Cost": 0,
  "Total Cost": 12.5,
  "Plan Rows": 1,
  "Plan Width": 4,
}
const json = JSON.stringify([{ Plan: scan }], null, 2)
const text = `Sort  (cost=10.00..10.50 rows=20 width=8) (actual time=1.000..1.200 rows=20 loops=1)
  Sort Key: o.placed DESC, (lower(o.name))
  Sort Method: quicksort  Memory: 25kB
  Buffers: shared hit=7 read=2
  CTE w
    ->  Index Only Scan Backward using "Odd Index" on app."Odd Table" t  (cost=0.10..5.00 rows=3 width=4) (actual time=0.010..0.020 rows=3 loops=1)
          Index Cond: (t.id < 4)
          Heap Fetches: 3
  ->  Parallel Seq Scan on orders o  (cost=0.00..9.00 rows=20 width=8) (never executed)
        Filter: (o.note ~~ '%a: b (c%'::text)
Planning Time: 0.250 ms
Trigger for constraint fk on orders: time=0.500 calls=2
Execution Time: 2.000 ms`

function codeOf(run: () => unknown): string {
  try {
    run()
    return "none"
  } catch (error) {
    if (!isSelectoError(error)) throw error
    expect(error.line, error.message).toBeGreaterThan(0)
    expect(error.column, error.message).toBeGreaterThan(0)
    return error.code
  }
}

describe("JSON", () => {
  const wrappings: Record<string, string | object> = {
    array: json,
    object: JSON.stringify({ Plan: scan }),
    "a bare node": JSON.stringify(scan),
    "a driver's rows": [{ "QUERY PLAN": [{ Plan: scan }] }],
    "a driver's text rows": [{ "QUERY PLAN": json }],
    "a string in a string": JSON.stringify(json),
    "psql's continuation marks": json
      .split("\n")
      .map((line) => ` ${line.padEnd(40)}+`)
      .join("\n"),
    "a psql frame": [
      "+------------+",
      "| QUERY PLAN |",
      "+------------+",
      ...json.split("\n").map((line) => `| ${line.padEnd(60)} |`),
      "+------------+",
      "(1 row)",
    ].join("\n"),
    "a unicode frame": ["┌──────┐", ...json.split("\n").map((line) => `│ ${line.padEnd(60)}↵│`), "└──────┘"].join("\n"),
    "a log line": `2024-05-01 10:00:00 UTC [77] LOG:  duration: 12.345 ms  plan:\n${json
      .split("\n")
      .map((line) => `\t${line}`)
      .join("\n")}`,
    "a JSON log": JSON.stringify({ timestamp: "x", message: `duration: 1.2 ms  plan:\n${json}` }),
  }
  it.each(Object.entries(wrappings))("is read in %s", (_name, source) => {
    const { root } = parsePlan(source)
    expect(root).toMatchObject({
      path: "0",
      type: "Seq Scan",
      relation: { name: "orders", alias: "o", schema: null },
      totalCost: 12.5,
      actual: null,
    })
  })
  it("keeps 64-bit query identifiers and fields it does not know", () => {
    const plan = parsePlan(
      `[{"Plan": {"Node Type": "Result", "New Field": {"a": [1]}}, "Query Identifier": -8123456789012345678, "Later": 1}]`,
    )
    expect(plan.queryId).toBe("-8123456789012345678")
    expect(plan.root.raw["New Field"]).toEqual({ a: [1] })
    expect(plan.raw.Later).toBe(1)
  })
  it("takes numbers as strings, and no name for more than a name", () => {
    const plan = parsePlan(
      `{"Plan":{"Node Type":"Result","Total Cost":"12.5","Actual Rows":"3","Actual Loops":"2","__proto__":{"polluted":1},"constructor":5},"Settings":{"__proto__":"x"}}`,
    )
    expect(plan.root.actual).toMatchObject({ rows: 3, loops: 2 })
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.keys(plan.settings)).toEqual(["__proto__"])
  })
})

describe("text", () => {
  const plan = parsePlan(text)
  it("gives what JSON would", () => {
    expect([...planNodes(plan.root)].map((node) => [node.path, node.type, node.relationship, node.subplan, node.index])).toEqual([
      ["0", "Sort", null, null, null],
      ["0.0", "Index Only Scan", "InitPlan", "CTE w", "Odd Index"],
      ["0.1", "Seq Scan", "Outer", null, null],
    ])
    expect(plan.root.raw).toMatchObject({
      "Sort Key": ["o.placed DESC", "(lower(o.name))"],
      "Sort Method": "quicksort",
      "Sort Space Type": "Memory",
      "Sort Space Used": 25,
      "Shared Hit Blocks": 7,
      "Temp Read Blocks": 0,
    })
    expect(nodeAt(plan, "0.0")!.relation).toEqual({ schema: "app", name: "Odd Table", alias: "t" })
    expect(nodeAt(plan, "0.0")!.raw).toMatchObject({ "Scan Direction": "Backward", "Heap Fetches": 3 })
    expect(nodeAt(plan, "0.1")!.raw).toMatchObject({ "Parallel Aware": true, Filter: "(o.note ~~ '%a: b (c%'::text)" })
    expect(nodeAt(plan, "0.1")!.actual!.loops).toBe(0)
    expect(plan).toMatchObject({
      planningTime: 0.25,
      executionTime: 2,
      triggers: [{ constraint: "fk", relation: "orders", time: 0.5, calls: 2 }],
    })
  })
  it.each([
    [
      "quoted lines",
      text
        .split("\n")
        .map((line) => `"${line.replaceAll('"', '""')}"`)
        .join("\n"),
    ],
    ["a prompt and a footer", `db=# explain select 1;\n  QUERY PLAN\n--------------\n${text}\n(12 rows)\n`],
    [
      "a log",
      `LOG:  duration: 2 ms  plan:\n\tQuery Text: select 1\n${text
        .split("\n")
        .map((line) => `\t${line}`)
        .join("\n")}`,
    ],
    [
      "wrapped lines",
      text
        .split("\n")
        .flatMap((line) => line.match(/.{1,70}/g) ?? [])
        .join("\n"),
    ],
  ])("is read in %s", (_name, source) => {
    expect([...planNodes(parsePlan(source).root)].map((node) => node.type)).toEqual(["Sort", "Index Only Scan", "Seq Scan"])
  })
  it("a WITH query may be called anything", () => {
    const spaced = parsePlan(`CTE Scan on "My CTE: (odd" x  (cost=0.01..0.03 rows=1 width=4)
  CTE My CTE: (odd
    ->  Result  (cost=0.00..0.01 rows=1 width=4)`)
    expect(nodeAt(spaced, "0.0")).toMatchObject({ relationship: "InitPlan", subplan: "CTE My CTE: (odd" })
  })
  it("what a MERGE did is counted", () => {
    const merge = parsePlan(
      "Merge on t  (cost=0.00..9.00 rows=0 width=0) (actual time=1.000..1.000 rows=0 loops=1)\n  Tuples: inserted=3 updated=500\n  ->  Seq Scan on s",
    )
    expect(merge.root.raw).toMatchObject({ "Node Type": "ModifyTable", "Tuples Inserted": 3, "Tuples Updated": 500 })
  })
  it("grouping sets, samples and values that look like others are what JSON says", () => {
    const grouped = parsePlan(`MixedAggregate  (cost=0.00..10.00 rows=4 width=8)
  Hash Key: t.a, t.b
  Hash Key: t.a
  Group Key: ()
  ->  Sample Scan on t  (cost=0.00..1.00 rows=9 width=8)
        Sampling: bernoulli ('1'::real, lower(x)) REPEATABLE ('5'::double precision)
        One-Time Filter: false
        Rows Removed by Filter: 7
        Rows Removed by Join Filter: 8`)
    expect(grouped.root.raw["Grouping Sets"]).toEqual([
      { "Hash Keys": [["t.a", "t.b"]] },
      { "Hash Keys": [["t.a"]] },
      { "Group Keys": [[]] },
    ])
    expect(grouped.root.raw).not.toHaveProperty("Hash Key")
    expect(grouped.root.children[0]!.raw).toMatchObject({
      "Sampling Method": "bernoulli",
      "Sampling Parameters": ["'1'::real", "lower(x)"],
      "Repeatable Seed": "'5'::double precision",
      "One-Time Filter": "false",
      "Rows Removed by Filter": 7,
      "Rows Removed by Join Filter": 8,
    })
    const sorted = parsePlan(`GroupAggregate  (cost=0.00..10.00 rows=4 width=8)
  Group Key: t.a, t.b
  Group Key: t.a
  Sort Key: t.b
    Group Key: t.b
  ->  Seq Scan on t  (cost=0.00..1.00 rows=9 width=8)`)
    expect(sorted.root.raw["Grouping Sets"]).toEqual([
      { "Group Keys": [["t.a", "t.b"], ["t.a"]] },
      { "Sort Key": ["t.b"], "Group Keys": [["t.b"]] },
    ])
    const plain = parsePlan("HashAggregate\n  Group Key: t.a, t.b\n  ->  Seq Scan on t")
    expect(plain.root.raw).toMatchObject({ "Group Key": ["t.a", "t.b"] })
  })
  it("a worker's own compiling does not end the plan", () => {
    const plan = parsePlan(`Gather  (cost=0.00..9.00 rows=3 width=8) (actual time=5.000..9.000 rows=3 loops=1)
  Workers Planned: 1
  Workers Launched: 1
  ->  Sort  (cost=0.00..8.00 rows=3 width=8) (actual time=4.000..4.100 rows=3 loops=2)
        Worker 0:  actual time=3.900..4.000 rows=3 loops=1
          Sort Method: quicksort  Memory: 25kB
          JIT:
            Functions: 6
            Options: Inlining true, Optimization true, Expressions true, Deforming true
            Timing: Generation 0.400 ms, Inlining 1.000 ms, Optimization 1.000 ms, Emission 1.000 ms, Total 3.400 ms
          Buffers: shared hit=3
        ->  Seq Scan on a  (cost=0.00..7.00 rows=3 width=8) (actual time=0.010..0.020 rows=3 loops=2)
Planning Time: 0.100 ms
JIT:
  Functions: 12
  Options: Inlining true, Optimization true, Expressions true, Deforming true
  Timing: Generation 0.800 ms, Inlining 2.000 ms, Optimization 2.000 ms, Emission 2.000 ms, Total 6.800 ms
Execution Time: 10.000 ms`)
    expect([...planNodes(plan.root)].map((node) => node.type)).toEqual(["Gather", "Sort", "Seq Scan"])
    expect(plan).toMatchObject({ executionTime: 10, jit: { functions: 12, time: 6.8 } })
    expect(nodeAt(plan, "0.0")!.raw.Workers).toMatchObject([
      { "Shared Hit Blocks": 3, JIT: { Functions: 6, Timing: { Total: 3.4 } } },
    ])
  })
  it("is read without costs", () => {
    const bare = parsePlan("Hash Left Join\n  Hash Cond: (a.x = b.x)\n  ->  Seq Scan on a\n  ->  Hash\n        ->  Seq Scan on b")
    expect([...planNodes(bare.root)].map((node) => node.type)).toEqual(["Hash Join", "Seq Scan", "Hash", "Seq Scan"])
    expect(bare.root.raw["Join Type"]).toBe("Left")
  })
})

describe("XML", () => {
  it("gives what JSON would: lists of one, empty lists, words that look like others", () => {
    const plan = parsePlan(`<explain xmlns="http://www.postgresql.org/2009/explain"><Query><Plan><Node-Type>Aggregate</Node-Type>
      <Grouping-Sets><Grouping-Set><Hash-Keys><Hash-Key><Item>a</Item><Item>b</Item></Hash-Key></Hash-Keys></Grouping-Set>
        <Grouping-Set><Group-Keys><Group-Key>
        </Group-Key></Group-Keys></Grouping-Set></Grouping-Sets>
      <One-Time-Filter>false</One-Time-Filter><Rows-Removed-by-Filter>7</Rows-Removed-by-Filter>
      <Target-Tables><Target-Table><Relation-Name>t</Relation-Name></Target-Table></Target-Tables>
    </Plan></Query></explain>`)
    expect(plan.root.raw).toMatchObject({
      "Grouping Sets": [{ "Hash Keys": [["a", "b"]] }, { "Group Keys": [[]] }],
      "One-Time Filter": "false",
      "Rows Removed by Filter": 7,
      "Target Tables": [{ "Relation Name": "t" }],
    })
  })
})

describe("bad input", () => {
  const nested = (levels: number): string =>
    `[{"Plan":${'{"Node Type":"Sort","Plans":['.repeat(levels)}{"Node Type":"Result"}${"]}".repeat(levels)}}]`
  it.each<[string, string, string | object]>([
    ["nothing", "E_PLAN_SYNTAX", ""],
    ["prose", "E_PLAN_SYNTAX", "hello world"],
    ["binary", "E_PLAN_SYNTAX", "\u0000\u0001Seq Scan"],
    ["half a plan", "E_PLAN_SYNTAX", json.slice(0, 60)],
    ["half of XML", "E_PLAN_SYNTAX", "<explain><Query><Plan><Node-Type>x</Plan>"],
    ["another database's plan", "E_PLAN_SYNTAX", '{"query_block": {"select_id": 1, "table": {"access_type": "ALL"}}}'],
    ["a number", "E_PLAN_SYNTAX", [5]],
    ["children that are no list", "E_PLAN_SYNTAX", '{"Plan":{"Node Type":"x","Plans":5}}'],
    ["ten megabytes of nothing", "E_PLAN_SYNTAX", "x ".repeat(5e6)],
    ["ten megabytes of parentheses", "E_PLAN_SYNTAX", "(".repeat(1e7)],
    ["20,000 levels", "E_PLAN_TOO_LARGE", nested(20_000)],
    ["20,000 levels of XML", "E_PLAN_TOO_LARGE", `<explain><Query>${"<Plan><Plans>".repeat(20_000)}`],
    ["a million brackets", "E_PLAN_TOO_LARGE", `{"Plan": ${"[".repeat(1e6)}`],
    ["too many lines", "E_PLAN_TOO_LARGE", "->  x\n".repeat(400_000)],
  ])("%s is refused with %s", (_name, code, source) => {
    expect(codeOf(() => parsePlan(source as string))).toBe(code)
  })
  it("names the place of the fault", () => {
    try {
      parsePlan('[{"Plan": {\n  "Node Type": oops}}]')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: "E_PLAN_SYNTAX", line: 2, column: 16 })
    }
  })
  it("800 levels are read", () => {
    expect([...planNodes(parsePlan(nested(800)).root)]).toHaveLength(801)
  })
})

const collected = join(import.meta.dirname, "../../../shared/cases/plans-collected")
const seeds = existsSync(collected)
  ? ["json", "text"].flatMap((kind) =>
      readdirSync(join(collected, kind))
        .filter((_file, at) => at % 7 === 0)
        .map((file) => readFileSync(join(collected, kind, file), "utf8")),
    )
  : [json, text]
if (!existsSync(collected)) console.log("No collected plans beside the checkout: two plans of our own are mutated.")

describe("mutated plans", () => {
  it("are read or refused with a code, never anything else", () => {
    let read = 0
    let refused = 0
    const mutation = fc.record({
      plan: fc.nat(seeds.length - 1),
      edits: fc.array(
        fc.record({
          at: fc.double({ min: 0, max: 1, noNaN: true }),
          cut: fc.nat(40),
          put: fc.oneof(
            fc.string({ maxLength: 8 }),
            fc.constantFrom("{", "]", '"', "->  ", "(cost=", "\n", "NaN", "-1", "1e999", "null", '"Plans": [', "__proto__"),
          ),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    })
    const property = fc.property(mutation, ({ plan, edits }) => {
      let source = seeds[plan]!
      for (const { at, cut, put } of edits) {
        const place = Math.floor(at * source.length)
        source = source.slice(0, place) + put + source.slice(place + cut)
      }
      try {
        const parsed = parsePlan(source)
        for (const node of planNodes(parsed.root)) {
          expect(node.exclusive.time ?? 0).toBeGreaterThanOrEqual(0)
          expect(node.share).toBeGreaterThanOrEqual(0)
          expect(node.share).toBeLessThanOrEqual(1)
        }
        for (const issue of analyzeQueryPlan(parsed)) expect(nodeAt(parsed, issue.node)).not.toBeNull()
        read++
      } catch (error) {
        if (!isSelectoError(error)) throw error
        expect(["E_PLAN_SYNTAX", "E_PLAN_TOO_LARGE"]).toContain(error.code)
        refused++
      }
    })
    const seed = Number(process.env.SELECTO_TEST_SEED ?? Date.now() % 2 ** 31)
    fc.assert(property, { seed, numRuns: Number(process.env.SELECTO_FUZZ_RUNS ?? 1500) })
    console.log(`mutated plans: seed ${seed}, ${read} read, ${refused} refused`)
    // Both ways must be walked, or nothing was tested.
    expect(read).toBeGreaterThan(100)
    expect(refused).toBeGreaterThan(100)
  })
})
