import type { ComparedValue } from "../sql/index.ts"
import { type CatalogColumn, type CatalogTable, columnOf } from "./catalog.ts"

/** PostgreSQL's own defaults (selfuncs.h) where statistics say nothing. */
const defaultEquality = 0.005
const defaultRange = 0.3333
const defaultMatch = 0.005

/** Estimated share of a table's rows that satisfy a comparison: to order keys and to see rare sides, not to price plans. */
export function selectivityOf(
  table: CatalogTable,
  restriction: {
    readonly operator: string
    readonly column: string | null
    readonly value: ComparedValue
    readonly constant: string | null
  },
): number {
  const column = restriction.column === null ? null : columnOf(table, restriction.column)
  const stats = column?.stats ?? null
  switch (restriction.operator) {
    case "=":
      return equality(column, restriction.constant)
    case "in":
      return Math.min(1, (restriction.value.kind === "list" ? restriction.value.count : 10) * equality(column, null))
    case "is null":
      return stats?.nullFraction ?? defaultEquality
    case "is not null":
      return 1 - (stats?.nullFraction ?? defaultEquality)
    case "true":
    case "is true":
      return frequencyOf(column, "t") ?? 0.5
    case "false":
    case "is false":
      return frequencyOf(column, "f") ?? 0.5
    case "is not true":
      return 1 - (frequencyOf(column, "t") ?? 0.5)
    case "is not false":
      return 1 - (frequencyOf(column, "f") ?? 0.5)
    case "<":
    case "<=":
    case ">":
    case ">=":
      return defaultRange
    case "<>":
    case "not in":
      return Math.max(0, 1 - equality(column, restriction.constant))
    default:
      return defaultMatch
  }
}

function equality(column: CatalogColumn | null, constant: string | null): number {
  const stats = column?.stats
  if (!stats) return defaultEquality
  const frequency = constant === null ? null : frequencyOf(column, constant)
  if (frequency !== null) return frequency
  const common = stats.common.reduce((sum, entry) => sum + entry.frequency, 0)
  const rest = Math.max(1, stats.distinct - stats.common.length)
  // A constant that is not among the common values shares what they leave; an unknown value is an average one.
  return constant === null
    ? (1 - stats.nullFraction) / Math.max(1, stats.distinct)
    : Math.max(0, 1 - common - stats.nullFraction) / rest
}

function frequencyOf(column: CatalogColumn | null, value: string): number | null {
  const stats = column?.stats
  if (!stats) return null
  const wanted = column.baseType === "bool" ? (value.startsWith("t") ? "t" : "f") : value
  return (
    stats.common.find((entry) => entry.value === wanted)?.frequency ??
    (column.baseType === "bool" && stats.common.length > 0 ? 0 : null)
  )
}
