import { numberOf } from "../document.ts"
import { ancestors, countOf, executed, type Facts, has, rowsOf } from "../facts.ts"
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

interface Process {
  /** Busy milliseconds. */
  readonly time: number
  /** What it got through: blocks where they were counted, else rows, which a filter may have left out. */
  readonly work: number
}

/** What each process did at a node, the leader first. Needs VERBOSE. */
function processesOf(node: PlanNode): Process[] | null {
  const workers = node.raw.Workers
  if (!Array.isArray(workers) || workers.length === 0 || node.actual?.totalTime == null) return null
  const counted = has(node, "Shared Hit Blocks")
  const found: Process[] = []
  for (const worker of workers) {
    const value = (field: string): number | null => numberOf((worker as Record<string, unknown>)[field])
    const each = value("Actual Total Time")
    const loops = value("Actual Loops")
    if (each === null || loops === null) return null
    const blocks = (value("Shared Hit Blocks") ?? 0) + (value("Shared Read Blocks") ?? 0)
    found.push({ time: each * loops, work: counted ? blocks : (value("Actual Rows") ?? 0) * loops })
  }
  const left = (all: number, of: (one: Process) => number): number =>
    Math.max(0, all - found.reduce((sum, one) => sum + of(one), 0))
  const leader = {
    time: left(node.actual.totalTime * node.actual.loops, (one) => one.time),
    work: left(
      counted ? countOf(node, "Shared Hit Blocks") + countOf(node, "Shared Read Blocks") : rowsOf(node),
      (one) => one.work,
    ),
  }
  return [leader, ...found]
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
    if (waste === null || startedLate(node, waste)) return null
    // What counts is the time that the Gather had to wait for the slowest.
    if (waste.most < 0.6 * ((gather.inclusive.time ?? 0) / Math.max(1, gather.actual?.loops ?? 1))) return null
    // The deepest node that shows it is where the work was divided.
    if (node.children.some((below) => (wasted(below)?.ms ?? 0) >= 0.8 * waste.ms && !below.type.endsWith("Scan"))) return null
    return {
      ms: waste.ms,
      costPart: 0,
      message: `Of ${count(waste.processes.length)} processes the slowest was busy for ${time(waste.most)}, all of them for ${time(waste.mean)} on average.`,
    }
  },
}

interface Waste {
  readonly ms: number
  readonly most: number
  readonly mean: number
  readonly processes: readonly Process[]
  /** Which of them was busy longest. */
  readonly slowest: number
}

function wasted(node: PlanNode): Waste | null {
  const processes = processesOf(node)
  // What a single process ran (a member of a Parallel Append) was not divided here but above.
  if (processes === null || (node.actual?.loops ?? 0) < processes.length) return null
  const most = Math.max(...processes.map((one) => one.time))
  const sum = processes.reduce((total, one) => total + one.time, 0)
  const mean = sum / processes.length
  const others = (sum - most) / (processes.length - 1)
  if (most < 3 * others || most <= 0) return null
  return { ms: most - mean, most, mean, processes, slowest: processes.findIndex((one) => one.time === most) }
}

/**
 * Whether the work was divided by need, so that the others merely came late and found little left: then the slowest also read most of
 * the rows. Not so where a part could not be divided, or where some rows are dearer than others.
 */
function startedLate(node: PlanNode, waste: Waste): boolean {
  const driver = driverOf(node)
  if (driver === null) return false
  const shares = processesOf(driver)
  if (shares?.length !== waste.processes.length) return false
  const slowest = shares[waste.slowest]!
  const timeOf = (member: PlanNode): number => (member.inclusive.time ?? 0) * member.parallelism
  // An Append that hands on many cheap rows may take longer over them than its parts do.
  const parts = driver.children.reduce((sum, member) => sum + timeOf(member), 0)
  const undivided = (member: PlanNode): boolean =>
    member.raw["Parallel Aware"] !== true && timeOf(member) >= 0.5 * Math.min(slowest.time, parts)
  if (driver.type === "Append" && driver.children.some(undivided)) return false
  const others = shares.reduce((sum, one, at) => sum + (at === waste.slowest ? 0 : one.work), 0)
  // Where some rows are dear, whoever has them gets through less than the others; so little says nothing of what a row costs.
  if (slowest.work > (0.8 * others) / (shares.length - 1) || others < 0.1 * slowest.work) return true
  const each = waste.most / Math.max(1, slowest.work)
  const elsewhere = (waste.mean * shares.length - waste.most) / Math.max(1, others)
  return each < 2 * elsewhere
}

/** The node that hands out the work: a scan or an append that all processes share. */
function driverOf(node: PlanNode): PlanNode | null {
  for (let at: PlanNode | undefined = node; at !== undefined; at = at.children.find(comesFirst) ?? at.children[0]) {
    if (at.raw["Parallel Aware"] === true && (at.type === "Append" || at.type.endsWith("Scan"))) return at
  }
  return null
}

function comesFirst(child: PlanNode): boolean {
  return child.relationship === "Outer"
}

function gatherOver(node: PlanNode, facts: Facts): PlanNode | null {
  for (const above of ancestors(node, facts)) if (above.type === "Gather" || above.type === "Gather Merge") return above
  return null
}

export const parallelRules: readonly Rule[] = [workersNotLaunched, parallelImbalance]
