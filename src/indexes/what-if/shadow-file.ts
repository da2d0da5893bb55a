import { readFile, writeFile } from "node:fs/promises"
import { gunzipSync, gzipSync } from "node:zlib"
import { SelectoError } from "../../errors.ts"
import { arrayTextOf, elementsOf } from "./array-text.ts"
import type { Catalog, ColumnStatistics } from "./catalog.ts"

const format = "selecto-shadow"
const version = 1

/**
 * Writes a copied catalog to a file, for a bug report or for planning offline. By default without a single column value: the shape of
 * histograms and lists of common values is kept, with made-up values of the same order in place of the real ones. Definitions (checks,
 * partition bounds, predicates, functions, labels of enums) are part of the schema and stay.
 */
export async function saveShadow(
  catalog: Catalog,
  path: string,
  options: { readonly withValues?: boolean | undefined } = {},
): Promise<void> {
  const content = {
    format,
    version,
    withValues: options.withValues === true,
    catalog: options.withValues === true ? catalog : withoutValues(catalog),
  }
  await writeFile(path, gzipSync(JSON.stringify(content)), { mode: 0o600 })
}

/** Reads what {@link saveShadow} wrote. Errors: E_UNSUPPORTED_INPUT for any other file. */
export async function readShadow(path: string): Promise<{ readonly catalog: Catalog; readonly withValues: boolean }> {
  let content: { format?: unknown; version?: unknown; withValues?: unknown; catalog?: unknown }
  try {
    content = JSON.parse(gunzipSync(await readFile(path)).toString("utf8")) as typeof content
  } catch (cause) {
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The file is not a saved shadow.", { cause })
  }
  if (content.format !== format || content.version !== version) {
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The file is not a saved shadow of this version; save it again.")
  }
  return { catalog: content.catalog as Catalog, withValues: content.withValues === true }
}

/** The catalog with every column value replaced or dropped. */
export function withoutValues(catalog: Catalog): Catalog {
  const types = new Map(
    catalog.relations.flatMap((relation) =>
      relation.columns.map((column) => [JSON.stringify([relation.schema, relation.name, column.name]), column.type] as const),
    ),
  )
  const stripped = (row: ColumnStatistics, type: string | undefined): ColumnStatistics => ({
    ...row,
    ...madeUp(row, type ?? ""),
    commonElements: null,
    commonElementFrequencies: null,
    rangeLengthHistogram: null,
    rangeBoundsHistogram: null,
  })
  return {
    ...catalog,
    endpoints: [],
    statistics: catalog.statistics.map((row) => stripped(row, types.get(JSON.stringify([row.schema, row.relation, row.column])))),
    extended: catalog.extended.map((object) => ({
      ...object,
      // Lists of common combinations are made of values.
      data: object.data.map((data) => ({ ...data, commonValues: null })),
      expressions: object.expressions.map(({ expression, statistics }) => ({
        expression,
        statistics: statistics.map((row) => stripped(row, undefined)),
      })),
    })),
  }
}

type Values = Pick<ColumnStatistics, "commonValues" | "commonFrequencies" | "histogram">

/** Values of the column's type in the order of the real ones; nothing where the type is not one of those. */
function madeUp(row: ColumnStatistics, type: string): Values {
  const make = makers.find(([pattern]) => pattern.test(type))?.[1]
  if (make === undefined) return { commonValues: null, commonFrequencies: null, histogram: null }
  const common = row.commonValues === null ? [] : elementsOf(row.commonValues)
  const bounds = row.histogram === null ? [] : elementsOf(row.histogram)
  const all = [...new Set([...common, ...bounds].filter((value): value is string => value !== null))].sort(comparing(type))
  // More values than the type is sure to hold.
  if (all.length > (type === "boolean" ? 2 : 30_000)) return { commonValues: null, commonFrequencies: null, histogram: null }
  const ranks = new Map(all.map((value, at) => [value, make(at)]))
  const replaced = (values: readonly (string | null)[]): string =>
    arrayTextOf(values.map((value) => (value === null ? null : ranks.get(value)!)))
  return {
    commonValues: row.commonValues === null ? null : replaced(common),
    commonFrequencies: row.commonFrequencies,
    histogram: row.histogram === null ? null : replaced(bounds),
  }
}

const day = 86_400_000
const makers: readonly (readonly [RegExp, (rank: number) => string])[] = [
  [/^(smallint|integer|bigint|real|double precision|oid)$/, (rank) => String(rank)],
  [/^numeric(\([\d,-]+\))?$/, (rank) => (rank / 1e6).toFixed(6)],
  [/^(text|character varying|character)(\(\d+\))?$/, (rank) => `v${String(rank).padStart(6, "0")}`],
  [
    /^(date|timestamp(\(\d\))? with(out)? time zone)$/,
    (rank) => new Date(Date.UTC(2000, 0, 1) + rank * day).toISOString().slice(0, 10),
  ],
  [/^uuid$/, (rank) => `00000000-0000-0000-0000-${String(rank).padStart(12, "0")}`],
  [/^boolean$/, (rank) => (rank === 0 ? "f" : "t")],
]

function comparing(type: string): (a: string, b: string) => number {
  if (/^(smallint|integer|bigint|real|double precision|oid|numeric)/.test(type)) return (a, b) => Number(a) - Number(b)
  return (a, b) => (a < b ? -1 : a > b ? 1 : 0)
}
