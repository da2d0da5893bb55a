import type { RowOf } from "../field.ts"
import type { Part } from "./part.ts"

const fields = {
  maxConnections: ["number", "current_setting('max_connections')"],
  superuserReserved: ["number", "current_setting('superuser_reserved_connections')"],
  reserved: ["number", "current_setting('reserved_connections', true)"],
  blockSize: ["number", "current_setting('block_size')"],
  autovacuum: ["flag", "current_setting('autovacuum') = 'on'"],
  vacuumThreshold: ["number", "current_setting('autovacuum_vacuum_threshold')"],
  vacuumScale: ["number", "current_setting('autovacuum_vacuum_scale_factor')"],
  /** 18 and later: no more dead rows than this, however large the table. */
  vacuumMaxThreshold: ["number", "current_setting('autovacuum_vacuum_max_threshold', true)"],
  trackIoTiming: ["flag", "current_setting('track_io_timing') = 'on'"],
  trackPlanning: ["flag", "current_setting('pg_stat_statements.track_planning', true) = 'on'"],
  statementsMax: ["number", "current_setting('pg_stat_statements.max', true)"],
} as const

export type Settings = RowOf<typeof fields>

/** Settings that give figures their meaning. */
export const settingsPart: Part<Settings> = {
  every: 10,
  read: async (reader) => (await reader.rows(fields, "from (values (1)) one"))[0]!,
}
