import { setTimeout as delay } from "node:timers/promises"
import type { Database } from "../database/database.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { type WorkOptions, type WorkReport, workOnce } from "./work.ts"

/** Options of `selecto.views.start()`. */
export interface ScheduleOptions extends Omit<WorkOptions, "signal"> {
  /** Longest pause between two looks: a view that another process made is noticed within it. Default "30s". */
  readonly interval?: Duration | undefined
  /** After each round that found something to do. */
  readonly onWork?: ((report: WorkReport) => void) | undefined
  /** A round that failed as a whole, such as for a lost connection; the next one comes all the same. Default: nothing. */
  readonly onError?: ((error: Error) => void) | undefined
}

/** A scheduler at work. */
export interface Scheduler {
  /** Ends it: a refresh that is under way is cancelled on the server. Idempotent. */
  stop(): Promise<void>
}

/** Refreshes views when they are due, until it is stopped; keeps no process alive. Safe in many processes at once. */
export function schedule(database: Database, options: ScheduleOptions = {}): Scheduler {
  const longestMs = Math.max(100, millisecondsOf(options.interval ?? "30s", "interval"))
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      let pauseMs = longestMs
      try {
        const report = await workOnce(database, { ...options, signal })
        if (report.nextRun !== null) pauseMs = Math.min(longestMs, Math.max(0, report.nextRun.getTime() - Date.now()))
        if (report.refreshed.length + report.failed.length > 0) options.onWork?.(report)
      } catch (error) {
        if (signal.aborted) return
        options.onError?.(error as Error)
      }
      // A view that stays due (another process works on it) must not make this a busy loop; spread, so that processes do not meet.
      await delay(Math.max(200, pauseMs) + Math.random() * 200, undefined, { signal, ref: false }).catch(() => {})
    }
  }
  const running = run()
  return {
    stop: async () => {
      stopping.abort(new Error("the scheduler was stopped"))
      await running
    },
  }
}
