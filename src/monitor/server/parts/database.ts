import type { RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

/** Counters of the database, in the order in which they are kept. */
export const databaseCounters = [
  "xact_commit",
  "xact_rollback",
  "blks_hit",
  "blks_read",
  "blk_read_time",
  "blk_write_time",
  "tup_returned",
  "tup_fetched",
  "temp_files",
  "temp_bytes",
  "deadlocks",
  "conflicts",
  "active_time",
  "sessions",
  "sessions_abandoned",
] as const

export type DatabaseCounter = (typeof databaseCounters)[number]

const since = { statsReset: ["milliseconds", "d.stats_reset"] } as const

export interface DatabaseReading extends RowOf<typeof since> {
  /** In the order of {@link databaseCounters}; null where this server has no such column. */
  readonly counters: readonly (number | null)[]
}

/** What pg_stat_database counts for this database. */
export const databasePart: Part<DatabaseReading> = {
  every: 1,
  async read(reader: Reader) {
    const counters = Object.fromEntries(
      databaseCounters.map((name) => [name, reader.columns.number("pg_stat_database", "d", name)]),
    )
    const [row] = await reader.rows(
      { ...since, ...counters },
      "from pg_catalog.pg_stat_database d where d.datname = current_database()",
    )
    const values = row as Record<string, number | null> | undefined
    return { statsReset: values?.statsReset ?? null, counters: databaseCounters.map((name) => values?.[name] ?? null) }
  },
}
