import type { RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

/** The position that others are measured against; a standby that feeds others has what it received. */
const here = "(select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as lsn) here"

const standbys = {
  name: ["text", "r.application_name"],
  client: ["text", "host(r.client_addr)"],
  state: ["text", "r.state"],
  sync: ["text", "r.sync_state"],
  lagBytes: ["number", "pg_wal_lsn_diff(here.lsn, r.replay_lsn)"],
  lagMs: ["milliseconds", "r.replay_lag"],
  horizon: ["number", "age(r.backend_xmin)"],
} as const

const slots = {
  name: ["text", "s.slot_name"],
  kind: ["text", "s.slot_type"],
  active: ["flag", "s.active"],
  retainedBytes: ["number", "pg_wal_lsn_diff(here.lsn, s.restart_lsn)"],
  status: ["text", "s.wal_status"],
  safeBytes: ["number", "s.safe_wal_size"],
  horizon: ["number", "greatest(age(s.xmin), age(s.catalog_xmin))"],
  inactiveSince: ["milliseconds", "null::timestamptz"],
  invalidation: ["text", "null"],
} as const

const own = {
  /** On a standby: 0 when all that was received is replayed, else the age of the last transaction replayed. */
  lagMs: [
    "milliseconds",
    "case when pg_is_in_recovery() then case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then interval '0' else clock_timestamp() - pg_last_xact_replay_timestamp() end end",
  ],
} as const

export interface ReplicationReading {
  readonly standbys: readonly RowOf<typeof standbys>[]
  readonly slots: readonly RowOf<typeof slots>[]
  /** How far this server is behind, where it is a standby itself. */
  readonly lagMs: number | null
}

export type StandbyRow = RowOf<typeof standbys>
export type SlotRow = RowOf<typeof slots>

/** Standbys, replication slots, and how far this server is behind. */
export const replicationPart: Part<ReplicationReading> = {
  every: 1,
  async read(reader: Reader) {
    const { columns } = reader
    const inactive = columns.sql("pg_replication_slots", "s", "inactive_since")
    return {
      standbys: await reader.rows(standbys, `from pg_catalog.pg_stat_replication r cross join ${here} where r.pid is not null`),
      slots: await reader.rows(
        {
          ...slots,
          inactiveSince: ["milliseconds", `${inactive}::timestamptz`],
          invalidation: ["text", columns.sql("pg_replication_slots", "s", "invalidation_reason")],
        },
        `from pg_catalog.pg_replication_slots s cross join ${here}`,
      ),
      lagMs: (await reader.rows(own, "from (values (1)) one"))[0]?.lagMs ?? null,
    }
  },
}
