import { type CatalogTable, columnOf } from "./catalog.ts"
import type { Candidate } from "./draft.ts"

const pageBytes = 8192
/** Usable bytes of a leaf page at the default fill factor of 90. */
const leafBytes = (pageBytes - 24 - 16) * 0.9
/** Types whose equal values may differ in bytes: a btree does not merge their duplicates (nbtree's deduplication rules). */
const notMerged: ReadonlySet<string> = new Set(["numeric", "float4", "float8", "jsonb", "interval", "bpchar"])

/**
 * Predicted bytes of an index, from statistics: aligned key width, 90 % fill, and for btrees the merging of duplicates into posting
 * lists (PostgreSQL 13 and later). Null for GIN, GiST and SP-GiST, whose size depends on what is inside the values.
 */
export function predictedSize(candidate: Candidate, selectivity = 1): number | null {
  const { table } = candidate.draft
  if (table.rows < 0) return null
  const rows = Math.max(0, table.rows * selectivity)
  switch (candidate.method) {
    case "btree":
      return btreeSize(table, candidate, rows)
    case "hash":
      // 8 bytes of item and 8 of hash, line pointers included, three quarters full.
      return pages((rows * 20) / 0.75 / (pageBytes - 40)) + 4 * pageBytes
    case "brin":
      return Math.ceil(table.pages / 128 / 200 + 3) * pageBytes
    default:
      return null
  }
}

function btreeSize(table: CatalogTable, candidate: Candidate, rows: number): number {
  const keys = candidate.draft.keys.map((key) => (key.column === null ? null : columnOf(table, key.column)))
  const included = candidate.include.map((name) => columnOf(table, name))
  let width = 0
  let distinct = 1
  let merged = candidate.include.length === 0
  let nulls = false
  for (const column of [...keys, ...included]) {
    const own = column?.stats?.width ?? 16
    width += own > 126 ? own : own >= 8 && !isVariable(column?.category) ? align(width, own) - width + own : own
    if ((column?.stats?.nullFraction ?? 0) > 0) nulls = true
  }
  for (const column of keys) {
    distinct *= column?.stats?.distinct ?? Math.max(1, rows / 2)
    if (column === null || notMerged.has(column.baseType) || column.category === "A" || column.category === "R")
      merged = merged && column === null
  }
  const item = align8(8 + (nulls ? 8 : 0) + width)
  const groups = Math.max(1, Math.min(rows, distinct))
  const perGroup = rows / groups
  if (!merged || perGroup <= 1.05) return pages((rows * (item + 4)) / leafBytes) + 2 * pageBytes
  // Posting lists of at most 1/6 of a page... in bulk builds 812 bytes: a key, then six bytes a row.
  const perList = Math.max(1, Math.floor((812 - item) / 6))
  const lists = groups * Math.ceil(perGroup / perList)
  const bytes = lists * (item + 4) + (perGroup > 1 ? rows * 6 : 0)
  return pages(bytes / leafBytes) + 2 * pageBytes
}

function isVariable(category: string | undefined): boolean {
  return category === "S" || category === "A" || category === undefined
}

function align(offset: number, size: number): number {
  const to = size >= 8 ? 8 : 4
  return Math.ceil(offset / to) * to
}

function align8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

function pages(count: number): number {
  return Math.max(1, Math.ceil(count)) * pageBytes
}
