import type { TextRow } from "../../database/database.ts"
import { quoteQualified } from "../../sql/identifier.ts"
import { mergesCharacter } from "./deduplication.ts"
import type { CandidateIndex } from "./planner.ts"
import { btreeHeight, indexBytes, type SizedColumn } from "./size.ts"

type Read = (text: string, values: readonly unknown[]) => Promise<{ rows: TextRow[] }>

const tag = "/* selecto:indexes */"
const alignments: Record<string, number> = { c: 1, s: 2, i: 4, d: 8 }

/** The column a key is on; null for an expression. Direction, operator class and collation may follow it. */
export function keyColumn(key: string): string | null {
  const match = /^\s*(?:"((?:[^"]|"")+)"|([a-z_][a-z0-9_$]*))(?:\s+[\w."]+)*\s*$/i.exec(key)
  if (match === null) return null
  return match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? "").toLowerCase()
}

export interface IndexEstimate {
  readonly bytes: number
  /** Levels above the leaves; 0 but for btrees. */
  readonly height: number
  readonly rows: number
}

/** Bytes and height of an index from the server's own statistics, as {@link indexBytes} computes them. */
export async function estimateIndex(read: Read, candidate: CandidateIndex): Promise<IndexEstimate> {
  const table = quoteQualified(candidate.schema, candidate.table)
  const count = await read(
    `explain (format json) select from only ${table}${candidate.where === null ? "" : ` where ${candidate.where}`}\n${tag}`,
    [],
  )
  const rows = Number((JSON.parse(count.rows[0]?.[0] ?? "[]") as { Plan: Record<string, number> }[])[0]?.Plan["Plan Rows"] ?? 0)
  const names = [...candidate.keys.map((key) => keyColumn(key) ?? ""), ...candidate.include]
  const found = await read(
    `select a.attname, a.attlen::text, a.attalign::text, s.avg_width::text, s.null_frac::text, s.n_distinct::text, s.most_common_freqs::text,
      (t.oid not in (1700, 700, 701, 3802, 114) and t.typtype in ('b', 'e') and t.typelem = 0 and t.typcategory not in ('A', 'R', 'C')
        and coalesce((select collisdeterministic from pg_collation where pg_collation.oid = a.attcollation), true))::text,
      pg_relation_size(a.attrelid)::text, (t.oid = 1042)::text, current_setting('server_version_num')
      from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname and not s.inherited
      where n.nspname = $1 and c.relname = $2 and a.attnum > 0 ${tag}`,
    [candidate.schema, candidate.table],
  )
  const byName = new Map(found.rows.map((row) => [row[0], row]))
  const columns = names.map((name): SizedColumn => {
    const [, length, align, width, nulls, distinct, frequencies] = byName.get(name) ?? []
    const count = Number(distinct ?? 0)
    return {
      width: Number(length) > 0 ? Number(length) : Number(width ?? 32),
      align: alignments[align ?? "i"] ?? 4,
      varying: !(Number(length) > 0),
      nullFraction: Number(nulls ?? 0),
      distinct: count > 0 ? count : count < 0 ? -count * rows : Math.min(rows, 200),
      commonFrequencies: frequencies == null ? [] : frequencies.slice(1, -1).split(",").map(Number),
      widths: [],
      elements: null,
      elementFrequencies: [],
    }
  })
  const character = names.some((name) => byName.get(name)?.[9] === "true")
  const deduplicates =
    candidate.include.length === 0 &&
    names.every((name) => byName.get(name)?.[7] === "true") &&
    (!character || mergesCharacter(Number(found.rows[0]?.[10])))
  const bytes = indexBytes({
    method: candidate.method,
    rows,
    heapPages: Number(found.rows[0]?.[8] ?? 0) / 8192,
    columns,
    keyCount: candidate.keys.length,
    deduplicates: deduplicates && candidate.method === "btree",
    distinct: candidate.distinctShare === undefined ? null : candidate.distinctShare * rows,
    pagesPerRange: 128,
    fillFactor: null,
  })
  return {
    bytes,
    rows,
    height: candidate.method === "btree" ? btreeHeight(bytes / 8192, columns.slice(0, candidate.keys.length), rows) : 0,
  }
}
