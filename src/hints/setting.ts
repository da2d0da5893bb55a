import { SelectoError } from "../errors.ts"
import { bytesOf, type Size } from "../units.ts"

/** A setting that a statement may change for itself, as any user, and that planning or execution obeys. */
export interface SettingEntry {
  readonly type: "number" | "integer" | "size" | "boolean" | "enum"
  /** Bounds, in bytes for sizes. */
  readonly min: number
  readonly max: number
  /** Sizes: bytes of the server's own unit, to which it rounds. */
  readonly unit: number
  readonly values: readonly string[]
  /** First PostgreSQL that knows it. */
  readonly since: number
}

const kilobyte = 1024
const block = 8192
const int = 2 ** 31 - 1
const big = 1e10

const number = (min: number, max: number = big, since = 0): SettingEntry => ({
  type: "number",
  min,
  max,
  unit: 1,
  values: [],
  since,
})
const integer = (min: number, max: number = int, since = 0): SettingEntry => ({
  type: "integer",
  min,
  max,
  unit: 1,
  values: [],
  since,
})
const size = (min: number, unit: number): SettingEntry => ({ type: "size", min, max: int * unit, unit, values: [], since: 0 })
const boolean = (since = 0): SettingEntry => ({ type: "boolean", min: 0, max: 0, unit: 1, values: ["on", "off"], since })
const choice = (...values: string[]): SettingEntry => ({ type: "enum", min: 0, max: 0, unit: 1, values, since: 0 })

/** Settings that are hints under their own names. */
export type SettingName =
  | "work_mem"
  | "maintenance_work_mem"
  | "hash_mem_multiplier"
  | "effective_cache_size"
  | "effective_io_concurrency"
  | "seq_page_cost"
  | "random_page_cost"
  | "cpu_tuple_cost"
  | "cpu_index_tuple_cost"
  | "cpu_operator_cost"
  | "parallel_setup_cost"
  | "parallel_tuple_cost"
  | "min_parallel_table_scan_size"
  | "min_parallel_index_scan_size"
  | "max_parallel_workers_per_gather"
  | "max_parallel_maintenance_workers"
  | "parallel_leader_participation"
  | "enable_async_append"
  | "enable_bitmapscan"
  | "enable_distinct_reordering"
  | "enable_gathermerge"
  | "enable_group_by_reordering"
  | "enable_hashagg"
  | "enable_hashjoin"
  | "enable_incremental_sort"
  | "enable_indexonlyscan"
  | "enable_indexscan"
  | "enable_material"
  | "enable_memoize"
  | "enable_mergejoin"
  | "enable_nestloop"
  | "enable_parallel_append"
  | "enable_parallel_hash"
  | "enable_partition_pruning"
  | "enable_partitionwise_aggregate"
  | "enable_partitionwise_join"
  | "enable_presorted_aggregate"
  | "enable_self_join_elimination"
  | "enable_seqscan"
  | "enable_sort"
  | "enable_tidscan"
  | "from_collapse_limit"
  | "join_collapse_limit"
  | "geqo"
  | "geqo_threshold"
  | "constraint_exclusion"
  | "cursor_tuple_fraction"
  | "recursive_worktable_factor"
  | "plan_cache_mode"
  | "jit"
  | "jit_above_cost"
  | "jit_inline_above_cost"
  | "jit_optimize_above_cost"

/** Every setting that a hint may carry (PostgreSQL documentation, 20.4 and 20.7). Anything else is refused: a hint is no way to a role or a path. */
export const settingCatalogue: Readonly<Record<SettingName, SettingEntry>> = {
  work_mem: size(64 * kilobyte, kilobyte),
  maintenance_work_mem: size(64 * kilobyte, kilobyte),
  hash_mem_multiplier: number(1, 1000, 13),
  effective_cache_size: size(block, block),
  effective_io_concurrency: integer(0, 1000),
  seq_page_cost: number(0),
  random_page_cost: number(0),
  cpu_tuple_cost: number(0),
  cpu_index_tuple_cost: number(0),
  cpu_operator_cost: number(0),
  parallel_setup_cost: number(0),
  parallel_tuple_cost: number(0),
  min_parallel_table_scan_size: size(0, block),
  min_parallel_index_scan_size: size(0, block),
  max_parallel_workers_per_gather: integer(0, 1024),
  max_parallel_maintenance_workers: integer(0, 1024),
  parallel_leader_participation: boolean(),
  enable_async_append: boolean(14),
  enable_bitmapscan: boolean(),
  enable_distinct_reordering: boolean(18),
  enable_gathermerge: boolean(),
  enable_group_by_reordering: boolean(17),
  enable_hashagg: boolean(),
  enable_hashjoin: boolean(),
  enable_incremental_sort: boolean(13),
  enable_indexonlyscan: boolean(),
  enable_indexscan: boolean(),
  enable_material: boolean(),
  enable_memoize: boolean(14),
  enable_mergejoin: boolean(),
  enable_nestloop: boolean(),
  enable_parallel_append: boolean(),
  enable_parallel_hash: boolean(),
  enable_partition_pruning: boolean(),
  enable_partitionwise_aggregate: boolean(),
  enable_partitionwise_join: boolean(),
  enable_presorted_aggregate: boolean(16),
  enable_self_join_elimination: boolean(18),
  enable_seqscan: boolean(),
  enable_sort: boolean(),
  enable_tidscan: boolean(),
  from_collapse_limit: integer(1),
  join_collapse_limit: integer(1),
  geqo: boolean(),
  geqo_threshold: integer(2),
  constraint_exclusion: choice("partition", "on", "off"),
  cursor_tuple_fraction: number(0, 1),
  recursive_worktable_factor: number(0.001, 1e6, 15),
  plan_cache_mode: choice("auto", "force_generic_plan", "force_custom_plan"),
  jit: boolean(),
  jit_above_cost: number(-1),
  jit_inline_above_cost: number(-1),
  jit_optimize_above_cost: number(-1),
}

/** What a hint may set each setting to: `"256MB"` for sizes (a number is bytes), true or false for switches. */
export type SettingValue = Size | number | boolean | string

/** Settings that exist but that a hint cannot change, with what it would take. */
const privileged: Readonly<Record<string, string>> = {
  temp_file_limit: "only a superuser may set it",
  log_min_duration_statement: "only a superuser may set it",
  session_replication_role: "only a superuser may set it",
  track_io_timing: "only a superuser may set it",
  track_activities: "only a superuser may set it",
  compute_query_id: "only a superuser may set it",
  "pg_stat_statements.track": "only a superuser may set it",
  deadlock_timeout: "only a superuser may set it",
  session_preload_libraries: "only a superuser may set it",
  zero_damaged_pages: "only a superuser may set it",
  role: "it changes who the statement runs as",
  session_authorization: "it changes who the statement runs as",
  max_worker_processes: "it needs a restart of the server",
  shared_buffers: "it needs a restart of the server",
  huge_pages: "it needs a restart of the server",
  max_connections: "it needs a restart of the server",
}

/** True for a setting that only a superuser, a restart or another way than a hint can change. */
export function privilegeNeeded(name: string): string | null {
  return Object.hasOwn(privileged, name) ? privileged[name]! : null
}

/** The entry of a setting, or null. */
export function settingEntry(name: string): SettingEntry | null {
  return Object.hasOwn(settingCatalogue, name) ? settingCatalogue[name as SettingName] : null
}

/** A value as the server itself shows it (`"256MB"`, `"on"`, `"0.1"`). Throws E_INVALID_HINT: wrong kind, range or unit. */
export function settingText(name: SettingName, value: unknown): string {
  const entry: SettingEntry = settingCatalogue[name]
  switch (entry.type) {
    case "size":
      return sizeText(name, entry, value)
    case "boolean":
      return switchText(name, value)
    case "enum":
      if (typeof value === "string" && entry.values.includes(value)) return value
      throw invalid(name, `one of ${entry.values.join(", ")}`)
    default: {
      const whole = entry.type === "integer"
      const range = `${whole ? "a whole number" : "a number"} from ${entry.min} to ${entry.max}, without a unit`
      const usable = typeof value === "number" && (whole ? Number.isInteger(value) : Number.isFinite(value))
      if (!usable || value < entry.min || value > entry.max) throw invalid(name, range)
      return String(value)
    }
  }
}

function sizeText(name: string, entry: SettingEntry, value: unknown): string {
  const expected = `a size with its unit, such as "256MB", of at least ${displaySize(entry.min)}; a number is bytes`
  if (typeof value !== "number" && !(typeof value === "string" && /^\s*\d+(\.\d+)?\s*(B|kB|KB|MB|GB|TB)\s*$/.test(value)))
    throw invalid(name, expected)
  const bytes = bytesOf(value as Size, name)
  if (!Number.isFinite(bytes) || bytes < entry.min || bytes > entry.max) throw invalid(name, expected)
  return displaySize(Math.round(bytes / entry.unit) * entry.unit)
}

/** As PostgreSQL shows a size: in the largest unit that divides it. */
function displaySize(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 4, "TB"],
    [1024 ** 3, "GB"],
    [1024 ** 2, "MB"],
    [1024, "kB"],
  ] as const)
    if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${name}`
  return `${bytes}${bytes === 0 ? "" : "B"}`
}

function switchText(name: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off"
  if (value === "on" || value === "off") return value
  throw invalid(name, 'true, false, "on" or "off"')
}

function invalid(name: string, expected: string): SelectoError {
  return new SelectoError("E_INVALID_HINT", `The hint ${name} takes ${expected}.`, { path: name })
}

/** True when the text that `current_setting` gives means what {@link settingText} asked for. */
export function sameSetting(name: SettingName, asked: string, current: string): boolean {
  const entry: SettingEntry = settingCatalogue[name]
  if (entry.type === "number" || entry.type === "integer") return Number(asked) === Number(current)
  return asked === current
}
