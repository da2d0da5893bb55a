import type { TextRow } from "../database/database.ts"
import type { TypeFacts } from "./catalog.ts"
import { compareDecimals } from "./decimal.ts"

/** A key of ORDER BY, as a column behind the rows of a part. */
export interface SortColumn {
  /** SQL of what the parts give for it. */
  readonly sql: string
  readonly type: TypeFacts
  readonly collation: string | null
  readonly descending: boolean
  readonly nullsFirst: boolean
}

type Compare = (a: string, b: string) => number

/**
 * How two texts of a type stand in PostgreSQL's order, for types whose order is that of numbers or bytes; null for all others, text
 * in a language's order above all: that is PostgreSQL's to say.
 */
export function comparatorOf({ baseId }: TypeFacts, collation: string | null): Compare | null {
  switch (baseId) {
    case 21:
    case 23:
    case 26:
    case 700:
    case 701:
      return compareNumbers
    case 20:
    case 1700:
      return compareDecimals
    case 16:
    case 17:
    case 2950:
      return compareUnits
    case 19:
    case 25:
    case 1043:
      return collation === '"C"' || collation === '"POSIX"' ? compareBytes : null
    default:
      return null
  }
}

/** Types of moments: compared by the number of seconds that PostgreSQL has for them, whatever the style of their text. */
export function isMoment({ baseId }: TypeFacts): boolean {
  return baseId === 1082 || baseId === 1114 || baseId === 1184
}

/** NaN is the greatest float. */
function compareNumbers(a: string, b: string): number {
  if (a === b) return 0
  const one = Number(a)
  const other = Number(b)
  if (Number.isNaN(one) || Number.isNaN(other)) return Number(Number.isNaN(one)) - Number(Number.isNaN(other))
  return one < other ? -1 : one > other ? 1 : 0
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The order of UTF-8 bytes, which is that of code points; strings compare by UTF-16 units, where a surrogate stands below U+E000. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const one = a.charCodeAt(at)
    const other = b.charCodeAt(at)
    if (one !== other) return rank(one) - rank(other)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** Compares rows by the columns from `first` on; null where one of them is not ours to compare. */
export function rowOrder(columns: readonly SortColumn[], first: number): ((a: TextRow, b: TextRow) => number) | null {
  const compares: Compare[] = []
  for (const { type, collation } of columns) {
    const compare = comparatorOf(type, collation)
    if (compare === null) return null
    compares.push(compare)
  }
  return (a, b) => {
    for (let at = 0; at < columns.length; at++) {
      const one = a[first + at]!
      const other = b[first + at]!
      const { descending, nullsFirst } = columns[at]!
      if (one === null || other === null) {
        if (one === other) continue
        return (one === null) === nullsFirst ? -1 : 1
      }
      const difference = compares[at]!(one, other)
      if (difference !== 0) return descending ? -difference : difference
    }
    return 0
  }
}
