import { beforeAll, describe, expect, it } from "vitest"
import { openDatabase } from "../../../src/database/open.ts"
import { analyzeQueryPlan, explainStatement, nodeAt, type Plan, parsePlan } from "../../../src/explain/index.ts"
import { eachServer } from "../../support/each-server.ts"
import type { PlantedCase } from "./case.ts"
import { healthyCases } from "./healthy.ts"
import { indexCases } from "./indexes.ts"
import { joinCases } from "./joins.ts"
import { memoryCases } from "./memory.ts"
import { scanCases } from "./scans.ts"
import { plantedSchema, reachFar } from "./schema.ts"
import { statementCases } from "./statements.ts"

const families: Record<string, readonly PlantedCase[]> = {
  scans: scanCases,
  indexes: indexCases,
  joins: joinCases,
  memory: memoryCases,
  "whole statements": statementCases,
  "healthy statements": healthyCases,
}

/** What is wrong about the issues found in a plan; empty where all is well. */
function faultsOf(planted: PlantedCase, plan: Plan): string[] {
  const issues = analyzeQueryPlan(plan)
  const told = new Set<string>(issues.map((issue) => issue.issue))
  const loud = issues.filter((issue) => issue.severity !== "info").map((issue) => issue.issue)
  const named = issues
    .filter((issue) => planted.expect.includes(issue.issue))
    .map((issue) => nodeAt(plan, issue.node)?.type ?? "")
  return [
    ...planted.expect.filter((id) => !told.has(id)).map((id) => `${id} is not told, of ${[...told].join(", ")}`),
    ...loud.filter((id) => !planted.expect.includes(id) && !planted.accept?.includes(id)).map((id) => `${id} is not there`),
    ...(planted.at === undefined || named.includes(planted.at) ? [] : [`${planted.at} is not named, but ${named.join(", ")}`]),
  ]
}

// Each statement is planted with one problem, or looks as if it had one. What this machine is like must not matter: no time is asserted.
eachServer(
  "planted problems",
  (target) => {
    beforeAll(() => reachFar(target.sql, target.server.server.port, target.server.name))
    const check = async (planted: PlantedCase): Promise<void> => {
      for (const format of ["json", "text"] as const) {
        for (const text of planted.before ?? []) await target.sql.query(text)
        const database = openDatabase(target.source)
        try {
          const answer = await explainStatement(
            database,
            { text: planted.text, values: [] },
            {
              analyze: planted.plain !== true,
              writes: "rollback",
              local: planted.settings,
              serialize: planted.serialize,
              verbose: true,
              format,
            },
          )
          const plan = typeof answer === "string" ? parsePlan(answer) : answer
          expect.soft(faultsOf(planted, plan), `${format}\n${typeof answer === "string" ? answer : ""}`).toEqual([])
        } finally {
          await database.close()
        }
      }
    }
    describe.each(Object.entries(families))("%s", (_family, cases) => {
      const here = cases.filter((one) => target.version >= (one.since ?? 0) && target.version <= (one.until ?? 99))
      // A process that the machine keeps waiting makes a healthy plan look ill, and evens out an uneven one: run again, twice at most.
      for (const planted of here) it(planted.name, { retry: 2 }, () => check(planted))
    })
  },
  { template: plantedSchema, pglite: false },
)
