import { describe, expect, it } from "vitest"
import {
  analyzeQueryPlan,
  comparePlans,
  parsePlan,
  planHash,
  planIssueIds,
  planNodes,
  pseudonymisePlan,
  renderHtml,
  renderIssues,
  renderMarkdown,
  renderTree,
} from "../../src/explain/index.ts"

const slow = `Sort  (cost=20000.00..20000.10 rows=20 width=40) (actual time=400.000..400.100 rows=20 loops=1)
  Sort Key: o.secret_column DESC
  Sort Method: quicksort  Memory: 25kB
  ->  Seq Scan on app.secret_orders o  (cost=0.00..19999.00 rows=20 width=40) (actual time=0.100..399.000 rows=20 loops=1)
        Filter: (((o.secret_column)::text = 'top secret'::text) AND (my_function(o.price) > 4711))
        Rows Removed by Filter: 999980
        Buffers: shared hit=5000 read=7000
Settings: work_mem = '8MB', search_path = 'app'
Planning Time: 0.100 ms
Execution Time: 401.000 ms`
const fast = `Sort  (cost=100.00..100.10 rows=20 width=40) (actual time=0.200..0.210 rows=20 loops=1)
  Sort Key: o.secret_column DESC
  Sort Method: quicksort  Memory: 25kB
  ->  Index Scan using secret_idx on app.secret_orders o  (cost=0.00..99.00 rows=20 width=40) (actual time=0.010..0.100 rows=20 loops=1)
        Index Cond: ((o.secret_column)::text = 'top secret'::text)
        Buffers: shared hit=25
Planning Time: 0.100 ms
Execution Time: 0.300 ms`
const plan = parsePlan(slow)
const issues = analyzeQueryPlan(plan)

describe("rendering", () => {
  it("the plan has something to say", () => expect(issues.map((issue) => issue.issue)).toEqual(["function_on_column"]))
  it.each([60, 80, 130])("a tree is no wider than %i columns", (width) => {
    const lines = renderTree(plan, { width, issues }).split("\n")
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
    expect(lines.filter((line) => line.includes("secret_orders"))).not.toEqual([])
    expect(renderIssues(issues, { width })).toContain("function_on_column")
  })
  it("no literal of the statement is in a message", () => {
    for (const issue of issues) expect(JSON.stringify({ ...issue, columns: [] })).not.toMatch(/top secret|4711/)
  })
  it("a very deep tree still shows its nodes", () => {
    const deep = parsePlan(
      `[{"Plan":${'{"Node Type":"Sort","Plans":['.repeat(200)}{"Node Type":"Seq Scan","Relation Name":"deepest"}${"]}".repeat(200)}}]`,
    )
    expect(renderTree(deep)).toContain("deepest")
  })
  it("HTML stands alone and holds nothing that runs", () => {
    const evil = parsePlan([
      {
        Plan: {
          "Node Type": "Seq Scan",
          "Relation Name": '<img src=x onerror="alert(1)">',
          Filter: "</script><script>alert(1)</script>",
        },
      },
    ])
    const html = renderHtml(evil, { issues, title: "<b>" })
    expect(html).not.toMatch(/<img|<script|https?:|<b>&/)
    expect(html).toContain("default-src &#39;none&#39;".replaceAll("&#39;", "'"))
    const pictured = renderHtml(evil, { picture: { page: (json) => `<script>${json}</script>` } })
    expect(pictured).toContain('sandbox="allow-scripts"')
    expect(pictured.match(/<script/g)).toBeNull()
  })
  it("Markdown cannot be broken out of", () => {
    const evil = parsePlan([{ Plan: { "Node Type": "Seq Scan", "Relation Name": "```\n# title | cell" } }])
    const markdown = renderMarkdown(evil, { issues })
    expect(markdown.match(/^```/gm)).toHaveLength(2)
    expect(markdown).toContain("[function_on_column](docs/reading-a-plan.md#function_on_column)")
  })
})

describe("comparison", () => {
  const comparison = comparePlans(plan, parsePlan(fast))
  it("says what became of a scan", () => {
    expect(comparison.same).toBe(false)
    expect(comparison.summary).toContain("Seq Scan on secret_orders o became Index Scan using secret_idx on secret_orders o")
    expect(comparison.summary).toContain("times faster")
    expect(comparison.nodes.find((node) => node.before === "0.0")).toMatchObject({
      after: "0.0",
      changes: expect.arrayContaining(["type", "index", "time", "buffers"]),
    })
    expect(comparison.time.ratio).toBeLessThan(0.01)
  })
  it("what only one of the plans measured is no change", () => {
    const measured = parsePlan(
      "Seq Scan on t  (cost=0.00..10.00 rows=5 width=4) (actual time=0.100..9.000 rows=5 loops=1)\n  Buffers: shared hit=90",
    )
    const planned = parsePlan("Seq Scan on t  (cost=0.00..10.00 rows=5 width=4)")
    expect(comparePlans(planned, measured)).toMatchObject({
      same: true,
      nodes: [],
      summary: expect.stringContaining("Only one of the two was run"),
    })
    expect(comparePlans(measured, planned).nodes).toEqual([])
  })
  it("partitions that are no longer read are counted, and those still read are matched", () => {
    const member = (at: number): string => `  ->  Seq Scan on evt_${at} evt_${at + 1}  (cost=0.00..10.00 rows=5 width=4)\n`
    const all = parsePlan(`Append  (cost=0.00..100.00 rows=50 width=4)\n${[0, 1, 2, 3, 4, 5, 6].map(member).join("")}`)
    const one = parsePlan("Seq Scan on evt_3 evt  (cost=0.00..10.00 rows=5 width=4)")
    const { summary, nodes } = comparePlans(all, one)
    expect(summary).toBe(
      "10 times cheaper: cost 100 → 10. gone: Append, Seq Scan on evt_0 evt_1, Seq Scan on evt_1 evt_2 and 4 more.",
    )
    expect(nodes.find((node) => node.after === "0")).toMatchObject({ before: "0.3", changes: ["place"] })
  })
  it("a plan is as itself", () => {
    expect(comparePlans(plan, plan)).toMatchObject({ same: true, nodes: [] })
    expect(planHash(parsePlan(slow.replaceAll("'top secret'", "'other'").replace("rows=20", "rows=21")))).toBe(planHash(plan))
    expect(planHash(parsePlan(fast))).not.toBe(planHash(plan))
  })
})

describe("pseudonyms", () => {
  const hidden = pseudonymisePlan(plan)
  it("hide names and literals, and nothing else", () => {
    const text = JSON.stringify(hidden)
    expect(text).not.toMatch(/secret|4711|my_function|price|app/)
    expect(hidden.settings).toEqual({ work_mem: "8MB" })
    expect([...planNodes(hidden.root)].map((node) => [node.type, node.exclusive.time])).toEqual(
      [...planNodes(plan.root)].map((node) => [node.type, node.exclusive.time]),
    )
  })
  it("leave the same issues at the same nodes", () => {
    expect(analyzeQueryPlan(hidden).map((issue) => [issue.issue, issue.node, issue.severity])).toEqual(
      issues.map((issue) => [issue.issue, issue.node, issue.severity]),
    )
  })
})

describe("the guide", () => {
  it("has a section for every issue", async () => {
    const { readFile } = await import("node:fs/promises")
    const text = await readFile(new URL("../../docs/reading-a-plan.md", import.meta.url), "utf8")
    for (const id of planIssueIds) expect(text).toMatch(new RegExp(`^### ${id}$`, "m"))
  })
})
