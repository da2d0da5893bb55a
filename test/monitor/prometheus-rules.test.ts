import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo, createServer as createSocket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, onTestFinished, test } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { alertTypes } from "../../src/monitor/alerts/alert.ts"
import { grafanaDashboard } from "../../src/monitor/grafana.ts"
import { metricTable } from "../../src/monitor/metric-table.ts"
import { prometheusMetrics, prometheusRules, prometheusRulesYaml } from "../../src/monitor/prometheus.ts"
import { serverMissing, skips } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"
import { watched } from "./watched.ts"

const folder = mkdtempSync(join(tmpdir(), "selecto-rules-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const { rules } = prometheusRules().groups[0]!

test("every rule of the table is there, over metrics that are exported", () => {
  expect(new Set(rules.map(({ labels }) => labels.type))).toEqual(new Set([...alertTypes, "not_judging", "heartbeat"]))
  const names = new Set(metricTable.map(({ name }) => name))
  const labels = new Map(metricTable.map((row) => [row.name, row.labels]))
  for (const { expr, labels: own } of rules)
    for (const [, name, matchers] of expr.matchAll(/(selecto_[a-z_]+)(?:\{([^}]*)\})?/g)) {
      const metric = name!.replace(/_(bucket|count|sum)$/, "")
      expect(names, own.type).toContain(metric)
      for (const [, label] of (matchers ?? "").matchAll(/(\w+)!?=/g))
        expect(labels.get(metric), `${metric} in ${own.type}`).toContain(label)
    }
})

test("limits that are set are in the rules, and what was not asked for is not", () => {
  const { rules: few } = prometheusRules({
    alerts: [{ type: "connections", threshold: 0.5, critical: 0.6, for: "3m" }],
    keepFiring: false,
  }).groups[0]!
  expect(few.map(({ alert, expr, for: wait, labels }) => [alert, expr, wait, labels.severity])).toEqual([
    ["SelectoConnections", "sum(selecto_pg_connections) / max(selecto_pg_connections_usable) >= 0.5", "180s", "warning"],
    ["SelectoConnections", "sum(selecto_pg_connections) / max(selecto_pg_connections_usable) >= 0.6", "180s", "critical"],
    ["SelectoNotJudging", expect.any(String), "2m", "critical"],
    ["SelectoHeartbeat", "vector(1)", "0s", "none"],
  ])
})

const missing = spawnSync("promtool", ["--version"]).status !== 0 ? "promtool is not installed: apt-get install prometheus" : null

/** Series of one sample a minute, and the alerts that must be firing at some minute. */
interface RuleTest {
  readonly series: Readonly<Record<string, string>>
  readonly at: string
  readonly firing: readonly string[]
}

const judged = { selecto_monitor_judged_timestamp_seconds: "0+60x120", selecto_pg_up: "1x120" }
const ruleTests: Readonly<Record<string, RuleTest>> = {
  "a quiet hour": {
    series: {
      ...judged,
      'selecto_pg_connections{state="idle"}': "20x120",
      selecto_pg_connections_usable: "97x120",
      selecto_pg_deadlocks_total: "5x120",
      selecto_pg_lock_wait_seconds: "3x120",
      selecto_pg_waiting_sessions: "4x120",
      'selecto_query_calls_total{fingerprint="a"}': "0+100x120",
      'selecto_query_errors_total{fingerprint="a",sqlstate_class="23"}': "0+0.5x120",
      'selecto_query_errors_total{fingerprint="a",sqlstate_class="E_ABORTED"}': "0+50x120",
      'selecto_pg_slot_retained_bytes{slot="s",status="reserved"}': "1000x120",
      'selecto_alerts{alert="regression",severity="warning"}': "0x120",
    },
    at: "60m",
    firing: ["SelectoHeartbeat"],
  },
  "everything at once": {
    series: {
      ...judged,
      'selecto_pg_connections{state="active"}': "80x120",
      'selecto_pg_connections{state="idle"}': "13x120",
      selecto_pg_connections_usable: "97x120",
      selecto_pg_deadlocks_total: "0+1x120",
      selecto_pg_lock_wait_seconds: "31x120",
      selecto_pg_waiting_sessions: "1x120",
      'selecto_query_calls_total{fingerprint="a"}': "0+100x120",
      'selecto_query_errors_total{fingerprint="a",sqlstate_class="23"}': "0+3x120",
      'selecto_query_duration_seconds_count{fingerprint="a"}': "0+100x120",
      'selecto_query_duration_seconds_bucket{fingerprint="a",le="1.024"}': "0+90x120",
      'selecto_query_duration_seconds_bucket{fingerprint="a",le="2.048"}': "0+100x120",
      'selecto_query_duration_seconds_bucket{fingerprint="a",le="+Inf"}': "0+100x120",
      selecto_pool_wait_seconds_count: "0+100x120",
      'selecto_pool_wait_seconds_bucket{le="0.064"}': "0+90x120",
      'selecto_pool_wait_seconds_bucket{le="0.128"}': "0+100x120",
      'selecto_pool_wait_seconds_bucket{le="+Inf"}': "0+100x120",
      'selecto_pg_transaction_seconds{kind="idle"}': "400x120",
      'selecto_pg_transaction_seconds{kind="active"}': "1000x120",
      'selecto_pg_wraparound_ratio{database="d"}': "0.5x120",
      'selecto_pg_sequence_used_ratio{sequence="s"}': "0.95x120",
      'selecto_pg_vacuum_lag_ratio{table="t"}': "3x120",
      'selecto_pg_stale_statistics_ratio{table="t"}': "0.4x120",
      'selecto_pg_replication_lag_seconds{standby="s"}': "40x120",
      'selecto_pg_slot_retained_bytes{slot="s",status="extended"}': "1000x120",
      selecto_pg_statements_evictions_total: "0+1x120",
      'selecto_pg_statement_temp_bytes_total{fingerprint="a"}': "0+2000000000x120",
      'selecto_pg_statement_calls_total{fingerprint="a"}': "0+1x120",
      'selecto_pg_indexes{problem="duplicate"}': "1x120",
      'selecto_pg_indexes{problem="invalid"}': "1x120",
      selecto_pg_collector_missed_rounds: "3x120",
      ...Object.fromEntries(
        ["slow_query", "regression", "plan_changed", "new_heavy_query", "missing_index", "unused_index", "cache_hit_drop"].map(
          (alert) => [`selecto_alerts{alert="${alert}",severity="warning"}`, "1x120"],
        ),
      ),
    },
    at: "90m",
    firing: [...new Set(rules.map(({ alert }) => alert))].filter(
      (alert) => alert !== "SelectoTargetDown" && alert !== "SelectoNotJudging",
    ),
  },
  "a server that is gone, and a process that judges no more": {
    series: { selecto_pg_up: "1x10 0x60", selecto_monitor_judged_timestamp_seconds: "0+60x10 600x60" },
    at: "30m",
    firing: ["SelectoHeartbeat", "SelectoNotJudging", "SelectoTargetDown"],
  },
  "nothing is scraped": { series: {}, at: "10m", firing: ["SelectoHeartbeat", "SelectoNotJudging", "SelectoTargetDown"] },
}

describe.skipIf(skips(missing))("promtool", () => {
  const file = join(folder, "rules.yml")

  test("accepts the rule file", () => {
    writeFileSync(file, prometheusRulesYaml())
    const checked = spawnSync("promtool", ["check", "rules", file], { encoding: "utf8" })
    expect(checked.stdout + checked.stderr).toContain(`SUCCESS: ${rules.length} rules found`)
    // A rule that is none is refused: the check can fail.
    writeFileSync(join(folder, "broken.yml"), prometheusRulesYaml().replace("max(", "max(("))
    expect(spawnSync("promtool", ["check", "rules", join(folder, "broken.yml")]).status).not.toBe(0)
  })

  test.each(Object.keys(ruleTests))("the rules fire when they should: %s", (name) => {
    const { series, at, firing } = ruleTests[name]!
    const alerts = [...new Set(rules.map(({ alert }) => alert))]
    const quiet = alerts.filter((alert) => !firing.includes(alert))
    // Of those that fire promtool wants every label: they are counted by ALERTS instead, which says the same.
    const of = (names: readonly string[]): string =>
      `count(count by (alertname) (ALERTS{alertstate="firing",alertname=~"${names.join("|")}"})) or vector(0)`
    const check = (names: readonly string[], n: number): object => ({
      expr: of(names),
      eval_time: at,
      exp_samples: [{ labels: "{}", value: n }],
    })
    const tests = join(folder, "test.yml")
    writeFileSync(
      tests,
      JSON.stringify({
        rule_files: [file],
        evaluation_interval: "1m",
        tests: [
          {
            interval: "1m",
            input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
            promql_expr_test: [...firing.map((one) => check([one], 1)), ...(quiet.length > 0 ? [check(quiet, 0)] : [])],
          },
        ],
      }),
    )
    const run = spawnSync("promtool", ["test", "rules", tests], { encoding: "utf8" })
    expect(run.stdout + run.stderr).toContain("SUCCESS")
  })
})

describe.skipIf(skips(missing) || serverMissing(18))("a real Prometheus with a real server", () => {
  const database = testDatabase({ version: 18 })

  test("loads the rules, scrapes the server's figures, shows every panel, and an alert fires", { timeout: 120_000 }, async () => {
    const client = await database.client()
    await client.query("create extension pg_stat_statements; create table film as select n as id from generate_series(1, 1000) n")
    await client.query("create sequence full_seq maxvalue 100; select setval('full_seq', 95)")
    const db = openDatabase(database.url)
    const one = watched(db, { alerts: true }, undefined)
    const work = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await client.query("select count(*) from film where id > $1", [n])
    }
    await work()
    for (let n = 0; n < 3; n++) {
      await one.judge()
      await work()
    }
    const exported = prometheusMetrics({ monitor: one.monitor })
    const exporter = createServer(async (_, response) => {
      await work()
      await one.judge()
      response.setHeader("content-type", exported.contentType)
      response.end(await exported.metrics())
    })
    await new Promise<void>((resolve) => exporter.listen(0, "127.0.0.1", resolve))
    const rulesFile = join(folder, "loaded.yml")
    writeFileSync(rulesFile, prometheusRulesYaml())
    writeFileSync(
      join(folder, "prometheus.yml"),
      `global: { scrape_interval: 500ms, evaluation_interval: 500ms }\nrule_files: [${JSON.stringify(rulesFile)}]\nscrape_configs: [{ job_name: app, static_configs: [{ targets: ["127.0.0.1:${(exporter.address() as AddressInfo).port}"] }] }]\n`,
    )
    const port = await freePort()
    const prometheus = spawn(
      "prometheus",
      [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=error",
      ],
      { stdio: "ignore" },
    )
    onTestFinished(async () => {
      const gone = new Promise((resolve) => prometheus.once("exit", resolve))
      prometheus.kill("SIGKILL")
      await gone
      exporter.closeAllConnections()
      await new Promise((resolve) => exporter.close(resolve))
      await one.monitor.close()
      await db.close()
    })
    const api = async (path: string): Promise<{ data?: Record<string, never> }> => {
      try {
        return (await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as never
      } catch {
        return {}
      }
    }
    const query = async (expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> =>
      ((await api(`query?query=${encodeURIComponent(expr)}`)).data?.result as never) ?? []

    interface LoadedRule {
      readonly name: string
      readonly health: string
      readonly state: string
      readonly lastError?: string
    }
    const loaded = async (): Promise<LoadedRule[]> => {
      const groups = ((await api("rules")).data?.groups ?? []) as readonly { readonly rules: LoadedRule[] }[]
      return groups.flatMap((group) => group.rules)
    }
    await expect
      .poll(
        async () => (await loaded()).map(({ health, lastError }) => lastError ?? health).filter((health) => health !== "ok"),
        { timeout: 60_000 },
      )
      .toEqual([])
    await expect.poll(async () => (await loaded()).length, { timeout: 60_000 }).toBe(rules.length)
    await expect
      .poll(async () => (await loaded()).filter(({ state }) => state === "firing").map(({ name }) => name), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(["SelectoSequenceExhaustion", "SelectoHeartbeat"]))

    const info = await query('selecto_query_info{summary="SELECT film"}')
    expect(info).toHaveLength(1)
    expect(await query(`selecto_pg_statement_calls_total{fingerprint="${info[0]!.metric.fingerprint}"}`)).toHaveLength(1)
    // Every panel of the server's metrics has something to show.
    for (const { title, targets } of grafanaDashboard().panels) {
      const expr = targets[0]!.expr.replaceAll("$__rate_interval", "30s")
      if (!/selecto_(pg_|alerts)/.test(expr)) continue
      await expect.poll(async () => (await query(expr)).length, { timeout: 30_000, message: title }).toBeGreaterThan(0)
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
