import { type TypeInfo, typeIds } from "./type-catalog.ts"

/**
 * A constant as something that can be compared exactly. Values of one domain are comparable whatever their type: an integer with a
 * numeric, a date with a timestamp. `position` is null where only sameness is known: text, whose order a collation decides.
 */
export interface Value {
  /** "number", "float", "time", "zoned time", "clock", "boolean", "text", "padded text", "uuid", "enum 16400". */
  readonly domain: string
  /** Two values of a domain are equal exactly when their keys are. */
  readonly key: string
  /** digits / 10^scale; for times microseconds. */
  readonly position: { readonly digits: bigint; readonly scale: number } | number | null
}

/** Microseconds of a day: the step between two dates in the domain "time". */
export const dayStep = 86_400_000_000n

/** Beyond every finite time: 'infinity'. */
const endOfTime = 10n ** 30n

/** The domain that constants of a type are compared in, and the step between neighbours; null for a type whose equality is not known here. */
export function domainOf(type: TypeInfo): { readonly domain: string; readonly step: bigint | null } | null {
  switch (type.id) {
    case typeIds.smallint:
    case typeIds.integer:
    case typeIds.bigint:
      return { domain: "number", step: 1n }
    case typeIds.numeric:
      return { domain: "number", step: null }
    case typeIds.real:
    case typeIds.double:
      return { domain: "float", step: null }
    case typeIds.date:
      return { domain: "time", step: dayStep }
    case typeIds.timestamp:
      return { domain: "time", step: 1n }
    case typeIds.timestamptz:
      return { domain: "zoned time", step: 1n }
    case typeIds.time:
      return { domain: "clock", step: 1n }
    case typeIds.boolean:
      return { domain: "boolean", step: 1n }
    case typeIds.text:
    case typeIds.varchar:
    case typeIds.name:
      return { domain: "text", step: null }
    case typeIds.bpchar:
      return { domain: "padded text", step: null }
    case typeIds.uuid:
      return { domain: "uuid", step: 1n }
    default:
      return type.kind === "enum" ? { domain: `enum ${type.id}`, step: 1n } : null
  }
}

/** Reads a literal of a type; null when its value is not known from the text alone (a time without zone, an unusual spelling). */
export function parseValue(type: TypeInfo, text: string): Value | null {
  const domain = domainOf(type)?.domain
  switch (domain) {
    case undefined:
      return null
    case "number":
      return parseNumber(text.trim(), type.id !== typeIds.numeric)
    case "float": {
      const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN
      const value = type.id === typeIds.real ? Math.fround(number) : number
      return Number.isFinite(value) ? { domain, key: String(value === 0 ? 0 : value), position: value } : null
    }
    case "time":
    case "zoned time":
      return parseTime(text.trim(), type.id)
    case "clock": {
      const clock = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?$/.exec(text.trim())
      return clock === null ? null : timeValue(domain, clockOf(clock[1], clock[2], clock[3], clock[4]))
    }
    case "boolean": {
      const word = text.trim().toLowerCase()
      if (["true", "t", "yes", "y", "on", "1"].includes(word)) return timeValue(domain, 1n)
      return ["false", "f", "no", "n", "off", "0"].includes(word) ? timeValue(domain, 0n) : null
    }
    case "text":
      return { domain, key: text, position: null }
    case "padded text":
      return { domain, key: text.replace(/ +$/, ""), position: null }
    case "uuid": {
      const hex = text.trim().toLowerCase().replace(/[-{}]/g, "")
      return /^[0-9a-f]{32}$/.test(hex) ? timeValue(domain, BigInt(`0x${hex}`)) : null
    }
    default: {
      const at = type.labels?.indexOf(text) ?? -1
      return at < 0 ? null : timeValue(domain, BigInt(at))
    }
  }
}

/** -1, 0, 1; "different" where they differ but their order is not known; null across domains. */
export function compareValues(a: Value, b: Value): -1 | 0 | 1 | "different" | null {
  if (a.domain !== b.domain) return null
  if (a.key === b.key) return 0
  const { position: left } = a
  const { position: right } = b
  if (left === null || right === null) return "different"
  if (typeof left === "number" || typeof right === "number") return Number(left) < Number(right) ? -1 : 1
  const scale = Math.max(left.scale, right.scale)
  return scaled(left, scale) < scaled(right, scale) ? -1 : 1
}

function scaled({ digits, scale }: { digits: bigint; scale: number }, to: number): bigint {
  return digits * 10n ** BigInt(to - scale)
}

/** The value `steps` neighbours further, rounded to the grid first: down, or up with `up`. Null where the position is not a whole number. */
export function onGrid(value: Value, step: bigint, up: boolean, steps: bigint): Value | null {
  if (value.position === null || typeof value.position === "number") return null
  const unit = step * 10n ** BigInt(value.position.scale)
  const { digits } = value.position
  let quotient = digits / unit
  const exact = quotient * unit === digits
  if (!exact && digits < 0n) quotient -= 1n
  if (!exact && up) quotient += 1n
  return timeValue(value.domain, (quotient + steps) * step)
}

/** True when the value is one that a type with this step can hold. */
export function isOnGrid(value: Value, step: bigint): boolean {
  const floor = onGrid(value, step, false, 0n)
  return floor !== null && floor.key === value.key
}

/** A whole position in a domain. */
export function timeValue(domain: string, digits: bigint): Value {
  return { domain, key: String(digits), position: { digits, scale: 0 } }
}

function parseNumber(text: string, whole: boolean): Value | null {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i.exec(text)
  if (match === null || (match[2] === "" && (match[3] ?? "") === "")) return null
  const fraction = match[3] ?? ""
  let digits = BigInt(`${match[2]}${fraction}` || "0")
  let scale = fraction.length - Number(match[4] ?? 0)
  if (scale < 0) {
    digits *= 10n ** BigInt(-scale)
    scale = 0
  }
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale--
  }
  if (match[1] === "-") digits = -digits
  if (whole && scale > 0) return null
  return { domain: "number", key: scale === 0 ? String(digits) : `${digits}e-${scale}`, position: { digits, scale } }
}

const timePattern =
  /^(\d{4})-?(\d{1,2})-?(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?$/i

function parseTime(text: string, typeId: number): Value | null {
  const domain = typeId === typeIds.timestamptz ? "zoned time" : "time"
  if (/^-?infinity$/i.test(text)) return timeValue(domain, text.startsWith("-") ? -endOfTime : endOfTime)
  const match = timePattern.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, fraction, zone] = match
  // Digits without dashes are read as one only when there are eight of them.
  if (!text.includes("-", 1) && !/^\d{8}\b/.test(text)) return null
  const date = dayNumber(Number(year), Number(month), Number(day))
  if (date === null) return null
  if (typeId === typeIds.date) return hour === undefined && zone === undefined ? timeValue(domain, date * dayStep) : null
  if ((typeId === typeIds.timestamptz) !== (zone !== undefined)) return null
  const micros = date * dayStep + clockOf(hour, minute, second, fraction)
  return timeValue(domain, micros - offsetOf(zone))
}

/** Days since 1970; null for a day that does not exist. */
function dayNumber(year: number, month: number, day: number): bigint | null {
  const date = new Date(Date.UTC(2000, 0, 1))
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || year === 0) return null
  return BigInt(Math.floor(date.getTime() / 86_400_000))
}

function clockOf(hour = "0", minute = "0", second = "0", fraction = ""): bigint {
  const seconds = BigInt(hour) * 3600n + BigInt(minute) * 60n + BigInt(second)
  return seconds * 1_000_000n + BigInt(fraction.padEnd(6, "0"))
}

function offsetOf(zone: string | undefined): bigint {
  const match = /^([+-])(\d{2}):?(\d{2})?:?(\d{2})?$/.exec(zone ?? "")
  if (match === null) return 0n
  const micros = clockOf(match[2], match[3] ?? "0", match[4] ?? "0")
  return match[1] === "-" ? -micros : micros
}

/** A time of the domains "time" and "zoned time" as PostgreSQL reads it back: "2025-01-31 00:00:00". */
export function timeText(value: Value, typeId: number): string | null {
  if (value.position === null || typeof value.position === "number" || value.position.scale !== 0) return null
  const micros = value.position.digits
  if (micros >= endOfTime || micros <= -endOfTime) return micros > 0n ? "infinity" : "-infinity"
  const day = micros >= 0n ? micros / dayStep : -((-micros + dayStep - 1n) / dayStep)
  const rest = micros - day * dayStep
  const date = new Date(Number(day) * 86_400_000)
  const year = date.getUTCFullYear()
  if (Number.isNaN(year) || year < 1 || year > 9999) return null
  const two = (number: number | bigint): string => String(number).padStart(2, "0")
  const iso = `${String(year).padStart(4, "0")}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
  if (typeId === typeIds.date) return rest === 0n ? iso : null
  const seconds = rest / 1_000_000n
  const fraction = String(rest % 1_000_000n)
    .padStart(6, "0")
    .replace(/0+$/, "")
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${fraction === "" ? "" : `.${fraction}`}`
  return `${iso} ${clock}${typeId === typeIds.timestamptz ? "+00" : ""}`
}
