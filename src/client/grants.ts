import { type Capabilities, readCapabilities } from "../database/capabilities.ts"
import type { Database, QueryOptions } from "../database/database.ts"
import { quoteIdentifier } from "../sql/identifier.ts"

const ownersText = `
select r.rolname::text as owner, r.rolsuper as super, count(*)::int as tables,
  pg_catalog.string_agg(distinct n.nspname::text, ',' order by n.nspname::text) as schemas
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_roles r on r.oid = c.relowner
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'selecto')
group by 1, 2 order by 1 /* selecto:changes */`

const tablesText = `
select c.relname::text as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'selecto' and c.relkind = 'r' and (c.relname like 'changes\\_%' or c.relname like 'views\\_%' or c.relname = 'migration') order by 1 /* selecto:changes */`

/**
 * SQL that makes two roles with no more rights than the library needs in this database, for an administrator to read and run: one that
 * keeps schema selecto up (migrations, triggers, views, history), one for applications that use it. Nothing is run.
 */
export async function grantScript({ database }: { readonly database: Database }, options: QueryOptions = {}): Promise<string> {
  const query = { timeoutMs: 10_000, ...options }
  const capabilities = await readCapabilities(database)
  const { rows: owners } = await database.query<OwnerRow>({ text: ownersText, values: [] }, query)
  const { rows: tables } = await database.query<{ name: string }>({ text: tablesText, values: [] }, query)
  return [
    ...keeper(owners),
    "",
    ...user(
      tables.map(({ name }) => name),
      capabilities,
    ),
    "",
  ].join("\n")
}

interface OwnerRow {
  readonly owner: string
  readonly super: boolean
  readonly tables: number
  readonly schemas: string
}

function keeper(owners: readonly OwnerRow[]): string[] {
  const grants = owners.flatMap(({ owner, super: isSuper, tables, schemas }) => {
    const name = quoteIdentifier(owner)
    if (isSuper)
      return [
        `-- ${tables} tables belong to ${name}, a superuser: give them to another role, or let ${name} install. No GRANT of it here.`,
      ]
    return [
      `GRANT ${name} TO selecto_keeper; -- triggers on its ${tables} tables`,
      ...schemas
        .split(",")
        .map((schema) => `GRANT CREATE ON SCHEMA ${quoteIdentifier(schema)} TO selecto_keeper; -- views beside them`),
    ]
  })
  return [
    "-- Keeps schema selecto up: change log, triggers, views, history. For the process that installs and refreshes.",
    "CREATE ROLE selecto_keeper NOLOGIN;",
    "CREATE SCHEMA IF NOT EXISTS selecto AUTHORIZATION selecto_keeper;",
    ...grants,
    "-- Event triggers, which tell of DDL at once, are for superusers to make; without them the catalog is looked at from time to time.",
  ]
}

function user(tables: readonly string[], { extensions }: Capabilities): string[] {
  return [
    "-- Uses it: proves views and cached results fresh, reads statistics. For the roles that applications connect as.",
    "CREATE ROLE selecto_user NOLOGIN;",
    "GRANT USAGE ON SCHEMA selecto TO selecto_user;",
    ...tables.map((name) => `GRANT SELECT ON selecto.${quoteIdentifier(name)} TO selecto_user;`),
    ...(tables.length === 0 ? ["-- Run this again after the first install: then it grants SELECT on what is tracked."] : []),
    `GRANT pg_read_all_stats TO selecto_user; -- statements of other roles in pg_stat_activity${extensions.pg_stat_statements === undefined ? "" : " and pg_stat_statements"}`,
    "GRANT pg_read_all_settings TO selecto_user; -- memory and planner settings, for advice",
    "GRANT pg_signal_backend TO selecto_user; -- only to cancel statements of other roles; leave it out where nobody shall",
  ]
}
