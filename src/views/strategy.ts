import { Cron } from "croner"
import { SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"

/**
 * When a view is refreshed: "immediate" once, now, and then only by refresh(); "hourly" on the hour; "daily" at 03:00; `every` so often;
 * `scheduled` by a cron expression of five or six fields; `onDemand` when refresh() is called and what is there is older than `maxAge`.
 * Times count in the view's `timezone`.
 */
export type RefreshStrategy =
  | "immediate"
  | "hourly"
  | "daily"
  | { readonly every: Duration }
  | { readonly scheduled: string }
  | { readonly onDemand: { readonly maxAge: Duration } }

/** A strategy as it is kept: durations in milliseconds. */
export type KeptStrategy =
  | { readonly kind: "immediate" }
  | { readonly kind: "every"; readonly ms: number }
  | { readonly kind: "cron"; readonly pattern: string }
  | { readonly kind: "onDemand"; readonly maxAgeMs: number }

/** Shorter intervals would do nothing but refresh. */
const shortestMs = 1_000

/** Checks a strategy. Errors: E_INVALID_OPTION with what is wrong. */
export function keptStrategy(strategy: RefreshStrategy, timezone: string): KeptStrategy {
  if (strategy === "immediate") return { kind: "immediate" }
  if (strategy === "hourly") return { kind: "cron", pattern: "0 * * * *" }
  if (strategy === "daily") return { kind: "cron", pattern: "0 3 * * *" }
  if (typeof strategy === "object" && strategy !== null) {
    if ("every" in strategy) {
      const ms = millisecondsOf(strategy.every, "refresh.every")
      if (ms < shortestMs) throw invalid("refresh.every must be a second or more.", "refresh.every")
      return { kind: "every", ms }
    }
    if ("scheduled" in strategy) {
      const kept: KeptStrategy = { kind: "cron", pattern: strategy.scheduled }
      if (nextRun(kept, new Date(), timezone) === null)
        throw invalid("refresh.scheduled names no time that is still to come.", "refresh.scheduled")
      return kept
    }
    if ("onDemand" in strategy)
      return { kind: "onDemand", maxAgeMs: millisecondsOf(strategy.onDemand.maxAge, "refresh.onDemand.maxAge") }
  }
  throw invalid(
    'refresh must be "immediate", "hourly", "daily", { every: "15m" }, { scheduled: "0 3 * * *" } or { onDemand: { maxAge: "1h" } }.',
    "refresh",
  )
}

/** The first time after `from` at which a view is due; null where only a call refreshes it. Runs that were missed are one run. */
export function nextRun(strategy: KeptStrategy, from: Date, timezone: string): Date | null {
  if (strategy.kind === "every") return new Date(from.getTime() + strategy.ms)
  if (strategy.kind !== "cron") return null
  try {
    return new Cron(strategy.pattern, { timezone, paused: true }).nextRun(from)
  } catch (error) {
    throw invalid(`${JSON.stringify(strategy.pattern)} is no cron expression: ${(error as Error).message}`, "refresh.scheduled")
  }
}

/** A strategy in words. */
export function strategyText(strategy: KeptStrategy): string {
  if (strategy.kind === "every") return `every ${durationText(strategy.ms)}`
  if (strategy.kind === "cron") return `cron ${strategy.pattern}`
  if (strategy.kind === "onDemand") return `when asked, if older than ${durationText(strategy.maxAgeMs)}`
  return "when refresh() is called"
}

/** Milliseconds in the largest unit that they are whole numbers of. */
export function durationText(ms: number): string {
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ] as const)
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  return `${ms}ms`
}

/** A time zone that both this runtime and PostgreSQL are likely to know. Error: E_INVALID_OPTION. */
export function checkTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone })
  } catch {
    throw invalid(`timezone must be a name such as "UTC" or "Europe/Berlin".`, "timezone")
  }
}

function invalid(message: string, path: string): SelectoError {
  return new SelectoError("E_INVALID_OPTION", message, { path })
}
