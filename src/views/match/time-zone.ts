/** Local time in a zone, as the JavaScript engine's copy of the time zone database has it. All times are microseconds since 1970. */

const universal = /^(utc|gmt|z|zulu|uct|etc\/(utc|gmt|uct|zulu|universal)|universal)$/i

const formats = new Map<string, Intl.DateTimeFormat | null>()

function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone)
  if (known !== undefined) return known
  let made: Intl.DateTimeFormat | null = null
  // Names of places only: PostgreSQL reads "+02" and abbreviations by rules of its own.
  if (/^[A-Za-z_]+\/[A-Za-z_/+-]+[0-9]*$/.test(zone)) {
    try {
      made = new Intl.DateTimeFormat("en-US", {
        timeZone: zone,
        hourCycle: "h23",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric",
      })
    } catch {
      made = null
    }
  }
  formats.set(zone, made)
  return made
}

/** Zones of which nothing is known here are null everywhere. */
export function isUniversal(zone: string): boolean {
  return universal.test(zone)
}

/** Local time of a moment; null where the zone or the time is not known well enough. */
export function toLocal(zone: string, moment: bigint): bigint | null {
  if (isUniversal(zone)) return moment
  const format = formatOf(zone)
  const milliseconds = Number(moment / 1000n)
  // Before 1970 the engine's history of zones may differ from the server's.
  if (format === null || moment < 0n || !Number.isSafeInteger(milliseconds) || milliseconds > 4_102_444_800_000) return null
  const second = milliseconds - (milliseconds % 1000)
  const parts = new Map(format.formatToParts(second).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"))
  return BigInt(local) * 1000n + (moment - BigInt(second) * 1000n)
}

/** The moment of a local time; null where there are two or none, or the zone is not known. */
export function toMoment(zone: string, local: bigint): bigint | null {
  if (isUniversal(zone)) return local
  const day = 86_400_000_000n
  const candidates = new Set<bigint>()
  for (const guess of [local - day, local, local + day]) {
    const shown = toLocal(zone, guess)
    if (shown !== null) candidates.add(local - (shown - guess))
  }
  const moments = [...candidates].filter((moment) => toLocal(zone, moment) === local)
  return moments.length === 1 ? moments[0]! : null
}
