import { quoteIdentifier, quoteLiteral } from "../../sql/identifier.ts"
import type { CatalogRelation, ColumnStatistics } from "./catalog.ts"
import type { ColumnSample } from "./copy.ts"
import type { Engine } from "./engine.ts"
import type { ShapeColumn } from "./index-shape.ts"

/** True where a condition or expression names this column (quoted where it must be). */
export function mentions(text: string, column: string): boolean {
  return new RegExp(`(^|[^\\w"])${column.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}([^\\w"]|$)`).test(text)
}

/** The columns that a key of an index is made of. */
export function columnsOf(key: ShapeColumn, relation: CatalogRelation): string[] {
  if (key.column !== null) return [key.column]
  return relation.columns.flatMap(({ name }) => (name !== null && mentions(key.definition, quoteIdentifier(name)) ? [name] : []))
}

/**
 * What a key's values look like: it is computed for the common values and the histogram of the one column that it is made of. Null
 * where there are none, or where the copy cannot compute it.
 */
export async function keySample(
  engine: Engine,
  found: ColumnStatistics,
  relation: CatalogRelation,
  name: string,
  key: ShapeColumn,
): Promise<ColumnSample | null> {
  const type = relation.columns.find((column) => column.name === name)?.type
  if (type === undefined || (found.histogram === null && found.commonValues === null)) return null
  const expression = key.column === null ? key.definition : quoteIdentifier(name)
  // What unnest() puts into rows has the short headers that an index's tuples have; OFFSET keeps the rows apart from the expression.
  const of = (
    values: string | null,
  ): string => `(select json_agg(json_build_array(pg_column_size(k), md5(k::text)) order by n)::text
    from (select (${expression}) as k, n from unnest(${quoteLiteral(values ?? "{}")}::${type}[]) with ordinality as u(${quoteIdentifier(name)}, n) offset 0) as v)`
  const [row] = await engine.rows(`select ${of(found.commonValues)} as common, ${of(found.histogram)} as bounds`).catch(() => [])
  if (row === undefined) return null
  const parsed = (text: string | null | undefined): [number | null, string | null][] => JSON.parse(text ?? "null") ?? []
  const common = parsed(row.common)
  const bounds = parsed(row.bounds)
  const shares = found.commonFrequencies?.slice(1, -1).split(",").map(Number) ?? []
  const widths = common.flatMap(([width], at) => Array.from({ length: Math.round((shares[at] ?? 0) * 128) }, () => width ?? 0))
  const rest = Math.max(0, Math.round(128 * (1 - Number(found.nullFraction) - shares.reduce((sum, share) => sum + share, 0))))
  if (bounds.length > 0) for (let at = 0; at < rest; at++) widths.push(bounds[Math.floor((at * bounds.length) / rest)]![0] ?? 0)
  const all = [...common, ...bounds]
  const kept = new Set(all.map(([, digest]) => digest)).size / Math.max(1, all.length)
  // Fewer results than values: the share that stays distinct among the sample is all that can be known.
  const distinct = Number(found.distinct)
  return {
    widths: widths.slice(0, 160),
    distinct:
      kept > 0.95 ? distinct : distinct < 0 && kept < 0.5 ? new Set(all.map(([, digest]) => digest)).size : distinct * kept,
  }
}
