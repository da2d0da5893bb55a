import type { ColumnStatistics } from "./catalog.ts"
import type { Engine } from "./engine.ts"

/** An index of the copy, as the copy's own catalog describes it: what sizes and heights are computed from. */
export interface IndexShape {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly tableOid: string
  readonly table: string
  readonly tableSchema: string
  readonly path: string
  readonly method: string
  readonly unique: boolean
  readonly partial: boolean
  /** Every key has an operator class that tells equal values from identical ones, so that duplicates may share a tuple. */
  readonly deduplicates: boolean
  /** Keys first, then included columns. */
  readonly columns: readonly ShapeColumn[]
  readonly keyCount: number
  readonly pagesPerRange: number
  readonly fillFactor: number | null
}

export interface ShapeColumn {
  /** The column, or null for an expression. */
  readonly column: string | null
  /** SQL of the key without operator class. */
  readonly definition: string
  /** attlen: -1 for a varying length. */
  readonly length: number
  /** Bytes of its alignment. */
  readonly align: number
  readonly type: string
  /** The operator class of a key; empty for an included column. */
  readonly operatorClass: string
}

const alignments: Record<string, number> = { c: 1, s: 2, i: 4, d: 8 }

/** Shapes of the indexes that a condition on pg_index (alias i), its class (c) or its namespace (n) picks; partitioned ones have no file. */
export async function indexShapes(engine: Engine, where: string): Promise<IndexShape[]> {
  const rows =
    await engine.rows(`select c.oid::text as oid, n.nspname as schema, c.relname as name, i.indrelid::text as table_oid, t.relname as table_name,
      tn.nspname as table_schema, pg_relation_filepath(c.oid) as path, m.amname as method, i.indisunique::text as is_unique,
      (i.indpred is not null)::text as partial, i.indnkeyatts::text as key_count,
      (select option_value from pg_options_to_table(c.reloptions) where option_name = 'pages_per_range') as pages_per_range,
      (select option_value from pg_options_to_table(c.reloptions) where option_name = 'fillfactor') as fill_factor,
      (i.indnatts = i.indnkeyatts and coalesce((select option_value from pg_options_to_table(c.reloptions) where option_name = 'deduplicate_items'), 'on') in ('on', 'true', 'yes', '1')
        and not exists (select from unnest(i.indclass) as o(oid) join pg_opclass oc on oc.oid = o.oid
          where not exists (select from pg_amproc p where p.amprocfamily = oc.opcfamily and p.amproclefttype = oc.opcintype and p.amprocnum = 4))
        and not exists (select from unnest(i.indcollation) as l(oid) join pg_collation pc on pc.oid = l.oid where not pc.collisdeterministic))::text as deduplicates,
      (select json_agg(json_build_array(ta.attname, pg_get_indexdef(c.oid, a.attnum::int, false), a.attlen, a.attalign, format_type(a.atttypid, null),
          coalesce((select opcname from pg_opclass where pg_opclass.oid = i.indclass[a.attnum - 1]), '')) order by a.attnum)
        from pg_attribute a left join pg_attribute ta on ta.attrelid = i.indrelid and ta.attnum = i.indkey[a.attnum - 1] and i.indkey[a.attnum - 1] <> 0
        where a.attrelid = c.oid)::text as columns
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class t on t.oid = i.indrelid join pg_namespace tn on tn.oid = t.relnamespace join pg_am m on m.oid = c.relam
    where c.relkind = 'i' and ${where}`)
  return rows.map((row) => ({
    oid: row.oid ?? "",
    schema: row.schema ?? "",
    name: row.name ?? "",
    tableOid: row.table_oid ?? "",
    table: row.table_name ?? "",
    tableSchema: row.table_schema ?? "",
    path: row.path ?? "",
    method: row.method ?? "",
    unique: row.is_unique === "true",
    partial: row.partial === "true",
    deduplicates: row.deduplicates === "true",
    keyCount: Number(row.key_count),
    pagesPerRange: Number(row.pages_per_range ?? 128),
    fillFactor: row.fill_factor == null ? null : Number(row.fill_factor),
    columns: (JSON.parse(row.columns ?? "[]") as [string | null, string, number, string, string, string][]).map(
      ([column, definition, length, align, type, operatorClass]) => ({
        column,
        definition,
        length,
        align: alignments[align] ?? 4,
        type,
        operatorClass,
      }),
    ),
  }))
}

/** Finds the statistics of columns: of the relation itself, else those over its children. */
export class StatisticsIndex {
  readonly #rows = new Map<string, ColumnStatistics>()

  add(rows: readonly ColumnStatistics[]): void {
    for (const row of rows) {
      const key = JSON.stringify([row.schema, row.relation, row.column])
      if (!row.inherited || !this.#rows.has(key)) this.#rows.set(key, row)
    }
  }

  remove(schema: string, relation: string): void {
    const start = JSON.stringify([schema, relation]).slice(0, -1)
    for (const key of [...this.#rows.keys()]) if (key.startsWith(`${start},`)) this.#rows.delete(key)
  }

  of(schema: string, relation: string, column: string): ColumnStatistics | undefined {
    return this.#rows.get(JSON.stringify([schema, relation, column]))
  }
}
