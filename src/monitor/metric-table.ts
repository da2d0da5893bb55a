import { serverMetrics } from "./metric-table-server.ts"

/** One metric that exporters give; the Prometheus and OpenTelemetry exports, the dashboard and the guide follow this table. */
export interface MetricRow {
  /** Prometheus name, in base units. */
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly unit:
    | "seconds"
    | "bytes"
    | "calls"
    | "rows"
    | "errors"
    | "connections"
    | "info"
    | "statements"
    | "timestamp"
    | "ratio"
    | "count"
  readonly help: string
  readonly labels: readonly string[]
  /** A panel of the dashboard: its title and query; null for what no panel shows by itself. */
  readonly panel: { readonly title: string; readonly expr: string; readonly legend: string; readonly unit: string } | null
}

const statement = ["fingerprint"] as const
const rate = "[$__rate_interval]"

/** What this process measures. `$__rate_interval` is Grafana's. */
const clientMetrics: readonly MetricRow[] = [
  {
    name: "selecto_query_duration_seconds",
    type: "histogram",
    unit: "seconds",
    help: "Time of executions from sending to the last row, pool wait excluded, as seen by this process",
    labels: statement,
    panel: {
      title: "p95 by statement",
      expr: `topk(10, histogram_quantile(0.95, sum by (le, fingerprint) (rate(selecto_query_duration_seconds_bucket${rate}))))`,
      legend: "{{fingerprint}}",
      unit: "s",
    },
  },
  {
    name: "selecto_query_calls_total",
    type: "counter",
    unit: "calls",
    help: "Calls, those that failed or never got a connection included",
    labels: statement,
    panel: {
      title: "Calls per second",
      expr: `topk(10, sum by (fingerprint) (rate(selecto_query_calls_total${rate})))`,
      legend: "{{fingerprint}}",
      unit: "reqps",
    },
  },
  {
    name: "selecto_query_seconds_total",
    type: "counter",
    unit: "seconds",
    help: "Sum of the time of executions; its rate is the mean number of statements that run at once",
    labels: statement,
    panel: {
      title: "Where the time goes",
      expr: `topk(10, sum by (fingerprint) (rate(selecto_query_seconds_total${rate})))`,
      legend: "{{fingerprint}}",
      unit: "short",
    },
  },
  {
    name: "selecto_query_server_seconds_total",
    type: "counter",
    unit: "seconds",
    help: "Part of the time from sending to the first reply of the server",
    labels: statement,
    panel: {
      title: "Share of the server in the time",
      expr: `sum(rate(selecto_query_server_seconds_total${rate})) / sum(rate(selecto_query_seconds_total${rate}))`,
      legend: "server",
      unit: "percentunit",
    },
  },
  {
    name: "selecto_query_rows_total",
    type: "counter",
    unit: "rows",
    help: "Rows returned or affected",
    labels: statement,
    panel: {
      title: "Rows per second",
      expr: `topk(10, sum by (fingerprint) (rate(selecto_query_rows_total${rate})))`,
      legend: "{{fingerprint}}",
      unit: "short",
    },
  },
  {
    name: "selecto_query_errors_total",
    type: "counter",
    unit: "errors",
    help: "Calls that failed, by class of SQLSTATE or by code where the server gave none",
    labels: ["fingerprint", "sqlstate_class"],
    panel: {
      title: "Errors per second by class",
      expr: `sum by (sqlstate_class) (rate(selecto_query_errors_total${rate}))`,
      legend: "{{sqlstate_class}}",
      unit: "short",
    },
  },
  {
    name: "selecto_query_info",
    type: "gauge",
    unit: "info",
    help: "Always 1; says what a fingerprint is",
    labels: ["fingerprint", "summary", "query"],
    panel: { title: "Statements", expr: "selecto_query_info", legend: "{{fingerprint}}: {{query}}", unit: "short" },
  },
  {
    name: "selecto_pool_wait_seconds",
    type: "histogram",
    unit: "seconds",
    help: "Time that calls waited for a connection of the pool",
    labels: [],
    panel: {
      title: "Pool wait p95",
      expr: `histogram_quantile(0.95, sum by (le) (rate(selecto_pool_wait_seconds_bucket${rate})))`,
      legend: "p95",
      unit: "s",
    },
  },
  {
    name: "selecto_pool_connections",
    type: "gauge",
    unit: "connections",
    help: "Connections of a watched pool by state",
    labels: ["pool", "state"],
    panel: {
      title: "Connections",
      expr: "sum by (pool, state) (selecto_pool_connections)",
      legend: "{{pool}} {{state}}",
      unit: "short",
    },
  },
  {
    name: "selecto_pool_pending_requests",
    type: "gauge",
    unit: "connections",
    help: "Callers that wait for a connection of a watched pool",
    labels: ["pool"],
    panel: {
      title: "Waiting for a connection",
      expr: "sum by (pool) (selecto_pool_pending_requests)",
      legend: "{{pool}}",
      unit: "short",
    },
  },
  {
    name: "selecto_event_loop_delay_seconds",
    type: "gauge",
    unit: "seconds",
    help: "How late the event loop was since the last scrape: a part of every time measured here",
    labels: ["quantile"],
    panel: {
      title: "Event-loop delay",
      expr: "max by (quantile) (selecto_event_loop_delay_seconds)",
      legend: "{{quantile}}",
      unit: "s",
    },
  },
  {
    name: "selecto_monitor_statements",
    type: "gauge",
    unit: "statements",
    help: "Statements with figures of their own",
    labels: [],
    panel: null,
  },
  {
    name: "selecto_monitor_dropped_total",
    type: "counter",
    unit: "calls",
    help: "History records dropped and listeners that threw, by reason",
    labels: ["reason"],
    panel: {
      title: "Dropped by the monitor",
      expr: `sum by (reason) (rate(selecto_monitor_dropped_total${rate}))`,
      legend: "{{reason}}",
      unit: "short",
    },
  },
  {
    name: "selecto_monitor_last_success_timestamp_seconds",
    type: "gauge",
    unit: "timestamp",
    help: "When these figures were made",
    labels: [],
    panel: null,
  },
]

/** Every metric: those of this process, then those of the server. */
export const metricTable: readonly MetricRow[] = [...clientMetrics, ...serverMetrics]
