/** Exact arithmetic on PostgreSQL's text of numeric values, whose number of decimals is part of the value. */

interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

/** null for NaN and infinities. */
function parse(text: string): Decimal | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) return null
  const fraction = match[3] ?? ""
  const digits = BigInt(match[2]! + fraction)
  return { digits: match[1] === "-" ? -digits : digits, scale: fraction.length }
}

function shifted({ digits, scale }: Decimal, to: number): bigint {
  return digits * 10n ** BigInt(to - scale)
}

/** The sum, with as many decimals as the longer of the two, as numeric addition gives it; null where one is NaN or infinite. */
export function addDecimals(a: string, b: string): string | null {
  const one = parse(a)
  const other = parse(b)
  if (one === null || other === null) return null
  const scale = Math.max(one.scale, other.scale)
  const sum = shifted(one, scale) + shifted(other, scale)
  const text = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, "0")
  const whole = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`
  return sum < 0n ? `-${whole}` : whole
}

const special: Readonly<Record<string, number>> = { "-Infinity": -1, Infinity: 1, NaN: 2 }

/** The order of numeric: NaN above everything, infinities at the ends. */
export function compareDecimals(a: string, b: string): number {
  if (a === b) return 0
  const rank = (special[a] ?? 0) - (special[b] ?? 0)
  if (rank !== 0 || special[a] !== undefined) return rank
  const negative = a.startsWith("-")
  if (negative !== b.startsWith("-")) return isZero(a) && isZero(b) ? 0 : negative ? -1 : 1
  const [wholeA, fractionA] = partsOf(a)
  const [wholeB, fractionB] = partsOf(b)
  const size =
    wholeA.length - wholeB.length || (wholeA < wholeB ? -1 : wholeA > wholeB ? 1 : 0) || compareFractions(fractionA, fractionB)
  return negative ? -size : size
}

function partsOf(text: string): [whole: string, fraction: string] {
  const start = text.startsWith("-") ? 1 : 0
  const point = text.indexOf(".")
  return point < 0 ? [text.slice(start), ""] : [text.slice(start, point), text.slice(point + 1)]
}

function compareFractions(a: string, b: string): number {
  const length = Math.max(a.length, b.length)
  const one = a.padEnd(length, "0")
  const other = b.padEnd(length, "0")
  return one < other ? -1 : one > other ? 1 : 0
}

function isZero(text: string): boolean {
  return /^-?[0.]*$/.test(text)
}
