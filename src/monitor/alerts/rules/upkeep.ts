import { count } from "../../../explain/rules/rule.ts"
import { type AlertRule, hour, type Measurement, minute } from "../rule.ts"
import { share, times } from "../wording.ts"

const windowMs = 5 * minute
/** Fewer dead rows cost nothing that anybody would notice. */
const leastDeadRows = 10_000
const leastRows = 10_000

const vacuumLag: AlertRule = {
  type: "vacuum_lag",
  condition: "a table has this many times the dead rows that make autovacuum come, and at least 10,000",
  unit: "ratio",
  threshold: 2,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: hour,
  action: "log_and_notify",
  advice:
    "VACUUM the table; where it does not help, somebody holds the horizon (see long_transaction and slot_wal). Then give autovacuum more workers or less delay.",
  measure(evidence) {
    const report = evidence.server(windowMs)
    if (report?.tables == null) return null
    const holder = report.transactions?.horizon[0]
    return report.tables.map((table): Measurement => {
      const ratio = table.vacuumTrigger > 0 ? table.deadRows / table.vacuumTrigger : 0
      return {
        subject: `${table.schema}.${table.table}`,
        fingerprint: null,
        value: ratio,
        holds: table.deadRows >= leastDeadRows,
        summary: () =>
          `${table.schema}.${table.table} has ${count(table.deadRows)} dead rows, ${times(ratio)} what makes autovacuum come${table.autovacuum ? "" : ", which is off for it"}.`,
        evidence: {
          deadRows: table.deadRows,
          trigger: table.vacuumTrigger,
          autovacuum: table.autovacuum,
          lastVacuum: table.lastVacuum,
          horizon: holder ?? null,
        },
      }
    })
  },
  prometheus: (threshold) => `max by (table) (selecto_pg_vacuum_lag_ratio) >= ${threshold}`,
}

const wraparound: AlertRule = {
  type: "wraparound",
  condition: "a database has used this part of its transaction or multixact ids",
  unit: "share",
  threshold: 0.4,
  critical: 0.75,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice:
    "VACUUM (FREEZE) the oldest tables, and end what holds them back: long and prepared transactions, replication slots. At the end the server refuses to write.",
  measure(evidence) {
    const vacuum = evidence.server(windowMs)?.vacuum
    if (vacuum == null) return null
    return vacuum.wraparound.map(
      ({ database, used, kind }): Measurement => ({
        subject: database,
        fingerprint: null,
        value: used,
        summary: () => `The database ${database} has used ${share(used)} of its ${kind} ids since its oldest row was frozen.`,
      }),
    )
  },
  prometheus: (threshold) => `max by (database) (selecto_pg_wraparound_ratio) >= ${threshold}`,
}

const sequenceExhaustion: AlertRule = {
  type: "sequence_exhaustion",
  condition: "this part of a sequence, or of what its column can hold, is used up",
  unit: "share",
  threshold: 0.75,
  critical: 0.9,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "Change the column (and what refers to it) to bigint before the last value is taken; inserts fail after it.",
  measure(evidence) {
    const sequences = evidence.server(windowMs)?.sequences
    if (sequences == null) return null
    return sequences.map(
      (one): Measurement => ({
        subject: `${one.schema}.${one.sequence}`,
        fingerprint: null,
        value: one.used,
        summary: () =>
          `The sequence ${one.schema}.${one.sequence} is at ${count(one.last)} of ${count(one.max)} (${share(one.used)})${one.limitedBy === null ? "" : `, which is all that ${one.limitedBy} can hold`}.`,
        evidence: { last: one.last, max: one.max, limitedBy: one.limitedBy },
      }),
    )
  },
  prometheus: (threshold) => `max by (sequence) (selecto_pg_sequence_used_ratio) >= ${threshold}`,
}

const staleStatistics: AlertRule = {
  type: "stale_statistics",
  condition: "this part of a table of more than 10,000 rows was changed since it was last analysed",
  unit: "share",
  threshold: 0.2,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: hour,
  action: "log_and_notify",
  advice:
    "ANALYZE the table: until then the planner counts rows that are not there any more. Then find out why autovacuum does not.",
  measure(evidence) {
    const tables = evidence.server(windowMs)?.tables
    if (tables == null) return null
    return tables.flatMap((table): Measurement[] => {
      const { rows } = table
      if (rows === null || rows === 0) return []
      const part = table.modifiedSinceAnalyze / rows
      return [
        {
          subject: `${table.schema}.${table.table}`,
          fingerprint: null,
          value: part,
          holds: rows > leastRows,
          summary: () =>
            `${share(part)} of ${table.schema}.${table.table} (${count(rows)} rows) was changed since it was last analysed.`,
          evidence: { modified: table.modifiedSinceAnalyze, rows, lastAnalyze: table.lastAnalyze },
        },
      ]
    })
  },
  prometheus: (threshold) => `max by (table) (selecto_pg_stale_statistics_ratio) >= ${threshold}`,
}

export const upkeepRules: readonly AlertRule[] = [vacuumLag, wraparound, sequenceExhaustion, staleStatistics]
