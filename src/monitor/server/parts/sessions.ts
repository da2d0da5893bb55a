import type { RowOf } from "../field.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

const fields = {
  pid: ["number", "a.pid"],
  leader: ["number", "a.leader_pid"],
  here: ["flag", "a.datname = current_database()"],
  user: ["text", "a.usename"],
  application: ["text", "a.application_name"],
  client: ["text", "host(a.client_addr)"],
  kind: ["text", "a.backend_type"],
  state: ["text", "a.state"],
  waitType: ["text", "a.wait_event_type"],
  wait: ["text", "a.wait_event"],
  transactionMs: ["milliseconds", "(clock_timestamp() - a.xact_start)"],
  queryMs: ["milliseconds", "(clock_timestamp() - a.query_start)"],
  stateMs: ["milliseconds", "(clock_timestamp() - a.state_change)"],
  /** Transactions begun since its snapshot, or since its own: what it keeps VACUUM from removing. */
  horizon: ["number", "greatest(age(a.backend_xmin), age(a.backend_xid))"],
  queryId: ["text", "null"],
} as const

export type SessionRow = RowOf<typeof fields>

/**
 * Every session of this database that is not idle, ours left out; never the text of its statement, which holds values. Sessions that this
 * role may not see have no state and are left out too.
 */
export async function readSessions(reader: Reader): Promise<readonly SessionRow[]> {
  const queryId = ["text", reader.columns.sql("pg_stat_activity", "a", "query_id")] as const
  return reader.rows(
    { ...fields, queryId },
    `from pg_catalog.pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid()
     and (a.state <> 'idle' or (a.state is null and a.wait_event_type is not null))`,
  )
}

/** The texts of some sessions' statements, to be known by their fingerprint in this process and then forgotten. */
export async function readTexts(reader: Reader, pids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await reader.rows(
    { pid: ["number", "a.pid"], text: ["text", "a.query"] },
    "from pg_catalog.pg_stat_activity a where a.pid = any($1::int[])",
    [pids],
  )
  return new Map(rows.flatMap(({ pid, text: query }) => (pid === null || query === null ? [] : [[pid, query] as const])))
}

const counts = {
  state: ["text", "coalesce(a.state, 'hidden')"],
  here: ["flag", "coalesce(a.datname = current_database(), false)"],
  count: ["number", "count(*)"],
} as const

export type ConnectionCount = RowOf<typeof counts>

/** Client connections of the whole server by state: the limit is the server's, not the database's. */
export const connectionsPart: Part<readonly ConnectionCount[]> = {
  every: 1,
  read: (reader) =>
    reader.rows(counts, "from pg_catalog.pg_stat_activity a where a.backend_type = 'client backend' group by 1, 2"),
}

const blocked = {
  pid: ["number", "w.pid"],
  blockers: ["list", "pg_blocking_pids(w.pid)::text[]"],
  mode: ["text", "l.mode"],
  locktype: ["text", "l.locktype"],
  relation: ["text", "l.relation::regclass"],
  waitedMs: ["milliseconds", "(clock_timestamp() - null::timestamptz)"],
} as const

export type BlockedRow = RowOf<typeof blocked>

/** What these sessions wait for, and for whom. Asked of waiting sessions only: pg_blocking_pids stops the lock manager for a moment. */
export async function readBlocked(reader: Reader, pids: readonly number[]): Promise<readonly BlockedRow[]> {
  const start = reader.columns.sql("pg_locks", "l", "waitstart")
  return reader.rows(
    { ...blocked, waitedMs: ["milliseconds", `(clock_timestamp() - ${start}::timestamptz)`] },
    `from unnest($1::int[]) w(pid) left join lateral (select * from pg_catalog.pg_locks k where k.pid = w.pid and not k.granted limit 1) l on true`,
    [pids],
  )
}

const prepared = {
  name: ["text", "p.gid"],
  ageMs: ["milliseconds", "(clock_timestamp() - p.prepared)"],
  horizon: ["number", "age(p.transaction)"],
  owner: ["text", "p.owner"],
} as const

export type PreparedRow = RowOf<typeof prepared>

/** Prepared transactions: they hold locks and the horizon until somebody ends them. */
export const preparedPart: Part<readonly PreparedRow[]> = {
  every: 1,
  read: (reader) =>
    reader.rows(
      prepared,
      "from pg_catalog.pg_prepared_xacts p where p.database = current_database() order by p.prepared limit 20",
    ),
}
