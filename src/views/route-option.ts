import { SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"

/** What a query allows: `route({ maxStaleness: "1h" })`. */
export interface RouteOptions {
  /**
   * How old the view's rows may be, by the snapshot of its last refresh. Default: what each view was made to allow. `Infinity` is any
   * age, and the only one that a view has whose refreshes nobody keeps account of.
   */
  readonly maxStaleness?: Duration | undefined
}

/** True when views are to be looked at for a request with this option. */
export function asksForViews(option: unknown): boolean {
  return option !== undefined && option !== false
}

/** Milliseconds that the option allows; null: what each view allows. Throws E_INVALID_OPTION. */
export function allowedAge(option: unknown): number | null {
  if (option === false) return null
  if (typeof option !== "object" || option === null)
    throw new SelectoError("E_INVALID_OPTION", 'route() takes false, or how old rows may be: route({ maxStaleness: "1h" }).', {
      path: "route",
    })
  const given = (option as RouteOptions).maxStaleness
  if (given === undefined) return null
  return given === Number.POSITIVE_INFINITY ? given : millisecondsOf(given, "maxStaleness")
}
