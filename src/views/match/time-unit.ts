import { dayStep } from "../../sql/typing/index.ts"

/** Units that date_trunc cuts to. */
export type TimeUnit =
  | "microseconds"
  | "milliseconds"
  | "second"
  | "minute"
  | "hour"
  | "day"
  | "week"
  | "month"
  | "quarter"
  | "year"
  | "decade"
  | "century"
  | "millennium"

const spellings: Readonly<Record<string, TimeUnit>> = {
  microsecond: "microseconds",
  millisecond: "milliseconds",
  second: "second",
  minute: "minute",
  hour: "hour",
  day: "day",
  week: "week",
  month: "month",
  quarter: "quarter",
  year: "year",
  decade: "decade",
  century: "century",
  millennium: "millennium",
}

/** The unit that date_trunc's first argument names; null for what it does not know, or what is written unusually. */
export function timeUnit(text: string): TimeUnit | null {
  const word = text.trim().toLowerCase()
  const single = word === "centuries" ? "century" : word === "millennia" ? "millennium" : word.replace(/s$/, "")
  return spellings[single] ?? null
}

/** What each unit's buckets are parts of, next in line. A week is no part of a month, nor a decade of a century. */
const within: Readonly<Record<TimeUnit, readonly TimeUnit[]>> = {
  microseconds: ["milliseconds"],
  milliseconds: ["second"],
  second: ["minute"],
  minute: ["hour"],
  hour: ["day"],
  day: ["week", "month"],
  week: [],
  month: ["quarter"],
  quarter: ["year"],
  year: ["decade", "century"],
  decade: [],
  century: ["millennium"],
  millennium: [],
}

/** True when each bucket of the finer unit lies in one bucket of the coarser. */
export function refines(finer: TimeUnit, coarser: TimeUnit): boolean {
  return finer === coarser || within[finer].some((next) => refines(next, coarser))
}

/** Units for which a bucket tells a field of extract(). */
const fields: Readonly<Record<string, TimeUnit>> = {
  minute: "minute",
  hour: "hour",
  day: "day",
  dow: "day",
  isodow: "day",
  doy: "day",
  week: "week",
  isoyear: "week",
  month: "month",
  quarter: "quarter",
  year: "year",
  decade: "decade",
  century: "century",
  millennium: "millennium",
}

/** True when extract(field) of a time and of its bucket are the same. */
export function fieldFrom(field: string, unit: TimeUnit): boolean {
  const word = field.trim().toLowerCase()
  const needed = fields[word]
  if (needed === undefined) return false
  // A decade is ten of "year / 10", whatever date_trunc calls a century.
  return refines(unit, needed)
}

const fixed: Partial<Record<TimeUnit, bigint>> = {
  microseconds: 1n,
  milliseconds: 1000n,
  second: 1_000_000n,
  minute: 60_000_000n,
  hour: 3_600_000_000n,
  day: dayStep,
}

/** Monday, 29 December 1969: where the weeks of ISO 8601 start counting here. */
const someMonday = -3n * dayStep

/** First microsecond of the bucket that a local time lies in; null where the calendar is not worked out here. */
export function bucketStart(unit: TimeUnit, local: bigint): bigint | null {
  const size = fixed[unit]
  if (size !== undefined) return floorTo(local, size)
  if (unit === "week") return floorTo(local - someMonday, 7n * dayStep) + someMonday
  const month = monthOf(local)
  const size2 = months[unit]
  return month === null || size2 === undefined ? null : startOfMonth(Math.floor(month / size2) * size2)
}

/** First microsecond after the bucket that a local time lies in. */
export function bucketEnd(unit: TimeUnit, local: bigint): bigint | null {
  const size = fixed[unit] ?? (unit === "week" ? 7n * dayStep : null)
  const start = bucketStart(unit, local)
  if (start === null) return null
  if (size !== null) return start + size
  const month = monthOf(start)
  const size2 = months[unit]
  return month === null || size2 === undefined ? null : startOfMonth(month + size2)
}

const months: Partial<Record<TimeUnit, number>> = { month: 1, quarter: 3, year: 12, decade: 120 }

function floorTo(value: bigint, size: bigint): bigint {
  const rest = value % size
  return rest < 0n ? value - rest - size : value - rest
}

/** Months since the year 0; null outside the years 1 to 9999. */
function monthOf(local: bigint): number | null {
  const date = new Date(Number(floorTo(local, 1000n) / 1000n))
  const year = date.getUTCFullYear()
  return Number.isNaN(year) || year < 1 || year > 9999 ? null : year * 12 + date.getUTCMonth()
}

function startOfMonth(month: number): bigint {
  const date = new Date(Date.UTC(2000, 0, 1))
  date.setUTCFullYear(Math.floor(month / 12), month % 12, 1)
  return BigInt(date.getTime()) * 1000n
}

/** First microsecond of a year; null outside the years 1 to 9998. */
export function startOfYear(year: number): bigint | null {
  return year >= 1 && year <= 9998 ? startOfMonth(year * 12) : null
}
