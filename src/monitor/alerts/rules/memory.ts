import { bytes, count } from "../../../explain/rules/rule.ts"
import type { ServerReport } from "../../server/report.ts"
import type { CacheFigures } from "../evidence.ts"
import { type AlertRule, gigabyte, type Measurement, minute } from "../rule.ts"
import { share, statementName } from "../wording.ts"

const windowMs = 15 * minute
const leastEffort = 1.5

const highMemory: AlertRule = {
  type: "high_memory",
  condition: "the operations of a sampled run held this much memory, or a call writes this much to temporary files on average",
  unit: "bytes",
  threshold: gigabyte,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "optimize_query",
  advice: "Sort or hash fewer and narrower rows; for this statement alone work_mem can be set with a hint.",
  measure(evidence) {
    const report = evidence.server(windowMs)
    const spilled = new Map((report?.statements ?? []).map((one) => [one.fingerprint, one]))
    const fingerprints = new Set([...spilled.keys(), ...evidence.entries.map(({ fingerprint }) => fingerprint)])
    fingerprints.delete("other")
    const names = new Map(evidence.entries.map(({ fingerprint, summary }) => [fingerprint, summary]))
    return [...fingerprints].flatMap((fingerprint): Measurement[] => {
      const statement = spilled.get(fingerprint)
      const memory = evidence.measured(fingerprint)?.memory.peak ?? 0
      const temp = statement === undefined ? 0 : statement.tempWrittenBytes / statement.calls
      const value = Math.max(memory, temp)
      if (value === 0) return []
      const name = statementName(statement?.summary ?? names.get(fingerprint) ?? null, fingerprint)
      return [
        {
          subject: "",
          fingerprint,
          value,
          summary: () =>
            temp >= memory
              ? `${name} writes ${bytes(temp)} to temporary files per call.`
              : `The operations of ${name} held ${bytes(memory)} of memory in a sampled run.`,
          evidence: { operatorMemory: memory === 0 ? null : memory, tempPerCall: temp, calls: statement?.calls ?? null },
        },
      ]
    })
  },
  prometheus: (threshold) =>
    `sum by (fingerprint) (rate(selecto_pg_statement_temp_bytes_total{fingerprint!="other"}[15m])) / sum by (fingerprint) (rate(selecto_pg_statement_calls_total[15m])) >= ${threshold}`,
}

const cacheHitDrop: AlertRule = {
  type: "cache_hit_drop",
  condition:
    "the part of blocks found in shared_buffers is this much below the median of past hours, over 15 minutes, and waiting for blocks grew by half",
  unit: "share",
  threshold: 0.05,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: 10 * minute,
  action: "log_and_notify",
  advice:
    "Something reads what it did not read before: look for new sequential scans, a restart, or data that outgrew shared_buffers.",
  measure(evidence) {
    const report = evidence.server(windowMs)
    if (report === null) return null
    const before = evidence.cacheBaseline()
    const now = cacheFigures(report)
    if (before === null || now === null) return []
    return [
      {
        subject: "",
        fingerprint: null,
        value: before.hitRatio - now.hitRatio,
        holds: now.effort >= leastEffort * before.effort,
        summary: () =>
          `${share(now.hitRatio)} of the blocks were found in shared_buffers, usually ${share(before.hitRatio)} (${count(report.database!.blocksRead)} blocks read in 15 minutes).`,
        evidence: { before, now },
      },
    ]
  },
  prometheus: null,
}

/** How the database reads its blocks in a report's window; null where it read too few. */
export function cacheFigures({ database, coverage }: ServerReport): CacheFigures | null {
  if (database?.hitRatio == null || coverage.covered === 0) return null
  const seconds = coverage.covered / 1000
  return { hitRatio: database.hitRatio, effort: (database.readTime ?? database.blocksRead) / seconds }
}

export const memoryRules: readonly AlertRule[] = [highMemory, cacheHitDrop]
