/** Rows that are kept, or given away: what a caller changes must not change what others get. */
export interface KeptRows {
  readonly rows: readonly object[]
  /** Every value is one that cannot be changed, so that the rows, which are frozen, can be given away as they are. */
  readonly plain: boolean
  /** About as much memory as they take. */
  readonly bytes: number
}

/** Freezes rows and keeps them; rows with values that can be changed are copied first. */
export function keepRows(rows: readonly unknown[]): KeptRows {
  let bytes = 64
  let plain = true
  for (const row of rows) {
    bytes += 48
    for (const name in row as object) {
      const value = (row as Record<string, unknown>)[name]
      bytes += 8 + sizeOf(value)
      if (typeof value === "object" && value !== null) plain = false
    }
  }
  const kept = plain ? rows.map((row) => Object.freeze(row as object)) : rows.map(copyRow)
  return { rows: kept, plain, bytes }
}

/** The rows for a caller: frozen, in a list of his own. */
export function giveRows({ rows, plain }: KeptRows): object[] {
  return plain ? rows.slice() : rows.map(copyRow)
}

function copyRow(row: unknown): object {
  const copy: Record<string, unknown> = {}
  for (const name in row as object) {
    const value = (row as Record<string, unknown>)[name]
    copy[name] = typeof value === "object" && value !== null ? copyValue(value) : value
  }
  return Object.freeze(copy)
}

function copyValue(value: object): unknown {
  if (value instanceof Date) return new Date(value.getTime())
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map((one) => (typeof one === "object" && one !== null ? copyValue(one) : one))
  const prototype = Object.getPrototypeOf(value)
  // Objects of a type parser's own making, such as an interval: copied with what they are.
  const copy = Object.create(prototype) as Record<string, unknown>
  for (const [name, one] of Object.entries(value))
    copy[name] = typeof one === "object" && one !== null ? copyValue(one as object) : one
  return copy
}

function sizeOf(value: unknown): number {
  switch (typeof value) {
    case "string":
      return 16 + 2 * value.length
    case "bigint":
      return 24
    case "object":
      if (value === null) return 0
      if (value instanceof Date) return 32
      if (ArrayBuffer.isView(value)) return 96 + value.byteLength
      return Object.entries(value).reduce((sum, [name, one]) => sum + 16 + name.length + sizeOf(one), 48)
    default:
      return 8
  }
}
