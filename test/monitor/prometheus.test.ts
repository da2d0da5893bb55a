import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { type AddressInfo, createServer as createSocket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Registry } from "prom-client"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { grafanaDashboard } from "../../src/monitor/grafana.ts"
import { createMonitor, type Monitor } from "../../src/monitor/index.ts"
import { metricTable } from "../../src/monitor/metric-table.ts"
import { prometheusMetrics } from "../../src/monitor/prometheus.ts"
import { StickyTop } from "../../src/monitor/sticky-top.ts"

function call(monitor: Monitor, text: string, time: number, error: string | null = null): void {
  const context = monitor.recorder.captureContext()
  monitor.recorder.record(text, time, 0.25, time * 0.5, time * 0.5, 3, -1, error, null, "statement", context)
}

async function samplesOf(text: string): Promise<Map<string, number>> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]))
}

describe("the Prometheus text", () => {
  test("holds the figures in base units, buckets counted exactly", async () => {
    const monitor = createMonitor().service
    onTestFinished(() => monitor.close())
    for (const time of [0.1, 0.3, 3, 3.9, 4, 50, 70_000]) call(monitor, "select * from film where id = 7", time)
    call(monitor, "select * from film where id = 8", 2, "23505")
    await monitor.ready()
    const { fingerprint } = monitor.metrics()[0]!
    const samples = await samplesOf(await prometheusMetrics({ monitor }).metrics())
    const of = (name: string, labels = "") => samples.get(`${name}{fingerprint="${fingerprint}"${labels}}`)
    expect(of("selecto_query_calls_total")).toBe(8)
    expect(of("selecto_query_seconds_total")).toBeCloseTo(70.0633, 4)
    expect(of("selecto_query_rows_total")).toBe(24)
    expect(of("selecto_query_errors_total", ',sqlstate_class="23"')).toBe(1)
    const below = (le: string) => samples.get(`selecto_query_duration_seconds_bucket{fingerprint="${fingerprint}",le="${le}"}`)
    expect([below("0.000125"), below("0.0005"), below("0.004"), below("0.008"), below("32.768"), below("+Inf")]).toEqual([
      1, 2, 5, 6, 7, 8,
    ])
    expect(
      samples.get(
        `selecto_query_info{fingerprint="${fingerprint}",summary="SELECT film",query="select * from film where id = $1"}`,
      ),
    ).toBe(1)
    expect(samples.get("selecto_pool_wait_seconds_count")).toBe(8)
  })

  test("every row of the table is there, with its help, and no metric beside", async () => {
    const monitor = createMonitor().service
    onTestFinished(() => monitor.close())
    call(monitor, "select 1", 1, "40001")
    const text = await prometheusMetrics({ monitor }).metrics()
    const named = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`)
    expect(named.sort()).toEqual(metricTable.map((row) => `${row.name} ${row.type}`).sort())
    for (const row of metricTable) expect(text).toContain(`# HELP ${row.name} ${row.help}`)
  })

  test("totals add up whatever has a series of its own", async () => {
    const monitor = createMonitor().service
    onTestFinished(() => monitor.close())
    for (let table = 0; table < 30; table++) for (let n = 0; n <= table; n++) call(monitor, `select * from t${table}`, 1)
    await monitor.ready()
    const samples = await samplesOf(await prometheusMetrics({ monitor }, { top: 5 }).metrics())
    const calls = [...samples].filter(([name]) => name.startsWith("selecto_query_calls_total"))
    expect(calls).toHaveLength(6)
    expect(calls.reduce((sum, [, n]) => sum + n, 0)).toBe(465)
  })

  test("exemplars of the caller's trace are on the bucket, in OpenMetrics", async () => {
    const monitor = createMonitor().service
    onTestFinished(() => monitor.close())
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    let trace = 0
    const exported = prometheusMetrics({ monitor }, { registry, exemplar: () => ({ trace_id: `trace${++trace}` }) })
    call(monitor, "select 1", 3)
    await monitor.ready()
    call(monitor, "select 1", 3)
    const text = await exported.metrics()
    expect(text).toMatch(
      /selecto_query_duration_seconds_bucket\{fingerprint="\w+",le="0.004"\} 2 # \{trace_id="trace2"\} 0.003 \d+/,
    )
    expect(text).toMatch(/selecto_query_calls_total\{fingerprint="\w{16}"\} 2\n/)
    expect(text.endsWith("# EOF\n")).toBe(true)
    exported.close()
    expect(registry.getMetricsAsArray()).toEqual([])
  })

  test("without an exporter nothing grows but the counters", () => {
    const monitor = createMonitor().service
    onTestFinished(() => monitor.close())
    for (let n = 0; n < 10_000; n++) call(monitor, "select 1", 1)
    expect(monitor.recorder.listened).toBe(false)
    expect(monitor.metrics()[0]!.calls).toBe(10_000)
  })
})

describe("sticky places", () => {
  const weights = (...values: number[]) => values.map((weight, n) => ({ fingerprint: `f${n}`, weight }))

  test("a little heavier is not enough, much heavier is", () => {
    const top = new StickyTop(2)
    expect([...top.choose(weights(10, 9, 8), 0)].sort()).toEqual(["f0", "f1"])
    expect([...top.choose(weights(10, 9, 13), 1)].sort()).toEqual(["f0", "f1"])
    expect([...top.choose(weights(10, 9, 14), 2)].sort()).toEqual(["f0", "f2"])
  })

  test("a place is lost a day after its statement was last among the heaviest", () => {
    const top = new StickyTop(1)
    top.choose(weights(10, 9), 0)
    expect([...top.choose(weights(10, 12), 3_600_000)]).toEqual(["f0"])
    expect([...top.choose(weights(10, 12), 25 * 3_600_000)]).toEqual(["f1"])
  })
})

const missing = spawnSync("prometheus", ["--version"]).status !== 0
if (missing) {
  if (process.env.REQUIRE_SERVICES === "1") throw new Error("Prometheus is not installed: apt-get install prometheus")
  process.stderr.write("skipped: a real Prometheus (apt-get install prometheus)\n")
}

describe.skipIf(missing)("a real Prometheus", () => {
  const folder = mkdtempSync(join(tmpdir(), "selecto-prometheus-"))
  let monitor: Monitor
  let server: Server
  let prometheus: ReturnType<typeof spawn>
  let address: string

  beforeAll(async () => {
    monitor = createMonitor().service
    const pool = { totalCount: 3, idleCount: 1, waitingCount: 0, options: { max: 5 } }
    monitor.watchPool(pool, "main")
    // The counts of a pool are gone with the pool.
    afterAll(() => expect(pool.totalCount).toBe(3))
    for (let n = 0; n < 50; n++) call(monitor, "select * from film", 20, n % 10 === 0 ? "40001" : null)
    await monitor.ready()
    const exported = prometheusMetrics({ monitor })
    server = createServer(async (_, response) => {
      call(monitor, "select * from film", 20, "40001")
      response.setHeader("content-type", exported.contentType)
      response.end(await exported.metrics())
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const port = await freePort()
    address = `http://127.0.0.1:${port}`
    writeFileSync(
      join(folder, "prometheus.yml"),
      `global: { scrape_interval: 250ms }\nscrape_configs: [{ job_name: app, static_configs: [{ targets: ["127.0.0.1:${(server.address() as AddressInfo).port}"] }] }]\n`,
    )
    prometheus = spawn(
      "prometheus",
      [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=error",
      ],
      { stdio: "ignore" },
    )
  })
  afterAll(async () => {
    const gone = new Promise((resolve) => prometheus.once("exit", resolve))
    prometheus.kill("SIGKILL")
    await gone
    server.close()
    server.closeAllConnections()
    monitor.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Asks until there is an answer that satisfies; a scrape takes its time. */
  const query = async (
    expr: string,
    fits: (result: { metric: Record<string, string>; value: [number, string] }[]) => boolean,
  ) => {
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await fetch(`${address}/api/v1/query?query=${encodeURIComponent(expr)}`)
        if (response.status === 503) throw new Error("fetch failed: it is still starting")
        const body = (await response.json()) as { status: string; error?: string; data?: { result: never[] } }
        if (body.status === "success" && fits(body.data!.result)) return body.data!.result
        if (body.status === "error") throw new Error(`${expr}: ${body.error}`)
        if (attempt > 150) throw new Error(`${expr}: no fitting answer: ${JSON.stringify(body).slice(0, 500)}`)
      } catch (error) {
        if (!/fetch failed/.test(String(error)) || attempt > 150) throw error
      }
      await delay(100)
    }
  }

  test("scrapes what the guide promises", async () => {
    expect(await query("up", ([one]) => one?.value[1] === "1")).toHaveLength(1)
    const { fingerprint } = monitor.metrics()[0]!
    const calls = await query("selecto_query_calls_total", (found) => found.length >= 2)
    expect(calls).toEqual(expect.arrayContaining([expect.objectContaining({ metric: expect.objectContaining({ fingerprint }) })]))
    const info = await query('selecto_query_info{summary="SELECT film"}', (found) => found.length === 1)
    expect(info).toHaveLength(1)
  })

  test("answers every panel of the dashboard", async () => {
    const { panels } = grafanaDashboard()
    expect(panels.length).toBeGreaterThan(8)
    for (const panel of panels)
      for (const target of panel.targets) {
        // Those of the server need one: see prometheus-rules.test.ts.
        if (/selecto_(pg_|alerts)/.test(target.expr)) continue
        const expr = target.expr.replaceAll("$__rate_interval", "10s")
        // Nothing was dropped, so its rate is 0; everything else has moved.
        const result = await query(expr, (found) => found.length > 0 && found.some((one) => one.value[1] !== "NaN"))
        expect(result.length, panel.title).toBeGreaterThan(0)
      }
  })
})

async function freePort(): Promise<number> {
  const socket = createSocket()
  await new Promise<void>((resolve) => socket.listen(0, "127.0.0.1", resolve))
  const { port } = socket.address() as AddressInfo
  await new Promise((resolve) => socket.close(resolve))
  return port
}
