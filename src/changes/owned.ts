import type { Database, QueryOptions, Session } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { installedVersions } from "./migration.ts"

export type OwnedKind =
  | "event trigger"
  | "trigger"
  | "view"
  | "materialized view"
  | "table"
  | "sequence"
  | "function"
  | "type"
  | "schema"

/** Something in a database that is there because of this library. */
export interface OwnedObject {
  readonly kind: OwnedKind
  readonly schema: string | null
  /** Of a function with the types of its arguments. */
  readonly name: string
  /** The table of a trigger, with its schema, quoted where needed. */
  readonly on: string | null
  /** The {@link Component} it belongs to; "selecto" for what all of them share. */
  readonly component: string
  /** Bytes with indexes and partitions; null for what holds none. */
  readonly bytes: number | null
  /** The statement that takes it away. */
  readonly drop: string
}

export interface OwnedReport {
  /** In the order in which they can be dropped, without CASCADE. */
  readonly objects: readonly OwnedObject[]
  /** What others have put into schema selecto, as `kind name`: it is left alone, and so is the schema then. */
  readonly strangers: readonly string[]
  /** Versions of the components. */
  readonly components: ReadonlyMap<string, number>
}

/** The comment on an object outside of schema selecto that says that a component of ours made it. Text may follow the name. */
export function ownedTag(component: string): string {
  return `selecto:${component}`
}

/**
 * Ours is: in schema `selecto` what is called after a component ($1); triggers and event triggers called selecto_… that call functions
 * of that schema; and whatever carries our tag as its comment.
 */
const objectsText = `
with space as (select n.oid from pg_catalog.pg_namespace n where n.nspname = 'selecto'),
found as (
  select 0 as rank, e.oid, 'event trigger' as kind, null::name as schema, e.evtname::text as name, null::text as on_table,
    pg_catalog.split_part(f.proname, '_', 1) as component, null::int8 as bytes,
    pg_catalog.format('DROP EVENT TRIGGER %I', e.evtname) as drop
  from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc f on f.oid = e.evtfoid
  where e.evtname like 'selecto\\_%' and f.pronamespace in (select oid from space)
  union all
  select 1, g.oid, 'trigger', n.nspname, g.tgname, pg_catalog.format('%I.%I', n.nspname, c.relname),
    pg_catalog.split_part(g.tgname, '_', 2), null, pg_catalog.format('DROP TRIGGER %I ON %I.%I', g.tgname, n.nspname, c.relname)
  from pg_catalog.pg_trigger g join pg_catalog.pg_proc f on f.oid = g.tgfoid
    join pg_catalog.pg_class c on c.oid = g.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where g.tgname like 'selecto\\_%' and not g.tgisinternal and f.pronamespace in (select oid from space)
  union all
  select case when n.nspname <> 'selecto' then case c.relkind when 'v' then 2 when 'm' then 3 else 4 end
      when c.relname = 'migration' then 10 else case c.relkind when 'v' then 5 when 'm' then 5 when 'S' then 7 else 6 end end,
    c.oid, case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
    n.nspname, c.relname, null,
    case when n.nspname <> 'selecto' then pg_catalog.substring(d.description, '^selecto:([a-z]+)')
      when c.relname = 'migration' then 'selecto' else pg_catalog.split_part(c.relname, '_', 1) end,
    case when c.relkind = 'p' then (select sum(pg_catalog.pg_total_relation_size(t.relid))
        from pg_catalog.pg_partition_tree(c.oid) t)::int8
      when c.relkind in ('r', 'm', 'S') then pg_catalog.pg_total_relation_size(c.oid) end,
    pg_catalog.format('DROP %s %I.%I',
      case c.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' when 'S' then 'SEQUENCE' else 'TABLE' end,
      n.nspname, c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_description d on d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objoid = c.oid and d.objsubid = 0
  where c.relkind in ('r', 'p', 'v', 'm', 'S') and not c.relispartition and n.nspname !~ '^pg_temp'
    and (n.nspname = 'selecto' or d.description ~ '^selecto:[a-z]+')
    and not exists (select from pg_catalog.pg_depend x where x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and x.objid = c.oid
      and c.relkind = 'S' and x.deptype in ('a', 'i'))
  union all
  select 8, f.oid, 'function', 'selecto',
    pg_catalog.format('%s(%s)', f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)), null,
    pg_catalog.split_part(f.proname, '_', 1), null, pg_catalog.format('DROP ROUTINE %s', f.oid::pg_catalog.regprocedure)
  from pg_catalog.pg_proc f where f.pronamespace in (select oid from space)
  union all
  select 9, t.oid, 'type', 'selecto', t.typname, null, pg_catalog.split_part(t.typname, '_', 1), null,
    pg_catalog.format('DROP TYPE selecto.%I', t.typname)
  from pg_catalog.pg_type t left join pg_catalog.pg_class c on c.oid = t.typrelid
  where t.typnamespace in (select oid from space) and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
  union all
  select 11, s.oid, 'schema', null, 'selecto', null, 'selecto', null, 'DROP SCHEMA selecto' from space s)
select pg_catalog.json_build_object('kind', kind, 'schema', schema, 'name', name, 'on', on_table, 'component', component, 'bytes', bytes,
  'drop', drop, 'ours', rank < 2 or component = 'selecto' or schema is distinct from 'selecto' or component = any ($1::text[]))::text
from found order by rank, oid desc /* selecto:changes */`

/**
 * Everything of ours in a database, whichever version of the library made it: found in the catalog, and by the versions that schema
 * selecto notes. Changes nothing. `known` are component names for a role that may not read these.
 */
export async function ownedObjects(
  source: Database | Session,
  known: readonly string[] = ["changes"],
  options: QueryOptions = {},
): Promise<OwnedReport> {
  const query = { timeoutMs: 30_000, ...options }
  const components = await installedVersions(source, query).catch((error) => {
    if (isSelectoError(error, "E_MISSING_RIGHT")) return new Map<string, number>()
    throw error
  })
  const names = [...new Set([...known, ...components.keys()])]
  const { rows } = await source.queryText({ text: objectsText, values: [names] }, query)
  const found = rows.map(([json]) => JSON.parse(json!) as OwnedObject & { readonly ours: boolean })
  return {
    objects: found.filter(({ ours }) => ours).map(({ ours: _, ...object }) => object),
    strangers: found.filter(({ ours }) => !ours).map(({ kind, name }) => `${kind} ${name}`),
    components,
  }
}

/** A name for people: `table selecto.changes_log`, `trigger selecto_… on public.orders`. */
export function nameOf({ kind, schema, name, on }: OwnedObject): string {
  if (on !== null) return `${kind} ${name} on ${on}`
  return schema === null ? `${kind} ${name}` : `${kind} ${schema}.${name}`
}
