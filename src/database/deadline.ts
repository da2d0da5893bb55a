import { SelectoError } from "../errors.ts"
import { abortError, timeoutError } from "./database-error.ts"

/** What may end a call early. */
export interface Interruptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** True when nothing can end the call early, so that no timer and no listener is needed. */
export function isUninterruptible(options: Interruptions): boolean {
  return options.signal === undefined && options.timeoutMs === undefined
}

/** Throws E_ABORTED when the signal is aborted already: nothing has been sent. */
export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

/**
 * Waits for `work`, which has been sent to the server. When the signal or the timeout comes first, `cancel` is started; the call
 * ends with E_ABORTED or E_TIMEOUT only when the work has settled and the cancel too, so that no late cancel meets a later
 * statement of the session.
 */
export async function interruptible<T>(
  work: Promise<T>,
  options: Interruptions,
  cancel: (settled: Promise<unknown>) => Promise<void>,
): Promise<T> {
  const { signal, timeoutMs } = options
  let interruption: ((cause?: unknown) => SelectoError) | null = null
  let cancelling: Promise<void> | null = null
  const interrupt = (error: (cause?: unknown) => SelectoError): void => {
    if (interruption !== null) return
    interruption = error
    cancelling = cancel(work.then(nothing, nothing))
  }
  const onAbort = (): void => interrupt(() => abortError(signal!))
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => interrupt((cause) => timeoutError(timeoutMs, cause)), timeoutMs)
  signal?.addEventListener("abort", onAbort, { once: true })
  try {
    const result = await work
    throwIf(interruption)
    return result
  } catch (error) {
    throwIf(interruption, error)
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener("abort", onAbort)
    if (cancelling !== null) await cancelling
  }
}

/** A function, because the compiler takes a variable that only callbacks write for unchanged. */
function throwIf(interruption: ((cause?: unknown) => SelectoError) | null, cause?: unknown): void {
  if (interruption !== null)
    throw cause instanceof SelectoError && cause.code !== "E_DATABASE" && cause.code !== "E_CONNECTION"
      ? cause
      : interruption(cause)
}

function nothing(): void {}

/**
 * Waits for a place in a pool or queue. When the signal or the timeout comes first, rejects with E_ABORTED or E_POOL_TIMEOUT, and
 * what arrives later goes to `giveBack`.
 */
export function waitFor<T>(place: Promise<T>, options: Interruptions, giveBack: (late: T) => void): Promise<T> {
  if (isUninterruptible(options)) return place
  const { signal, timeoutMs } = options
  return new Promise((resolve, reject) => {
    let waiting = true
    const end = (): void => {
      waiting = false
      clearTimeout(timer)
      signal?.removeEventListener("abort", onAbort)
    }
    const giveUp = (error: SelectoError): void => {
      end()
      reject(error)
    }
    const onAbort = (): void => giveUp(abortError(signal!))
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => giveUp(poolTimeout(timeoutMs)), timeoutMs)
    signal?.addEventListener("abort", onAbort, { once: true })
    place.then(
      (got) => {
        if (!waiting) return giveBack(got)
        end()
        resolve(got)
      },
      (error) => {
        if (!waiting) return
        end()
        reject(error)
      },
    )
  })
}

function poolTimeout(timeoutMs: number): SelectoError {
  return new SelectoError(
    "E_POOL_TIMEOUT",
    `No connection became free within ${timeoutMs} ms. Raise the pool's max, or hold connections for less long.`,
  )
}
