import { SelectoError } from "../errors.ts"
import { bytesOf, type Duration, millisecondsOf, type Size } from "../units.ts"

/**
 * What a cached result promises. "strict": it is as new as every commit that had finished when it was asked for. "delivered": as every
 * commit whose notice has arrived here, this process's own included. "ttl": no older than its time to live.
 */
export type CacheMode = "strict" | "delivered" | "ttl"

/** Options of `cache()`. */
export interface CacheOptions {
  /** Longest life of a result. In mode "ttl" it is needed, here or in connect(); in the others a result lives until its tables change. */
  readonly ttl?: Duration | undefined
  /** Names by which `selecto.cache.invalidate({ tags })` drops it. */
  readonly tags?: readonly string[] | undefined
  /**
   * For so long after a result has ceased to be valid it is still given, at once and with the warning `cache_stale`, while a new one is
   * fetched. Default: never.
   */
  readonly staleWhileRevalidate?: Duration | undefined
}

/** `cache` of connect(). */
export interface CacheDefaults extends CacheOptions {
  /** Default "delivered". */
  readonly mode?: CacheMode | undefined
  /** Bytes that results may take, as they are measured. Default 64 MB. */
  readonly maxBytes?: Size | undefined
  /** Functions of this database that only compute from their arguments: a statement that calls any other is not cached. */
  readonly functions?: readonly string[] | undefined
  /** How often a dead line is looked for; see the guide. Default "5s". */
  readonly heartbeat?: Duration | undefined
}

/** Options with every default filled in. Milliseconds; null: none. */
export interface SettledCache {
  readonly ttlMs: number | null
  readonly tags: readonly string[]
  readonly staleMs: number
}

const modes: readonly string[] = ["strict", "delivered", "ttl"]
const own = ["ttl", "tags", "staleWhileRevalidate"]
const defaultsOnly = ["mode", "maxBytes", "functions", "heartbeat"]

/** Checks options of one call. Throws E_INVALID_OPTION, naming the option. */
export function checkCacheOptions(options: CacheOptions, known: readonly string[] = own): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw invalid("cache", '`cache` takes an object of options, such as { ttl: "5m" }')
  for (const name of Object.keys(options)) if (!known.includes(name)) throw invalid(name, `\`cache\` has no option ${name}`)
  if (options.ttl !== undefined && !(millisecondsOf(options.ttl, "ttl") > 0)) throw invalid("ttl", "`ttl` is more than nothing")
  if (options.staleWhileRevalidate !== undefined) millisecondsOf(options.staleWhileRevalidate, "staleWhileRevalidate")
  checkNames(options.tags, "tags")
}

/** Checks the options of connect(). Throws E_INVALID_OPTION, naming the option. */
export function checkCacheDefaults(options: CacheDefaults): void {
  checkCacheOptions(options, [...own, ...defaultsOnly])
  if (options.mode !== undefined && !modes.includes(options.mode)) throw invalid("mode", `\`mode\` is one of ${modes.join(", ")}`)
  if (options.maxBytes !== undefined && !(bytesOf(options.maxBytes, "maxBytes") > 0))
    throw invalid("maxBytes", "`maxBytes` is more than nothing")
  if (options.heartbeat !== undefined && !(millisecondsOf(options.heartbeat, "heartbeat") > 0))
    throw invalid("heartbeat", "`heartbeat` is more than nothing")
  checkNames(options.functions, "functions")
}

function checkNames(names: readonly string[] | undefined, option: string): void {
  if (names !== undefined && !(Array.isArray(names) && names.every((name) => typeof name === "string" && name !== "")))
    throw invalid(option, `\`${option}\` is a list of names`)
}

function invalid(path: string, message: string): SelectoError {
  return new SelectoError("E_INVALID_OPTION", `${message}.`, { path })
}

/** The options of a call over those of its domain and of the connection. All were checked. */
export function settleCache(mode: CacheMode, defaults: CacheOptions, domain: CacheOptions, call: CacheOptions): SettledCache {
  const ttl = call.ttl ?? domain.ttl ?? defaults.ttl
  const stale = call.staleWhileRevalidate ?? domain.staleWhileRevalidate ?? defaults.staleWhileRevalidate ?? 0
  if (ttl === undefined && mode === "ttl")
    throw invalid("ttl", 'In mode "ttl" a result needs a time to live: cache({ ttl: "5m" })')
  return {
    ttlMs: ttl === undefined ? null : millisecondsOf(ttl, "ttl"),
    tags: [...new Set([...(defaults.tags ?? []), ...(domain.tags ?? []), ...(call.tags ?? [])])],
    staleMs: millisecondsOf(stale, "staleWhileRevalidate"),
  }
}
