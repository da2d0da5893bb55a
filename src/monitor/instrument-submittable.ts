/** What pg's client accepts as a query object: Query, Cursor, QueryStream, copy streams. */
export interface Submittable {
  submit(connection: unknown): unknown
  handleReadyForQuery?(...args: unknown[]): unknown
  handleError?(...args: unknown[]): unknown
  handleRowDescription?(...args: unknown[]): unknown
  handleDataRow?(...args: unknown[]): unknown
  handlePortalSuspended?(...args: unknown[]): unknown
  handleCommandComplete?(...args: unknown[]): unknown
  read?(...args: unknown[]): unknown
  /** A QueryStream reads through a cursor of its own. */
  readonly cursor?: { read?(...args: unknown[]): unknown } | undefined
}

/** How it went: only the time in which the server had something to do; the reader's own time is in none. */
export interface SubmittableEnd {
  readonly server: number
  readonly transfer: number
  readonly rows: number
  readonly error: unknown
}

/**
 * Watches one query object by putting methods of its own before those of its prototype, which stays: drivers and streams test for
 * it. `done` is called once, at the end or the first error. A query object that is never read to its end and never closed is not
 * counted.
 */
export function watchSubmittable(query: Submittable, started: number, done: (end: SubmittableEnd) => void): void {
  let busySince = started
  let busy = 0
  let first = -1
  let rows = 0
  let counted = -1
  let reads = 0
  let over = false
  const target = query.cursor ?? query
  const reader = typeof query.cursor?.read === "function" || (typeof query.read === "function" && "close" in query)

  const pause = (): void => {
    if (busySince > 0) busy += performance.now() - busySince
    busySince = 0
  }
  const replied = (): void => {
    if (first < 0) first = busy + (busySince > 0 ? performance.now() - busySince : 0)
  }
  const finish = (error: unknown): void => {
    if (over) return
    over = true
    pause()
    const server = first < 0 ? busy : first
    done({ server, transfer: Math.max(0, busy - server), rows: counted < 0 ? rows : Math.max(rows, counted), error })
  }

  before(query, "submit", () => {
    // It may have waited behind other queries of its client.
    busySince = performance.now()
  })
  before(query, "handleRowDescription", () => {
    if (!reader) replied()
    else if (reads === 0) pause()
  })
  before(query, "handleDataRow", () => {
    rows++
    if (first < 0) replied()
  })
  before(query, "handlePortalSuspended", () => {
    replied()
    if (--reads <= 0) {
      reads = 0
      pause()
    }
  })
  before(query, "handleCommandComplete", (message) => {
    replied()
    const text = (message as { text?: unknown } | undefined)?.text
    const n = typeof text === "string" ? /\d+$/.exec(text) : null
    if (n !== null) counted = Number(n[0])
  })
  before(query, "handleError", (error) => finish(error))
  before(query, "handleReadyForQuery", () => finish(null))
  if (reader)
    before(target as Submittable, "read", () => {
      reads++
      if (busySince === 0) busySince = performance.now()
    })
}

/** Runs `watch` before a method of the object, if it has it. What `watch` does must not keep the method from running. */
function before(object: Submittable, name: keyof Submittable, watch: (...args: unknown[]) => void): void {
  const method = object[name] as ((...args: unknown[]) => unknown) | undefined
  if (typeof method !== "function") return
  const watched = function (this: unknown, ...args: unknown[]): unknown {
    watch(...args)
    return method.apply(this, args)
  }
  Object.defineProperty(object, name, { value: watched, configurable: true, writable: true })
}
