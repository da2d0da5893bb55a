import type { RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

/** Counters of a table, in the order in which they are kept. */
export const tableCounters = [
  "seqScan",
  "seqRead",
  "indexScan",
  "indexFetch",
  "inserts",
  "updates",
  "deletes",
  "hotUpdates",
  "heapRead",
  "heapHit",
  "indexRead",
  "indexHit",
] as const

export type TableCounter = (typeof tableCounters)[number]

const counters = {
  seqScan: ["number", "s.seq_scan"],
  seqRead: ["number", "s.seq_tup_read"],
  indexScan: ["number", "coalesce(s.idx_scan, 0)"],
  indexFetch: ["number", "coalesce(s.idx_tup_fetch, 0)"],
  inserts: ["number", "s.n_tup_ins"],
  updates: ["number", "s.n_tup_upd"],
  deletes: ["number", "s.n_tup_del"],
  hotUpdates: ["number", "s.n_tup_hot_upd"],
  heapRead: ["number", "coalesce(io.heap_blks_read, 0)"],
  heapHit: ["number", "coalesce(io.heap_blks_hit, 0)"],
  indexRead: ["number", "coalesce(io.idx_blks_read, 0)"],
  indexHit: ["number", "coalesce(io.idx_blks_hit, 0)"],
} as const

const states = {
  id: ["text", "s.relid"],
  schema: ["text", "s.schemaname"],
  name: ["text", "s.relname"],
  partition: ["flag", "c.relispartition"],
  /** Not n_live_tup, which is added up in the order in which sessions report and may be off by a whole load. Null before the first ANALYZE. */
  rows: ["number", "case when c.reltuples >= 0 then c.reltuples end"],
  pages: ["number", "c.relpages"],
  deadRows: ["number", "s.n_dead_tup"],
  modified: ["number", "s.n_mod_since_analyze"],
  insertedSinceVacuum: ["number", "s.n_ins_since_vacuum"],
  lastVacuum: ["milliseconds", "greatest(s.last_vacuum, s.last_autovacuum)"],
  lastAnalyze: ["milliseconds", "greatest(s.last_analyze, s.last_autoanalyze)"],
  frozenAge: ["number", "case when c.relfrozenxid <> '0'::xid then age(c.relfrozenxid) end"],
  options: ["text", "array_to_string(c.reloptions, ',')"],
} as const

export type TableRow = RowOf<typeof states> & RowOf<typeof counters>

/** Use, size and state of every table of the database's own. */
export const tablesPart: Part<readonly TableRow[]> = {
  every: 1,
  read: (reader: Reader) =>
    reader.rows(
      { ...states, ...counters },
      `from pg_catalog.pg_stat_user_tables s join pg_catalog.pg_class c on c.oid = s.relid
       left join pg_catalog.pg_statio_user_tables io on io.relid = s.relid where c.relkind in ('r', 'm')`,
    ),
}
