import type { Cursor, ResultField, TextRow } from "./database.ts"
import type { StepResult, WireStep } from "./wire.ts"

type Exchange = (steps: readonly WireStep[]) => Promise<StepResult[]>

/** A {@link Cursor} over a portal of the extended protocol. */
export class PortalCursor implements Cursor {
  readonly fields: readonly ResultField[]
  readonly #portal: string
  readonly #read: Exchange
  readonly #finish: Exchange
  #ready: TextRow[]
  #open: boolean
  #failed = false
  #closed = false
  #reading: Promise<unknown> = Promise.resolve()

  constructor(portal: string, first: StepResult, read: Exchange, finish: Exchange) {
    this.fields = first.fields
    this.#portal = portal
    this.#read = read
    this.#finish = finish
    this.#ready = first.rows
    this.#open = first.suspended
  }

  async read(count: number): Promise<TextRow[]> {
    if (this.#closed || count <= this.#ready.length || !this.#open) {
      return this.#closed ? [] : this.#ready.splice(0, count)
    }
    const ready = this.#ready
    this.#ready = []
    const reading = this.#read([{ kind: "fetch", portal: this.#portal, maxRows: count - ready.length }])
    this.#reading = reading
    try {
      const [result] = await reading
      this.#open = result!.suspended
      return ready.length === 0 ? result!.rows : [...ready, ...result!.rows]
    } catch (error) {
      // The server has closed the portal with the failed transaction.
      this.#failed = true
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#ready = []
    await this.#reading.catch(() => {})
    if (this.#failed) return
    await this.#finish([{ kind: "close", portal: this.#portal }])
  }
}
