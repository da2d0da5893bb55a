import type { Plan, PlanNode } from "../../explain/index.ts"
import { planNodes } from "../../explain/index.ts"

/** Fields of the leader and of each worker. */
function perProcess(node: PlanNode): Readonly<Record<string, unknown>>[] {
  const workers = Array.isArray(node.raw.Workers) ? node.raw.Workers : []
  return [node.raw, ...workers.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null)]
}

function figure(value: unknown): number {
  const number = Number(value)
  return Number.isFinite(number) && number > 0 ? number : 0
}

/**
 * Bytes that the operations of an executed plan held in memory, each at its peak, in all processes, added up: more than they can have held
 * at one moment, and less than the process as a whole. Null where nothing was measured.
 */
export function operatorMemory(plan: Plan): number | null {
  if (plan.root.actual === null) return null
  let total = 0
  for (const node of planNodes(plan.root)) for (const fields of perProcess(node)) total += memoryOf(fields)
  return total * 1024
}

function memoryOf(fields: Readonly<Record<string, unknown>>): number {
  // Sort; Hash, HashAggregate and Memoize; from 18 on Material, WindowAgg, CTE Scan and others.
  let memory = figure(fields["Peak Memory Usage"])
  if (fields["Sort Space Type"] === "Memory") memory += figure(fields["Sort Space Used"])
  if (fields.Storage === "Memory") memory += figure(fields["Maximum Storage"])
  for (const groups of ["Full-sort Groups", "Pre-sorted Groups"]) {
    const space = (fields[groups] as Record<string, Record<string, unknown>> | undefined)?.["Sort Space Memory"]
    memory += figure(space?.["Peak Sort Space Used"])
  }
  return memory
}

/** Rows that an executed plan looked at in tables, those that filters threw away included. Null where nothing was measured. */
export function rowsExamined(plan: Plan): number | null {
  if (plan.root.actual === null) return null
  let total = 0
  for (const { relation, type, actual, raw } of planNodes(plan.root)) {
    if (relation === null || type === "ModifyTable" || actual === null) continue
    const removed = figure(raw["Rows Removed by Filter"]) + figure(raw["Rows Removed by Index Recheck"])
    total += (actual.rows + removed) * actual.loops
  }
  return total
}
