import { numberOf } from "./document.ts"

/** The planner's constants, as the plan's settings or PostgreSQL's defaults give them. */
export interface CostConstants {
  readonly seqPage: number
  readonly randomPage: number
  readonly cpuTuple: number
  readonly cpuIndexTuple: number
  readonly cpuOperator: number
}

export function costConstants(settings: Readonly<Record<string, string>>): CostConstants {
  const of = (name: string, normal: number): number =>
    Object.hasOwn(settings, name) ? (numberOf(settings[name]) ?? normal) : normal
  return {
    seqPage: of("seq_page_cost", 1),
    randomPage: of("random_page_cost", 4),
    cpuTuple: of("cpu_tuple_cost", 0.01),
    cpuIndexTuple: of("cpu_index_tuple_cost", 0.005),
    cpuOperator: of("cpu_operator_cost", 0.0025),
  }
}

/**
 * What reading `found` of a table's `rows` through an index would cost against reading all of its `pages`: the planner's own model of a
 * bitmap heap scan (cost_bitmap_heap_scan and Mackert and Lohman's page formula), plus a descent of the B-tree.
 *
 * @param searches - how many values are looked up.
 * @returns the part of the sequential scan's cost that an index would save, 0..1.
 */
export function savedByIndex(
  table: { readonly rows: number; readonly pages: number; readonly found: number },
  cost: CostConstants,
  conditions = 1,
  searches = 1,
): number {
  const rows = Math.max(1, table.rows)
  const pages = Math.max(1, table.pages)
  const found = Math.min(rows, Math.max(0.5, table.found))
  const sequential = pages * cost.seqPage + rows * (cost.cpuTuple + conditions * cost.cpuOperator)
  const touched = Math.min(pages, (2 * pages * found) / (2 * pages + found))
  const perPage = touched < 2 ? cost.randomPage : cost.randomPage - (cost.randomPage - cost.seqPage) * Math.sqrt(touched / pages)
  const descent = cost.randomPage + Math.ceil(Math.log2(rows + 1)) * cost.cpuOperator + 150 * cost.cpuOperator
  // About 250 entries of a small key share a leaf page; leaves of one range lie together.
  const leaves = Math.ceil(found / 250) * cost.seqPage
  // The upper pages stay in memory; each further search reads a leaf.
  const index =
    descent +
    (searches - 1) * (cost.randomPage + 150 * cost.cpuOperator) +
    leaves +
    found * (cost.cpuIndexTuple + cost.cpuOperator) +
    touched * perPage +
    found * (cost.cpuTuple + conditions * cost.cpuOperator)
  return Math.max(0, 1 - index / sequential)
}

const align8 = (bytes: number): number => Math.ceil(bytes / 8) * 8

/** Bytes of a hash join's table: MinimalTuple and HashJoinTuple headers per row, and the bucket array (ExecChooseHashTableSize). */
export function hashTableBytes(rows: number, width: number): number {
  let buckets = 1024
  while (buckets < rows && buckets < 2 ** 30) buckets *= 2
  return rows * (16 + 16 + align8(width)) + 8 * buckets
}

/** Bytes that the planner counts for a sort (relation_byte_size). */
export function sortBytes(rows: number, width: number): number {
  return rows * (align8(width) + 24)
}

/** Bytes of a memory setting as EXPLAIN SETTINGS prints it: "64MB", "4096kB", a bare number of kB. Null where it is none. */
export function memorySetting(text: string | undefined): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)?\s*$/i.exec(text ?? "")
  if (match === null) return null
  const unit = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 }[(match[2] ?? "kB").toUpperCase()]
  return Math.round(Number(match[1]) * (unit ?? 1024))
}
