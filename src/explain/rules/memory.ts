import { numberOf } from "../document.ts"
import { ancestors, countOf, executed, type Facts, rowsOf, text } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { hashTableBytes, sortBytes } from "../pricing.ts"
import { bytes, count, type Observation, type Rule, savingOf } from "./rule.ts"

/** Fields of the leader and of each worker. */
function perProcess(node: PlanNode): Readonly<Record<string, unknown>>[] {
  const workers = node.raw.Workers
  const list = Array.isArray(workers)
    ? workers.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null)
    : []
  return [node.raw, ...list]
}

function assumed(facts: Facts): string {
  return facts.workMemKnown ? "" : " (taking work_mem to be the default, 4 MB: the plan does not say)"
}

/** Kilobytes that a sort wrote to disk, in whichever process wrote most; null where none did. */
function spilledSort(node: PlanNode): number | null {
  let most: number | null = null
  for (const fields of perProcess(node)) {
    const onDisk = fields["Sort Space Type"] === "Disk" || String(fields["Sort Method"] ?? "").startsWith("external")
    if (onDisk) most = Math.max(most ?? 0, numberOf(fields["Sort Space Used"]) ?? 0)
    for (const groups of ["Full-sort Groups", "Pre-sorted Groups"]) {
      const space = (fields[groups] as Record<string, unknown> | undefined)?.["Sort Space Disk"] as
        | Record<string, unknown>
        | undefined
      if (space !== undefined) most = Math.max(most ?? 0, numberOf(space["Peak Sort Space Used"]) ?? 0)
    }
  }
  return most
}

const sortSpill: Rule = {
  id: "sort_spill",
  needs: "plan",
  types: ["Sort", "Incremental Sort"],
  advice:
    "Raise work_mem for this statement to two or three times what went to disk, sort fewer or narrower rows, or read them in order from an index.",
  test(node, facts): Observation | null {
    if (facts.analyzed) {
      const kilobytes = executed(node) ? spilledSort(node) : null
      if (kilobytes === null) return null
      // In memory a row takes more room than on disk: a slot of 24 bytes and the allocator's rounding.
      const needed = Math.max(kilobytes * 1024 * 2, sortBytes(node.actual!.rows, node.planWidth ?? 0))
      return {
        ...savingOf(node, 0.5, facts),
        anyway: true,
        estimatedMemory: needed,
        availableMemory: facts.workMem,
        message: `The sort of ${count(rowsOf(node))} rows did not fit into work_mem and wrote ${bytes(kilobytes * 1024)} to disk.`,
      }
    }
    const limit = facts.parentOf.get(node)
    const rows = Math.max(0, limit?.type === "Limit" ? Math.min(limit.planRows ?? 0, node.planRows ?? 0) : (node.planRows ?? 0))
    const needed = sortBytes(rows, node.planWidth ?? 0)
    if (node.type !== "Sort" || needed <= facts.workMem) return null
    return {
      ...savingOf(node, 0.5, facts),
      estimatedMemory: needed,
      availableMemory: facts.workMem,
      message: `Sorting ${count(rows)} rows needs about ${bytes(needed)}, and work_mem is ${bytes(facts.workMem)}: it will go to disk${assumed(facts)}.`,
    }
  },
}

/** Processes that share one hash table: all of them below a Parallel Hash, else each has its own. */
function sharers(node: PlanNode, facts: Facts): number {
  if (node.raw["Parallel Aware"] !== true) return 1
  for (const above of ancestors(node, facts)) {
    if (above.type === "Gather" || above.type === "Gather Merge")
      return 1 + countOf(above, facts.analyzed ? "Workers Launched" : "Workers Planned")
  }
  return 1
}

const hashJoinMemory: Rule = {
  id: "hash_join_memory",
  needs: "plan",
  types: ["Hash"],
  advice:
    "Raise work_mem or hash_mem_multiplier for this statement to the estimate given, take fewer columns into the join, or filter the hashed side first.",
  test(node, facts): Observation | null {
    const join = facts.parentOf.get(node)
    const available = facts.hashMem * sharers(node, facts)
    if (facts.analyzed) {
      const batches = Math.max(...perProcess(node).map((fields) => numberOf(fields["Hash Batches"]) ?? 1))
      if (!executed(node) || batches <= 1) return null
      const rows = node.raw["Parallel Aware"] === true ? rowsOf(node) : node.actual!.rows
      const needed = hashTableBytes(rows, node.planWidth ?? 0)
      const original = countOf(node, "Original Hash Batches")
      const own = savingOf(node, 0.4, facts)
      const probing = join === undefined ? own : savingOf(join, 0.4, facts)
      return {
        ms: own.ms === null || probing.ms === null ? null : own.ms + (join === undefined ? 0 : probing.ms),
        costPart: own.costPart + (join === undefined ? 0 : probing.costPart),
        anyway: true,
        estimatedMemory: needed,
        availableMemory: available,
        message: `The hash table of ${count(rows)} rows did not fit into memory and was split into ${count(batches)} batches on disk${original > 0 && original < batches ? ` (${count(original)} were planned: there are more rows than expected)` : ""}; it needs about ${bytes(needed)}, and ${bytes(available)} may be used.`,
      }
    }
    const rows = (node.planRows ?? 0) * sharers(node, facts)
    const needed = hashTableBytes(rows, node.planWidth ?? 0)
    if (needed <= available) return null
    const own = savingOf(node, 0.4, facts)
    const probing = join === undefined ? own : savingOf(join, 0.4, facts)
    return {
      ms: null,
      costPart: own.costPart + probing.costPart,
      anyway: true,
      estimatedMemory: needed,
      availableMemory: available,
      message: `The hash table of ${count(rows)} rows needs about ${bytes(needed)}, and ${bytes(available)} may be used: it will be split into batches on disk${assumed(facts)}.`,
    }
  },
}

const hashAggregateSpill: Rule = {
  id: "hash_aggregate_spill",
  needs: "plan",
  types: ["Aggregate", "SetOp"],
  advice:
    "Raise work_mem or hash_mem_multiplier for this statement; if the number of groups was misjudged, raise the statistics target or CREATE STATISTICS (ndistinct).",
  test(node, facts): Observation | null {
    if (facts.analyzed) {
      const spilled = perProcess(node).filter(
        (fields) => (numberOf(fields["HashAgg Batches"]) ?? 1) > 1 || (numberOf(fields["Disk Usage"]) ?? 0) > 0,
      )
      if (!executed(node) || spilled.length === 0) return null
      const disk = spilled.reduce((sum, fields) => sum + (numberOf(fields["Disk Usage"]) ?? 0), 0) * 1024
      const groups = node.actual!.rows
      return {
        ...savingOf(node, 0.5, facts),
        anyway: true,
        estimatedMemory: Math.max(disk * 2, hashTableBytes(groups, node.planWidth ?? 0)),
        availableMemory: facts.hashMem,
        message: `The groups did not fit into memory: ${bytes(disk)} were written to disk and read again to make ${count(rowsOf(node))} groups.`,
      }
    }
    if (countOf(node, "Planned Partitions") <= 0) return null
    return {
      ...savingOf(node, 0.5, facts),
      anyway: true,
      estimatedMemory: hashTableBytes(node.planRows ?? 0, node.planWidth ?? 0),
      availableMemory: facts.hashMem,
      message: `About ${count(node.planRows ?? 0)} groups are expected, more than memory holds: the aggregate is planned to go to disk in ${count(countOf(node, "Planned Partitions"))} partitions.`,
    }
  },
}

const spillMinimum = 100

const windowSpill: Rule = {
  id: "window_spill",
  needs: "analyze",
  types: ["WindowAgg"],
  advice:
    "Raise work_mem, end the frame at the current row (ROWS instead of the whole partition) or make the partitions smaller.",
  test(node, facts): Observation | null {
    const written = node.exclusive.tempWritten
    if (text(node, "Storage") !== "Disk" && written <= 0) return null
    return {
      ...savingOf(node, 0.5, facts),
      anyway: true,
      availableMemory: facts.workMem,
      message: `The rows of a window's partition did not fit into work_mem: ${bytes(written * 8192)} were written to disk.`,
    }
  },
}

/** Nodes whose temporary files are told by a rule of their own. */
const ownRule = new Set([
  "Sort",
  "Incremental Sort",
  "Hash",
  "Hash Join",
  "WindowAgg",
  "Aggregate",
  "SetOp",
  "Gather",
  "Gather Merge",
])

const tempIo: Rule = {
  id: "temp_io",
  needs: "analyze",
  types: "any",
  advice:
    "Raise work_mem so that the rows are kept in memory, or make fewer of them: select less, filter earlier, avoid computing them twice.",
  test(node, facts): Observation | null {
    const { tempWritten, tempIoTime } = node.exclusive
    if (ownRule.has(node.type) || tempWritten < spillMinimum) return null
    const saving = savingOf(node, 0.3, facts)
    return {
      ...saving,
      ms: tempIoTime !== null && tempIoTime > 0 && saving.ms !== null ? Math.min(tempIoTime, saving.ms / 0.3) : saving.ms,
      anyway: true,
      availableMemory: facts.workMem,
      message: `${node.type} kept more rows than work_mem holds: ${bytes(tempWritten * 8192)} were written to a temporary file.`,
    }
  },
}

const wideRows: Rule = {
  id: "wide_rows",
  needs: "plan",
  types: ["Sort", "Hash", "Materialize"],
  advice:
    "Sort or join only the keys and fetch the wide columns afterwards, by primary key; do not select columns that are not used.",
  test(node, facts): Observation | null {
    const width = node.planWidth ?? 0
    const rows = facts.analyzed ? rowsOf(node) : (node.planRows ?? 0)
    // Wide rows matter where they go to disk.
    const spills = facts.analyzed
      ? spilledSort(node) !== null || countOf(node, "Hash Batches") > 1 || node.exclusive.tempWritten > 0
      : sortBytes(rows, width) > facts.workMem
    const kept = facts.parentOf.get(node)?.type === "Limit" && !facts.analyzed
    if (width < 1000 || rows < 10_000 || !spills || kept) return null
    return {
      ...savingOf(node, 0.5, facts),
      anyway: true,
      message: `${count(rows)} rows of ${count(width)} bytes each are carried through ${node.type === "Sort" ? "the sort" : node.type === "Hash" ? "the hash table" : "a temporary file"}.`,
    }
  },
}

export const memoryRules: readonly Rule[] = [sortSpill, hashJoinMemory, hashAggregateSpill, windowSpill, tempIo, wideRows]
