import type { Database, QueryOptions, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { rightError } from "./rights.ts"

/** One step of a room's part of schema `selecto`. Never changed once it has been released: the next step changes what it made. */
export interface Migration {
  /** What it brings, in a few words. */
  readonly name: string
  /** Run one by one in one transaction; no values. */
  readonly statements: readonly string[]
}

/**
 * What a room keeps in schema `selecto`. Everything in it is called `<name>_…`, which is how it is known to be ours when it is listed
 * or removed; the first migration is number 1.
 */
export interface Component {
  /** Lower-case letters only, at most 20. */
  readonly name: string
  readonly migrations: readonly Migration[]
}

export interface MigrateOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds that a process waits for another one that migrates. Default 30,000. */
  readonly waitMs?: number | undefined
}

/** What `migrate` did to one component. */
export interface Migrated {
  readonly component: string
  /** Version before; 0 when it was not there. */
  readonly from: number
  readonly to: number
}

/** Within a database, one process migrates at a time: an advisory lock of this key, the bytes of "selecto". */
export const migrationLock = "32481138553615471"

const limits: QueryOptions = { timeoutMs: 60_000 }

/**
 * Brings components to the newest version that this library knows, all of them in one transaction; where nothing is to be done it
 * only looks, and takes no lock. Any number of processes may call it at once. Errors: E_READ_ONLY on a standby, E_MISSING_RIGHT with
 * the GRANT, E_STATE_NEWER when a newer library has been here, E_LOCK_TIMEOUT when another process does not finish.
 *
 * @example await migrate(database, [changesComponent])
 */
export async function migrate(
  database: Database,
  components: readonly Component[],
  options: MigrateOptions = {},
): Promise<Migrated[]> {
  const query = { ...limits, signal: options.signal }
  const before = await readState(database, query)
  const behind = (state: SchemaState): Component[] =>
    components.filter(({ name, migrations }) => (state.versions.get(name) ?? 0) < migrations.length)
  refuseNewer(before, components)
  if (behind(before).length === 0) return []
  refuseReadOnly(before)
  refuseRightless(before)
  try {
    return await ownTransaction(
      database,
      { room: "changes", lockTimeoutMs: options.waitMs ?? 30_000, signal: options.signal },
      async (session) => {
        const run = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
          session.query({ text: `${text} /* selecto:changes */`, values }, query)
        await run("select pg_catalog.pg_advisory_xact_lock($1)", [migrationLock])
        // Another process may have done it while this one waited.
        const state = await readState(session, query)
        refuseNewer(state, components)
        if (!state.schema) await run("create schema selecto")
        if (!state.migrations)
          await run(`create table selecto.migration (component text, version integer, name text not null,
            applied_at timestamptz not null default pg_catalog.now(), primary key (component, version))`)
        const migrated: Migrated[] = []
        for (const component of behind(state)) {
          const from = state.versions.get(component.name) ?? 0
          for (const [index, migration] of component.migrations.entries()) {
            if (index < from) continue
            for (const statement of migration.statements) await run(statement)
            await run("insert into selecto.migration (component, version, name) values ($1, $2, $3)", [
              component.name,
              index + 1,
              migration.name,
            ])
          }
          migrated.push({ component: component.name, from, to: component.migrations.length })
        }
        return migrated
      },
    )
  } catch (error) {
    if (isSelectoError(error) && error.sqlState === "55P03")
      throw new SelectoError(
        "E_LOCK_TIMEOUT",
        "Another process is changing schema selecto and did not finish in time. Nothing was changed here: try again.",
        { cause: error },
      )
    throw rightError(error, "upgrade schema selecto", `GRANT ${quoteIdentifier(before.owner ?? "owner")} TO ${before.role}`)
  }
}

/** Versions of the components that are in the database; empty when there is none. Errors: E_MISSING_RIGHT without USAGE or SELECT. */
export async function installedVersions(
  source: Database | Session,
  options: QueryOptions = {},
): Promise<ReadonlyMap<string, number>> {
  return (await readState(source, { ...limits, ...options })).versions
}

interface SchemaState {
  readonly versions: ReadonlyMap<string, number>
  readonly schema: boolean
  readonly migrations: boolean
  readonly owner: string | null
  /** Quoted, as a GRANT names them. */
  readonly role: string
  readonly database: string
  readonly readOnly: boolean
  readonly rights: { readonly createSchema: boolean; readonly create: boolean; readonly usage: boolean; readonly select: boolean }
}

interface StateRow {
  readonly role: string
  readonly database: string
  readonly owner: string | null
  readonly schema: boolean
  readonly migrations: boolean
  readonly standby: boolean
  readonly may_create_schema: boolean
  readonly may_create: boolean
  readonly may_use: boolean
  readonly may_read: boolean
}

/** Asks the catalog, which everybody may read, so that nothing fails (and no transaction is broken) where a right is missing. */
const stateText = `
select current_user::text as role, current_database()::text as database, pg_catalog.pg_get_userbyid(n.nspowner)::text as owner,
  n.oid is not null as schema, c.oid is not null as migrations, pg_catalog.pg_is_in_recovery() as standby,
  pg_catalog.has_database_privilege(current_database(), 'create') as may_create_schema,
  coalesce(pg_catalog.has_schema_privilege(n.oid, 'create'), false) as may_create,
  coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage'), false) as may_use,
  coalesce(pg_catalog.has_table_privilege(c.oid, 'select'), false) as may_read
from (select) one left join pg_catalog.pg_namespace n on n.nspname = 'selecto'
  left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'migration' and c.relkind = 'r' /* selecto:changes */`

const versionsText = `
select component, max(version) as version from selecto.migration group by component /* selecto:changes */`

async function readState(source: Database | Session, options: QueryOptions): Promise<SchemaState> {
  const row = (await source.query<StateRow>({ text: stateText, values: [] }, options)).rows[0]!
  const role = quoteIdentifier(row.role)
  if (row.migrations && !(row.may_use && row.may_read))
    throw new SelectoError(
      "E_MISSING_RIGHT",
      `The role ${row.role} may not read schema selecto. Its owner runs: GRANT USAGE ON SCHEMA selecto TO ${role}; GRANT SELECT ON selecto.migration TO ${role}`,
    )
  const versions = row.migrations
    ? (await source.query<{ component: string; version: number }>({ text: versionsText, values: [] }, options)).rows
    : []
  return {
    versions: new Map(versions.map(({ component, version }) => [component, Number(version)])),
    schema: row.schema,
    migrations: row.migrations,
    owner: row.owner,
    role,
    database: quoteIdentifier(row.database),
    readOnly: row.standby,
    rights: { createSchema: row.may_create_schema, create: row.may_create, usage: row.may_use, select: row.may_read },
  }
}

function refuseNewer(state: SchemaState, components: readonly Component[]): void {
  for (const { name, migrations } of components) {
    const version = state.versions.get(name) ?? 0
    if (version > migrations.length)
      throw new SelectoError(
        "E_STATE_NEWER",
        `Schema selecto holds version ${version} of "${name}", this library knows ${migrations.length}. Upgrade selecto-pg here too.`,
        { path: name },
      )
  }
}

function refuseReadOnly({ readOnly }: SchemaState): void {
  if (readOnly)
    throw new SelectoError("E_READ_ONLY", "This server is a standby and takes no writes. Connect to the primary to install.")
}

function refuseRightless({ schema, rights, role, database }: SchemaState): void {
  if (!schema && !rights.createSchema)
    throw new SelectoError(
      "E_MISSING_RIGHT",
      `Schema selecto is not there and this role may not create it. The database's owner runs: GRANT CREATE ON DATABASE ${database} TO ${role}`,
    )
  if (schema && !(rights.create && rights.usage))
    throw new SelectoError(
      "E_MISSING_RIGHT",
      `This role may not create in schema selecto. The schema's owner runs: GRANT USAGE, CREATE ON SCHEMA selecto TO ${role}`,
    )
}
