/**
 * The questions to the catalog. Each takes $1 schemas, $2 and $3 schemas and names of relations (all of them may be null), works
 * on 13 to 18, and answers one JSON text a row.
 */

const picked = `
picked as (
  select c.*, n.nspname
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_(toast|temp_)' and n.nspname not in ('pg_catalog', 'information_schema')
    and ($1::text[] is null or n.nspname = any($1))
    and ($3::text[] is null or exists (
      select from unnest($2::text[], $3::text[]) as wanted(schema, name)
      where wanted.name = c.relname and (wanted.schema is null or wanted.schema = n.nspname)))
)`

const nameOf = (oid: string): string =>
  `(select json_build_object('schema', xn.nspname, 'name', xc.relname) from pg_catalog.pg_class xc
    join pg_catalog.pg_namespace xn on xn.oid = xc.relnamespace where xc.oid = ${oid})`

export const relationsText: string = `
with ${picked}
select json_build_object(
  'oid', c.oid::int8, 'schema', c.nspname, 'name', c.relname,
  'kind', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
          when 'm' then 'materialized view' else 'foreign table' end,
  -- Before 14 "never analysed" was 0 rows on 0 pages.
  'rows', case when c.reltuples = 0 and c.relpages = 0 and current_setting('server_version_num')::int < 140000 then -1 else c.reltuples end,
  'pages', c.relpages, 'allVisiblePages', c.relallvisible,
  'modifiedSinceAnalyze', s.n_mod_since_analyze,
  'size', case when c.relkind in ('r', 'm') then pg_catalog.pg_relation_size(c.oid) else 0 end,
  'rowSecurity', c.relrowsecurity,
  'readable', pg_catalog.has_table_privilege(c.oid, 'select'),
  'persistence', case c.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' else 'permanent' end,
  'query', case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end,
  'populated', c.relispopulated,
  'parent', (select ${nameOf("i.inhparent")} from pg_catalog.pg_inherits i where i.inhrelid = c.oid order by i.inhseqno limit 1),
  'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
  'partitionKey', case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
  'children', coalesce((select json_agg(${nameOf("i.inhrelid")} order by i.inhrelid)
                        from pg_catalog.pg_inherits i where i.inhparent = c.oid), '[]')
)::text
from picked c left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
order by c.nspname, c.relname /* selecto:database */`

export const columnsText: string = `
with ${picked}
select json_build_object(
  'relation', c.oid::int8, 'name', a.attname,
  'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'typeId', a.atttypid::int8,
  'typeKind', case when t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A' then 'array'
              else case t.typtype when 'b' then 'base' when 'e' then 'enum' when 'd' then 'domain' when 'c' then 'composite'
                   when 'r' then 'range' when 'm' then 'multirange' else 'pseudo' end end,
  'baseType', case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod)
              when t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A' then pg_catalog.format_type(t.typelem, a.atttypmod) end,
  'enumValues', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e
                 where e.enumtypid in (t.oid, nullif(t.typelem, 0), nullif(t.typbasetype, 0))),
  -- A NOT NULL that is NOT VALID (18) was not checked for older rows; a view's column of such a domain is NULL above an outer join.
  'nullable', not (a.attnotnull and not exists (
      select from pg_catalog.pg_constraint o where o.conrelid = a.attrelid and o.contype = 'n' and o.conkey[1] = a.attnum and not o.convalidated)
    or t.typtype = 'd' and t.typnotnull and c.relkind in ('r', 'p', 'f')),
  'default', case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
  'generated', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end,
  'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
  'collation', (select l.collname from pg_catalog.pg_collation l where l.oid = a.attcollation and l.collname <> 'default'),
  'deterministic', coalesce((select l.collisdeterministic from pg_catalog.pg_collation l where l.oid = a.attcollation), true),
  'readable', pg_catalog.has_column_privilege(c.oid, a.attnum, 'select'),
  'statistics', (
    select json_build_object(
      'nullFraction', s.null_frac, 'distinct', s.n_distinct, 'correlation', s.correlation, 'width', s.avg_width,
      'mostCommon', case when s.most_common_freqs is not null then json_build_object(
        'count', cardinality(s.most_common_freqs), 'share', (select sum(f) from unnest(s.most_common_freqs) f)) end,
      'histogram', s.histogram_bounds is not null)
    from pg_catalog.pg_stats s
    where s.schemaname = c.nspname and s.tablename = c.relname and s.attname = a.attname and s.inherited = (c.relkind = 'p')
    limit 1)
)::text
from picked c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
order by c.oid, a.attnum /* selecto:database */`

export const indexesText: string = `
with ${picked}
select json_build_object(
  'relation', c.oid::int8, 'oid', i.indexrelid::int8, 'name', ic.relname,
  'columns', (
    select json_agg(json_build_object(
      'column', a.attname,
      'text', pg_catalog.pg_get_indexdef(i.indexrelid, k.n, true),
      'descending', i.indoption[k.n - 1] & 1 = 1,
      'nullsFirst', i.indoption[k.n - 1] & 2 = 2,
      'opclass', oc.opcname, 'opclassDefault', oc.opcdefault,
      'collation', (select l.collname from pg_catalog.pg_collation l where l.oid = i.indcollation[k.n - 1] and l.collname <> 'default')
    ) order by k.n)
    from generate_series(1, i.indnkeyatts) as k(n)
    join pg_catalog.pg_opclass oc on oc.oid = i.indclass[k.n - 1]
    left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[k.n - 1] and a.attnum > 0),
  'include', coalesce((
    select json_agg(a.attname order by k.n)
    from generate_series(i.indnkeyatts + 1, i.indnatts) as k(n)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[k.n - 1]), '[]'),
  'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid, true),
  'unique', i.indisunique, 'primary', i.indisprimary, 'immediate', i.indimmediate, 'valid', i.indisvalid and i.indisready and i.indislive,
  'method', am.amname,
  'size', case when ic.relkind = 'i' then pg_catalog.pg_relation_size(ic.oid) else 0 end,
  'rows', ic.reltuples,
  'scans', s.idx_scan,
  'constraint', (select o.conname from pg_catalog.pg_constraint o
                 where o.conindid = i.indexrelid and o.contype in ('p', 'u', 'x') and o.conrelid = i.indrelid limit 1),
  'parent', (select ${nameOf("h.inhparent")} from pg_catalog.pg_inherits h where h.inhrelid = i.indexrelid limit 1),
  'definition', pg_catalog.pg_get_indexdef(i.indexrelid)
)::text
from picked c
join pg_catalog.pg_index i on i.indrelid = c.oid
join pg_catalog.pg_class ic on ic.oid = i.indexrelid
join pg_catalog.pg_am am on am.oid = ic.relam
left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = i.indexrelid
order by c.oid, ic.relname /* selecto:database */`

const columnNames = (relation: string, numbers: string): string =>
  `coalesce((select json_agg(a.attname order by k.n) from unnest(${numbers}) with ordinality as k(number, n)
    join pg_catalog.pg_attribute a on a.attrelid = ${relation} and a.attnum = k.number), '[]')`

const action = (column: string): string =>
  `case o.${column} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null'
   when 'd' then 'set default' end`

/** A partition's copy of its parent's foreign key stands with the partition, and what it points at is asked for both ways. */
export const constraintsText: string = `
with ${picked}
select json_build_object(
  'relation', o.conrelid::int8, 'target', case when o.contype = 'f' then o.confrelid::int8 end,
  'kind', case o.contype when 'p' then 'primary key' when 'u' then 'unique' when 'x' then 'exclusion' when 'f' then 'foreign key' else 'check' end,
  'name', o.conname,
  'columns', ${columnNames("o.conrelid", "o.conkey")},
  'deferrable', o.condeferrable, 'validated', o.convalidated,
  'definition', pg_catalog.pg_get_constraintdef(o.oid, true),
  'from', case when o.contype = 'f' then ${nameOf("o.conrelid")} end,
  'to', case when o.contype = 'f' then ${nameOf("o.confrelid")} end,
  'toColumns', case when o.contype = 'f' then ${columnNames("o.confrelid", "o.confkey")} end,
  'onDelete', case when o.contype = 'f' then ${action("confdeltype")} end,
  'onUpdate', case when o.contype = 'f' then ${action("confupdtype")} end
)::text
from pg_catalog.pg_constraint o
where o.contype in ('p', 'u', 'x', 'f', 'c')
  and (o.conrelid in (select oid from picked) or o.contype = 'f' and o.confrelid in (select oid from picked))
order by o.conrelid, o.contype, o.conname /* selecto:database */`
