import { quoteLiteral } from "../../sql/identifier.ts"
import { arrayTextOf, elementsOf } from "./array-text.ts"
import type { Catalog, CatalogRelation, ColumnStatistics, Skipped } from "./catalog.ts"
import type { Engine } from "./engine.ts"

/** Rows of pg_stats restored with one statement. */
const rowsPerStatement = 400

/**
 * Row counts and page counts, for relations and indexes. Written straight to pg_class: thousands in one statement. Production's
 * 13 writes 0 where later versions write -1 (never counted).
 */
export async function restoreSizes(engine: Engine, catalog: Catalog, relations: readonly CatalogRelation[]): Promise<void> {
  const uncounted = (pages: number, tuples: number): number =>
    catalog.serverVersion < 140000 && pages === 0 && tuples === 0 ? -1 : tuples
  const rows = relations.flatMap((relation) => {
    if (relation.kind === "v") return []
    const { schema, name, pages, tuples, visiblePages } = relation
    return [
      { schema, name, pages, tuples: uncounted(pages, tuples), visible: visiblePages },
      ...relation.indexes.map((index) => ({ schema, name: index.name, pages: index.pages, tuples: index.tuples, visible: 0 })),
    ]
  })
  for (let at = 0; at < rows.length; at += 2000) {
    await engine.execute(`update pg_class c set relpages = r.pages, reltuples = r.tuples, relallvisible = r.visible
      from jsonb_to_recordset(${quoteLiteral(JSON.stringify(rows.slice(at, at + 2000)))}::jsonb)
        as r(schema text, name text, pages int, tuples float4, visible int)
      where c.relname = r.name and c.relnamespace = (select oid from pg_namespace where nspname = r.schema)`)
  }
}

/** Column statistics of relations and of index expressions, with the true ends of indexed columns in the histograms. */
export async function restoreStatistics(
  engine: Engine,
  catalog: Catalog,
  statistics: readonly ColumnStatistics[],
): Promise<Skipped[]> {
  const ends = new Map(catalog.endpoints.map((found) => [JSON.stringify([found.schema, found.relation, found.column]), found]))
  const rows = statistics.map((row) => {
    const found = row.inherited ? undefined : ends.get(JSON.stringify([row.schema, row.relation, row.column]))
    return found === undefined || row.histogram === null ? row : { ...row, histogram: widened(row.histogram, found) }
  })
  const skipped: Skipped[] = []
  for (let at = 0; at < rows.length; at += rowsPerStatement) {
    const batch = rows.slice(at, at + rowsPerStatement)
    try {
      skipped.push(...(await restore(engine, batch, "attname", (row) => row.column)))
    } catch {
      for (const row of batch) {
        try {
          skipped.push(...(await restore(engine, [row], "attname", (one) => one.column)))
        } catch (error) {
          // The message may quote a value: only its code is kept.
          skipped.push({
            kind: "statistics",
            name: `${row.schema}.${row.relation}.${row.column}`,
            why: `not restored (${(error as { code?: string }).code ?? "error"})`,
          })
        }
      }
    }
  }
  return skipped
}

/** One statement; answers the rows that the server took only in part or not at all. */
export async function restore(
  engine: Engine,
  rows: readonly ColumnStatistics[],
  key: "attname" | "attnum",
  column: (row: ColumnStatistics, index: number) => string | number,
): Promise<Skipped[]> {
  const values = JSON.stringify(rows.map((row, index) => ({ ...row, column: column(row, index) })))
  const answers = await engine.rows(`select s."schema" || '.' || s.relation || '.' || s."column" as name,
    pg_restore_attribute_stats('schemaname', s."schema", 'relname', s.relation, '${key}', s."column"::${key === "attname" ? "text" : "smallint"}, 'inherited', s.inherited,
      'version', 180000, 'null_frac', s."nullFraction"::real, 'avg_width', s.width::int, 'n_distinct', s."distinct"::real,
      'most_common_vals', s."commonValues", 'most_common_freqs', s."commonFrequencies"::real[], 'histogram_bounds', s.histogram,
      'correlation', s.correlation::real, 'most_common_elems', s."commonElements",
      'most_common_elem_freqs', s."commonElementFrequencies"::real[], 'elem_count_histogram', s."elementCountHistogram"::real[],
      'range_length_histogram', s."rangeLengthHistogram", 'range_empty_frac', s."rangeEmptyFraction"::real,
      'range_bounds_histogram', s."rangeBoundsHistogram")::text as done
    from jsonb_to_recordset(${quoteLiteral(values)}::jsonb) as s("schema" text, relation text, "column" text, inherited bool, "nullFraction" text,
      width text, "distinct" text, "commonValues" text, "commonFrequencies" text, histogram text, correlation text, "commonElements" text,
      "commonElementFrequencies" text, "elementCountHistogram" text, "rangeLengthHistogram" text, "rangeEmptyFraction" text, "rangeBoundsHistogram" text)`)
  return answers
    .filter(({ done }) => done !== "true" && done !== "t")
    .map(({ name }) => ({
      kind: "statistics",
      name: name ?? "",
      why: "taken only in part: a type of the column is unknown to the copy",
    }))
}

function widened(histogram: string, ends: { readonly smallest: string; readonly largest: string }): string {
  const bounds = elementsOf(histogram)
  if (bounds.length < 2) return histogram
  return arrayTextOf([ends.smallest, ...bounds.slice(1, -1), ends.largest])
}
