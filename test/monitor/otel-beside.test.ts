import { createRequire } from "node:module"
import { PgInstrumentation } from "@opentelemetry/instrumentation-pg"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics"
import type pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import { connect } from "../../src/index.ts"
import { otelMetrics } from "../../src/monitor/otel.ts"
import { instrumentPool } from "../../src/pg.ts"
import { eachServer } from "../support/each-server.ts"

const require = createRequire(import.meta.url)

eachServer(
  "db.client.operation.duration beside the real instrumentation-pg",
  (target) => {
    let instrumentation: PgInstrumentation
    let patched: typeof pg

    beforeAll(() => {
      // It patches what is required from now on.
      for (const file of Object.keys(require.cache))
        if (/[\\/]node_modules[\\/]pg(-pool)?[\\/]/.test(file)) delete require.cache[file]
      instrumentation = new PgInstrumentation()
      patched = require("pg")
    })
    afterAll(() => instrumentation.disable())

    /** How often the calls of a Selecto and of a pool beside it are counted. */
    async function counted(duration: "auto" | "on"): Promise<Record<string, number>> {
      const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
      const provider = new MeterProvider({
        readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
      })
      instrumentation.setMeterProvider(provider)
      const pool = new patched.Pool({ connectionString: target.server.url, max: 2 })
      const selecto = connect(pool, { monitor: { eventLoopDelay: false } })
      instrumentPool(pool, selecto)
      const exported = otelMetrics(selecto, { meter: provider.getMeter("selecto-pg"), duration })
      for (let n = 0; n < 3; n++) await pool.query("select $1::int", [n])
      for (let n = 0; n < 4; n++) await selecto.statement("select relname from pg_class where oid = $1", [n]).execute()
      await expect(selecto.statement("select 1 / 0").execute()).rejects.toThrow()
      for await (const _ of selecto.statement("select typname from pg_type limit 3").stream());
      await provider.forceFlush()
      const counts: Record<string, number> = {}
      for (const { scopeMetrics } of exporter.getMetrics())
        for (const { scope, metrics } of scopeMetrics)
          for (const { descriptor, dataPoints } of metrics)
            if (descriptor.name === "db.client.operation.duration")
              for (const { value } of dataPoints)
                counts[scope.name] = (counts[scope.name] ?? 0) + (value as { count: number }).count
      exported.close()
      await selecto.close()
      await pool.end()
      await provider.shutdown()
      return counts
    }

    const theirs = "@opentelemetry/instrumentation-pg"
    const ours = "selecto-pg"
    const calls = 9

    test("each call is counted once: by it; asked for, by both", async () => {
      const auto = await counted("auto")
      expect(Object.keys(auto)).toEqual([theirs])
      // What a stream sends to begin and to end counts there.
      expect(auto[theirs]).toBeGreaterThanOrEqual(calls)
      expect(await counted("on")).toEqual({ ...auto, [ours]: calls })
    })

    test("where it is switched off, by us", async () => {
      instrumentation.disable()
      expect(await counted("auto")).toEqual({ [ours]: calls })
      instrumentation.enable()
    })
  },
  { pglite: false },
)
