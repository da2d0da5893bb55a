import type { NumberField, RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

/** Counters of one row of pg_stat_io, in the order in which they are kept. */
export const ioCounters = [
  "reads",
  "readBytes",
  "readMs",
  "writes",
  "writeBytes",
  "writeMs",
  "extends",
  "hits",
  "evictions",
] as const

/** Counters of the whole server, in the order in which they are kept. */
export const walCounters = [
  "walRecords",
  "walImages",
  "walBytes",
  "walBuffersFull",
  "checkpointsTimed",
  "checkpointsRequested",
  "checkpointWriteMs",
  "checkpointSyncMs",
  "checkpointBuffers",
] as const

export interface IoReading {
  /** Null before PostgreSQL 16. `key` is "client backend / relation / normal". */
  readonly rows: readonly { readonly key: string; readonly counters: readonly (number | null)[] }[] | null
  readonly wal: readonly (number | null)[]
}

const key = { key: ["text", "concat_ws(' / ', i.backend_type, i.object, i.context)"] } as const

/** What each kind of process reads and writes, the log, and checkpoints; counted for the whole server. */
export const ioPart: Part<IoReading> = {
  every: 1,
  async read(reader: Reader) {
    return { rows: reader.columns.has("pg_stat_io") ? await readIo(reader) : null, wal: await readWal(reader) }
  },
}

async function readIo(reader: Reader): Promise<NonNullable<IoReading["rows"]>> {
  const { columns } = reader
  // 18 counts bytes; before it operations had one size.
  const bytes = (operation: string): NumberField => [
    "number",
    columns.has("pg_stat_io", `${operation}_bytes`) ? `i.${operation}_bytes` : `i.${operation}s * i.op_bytes`,
  ]
  const fields = {
    ...key,
    reads: ["number", "i.reads"],
    readBytes: bytes("read"),
    readMs: ["number", "i.read_time"],
    writes: ["number", "i.writes"],
    writeBytes: bytes("write"),
    writeMs: ["number", "i.write_time"],
    extends: ["number", "i.extends"],
    hits: ["number", "i.hits"],
    evictions: ["number", "i.evictions"],
  } as const
  const rows = await reader.rows(
    fields,
    "from pg_catalog.pg_stat_io i where coalesce(i.reads, 0) + coalesce(i.writes, 0) + coalesce(i.extends, 0) + coalesce(i.hits, 0) > 0",
  )
  return rows.map((row) => ({ key: row.key ?? "", counters: ioCounters.map((name) => row[name]) }))
}

async function readWal(reader: Reader): Promise<readonly (number | null)[]> {
  const { columns } = reader
  const wal = {
    walRecords: columns.number("pg_stat_wal", "w", "wal_records"),
    walImages: columns.number("pg_stat_wal", "w", "wal_fpi"),
    walBytes: columns.number("pg_stat_wal", "w", "wal_bytes"),
    walBuffersFull: columns.number("pg_stat_wal", "w", "wal_buffers_full"),
  }
  const apart = columns.has("pg_stat_checkpointer")
  const checkpoints = {
    checkpointsTimed: ["number", apart ? "c.num_timed" : "c.checkpoints_timed"],
    checkpointsRequested: ["number", apart ? "c.num_requested" : "c.checkpoints_req"],
    checkpointWriteMs: ["number", apart ? "c.write_time" : "c.checkpoint_write_time"],
    checkpointSyncMs: ["number", apart ? "c.sync_time" : "c.checkpoint_sync_time"],
    checkpointBuffers: ["number", apart ? "c.buffers_written" : "c.buffers_checkpoint"],
  } as const
  const view = apart ? "pg_stat_checkpointer" : "pg_stat_bgwriter"
  const log = columns.has("pg_stat_wal") ? " cross join pg_catalog.pg_stat_wal w" : ""
  const fields = { ...wal, ...checkpoints }
  const [row] = await reader.rows(fields, `from pg_catalog.${view} c${log}`)
  return walCounters.map((name) => (row as RowOf<typeof fields> | undefined)?.[name] ?? null)
}
