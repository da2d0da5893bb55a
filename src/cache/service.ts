import { type RelationRef, type TrackingStatus, track, trackingStatus, untrack } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { ResultCache } from "./cache.ts"
import type { CacheMode } from "./option.ts"
import type { CacheStats } from "./stats.ts"

/** What the cache can rely on. */
export interface CacheStatus extends TrackingStatus {
  readonly mode: CacheMode
  /** Mode "delivered": changes are heard at present; null in other modes. */
  readonly listening: boolean | null
}

/** Options of `selecto.cache.install()`. */
export interface CacheInstallOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: { readonly table: string; readonly done: number; readonly of: number }) => void) | undefined
}

/** What is to be dropped. */
export interface Invalidation {
  /** Results that read these tables, by whatever view. */
  readonly tables?: readonly string[] | undefined
  /** Results that were kept under one of these names. */
  readonly tags?: readonly string[] | undefined
}

/** `selecto.cache`. */
export interface CacheService {
  /**
   * Makes the triggers that tell of changes of these tables: schema `selecto` and triggers `selecto_changes_…`. Once for a database;
   * idempotent. Errors: E_UNKNOWN_TABLE, E_MISSING_RIGHT, E_UNTRACKABLE_TABLE, E_LOCK_TIMEOUT.
   *
   * @example await selecto.cache.install(["orders", "customers"])
   */
  install(tables: readonly RelationRef[], options?: CacheInstallOptions): Promise<CacheStatus>
  /** Takes the cache's triggers away, of some tables or of all. */
  uninstall(tables?: readonly RelationRef[]): Promise<void>
  /** What is installed, and what is not noticed at once. */
  status(): Promise<CacheStatus>
  /** Drops results in this process, and keeps what is being fetched for them from being kept. E_UNKNOWN_TABLE, E_INVALID_OPTION. */
  invalidate(what: Invalidation): Promise<void>
  /** Drops every result in this process. */
  clear(): void
  /** Counts since connect(). */
  stats(): CacheStats
}

const namedText = `
with recursive named as (
  select n, to_regclass(n)::oid as oid from unnest($1::text[]) as n
), above(oid) as (
  select oid from named where oid is not null union select inhparent from above join pg_catalog.pg_inherits on inhrelid = above.oid)
select json_build_object('unknown', (select json_agg(n) from named where oid is null),
  'oids', (select json_agg(oid::text) from above))::text /* selecto:cache */`

export function cacheService(database: Database, cache: ResultCache): CacheService {
  const { counters, entries, versions, mode, ear } = cache
  // An owner of its own for each mode: two programs in different modes do not take each other's triggers away.
  const owner = `cache ${mode}`
  const status = async (known?: TrackingStatus): Promise<CacheStatus> => ({
    ...(known ?? (await trackingStatus(database))),
    mode,
    listening: ear === null ? null : ear.up,
  })
  return {
    install: async (tables, options = {}) => {
      const needs = { log: mode !== "delivered", notify: mode === "delivered" }
      const done = await track(database.direct, tables, { ...options, owner, ...needs })
      // Statements that were refused for want of it are looked at again.
      versions.bump("0")
      return status(done)
    },
    uninstall: async (tables) => {
      await untrack(database.direct, tables, { owner })
      versions.bumpAll()
    },
    status: () => status(),
    invalidate: async ({ tables = [], tags = [] }) => {
      if (tables.length === 0 && tags.length === 0)
        throw new SelectoError(
          "E_INVALID_OPTION",
          'invalidate() needs { tables: ["orders"] } or { tags: ["sales"] }; clear() drops all.',
          {
            path: "tables",
          },
        )
      for (const tag of tags) versions.bump(`#${tag}`)
      counters.invalidations++
      if (tables.length === 0) return
      const { rows } = await database.queryText({ text: namedText, values: [tables] }, { timeoutMs: 10_000 })
      const { unknown, oids } = JSON.parse(rows[0]![0]!) as { unknown: string[] | null; oids: string[] | null }
      for (const oid of oids ?? []) versions.bump(oid)
      if (unknown !== null)
        throw new SelectoError("E_UNKNOWN_TABLE", `There is no table ${unknown[0]}; the others were invalidated.`, {
          path: "tables",
        })
    },
    clear: () => {
      counters.invalidations++
      versions.bumpAll()
      entries.clear()
    },
    stats: () => counters.read(entries.size, entries.calculatedSize),
  }
}
