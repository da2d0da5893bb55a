import { comparisonOf, conjunctsOf } from "../condition.ts"
import { countOf, executed, type Facts, has, limitAbove, loopsOf, ownBlocks, rowsOf, text, texts, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { readFilter, removedByFilter } from "./filter.ts"
import { count, type Observation, percent, type Rule, savingOf, tableOf, time } from "./rule.ts"
import { readScan } from "./scan.ts"

const indexScans = ["Index Scan", "Index Only Scan"] as const

/** Index entries on a leaf page of a small key: what an ordered range needs is about this many times fewer blocks than rows. */
const entriesPerLeaf = 100
/** Root, branch and first leaf of a B-tree of millions of rows. */
const descent = 4

/** Rows that an index scan discards for each that it keeps, when that is too many. */
function discards(node: PlanNode): { removed: number; found: number; part: number } | null {
  const removed = removedByFilter(node)
  const found = visitedRows(node) - removed
  if (removed < 1000 || removed < 10 * found) return null
  return { removed, found, part: removed / Math.max(1, removed + found) }
}

/** Rows that the index led to, kept or not. */
function visitedRows(node: PlanNode): number {
  return rowsOf(node) + totalOf(node, "Rows Removed by Filter")
}

/** An index read only for its order below a Limit, filtering until enough rows turn up. */
function stoppedByLimit(node: PlanNode, facts: Facts): { limit: number; removed: number } | null {
  const limit = limitAbove(node, facts)
  if (limit === null || node.type === "Bitmap Heap Scan") return null
  const removed = totalOf(node, "Rows Removed by Filter")
  const wanted = Math.max(1, rowsOf(limit))
  return removed >= 1000 * wanted || (text(node, "Index Cond") === null && removed >= 10_000 && removed >= 100 * wanted)
    ? { limit: wanted, removed }
    : null
}

const limitWrongIndex: Rule = {
  id: "limit_wrong_index",
  needs: "analyze",
  types: indexScans,
  advice:
    "Index the filter's columns followed by the ORDER BY columns. Where the filter is selective, ORDER BY column + 0 makes the planner filter first and sort what is left.",
  test(node, facts): Observation | null {
    if (!executed(node) || text(node, "Filter") === null) return null
    const stopped = stoppedByLimit(node, facts)
    if (stopped === null) return null
    const part = stopped.removed / (stopped.removed + Math.max(1, rowsOf(node)))
    return {
      ...savingOf(node, part, facts),
      message: `To find ${count(stopped.limit)} rows in the order of ${node.index ?? "the index"}, ${count(stopped.removed)} rows of ${tableOf(node)} were read and thrown away: the planner chose the index for its order and expected the filter to be met much sooner.`,
    }
  },
}

const indexInefficient: Rule = {
  id: "index_inefficient",
  needs: "analyze",
  types: [...indexScans, "Bitmap Heap Scan"],
  advice:
    "Add the filter's columns to the index after those it is searched by, or make it a partial index with the filter as its WHERE.",
  test(node, facts): Observation | null {
    if (!executed(node) || text(node, "Filter") === null || stoppedByLimit(node, facts) !== null) return null
    const reading = discards(node)
    // Without a condition the index is only scanned: rules of scans tell why it cannot be searched.
    if (reading === null || readFilter(node, facts) === null || (readScan(node, facts)?.filter.kind ?? "plain") !== "plain")
      return null
    return {
      ...savingOf(node, reading.part, facts),
      message: `The index finds ${count(reading.removed + reading.found)} rows of ${tableOf(node)}, of which the filter throws away ${percent(reading.part)}: it is searched by the wrong columns.`,
    }
  },
}

/** Blocks that a search of an index with the right leading columns would have touched. */
function expectedBlocks(node: PlanNode): number {
  const rows = visitedRows(node)
  const heap = { "Index Only Scan": countOf(node, "Heap Fetches"), "Bitmap Index Scan": 0 }[node.type] ?? rows
  return loopsOf(node) * descent + rows / entriesPerLeaf + heap
}

/** Conditions that a B-tree answers: of another kind of index the blocks say nothing about an order. */
function isOrdered(node: PlanNode): boolean {
  return conjunctsOf(text(node, "Index Cond") ?? "").every((conjunct) =>
    ["=", "<", "<=", ">", ">="].includes(comparisonOf(conjunct)?.operator ?? ""),
  )
}

const indexColumnOrder: Rule = {
  id: "index_column_order",
  needs: "analyze",
  types: [...indexScans, "Bitmap Index Scan"],
  advice: "Build an index whose first column is the one that the condition restricts by equality.",
  test(node, facts): Observation | null {
    if (!executed(node) || text(node, "Index Cond") === null || manySearches(node) !== null || !isOrdered(node)) return null
    const blocks = ownBlocks(node)
    const expected = expectedBlocks(node)
    if (blocks < 100 || blocks < 10 * expected) return null
    // Dead rows cost blocks as well, but the planner does not foresee them: it prices a walk through the whole index.
    const foreseen =
      (node.totalCost ?? 0) >= 5 * (descent * facts.cost.randomPage + (node.planRows ?? 0) * 0.1 + heapPrice(node, facts))
    if (!foreseen) return null
    return {
      ...savingOf(node, Math.max(0, 1 - expected / blocks), facts),
      message: `${count(blocks)} blocks of ${node.index ?? "the index"} were read for ${count(rowsOf(node))} rows: the condition does not restrict the index's first column, so all of it is walked.`,
    }
  },
}

function heapPrice(node: PlanNode, facts: Facts): number {
  return node.type !== "Index Scan" ? 0 : (node.planRows ?? 0) * facts.cost.randomPage
}

function manySearches(node: PlanNode): { searches: number; loops: number } | null {
  const searches = countOf(node, "Index Searches")
  const loops = Math.max(1, loopsOf(node))
  return searches / loops >= 100 ? { searches, loops } : null
}

const manyIndexSearches: Rule = {
  id: "many_index_searches",
  needs: "analyze",
  types: [...indexScans, "Bitmap Index Scan"],
  advice:
    "If the index's first column is not restricted, build one that starts with the restricted column; if the condition is a long IN list, join to the list as a table (unnest) instead.",
  test(node, facts): Observation | null {
    const found = manySearches(node)
    if (found === null) return null
    const list = texts(node, "Index Cond").some((condition) => condition.includes("= ANY"))
    return {
      ...savingOf(node, 0.7, facts),
      message: `The index ${node.index ?? ""} was searched ${count(found.searches)} times in ${count(found.loops)} ${found.loops === 1 ? "loop" : "loops"}: ${list ? "once for every element of a long list" : "it is skipped through once for every value of a first column that the condition leaves open"}.`,
    }
  },
}

/** Fewer scattered rows are found quickly where their blocks are cached. */
const manyScattered = 10_000

const indexLowCorrelation: Rule = {
  id: "index_low_correlation",
  needs: "analyze",
  types: ["Index Scan"],
  advice:
    "CLUSTER the table by this index or partition it, or make the index covering (INCLUDE) so that the table need not be read. A BRIN index would not help.",
  test(node, facts): Observation | null {
    if (!executed(node) || !has(node, "Shared Hit Blocks")) return null
    const rows = visitedRows(node)
    const loops = Math.max(1, loopsOf(node))
    // A search that yields a few rows pays for its descent, not for the order of the table; one for a list of values is many of them.
    const many = texts(node, "Index Cond").some((condition) => condition.includes("= ANY"))
    if (rows < 1000 || rows / loops < 100 || many || discards(node) !== null) return null
    const heap = ownBlocks(node) - loops * descent - rows / entriesPerLeaf
    // More than a block for each row: dead rows lie between, which VACUUM removes.
    if (heap / rows < 0.8 || heap / rows > 1.3) return null
    const waited = node.exclusive.ioReadTime
    const saving = savingOf(node, 1, facts)
    return {
      ...saving,
      // A block in order would be looked up once for all of its rows: of a cached one, that is about half of the work.
      ms: saving.ms === null ? null : Math.min(saving.ms, Math.max(waited ?? 0, rows >= manyScattered ? saving.ms * 0.5 : 0)),
      costPart: saving.costPart * 0.5,
      message: `${count(rows)} rows of ${tableOf(node)} lie on almost as many different blocks: the table is not stored in the order of ${node.index ?? "the index"}${waited === null || waited < 1 ? "" : `, and reading them took ${time(waited)}`}.`,
    }
  },
}

const excessiveHeapFetches: Rule = {
  id: "excessive_heap_fetches",
  needs: "analyze",
  types: ["Index Only Scan"],
  advice:
    "VACUUM the table, and let autovacuum do it sooner (autovacuum_vacuum_scale_factor, and autovacuum_vacuum_insert_scale_factor for tables that only grow).",
  test(node, facts): Observation | null {
    // A total, unlike the rows.
    const fetches = countOf(node, "Heap Fetches")
    const rows = rowsOf(node) + totalOf(node, "Rows Removed by Filter")
    if (fetches < 1000 || fetches < 0.1 * rows) return null
    return {
      ...savingOf(node, Math.min(0.8, fetches / Math.max(1, fetches + rows)), facts),
      message: `The index alone should answer, but for ${count(fetches)} of its entries the table had to be read, to see whether the row is still there: ${tableOf(node)} was not vacuumed since it changed.`,
    }
  },
}

const lossyBitmap: Rule = {
  id: "lossy_bitmap",
  needs: "analyze",
  types: ["Bitmap Heap Scan"],
  advice:
    "Raise work_mem for this statement so that the bitmap keeps single rows (about 100 bytes for every block of the table), or use an index that finds fewer rows.",
  test(node, facts): Observation | null {
    const lossy = sumWithWorkers(node, "Lossy Heap Blocks")
    const exact = sumWithWorkers(node, "Exact Heap Blocks")
    const rechecked = totalOf(node, "Rows Removed by Index Recheck")
    // A bitmap that ran out of memory keeps some blocks exactly; one of a BRIN index never had a single row.
    if (lossy <= 0 || exact <= 0 || rechecked <= 0 || lossy < 0.1 * (lossy + exact)) return null
    const visited = rechecked + rowsOf(node) + totalOf(node, "Rows Removed by Filter")
    const needed = (lossy + exact) * 100
    return {
      ...savingOf(node, rechecked / Math.max(1, visited), facts),
      estimatedMemory: needed,
      availableMemory: facts.workMem,
      message: `The bitmap did not fit into work_mem: ${count(lossy)} of ${count(lossy + exact)} blocks are kept as a whole, and ${count(rechecked)} rows of them were checked for nothing.`,
    }
  },
}

/** From 18 the block counts of parallel workers stand apart from the leader's. */
function sumWithWorkers(node: PlanNode, field: string): number {
  const workers = node.raw.Workers
  const own = countOf(node, field)
  if (!Array.isArray(workers)) return own
  return workers.reduce((sum: number, worker: unknown) => {
    const value = typeof worker === "object" && worker !== null ? (worker as Record<string, unknown>)[field] : undefined
    return sum + (typeof value === "number" ? value : 0)
  }, own)
}

const indexRecheck: Rule = {
  id: "index_recheck",
  needs: "analyze",
  types: ["Bitmap Heap Scan", ...indexScans],
  advice:
    "Use an index that decides the condition exactly: a B-tree or expression index instead of GIN, GiST or BRIN, another operator class, or a longer search pattern.",
  test(node, facts): Observation | null {
    const rechecked = totalOf(node, "Rows Removed by Index Recheck")
    if (rechecked < 1000 || rechecked < rowsOf(node)) return null
    // The memory was too small for the bitmap, which is another matter.
    if (sumWithWorkers(node, "Lossy Heap Blocks") > 0 && sumWithWorkers(node, "Exact Heap Blocks") > 0) return null
    return {
      ...savingOf(node, rechecked / (rechecked + Math.max(1, rowsOf(node))), facts),
      message: `The index found ${count(rechecked)} rows of ${tableOf(node)} that do not satisfy the condition: it cannot decide the condition exactly.`,
    }
  },
}

export const indexScanRules: readonly Rule[] = [
  limitWrongIndex,
  indexInefficient,
  indexColumnOrder,
  manyIndexSearches,
  indexLowCorrelation,
  excessiveHeapFetches,
  lossyBitmap,
  indexRecheck,
]
