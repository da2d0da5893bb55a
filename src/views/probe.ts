import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"

/** A relation that a view reads, itself or through other views. */
export interface ReadRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** pg_class.relkind. */
  readonly kind: string
  readonly persistence: string
  /** Row security is on: whoever reads the view sees the rows that its owner sees. */
  readonly rowSecurity: boolean
}

/** What the catalog tells of a materialized view's definition. */
export interface Probe {
  readonly oid: number
  /** Its SELECT, every name with its schema. */
  readonly definition: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly populated: boolean
  /** What it reads, views opened: tables, materialized views, foreign tables, catalogs. */
  readonly reads: readonly ReadRelation[]
  /** Views that it reads and functions of users' that it calls: what these mean can change. */
  readonly meanings: readonly number[]
  /** A function of its SELECT list gives several rows. */
  readonly repeats: boolean
  /** It calls functions of which it is not known what they read. */
  readonly opaque: boolean
  /** Why no refresh could keep it; null where one can. */
  readonly fault: string | null
  /** What a reader should know. */
  readonly warnings: readonly string[]
}

/** Functions of pg_catalog that are stable, and give another value at another time or in another session. */
const passing =
  `now transaction_timestamp statement_timestamp age current_setting txid_current txid_current_if_assigned txid_current_snapshot
pg_current_xact_id pg_current_xact_id_if_assigned pg_current_snapshot pg_backend_pid current_database current_schema current_schemas
current_query inet_client_addr inet_client_port inet_server_addr inet_server_port pg_is_in_recovery pg_postmaster_start_time
pg_conf_load_time pg_my_temp_schema current_user session_user getpgusername row_security_active pg_table_is_visible`.split(/\s+/)

interface ProbeRow {
  readonly definition: string
  readonly populated: boolean
  readonly columns: Probe["columns"]
  readonly reads: (Omit<ReadRelation, "oid"> & { readonly oid: number; readonly system: boolean })[]
  readonly views: readonly number[]
  readonly functions: {
    readonly oid: number
    readonly name: string
    readonly schema: string
    readonly volatility: string
    readonly arguments: number
  }[]
  readonly value: boolean
  readonly sampled: boolean
  readonly repeats: boolean
}

/**
 * Definitions are kept as trees: what they read and call stands there by oid, built-in things included, which pg_depend leaves out.
 * $1 is the view.
 */
const probeText = `
with recursive rules (relation, action) as (
  select r.ev_class, r.ev_action::text from pg_catalog.pg_rewrite r where r.ev_class = $1 and r.rulename = '_RETURN'
  union
  select r.ev_class, r.ev_action::text from rules p
    cross join lateral pg_catalog.regexp_matches(p.action, ':relid (\\d+)', 'g') m
    join pg_catalog.pg_class c on c.oid = m[1]::oid and c.relkind = 'v' and c.oid <> p.relation
    join pg_catalog.pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'),
reads as (
  select distinct c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity
  from rules p cross join lateral pg_catalog.regexp_matches(p.action, ':relid (\\d+)', 'g') m
    join pg_catalog.pg_class c on c.oid = m[1]::oid and c.oid <> p.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid <> $1),
called as (
  select m[1]::oid as oid from rules p
    cross join lateral pg_catalog.regexp_matches(p.action, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m
  union
  select o.oprcode from rules p cross join lateral pg_catalog.regexp_matches(p.action, ':opno (\\d+)', 'g') m
    join pg_catalog.pg_operator o on o.oid = m[1]::oid)
select pg_catalog.json_build_object('definition', pg_catalog.rtrim(pg_catalog.btrim(pg_catalog.pg_get_viewdef(c.oid)), ';'),
  'populated', c.relispopulated,
  'columns', (select pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod))
      order by a.attnum) from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'reads', (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('oid', r.oid::int8, 'schema', r.nspname, 'name', r.relname,
      'kind', r.relkind, 'persistence', r.relpersistence, 'rowSecurity', r.relrowsecurity,
      'system', r.nspname in ('pg_catalog', 'information_schema', 'pg_toast')) order by r.nspname, r.relname), '[]') from reads r where r.relkind <> 'v'),
  'views', (select coalesce(pg_catalog.json_agg(r.oid::int8), '[]') from reads r where r.relkind = 'v'),
  'functions', (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('oid', f.oid::int8, 'name', f.proname, 'schema', n.nspname,
      'volatility', f.provolatile, 'arguments', f.pronargs) order by f.proname), '[]') from called x join pg_catalog.pg_proc f on f.oid = x.oid
      join pg_catalog.pg_namespace n on n.oid = f.pronamespace),
  'value', exists (select from rules where action like '%{SQLVALUEFUNCTION %'),
  'repeats', exists (select from rules where relation = $1 and action like '%:hasTargetSRFs true%'),
  'sampled', exists (select from rules where action like '%{TABLESAMPLECLAUSE %'))::text as probe
from pg_catalog.pg_class c where c.oid = $1 and c.relkind = 'm' /* selecto:views */`

const pathText = "select pg_catalog.set_config('search_path', $1, true) /* selecto:views */"

/** Reads a materialized view's definition, in an open transaction of `session`. Null when there is none with this oid. */
export async function probeView(session: Session, oid: number, options: QueryOptions): Promise<Probe | null> {
  const current = "select pg_catalog.current_setting('search_path') /* selecto:views */"
  const path = (await session.queryText({ text: current, values: [] }, options)).rows[0]![0]!
  // An empty path makes PostgreSQL write every name with its schema.
  await session.query({ text: pathText, values: [""] }, options)
  const { rows } = await session.queryText({ text: probeText, values: [oid] }, options)
  await session.query({ text: pathText, values: [path] }, options)
  if (rows.length === 0) return null
  const { definition, populated, columns, reads, views, functions, value, sampled, repeats } = JSON.parse(
    rows[0]![0]!,
  ) as ProbeRow
  const own = functions.filter(({ schema }) => schema !== "pg_catalog")
  return {
    oid,
    definition,
    columns,
    populated,
    reads,
    meanings: [...views, ...own.map((one) => one.oid)],
    repeats,
    opaque: own.some(({ volatility }) => volatility === "s"),
    fault: faultOf(functions, value, sampled),
    warnings: warningsOf(reads, own),
  }
}

function faultOf(functions: ProbeRow["functions"], value: boolean, sampled: boolean): string | null {
  if (value) return "it reads the date, the time or the user (current_date, current_timestamp, current_user …)"
  if (sampled) return "it reads a sample of a table, which is another one each time"
  for (const { name, schema, volatility, arguments: count } of functions) {
    const called = `${schema === "pg_catalog" ? "" : `${schema}.`}${name}()`
    if (volatility === "v")
      return `it calls ${called}, which is volatile${schema === "pg_catalog" ? "" : ": if it is not, say so with ALTER FUNCTION … STABLE"}`
    if (volatility === "s" && schema === "pg_catalog" && passing.includes(name) && (name !== "age" || count === 1))
      return `it calls ${called}, whose value belongs to one moment or session`
  }
  return null
}

function warningsOf(reads: ProbeRow["reads"], own: ProbeRow["functions"]): string[] {
  const secured = reads.filter(({ rowSecurity }) => rowSecurity).map(({ schema, name }) => `${schema}.${name}`)
  const warnings: string[] = []
  if (secured.length > 0)
    warnings.push(
      `Row security is on for ${secured.join(", ")}: whoever may read the view sees every row that its owner sees. Grant SELECT on it accordingly.`,
    )
  const opaque = own.filter(({ volatility }) => volatility === "s").map(({ schema, name }) => `${schema}.${name}()`)
  if (opaque.length > 0)
    warnings.push(
      `It calls ${[...new Set(opaque)].join(", ")}: what tables these read is not known, and changes there are not noticed.`,
    )
  return warnings
}

/** Error for a definition that no refresh could keep. */
export function notKeepable(name: string, fault: string): SelectoError {
  return new SelectoError(
    "E_VIEW_NOT_KEEPABLE",
    `No refresh could keep ${name}: ${fault}. What depends on the moment belongs into the query that reads the view.`,
    { path: name },
  )
}

/** Relations whose changes make a view stale; materialized views below it have states of their own. */
export function basesOf({ reads }: Probe): number[] {
  return reads.filter(({ kind }) => kind !== "m").map(({ oid }) => oid)
}

/** Why a view's changes cannot be followed exactly; null where they can. `tracked` tells of the materialized views below it. */
export function trackingFault(probe: Probe, tracked: (oid: number) => boolean): string | null {
  for (const { oid, schema, name, kind, persistence } of probe.reads) {
    const full = `${schema}.${name}`
    if (schema === "pg_catalog" || schema === "information_schema") return `it reads the catalog (${full}), which has no triggers`
    if (kind === "f") return `it reads the foreign table ${full}: what is changed at the other end is not seen here`
    if (persistence === "u") return `it reads the unlogged table ${full}, which a crash empties without a trace`
    if (kind === "m" && !tracked(oid)) return `it reads the materialized view ${full}, which is not tracked itself`
  }
  return probe.opaque ? "it calls functions of which it is not known what they read" : null
}
