import { describe, expect, it } from "vitest"
import { analyzeQueryPlan, nodeAt, type Plan, parsePlan, planNodes } from "../../src/explain/index.ts"

type Fields = Record<string, unknown>
const node = (type: string, time: number, more: Fields = {}, ...plans: Fields[]): Fields => ({
  "Node Type": type,
  "Actual Total Time": time,
  "Actual Startup Time": 0,
  "Actual Rows": 1,
  "Actual Loops": 1,
  ...more,
  ...(plans.length > 0 ? { Plans: plans } : {}),
})
const planOf = (root: Fields, more: Fields = {}): Plan => parsePlan([{ Plan: root, ...more }])
const times = (plan: Plan): Record<string, number> =>
  Object.fromEntries([...planNodes(plan.root)].map((one) => [one.path, Math.round(one.exclusive.time! * 1000) / 1000]))

describe("time is charged to the node that spent it", () => {
  it("children are taken off, loops multiplied", () => {
    expect(
      times(
        planOf(
          node(
            "Nested Loop",
            100,
            {},
            node("Seq Scan", 10, { "Parent Relationship": "Outer" }),
            node("Index Scan", 0.8, { "Parent Relationship": "Inner", "Actual Loops": 100 }),
          ),
        ),
      ),
    ).toEqual({ "0": 10, "0.0": 10, "0.1": 80 })
  })
  it("below a Gather sums over processes become wall time", () => {
    const plan = planOf(
      node("Gather", 100, { "Workers Launched": 2 }, node("Seq Scan", 90, { "Actual Loops": 3, "Parent Relationship": "Outer" })),
    )
    expect(times(plan)).toEqual({ "0": 10, "0.0": 90 })
    expect(nodeAt(plan, "0.0")!.participants).toBe(3)
  })
  it("of processes that worked unlike, the one that took longest counts", () => {
    const worker = (number: number, time: number): Fields => ({
      "Worker Number": number,
      "Actual Total Time": time,
      "Actual Loops": 1,
    })
    const plan = planOf(
      node(
        "Gather",
        100,
        { "Workers Launched": 2 },
        node("Seq Scan", 30, { "Actual Loops": 3, "Parent Relationship": "Outer", Workers: [worker(0, 5), worker(1, 5)] }),
      ),
    )
    expect(times(plan)).toEqual({ "0": 20, "0.0": 80 })
    expect(nodeAt(plan, "0.0")).toMatchObject({ participants: 3, parallelism: 90 / 80 })
  })
  it("a single copy is not divided, whatever was launched", () => {
    expect(
      times(
        planOf(
          node(
            "Gather",
            100,
            { "Workers Launched": 1, "Single Copy": true },
            node("Seq Scan", 90, { "Parent Relationship": "Outer" }),
          ),
        ),
      )["0.0"],
    ).toBe(90)
  })
  it.each([
    ["16 and earlier", "InitPlan 1 (returns $0)", "(a > $0)"],
    ["17 and later", "InitPlan 1", "(a > (InitPlan 1).col1)"],
  ])("an InitPlan is charged to the node that asks for it (%s)", (_version, name, filter) => {
    const plan = planOf(
      node(
        "Aggregate",
        100,
        {},
        node("Result", 60, { "Parent Relationship": "InitPlan", "Subplan Name": name }),
        node("Seq Scan", 95, { "Parent Relationship": "Outer", Filter: filter }),
      ),
    )
    expect(times(plan)).toEqual({ "0": 5, "0.0": 60, "0.1": 35 })
  })
  it("an InitPlan that workers need is run by the leader, before the Gather starts them", () => {
    const plan = planOf(
      node(
        "Aggregate",
        200,
        { "Shared Hit Blocks": 300 },
        node("Result", 90, { "Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 1", "Shared Hit Blocks": 100 }),
        node(
          "Gather",
          195,
          { "Parent Relationship": "Outer", "Workers Launched": 1, "Shared Hit Blocks": 300 },
          node("Seq Scan", 100, {
            "Parent Relationship": "Outer",
            "Actual Loops": 2,
            Filter: "(a > (InitPlan 1).col1)",
            "Shared Hit Blocks": 200,
          }),
        ),
      ),
    )
    expect(times(plan)).toEqual({ "0": 5, "0.0": 90, "0.1": 5, "0.1.0": 100 })
    expect([...planNodes(plan.root)].map((one) => one.exclusive.sharedHit)).toEqual([0, 100, 0, 200])
  })
  it("a WITH query that changes rows and that nobody reads runs after everything else, and counts", () => {
    const plan = planOf(
      node(
        "Result",
        0.1,
        { "Shared Hit Blocks": 0 },
        node("ModifyTable", 30, { "Parent Relationship": "InitPlan", "Subplan Name": "CTE d", "Shared Hit Blocks": 500 }),
      ),
      { "Execution Time": 31 },
    )
    expect(times(plan)).toEqual({ "0": 0.1, "0.0": 30 })
    expect(nodeAt(plan, "0.0")!.share).toBeCloseTo(30 / 31)
    expect(plan.totals!.sharedHit).toBe(500)
  })
  it("$1 is not $10", () => {
    const plan = planOf(
      node(
        "Append",
        100,
        {},
        node("Result", 30, { "Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 1 (returns $1)" }),
        node("Seq Scan", 40, { "Parent Relationship": "Member", Filter: "(a > $10)" }),
        node("Seq Scan", 50, { "Parent Relationship": "Member", Filter: "(a > $1)" }),
      ),
    )
    expect(times(plan)).toEqual({ "0": 10, "0.0": 30, "0.1": 40, "0.2": 20 })
  })
  it("a CTE is charged to the scan that pulled its rows, its blocks too", () => {
    const blocks = (hit: number): Fields => ({ "Shared Hit Blocks": hit, "Shared Read Blocks": 0 })
    const scan = (time: number, hit: number): Fields =>
      node("CTE Scan", time, { "CTE Name": "w", "Parent Relationship": "Member", ...blocks(hit) })
    const plan = planOf(
      node(
        "Append",
        100,
        blocks(50),
        node("Seq Scan", 70, { "Parent Relationship": "InitPlan", "Subplan Name": "CTE w", ...blocks(50) }),
        scan(10, 0),
        scan(85, 50),
      ),
    )
    expect(times(plan)).toEqual({ "0": 5, "0.0": 70, "0.1": 10, "0.2": 15 })
    expect([...planNodes(plan.root)].map((one) => one.exclusive.sharedHit)).toEqual([0, 50, 0, 0])
  })
  it("a CTE's blocks are shared out kind by kind: what one scan wrote to a file is not what it read", () => {
    const blocks = (hit: number, written: number): Fields => ({ "Shared Hit Blocks": hit, "Temp Written Blocks": written })
    const scan = (time: number, hit: number, written: number): Fields =>
      node("CTE Scan", time, { "CTE Name": "w", "Parent Relationship": "Member", ...blocks(hit, written) })
    const plan = planOf(
      node(
        "Append",
        100,
        blocks(980, 550),
        node("Seq Scan", 70, { "Parent Relationship": "InitPlan", "Subplan Name": "CTE w", ...blocks(980, 0) }),
        scan(10, 10, 0),
        scan(85, 970, 550),
      ),
    )
    expect([...planNodes(plan.root)].map((one) => one.exclusive.sharedHit)).toEqual([0, 980, 0, 0])
    expect([...planNodes(plan.root)].map((one) => one.exclusive.tempWritten)).toEqual([0, 0, 0, 550])
  })
  it("two CTEs of one name: the nearest counts", () => {
    const inner = node(
      "Subquery Scan",
      40,
      { "Parent Relationship": "Member" },
      node("Result", 30, { "Parent Relationship": "InitPlan", "Subplan Name": "CTE w" }),
      node("CTE Scan", 38, { "CTE Name": "w", "Parent Relationship": "Subquery" }),
    )
    const plan = planOf(
      node(
        "Append",
        100,
        {},
        node("Result", 20, { "Parent Relationship": "InitPlan", "Subplan Name": "CTE w" }),
        inner,
        node("CTE Scan", 50, { "CTE Name": "w", "Parent Relationship": "Member" }),
      ),
    )
    expect(times(plan)).toMatchObject({ "0.0": 20, "0.1.0": 30, "0.1.1": 8, "0.2": 30 })
  })
  it("a SubPlan is taken off the node that runs it", () => {
    expect(
      times(
        planOf(
          node(
            "Seq Scan",
            100,
            {},
            node("Aggregate", 0.9, { "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1", "Actual Loops": 100 }),
          ),
        ),
      ),
    ).toEqual({ "0": 10, "0.0": 90 })
  })
  it("what never ran costs nothing, what was not timed has no time", () => {
    expect(times(planOf(node("Append", 10, {}, node("Seq Scan", 0, { "Actual Loops": 0, "Actual Rows": 0 }))))).toEqual({
      "0": 10,
      "0.0": 0,
    })
    const untimed = parsePlan("Seq Scan on a  (cost=0.00..10.00 rows=5 width=4) (actual rows=5 loops=1)")
    expect(untimed.root.exclusive.time).toBeNull()
    expect(untimed.root.share).toBe(1)
  })
  it("compiling is told apart", () => {
    const plan = planOf(
      node(
        "Aggregate",
        400,
        { "Actual Startup Time": 399 },
        node("Index Scan", 350, { "Parent Relationship": "Outer", "Actual Startup Time": 300 }),
      ),
      { JIT: { Functions: 5, Timing: { Total: 290 } } },
    )
    expect(nodeAt(plan, "0.0")!.exclusive).toMatchObject({ time: 350, jitTime: 290 })
  })
  it("processes compile side by side: of what they took together, the longest counts", () => {
    const compiled = (total: number): Fields => ({ Functions: 5, Timing: { Total: total } })
    const plan = (workers: Fields[] | null): Plan =>
      planOf(
        node(
          "Gather",
          500,
          { "Actual Startup Time": 495, "Workers Launched": 2 },
          node(
            "Aggregate",
            490,
            {
              "Parent Relationship": "Outer",
              "Actual Loops": 3,
              "Actual Startup Time": 480,
              ...(workers === null ? {} : { Workers: workers }),
            },
            node("Seq Scan", 60, { "Parent Relationship": "Outer", "Actual Loops": 3, "Actual Startup Time": 0.1 }),
          ),
        ),
        { JIT: compiled(1050), "Execution Time": 501 },
      )
    const untold = plan(null)
    expect(untold.jit).toMatchObject({ time: 1050, wallTime: 350 })
    expect(nodeAt(untold, "0.0")!.exclusive).toMatchObject({ time: 430, jitTime: 350 })
    const told = plan([
      { "Worker Number": 0, "Actual Total Time": 490, "Actual Loops": 1, JIT: compiled(330) },
      { "Worker Number": 1, "Actual Total Time": 490, "Actual Loops": 1, JIT: compiled(340) },
    ])
    expect(told.jit).toMatchObject({ time: 1050, wallTime: 380 })
    expect(analyzeQueryPlan(told)).toMatchObject([{ issue: "jit_overhead", saving: { ms: 380 } }])
  })
  it("tasks of a distributed query are nodes, and fit into the scan that waited for them", () => {
    const task = (time: number): Fields => ({
      Node: "host=a",
      "Remote Plan": [[{ Plan: node("Seq Scan", time, { "Relation Name": "t_102008" }) }]],
    })
    const plan = planOf(
      node("Custom Scan", 100, {
        "Custom Plan Provider": "Citus Adaptive",
        "Distributed Query": { Job: { "Task Count": 2, Tasks: [task(90), task(70)] } },
      }),
    )
    expect([...planNodes(plan.root)].map((one) => one.relationship)).toEqual([null, "Remote", "Remote"])
    expect([...planNodes(plan.root)].reduce((sum, one) => sum + one.exclusive.time!, 0)).toBeCloseTo(100)
  })
})

describe("cost is divided", () => {
  it("as often as a node is expected to run", () => {
    const plan = parsePlan(
      "Nested Loop  (cost=0.00..1000.00 rows=100 width=4)\n  ->  Seq Scan on a  (cost=0.00..100.00 rows=100 width=4)\n  ->  Index Scan using i on b  (cost=0.00..8.00 rows=1 width=4)\n        Index Cond: (b.x = a.x)",
    )
    expect([...planNodes(plan.root)].map((one) => Math.round(one.exclusive.cost!))).toEqual([100, 100, 800])
  })
  it("a Limit does not pay for what it will not read; forbidden nodes are not dear", () => {
    const plan = parsePlan(
      "Limit  (cost=10000000000.00..10000000001.00 rows=1 width=4)\n  ->  Seq Scan on a  (cost=10000000000.00..10000000100.00 rows=100 width=4)",
    )
    expect([...planNodes(plan.root)].map((one) => Math.round(one.exclusive.cost! * 100) / 100)).toEqual([0, 1])
  })
})
