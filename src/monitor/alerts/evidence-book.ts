import { repairNormalised } from "../../sql/index.ts"
import type { Entry, Tally } from "../entry.ts"
import type { PlanChange } from "../plans/plan-log.ts"
import type { PlanSampler } from "../plans/sampler.ts"
import type { MonitorPorts } from "../ports.ts"
import type { Recorder } from "../recorder.ts"
import { Regressions } from "../regressions/regressions.ts"
import type { Collector } from "../server/collector.ts"
import type { ServerReport } from "../server/report.ts"
import { tablesOf } from "../server/statement-names.ts"
import { windowOf } from "../store.ts"
import type { Evidence, SlowCall } from "./evidence.ts"
import { HistogramWindow } from "./pool-wait.ts"
import { hour } from "./rule.ts"
import { cacheFigures } from "./rules/memory.ts"

/** Rounds that may be missing before the server's last figures are too old to judge by. */
const roundsTrusted = 3

/** Who asks the server. */
export type ServerSource = Pick<Collector, "state" | "lastRoundAt" | "intervalMs" | "health">
/** Who runs statements again to measure them. */
export type RunSource = Pick<PlanSampler, "measured">

/** Gathers what rules judge by: this process's statements, the server's report, and their pasts. */
export class EvidenceBook {
  readonly regressions: Regressions
  readonly #recorder: Recorder
  readonly #ports: MonitorPorts
  readonly #collector: ServerSource | null
  readonly #sampler: RunSource | null
  readonly #poolWait = new HistogramWindow()
  #database = ""

  constructor(recorder: Recorder, ports: MonitorPorts, collector: ServerSource | null, sampler: RunSource | null) {
    this.#recorder = recorder
    this.#ports = ports
    this.#collector = collector
    this.#sampler = sampler
    this.regressions = new Regressions(recorder.clock.wall())
  }

  /** The database's name, "" while it is not known. */
  get database(): string {
    return this.#collector?.state.identity?.database ?? this.#database
  }

  /** What must be asked for before judging. Never rejects. */
  async prepare(): Promise<void> {
    if (this.database === "" && this.#collector === null && this.#ports.database !== null)
      this.#database = await nameOf(this.#ports.database).catch(() => "")
  }

  /** Turns the page: called once for each judging of all rules, about once a minute. */
  turn(): void {
    const { clock, store, poolWait } = this.#recorder
    const now = clock.monotonic()
    const report = this.#server(now, hour)
    this.regressions.minute(clock.wall(), store.all(), report?.statements ?? null, report === null ? null : cacheFigures(report))
    this.#poolWait.note(now, poolWait)
  }

  evidence(slowCalls: readonly SlowCall[], changes: readonly PlanChange[]): Evidence {
    const recorder = this.#recorder
    recorder.settle()
    const now = recorder.clock.monotonic()
    const wall = recorder.clock.wall()
    const entries = [...recorder.store.all()]
    const reports = new Map<number, ServerReport | null>()
    const server = (ms: number): ServerReport | null => {
      if (!reports.has(ms)) reports.set(ms, this.#server(now, ms))
      return reports.get(ms)!
    }
    const windows = new Map<string, Tally>()
    const { regressions } = this
    return {
      now,
      wall,
      database: this.database,
      entries,
      slowCalls,
      window: (entry, ms) => {
        const key = `${ms} ${entry.fingerprint}`
        let tally = windows.get(key)
        if (tally === undefined) {
          ;({ tally } = windowOf(entry, now - ms))
          windows.set(key, tally)
        }
        return tally
      },
      poolWait: (ms) => this.#poolWait.after(now - ms, recorder.poolWait),
      collector: this.#collector?.health() ?? null,
      server,
      comparisons: () => regressions.compare(now, wall, entries, server(hour)?.statements ?? null),
      planRegressions: () => regressions.comparePlans(now, wall, byFingerprint(entries), changes),
      newcomers: () => regressions.newcomers(now, wall, entries),
      measured: (fingerprint) => this.#sampler?.measured(fingerprint) ?? null,
      cacheBaseline: () => regressions.cacheBaseline(wall),
    }
  }

  /** Statements with their calls of the last hour, heaviest first; of one, of those that touch a table, or of all. */
  workload({ fingerprint, table }: { readonly fingerprint: string | null; readonly table: string | null }): {
    text: string
    calls: number
  }[] {
    const { clock, store } = this.#recorder
    const now = clock.monotonic()
    const found = new Map<string, { text: string; calls: number; time: number }>()
    for (const one of this.#collector?.state.report(now, hour)?.statements ?? [])
      if (one.text !== null) found.set(one.fingerprint, { text: one.text, calls: one.calls, time: one.time })
    for (const entry of store.all()) {
      if (entry.text === null || found.has(entry.fingerprint)) continue
      const { tally } = windowOf(entry, now - hour)
      found.set(entry.fingerprint, { text: repairNormalised(entry.text), calls: Math.max(1, tally.calls), time: tally.time.sum })
    }
    const chosen = [...found].filter(([key, { text }]) =>
      fingerprint !== null ? key === fingerprint : table === null || touches(text, table),
    )
    return chosen
      .map(([, one]) => one)
      .sort((a, b) => b.time - a.time)
      .map(({ text, calls }) => ({ text, calls }))
  }

  /** Null while another process collects, or nobody did for too long. */
  #server(now: number, ms: number): ServerReport | null {
    const collector = this.#collector
    if (collector === null || collector.lastRoundAt === null) return null
    const { state } = collector.health()
    if (state === "standby" || state === "stopped") return null
    return now - collector.lastRoundAt <= roundsTrusted * collector.intervalMs ? collector.state.report(now, ms) : null
  }
}

function byFingerprint(entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  return new Map(entries.map((entry) => [entry.fingerprint, entry]))
}

function touches(text: string, table: string): boolean {
  return tablesOf(text).some(({ schema, name }) => (schema === null ? table.endsWith(`.${name}`) : `${schema}.${name}` === table))
}

async function nameOf(database: NonNullable<MonitorPorts["database"]>): Promise<string> {
  const { rows } = await database.queryText(
    { text: "select current_database() /* selecto:monitor */", values: [] },
    { timeoutMs: 5000 },
  )
  return rows[0]?.[0] ?? ""
}
