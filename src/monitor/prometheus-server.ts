import { alertSeverities } from "./alerts/alert.ts"
import type { Monitor } from "./monitor.ts"
import type { Sample } from "./sample.ts"
import { otherKey } from "./server/counter-window.ts"
import { type DatabaseCounter, databaseCounters } from "./server/parts/database.ts"
import { counterAt, type StatementCounter, statementCounters } from "./server/parts/statements.ts"
import type { ServerReport } from "./server/report.ts"
import type { ServerTable } from "./server/tables.ts"
import type { Totals } from "./server/totals.ts"
import type { StickyTop } from "./sticky-top.ts"

/** What one scrape sees of the server. */
export interface ServerReading {
  readonly monitor: Monitor
  /** Null where this process does not collect. */
  readonly report: ServerReport | null
  readonly totals: Totals | null
  /** Statements with a series of their own, and "other". */
  readonly statements: readonly (readonly [fingerprint: string, counters: Float64Array])[]
}

const windowMs = "5m"
const tablesShown = 20
const leastDeadRows = 10_000
const leastRows = 10_000
const sequencesFrom = 0.5
const staleFrom = 0.1

/** Reads the server's part once for a scrape. Counters of a process that does not collect are not given: they would be another's. */
export function readServer(monitor: Monitor, top: StickyTop): ServerReading {
  const { collector } = monitor.watch
  const collects = collector !== null && collector.health().state !== "standby" && collector.state.identity !== null
  if (!collects) return { monitor, report: null, totals: null, statements: [] }
  const { totals } = collector.state
  const candidates = [...totals.statements]
    .filter(([fingerprint]) => fingerprint !== otherKey)
    .map(([fingerprint, counters]) => ({ fingerprint, weight: counters[counterAt.time]! }))
  const chosen = top.choose(candidates, monitor.recorder.clock.monotonic())
  const rest = new Float64Array(statementCounters.length)
  const statements: [string, Float64Array][] = []
  for (const [fingerprint, counters] of totals.statements)
    if (chosen.has(fingerprint)) statements.push([fingerprint, counters])
    else for (let at = 0; at < rest.length; at++) rest[at] = rest[at]! + counters[at]!
  statements.push([otherKey, rest])
  return { monitor, report: monitor.server({ window: windowMs }), totals, statements }
}

type Reader = (reading: ServerReading) => Sample[]

/** How each metric of the server is read, by its name. */
export const serverReaders: Readonly<Record<string, Reader>> = {
  selecto_pg_up: ({ monitor }) => collectorOf(monitor, ({ reachable }) => (reachable ? 1 : 0)),
  selecto_pg_collector_missed_rounds: ({ monitor }) => collectorOf(monitor, ({ missed }) => missed),
  selecto_pg_collector_last_success_timestamp_seconds: ({ monitor }) =>
    collectorOf(monitor, ({ lastSuccess }) => (lastSuccess?.getTime() ?? 0) / 1000),
  selecto_pg_statement_seconds_total: each("time", 1 / 1000),
  selecto_pg_statement_calls_total: each("calls", 1),
  selecto_pg_statement_rows_total: each("rows", 1),
  selecto_pg_statement_read_bytes_total: each("sharedRead", 8192),
  selecto_pg_statement_temp_bytes_total: each("tempWritten", 8192),
  selecto_pg_statements_evictions_total: ({ totals }) => (totals === null ? [] : [plain(totals.evictions)]),
  selecto_pg_blocks_total: ({ totals }) => [
    ...database(totals, "blks_hit", { found: "shared_buffers" }),
    ...database(totals, "blks_read", { found: "outside" }),
  ],
  selecto_pg_temp_bytes_total: ({ totals }) => database(totals, "temp_bytes"),
  selecto_pg_transactions_total: ({ totals }) => [
    ...database(totals, "xact_commit", { outcome: "commit" }),
    ...database(totals, "xact_rollback", { outcome: "rollback" }),
  ],
  selecto_pg_deadlocks_total: ({ totals }) => database(totals, "deadlocks"),
  selecto_pg_active_sessions: ({ report }) => {
    const byType = new Map<string, number>([["CPU", 0]])
    for (const { type, sessions } of report?.load?.waits ?? []) byType.set(type, (byType.get(type) ?? 0) + sessions)
    return report === null ? [] : [...byType].map(([wait, value]) => ({ labels: { wait }, value }))
  },
  selecto_pg_connections: ({ report }) =>
    Object.entries(report?.connections?.states ?? {}).map(([state, value]) => ({ labels: { state }, value })),
  selecto_pg_connections_usable: ({ report }) => (report?.connections == null ? [] : [plain(report.connections.usable)]),
  selecto_pg_waiting_sessions: ({ report }) => (report?.locks == null ? [] : [plain(report.locks.waiting)]),
  selecto_pg_lock_wait_seconds: ({ report }) => (report?.locks == null ? [] : [plain(report.locks.longestMs / 1000)]),
  selecto_pg_transaction_seconds: ({ report }) => {
    if (report?.transactions == null) return []
    const { longest, longestIdle } = report.transactions
    return [
      { labels: { kind: "active" }, value: (longest?.transactionMs ?? 0) / 1000 },
      { labels: { kind: "idle" }, value: (longestIdle?.stateMs ?? 0) / 1000 },
    ]
  },
  selecto_pg_wraparound_ratio: ({ report }) =>
    (report?.vacuum?.wraparound ?? []).map(({ database: name, used }) => ({ labels: { database: name }, value: used })),
  selecto_pg_sequence_used_ratio: ({ report }) =>
    (report?.sequences ?? [])
      .filter(({ used }) => used >= sequencesFrom)
      .map(({ schema, sequence, used }) => ({ labels: { sequence: `${schema}.${sequence}` }, value: used })),
  selecto_pg_vacuum_lag_ratio: ({ report }) =>
    worstTables(report, ({ deadRows, vacuumTrigger }) => (deadRows < leastDeadRows ? 0 : deadRows / vacuumTrigger), 1),
  selecto_pg_stale_statistics_ratio: ({ report }) =>
    worstTables(
      report,
      ({ rows, modifiedSinceAnalyze }) => ((rows ?? 0) > leastRows ? modifiedSinceAnalyze / rows! : 0),
      staleFrom,
    ),
  selecto_pg_replication_lag_seconds: ({ report }) =>
    (report?.replication?.standbys ?? []).flatMap(({ name, lagMs }) =>
      lagMs === null ? [] : [{ labels: { standby: name }, value: lagMs / 1000 }],
    ),
  selecto_pg_slot_retained_bytes: ({ report }) =>
    (report?.replication?.slots ?? []).map(({ name, status, retainedBytes }) => ({
      labels: { slot: name, status: status ?? "reserved" },
      value: retainedBytes ?? 0,
    })),
  selecto_pg_indexes: ({ report }) => {
    const { upkeep } = report ?? {}
    if (upkeep == null) return []
    return [
      { labels: { problem: "unused" }, value: upkeep.unused.length },
      { labels: { problem: "duplicate" }, value: upkeep.duplicates.length },
      { labels: { problem: "invalid" }, value: upkeep.invalid.length },
    ]
  },
  selecto_alerts: ({ monitor }) => {
    const { alerting } = monitor.watch
    const alerts = alerting.alerts().filter(({ state }) => state === "firing" || state === "clearing" || state === "no_data")
    // Every rule and severity has its series, so that "none" is a figure and no gap.
    return alerting.engine.rules.flatMap(({ rule }) =>
      alertSeverities.map((severity) => ({
        labels: { alert: rule.type, severity },
        value: alerts.filter((alert) => alert.type === rule.type && alert.severity === severity).length,
      })),
    )
  },
  selecto_monitor_judged_timestamp_seconds: ({ monitor }) => {
    const { judgedAt } = monitor.watch.health()
    return judgedAt === null ? [] : [plain(judgedAt.getTime() / 1000)]
  },
}

function plain(value: number): Sample {
  return { labels: {}, value }
}

function collectorOf(
  monitor: Monitor,
  of: (health: NonNullable<ReturnType<Monitor["health"]>["collector"]>) => number,
): Sample[] {
  const health = monitor.watch.collector?.health()
  return health === undefined ? [] : [plain(of(health))]
}

function each(counter: StatementCounter, factor: number): Reader {
  return ({ statements }) =>
    statements.map(([fingerprint, counters]) => ({ labels: { fingerprint }, value: counters[counterAt[counter]]! * factor }))
}

function database(totals: Totals | null, counter: DatabaseCounter, labels: Record<string, string> = {}): Sample[] {
  return totals === null ? [] : [{ labels, value: totals.database[databaseCounters.indexOf(counter)]! }]
}

function worstTables(report: ServerReport | null, of: (table: ServerTable) => number, from: number): Sample[] {
  return (report?.tables ?? [])
    .map((table) => ({ labels: { table: `${table.schema}.${table.table}` }, value: of(table) }))
    .filter(({ value }) => value >= from)
    .sort((a, b) => b.value - a.value)
    .slice(0, tablesShown)
}
