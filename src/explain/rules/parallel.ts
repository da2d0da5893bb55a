import { numberOf } from "../document.ts"
import { ancestors, countOf, executed, type Facts, has } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { count, type Observation, type Rule, savingBelow, time } from "./rule.ts"

const workersNotLaunched: Rule = {
  id: "workers_not_launched",
  needs: "analyze",
  types: ["Gather", "Gather Merge"],
  advice:
    "All workers were busy: raise max_parallel_workers and max_worker_processes, or let fewer statements run in parallel at once.",
  test(node, facts): Observation | null {
    const planned = countOf(node, "Workers Planned")
    const launched = countOf(node, "Workers Launched")
    if (!has(node, "Workers Launched") || !executed(node) || launched >= planned) return null
    return {
      ...savingBelow(node, 1 - (launched + 1) / (planned + 1), facts),
      message: `${count(planned)} workers were planned and ${count(launched)} started: ${launched === 0 ? "the leader did all the work alone" : "the others were not to be had"}.`,
    }
  },
}

/** Busy milliseconds of each process at a node, the leader first. Needs VERBOSE. */
function perProcess(node: PlanNode): number[] | null {
  const workers = node.raw.Workers
  if (!Array.isArray(workers) || node.actual?.totalTime == null) return null
  const times: number[] = []
  for (const worker of workers) {
    const each = numberOf((worker as Record<string, unknown>)["Actual Total Time"])
    const loops = numberOf((worker as Record<string, unknown>)["Actual Loops"])
    if (each === null || loops === null) return null
    times.push(each * loops)
  }
  const all = node.actual.totalTime * node.actual.loops
  const leader = all - times.reduce((sum, one) => sum + one, 0)
  return times.length === 0 ? null : [Math.max(0, leader), ...times]
}

const parallelImbalance: Rule = {
  id: "parallel_imbalance",
  needs: "analyze",
  types: "any",
  advice:
    "One process did most of the work while the others waited: split the data more evenly (more, smaller partitions), or let the large part itself be scanned in parallel.",
  test(node, facts): Observation | null {
    const gather = gatherOver(node, facts)
    if (gather === null) return null
    // Blocks of a shared scan go to whoever is free: there one process is ahead only because the others started late.
    if (node.raw["Parallel Aware"] === true && node.type.endsWith("Scan")) return null
    const waste = wasted(node)
    if (waste === null) return null
    // What counts is the time that the Gather had to wait for the slowest.
    if (waste.most < 0.8 * ((gather.inclusive.time ?? 0) / Math.max(1, gather.actual?.loops ?? 1))) return null
    // The deepest node that shows it is where the work was divided.
    if (node.children.some((below) => (wasted(below)?.ms ?? 0) >= 0.8 * waste.ms)) return null
    return {
      ms: waste.ms,
      costPart: 0,
      message: `Of ${count(waste.processes)} processes the slowest was busy for ${time(waste.most)}, all of them for ${time(waste.mean)} on average.`,
    }
  },
}

function wasted(node: PlanNode): { ms: number; most: number; mean: number; processes: number } | null {
  const times = perProcess(node)
  // What a single process ran (a member of a Parallel Append) was not divided here but above.
  if (times === null || times.length < 2 || (node.actual?.loops ?? 0) < times.length) return null
  const most = Math.max(...times)
  const sum = times.reduce((total, one) => total + one, 0)
  const mean = sum / times.length
  const others = (sum - most) / (times.length - 1)
  return most >= 3 * others && most > 0 ? { ms: most - mean, most, mean, processes: times.length } : null
}

function gatherOver(node: PlanNode, facts: Facts): PlanNode | null {
  for (const above of ancestors(node, facts)) if (above.type === "Gather" || above.type === "Gather Merge") return above
  return null
}

export const parallelRules: readonly Rule[] = [workersNotLaunched, parallelImbalance]
