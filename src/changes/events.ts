import type { Database, QueryOptions } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError } from "../errors.ts"
import { migrationLock } from "./migration.ts"

/** Event triggers of ours and their functions. */
const eventTriggers = [
  ["selecto_changes_ddl", "ddl_command_end", "changes_ddl"],
  ["selecto_changes_dropped", "sql_drop", "changes_dropped"],
] as const

const standingText = `
select count(*)::int as standing from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc f on f.oid = e.evtfoid
join pg_catalog.pg_namespace n on n.oid = f.pronamespace
where e.evtenabled = 'A' and n.nspname = 'selecto'
  and (e.evtname, e.evtevent, f.proname) in (${eventTriggers.map((one) => `('${one.join("', '")}')`).join(", ")}) /* selecto:changes */`

/** True when all event triggers stand and are enabled. */
export async function eventsStand(database: Pick<Database, "query">, options: QueryOptions): Promise<boolean> {
  const { rows } = await database.query<{ standing: number }>({ text: standingText, values: [] }, options)
  return Number(rows[0]!.standing) === eventTriggers.length
}

/**
 * Makes the event triggers that tell of DDL at once, where this role may (a superuser, or whom a hosting service lets) and where they
 * fire (not in PGlite). True when they stand. Whether they can be relied on yet is for {@link confirmEvents} to say.
 */
export async function enableEvents(
  database: Database,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  const query: QueryOptions = { timeoutMs: 10_000, signal: options.signal }
  if (await eventsStand(database, query)) return true
  try {
    return await ownTransaction(database, { room: "changes", lockTimeoutMs: 10_000, signal: options.signal }, async (session) => {
      const run = (text: string, values: readonly unknown[] = []): ReturnType<typeof session.queryText> =>
        session.queryText({ text: `${text} /* selecto:changes */`, values }, query)
      await run("select pg_catalog.pg_advisory_xact_lock($1)", [migrationLock])
      for (const [name, event, call] of eventTriggers) {
        await run(`drop event trigger if exists ${name}`)
        await run(`create event trigger ${name} on ${event} execute function selecto.${call}()`)
        await run(`alter event trigger ${name} enable always`)
      }
      await run("select pg_catalog.set_config('selecto.ddl_seen', 'no', true)")
      await run("comment on function selecto.changes_ddl() is 'selecto:changes, called by an event trigger'")
      const seen = (await run("select pg_catalog.current_setting('selecto.ddl_seen')")).rows[0]![0]
      // A server in single-user mode fires none.
      if (seen !== "on") throw new NotFired()
      await run("update selecto.changes_state set ddl = 'polling', events_since = pg_catalog.pg_current_xact_id() where only_row")
      return true
    })
  } catch (error) {
    if (error instanceof NotFired || (isSelectoError(error) && error.sqlState === "42501")) return false
    throw error
  }
}

class NotFired extends Error {}

const confirmText = `
update selecto.changes_state set ddl = 'events' where only_row and ddl = 'polling' and events_since is not null
  and pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) > events_since /* selecto:changes */`

/**
 * Relies on the event triggers once every transaction that is older than they are has ended: such a one may have altered something
 * that they were not there to see. Called when what had been altered until then has been settled. Where they have been taken away
 * meanwhile, everything counts as stale and the catalog is looked at again from time to time.
 */
export async function confirmEvents(database: Database, options: QueryOptions): Promise<void> {
  if (await eventsStand(database, options)) {
    await database.query({ text: confirmText, values: [] }, options)
    return
  }
  await database.query({ text: doubtText, values: [] }, options)
}

const doubtText = `
with doubted as (
  update selecto.changes_state set ddl = 'polling', events_since = null where only_row and events_since is not null returning 1)
select selecto.changes_touch(array(select root from selecto.changes_root)) from doubted /* selecto:changes */`
