import { SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"

/** What a query allows: `route({ maxStaleness: "1h" })`. */
export interface RouteOptions {
  /**
   * How old the view's rows may be, by the snapshot of its last refresh. `Infinity` is any age, and the only one that a view has whose
   * refreshes nobody keeps account of.
   */
  readonly maxStaleness: Duration
}

/** Milliseconds that the option allows; false: never routed; null: nothing was said. Throws E_INVALID_OPTION. */
export function allowedAge(option: unknown): number | false | null {
  if (option === undefined) return null
  if (option === false) return false
  const given = (option as Partial<RouteOptions> | null)?.maxStaleness
  if (given === undefined)
    throw new SelectoError("E_INVALID_OPTION", 'route() takes false, or how old rows may be: route({ maxStaleness: "1h" }).', {
      path: "route",
    })
  return given === Number.POSITIVE_INFINITY ? given : millisecondsOf(given, "maxStaleness")
}
