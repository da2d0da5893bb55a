import { flag, number, type RowOf } from "../field.ts"
import type { Part } from "./part.ts"

const setting = (name: string) => number(`current_setting('${name}', true)::float8`)
const on = (name: string) => flag(`current_setting('${name}', true)`.concat(" = 'on'"))

const fields = {
  maxConnections: setting("max_connections"),
  superuserReserved: setting("superuser_reserved_connections"),
  reserved: setting("reserved_connections"),
  blockSize: setting("block_size"),
  autovacuum: on("autovacuum"),
  vacuumThreshold: setting("autovacuum_vacuum_threshold"),
  vacuumScale: setting("autovacuum_vacuum_scale_factor"),
  /** 18 and later: no more dead rows than this, however large the table. */
  vacuumMaxThreshold: setting("autovacuum_vacuum_max_threshold"),
  trackIoTiming: on("track_io_timing"),
  trackPlanning: on("pg_stat_statements.track_planning"),
  statementsMax: setting("pg_stat_statements.max"),
}

export type Settings = RowOf<typeof fields>

/** Settings that give figures their meaning. */
export const settingsPart: Part<Settings> = {
  every: 10,
  read: async (reader) => (await reader.rows(fields, "from (values (1)) one"))[0]!,
}
