import type { Relation } from "../../database/catalog.ts"
import { relationIn } from "../catalog.ts"
import { columnsOf, functionsOf, readCondition } from "../condition.ts"
import { executed, type Facts, has, loopsOf, ownBlocks, rowsOf, texts, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, nothingSaved, type Observation, percent, type Rule, savingOf, tableOf, time } from "./rule.ts"
import { pagesByCost } from "./scan.ts"

/** Rows longer than a quarter of a page are moved out of line (TOAST), so a full page holds four at least. */
const fewestRowsPerPage = 4
/** Blocks beyond those of pages with so few rows: three rows on a page may be, fewer are not. */
const surelyBloated = 4 / 3

/** Bytes of a row's header and its pointer. */
const rowOverhead = 28
const pageSize = 8192

const minimumBlocks = 500

const readInefficiency: Rule = {
  id: "read_inefficiency",
  needs: "analyze",
  types: ["Seq Scan"],
  advice:
    "The table is mostly empty space: VACUUM FULL or pg_repack makes it small again; then let autovacuum run sooner, so that it stays so.",
  test(node, facts): Observation | null {
    if (!executed(node) || !has(node, "Shared Hit Blocks")) return null
    const blocks = ownBlocks(node)
    const loops = Math.max(1, loopsOf(node) / node.participants)
    const visited = rowsOf(node) + totalOf(node, "Rows Removed by Filter")
    if (blocks < minimumBlocks || outOfLine(node, blocks / loops, facts)) return null
    const width = widthOf(relationIn(facts.context.catalog, node.relation))
    const pagesOf = (bytes: number): number => Math.max(1, (visited * (bytes + rowOverhead)) / pageSize)
    const bloated = width === null ? blocks >= (surelyBloated * visited) / fewestRowsPerPage : blocks >= 4 * pagesOf(width)
    if (!bloated) return null
    return {
      ...savingOf(node, Math.max(0, 1 - pagesOf(width ?? node.planWidth ?? 0) / blocks), facts),
      confirmed: width !== null,
      message: `${count(blocks)} blocks of ${tableOf(node)} were read to find ${count(visited)} rows: the table is bloated.`,
    }
  },
}

/** Bytes of a row by the catalog's statistics; null where a column has none. */
function widthOf(relation: Relation | null): number | null {
  if (relation === null || relation.columns.length === 0) return null
  return relation.columns.reduce<number | null>(
    (sum, { statistics }) =>
      sum === null || statistics === null ? null : sum + statistics.width * (1 - statistics.nullFraction),
    0,
  )
}

/** More blocks than the table has by the planner's own count: the rest are out-of-line values. */
function outOfLine(node: PlanNode, blocks: number, facts: Facts): boolean {
  return blocks > 1.5 * pagesByCost(node, facts) && takesApart(node)
}

const opening = new Set([
  "->",
  "->>",
  "#>",
  "#>>",
  "@>",
  "?",
  "?|",
  "?&",
  "@@",
  "@?",
  "~~",
  "~~*",
  "!~~",
  "!~~*",
  "~",
  "~*",
  "||",
])

/** Whether a node computes something from a column, so that a value kept out of line has to be fetched. */
function takesApart(node: PlanNode): boolean {
  return [...texts(node, "Filter"), ...texts(node, "Output"), ...texts(node, "Sort Key"), ...texts(node, "Group Key")].some(
    (expression) => {
      const pieces = readCondition(expression)
      if (pieces === null || columnsOf(pieces).length === 0) return false
      const operators = (function walk(list: typeof pieces): boolean {
        return list.some((piece) =>
          piece.kind === "group" ? walk(piece.pieces) : piece.kind === "operator" && opening.has(piece.text),
        )
      })(pieces)
      return operators || functionsOf(pieces).length > 0
    },
  )
}

const toastReads: Rule = {
  id: "toast_reads",
  needs: "analyze",
  types: [
    "Seq Scan",
    "Index Scan",
    "Bitmap Heap Scan",
    "Aggregate",
    "Sort",
    "Result",
    "WindowAgg",
    "ProjectSet",
    "Hash Join",
    "Nested Loop",
  ],
  advice:
    "Large values are stored out of line and fetched row by row: keep what is asked of them in a column of its own (a generated column), index the expression, or do not select them.",
  test(node, facts): Observation | null {
    const blocks = ownBlocks(node)
    if (!executed(node) || blocks < minimumBlocks) return null
    const isScan = node.type.endsWith("Scan")
    const rows = isScan
      ? rowsOf(node) + totalOf(node, "Rows Removed by Filter")
      : node.children.reduce((sum, below) => sum + rowsOf(below), 0)
    const loops = Math.max(1, loopsOf(node))
    const heap = !isScan
      ? 0
      : node.type === "Seq Scan"
        ? pagesByCost(node, facts) * (loops / node.participants)
        : rows + loops * 4
    const extra = blocks - heap
    if (extra < minimumBlocks || extra < 0.5 * heap || extra < 0.5 * rows || !takesApart(node)) return null
    const part = extra / blocks
    return {
      ...savingOf(node, part, facts),
      message: `${count(extra)} blocks beside those of the rows were read for ${count(rows)} rows${isScan ? ` of ${tableOf(node)}` : ""}: values stored out of line are fetched to compute with them.`,
    }
  },
}

/** Fewer blocks than these say nothing about a cache or a disk. */
const minimumReads = 1000

/** Milliseconds: a block that comes sooner was in the operating system's memory. One cold run shows no more than that it was cold. */
const fromMemory = 0.1

const lowCacheHit: Rule = {
  id: "low_cache_hit",
  needs: "analyze",
  types: "any",
  advice:
    "Run it again: a first run is always cold. If it stays so, the data in use are larger than memory: raise shared_buffers, or read less (a covering index, fewer columns).",
  test(node, facts): Observation | null {
    const { sharedHit, sharedRead, ioReadTime } = node.exclusive
    if (sharedRead < minimumReads || sharedHit >= sharedRead || facts.totalTime === null) return null
    if (ioReadTime === null) {
      // A large sequential scan reads through a small ring buffer and never fills the cache: its reads prove nothing.
      if (node.type === "Seq Scan" || node.share < 0.3) return null
      const saving = savingOf(node, 0.3, facts)
      return {
        ...saving,
        severity: "info",
        message: `${count(sharedRead)} of ${count(sharedRead + sharedHit)} blocks came from outside PostgreSQL's cache (how long that took was not measured: track_io_timing is off).`,
      }
    }
    if (ioReadTime < 0.3 * facts.totalTime) return null
    return {
      ms: Math.min(ioReadTime, facts.totalTime),
      costPart: 0,
      ...((ioReadTime * node.parallelism) / sharedRead < fromMemory ? { severity: "info" } : {}),
      message: `${count(sharedRead)} of ${count(sharedRead + sharedHit)} blocks came from outside PostgreSQL's cache, which took ${time(ioReadTime)}, ${percent(Math.min(1, ioReadTime / facts.totalTime))} of the whole.`,
    }
  },
}

const slowIo: Rule = {
  id: "slow_io",
  needs: "analyze",
  types: "any",
  advice: "The storage answers slowly: look at its throughput and at what else uses it; read less, or keep the data in memory.",
  test(node, facts): Observation | null {
    const { sharedRead, localRead, ioReadTime } = node.exclusive
    const reads = sharedRead + localRead
    if (ioReadTime === null || reads < minimumReads || facts.totalTime === null) return null
    // Times are wall times; the reads of all processes happened within them.
    const perBlock = (ioReadTime * node.parallelism) / reads
    if (perBlock < 1) return null
    return {
      ms: Math.min(facts.totalTime, ioReadTime) * (1 - 0.1 / perBlock),
      costPart: 0,
      message: `Reading a block took ${perBlock.toFixed(1)} ms on average over ${count(reads)} blocks; a solid-state disk needs a tenth.`,
    }
  },
}

function writes(facts: Facts): boolean {
  return facts.nodes.some((node) => node.type === "ModifyTable" || node.type === "LockRows")
}

const selectDirtiesPages: Rule = {
  id: "select_dirties_pages",
  needs: "analyze",
  types: "statement",
  advice:
    "The first reader after a load marks rows as committed, and writes pages for it. VACUUM (or VACUUM FREEZE) after loading, so that readers need not.",
  test(_root, facts): Observation | null {
    const { totals } = facts.plan
    if (totals === null || totals.sharedDirtied < 100) return null
    if (writes(facts)) return null
    const worst = facts.nodes.reduce((most, node) => (node.exclusive.sharedDirtied > most.exclusive.sharedDirtied ? node : most))
    return {
      ...nothingSaved,
      at: worst,
      anyway: true,
      severity: "low",
      message: `A statement that only reads dirtied ${count(totals.sharedDirtied)} pages${worst.relation === null ? "" : `, most of them of ${tableOf(worst)}`}: they were not read since they were written.`,
    }
  },
}

/** Fewer, 8 MB, any change of a table writes after a checkpoint. */
const manyImages = 1000

const walFullPageImages: Rule = {
  id: "wal_full_page_images",
  needs: "analyze",
  types: "statement",
  advice:
    "Each page is logged as a whole at its first change after a checkpoint: let checkpoints be further apart (max_wal_size, checkpoint_timeout), set wal_compression, or leave room for HOT updates (fillfactor).",
  test(root, facts): Observation | null {
    const images = facts.nodes.reduce((sum, node) => sum + node.exclusive.walFpi, 0)
    const written = facts.nodes.reduce((sum, node) => sum + node.exclusive.walBytes, 0)
    // Readers that mark rows write whole pages too where the server keeps checksums: that is select_dirties_pages.
    if (!writes(facts)) return null
    // An image leaves out the page's free space, so it is at most a page.
    if (images < 100 || images * 8192 < 0.5 * written) return null
    const worst = facts.nodes.reduce((most, node) => (node.exclusive.walFpi > most.exclusive.walFpi ? node : most), root)
    return {
      ...nothingSaved,
      at: facts.nodes.find((node) => node.type === "ModifyTable") ?? worst,
      anyway: true,
      severity: images >= manyImages ? "low" : "info",
      message: `${count(images)} whole pages were written to the log beside the changes themselves: most of ${count(written / 1024)} kB.`,
    }
  },
}

export const ioRules: readonly Rule[] = [readInefficiency, toastReads, lowCacheHit, slowIo, selectDirtiesPages, walFullPageImages]
