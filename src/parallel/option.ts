import { SelectoError } from "../errors.ts"
import { bytesOf, type Size } from "../units.ts"
import type { ParallelReport } from "./report.ts"

/** How the rows of a statement are divided. */
export type Partition =
  | "auto"
  /** By the hash of a column: parts of equal keys, each of which reads the whole table. */
  | { readonly hash: string }
  /** By ranges of a column, cut where the server's statistics say that the parts become equal. */
  | { readonly range: string }
  /** Pieces of equal length dealt in turn, whoever is faster. */
  | { readonly roundRobin: true }
  | { readonly custom: CustomPartition }

/**
 * Conditions in SQL over the divided table, one a part. They need not exclude each other nor cover all rows: each part gets what no
 * earlier one has, and a last part what is left.
 */
export type CustomPartition = (table: DividedTable) => readonly string[]

/** What a custom partition is told. */
export interface DividedTable {
  readonly schema: string
  readonly table: string
  /** The name by which conditions refer to it. */
  readonly alias: string
  readonly workers: number
  /** The planner's estimate. */
  readonly rows: number
}

/** How the parts' answers become one: groups by their keys, sorted rows by their order, rows one part after the other, or as they come. */
export type Merge = "auto" | "hash" | "sort_merge" | "union" | "streaming"
/** Who works in parallel: PostgreSQL's own workers, sessions of ours, or whichever pays. */
export type Where = "auto" | "server" | "client"
/** What makes parts equal: rows expected, bytes sent, or time taken. */
export type BatchStrategy = "row_count" | "data_size" | "time_based"

/** Options of `parallel()`. */
export interface ParallelOptions {
  /** Sessions that work at once, at most `maxWorkers`. Fewer take part where the pool has fewer to spare. Default 4. */
  readonly workers?: number | undefined
  /** Below this many sessions the statement is not split. Default 2. */
  readonly minWorkers?: number | undefined
  /** Default 8. */
  readonly maxWorkers?: number | undefined
  /** Rows that a part gives at least, and rows fetched at a time by stream(). Default 1,000 near the server, 10,000 far from it. */
  readonly batchSize?: number | undefined
  /**
   * What makes parts equal: "row_count" the rows expected, "data_size" the bytes that earlier parts have sent, "time_based" the time
   * that they took. Default "row_count".
   */
  readonly batchStrategy?: BatchStrategy | undefined
  readonly partition?: Partition | undefined
  /** How the parts' answers become one. Default "auto". */
  readonly merge?: Merge | undefined
  /** "none": every part sees what is committed when it starts. Default "snapshot". */
  readonly consistency?: "snapshot" | "none" | undefined
  /** Who works in parallel: PostgreSQL's own workers, sessions of ours, or whichever pays, if any. Default "auto". */
  readonly where?: Where | undefined
  /** work_mem of each worker. Default: the server's. */
  readonly workerMemory?: Size | undefined
  /** A worker that has not started after this time is left out; a lock that is not to be had ends the attempt. Default 30,000. */
  readonly coordinationTimeoutMs?: number | undefined
  /**
   * Custom settings that row security policies and functions read, such as "app.tenant": each worker gets their values. Without it a
   * statement is not split where a policy reads one.
   */
  readonly settings?: readonly string[] | undefined
  /** Functions that are VOLATILE or not PARALLEL SAFE by their label and harmless by your word. */
  readonly safeFunctions?: readonly string[] | undefined
  /** Called with what `report.parallel` says, at the end of a run, a stream or an export; the only way to learn it of a stream. */
  readonly onReport?: ((report: ParallelReport) => void) | undefined
}

/** `parallel` of connect(): defaults of every `parallel()`. */
export interface ParallelDefaults extends ParallelOptions {
  /** Consider every statement outside of transactions, as if it had `parallel()`. Default false. */
  readonly all?: boolean | undefined
}

/** What the stage finds under `request.options.parallel`. */
export interface ParallelRequest {
  /** false: not even with `all`. */
  readonly options: ParallelOptions | false
  /** The relation to divide, by join path, alias or table name. */
  readonly join?: string | undefined
  /** Alias by join path of a builder query; "" is the root. */
  readonly paths?: ReadonlyMap<string, string> | undefined
}

/** Options with every default filled in. */
export interface Settled {
  readonly workers: number
  readonly minWorkers: number
  /** null: by distance. */
  readonly batchSize: number | null
  readonly batchStrategy: BatchStrategy
  readonly partition: Partition
  readonly merge: Merge
  readonly consistency: "snapshot" | "none"
  readonly where: Where
  /** Bytes. */
  readonly workerMemory: number | null
  readonly coordinationTimeoutMs: number
  readonly settings: readonly string[] | null
  readonly safeFunctions: ReadonlySet<string>
  readonly onReport: ((report: ParallelReport) => void) | undefined
}

const choices = {
  batchStrategy: ["row_count", "data_size", "time_based"],
  merge: ["auto", "hash", "sort_merge", "union", "streaming"],
  consistency: ["snapshot", "none"],
  where: ["auto", "server", "client"],
} as const
const known = new Set([
  ...Object.keys(choices),
  ...["workers", "minWorkers", "maxWorkers", "batchSize", "partition", "workerMemory", "coordinationTimeoutMs", "settings"],
  ...["safeFunctions", "onReport", "all"],
])

/** Checks options of one call. Throws E_INVALID_OPTION, naming the option. */
export function checkOptions(options: ParallelDefaults): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw invalid("parallel", "`parallel` takes an object of options, such as { workers: 4 }")
  for (const name of Object.keys(options))
    if (!known.has(name)) throw invalid(name, `\`parallel\` has no option ${JSON.stringify(name)}`)
  for (const name of ["workers", "minWorkers", "maxWorkers", "batchSize", "coordinationTimeoutMs"] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw invalid(name, `\`${name}\` is a whole number, one or more`)
  }
  for (const [name, values] of Object.entries(choices)) {
    const value = options[name as keyof typeof choices]
    if (value !== undefined && !(values as readonly string[]).includes(value))
      throw invalid(name, `\`${name}\` is one of ${values.join(", ")}`)
  }
  if (options.workerMemory !== undefined && bytesOf(options.workerMemory, "workerMemory") < 65_536)
    throw invalid("workerMemory", "`workerMemory` is 64 kB at least")
  checkNames(options.settings, "settings", /^[A-Za-z_]\w*\.[\w.$]+$/, 'names with a dot, such as ["app.tenant"]')
  checkNames(options.safeFunctions, "safeFunctions", /./, "names of functions")
  if (options.onReport !== undefined && typeof options.onReport !== "function")
    throw invalid("onReport", "`onReport` is a function")
  checkPartition(options.partition)
}

function checkNames(names: readonly string[] | undefined, option: string, pattern: RegExp, what: string): void {
  if (names === undefined) return
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string" && pattern.test(name)))
    throw invalid(option, `\`${option}\` is a list of ${what}`)
}

function checkPartition(partition: Partition | undefined): void {
  if (partition === undefined || partition === "auto") return
  const entries = typeof partition === "object" && partition !== null ? Object.entries(partition) : []
  const [kind, value] = entries[0] ?? []
  const right =
    entries.length === 1 &&
    (((kind === "hash" || kind === "range") && typeof value === "string" && value !== "") ||
      (kind === "roundRobin" && value === true) ||
      (kind === "custom" && typeof value === "function"))
  if (!right)
    throw invalid(
      "partition",
      '`partition` is "auto", { hash: "column" }, { range: "column" }, { roundRobin: true } or { custom: (table) => [conditions] }',
    )
}

function invalid(path: string, message: string): SelectoError {
  return new SelectoError("E_INVALID_OPTION", `${message}.`, { path })
}

/** The options of a call over those of the connection. Both were checked. */
export function settle(defaults: ParallelDefaults, own: ParallelOptions): Settled {
  const pick = <Name extends keyof ParallelOptions>(name: Name): ParallelOptions[Name] => own[name] ?? defaults[name]
  const maxWorkers = pick("maxWorkers") ?? 8
  const workers = Math.min(pick("workers") ?? 4, maxWorkers)
  const memory = pick("workerMemory")
  return {
    workers,
    minWorkers: Math.min(pick("minWorkers") ?? 2, workers),
    batchSize: pick("batchSize") ?? null,
    batchStrategy: pick("batchStrategy") ?? "row_count",
    partition: pick("partition") ?? "auto",
    merge: pick("merge") ?? "auto",
    consistency: pick("consistency") ?? "snapshot",
    where: pick("where") ?? "auto",
    workerMemory: memory === undefined ? null : bytesOf(memory, "workerMemory"),
    coordinationTimeoutMs: pick("coordinationTimeoutMs") ?? 30_000,
    settings: pick("settings") ?? null,
    safeFunctions: new Set(pick("safeFunctions") ?? []),
    onReport: pick("onReport"),
  }
}
