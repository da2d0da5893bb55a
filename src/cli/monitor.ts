import { setTimeout as pause } from "node:timers/promises"
import { connect } from "../client/connect.ts"
import type { Selecto } from "../client/selecto.ts"
import { SelectoError } from "../errors.ts"
import { prometheusRulesYaml } from "../monitor/alerts/prometheus-rules.ts"
import { type Alert, defaultAlerts, lockLines, type ServerReport, type ServerStatement } from "../monitor/index.ts"
import { formatBytes, formatMs, indent, type Terminal, table, wrap } from "./terminal.ts"

export interface MonitorCommandOptions {
  readonly databaseUrl?: string | undefined
  /** Seconds. */
  readonly interval?: number | string | undefined
  readonly by?: string | undefined
  readonly limit?: number | string | undefined
  readonly once?: boolean | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly prometheusRules?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const orders: Readonly<Record<string, (statement: ServerStatement) => number>> = {
  time: ({ time }) => time,
  calls: ({ calls }) => calls,
  mean: ({ mean }) => mean,
  rows: ({ rows }) => rows,
  reads: ({ sharedReadBytes }) => sharedReadBytes,
  temp: ({ tempWrittenBytes }) => tempWrittenBytes,
}

/** One picture of the server. */
interface Picture {
  readonly report: ServerReport
  readonly alerts: readonly Alert[]
  readonly seconds: number
}

/** `selecto monitor`. Returns the exit code: 1 with --check where an alert is firing that is more than a remark. */
export async function monitorCommand(terminal: Terminal, options: MonitorCommandOptions): Promise<number> {
  if (options.prometheusRules === true) {
    terminal.out(prometheusRulesYaml().trimEnd())
    return 0
  }
  const seconds = amount(options.interval ?? 2, "interval", 0.1)
  const limit = amount(options.limit ?? 15, "limit", 1)
  const order = orders[options.by ?? "time"]
  if (order === undefined)
    throw new SelectoError("E_INVALID_OPTION", `--by is one of ${Object.keys(orders).join(", ")}.`, { path: "by" })
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, {
    applicationName: "selecto monitor",
    maxConnections: 4,
    monitor: {
      eventLoopDelay: false,
      // Rounds are taken here, by hand; other processes go on collecting.
      server: {
        exclusive: false,
        interval: "1h",
        sample: "1h",
        texts: options.once === true ? 0 : Math.max(5000, seconds * 1000),
      },
      plans: false,
      // This is how it is now: nothing waits until it has lasted.
      alerts: defaultAlerts.map((alert) => ({ ...alert, for: 0, action: "log" as const })),
      logger: false,
    },
  })
  let since = await round(selecto)
  for (let first = true; ; first = false) {
    if (first) terminal.progress(`counting for ${seconds} s…`)
    if (!(await watched(selecto, seconds * 1000, options.signal))) return 0
    const now = await round(selecto)
    const picture = pictureOf(selecto, now - since)
    since = now
    terminal.progress(null)
    if (options.json === true) terminal.out(JSON.stringify({ ...picture.report, alerts: picture.alerts }))
    else terminal.out(`${options.once === true || !terminal.color ? "" : home}${paint(picture, order, limit, terminal.width)}`)
    if (options.once !== true) continue
    return options.check === true && picture.alerts.some(({ severity }) => severity !== "info") ? 1 : 0
  }
}

/** To the upper left, and everything below it away. */
const home = "\x1b[H\x1b[J"

/** Asks the server; gives when. */
async function round({ monitor }: Selecto): Promise<number> {
  await monitor.collect()
  const { lastError } = monitor.health().collector!
  if (lastError !== null) throw new SelectoError("E_CONNECTION", lastError.message)
  return performance.now()
}

function pictureOf({ monitor }: Selecto, ms: number): Picture {
  // Only what the last round counted, not the one before.
  const report = monitor.server({ window: Math.max(1, Math.floor(ms) - 1) })!
  return { report, alerts: monitor.alerts().filter(({ state }) => state === "firing"), seconds: ms / 1000 }
}

function paint({ report, alerts, seconds }: Picture, order: (typeof orders)[string], limit: number, width: number): string {
  return [
    heading(report, seconds),
    statements(report, order!, limit, seconds, width),
    ...section("locks", report.locks === null ? [] : lockLines(report.locks)),
    ...section(
      "alerts",
      alerts.map(({ severity, summary }) => wrap(`${severity}: ${summary}`, width - 2)),
    ),
    ...section(
      "missing",
      report.gaps.map(({ what, reason, remedy }) =>
        wrap(`${what}: ${reason}${remedy === null ? "" : ` → ${remedy}`}`, width - 2),
      ),
    ),
  ].join("\n")
}

function heading({ server, connections, load, database, transactions }: ServerReport, seconds: number): string {
  const rate = (n: number): string => (n / seconds).toFixed(n / seconds >= 100 ? 0 : 1)
  const facts = [
    `${server.database} · PostgreSQL ${Math.floor(server.version / 10_000)}${server.standby ? " standby" : ""}`,
    connections === null ? null : `${connections.used}/${connections.usable} connections`,
    database === null ? null : `${rate(database.commits + database.rollbacks)} transactions/s`,
    database?.hitRatio == null ? null : `${(database.hitRatio * 100).toFixed(1)} % of blocks in shared_buffers`,
    transactions?.longest == null ? null : `longest transaction ${formatMs(transactions.longest.transactionMs ?? 0)}`,
  ]
  const waits = (load?.waits ?? []).slice(0, 6).map(({ type, event, sessions }) => `${sessions.toFixed(1)} ${event ?? type}`)
  const active = `${(load?.activeSessions ?? 0).toFixed(1)} active sessions`
  return `${facts.filter((fact) => fact !== null).join(" · ")}\n${active}${waits.length === 0 ? "" : `: ${waits.join(", ")}`}\n`
}

function statements(
  { statements: all }: ServerReport,
  order: (statement: ServerStatement) => number,
  limit: number,
  seconds: number,
  width: number,
): string {
  if (all === null) return "No statements: pg_stat_statements cannot be read."
  if (all.length === 0) return `No statement ran in these ${seconds.toFixed(1)} s.`
  const rows = [...all]
    .sort((a, b) => order(b) - order(a))
    .slice(0, limit)
    .map((one) => [
      one.summary ?? one.fingerprint,
      `${Math.round(one.share * 100)} %`,
      (one.calls / seconds).toFixed(1),
      formatMs(one.mean),
      formatMs(one.deviation),
      (one.rows / one.calls).toFixed(1),
      one.sharedHitRatio === null ? "-" : `${(one.sharedHitRatio * 100).toFixed(0)} %`,
      one.tempWrittenBytes === 0 ? "-" : formatBytes(one.tempWrittenBytes / one.calls),
      (one.text ?? "").replace(/\s+/g, " "),
    ])
  return table(["statement", "time", "calls/s", "mean", "±", "rows", "hits", "temp", "text"], rows, width)
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\n${title}`, indent(lines.join("\n"))]
}

function amount(value: number | string, option: string, least: number): number {
  const number = Number(value)
  if (Number.isFinite(number) && number >= least) return number
  throw new SelectoError("E_INVALID_OPTION", `--${option} is a number of at least ${least}.`, { path: option })
}

/** Lets the time pass, and looks at the sessions meanwhile. False when the signal came first. */
async function watched({ monitor }: Selecto, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  const looks = 4
  try {
    for (let look = 0; look < looks; look++) {
      await pause(ms / looks, undefined, { signal })
      if (look < looks - 1) await monitor.watch.collector!.sample()
    }
    return true
  } catch {
    return false
  }
}
