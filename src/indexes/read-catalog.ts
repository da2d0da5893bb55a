import type { Database } from "../database/database.ts"
import { parseArray } from "./array-text.ts"
import type { CatalogColumn, CatalogIndex, CatalogTable, ForeignKey, IndexCatalog, IndexKey } from "./catalog.ts"

/** A relation as a statement names it. */
export interface RelationName {
  readonly schema: string | null
  readonly name: string
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
}

const timeoutMs = 60_000

/**
 * Reads what the catalog and the statistics know of some relations: those named, tables under the views among them, their
 * partitions, and tables whose foreign keys point at them. Without names: every table of the database that is not the system's.
 */
export async function readIndexCatalog(
  db: Database,
  names: readonly RelationName[] | null,
  options: ReadOptions = {},
): Promise<IndexCatalog> {
  const query = async <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
    (await db.query<Row>({ text: `${text} /* selecto:indexes */`, values }, { timeoutMs, signal: options.signal })).rows
  const [server] = await query<{ version: number; collate: string; provider: string }>(serverSql)
  const oids = await relationOids(query, names)
  const relations = await query<RelationRow>(relationSql, [oids])
  const all = relations.map((row) => Number(row.oid))
  const [columns, indexes, keys, foreignKeys, partitions] = await Promise.all([
    query<ColumnRow>(columnSql, [all]),
    query<IndexRow>(indexSql, [all]),
    query<KeyRow>(keySql, [all]),
    query<ForeignKeyRow>(foreignKeySql, [all]),
    query<PartitionRow>(partitionSql, [all]),
  ])
  const byTable = <T extends { readonly table: number }>(rows: readonly T[]): Map<number, T[]> => {
    const grouped = new Map<number, T[]>()
    for (const row of rows) {
      const list = grouped.get(Number(row.table))
      if (list === undefined) grouped.set(Number(row.table), [row])
      else list.push(row)
    }
    return grouped
  }
  const columnsOf = byTable(columns)
  const indexesOf = byTable(indexes)
  const keysOf = byTable(keys)
  const foreignKeysOf = byTable(foreignKeys)
  const partitionsOf = byTable(partitions)
  const sizes = new Map(relations.map((row) => [Number(row.oid), { rows: Number(row.rows), pages: Number(row.pages) }]))
  const tables = relations.map((row): CatalogTable => {
    const oid = Number(row.oid)
    const parts = (partitionsOf.get(oid) ?? []).map((part) => ({
      oid: Number(part.oid),
      parent: Number(part.parent),
      schema: part.schema,
      name: part.name,
      leaf: part.leaf,
    }))
    const leaves = parts.filter((part) => part.leaf).map((part) => sizes.get(part.oid))
    const partitioned = row.kind === "p"
    const rows = partitioned ? leaves.reduce((sum, leaf) => sum + Math.max(0, leaf?.rows ?? 0), 0) : Number(row.rows)
    return {
      oid,
      schema: row.schema,
      name: row.name,
      kind: kinds[row.kind] ?? "table",
      rows,
      pages: partitioned ? leaves.reduce((sum, leaf) => sum + (leaf?.pages ?? 0), 0) : Number(row.pages),
      columns: (columnsOf.get(oid) ?? []).map((column) => catalogColumn(column, rows)),
      indexes: (indexesOf.get(oid) ?? []).map((index) => catalogIndex(index, keysOf.get(oid) ?? [])),
      referencedBy: (foreignKeysOf.get(oid) ?? []).map((key) => foreignKey(key, sizes)),
      partitions: parts,
      partitionOf: row.parent === null ? null : Number(row.parent),
      inherits: parseArray(row.inherits).map(Number),
      view: row.view,
      changes:
        row.inserts === null
          ? null
          : {
              inserts: Number(row.inserts),
              updates: Number(row.updates),
              hotUpdates: Number(row.hot),
              deletes: Number(row.deletes),
            },
    }
  })
  // C.UTF-8 of the C library is no "C" to the planner; the builtin provider's (17) is.
  const byteOrder = server?.provider === "b" || (server?.provider !== "i" && ["C", "POSIX"].includes(server?.collate ?? ""))
  // The first of equal names is the one that a bare name means: relations come in the order of the search path.
  return { tables, serverVersion: Number(server?.version ?? 0), byteOrder }
}

type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>

async function relationOids(query: Query, names: readonly RelationName[] | null): Promise<number[]> {
  if (names === null) return (await query<{ oid: number }>(allRelationsSql)).map((row) => Number(row.oid))
  const found = await query<{ oid: number | null }>(namedRelationsSql, [
    names.map((name) => name.schema ?? ""),
    names.map((name) => name.name),
  ])
  return found.flatMap((row) => (row.oid === null ? [] : [Number(row.oid)]))
}

const kinds: Readonly<Record<string, CatalogTable["kind"]>> = {
  r: "table",
  p: "partitioned",
  v: "view",
  m: "matview",
  f: "foreign",
}

const serverSql = `select current_setting('server_version_num')::int as version, datcollate as collate,
  coalesce(to_jsonb(d)->>'datlocprovider', 'c') as provider
from pg_catalog.pg_database d where datname = current_database()`

const allRelationsSql = `select c.oid::int8 as oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r','p','m') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'
order by pg_catalog.pg_table_is_visible(c.oid) desc, c.oid`

const namedRelationsSql = `select pg_catalog.to_regclass(case when n.schema = '' then quote_ident(n.name) else quote_ident(n.schema) || '.' || quote_ident(n.name) end)::oid::int8 as oid
from unnest($1::text[], $2::text[]) as n(schema, name)`

interface RelationRow {
  oid: number
  schema: string
  name: string
  kind: string
  rows: number
  pages: number
  parent: number | null
  inherits: string
  view: string | null
  inserts: number | null
  updates: number
  hot: number
  deletes: number
}

/** The named relations, what their views read, their partitions and inheriting tables, and tables that refer to them. */
const relationSql = `with recursive named as (
  select oid from unnest($1::int8[]) as oid
  union
  select d.refobjid::int8 from named join pg_catalog.pg_rewrite r on r.ev_class = named.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
), wanted as (
  select oid from named
  union
  select i.inhrelid::int8 from wanted join pg_catalog.pg_inherits i on i.inhparent = wanted.oid
), complete as (
  select oid from wanted
  union
  select k.conrelid::int8 from wanted join pg_catalog.pg_constraint k on k.confrelid = wanted.oid and k.contype = 'f'
)
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.reltuples::float8 as rows,
  case when c.relkind in ('r','m') then (pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int)::int8 else 0 end as pages,
  (select i.inhparent::int8 from pg_catalog.pg_inherits i where i.inhrelid = c.oid and c.relispartition) as parent,
  array(select i.inhparent::int8 from pg_catalog.pg_inherits i where i.inhrelid = c.oid and not c.relispartition)::text as inherits,
  case when c.relkind = 'v' then pg_catalog.pg_get_viewdef(c.oid) end as view,
  s.n_tup_ins::float8 as inserts, s.n_tup_upd::float8 as updates, s.n_tup_hot_upd::float8 as hot, s.n_tup_del::float8 as deletes
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_user_tables s on s.relid = c.oid
where c.oid in (select oid from complete) and c.relkind in ('r','p','v','m','f')
order by pg_catalog.pg_table_is_visible(c.oid) desc, c.oid`

interface ColumnRow {
  table: number
  name: string
  number: number
  type: string
  base: string
  category: string
  collation: string | null
  provider: string | null
  notnull: boolean
  nulls: number | null
  distinct: number
  width: number
  correlation: number | null
  common: string | null
  frequencies: string | null
}

const columnSql = `select a.attrelid::int8 as table, a.attname as name, a.attnum::int as number, pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
  coalesce(b.typname, t.typname) as base, coalesce(b.typcategory, t.typcategory)::text as category,
  co.collname as collation, co.collprovider::text as provider, a.attnotnull as notnull,
  s.null_frac::float8 as nulls, s.n_distinct::float8 as distinct, s.avg_width::int as width, s.correlation::float8 as correlation,
  s.most_common_vals::text as common, s.most_common_freqs::text as frequencies
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid left join pg_catalog.pg_type b on b.oid = nullif(t.typbasetype, 0)
join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_collation co on co.oid = a.attcollation and co.collname <> 'default'
left join lateral (select * from pg_catalog.pg_stats p where p.schemaname = n.nspname and p.tablename = c.relname and p.attname = a.attname
  order by p.inherited desc limit 1) s on true
where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped order by a.attrelid, a.attnum`

interface IndexRow {
  table: number
  index: number
  name: string
  schema: string
  method: string
  unique: boolean
  primary: boolean
  constraint: boolean
  valid: boolean
  predicate: string | null
  bytes: number
  definition: string
  scans: number | null
}

const indexSql = `select x.indrelid::int8 as table, x.indexrelid::int8 as index, c.relname as name, n.nspname as schema, am.amname as method,
  x.indisunique as unique, x.indisprimary as primary,
  exists (select 1 from pg_catalog.pg_constraint k where k.conindid = x.indexrelid) as constraint,
  x.indisvalid and x.indisready as valid, pg_catalog.pg_get_expr(x.indpred, x.indrelid) as predicate,
  case when c.relkind = 'i' then pg_catalog.pg_relation_size(x.indexrelid) else 0 end::int8 as bytes,
  pg_catalog.pg_get_indexdef(x.indexrelid) as definition, s.idx_scan::float8 as scans
from pg_catalog.pg_index x join pg_catalog.pg_class c on c.oid = x.indexrelid join pg_catalog.pg_am am on am.oid = c.relam
join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = x.indexrelid
where x.indrelid = any($1::oid[]) order by x.indrelid, x.indexrelid`

interface KeyRow {
  table: number
  index: number
  number: number
  key: boolean
  text: string
  column: string | null
  opclass: string | null
  option: number | null
}

const keySql = `select x.indrelid::int8 as table, x.indexrelid::int8 as index, k.n::int as number, k.n <= x.indnkeyatts as key,
  pg_catalog.pg_get_indexdef(x.indexrelid, k.n, true) as text, a.attname as column,
  case when o.opcdefault then null else o.opcname end as opclass, x.indoption[k.n - 1]::int as option
from pg_catalog.pg_index x cross join lateral generate_series(1, x.indnatts::int) as k(n)
left join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1] and x.indkey[k.n - 1] <> 0
left join pg_catalog.pg_opclass o on k.n <= x.indnkeyatts and o.oid = x.indclass[k.n - 1]
where x.indrelid = any($1::oid[]) order by x.indrelid, x.indexrelid, k.n`

interface ForeignKeyRow {
  table: number
  name: string
  child: number
  schema: string
  from: string
  columns: string[]
  referenced: string[]
}

const foreignKeySql = `select k.confrelid::int8 as table, k.conname as name, k.conrelid::int8 as child, n.nspname as schema, c.relname as from,
  array(select a.attname::text from unnest(k.conkey) with ordinality u(num, at) join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.at) as columns,
  array(select a.attname::text from unnest(k.confkey) with ordinality u(num, at) join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.at) as referenced
from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.confrelid = any($1::oid[]) and k.conparentid = 0 order by k.confrelid, k.conname`

interface PartitionRow {
  table: number
  oid: number
  parent: number
  schema: string
  name: string
  leaf: boolean
}

const partitionSql = `with recursive part as (
  select c.oid as root, i.inhrelid as oid, i.inhparent as parent from pg_catalog.pg_class c join pg_catalog.pg_inherits i on i.inhparent = c.oid
  where c.oid = any($1::oid[]) and c.relkind = 'p'
  union all
  select part.root, i.inhrelid, i.inhparent from part join pg_catalog.pg_inherits i on i.inhparent = part.oid
)
select root::int8 as table, part.oid::int8 as oid, part.parent::int8 as parent, n.nspname as schema, c.relname as name, c.relkind <> 'p' as leaf
from part join pg_catalog.pg_class c on c.oid = part.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by 1, 2`

function catalogColumn(row: ColumnRow, rows: number): CatalogColumn {
  const byteOrder = row.collation === null ? null : row.provider === "b" || ["C", "POSIX", "ucs_basic"].includes(row.collation)
  const frequencies = row.frequencies === null ? [] : parseArray(row.frequencies).map(Number)
  const values = row.common === null ? [] : parseArray(row.common)
  const share = Number(row.distinct)
  const distinct = share < 0 ? Math.max(1, -share * Math.max(rows, 1)) : share
  return {
    name: row.name,
    number: row.number,
    type: row.type,
    baseType: row.base,
    category: row.category,
    byteOrder,
    notNull: row.notnull,
    stats:
      row.nulls === null
        ? null
        : {
            nullFraction: Number(row.nulls),
            distinct: Number(distinct),
            width: Number(row.width),
            correlation: row.correlation === null ? null : Number(row.correlation),
            common: frequencies.flatMap((frequency, at) => (values[at] == null ? [] : [{ value: values[at], frequency }])),
          },
  }
}

function catalogIndex(row: IndexRow, keys: readonly KeyRow[]): CatalogIndex {
  const own = keys.filter((key) => key.index === row.index)
  return {
    name: row.name,
    schema: row.schema,
    method: row.method,
    keys: own.filter((key) => key.key).map(indexKey),
    include: own.filter((key) => !key.key).map((key) => key.column ?? key.text),
    unique: row.unique,
    primary: row.primary,
    constraint: row.constraint || row.primary,
    valid: row.valid,
    predicate: row.predicate,
    bytes: Number(row.bytes),
    definition: row.definition,
    scans: row.scans === null ? null : Number(row.scans),
  }
}

function indexKey(row: KeyRow): IndexKey {
  const option = row.option ?? 0
  return {
    text: row.text,
    column: row.column,
    opclass: row.opclass,
    descending: (option & 1) !== 0,
    nullsFirst: (option & 2) !== 0,
  }
}

function foreignKey(row: ForeignKeyRow, sizes: ReadonlyMap<number, { rows: number; pages: number }>): ForeignKey {
  const size = sizes.get(Number(row.child))
  return {
    name: row.name,
    schema: row.schema,
    table: row.from,
    columns: row.columns,
    referenced: row.referenced,
    rows: size?.rows ?? -1,
    pages: size?.pages ?? 0,
  }
}
