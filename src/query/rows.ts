import { type ColumnType, columnType, readColumnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { columnsOf } from "./compile-source.ts"
import { typeOfValue } from "./encode.ts"
import { checkName } from "./name.ts"
import { QueryBuilder, stateOver } from "./query.ts"
import { type HasSource, type RecursiveNode, type SourceColumn, type SourceNode, sourceKey, sourceOf } from "./source.ts"
import type { QueryState } from "./state.ts"
import type { FromQuery, GenerateSeries, Recursive, Values } from "./types/sources.ts"

function rows(node: SourceNode, like?: unknown): HasSource {
  const maker = like as { queryOver?: (state: QueryState) => QueryBuilder } | undefined
  const queryOver = typeof maker?.queryOver === "function" ? maker.queryOver.bind(maker) : undefined
  return { [sourceKey]: node, ...(queryOver === undefined ? {} : { queryOver }) } as HasSource
}

/**
 * `FROM (SELECT …) AS rows`: a query over the rows of another; its paths are the other's columns. What a filter on a window needs:
 * fromQuery(films.select({ title: "title", n: rowNumber().over({ … }) })).filter({ n: 1 }).
 */
export const fromQuery: FromQuery = ((query: unknown) => {
  const state = stateOver(sourceOf(query, "fromQuery()"), "rows")
  const maker = query as { queryOver?: (state: QueryState) => QueryBuilder }
  return typeof maker.queryOver === "function" ? maker.queryOver(state) : new QueryBuilder(state)
}) as unknown as FromQuery

/** `unnest($1::text[], $2::text[])`: rows that are bound as parameters, values({ code: "string", label: "string" }, [{ code: "G", label: "General" }]). */
export const values: Values = ((columns: unknown, list: unknown) => {
  if (typeof columns !== "object" || columns === null || !Array.isArray(list))
    throw new SelectoError("E_UNSUPPORTED_INPUT", 'values() takes columns and rows: values({ code: "string" }, [{ code: "G" }]).')
  const read: SourceColumn[] = Object.entries(columns).map(([name, spec]) => {
    checkName(name)
    const type = readColumnType(spec)
    if (typeof type === "string") throw new SelectoError("E_INVALID_OPTION", `values(): ${type}`, { path: name })
    return { name, type }
  })
  if (read.length === 0) throw new SelectoError("E_UNSUPPORTED_INPUT", "values() needs at least one column.")
  for (const row of list)
    for (const key of Object.keys(row as object))
      if (!read.some((column) => column.name === key))
        throw new SelectoError("E_UNKNOWN_FIELD", `${JSON.stringify(key)} is no column of these values().`, { path: key })
  return rows({ source: "values", columns: read, rows: list as readonly Readonly<Record<string, unknown>>[] })
}) as unknown as Values

/** `generate_series($1, $2, $3)`: numbers or moments from one to another, both included, as the column `value`: generateSeries(start, end, "1 day"). */
export const generateSeries: GenerateSeries = ((from: unknown, to: unknown, step?: unknown) => {
  const moments = from instanceof Date && to instanceof Date
  if (!moments && (typeof from !== "number" || typeof to !== "number"))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "generateSeries() takes two whole numbers, or two Dates and an interval.")
  if (moments ? typeof step !== "string" : step !== undefined && (typeof step !== "number" || step === 0))
    throw new SelectoError(
      "E_INVALID_OPTION",
      'The step of generateSeries() is a number other than 0, or for Dates an interval such as "1 day".',
      {
        path: "step",
      },
    )
  const type: ColumnType = moments ? typeOfValue(from, "generateSeries()") : columnType("integer")
  return rows({ source: "series", from, to, step, type })
}) as unknown as GenerateSeries

/**
 * `WITH RECURSIVE`: the rows of `first`, then of `step` over the rows found before, until there are none or `maxDepth` steps were made. Each row once,
 * unless `all`. The step selects the same columns: recursive(roots, (found) => nodes.joinQuery("up", found, { on: { parent_id: "id" },
 * type: "inner" }).select("id", "parent_id"), { maxDepth: 10 }).
 */
export const recursive: Recursive = ((first: unknown, step: unknown, options: unknown) => {
  const { maxDepth, all } = (options ?? {}) as { readonly maxDepth?: unknown; readonly all?: unknown }
  if (!(typeof maxDepth === "number" && Number.isSafeInteger(maxDepth) && maxDepth >= 0 && maxDepth <= 2147483647))
    throw new SelectoError(
      "E_INVALID_OPTION",
      "recursive() needs maxDepth: the number of steps after which it ends, whatever the data.",
      {
        path: "maxDepth",
      },
    )
  if (typeof step !== "function")
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The step of recursive() is a function of the rows found before.", {
      path: "step",
    })
  const source = sourceOf(first, "recursive()")
  const self = { columns: columnsOf(source, all !== true) }
  const previous = new QueryBuilder(stateOver({ source: "self", of: self }, "found"))
  const next = sourceOf((step as (previous: unknown) => unknown)(previous), "The step of recursive()")
  const node: RecursiveNode = { source: "recursive", first: source, step: next, self, maxDepth, all: all === true }
  return rows(node, first)
}) as unknown as Recursive
