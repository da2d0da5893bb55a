import type { Alert, AlertChange } from "../alert.ts"
import { span } from "../wording.ts"

/** An alert in a line: for logs and the beginning of messages. */
export function alertLine(alert: Alert, change: AlertChange): string {
  const { type, severity, database, summary, firedAt, resolvedAt } = alert
  if (change === "resolved") {
    const lasted = firedAt === null || resolvedAt === null ? "" : ` after ${span(resolvedAt.getTime() - firedAt.getTime())}`
    return `selecto resolved ${type} on ${database}${lasted}: ${summary}`
  }
  const how = { firing: severity, worse: `${severity}, worse`, repeat: `${severity}, still` }[change]
  return `selecto alert ${type} on ${database} (${how}): ${summary}`
}

/** What to do, and what was found out, as lines. */
export function detailLines(alert: Alert): string[] {
  const { advice, recommendations, issues, actionError, evidence } = alert
  const lines = [advice]
  for (const { sql, confidence, reason } of recommendations ?? []) lines.push(`${sql};  (${confidence}) ${reason}`)
  if (recommendations?.length === 0) lines.push("The index advisor found no index that would help.")
  for (const { issue, severity, message, advice: remedy } of issues ?? [])
    lines.push(`${severity} ${issue}: ${message} ${remedy}`)
  if (issues?.length === 0) lines.push("Nothing is wrong in its plan.")
  if (actionError !== null) lines.push(actionError)
  if (Array.isArray(evidence.tree)) lines.push(...evidence.tree.map(String))
  if (typeof evidence.sql === "string") lines.push(`${evidence.sql};`)
  return lines
}
