// The subpath selecto-pg/prometheus. prom-client is an optional peer: it loads with this module and nowhere else.
import { type OpenMetricsContentType, type PrometheusContentType, Registry } from "prom-client"
import type { Tally } from "./entry.ts"
import { type ExportedStatement, exportedStatements } from "./export.ts"
import { bucketOf, countBelow, type Histogram } from "./histogram.ts"
import { type MetricRow, metricTable } from "./metric-table.ts"
import { errorsByClass } from "./metrics.ts"
import type { Monitor } from "./monitor.ts"
import { readServer, type ServerReading, serverReaders } from "./prometheus-server.ts"
import type { Exemplar, Sample } from "./sample.ts"
import { StickyTop } from "./sticky-top.ts"

export { type PrometheusRules, prometheusRules, prometheusRulesYaml } from "./alerts/prometheus-rules.ts"

/** A registry of either content type. */
export type AnyRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** Options of {@link prometheusMetrics}. */
export interface PrometheusOptions {
  /** Where the metrics are registered. Default: a registry of their own. */
  readonly registry?: AnyRegistry | undefined
  /** Statements with a series of their own; the rest is fingerprint "other". Default 50. */
  readonly top?: number | undefined
  /**
   * Gives the labels of an exemplar, such as `{ trace_id }`, for a call that is being made. Shown only by a registry with the
   * OpenMetrics content type. Default: none. `otelExemplar` of selecto-pg/otel is one.
   */
  readonly exemplar?: (() => Readonly<Record<string, string>> | undefined) | undefined
}

/** What prometheusMetrics gives: the body of a scrape and its content type. */
export interface PrometheusExport {
  readonly registry: AnyRegistry
  readonly contentType: string
  /** The text of a scrape. */
  metrics(): Promise<string>
  /** Takes the metrics out of the registry. */
  close(): void
}

/** Bounds in milliseconds: powers of two, which are bounds of our buckets too, so that the counts are exact. */
const bounds = Array.from({ length: 19 }, (_, n) => 2 ** (n - 3))
const textLength = 120

/**
 * The monitor's figures for Prometheus, made when they are scraped: nothing of it is on the path of a query. Each metric of the
 * table is registered; a registry that has one of them already is refused by prom-client.
 *
 * @example
 * const exported = prometheusMetrics(selecto)
 * createServer(async (_, response) => {
 *   response.setHeader("content-type", exported.contentType)
 *   response.end(await exported.metrics())
 * }).listen(9464)
 */
export function prometheusMetrics(selecto: { readonly monitor: Monitor }, options: PrometheusOptions = {}): PrometheusExport {
  const { monitor } = selecto
  const registry: AnyRegistry = options.registry ?? new Registry()
  const top = new StickyTop(options.top ?? 50)
  const serverTop = new StickyTop(options.top ?? 50)
  const exemplars = options.exemplar === undefined ? null : watchExemplars(monitor, options.exemplar)
  // One reading serves all metrics of a scrape: they are asked for one after the other in the same turn.
  let reading: Reading | null = null
  const read = (): Reading => {
    if (reading === null) {
      reading = {
        statements: exportedStatements(monitor.recorder, top),
        monitor,
        exemplars: exemplars?.take() ?? noExemplars,
        server: readServer(monitor, serverTop),
      }
      queueMicrotask(() => {
        reading = null
      })
    }
    return reading
  }
  const names: string[] = []
  for (const row of metricTable) {
    const openMetrics = registry.contentType.startsWith("application/openmetrics")
    // OpenMetrics names a counter without the ending, which its samples get from prom-client.
    const name = openMetrics && row.type === "counter" ? row.name.replace(/_total$/, "") : row.name
    const ofServer = serverReaders[row.name]
    const values: Reader = ofServer === undefined ? readers[row.name]! : ({ server }) => ofServer(server)
    const metric = {
      name,
      help: row.help,
      type: row.type,
      aggregator: "sum",
      reset: () => {},
      get: async () => ({ name, help: row.help, type: row.type, aggregator: "sum", values: values(read(), row) }),
    }
    registry.registerMetric(metric as never)
    names.push(name)
  }
  return {
    registry,
    contentType: registry.contentType,
    metrics: () => registry.metrics(),
    close: () => {
      exemplars?.stop()
      for (const name of names) registry.removeSingleMetric(name)
    },
  }
}

interface Reading {
  readonly statements: readonly ExportedStatement[]
  readonly monitor: Monitor
  /** By fingerprint and bound. */
  readonly exemplars: ReadonlyMap<string, Exemplar>
  readonly server: ServerReading
}

type Reader = (reading: Reading, row: MetricRow) => Sample[]

const noExemplars: ReadonlyMap<string, Exemplar> = new Map()

const readers: Readonly<Record<string, Reader>> = {
  selecto_query_duration_seconds: ({ statements, exemplars }, { name }) =>
    statements.flatMap(({ fingerprint, tally }) => histogramOf(name, tally.time, { fingerprint }, exemplars)),
  selecto_query_calls_total: each((tally) => tally.calls),
  selecto_query_seconds_total: each((tally) => tally.time.sum / 1000),
  selecto_query_server_seconds_total: each((tally) => tally.server / 1000),
  selecto_query_rows_total: each((tally) => tally.rows),
  selecto_query_errors_total: ({ statements }) =>
    statements.flatMap(({ fingerprint, tally }) =>
      Object.entries(errorsByClass(tally)).map(([sqlstate_class, value]) => ({ labels: { fingerprint, sqlstate_class }, value })),
    ),
  selecto_query_info: ({ statements, server }) => {
    const mine = new Set(statements.map(({ fingerprint }) => fingerprint))
    const names = server.monitor.watch.collector?.state.statements.names
    const others = server.statements
      .filter(([fingerprint]) => !mine.has(fingerprint))
      .map(([fingerprint]) => ({ fingerprint, ...(names?.describe(fingerprint) ?? { summary: null, text: null }) }))
    return [...statements, ...others].map(({ fingerprint, summary, text }) => ({
      labels: { fingerprint, summary: summary ?? "", query: (text ?? "").replace(/\s+/g, " ").slice(0, textLength) },
      value: 1,
    }))
  },
  selecto_pool_wait_seconds: ({ monitor }, { name }) => histogramOf(name, monitor.recorder.poolWait, {}, noExemplars),
  selecto_pool_connections: ({ monitor }) =>
    monitor.pools().flatMap(({ name, totalCount, idleCount }) => [
      { labels: { pool: name, state: "used" }, value: totalCount - idleCount },
      { labels: { pool: name, state: "idle" }, value: idleCount },
    ]),
  selecto_pool_pending_requests: ({ monitor }) =>
    monitor.pools().map(({ name, waitingCount }) => ({ labels: { pool: name }, value: waitingCount })),
  selecto_event_loop_delay_seconds: ({ monitor }) => {
    const delay = monitor.health().eventLoopDelay
    if (delay === null) return []
    return [
      { labels: { quantile: "0.5" }, value: delay.p50 / 1000 },
      { labels: { quantile: "0.99" }, value: delay.p99 / 1000 },
      { labels: { quantile: "1" }, value: delay.max / 1000 },
    ]
  },
  selecto_monitor_statements: ({ monitor }) => [{ labels: {}, value: monitor.health().statements }],
  selecto_monitor_dropped_total: ({ monitor }) => {
    const { listenerErrors, historyDropped } = monitor.health()
    return [
      { labels: { reason: "listener_error" }, value: listenerErrors },
      { labels: { reason: "history" }, value: historyDropped },
    ]
  },
  selecto_monitor_last_success_timestamp_seconds: ({ monitor }) => [{ labels: {}, value: monitor.recorder.clock.wall() / 1000 }],
}

function each(of: (tally: Tally) => number): Reader {
  return ({ statements }) => statements.map(({ fingerprint, tally }) => ({ labels: { fingerprint }, value: of(tally) }))
}

function histogramOf(
  name: string,
  histogram: Histogram,
  labels: Record<string, string>,
  exemplars: ReadonlyMap<string, Exemplar>,
): Sample[] {
  const values: Sample[] = []
  const add = (bound: number, value: number): void => {
    const exemplar = exemplars.get(`${labels.fingerprint} ${bound}`)
    const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound / 1000)
    values.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le },
      value,
      ...(exemplar === undefined ? {} : { exemplar }),
    })
  }
  for (const bound of bounds) add(bound, countBelow(histogram, bound))
  add(Number.POSITIVE_INFINITY, histogram.count)
  values.push({ metricName: `${name}_sum`, labels, value: histogram.sum / 1000 })
  values.push({ metricName: `${name}_count`, labels, value: histogram.count })
  return values
}

/** The last exemplar of each bucket since the last scrape. */
function watchExemplars(
  monitor: Monitor,
  exemplar: NonNullable<PrometheusOptions["exemplar"]>,
): { take(): ReadonlyMap<string, Exemplar>; stop(): void } {
  let kept = new Map<string, Exemplar>()
  const release = monitor.recorder.addContext("prometheus", exemplar)
  const stop = monitor.on("query", ({ time, fingerprint, context }) => {
    const labelSet = context?.prometheus as Readonly<Record<string, string>> | undefined
    if (time === null || fingerprint === null || labelSet === undefined) return
    const bound = bounds.find((one) => bucketOf(time) < bucketOf(one)) ?? Number.POSITIVE_INFINITY
    kept.set(`${fingerprint} ${bound}`, { labelSet, value: time / 1000, timestamp: monitor.recorder.clock.wall() / 1000 })
  })
  return {
    take: () => {
      const taken = kept
      kept = new Map()
      return taken
    },
    stop: () => {
      stop()
      release()
    },
  }
}
