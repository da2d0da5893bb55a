import type { PlanIssueId } from "../../../src/explain/index.ts"

/** A statement with one problem, or with none. */
export interface PlantedCase {
  readonly name: string
  readonly text: string
  /** Set for the statement. Default: {@link serial}. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Must be found; empty: nothing above info may be said. */
  readonly expect: readonly PlanIssueId[]
  /** May be said beside. */
  readonly accept?: readonly PlanIssueId[] | undefined
  /** Type of the node that is to be named. */
  readonly at?: string | undefined
  /** Not run: what costs alone tell. */
  readonly plain?: boolean | undefined
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly serialize?: boolean | undefined
  /** Run before each of its plans, each statement by itself: a symptom that its first reader takes away. */
  readonly before?: readonly string[] | undefined
}

export const serial = { max_parallel_workers_per_gather: "0", jit: "off" }
export const tight = { ...serial, work_mem: "256kB" }
export const roomy = { ...serial, work_mem: "64MB" }
export const parallel = {
  parallel_setup_cost: "0",
  parallel_tuple_cost: "0",
  min_parallel_table_scan_size: "0",
  min_parallel_index_scan_size: "0",
  jit: "off",
}
export const compiling = {
  jit: "on",
  jit_above_cost: "0",
  jit_inline_above_cost: "0",
  jit_optimize_above_cost: "0",
  max_parallel_workers_per_gather: "0",
}

/** Planner switches off: `off("seqscan", "nestloop")`. */
export function off(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`enable_${name}`, "off"]))
}

/** What the machine, its load, and being the first to plan and to read may add to any plan. */
const circumstances: readonly PlanIssueId[] = [
  "low_cache_hit",
  "slow_io",
  "planner_settings_overridden",
  "select_dirties_pages",
  "high_planning_time",
]

export function planted(cases: readonly PlantedCase[]): readonly PlantedCase[] {
  return cases.map((one) => ({ settings: serial, ...one, accept: [...(one.accept ?? []), ...circumstances] }))
}
