import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { limitText } from "../../../src/monitor/alerts/prometheus-rules.ts"
import { alertRules } from "../../../src/monitor/alerts/rules/index.ts"
import { span } from "../../../src/monitor/alerts/wording.ts"

test("the guide's table is the table of rules", () => {
  const guide = readFileSync(new URL("../../../docs/alerting.md", import.meta.url), "utf8")
  const rows = alertRules.map(({ type, condition, threshold, critical, unit, forMs, severity, action, worse }) => {
    const limits = [threshold, ...(critical === null ? [] : [critical])]
      .map((limit) => limitText(limit, unit))
      .join(", critical ")
    return `| \`${type}\` | ${condition} | ${worse === "below" ? "below " : ""}${limits} | ${forMs === 0 ? "at once" : span(forMs)} | ${severity} | \`${action}\` |`
  })
  const table = ["| type | when | limit | for | severity | action |", "|---|---|---|---|---|---|", ...rows].join("\n")
  const lines = guide.split("\n")
  const start = lines.indexOf("| type | when | limit | for | severity | action |")
  const end = lines.findIndex((line, at) => at > start && !line.startsWith("|"))
  const shown = lines.slice(start, end).join("\n")
  expect(shown).toBe(table)
})
