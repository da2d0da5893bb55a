import { abortError, timeoutError } from "../database/database-error.ts"
import type { Response } from "../execution/request.ts"
import type { Entry } from "./entry.ts"
import type { Token } from "./versions.ts"

/** A statement under way whose rows others may take too. */
export interface Flight {
  readonly token: Token
  /** null where the rows may not be shared. Rejects as the statement does. */
  readonly landed: Promise<Entry | null>
}

/** What a statement came to: for who asked, and for whoever joins. */
export interface Filled {
  readonly response: Response
  readonly entry: Entry | null
}

/** Waits for another's statement no longer than one's own would be waited for. */
export async function wait<T>(promise: Promise<T>, signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<T> {
  if (signal === undefined && timeoutMs === undefined) return promise
  let end: () => void = () => {}
  const limit = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(abortError(signal!))
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => reject(timeoutError(timeoutMs)), timeoutMs)
    signal?.addEventListener("abort", onAbort, { once: true })
    end = () => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", onAbort)
    }
    if (signal?.aborted) onAbort()
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    end()
  }
}
