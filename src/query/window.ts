import { SelectoError } from "../errors.ts"
import { expression, type WindowName, type WindowNode } from "./node.ts"
import type { FrameFunction, NthValue, Ntile, OffsetFunction, RankFunction } from "./types/windows.ts"

/** The argument of over() in its one form. */
export function windowOf(window: unknown): WindowNode | string {
  if (window === undefined) return {}
  if (typeof window === "string" || (typeof window === "object" && window !== null && !Array.isArray(window))) {
    if (typeof window === "object")
      for (const key of Object.keys(window))
        if (!windowKeys.includes(key))
          throw new SelectoError(
            "E_INVALID_OPTION",
            `A window has ${windowKeys.join(", ")}; ${JSON.stringify(key)} means nothing.`,
            {
              path: key,
            },
          )
    return window
  }
  throw new SelectoError(
    "E_UNSUPPORTED_INPUT",
    'over() takes a window such as { partitionBy: "status", orderBy: "id" }, or the name of one of the query.',
  )
}

const windowKeys = ["partitionBy", "orderBy", "frame"]

/** A window function is no value before it is asked over a window. */
function windowCall<Type>(name: WindowName, check: (args: readonly unknown[]) => void = () => {}): Type {
  return ((...args: readonly unknown[]) => {
    check(args)
    return {
      over: (window?: unknown) =>
        expression({
          expression: "window",
          name,
          args: args.filter((argument) => argument !== undefined),
          over: windowOf(window),
        }),
    }
  }) as unknown as Type
}

function wholeFrom(low: number, value: unknown, what: string): void {
  if (!(typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= 2147483647))
    throw new SelectoError("E_INVALID_OPTION", `${what} is a whole number, ${low} or more.`, { path: what })
}

const offsetCheck = ([, offset]: readonly unknown[]): void => {
  if (offset !== undefined) wholeFrom(0, offset, "The offset of lag() and lead()")
}

/** `row_number() OVER (…)`: 1, 2, 3 … in the order of the window. */
export const rowNumber: RankFunction = windowCall("row_number")
/** `rank() OVER (…)`: place in the order; equals share one and leave a gap behind them. */
export const rank: RankFunction = windowCall("rank")
/** `dense_rank() OVER (…)`: place in the order; equals share one and leave no gap. */
export const denseRank: RankFunction = windowCall("dense_rank")
/** `percent_rank() OVER (…)`: (rank - 1) / (rows - 1), from 0 to 1. */
export const percentRank: RankFunction = windowCall("percent_rank")
/** `cume_dist() OVER (…)`: share of the rows that come before or are equal, above 0 to 1. */
export const cumeDist: RankFunction = windowCall("cume_dist")
/** `ntile($1) OVER (…)`: which of so many parts of equal size the row falls into, from 1. */
export const ntile: Ntile = windowCall("ntile", ([buckets]) => wholeFrom(1, buckets, "The argument of ntile()"))
/** `lag(total, $1, $2) OVER (…)`: the value some rows before, 1 by default: lag("total", 1, 0). */
export const lag: OffsetFunction = windowCall("lag", offsetCheck)
/** `lead(total, $1, $2) OVER (…)`: the value some rows after, 1 by default. */
export const lead: OffsetFunction = windowCall("lead", offsetCheck)
/** `first_value(total) OVER (…)`: the first value of the frame. */
export const firstValue: FrameFunction = windowCall("first_value")
/** `last_value(total) OVER (…)`: the last value of the frame, which without a frame of its own ends at the current row. */
export const lastValue: FrameFunction = windowCall("last_value")
/** `nth_value(total, $1) OVER (…)`: the nth value of the frame, from 1. */
export const nthValue: NthValue = windowCall("nth_value", ([, n]) => wholeFrom(1, n, "The position of nthValue()"))
