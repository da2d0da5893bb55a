import { type ChangeListener, catalogRelation, listenForChanges, syncTracking, trackingStatus } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import type { Duration } from "../units.ts"
import type { Versions } from "./versions.ts"

/** How often the catalog is looked at where no event trigger tells of it. */
const pollMs = 5_000

/** Hears of changes for mode "delivered". Up from the first cached statement on. */
export class Ear {
  readonly #database: Database
  readonly #versions: Versions
  readonly #heartbeat: Duration
  readonly #onInvalidation: () => void
  #listener: ChangeListener | null = null
  #first: Promise<void> | null = null
  #polling: NodeJS.Timeout | undefined
  /** Statements of this process that may have changed something, and how many of them have been heard of. */
  #written = 0
  #heard = 0
  #settling: { readonly until: number; readonly done: Promise<void> } | null = null

  constructor(database: Database, versions: Versions, heartbeat: Duration, onInvalidation: () => void) {
    this.#database = database
    this.#versions = versions
    this.#heartbeat = heartbeat
    this.#onInvalidation = onInvalidation
  }

  get started(): boolean {
    return this.#first !== null
  }

  /** True while every commit is heard. */
  get up(): boolean {
    return this.#listener?.up === true
  }

  /** True when nothing of this process's own is still to be heard. */
  get settled(): boolean {
    return this.#heard === this.#written
  }

  /** Something may have been written here: before the next kept result is given, its notice must have come. */
  wrote(): void {
    this.#written++
  }

  /** Begins to listen; resolves when the line is up for the first time, or after a second. */
  start(): Promise<void> {
    this.#first ??= new Promise((resolve) => {
      const waited = setTimeout(resolve, 1000)
      this.#listener = listenForChanges(
        this.#database,
        {
          onUp: () => {
            // Whatever was kept before may have missed something.
            this.#versions.bumpAll()
            clearTimeout(waited)
            resolve()
          },
          onChange: ({ relation }) => {
            this.#onInvalidation()
            if (relation === catalogRelation) this.#versions.bumpAll()
            else this.#versions.bump(String(relation))
          },
          onDown: () => this.#versions.bumpAll(),
        },
        { heartbeat: this.#heartbeat },
      )
      this.#polling = setInterval(() => void this.#poll().catch(() => {}), pollMs)
      this.#polling.unref()
    })
    return this.#first
  }

  /** Resolves when whatever this process has written until now has been heard of. Rejects when the line is down. */
  async settle(): Promise<void> {
    const until = this.#written
    if (this.#settling?.until !== until) {
      const done = this.#listener!.settled().then(() => {
        this.#heard = Math.max(this.#heard, until)
      })
      this.#settling = { until, done }
      const forget = (): void => {
        if (this.#settling?.done === done) this.#settling = null
      }
      done.then(forget, forget)
    }
    await this.#settling!.done
  }

  /** Resolves when every notice sent before the call has been heard, whoever sent it. Rejects when the line is down. */
  heardAll(): Promise<void> {
    return this.#listener!.settled()
  }

  async #poll(): Promise<void> {
    const { installed, ddl } = await trackingStatus(this.#database)
    if (installed && ddl === "polling") await syncTracking(this.#database)
  }

  async close(): Promise<void> {
    clearInterval(this.#polling)
    await this.#listener?.close()
  }
}
