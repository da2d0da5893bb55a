import type { TextRow } from "../database/database.ts"

/** Rows of one sorted section as they come; null at its end. */
export type Section = () => Promise<TextRow[] | null>

interface Head {
  readonly next: Section
  rows: TextRow[]
  at: number
}

/** Rows handed on at a time. */
const batch = 1000

/**
 * Merges sorted sections into one order, in batches. Of equal rows those of an earlier section come first, so that a section that is
 * read twice as fast changes nothing.
 */
export function mergeSections(sections: readonly Section[], order: (a: TextRow, b: TextRow) => number): Section {
  let heads: Head[] | null = null
  const advance = async (head: Head): Promise<boolean> => {
    if (++head.at < head.rows.length) return true
    const rows = await head.next()
    if (rows === null) return false
    head.rows = rows
    head.at = 0
    return true
  }
  return async () => {
    if (heads === null) {
      const first = await Promise.all(sections.map((next) => next()))
      heads = sections.flatMap((next, at): Head[] => (first[at] === null ? [] : [{ next, rows: first[at]!, at: 0 }]))
    }
    const merged: TextRow[] = []
    while (heads.length > 0 && merged.length < batch) {
      let least: Head = heads[0]!
      for (let at = 1; at < heads.length; at++) {
        const head = heads[at]!
        if (order(head.rows[head.at]!, least.rows[least.at]!) < 0) least = head
      }
      merged.push(least.rows[least.at]!)
      if (!(await advanceNow(least, advance))) heads = heads.filter((head) => head !== least)
    }
    return merged.length === 0 ? null : merged
  }
}

/** Without a turn of the event loop where the next row is there already. */
function advanceNow(head: Head, advance: (head: Head) => Promise<boolean>): boolean | Promise<boolean> {
  if (head.at + 1 >= head.rows.length) return advance(head)
  head.at++
  return true
}
