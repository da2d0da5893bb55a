import type { SequenceRow } from "./parts/upkeep.ts"

/** How much of a sequence is used up. */
export interface ServerSequence {
  readonly schema: string
  readonly sequence: string
  readonly last: number
  /** The last value that it can give, or that its column can hold, whichever comes first. */
  readonly max: number
  /** last / max, 0 to 1. */
  readonly used: number
  /** The column that limits it, "orders.id integer"; null where the sequence itself does. */
  readonly limitedBy: string | null
}

const columnLimits: Readonly<Record<string, number>> = { smallint: 32_767, integer: 2_147_483_647 }

/** Ascending sequences that have given values and do not start again, the fullest first. */
export function sequencesOf(rows: readonly SequenceRow[]): ServerSequence[] {
  const figures = rows.flatMap((row): ServerSequence[] => {
    const { schema, name, last, max, increment } = row
    if (last === null || max === null || (increment ?? 1) < 0 || row.cycles === "t" || row.cycles === "true") return []
    let limit = max
    let limitedBy: string | null = null
    for (const column of row.columns ?? []) {
      const most = columnLimits[column.slice(column.lastIndexOf(" ") + 1)]
      if (most === undefined || most >= limit) continue
      limit = most
      limitedBy = column
    }
    return [{ schema: schema!, sequence: name!, last, max: limit, used: last / limit, limitedBy }]
  })
  return figures.sort((a, b) => b.used - a.used)
}
