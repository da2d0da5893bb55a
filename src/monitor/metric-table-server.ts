import type { MetricRow } from "./metric-table.ts"

const statement = ["fingerprint"] as const
const rate = "[$__rate_interval]"

type Panel = NonNullable<MetricRow["panel"]>

function counter(name: string, unit: MetricRow["unit"], help: string, labels: readonly string[], panel: Panel | null): MetricRow {
  return { name: `selecto_pg_${name}_total`, type: "counter", unit, help, labels, panel }
}

function gauge(name: string, unit: MetricRow["unit"], help: string, labels: readonly string[], panel: Panel | null): MetricRow {
  return { name: `selecto_pg_${name}`, type: "gauge", unit, help, labels, panel }
}

function panel(title: string, expr: string, legend: string, unit: string): Panel {
  return { title, expr, legend, unit }
}

/** What the collector knows of the server. Only the process that collects gives it, so that replicas do not multiply it. */
export const serverMetrics: readonly MetricRow[] = [
  gauge(
    "up",
    "count",
    "1 while the server can be reached",
    [],
    panel("Server is reachable", "min(selecto_pg_up)", "up", "short"),
  ),
  gauge(
    "collector_missed_rounds",
    "count",
    "Rounds of the collector in a row that failed",
    [],
    panel("Missed rounds", "max(selecto_pg_collector_missed_rounds)", "missed", "short"),
  ),
  gauge("collector_last_success_timestamp_seconds", "timestamp", "When a round last succeeded in this process", [], null),
  counter(
    "statement_seconds",
    "seconds",
    "Time of a statement's executions by the server's own count, whoever sent it",
    statement,
    panel(
      "Server: where the time goes",
      `topk(10, sum by (fingerprint) (rate(selecto_pg_statement_seconds_total${rate})))`,
      "{{fingerprint}}",
      "short",
    ),
  ),
  counter(
    "statement_calls",
    "calls",
    "Executions of a statement by the server's own count",
    statement,
    panel(
      "Server: calls per second",
      `topk(10, sum by (fingerprint) (rate(selecto_pg_statement_calls_total${rate})))`,
      "{{fingerprint}}",
      "reqps",
    ),
  ),
  counter("statement_rows", "rows", "Rows returned or affected by the server's own count", statement, null),
  counter(
    "statement_read_bytes",
    "bytes",
    "Blocks that a statement asked for and that were not in shared_buffers",
    statement,
    panel(
      "Server: read from outside shared_buffers",
      `topk(10, sum by (fingerprint) (rate(selecto_pg_statement_read_bytes_total${rate})))`,
      "{{fingerprint}}",
      "Bps",
    ),
  ),
  counter(
    "statement_temp_bytes",
    "bytes",
    "Bytes that a statement wrote to temporary files",
    statement,
    panel(
      "Server: temporary files",
      `topk(10, sum by (fingerprint) (rate(selecto_pg_statement_temp_bytes_total${rate})))`,
      "{{fingerprint}}",
      "Bps",
    ),
  ),
  counter("statements_evictions", "count", "Times that pg_stat_statements made room by forgetting statements", [], null),
  counter(
    "blocks",
    "count",
    "Blocks asked for in the database, by where they were found",
    ["found"],
    panel(
      "Blocks found in shared_buffers",
      `sum(rate(selecto_pg_blocks_total{found="shared_buffers"}${rate})) / sum(rate(selecto_pg_blocks_total${rate}))`,
      "share",
      "percentunit",
    ),
  ),
  counter("temp_bytes", "bytes", "Bytes that the database wrote to temporary files", [], null),
  counter(
    "transactions",
    "count",
    "Transactions of the database by how they ended",
    ["outcome"],
    panel("Transactions per second", `sum by (outcome) (rate(selecto_pg_transactions_total${rate}))`, "{{outcome}}", "short"),
  ),
  counter(
    "deadlocks",
    "count",
    "Deadlocks that the server broke",
    [],
    panel("Deadlocks", `sum(rate(selecto_pg_deadlocks_total${rate}))`, "deadlocks", "short"),
  ),
  gauge(
    "active_sessions",
    "count",
    "Mean number of sessions at work in the last 5 minutes, by what they waited for; sampled",
    ["wait"],
    panel("Active sessions by wait", "sum by (wait) (selecto_pg_active_sessions)", "{{wait}}", "short"),
  ),
  gauge(
    "connections",
    "connections",
    "Client connections of the whole server by state",
    ["state"],
    panel("Server: connections", "sum by (state) (selecto_pg_connections)", "{{state}}", "short"),
  ),
  gauge("connections_usable", "connections", "Connections that clients may have", [], null),
  gauge(
    "waiting_sessions",
    "count",
    "Sessions that wait for a lock",
    [],
    panel("Waiting for locks", "max(selecto_pg_waiting_sessions)", "sessions", "short"),
  ),
  gauge("lock_wait_seconds", "seconds", "How long the longest of them has waited", [], null),
  gauge(
    "transaction_seconds",
    "seconds",
    "Age of the longest transaction at work, and of the longest that is idle",
    ["kind"],
    panel("Longest transaction", "max by (kind) (selecto_pg_transaction_seconds)", "{{kind}}", "s"),
  ),
  gauge(
    "wraparound_ratio",
    "ratio",
    "Part of the 2^31 transaction or multixact ids that a database has used",
    ["database"],
    panel("Wraparound", "max by (database) (selecto_pg_wraparound_ratio)", "{{database}}", "percentunit"),
  ),
  gauge(
    "sequence_used_ratio",
    "ratio",
    "Part of a sequence, or of what its column holds, that is used up; from a half on",
    ["sequence"],
    null,
  ),
  gauge(
    "vacuum_lag_ratio",
    "ratio",
    "Dead rows of a table against what makes autovacuum come; the worst 20 with 10,000 dead rows or more",
    ["table"],
    null,
  ),
  gauge(
    "stale_statistics_ratio",
    "ratio",
    "Part of a table changed since it was last analysed; the worst 20 of more than 10,000 rows",
    ["table"],
    null,
  ),
  gauge("replication_lag_seconds", "seconds", "How far a standby is behind", ["standby"], null),
  gauge("slot_retained_bytes", "bytes", "Log that is kept for a replication slot", ["slot", "status"], null),
  gauge(
    "indexes",
    "count",
    "Indexes to be looked after",
    ["problem"],
    panel("Indexes to be looked after", "max by (problem) (selecto_pg_indexes)", "{{problem}}", "short"),
  ),
  {
    name: "selecto_alerts",
    type: "gauge",
    unit: "count",
    help: "Alerts that are firing, by the judgement of this process",
    labels: ["alert", "severity"],
    panel: panel("Alerts", "sum by (alert) (selecto_alerts)", "{{alert}}", "short"),
  },
  {
    name: "selecto_monitor_judged_timestamp_seconds",
    type: "gauge",
    unit: "timestamp",
    help: "When alert rules were last judged",
    labels: [],
    panel: null,
  },
]
