/**
 * The catalog queries of the extraction, guarded for PostgreSQL 13 to 18. Each takes oids as one array literal ($1), answers in
 * text, and reads nothing but the catalog. They run with search_path = pg_catalog, so that every name in a definition comes
 * back qualified.
 */

const tag = "/* selecto:indexes */"

/** Set before anything else: a copy must never be what a lock queue waits for. */
export const begin: readonly string[] = [
  `begin isolation level repeatable read read only ${tag}`,
  `set local lock_timeout = '2s' ${tag}`,
  `set local statement_timeout = '60s' ${tag}`,
]

export function environment(version: number): string {
  const provider = version >= 150000 ? "d.datlocprovider::text" : "'c'"
  const locale = version >= 170000 ? "d.datlocale" : version >= 150000 ? "d.daticulocale" : "null::text"
  return `select to_json(current_schemas(false))::text as path, d.datcollate as "collate", ${provider} as provider, ${locale} as locale,
    current_setting('block_size') as block, quote_ident(current_user) as role
    from pg_database d where d.datname = current_database() ${tag}`
}

export const settings: string = `select name, setting from pg_settings
  where category like 'Query Tuning%' or name in ('work_mem', 'hash_mem_multiplier', 'max_parallel_workers',
    'max_parallel_workers_per_gather', 'parallel_leader_participation', 'effective_io_concurrency', 'TimeZone', 'DateStyle',
    'IntervalStyle', 'default_text_search_config', 'bytea_output', 'array_nulls', 'transform_null_equals') ${tag}`

/** Resolves requested names under the caller's own search path. $1: JSON [{schema, name}]. */
export const resolve: string = `select r.schema, r.name, c.oid::text as oid, coalesce(c.relpersistence = 't', false) as temporary
  from json_to_recordset($1::json) as r(schema text, name text)
  left join pg_class c on c.oid = to_regclass(case when r.schema is null then '' else quote_ident(r.schema) || '.' end || quote_ident(r.name)) ${tag}`

const userRelation = `c.relkind in ('r', 'p', 'm', 'v', 'f') and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_(temp|toast)'
  and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e')`

export const allRelations: string = `select c.oid::text as oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${userRelation} ${tag}`

/** The requested relations, their partitions and children, and what their views read. */
export const closure: string = `with recursive needed(oid) as (
    select unnest($1::oid[])
    union
    select x.oid from needed cross join lateral (
      select inhrelid from pg_inherits where inhparent = needed.oid
      union all
      select d.refobjid from pg_rewrite w
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
        where w.ev_class = needed.oid and d.refobjid <> w.ev_class) x(oid))
  select c.oid::text as oid from needed join pg_class c on c.oid = needed.oid join pg_namespace n on n.oid = c.relnamespace
  where ${userRelation} ${tag}`

/** Relations that somebody holds exclusively, and the views that read them: sizes and definitions of those would wait. */
export const locked: string = `with recursive held(oid) as (
    select relation from pg_locks where locktype = 'relation' and mode = 'AccessExclusiveLock' and granted and pid <> pg_backend_pid()
      and database = (select oid from pg_database where datname = current_database())
    union
    select w.ev_class from held join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = held.oid and d.classid = 'pg_rewrite'::regclass
      join pg_rewrite w on w.oid = d.objid)
  select c.oid::text as oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
  from held join pg_class c on c.oid = held.oid join pg_namespace n on n.oid = c.relnamespace ${tag}`

export const relations: string = `select c.oid::text as id, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.relpages::text as pages,
    c.reltuples::text as tuples, c.relallvisible::text as visible, case when c.relkind in ('r', 'm') then pg_relation_size(c.oid) end::text as bytes,
    (select option_value from pg_options_to_table(c.reloptions) where option_name = 'parallel_workers') as workers,
    case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
    case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end as bound,
    case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as query,
    (select json_agg(i.inhparent::text order by i.inhseqno)::text from pg_inherits i where i.inhrelid = c.oid) as parents,
    row_security_active(c.oid)::text as rls,
    coalesce(has_table_privilege(c.oid, 'select'), false)::text as readable
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any($1::oid[]) order by c.oid ${tag}`

const collationName = (column: string): string => `case when ${column} = 0 then null when ${column} = 100 then 'default'
    else (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname) from pg_collation co
      join pg_namespace cn on cn.oid = co.collnamespace where co.oid = ${column}) end`

export function columns(version: number): string {
  const generated = version >= 180000 ? "case when a.attgenerated = 'v' then pg_get_expr(d.adbin, d.adrelid) end" : "null"
  return `select a.attrelid::text as relation, a.attnum::text as number, case when not a.attisdropped then a.attname end as name,
    case when a.attisdropped then 'integer' else format_type(a.atttypid, a.atttypmod) end as type, a.attnotnull::text as not_null,
    ${collationName("a.attcollation")} as collation, ${generated} as generated
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.atthasdef
    where a.attrelid = any($1::oid[]) and a.attnum > 0 order by a.attrelid, a.attnum ${tag}`
}

export const constraints: string = `select c.conrelid::text as relation, c.conname as name, c.contype::text as kind,
    pg_get_constraintdef(c.oid) as definition, nullif(c.confrelid, 0)::text as references, nullif(c.conindid, 0)::text as index
    from pg_constraint c where c.conrelid = any($1::oid[]) and c.contype in ('c', 'f', 'p', 'u', 'x')
      and (c.contype <> 'f' or c.conparentid = 0) order by c.oid ${tag}`

export const indexes: string = `select i.indrelid::text as relation, c.oid::text as id, c.relname as name, m.amname as method, pg_get_indexdef(c.oid) as definition,
    (c.relkind = 'I')::text as partitioned, (i.indpred is not null)::text as partial, c.relpages::text as pages, c.reltuples::text as tuples,
    case when c.relkind = 'i' then pg_relation_size(c.oid) end::text as bytes,
    (select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = i.indkey[0] and i.indkey[0] > 0) as leading
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    where i.indrelid = any($1::oid[]) and i.indisvalid and i.indislive order by c.oid ${tag}`

const statisticsColumns = (
  version: number,
  ranges: boolean,
): string => `null_frac::text as null_fraction, avg_width::text as width,
    n_distinct::text as distinct, most_common_vals::text as common_values, most_common_freqs::text as common_frequencies,
    histogram_bounds::text as histogram, correlation::text as correlation, most_common_elems::text as common_elements,
    most_common_elem_freqs::text as common_element_frequencies, elem_count_histogram::text as element_count_histogram,
    ${
      ranges && version >= 170000
        ? "range_length_histogram::text as range_length_histogram, range_empty_frac::text as range_empty_fraction, range_bounds_histogram::text as range_bounds_histogram"
        : "null as range_length_histogram, null as range_empty_fraction, null as range_bounds_histogram"
    }`

/** $1: oids of relations and of their indexes. The view itself hides what the role may not read. */
export function statistics(version: number): string {
  return `select schemaname as schema, tablename as relation, attname as "column", inherited::text as inherited,
    ${statisticsColumns(version, true)} from pg_stats
    where tablename in (select relname from pg_class where oid = any($1::oid[]))
      and (schemaname, tablename) in (select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any($1::oid[])) ${tag}`
}

export function extended(version: number, readable: boolean): string {
  const inherited = version >= 150000 ? "d.stxdinherit" : "false"
  const data = readable
    ? `(select json_agg(json_build_object('inherited', ${inherited}, 'distinct', encode(d.stxdndistinct::bytea, 'hex'),
        'dependencies', encode(d.stxddependencies::bytea, 'hex'), 'commonValues', encode(d.stxdmcv::bytea, 'hex')))::text
        from pg_statistic_ext_data d where d.stxoid = s.oid)`
    : "null"
  const expressions = version >= 140000 ? "to_json(pg_get_statisticsobjdef_expressions(s.oid))::text" : "null"
  return `select s.stxrelid::text as relation, n.nspname as schema, s.stxname as name, pg_get_statisticsobjdef(s.oid) as definition,
    ${data} as data, ${expressions} as expressions
    from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where s.stxrelid = any($1::oid[]) order by s.oid ${tag}`
}

/** Only where some statistics object has expressions. */
export function extendedExpressions(version: number): string {
  const inherited = version >= 150000 ? "inherited::text" : "'false'"
  return `select statistics_schemaname as schema, statistics_name as relation, expr as "column", ${inherited} as inherited,
    ${statisticsColumns(version, false)} from pg_stats_ext_exprs ${tag}`
}

export const extensions: string = `select e.extname as name, n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname <> 'plpgsql' order by e.oid ${tag}`

export function collations(version: number): string {
  const locale =
    version >= 170000
      ? "coalesce(c.colllocale, c.collcollate)"
      : version >= 150000
        ? "coalesce(c.colliculocale, c.collcollate)"
        : "c.collcollate"
  return `select n.nspname as schema, c.collname as name, c.collprovider::text as provider, ${locale} as locale,
    c.collisdeterministic::text as deterministic from pg_collation c join pg_namespace n on n.oid = c.collnamespace
    where c.oid > 100 and (n.nspname <> 'pg_catalog' or c.oid in (select distinct attcollation from pg_attribute))
      and c.collname not in ('C', 'POSIX', 'ucs_basic') ${tag}`
}

const notExtension = (catalog: string, oid: string): string =>
  `not exists (select from pg_depend x where x.classid = '${catalog}'::regclass and x.objid = ${oid} and x.deptype = 'e')`
const userSchema = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(temp|toast)'`

/** Types of users; base types too (a stand-in is made), those of extensions marked with the extension's name. */
export const types: string = `select n.nspname as schema, t.typname as name, t.typtype::text as kind,
    (select json_agg(e.enumlabel order by e.enumsortorder)::text from pg_enum e where e.enumtypid = t.oid) as labels,
    case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod)
      when 'c' then (select string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
        from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
      when 'r' then (select format_type(r.rngsubtype, null) from pg_range r where r.rngtypid = t.oid) end as definition,
    case when t.typtype = 'd' then ${collationName("t.typcollation")} end as collation,
    (select e.extname from pg_depend x join pg_extension e on e.oid = x.refobjid
      where x.classid = 'pg_type'::regclass and x.objid = t.oid and x.refclassid = 'pg_extension'::regclass and x.deptype = 'e') as extension
    from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
    where ${userSchema} and t.typtype in ('e', 'd', 'c', 'r', 'b') and (t.typtype <> 'c' or c.relkind = 'c')
      and not (t.typtype = 'b' and t.typelem <> 0 and t.typlen = -1 and left(t.typname, 1) = '_') order by t.oid ${tag}`

/** Functions a statement, an index or a view may call; triggers are never planned. */
export const functions: string = `select n.nspname as schema, p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments,
    pg_get_function_result(p.oid) as returns, l.lanname as language, p.provolatile::text as volatility, p.proisstrict::text as strict,
    p.proparallel::text as parallel, p.procost::text as cost, p.prorows::text as rows, p.proretset::text as "set",
    case when l.lanname in ('sql', 'plpgsql') then pg_get_functiondef(p.oid) end as definition
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where ${userSchema} and p.prokind = 'f' and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
      and ${notExtension("pg_proc", "p.oid")} order by p.oid limit 5000 ${tag}`

export const schemas: string = `select distinct n.nspname as name from pg_namespace n where ${userSchema} ${tag}`

export const rights: string = `select has_table_privilege('pg_statistic_ext_data', 'select')::text as extended ${tag}`
