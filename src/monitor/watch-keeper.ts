import type { Alert } from "./alerts/alert.ts"
import { alertId, type Tracked } from "./alerts/engine.ts"
import type { Watch } from "./watch.ts"
import type { OrphanedAlert, WatchHistory } from "./watch-history.ts"

/** From one attempt to read the past to the next, while it cannot be read. */
const againMs = 600_000
const hoursAtOnce = 50

/** Carries what watching learns over a restart: reads it when it starts, and keeps it as it grows. Failures are remembered, not thrown. */
export class Keeper {
  readonly #history: WatchHistory
  readonly #watch: Watch
  readonly #asked = new Set<string>()
  #past: Promise<boolean> | null = null
  #triedAt = Number.NEGATIVE_INFINITY
  #told: Alert[] = []
  #adopted = false
  /** Why the last attempt failed; null after a success. */
  lastError: string | null = null

  constructor(history: WatchHistory, watch: Watch) {
    this.#history = history
    this.#watch = watch
  }

  /** An alert that was told. */
  note(alert: Alert): void {
    this.#told.push(alert)
    if (this.#told.length > 1000) this.#told.shift()
  }

  /** Resolves when the past was read, or cannot be for now. */
  async restored(): Promise<void> {
    const { clock } = this.#watch.recorder
    if (this.#past === null) {
      if (clock.monotonic() - this.#triedAt < againMs) return
      this.#triedAt = clock.monotonic()
      this.#past = this.#restore()
    }
    if (!(await this.#past)) this.#past = null
  }

  /** Takes over what an earlier process left open on the database, and reads the hours of statements that have come up since. */
  async catchUp(): Promise<void> {
    if (this.#past === null) return
    const { database } = this.#watch.book
    if (database !== "") await this.#adopt(database)
    await this.#readHours()
  }

  async #readHours(): Promise<void> {
    const { recorder, book } = this.#watch
    const unknown = [...recorder.store.all()]
      .filter(({ fingerprint, identity }) => identity === "fingerprint" && !this.#asked.has(fingerprint))
      .map(({ fingerprint }) => fingerprint)
      .slice(0, hoursAtOnce)
    if (unknown.length === 0) return
    await this.#guard(async () => {
      for (const hour of await this.#history.hours(unknown, recorder.clock.wall()))
        book.regressions.baselines.put(hour.fingerprint, hour)
      for (const fingerprint of unknown) this.#asked.add(fingerprint)
    })
  }

  async save(): Promise<void> {
    if (this.#past === null) return
    const { sampler, collector, alerting, book, recorder } = this.#watch
    const shapes = sampler?.log.takeUnsaved() ?? []
    const told = this.#told
    this.#told = []
    // The ones that go on give a sign of life.
    const open = alerting.alerts().filter(({ state }) => state === "firing" || state === "clearing" || state === "no_data")
    const alerts = new Map([...told, ...open].map((alert) => [`${alert.id} ${alert.firedAt?.getTime()}`, alert]))
    const saved = await this.#guard(() =>
      this.#history.save(
        {
          shapes,
          serverHours: book.regressions.takeServerHours(),
          unusedSince: collector?.unusedSince ?? new Map(),
          alerts: [...alerts.values()].filter(({ firedAt }) => firedAt !== null),
        },
        recorder.clock.wall(),
      ),
    )
    if (!saved) {
      sampler?.log.restoreUnsaved(shapes)
      this.#told = [...told, ...this.#told].slice(-1000)
    }
  }

  async close(): Promise<void> {
    await this.save()
    const open = this.#watch.alerting.alerts().filter(({ state }) => state !== "pending" && state !== "resolved")
    if (this.#past !== null && open.length > 0) await this.#guard(() => this.#history.release(open))
  }

  async #adopt(database: string): Promise<void> {
    if (this.#adopted) return
    this.#adopted = true
    await this.#guard(async () => {
      for (const orphan of await this.#history.adopt(database)) this.#continue(orphan, database)
    })
  }

  async #restore(): Promise<boolean> {
    const { recorder, sampler, collector, book } = this.#watch
    return await this.#guard(async () => {
      const past = await this.#history.load(recorder.clock.wall())
      sampler?.log.restore(past.shapes)
      book.regressions.restore(past.firstSeen, past.serverHours)
      for (const [name, since] of past.unusedSince) collector?.unusedSince.set(name, since)
    })
  }

  #continue(orphan: OrphanedAlert, database: string): void {
    const { alerting, recorder } = this.#watch
    const settings = alerting.engine.rules.find(({ rule }) => rule.type === orphan.type)
    if (settings === undefined) return
    const { clock } = recorder
    const firedAt = clock.monotonic() - Math.max(0, clock.wall() - orphan.firedAt)
    const measurement = {
      subject: orphan.subject ?? "",
      fingerprint: orphan.fingerprint,
      value: orphan.value,
      summary: () => orphan.summary,
    }
    const alert: Tracked = {
      id: alertId(orphan.type, database, measurement),
      settings,
      database,
      state: "firing",
      severity: orphan.severity,
      measurement,
      since: firedAt,
      firedAt,
      clearingSince: null,
      resolvedAt: null,
      toldAt: firedAt,
    }
    alerting.restore(alert)
  }

  async #guard(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      this.lastError = null
      return true
    } catch (error) {
      this.lastError = error instanceof Error ? error.message : String(error)
      return false
    }
  }
}
