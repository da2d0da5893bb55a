/** A lock that is had in the order of asking. */
export class Lock {
  #last: Promise<void> = Promise.resolve()

  /** Waits for the lock; the answer gives it back (idempotent). */
  async take(): Promise<() => void> {
    const before = this.#last
    let free!: () => void
    this.#last = new Promise((resolve) => {
      free = resolve
    })
    await before
    return free
  }
}
