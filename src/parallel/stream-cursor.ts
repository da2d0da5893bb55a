import type { Cursor, ResultField, TextRow } from "../database/database.ts"
import { timeoutError } from "../database/database-error.ts"
import type { Stop } from "./crew.ts"

/** A {@link Cursor} over rows that come in batches of any length. */
export class StreamCursor implements Cursor {
  readonly fields: readonly ResultField[]
  readonly #next: () => Promise<TextRow[] | null>
  readonly #stop: Stop
  readonly #timeoutMs: number | undefined
  #ready: TextRow[] = []
  #at = 0
  #closed = false

  /** `next` gives null at the end. The timeout holds for every read, as a cursor's does. */
  constructor(fields: readonly ResultField[], next: () => Promise<TextRow[] | null>, stop: Stop, timeoutMs: number | undefined) {
    this.fields = fields
    this.#next = next
    this.#stop = stop
    this.#timeoutMs = timeoutMs
  }

  async read(count: number): Promise<TextRow[]> {
    const { signal } = this.#stop
    const late = this.#timeoutMs
    const timer = late === undefined ? undefined : setTimeout(() => this.#stop.fail(timeoutError(late)), late)
    try {
      const rows: TextRow[] = []
      while (rows.length < count && !this.#closed) {
        if (this.#at === this.#ready.length) {
          const more = await this.#next()
          if (more === null) break
          this.#ready = more
          this.#at = 0
        }
        const taken = Math.min(count - rows.length, this.#ready.length - this.#at)
        for (let at = 0; at < taken; at++) rows.push(this.#ready[this.#at++]!)
      }
      if (signal.aborted) this.#stop.throwIfFailed()
      return this.#closed ? [] : rows
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#ready = []
    this.#at = 0
  }
}
