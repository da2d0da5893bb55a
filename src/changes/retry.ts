import { setTimeout as delay } from "node:timers/promises"
import { isSelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"

export interface RetryOptions {
  /** How long one try waits for a lock: short, because whoever wants to write waits behind it meanwhile. Default "2s". */
  readonly lockTimeout?: Duration | undefined
  /** How long it is tried again after a lock that was not had. Default "30s". */
  readonly retryFor?: Duration | undefined
  readonly signal?: AbortSignal | undefined
}

/** LockNotAvailable, DeadlockDetected, SerializationFailure: nothing was done, and it may work the next time. */
const passing = new Set(["55P03", "40P01", "40001"])

/** True for an error of PostgreSQL that says: not now. */
export function isPassing(error: unknown): boolean {
  return isSelectoError(error, "E_DATABASE") && passing.has(error.sqlState ?? "")
}

/**
 * Runs a transaction, and again with a pause of half a second on average where a lock was not had or a deadlock chose us, until
 * `retryFor` has passed. `work` gets the milliseconds that it may wait for a lock.
 */
export async function retrying<T>(options: RetryOptions, work: (lockTimeoutMs: number) => Promise<T>): Promise<T> {
  const lockTimeoutMs = Math.max(1, millisecondsOf(options.lockTimeout ?? "2s", "lockTimeout"))
  const deadline = performance.now() + millisecondsOf(options.retryFor ?? "30s", "retryFor")
  for (;;) {
    options.signal?.throwIfAborted()
    try {
      return await work(lockTimeoutMs)
    } catch (error) {
      if (!isPassing(error) || performance.now() >= deadline) throw error
      await delay(Math.random() * 1000, undefined, { signal: options.signal }).catch(() => {})
    }
  }
}
