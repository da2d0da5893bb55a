import type { JoinModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import type { Block } from "./block.ts"
import { isExpression } from "./node.ts"
import type { SourceNode } from "./source.ts"
import type { QueryState } from "./state.ts"

/** A sentence for report.warnings. */
export interface Warning {
  /** snake_case id. */
  readonly code: string
  readonly message: string
}

/**
 * A join to many rows repeats the row it hangs on. A sum or avg over columns above such a join would count them more than once:
 * E_FAN_OUT. Any other repetition is a warning. `allowFanOut()` says that it is meant.
 */
export function checkFanOut(block: Block, state: QueryState, aggregated: boolean): readonly Warning[] {
  if (state.allowFanOut || block.needed.size === 0) return []
  const multiplying = [...block.needed].filter((join) => join.many)
  if (multiplying.length === 0) return []
  for (const { name, paths } of block.sums)
    for (const join of multiplying)
      for (const field of paths)
        if (!belongsTo(field.join, join))
          throw new SelectoError(
            "E_FAN_OUT",
            `${name}(${JSON.stringify(field.path)}) would count rows more than once, because the query also joins ${JSON.stringify(join.path)}, ` +
              `which has many rows for each. Use exists(${JSON.stringify(join.path)}, …) to filter, nest() to fetch, or .allowFanOut() if it is meant.`,
            { path: field.path },
          )
  if (state.distinct) return []
  const what = aggregated ? "Rows are counted once for each match" : "A row is repeated for each match"
  return [
    {
      code: "fan_out",
      message: `${what} in ${multiplying.map((join) => JSON.stringify(join.path)).join(" and ")}. Use exists() or nest(), or .allowFanOut() if it is meant.`,
    },
  ]
}

/** At most one row: by its limit, or by aggregates without groups. */
function hasOneRow({ limit, groupBy, select }: QueryState): boolean {
  const aggregate = (source: unknown): boolean =>
    isExpression(source) && source.node.expression === "aggregate" && source.node.over === undefined
  return limit === 1 || (groupBy.length === 0 && select?.some((item) => aggregate(item.source)) === true)
}

function belongsTo(join: JoinModel, ancestor: JoinModel): boolean {
  return join.chain.includes(ancestor)
}

/**
 * Whether joined rows may be several for one of the joining query: no, where the columns they are joined by hold all groups of a
 * grouped query, the primary key of a plain one, or values that are all different.
 */
export function repeats(node: SourceNode, columns: readonly string[]): boolean {
  if (node.source === "query" && hasOneRow(node.state)) return false
  // Joined by nothing, every row meets every other.
  if (columns.length === 0) return true
  if (node.source === "query") {
    const { state } = node
    const { select, groupBy, domain } = state
    const sources = new Set<unknown>(
      columns.flatMap((name) => [name, select?.find((item) => item.name === name)?.source ?? name]),
    )
    if (groupBy.length > 0) return !groupBy.every((item) => sources.has(item))
    if (state.joins.size > 0) return true
    const { primaryKey } = domain.root.table
    const paths = select?.flatMap((item) => (typeof item.source === "string" ? [item.source] : [])) ?? []
    const plain = paths.every((path) => domain.fields.get(path)?.join.many !== true)
    return !(plain && primaryKey.length > 0 && primaryKey.every((column) => sources.has(column)))
  }
  if (node.source === "values") {
    const keys = node.rows.map((row) => JSON.stringify(columns.map((column) => String(row[column]))))
    return new Set(keys).size < keys.length
  }
  return node.source !== "series"
}
