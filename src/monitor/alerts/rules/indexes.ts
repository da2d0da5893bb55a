import { bytes, count } from "../../../explain/rules/rule.ts"
import { type AlertRule, day, type Measurement, megabyte, minute } from "../rule.ts"
import { share, span } from "../wording.ts"

const windowMs = 10 * minute
/** A smaller table is read faster whole than through any index. */
const leastRows = 10_000
const leastRowsPerSecond = 10_000
const leastScans = 10
const leastUnusedBytes = 10 * megabyte

const missingIndex: AlertRule = {
  type: "missing_index",
  condition:
    "less than this part of a table's scans use an index, over 10 minutes; tables of more than 10,000 rows that scans of the whole read at 10,000 rows a second or more",
  unit: "share",
  threshold: 0.1,
  critical: null,
  worse: "below",
  severity: "warning",
  forMs: 10 * minute,
  action: "suggest_index",
  advice: 'Ask the advisor: selecto advise, or selecto.indexes.advise("pg_stat_statements").',
  measure(evidence) {
    const report = evidence.server(windowMs)
    if (report?.tables == null || report.coverage.covered === 0) return null
    return report.tables.flatMap((table): Measurement[] => {
      const { indexScanShare, rows, seqRows, seqScans } = table
      if (indexScanShare === null) return []
      const perSecond = seqRows / (report.coverage.covered / 1000)
      return [
        {
          subject: `${table.schema}.${table.table}`,
          fingerprint: null,
          value: indexScanShare,
          holds: (rows ?? 0) > leastRows && perSecond >= leastRowsPerSecond && seqScans >= leastScans,
          summary: () =>
            `${table.schema}.${table.table} (${count(rows ?? 0)} rows) was read whole ${count(seqScans)} times, ${count(perSecond)} rows a second; ${share(indexScanShare)} of its scans used an index.`,
          evidence: { table: table.table, schema: table.schema, rows, seqScans, seqRows, indexScans: table.indexScans },
        },
      ]
    })
  },
  prometheus: null,
}

const unusedIndex: AlertRule = {
  type: "unused_index",
  condition: "nothing has scanned an index of more than 10 MB for this long",
  unit: "ms",
  threshold: 30 * day,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: 0,
  action: "log_and_notify",
  advice: "Ask every standby too, since each counts by itself; then drop it with the statement given.",
  measure(evidence) {
    const upkeep = evidence.server(windowMs)?.upkeep
    if (upkeep == null) return null
    return upkeep.unused.map(
      (index): Measurement => ({
        subject: `${index.schema}.${index.index}`,
        fingerprint: null,
        value: index.unusedMs,
        holds: index.bytes > leastUnusedBytes,
        summary: () =>
          `The index ${index.schema}.${index.index} on ${index.table} (${bytes(index.bytes)}) has not been used for ${span(index.unusedMs)}.`,
        evidence: { sql: index.sql, bytes: index.bytes, since: upkeep.since },
      }),
    )
  },
  prometheus: null,
}

const duplicateIndex: AlertRule = {
  type: "duplicate_index",
  condition: "another index makes one needless",
  unit: "count",
  threshold: 1,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: 0,
  action: "log_and_notify",
  advice: "Drop it with the statement given; each write to the table then has one index less to keep.",
  measure(evidence) {
    const upkeep = evidence.server(windowMs)?.upkeep
    if (upkeep == null) return null
    return upkeep.duplicates.map(
      (index): Measurement => ({
        subject: `${index.schema}.${index.index}`,
        fingerprint: null,
        value: 1,
        summary: () =>
          `The index ${index.schema}.${index.index} on ${index.table} (${bytes(index.bytes)}) is needless: ${index.reason}`,
        evidence: { sql: index.sql, bytes: index.bytes, coveredBy: index.coveredBy },
      }),
    )
  },
  prometheus: (threshold) => `max(selecto_pg_indexes{problem="duplicate"}) >= ${threshold}`,
}

const invalidIndex: AlertRule = {
  type: "invalid_index",
  condition: "a failed build left an index that costs writes and serves nothing",
  unit: "count",
  threshold: 1,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "Mend or drop it with the statement given.",
  measure(evidence) {
    const upkeep = evidence.server(windowMs)?.upkeep
    if (upkeep == null) return null
    return upkeep.invalid.map(
      (index): Measurement => ({
        subject: `${index.schema}.${index.index}`,
        fingerprint: null,
        value: 1,
        summary: () => `The index ${index.schema}.${index.index} on ${index.table} is invalid. ${index.reason}`,
        evidence: { sql: index.statements.join("; ") },
      }),
    )
  },
  prometheus: (threshold) => `max(selecto_pg_indexes{problem="invalid"}) >= ${threshold}`,
}

export const indexRules: readonly AlertRule[] = [missingIndex, unusedIndex, duplicateIndex, invalidIndex]
