import type { Request } from "../../execution/request.ts"
import { explainStatement, type Plan } from "../../explain/index.ts"
import { repairNormalised } from "../../sql/index.ts"
import { percentile } from "../histogram.ts"
import type { MonitorPorts } from "../ports.ts"
import type { Recorder } from "../recorder.ts"
import { lifetimeOf } from "../store.ts"
import { operatorMemory, rowsExamined } from "./measure.ts"
import { type PlanChange, PlanLog } from "./plan-log.ts"
import { mayRunAgain, readsOnly } from "./readable.ts"

export interface PlanSettings {
  /** Least time between two plans of one statement, and between any two. */
  readonly everyMs: number
  readonly spacingMs: number
  readonly timeoutMs: number
  /** Runs what only reads once more, to measure it. */
  readonly analyze: boolean
}

/** What sampled runs of a statement measured. */
export interface MeasuredRuns {
  readonly n: number
  readonly rowsExamined: { readonly avg: number; readonly max: number }
  /** Bytes. */
  readonly memory: { readonly avg: number; readonly peak: number }
}

export interface PlanSamplerHealth {
  /** Plans taken, and plans that could not be had, since the start. */
  readonly sampled: number
  readonly failed: number
  readonly waiting: number
}

interface Task {
  readonly fingerprint: string
  readonly text: string
  /** With the values of a call; dropped with the task. */
  readonly request: Request | null
}

const queueLength = 64
const unidentifiedKept = 16
const runsKept = 20
const longestRunMs = 60_000

/**
 * Asks the server how it runs slow statements: reading ones only, seldom, in a READ ONLY transaction with timeouts. Values of a call are
 * held until its plan was asked for, and nowhere else.
 */
export class PlanSampler {
  readonly log: PlanLog = new PlanLog()
  readonly #ports: MonitorPorts
  readonly #settings: PlanSettings
  readonly #recorder: Recorder
  readonly #wanted = new Set<string>()
  readonly #sampledAt = new Map<string, number>()
  readonly #runs = new Map<string, { readonly rows: number; readonly memory: number }[]>()
  readonly #abort = new AbortController()
  #queue: Task[] = []
  #unidentified: Omit<Task, "fingerprint">[] = []
  #working: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #sampled = 0
  #failed = 0

  constructor(ports: MonitorPorts, settings: PlanSettings, recorder: Recorder) {
    this.#ports = ports
    this.#settings = settings
    this.#recorder = recorder
  }

  /** True while a call of some statement is waited for: callers then offer theirs. */
  get hungry(): boolean {
    return this.#wanted.size > 0
  }

  health(): PlanSamplerHealth {
    return { sampled: this.#sampled, failed: this.#failed, waiting: this.#queue.length }
  }

  /** Asks for a plan of these statements with their next call. */
  want(fingerprints: Iterable<string>): void {
    for (const fingerprint of fingerprints)
      if (this.#wanted.size < queueLength && this.#isDue(fingerprint)) this.#wanted.add(fingerprint)
  }

  /** A call that ended; `slow` ones are always of interest. The request is kept only if its plan is going to be asked for. */
  offer(text: string, request: Request | null, slow: boolean): void {
    const fingerprint = this.#recorder.identify(text)?.fingerprint
    if (fingerprint === undefined) {
      if (slow && this.#unidentified.length < unidentifiedKept) this.#unidentified.push({ text, request })
      return
    }
    if (!slow && !this.#wanted.has(fingerprint)) return
    this.#wanted.delete(fingerprint)
    this.#enqueue({ fingerprint, text, request })
  }

  /** Looks again at slow calls whose statement was not identified when they ended. */
  settle(): void {
    const waiting = this.#unidentified
    this.#unidentified = []
    for (const { text, request } of waiting) this.offer(text, request, true)
  }

  /** Takes a plan of a statement by its text without constants, when its calls do not come through us. Resolves when it was tried. */
  async sampleText(fingerprint: string, text: string): Promise<void> {
    this.#enqueue({ fingerprint, text: repairNormalised(text), request: null })
    await this.drain()
  }

  /** Works off what is waiting now, without pauses in between. */
  async drain(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    while (this.#queue.length > 0 || this.#working !== null) await (this.#working ?? this.#work())
  }

  /** What sampled runs of a statement measured; null without one. */
  measured(fingerprint: string): MeasuredRuns | null {
    const runs = this.#runs.get(fingerprint)
    if (runs === undefined || runs.length === 0) return null
    const mean = (of: (run: { rows: number; memory: number }) => number): number =>
      runs.reduce((total, run) => total + of(run), 0) / runs.length
    return {
      n: runs.length,
      rowsExamined: { avg: mean(({ rows }) => rows), max: Math.max(...runs.map(({ rows }) => rows)) },
      memory: { avg: mean(({ memory }) => memory), peak: Math.max(...runs.map(({ memory }) => memory)) },
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#queue = []
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#working
  }

  #isDue(fingerprint: string): boolean {
    const last = this.#sampledAt.get(fingerprint)
    return last === undefined || this.#recorder.clock.monotonic() - last >= this.#settings.everyMs
  }

  #enqueue(task: Task): void {
    const { fingerprint } = task
    if (this.#abort.signal.aborted || !this.#isDue(fingerprint) || this.#queue.length >= queueLength) return
    // From now on, so that a hundred slow calls at once are one plan.
    this.#sampledAt.delete(fingerprint)
    this.#sampledAt.set(fingerprint, this.#recorder.clock.monotonic())
    for (const oldest of this.#sampledAt.keys()) {
      if (this.#sampledAt.size <= 2000) break
      this.#sampledAt.delete(oldest)
    }
    this.#queue.push(task)
    if (this.#timer !== null || this.#working !== null) return
    this.#arm(0)
  }

  #arm(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      void this.#work().then(() => {
        if (this.#queue.length > 0 && !this.#abort.signal.aborted) this.#arm(this.#settings.spacingMs)
      })
    }, afterMs)
    this.#timer.unref()
  }

  async #work(): Promise<void> {
    const task = this.#queue.shift()
    if (task === undefined) return
    this.#working = this.#sample(task)
      .then(
        () => {
          this.#sampled++
        },
        () => {
          this.#failed++
        },
      )
      .finally(() => {
        this.#working = null
      })
    await this.#working
  }

  async #sample({ fingerprint, text, request }: Task): Promise<PlanChange | null> {
    if (!(await readsOnly(text))) return null
    let plan = await this.#explain(text, request, null)
    if (
      this.#settings.analyze &&
      request !== null &&
      (await mayRunAgain(this.#ports.database!, plan, this.#settings.timeoutMs))
    ) {
      plan = await this.#explain(text, request, this.#runLimit(fingerprint))
      this.#measure(fingerprint, plan)
    }
    const { clock } = this.#recorder
    const kind = request === null ? "generic" : "values"
    return this.log.add({ fingerprint, kind, plan, at: clock.monotonic(), wall: clock.wall() })
  }

  /** How long a statement may run when it is run again: twice what 95 % of its calls take. */
  #runLimit(fingerprint: string): number {
    const entry = this.#recorder.store.get(fingerprint)
    const p95 = entry === undefined ? null : percentile(lifetimeOf(entry).time, 0.95)
    return Math.min(longestRunMs, Math.max(this.#settings.timeoutMs, 2 * (p95 ?? 0)))
  }

  /** Runs the statement when `runMs` says how long it may take. */
  async #explain(text: string, request: Request | null, runMs: number | null): Promise<Plan> {
    const options = { analyze: runMs !== null, timeoutMs: runMs ?? this.#settings.timeoutMs, signal: this.#abort.signal }
    const { database, explain } = this.#ports
    if (request !== null && explain !== null) return explain(request, options)
    return explainStatement(
      database!,
      { text, values: request?.statement.values ?? [] },
      { ...options, genericPlan: request === null },
    )
  }

  #measure(fingerprint: string, plan: Plan): void {
    const rows = rowsExamined(plan)
    const memory = operatorMemory(plan)
    if (rows === null || memory === null) return
    const runs = this.#runs.get(fingerprint) ?? []
    runs.push({ rows, memory })
    if (runs.length > runsKept) runs.shift()
    this.#runs.delete(fingerprint)
    this.#runs.set(fingerprint, runs)
    for (const oldest of this.#runs.keys()) {
      if (this.#runs.size <= 1000) break
      this.#runs.delete(oldest)
    }
  }
}
