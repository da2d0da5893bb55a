import { SelectoError } from "./errors.ts"

/** A size: a number of bytes, or a string with PostgreSQL's unit (`"256MB"`; 1 kB = 1024 B). */
export type Size = number | `${number}${"B" | "kB" | "KB" | "MB" | "GB" | "TB"}`
/** A duration: a number of milliseconds, or a string with its unit (`"500ms"`, `"5m"`). */
export type Duration = number | `${number}${"ms" | "s" | "m" | "min" | "h" | "d"}`

const sizeUnits: Record<string, number> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 }
const durationUnits: Record<string, number> = { MS: 1, S: 1000, M: 60_000, MIN: 60_000, H: 3_600_000, D: 86_400_000 }

/** Bytes of a {@link Size}. Throws E_INVALID_OPTION, naming `option`, for anything else. */
export function bytesOf(size: Size, option: string): number {
  return parse(size, sizeUnits, option, 'a number of bytes or a string such as "256MB"')
}

/** Milliseconds of a {@link Duration}. Throws E_INVALID_OPTION, naming `option`, for anything else. */
export function millisecondsOf(duration: Duration, option: string): number {
  return parse(duration, durationUnits, option, 'a number of milliseconds or a string such as "5m"')
}

function parse(value: number | string, units: Record<string, number>, option: string, expected: string): number {
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value
  const match = typeof value === "string" ? /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(value) : null
  const unit = match ? units[match[2]!.toUpperCase()] : undefined
  if (match === null || unit === undefined)
    throw new SelectoError("E_INVALID_OPTION", `${option} must be ${expected}.`, { path: option })
  return Math.round(Number(match[1]) * unit)
}
