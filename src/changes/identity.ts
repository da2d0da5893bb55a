import type { Database, QueryOptions, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { migrationLock } from "./migration.ts"

/** Which database this is, of which life of which server. What was learned of another one is worth nothing here. */
export interface DatabaseIdentity {
  /** Made by initdb, kept by copies and standbys; null where this role may not ask. */
  readonly systemIdentifier: string | null
  /** Eight hexadecimal digits; another one after each promotion and each recovery to a point in time. Null where it cannot be asked. */
  readonly timeline: string | null
  /** pg_database.oid. */
  readonly databaseOid: number
  /** The server's last start: what it held unlogged or in memory is not older. */
  readonly startedAt: Date
  readonly standby: boolean
}

interface BasicRow {
  readonly database_oid: string
  readonly started_at: string
  readonly standby: boolean
  readonly may_wal: boolean
  readonly may_system: boolean
  readonly may_checkpoint: boolean
  readonly may_receiver: boolean
}

/** Rights are asked for first, so that the question never breaks a transaction that is open. */
const basicText = `
select d.oid::text as database_oid, pg_catalog.pg_is_in_recovery() as standby,
  (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000)::text as started_at,
  pg_catalog.has_function_privilege('pg_catalog.pg_current_wal_lsn()', 'execute')
    and pg_catalog.has_function_privilege('pg_catalog.pg_walfile_name(pg_lsn)', 'execute') as may_wal,
  pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as may_system,
  pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'execute') as may_checkpoint,
  pg_catalog.has_function_privilege('pg_catalog.pg_stat_get_wal_receiver()', 'execute') as may_receiver
from pg_catalog.pg_database d where d.datname = current_database() /* selecto:changes */`

const walText = `
select pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) as timeline /* selecto:changes */`

/** A standby follows the timeline that its receiver is at; the checkpoint's may be the one before. */
const standbyText = `
select pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(greatest(
  (select timeline_id from pg_catalog.pg_control_checkpoint()),
  (select received_tli from pg_catalog.pg_stat_get_wal_receiver())))), 8, '0') as timeline /* selecto:changes */`

const systemText = `
select system_identifier::text as system from pg_catalog.pg_control_system() /* selecto:changes */`

/** Asks which database this is. What the role may not ask is null. */
export async function identity(source: Database | Session, options: QueryOptions = {}): Promise<DatabaseIdentity> {
  const query = { timeoutMs: 10_000, ...options }
  const row = (await source.query<BasicRow>({ text: basicText, values: [] }, query)).rows[0]!
  const ask = async (text: string, may: boolean): Promise<string | null> =>
    may ? ((await source.queryText({ text, values: [] }, query)).rows[0]?.[0] ?? null) : null
  return {
    systemIdentifier: await ask(systemText, row.may_system),
    timeline: row.standby ? await ask(standbyText, row.may_checkpoint && row.may_receiver) : await ask(walText, row.may_wal),
    databaseOid: Number(row.database_oid),
    startedAt: new Date(Number(row.started_at)),
    standby: row.standby,
  }
}

interface BoundRow {
  readonly log_oid: string
  readonly live_log_oid: string
  readonly database_oid: string
  readonly system_identifier: string | null
}

const boundText = `
select log_oid::text as log_oid, 'selecto.changes_log'::pg_catalog.regclass::oid::text as live_log_oid,
  database_oid::text as database_oid, system_identifier from selecto.changes_state where only_row`

/**
 * Binds the state of schema `selecto` to this database. Where it came from another one (a dump that was restored, a copy, another
 * server), everything derived counts as stale from now on, and tables are found again by name. True when it was so. Triggers are put
 * right by {@link syncTracking}.
 */
export async function bindIdentity(database: Database, options: QueryOptions = {}): Promise<boolean> {
  const query = { timeoutMs: 60_000, ...options }
  const live = await identity(database, query)
  const strange = async (source: Database | Session): Promise<"no" | "new" | "moved"> => {
    const bound = (await source.query<BoundRow>({ text: `${boundText} /* selecto:changes */`, values: [] }, query)).rows[0]!
    if (bound.log_oid !== bound.live_log_oid || Number(bound.database_oid) !== live.databaseOid) return "moved"
    if (bound.system_identifier === null) return live.systemIdentifier === null ? "no" : "new"
    return live.systemIdentifier === null || live.systemIdentifier === bound.system_identifier ? "no" : "moved"
  }
  if ((await strange(database)) === "no") return false
  return await ownTransaction(database, { room: "changes", lockTimeoutMs: 30_000, signal: options.signal }, async (session) => {
    const run = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
      session.query({ text: `${text} /* selecto:changes */`, values }, query)
    await run("select pg_catalog.pg_advisory_xact_lock($1)", [migrationLock])
    const state = await strange(session)
    if (state === "new")
      await run("update selecto.changes_state set system_identifier = $1 where only_row", [live.systemIdentifier])
    if (state !== "moved") return false
    await run(forgetText)
    await run(
      `update selecto.changes_state set epoch = pg_catalog.gen_random_uuid()::text, log_oid = 'selecto.changes_log'::pg_catalog.regclass,
       database_oid = $1, system_identifier = $2, ddl = 'polling', events_since = null, names = '', prune_xmin = null, pruned_at = null
       where only_row`,
      [live.databaseOid, live.systemIdentifier],
    )
    await moveRoots(session, query)
    return true
  })
}

const forgetText = `
with log as (delete from selecto.changes_log) delete from selecto.changes_member where root <> 0`

const movedText = `
select r.root::text as old, c.oid::text as new from selecto.changes_root r
left join pg_catalog.pg_namespace n on n.nspname = r.schema
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
where r.root <> 0 order by r.root /* selecto:changes */`

/** Relations have other oids in a restored dump: they are found by name, and what is not found is forgotten. */
async function moveRoots(session: Session, query: QueryOptions): Promise<void> {
  const { rows } = await session.query<{ old: string; new: string | null }>({ text: movedText, values: [] }, query)
  const change = async (from: number, to: number | null): Promise<void> => {
    for (const table of ["changes_root", "changes_need", "changes_trigger"]) {
      const text = to === null ? `delete from selecto.${table}` : `update selecto.${table} set root = $2`
      await session.query(
        { text: `${text} where root = $1 /* selecto:changes */`, values: to === null ? [from] : [from, to] },
        query,
      )
    }
  }
  // By way of numbers that no relation has: a table's new oid may be another one's old.
  const between = (index: number): number => 0xff_ff_ff_ff - index
  for (const [index, { old }] of rows.entries()) await change(Number(old), between(index))
  for (const [index, row] of rows.entries()) await change(between(index), row.new === null ? null : Number(row.new))
  await session.query(
    {
      text: `insert into selecto.changes_member select root, root from selecto.changes_root where root <> 0 /* selecto:changes */`,
      values: [],
    },
    query,
  )
}
