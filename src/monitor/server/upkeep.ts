import type { BrokenIndex, DuplicateIndex, IndexPort, UnusedIndex } from "../ports.ts"

/** Indexes to be looked after, as the index feature found them. */
export interface Upkeep {
  /** Not scanned since `since`. */
  readonly unused: readonly ObservedIndex[]
  /** Since when the server counts scans; null: since the cluster was made. */
  readonly since: Date | null
  readonly duplicates: readonly DuplicateIndex[]
  readonly invalid: readonly BrokenIndex[]
}

export interface ObservedIndex extends UnusedIndex {
  /** Milliseconds for which nothing has used it, as far as the server or we ourselves can tell. */
  readonly unusedMs: number
}

export interface UpkeepReader {
  /** `now` in milliseconds since 1970. */
  read(now: number, signal: AbortSignal): Promise<Upkeep>
  /** Since when each index was seen unused, by "schema.index"; to be kept over a restart. */
  readonly unusedSince: Map<string, number>
}

/** Reads upkeep and remembers how long each index has been unused: the server forgets after a crash, and is asked to now and then. */
export function upkeepReader(indexes: IndexPort): UpkeepReader {
  const unusedSince = new Map<string, number>()
  return {
    unusedSince,
    async read(now, signal) {
      const { indexes: unused, since } = await indexes.unused({ signal })
      const duplicates = await indexes.duplicates({ signal })
      const invalid = await indexes.invalid({ signal })
      const names = new Set(unused.map(nameOf))
      for (const name of unusedSince.keys()) if (!names.has(name)) unusedSince.delete(name)
      for (const name of names) if (!unusedSince.has(name)) unusedSince.set(name, now)
      const observed = unused.map((index) => {
        const told = index.lastScan ?? since
        return { ...index, unusedMs: now - Math.min(unusedSince.get(nameOf(index))!, told?.getTime() ?? now) }
      })
      return { unused: observed, since, duplicates, invalid: invalid.filter(({ statements }) => statements.length > 0) }
    },
  }
}

function nameOf({ schema, index }: UnusedIndex): string {
  return `${schema}.${index}`
}
