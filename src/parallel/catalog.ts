import type { Database, Session } from "../database/database.ts"

/** Whoever runs statements: a database, or the session of an open transaction. */
export type Executor = Pick<Database, "queryText"> | Pick<Session, "queryText">

/** What splitting needs to know of the objects that a statement names. */
export interface SplitCatalog {
  /** In the order asked; null where there is none of that name. */
  readonly relations: readonly (RelationFacts | null)[]
  readonly functions: readonly FunctionFacts[]
  /** Views that the statement reads, by whatever way. */
  readonly views: readonly { readonly name: string; readonly definition: string }[]
  /** Conditions of row security policies that apply. */
  readonly policies: readonly { readonly table: string; readonly condition: string }[]
  /** A user's operator that the statement may use, or a cast of this database, that is volatile or unsafe; null without one. */
  readonly unsafeOperator: string | null
  readonly serverVersion: number
  readonly blockSize: number
  /** PostgreSQL's own limit for parallel workers, the nearest that there is to the number of its processors. */
  readonly parallelWorkers: number
  readonly citus: boolean
  /** Changes when any of what is here may have changed; see {@link fingerprintSql}. */
  readonly fingerprint: string
}

export interface RelationFacts {
  readonly oid: string
  readonly schema: string
  readonly name: string
  /** pg_class.relkind. */
  readonly kind: "r" | "p" | "v" | "m" | "f" | string
  readonly temporary: boolean
  /** Row security applies to this role. */
  readonly secured: boolean
  /** This role may read all columns. */
  readonly readable: boolean
  /** Blocks of the longest table below it, and whether all of them are heaps of this server. */
  readonly blocks: number
  readonly heap: boolean
  readonly rows: number
  readonly columns: readonly ColumnFacts[]
}

export interface ColumnFacts {
  readonly name: string
  readonly typeId: number
  readonly notNull: boolean
  /** First in an index that knows order. */
  readonly indexed: boolean
  /** Distinct values as in pg_stats; null without statistics. */
  readonly distinct: number | null
}

export interface FunctionFacts {
  readonly schema: string
  readonly name: string
  readonly aggregate: boolean
  /** It came with PostgreSQL. */
  readonly builtin: boolean
  readonly volatile: boolean
  readonly parallelSafe: boolean
}

/**
 * A digest of the versions of all catalog rows that splitting relies on: which tables the names mean, their definitions, those of
 * views behind them, policies, functions. A plan that was made before is held against it in the very snapshot that it is run in.
 * Parameters: schemas and names of relations, names of functions.
 */
export const fingerprintSql = (schemas: string, names: string, functions: string): string => `(
  with recursive behind(oid) as (
    select to_regclass(case when s is null then quote_ident(n) else quote_ident(s) || '.' || quote_ident(n) end)::oid
    from unnest(${schemas}::text[], ${names}::text[]) as a(s, n)
    union select next.oid from behind, lateral (
      select d.refobjid as oid from pg_catalog.pg_rewrite r
        join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
        where r.ev_class = behind.oid and d.refobjid <> behind.oid
      union all select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = behind.oid) as next
  )
  select md5(current_user || row_security_active_any::text || coalesce(versions, ''))
  from (select coalesce(bool_or(relrowsecurity and row_security_active(c.oid)), false) as row_security_active_any,
      string_agg(c.oid::text || ':' || c.xmin::text, ',' order by c.oid)
      || coalesce((select string_agg(r.oid::text || ':' || r.xmin::text, ',' order by r.oid) from pg_catalog.pg_rewrite r where ev_class in (select oid from behind)), '')
      || coalesce((select string_agg(p.oid::text || ':' || p.xmin::text, ',' order by p.oid) from pg_catalog.pg_policy p where polrelid in (select oid from behind)), '')
      || coalesce((select string_agg(p.oid::text || ':' || p.xmin::text, ',' order by p.oid) from pg_catalog.pg_proc p where proname = any(${functions}::text[]) and p.oid >= 16384), '') as versions
    from pg_catalog.pg_class c where c.oid in (select oid from behind)) as v)`

/** A name as the statement has it. */
export interface AskedName {
  readonly schema: string | null
  readonly name: string
}

const question = `
with recursive asked as (
  select ord, to_regclass(case when s is null then quote_ident(n) else quote_ident(s) || '.' || quote_ident(n) end) as oid
  from unnest($1::text[], $2::text[]) with ordinality as a(s, n, ord)
), below(root, oid) as (
  select distinct oid, oid from asked where oid is not null
  union select below.root, inhrelid::regclass from below join pg_catalog.pg_inherits i on i.inhparent = below.oid
), behind(oid) as (
  select oid::oid from asked where oid is not null
  union select d.refobjid from behind join pg_catalog.pg_rewrite r on r.ev_class = behind.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    where d.refobjid <> behind.oid
), functions as (
  select distinct n.nspname, p.proname, p.prokind, p.oid < 16384 as builtin, p.provolatile, p.proparallel
  from unnest($3::text[], $4::text[]) as f(s, name) join pg_catalog.pg_proc p on p.proname = f.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where case when f.s is null then n.nspname = any(current_schemas(true)) else n.nspname = f.s end
)
select json_build_object(
  'serverVersion', current_setting('server_version_num')::int,
  'blockSize', current_setting('block_size')::int,
  'parallelWorkers', current_setting('max_parallel_workers')::int,
  'citus', exists (select from pg_catalog.pg_extension where extname = 'citus'),
  'fingerprint', ${fingerprintSql("$1", "$2", "$4")},
  'relations', coalesce((select json_agg(case when c.oid is null then null else json_build_object(
      'oid', c.oid::text, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'temporary', c.relpersistence = 't',
      'secured', row_security_active(c.oid), 'readable', has_table_privilege(c.oid, 'select'),
      'rows', greatest(0, (select sum(l.reltuples) from below b join pg_catalog.pg_class l on l.oid = b.oid where b.root = c.oid and l.relkind in ('r', 'm'))),
      'blocks', coalesce((select max(pg_relation_size(l.oid)) / current_setting('block_size')::int from below b
        join pg_catalog.pg_class l on l.oid = b.oid where b.root = c.oid and l.relkind in ('r', 'm')), 0),
      'heap', coalesce((select bool_and(l.relkind = 'p' or (l.relkind in ('r', 'm') and m.amname = 'heap')) from below b
        join pg_catalog.pg_class l on l.oid = b.oid left join pg_catalog.pg_am m on m.oid = l.relam where b.root = c.oid), false),
      'columns', (select coalesce(json_agg(json_build_object('name', attname, 'typeId', atttypid::int8, 'notNull', attnotnull,
          'indexed', exists (select from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
            join pg_catalog.pg_am m on m.oid = i.relam where x.indrelid = c.oid and x.indkey[0] = attnum and m.amname = 'btree'
            and x.indisvalid and x.indpred is null),
          'distinct', (select n_distinct from pg_catalog.pg_stats t where t.schemaname = n.nspname and t.tablename = c.relname
            and t.attname = a.attname order by inherited desc limit 1)) order by attnum), '[]')
        from pg_catalog.pg_attribute a where attrelid = c.oid and attnum > 0 and not attisdropped)) end order by ord)
    from asked left join pg_catalog.pg_class c on c.oid = asked.oid left join pg_catalog.pg_namespace n on n.oid = c.relnamespace), '[]'),
  'functions', coalesce((select json_agg(json_build_object('schema', nspname, 'name', proname, 'aggregate', prokind = 'a', 'builtin', builtin,
      'volatile', provolatile = 'v', 'parallelSafe', proparallel = 's')) from functions), '[]'),
  'views', coalesce((select json_agg(json_build_object('name', c.relname, 'definition', pg_get_viewdef(c.oid)))
    from behind join pg_catalog.pg_class c on c.oid = behind.oid where c.relkind = 'v'), '[]'),
  'policies', coalesce((select json_agg(json_build_object('table', c.relname, 'condition', pg_get_expr(p.polqual, p.polrelid)))
    from behind join pg_catalog.pg_class c on c.oid = behind.oid join pg_catalog.pg_policy p on p.polrelid = c.oid
    where c.relrowsecurity and p.polqual is not null), '[]'),
  'unsafeOperator', coalesce(
    (select oprname from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode
      where o.oid >= 16384 and oprname = any($5::text[]) and (provolatile = 'v' or proparallel <> 's') limit 1),
    (select 'cast to ' || format_type(casttarget, null) from pg_catalog.pg_cast c join pg_catalog.pg_proc p on p.oid = castfunc
      where c.oid >= 16384 and provolatile = 'v' limit 1))
)::text /* selecto:parallel */`

/** Asks the server, in one round trip. */
export async function readSplitCatalog(
  executor: Executor,
  relations: readonly AskedName[],
  functions: readonly AskedName[],
  operators: readonly string[],
): Promise<SplitCatalog> {
  const values = [
    relations.map(({ schema }) => schema),
    relations.map(({ name }) => name),
    functions.map(({ schema }) => schema),
    functions.map(({ name }) => name),
    operators,
  ]
  const { rows } = await executor.queryText({ text: question, values }, { timeoutMs: 10_000 })
  return JSON.parse(rows[0]![0]!) as SplitCatalog
}

/** A type of PostgreSQL, as far as merging needs it. */
export interface TypeFacts {
  readonly id: number
  /** Of a domain the type below, else its own. */
  readonly baseId: number
  /** Quoted, with its schema: it can stand in a cast, and means the type without a length. */
  readonly sql: string
  readonly collatable: boolean
  readonly hashable: boolean
  readonly ordered: boolean
  /** A pseudo-type or a record without a name: its text cannot be read back. */
  readonly readable: boolean
  readonly kind: string
}

const typeQuestion = `
with recursive t as (
  select oid as id, oid, 0 as depth from pg_catalog.pg_type where oid = any($1::oid[])
  union all select t.id, p.typbasetype, depth + 1 from t join pg_catalog.pg_type p on p.oid = t.oid where p.typtype = 'd'
), base as (select distinct on (id) id, oid from t order by id, depth desc)
select json_agg(json_build_object('id', b.id::int8, 'baseId', b.oid::int8, 'kind', p.typtype,
  'sql', quote_ident(n.nspname) || '.' || quote_ident(p.typname), 'collatable', p.typcollation <> 0,
  'readable', p.typtype <> 'p',
  'hashable', p.typtype in ('e', 'r', 'm') or exists (select from pg_catalog.pg_opclass o join pg_catalog.pg_am a on a.oid = o.opcmethod
      where a.amname = 'hash' and o.opcdefault and o.opcintype = case when p.typcategory = 'A' then p.typelem else p.oid end)
    or exists (select from pg_catalog.pg_cast c join pg_catalog.pg_opclass o on o.opcintype = c.casttarget
      join pg_catalog.pg_am a on a.oid = o.opcmethod where c.castsource = p.oid and c.castmethod = 'b' and c.castcontext = 'i'
      and a.amname = 'hash' and o.opcdefault),
  'ordered', p.typtype in ('e', 'r', 'm') or exists (select from pg_catalog.pg_opclass o join pg_catalog.pg_am a on a.oid = o.opcmethod
      where a.amname = 'btree' and o.opcdefault and o.opcintype = case when p.typcategory = 'A' then p.typelem else p.oid end)
    or exists (select from pg_catalog.pg_cast c join pg_catalog.pg_opclass o on o.opcintype = c.casttarget
      join pg_catalog.pg_am a on a.oid = o.opcmethod where c.castsource = p.oid and c.castmethod = 'b' and c.castcontext = 'i'
      and a.amname = 'btree' and o.opcdefault)
))::text from base b join pg_catalog.pg_type p on p.oid = b.oid join pg_catalog.pg_namespace n on n.oid = p.typnamespace /* selecto:parallel */`

export async function readTypes(executor: Executor, ids: readonly number[]): Promise<ReadonlyMap<number, TypeFacts>> {
  if (ids.length === 0) return new Map()
  const { rows } = await executor.queryText({ text: typeQuestion, values: [[...new Set(ids)]] }, { timeoutMs: 10_000 })
  const types = JSON.parse(rows[0]?.[0] ?? "[]") as TypeFacts[]
  return new Map(types.map((type) => [type.id, type]))
}
