import { describe, expect, it } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { analyzeQueryPlan, explainStatement, nodeAt, type PlanIssueId } from "../../src/explain/index.ts"
import { eachServer } from "../support/each-server.ts"
import { plantedCases } from "./planted-cases.ts"
import { plantedSchema } from "./planted-schema.ts"

// Each statement is planted with one problem, or looks as if it had one. What this machine is like must not matter: no time is asserted.
eachServer(
  "planted problems",
  (target) => {
    const cases = plantedCases.filter((one) => target.version >= (one.since ?? 0) && target.version <= (one.until ?? 99))
    describe.each(cases)("$name", (planted) => {
      it(planted.expect.length === 0 ? "is left alone" : `is told as ${planted.expect.join(", ")}`, async () => {
        const database = openDatabase(target.source)
        try {
          const plan = await explainStatement(
            database,
            { text: planted.text, values: [] },
            { analyze: planted.plain !== true, writes: "rollback", local: planted.settings, serialize: planted.serialize },
          )
          const issues = analyzeQueryPlan(plan)
          const loud = issues.filter((issue) => issue.severity !== "info")
          const wrong = loud
            .map((issue) => issue.issue)
            .filter((id) => !planted.expect.includes(id) && !planted.accept?.includes(id))
          const told = issues.map((issue) => issue.issue)
          expect
            .soft(
              planted.expect.filter((id: PlanIssueId) => !told.includes(id)),
              `not told, of ${told.join(", ")}`,
            )
            .toEqual([])
          expect.soft(wrong, "told and not there").toEqual([])
          if (planted.at !== undefined) {
            const named = issues
              .filter((issue) => planted.expect.includes(issue.issue))
              .map((issue) => nodeAt(plan, issue.node)?.type)
            expect.soft(named).toContain(planted.at)
          }
        } finally {
          await database.close()
        }
      })
    })
  },
  { template: plantedSchema, pglite: false },
)
