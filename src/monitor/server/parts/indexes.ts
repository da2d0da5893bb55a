import type { RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

const columns = {
  id: ["text", "s.indexrelid"],
  schema: ["text", "s.schemaname"],
  table: ["text", "s.relname"],
  name: ["text", "s.indexrelname"],
  pages: ["number", "c.relpages"],
  scans: ["number", "s.idx_scan"],
  entriesRead: ["number", "s.idx_tup_read"],
  blocksRead: ["number", "io.idx_blks_read"],
  blocksHit: ["number", "io.idx_blks_hit"],
  lastScan: ["milliseconds", "null::timestamptz"],
} as const

export type IndexRow = RowOf<typeof columns>

/** Counters of an index, in the order in which they are kept. */
export const indexCounters = ["scans", "entriesRead", "blocksRead", "blocksHit"] as const

/** Use of every index of the database's own tables. */
export const indexesPart: Part<readonly IndexRow[]> = {
  every: 5,
  read: (reader: Reader) =>
    reader.rows(
      {
        ...columns,
        lastScan: ["milliseconds", `${reader.columns.sql("pg_stat_user_indexes", "s", "last_idx_scan")}::timestamptz`],
      },
      `from pg_catalog.pg_stat_user_indexes s join pg_catalog.pg_class c on c.oid = s.indexrelid
       left join pg_catalog.pg_statio_user_indexes io on io.indexrelid = s.indexrelid`,
    ),
}
