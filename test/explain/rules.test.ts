import { describe, expect, it } from "vitest"
import { type AnalyzeContext, analyzeQueryPlan, parsePlan } from "../../src/explain/index.ts"

/** Issues of a plan in the text format, as "id at node", the loud ones before a bar, mere information after it. */
function told(text: string, context: AnalyzeContext = {}): string {
  const issues = analyzeQueryPlan(parsePlan(text), context)
  const list = (loud: boolean): string =>
    issues
      .filter((issue) => (issue.severity !== "info") === loud)
      .map((issue) => `${issue.issue} at ${issue.node}`)
      .join(", ")
  return list(false) === "" ? list(true) : `${list(true)} | ${list(false)}`
}

/** A sequential scan of 200,000 rows that keeps some. */
const scan = (filter: string, kept: number, more = ""): string =>
  `Seq Scan on public.t  (cost=0.00..3500.00 rows=${Math.max(1, kept)} width=8) (actual time=0.010..40.000 rows=${kept} loops=1)
  Filter: ${filter}
  Rows Removed by Filter: ${200_000 - kept}
  Buffers: shared hit=1000${more}
Execution Time: 40.000 ms`

describe("sequential scans", () => {
  it("that throw nearly everything away want an index", () => {
    expect(told(scan("(t.a = 5)", 20))).toBe("sequential_scan at 0")
  })
  it("that keep more than a tenth were the right thing to do", () => {
    expect(told(scan("(t.a = 5)", 22_000))).toBe("")
  })
})
