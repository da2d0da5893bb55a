import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { context, trace } from "@opentelemetry/api"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { PgInstrumentation } from "@opentelemetry/instrumentation-pg"
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import pg from "pg"
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest"
import { createMonitor, type Monitor } from "../../src/monitor/index.ts"
import { otelExemplar, otelMetrics, otelTraceparent, spanEnricher } from "../../src/monitor/otel.ts"

interface Point {
  readonly attributes: { readonly key: string; readonly value: { readonly stringValue?: string; readonly intValue?: number } }[]
  readonly asDouble?: number
  readonly asInt?: number | string
  readonly count?: number | string
  readonly sum?: number
  readonly explicitBounds?: number[]
}

interface Received {
  readonly name: string
  readonly unit: string
  readonly points: readonly Point[]
}

/** A collector that takes OTLP over HTTP in JSON and remembers it. */
async function collectorDouble(): Promise<{ url: string; received: Map<string, Received>; server: Server }> {
  const received = new Map<string, Received>()
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => {
      body += chunk
    })
    request.on("end", () => {
      const { resourceMetrics } = JSON.parse(body)
      for (const { scopeMetrics } of resourceMetrics)
        for (const { metrics } of scopeMetrics)
          for (const { name, unit, ...data } of metrics) {
            const points = Object.values(data as Record<string, { dataPoints?: Point[] }>).flatMap((one) => one?.dataPoints ?? [])
            received.set(name, { name, unit, points })
          }
      response.end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics`, received, server }
}

function attributes(point: Point): Record<string, unknown> {
  return Object.fromEntries(point.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))
}

function call(monitor: Monitor, text: string, time: number, error: string | null = null): void {
  const caller = monitor.recorder.captureContext()
  monitor.recorder.record(text, time, 1, time, 0, 2, -1, error, "Films", "builder", caller)
}

describe("an OTLP collector", () => {
  let collector: Awaited<ReturnType<typeof collectorDouble>>
  let provider: MeterProvider
  let monitor: Monitor

  beforeEach(async () => {
    collector = await collectorDouble()
    monitor = createMonitor({ eventLoopDelay: false }).service
    const exporter = new OTLPMetricExporter({ url: collector.url })
    provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
  })
  afterEach(async () => {
    await provider.shutdown().catch(() => {})
    monitor.close()
    collector.server.close()
    collector.server.closeAllConnections()
  })

  test("receives what the guide promises", async () => {
    const meter = provider.getMeter("selecto-pg")
    const pool = { totalCount: 4, idleCount: 1, waitingCount: 2 }
    monitor.watchPool(pool, "main")
    otelMetrics({ monitor }, { meter, duration: "on", namespace: "shop", serverAddress: "db", serverPort: 5432 })
    call(monitor, "select * from film", 20)
    await monitor.ready()
    call(monitor, "select * from film", 30)
    call(monitor, "select * from film", 5, "40001")
    await provider.forceFlush()
    const duration = collector.received.get("db.client.operation.duration")!
    expect(duration.unit).toBe("s")
    const common = { "db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db" }
    const summary = { "db.query.summary": "SELECT film" }
    expect(duration.points.map(attributes)).toEqual([
      // The first call came before its statement was known.
      common,
      { ...common, ...summary },
      { ...common, ...summary, "error.type": "40001", "db.response.status_code": "40001" },
    ])
    expect(duration.points[1]!.sum).toBeCloseTo(0.03)
    expect(duration.points[0]!.explicitBounds).toEqual([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10])
    const { fingerprint } = monitor.metrics()[0]!
    const figure = (name: string, wanted: object) => {
      const point = collector.received.get(name)!.points.find((one) => JSON.stringify(attributes(one)) === JSON.stringify(wanted))
      return Number(point?.asDouble ?? point?.asInt)
    }
    const plain = { ...common, "selecto.fingerprint": fingerprint, ...summary }
    expect(figure("selecto.query.calls", plain)).toBe(3)
    expect(figure("selecto.query.time", plain)).toBeCloseTo(0.055)
    expect(figure("selecto.query.rows", plain)).toBe(6)
    expect(figure("selecto.query.errors", { ...plain, "error.type": "40" })).toBe(1)
    expect(figure("selecto.pool.wait.time", common)).toBeCloseTo(0.003)
    const named = { ...common, "db.client.connection.pool.name": "main" }
    expect(figure("selecto.pool.connections", { ...named, "db.client.connection.state": "used" })).toBe(3)
    expect(figure("selecto.pool.pending_requests", named)).toBe(pool.waitingCount)
  })

  test("a collector that is gone disturbs no call", async () => {
    otelMetrics({ monitor }, { meter: provider.getMeter("selecto-pg"), duration: "on" })
    collector.server.close()
    collector.server.closeAllConnections()
    call(monitor, "select 1", 1)
    expect(monitor.metrics()[0]!.calls).toBe(1)
    expect(monitor.health().listenerErrors).toBe(0)
  })

  test("closing takes everything back", async () => {
    const exported = otelMetrics({ monitor }, { meter: provider.getMeter("selecto-pg"), duration: "on" })
    exported.close()
    call(monitor, "select 1", 1)
    expect(monitor.recorder.listened).toBe(false)
    expect(monitor.recorder.captureContext()).toBeNull()
    await provider.forceFlush()
    expect(collector.received.get("db.client.operation.duration")?.points ?? []).toEqual([])
  })

  test("beside instrumentation-pg the duration is left to it, unless asked for", () => {
    const { query } = pg.Client.prototype
    const meter = provider.getMeter("selecto-pg")
    const alone = otelMetrics({ monitor }, { meter })
    call(monitor, "select 1", 1)
    expect(alone.durationEmitted).toBe(true)
    onTestFinished(() => {
      pg.Client.prototype.query = query
    })
    pg.Client.prototype.query = Object.assign((...args: never[]) => (query as (...args: never[]) => unknown)(...args), {
      __wrapped: true,
    }) as typeof query
    const beside = otelMetrics({ monitor }, { meter })
    call(monitor, "select 1", 1)
    expect(beside.durationEmitted).toBe(false)
    expect(otelMetrics({ monitor }, { meter, duration: "on" }).durationEmitted).toBe(true)
  })
})

describe("traces", () => {
  test("traceparent and exemplar are those of the active span; its instrumentation gets our names", async () => {
    const monitor = createMonitor({ eventLoopDelay: false }).service
    const provider = new NodeTracerProvider()
    provider.register()
    onTestFinished(async () => {
      monitor.close()
      await provider.shutdown()
      trace.disable()
      context.disable()
    })
    expect(otelTraceparent()).toBeUndefined()
    expect(otelExemplar()).toBeUndefined()
    call(monitor, "select * from film", 1)
    await monitor.ready()
    provider.getTracer("test").startActiveSpan("request", (span) => {
      const { traceId, spanId } = span.spanContext()
      expect(otelTraceparent()).toBe(`00-${traceId}-${spanId}-01`)
      expect(otelExemplar()).toEqual({ trace_id: traceId, span_id: spanId })
      const set: Record<string, unknown> = {}
      const target = { setAttribute: (key: string, value: unknown) => Object.assign(set, { [key]: value }) }
      const hook = spanEnricher({ monitor })
      new PgInstrumentation({ enabled: false, requestHook: hook })
      hook(target as never, { query: { text: "select * from film" } })
      expect(set).toEqual({ "selecto.fingerprint": monitor.metrics()[0]!.fingerprint, "db.query.summary": "SELECT film" })
      span.end()
    })
  })
})
