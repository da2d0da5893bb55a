// The subpath selecto-pg/otel. @opentelemetry/api is an optional peer: it loads with this module and nowhere else; no SDK ever does.
import { createRequire } from "node:module"
import { type Attributes, type Context, context, type Meter, metrics, type Span, trace } from "@opentelemetry/api"
import { exportedStatements } from "./export.ts"
import { errorClass } from "./metrics.ts"
import type { Monitor } from "./monitor.ts"
import type { Observation } from "./recorder.ts"
import { StickyTop } from "./sticky-top.ts"

/** Options of {@link otelMetrics}. */
export interface OtelOptions {
  /** Default: the global meter provider's "selecto-pg". */
  readonly meter?: Meter | undefined
  /**
   * Whether `db.client.operation.duration` is emitted. "auto" (default): unless instrumentation-pg has patched the driver, which emits it for
   * the same calls already.
   */
  readonly duration?: "auto" | "on" | "off" | undefined
  /** db.namespace: the database's name, or `database|schema`. */
  readonly namespace?: string | undefined
  /** server.address. */
  readonly serverAddress?: string | undefined
  /** server.port; left out when it is 5432, as the conventions have it. */
  readonly serverPort?: number | undefined
  /** Statements with a series of their own in `selecto.query.*`; the rest is fingerprint "other". Default 50. */
  readonly top?: number | undefined
}

/** A running export; closing it unregisters its instruments. */
export interface OtelExport {
  /** Whether db.client.operation.duration is emitted; null before the first call where that depends on the driver. */
  readonly durationEmitted: boolean | null
  close(): void
}

/** The boundaries that the stable database conventions advise, in seconds. */
const boundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/**
 * The monitor's figures as OpenTelemetry metrics, by the stable database conventions: `db.client.operation.duration` for each call,
 * and `selecto.query.*` counters of the heaviest statements, read when they are collected. Where they go - OTLP, Datadog, New
 * Relic, AppSignal - is up to the SDK of the program.
 *
 * @example
 * metrics.setGlobalMeterProvider(provider)
 * otelMetrics(selecto, { namespace: "shop" })
 */
export function otelMetrics(selecto: { readonly monitor: Monitor }, options: OtelOptions = {}): OtelExport {
  const { monitor } = selecto
  const meter = options.meter ?? metrics.getMeter("selecto-pg")
  const common: Attributes = { "db.system.name": "postgresql" }
  if (options.namespace !== undefined) common["db.namespace"] = options.namespace
  if (options.serverAddress !== undefined) common["server.address"] = options.serverAddress
  if (options.serverPort !== undefined && options.serverPort !== 5432) common["server.port"] = options.serverPort
  const mode = options.duration ?? "auto"
  let emitted: boolean | null = mode === "auto" ? null : mode === "on"
  const endings: (() => void)[] = []

  if (mode !== "off") {
    const duration = meter.createHistogram("db.client.operation.duration", {
      unit: "s",
      description: "Duration of database client operations.",
      advice: { explicitBucketBoundaries: boundaries },
    })
    const known = new Map<string, Attributes>()
    endings.push(
      monitor.recorder.addContext("otel", () => context.active()),
      monitor.on("query", (observation) => {
        // Asked at the first call: by then the driver is loaded, and patched or not.
        emitted ??= !driverIsInstrumented()
        if (!emitted || observation.time === null) return
        const caller = observation.context?.otel as Context | undefined
        duration.record(observation.time / 1000, attributesOf(observation, common, known), caller)
      }),
    )
  }
  endings.push(observeStatements(monitor, meter, common, new StickyTop(options.top ?? 50)), observePools(monitor, meter, common))
  return {
    get durationEmitted() {
      return emitted
    },
    close: () => {
      for (const end of endings) end()
    },
  }
}

/** Different sets of attributes that are kept made: more would be a fault of their cardinality. */
const attributesKept = 4096

/** Attributes of a call; the same object for the same values, since making them costs more than recording. */
function attributesOf(observation: Observation, common: Attributes, known: Map<string, Attributes>): Attributes {
  const { summary, error } = observation
  const key = `${error ?? ""} ${summary ?? ""}`
  const found = known.get(key)
  if (found !== undefined) return found
  const made: Attributes = { ...common }
  if (summary !== null) made["db.query.summary"] = summary
  if (error !== null) {
    made["error.type"] = error
    if (/^[0-9A-Z]{5}$/.test(error)) made["db.response.status_code"] = error
  }
  if (known.size < attributesKept) known.set(key, made)
  return made
}

function observeStatements(monitor: Monitor, meter: Meter, common: Attributes, top: StickyTop): () => void {
  const calls = meter.createObservableCounter("selecto.query.calls", { unit: "{call}", description: "Calls of a statement." })
  const time = meter.createObservableCounter("selecto.query.time", {
    unit: "s",
    description: "Time of a statement's executions.",
  })
  const rows = meter.createObservableCounter("selecto.query.rows", { unit: "{row}", description: "Rows returned or affected." })
  const errors = meter.createObservableCounter("selecto.query.errors", {
    unit: "{error}",
    description: "Failed calls of a statement by class of SQLSTATE.",
  })
  const wait = meter.createObservableCounter("selecto.pool.wait.time", {
    unit: "s",
    description: "Time spent waiting for a connection.",
  })
  const all = [calls, time, rows, errors, wait]
  const read: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    for (const { fingerprint, summary, tally } of exportedStatements(monitor.recorder, top)) {
      const attributes: Attributes = { ...common, "selecto.fingerprint": fingerprint }
      if (summary !== null) attributes["db.query.summary"] = summary
      result.observe(calls, tally.calls, attributes)
      result.observe(time, tally.time.sum / 1000, attributes)
      result.observe(rows, tally.rows, attributes)
      const classes = new Map<string, number>()
      for (const [state, n] of tally.states ?? []) classes.set(errorClass(state), (classes.get(errorClass(state)) ?? 0) + n)
      for (const [type, n] of classes) result.observe(errors, n, { ...attributes, "error.type": type })
    }
    result.observe(wait, monitor.recorder.poolWait.sum / 1000, common)
  }
  meter.addBatchObservableCallback(read, all)
  return () => meter.removeBatchObservableCallback(read, all)
}

function observePools(monitor: Monitor, meter: Meter, common: Attributes): () => void {
  const count = meter.createObservableGauge("selecto.pool.connections", {
    unit: "{connection}",
    description: "Connections of a watched pool by state.",
  })
  const pending = meter.createObservableGauge("selecto.pool.pending_requests", {
    unit: "{request}",
    description: "Callers that wait for a connection of a watched pool.",
  })
  const read: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    for (const { name, totalCount, idleCount, waitingCount } of monitor.pools()) {
      const attributes = { ...common, "db.client.connection.pool.name": name }
      result.observe(count, totalCount - idleCount, { ...attributes, "db.client.connection.state": "used" })
      result.observe(count, idleCount, { ...attributes, "db.client.connection.state": "idle" })
      result.observe(pending, waitingCount, attributes)
    }
  }
  meter.addBatchObservableCallback(read, [count, pending])
  return () => meter.removeBatchObservableCallback(read, [count, pending])
}

/** True when instrumentation-pg (or what else wraps like it) has patched the pg package that this process has loaded. */
function driverIsInstrumented(): boolean {
  for (const [file, module] of Object.entries(createRequire(import.meta.url).cache)) {
    if (!/[\\/]pg[\\/]lib[\\/]index\.js$/.test(file)) continue
    const client = (module?.exports as { Client?: { prototype?: { query?: { __wrapped?: boolean } } } } | undefined)?.Client
    if (client?.prototype?.query?.__wrapped === true) return true
  }
  return false
}

/**
 * A `requestHook` for instrumentation-pg: puts the summary and our fingerprint on its spans, where its own are without either.
 *
 * @example
 * new PgInstrumentation({ requestHook: spanEnricher(selecto) })
 */
export function spanEnricher(selecto: {
  readonly monitor: Monitor
}): (span: Span, request: { readonly query: { readonly text: string } }) => void {
  return (span, request) => {
    const known = selecto.monitor.recorder.identify(request.query.text)
    if (known === null) return
    span.setAttribute("selecto.fingerprint", known.fingerprint)
    if (known.summary !== null) span.setAttribute("db.query.summary", known.summary)
  }
}

/** The W3C traceparent of the active span, for the `traceparent` of tags; undefined without one. */
export function otelTraceparent(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext()
  if (span === undefined || !/^(?!0+$)[0-9a-f]{32}$/.test(span.traceId)) return undefined
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 0xff).toString(16).padStart(2, "0")}`
}

/** Labels of an exemplar for the active sampled span, for `prometheusMetrics(selecto, { exemplar: otelExemplar })`. */
export function otelExemplar(): Readonly<Record<string, string>> | undefined {
  const span = trace.getActiveSpan()?.spanContext()
  return span === undefined || (span.traceFlags & 1) === 0 ? undefined : { trace_id: span.traceId, span_id: span.spanId }
}
