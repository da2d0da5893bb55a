import type { TextRow } from "../database/database.ts"

/** Rows on their way from several writers to one reader. Writers wait while the reader is behind. */
export class Channel {
  readonly #limit: number
  #batches: TextRow[][] = []
  #rows = 0
  #ended = false
  #error: unknown = null
  #readable: () => void = noop
  #writable: (() => void)[] = []

  /** `limit`: rows that may wait for the reader. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Resolves when there is room again; at once where the channel has ended, since nobody reads any more. */
  async write(rows: TextRow[]): Promise<void> {
    if (this.#ended || rows.length === 0) return
    this.#batches.push(rows)
    this.#rows += rows.length
    this.#readable()
    while (this.#rows > this.#limit && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#writable.push(resolve)
      })
  }

  /** The next rows, as they were written; null at the end. Throws what the channel ended with. */
  async read(): Promise<TextRow[] | null> {
    while (this.#batches.length === 0) {
      if (this.#error !== null) throw this.#error
      if (this.#ended) return null
      await new Promise<void>((resolve) => {
        this.#readable = resolve
      })
    }
    const rows = this.#batches.shift()!
    this.#rows -= rows.length
    this.#release()
    return rows
  }

  /** No more rows; with an error, those that wait are not read either. */
  end(error: unknown = null): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    if (error !== null) this.#batches = []
    this.#readable()
    this.#release()
  }

  #release(): void {
    const waiting = this.#writable
    this.#writable = []
    for (const resolve of waiting) resolve()
  }
}

function noop(): void {}
