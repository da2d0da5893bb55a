import type { CacheDefaults } from "../cache/index.ts"
import type { Database } from "../database/database.ts"
import type { MonitorOptions } from "../monitor/index.ts"
import type { ParallelDefaults } from "../parallel/index.ts"

/** Options of connect(). */
export interface ConnectOptions {
  /** The same database past a transaction pooler: LISTEN, snapshots and CREATE INDEX CONCURRENTLY go there. */
  readonly directUrl?: string | undefined
  /** Milliseconds after which a statement is cancelled on the server, unless its own options say otherwise. Default: none. */
  readonly timeoutMs?: number | undefined
  /** Shown in pg_stat_activity. Default "selecto". Only where we open the connection. */
  readonly applicationName?: string | undefined
  /** Most connections of the pool that a URL opens. Default 10. */
  readonly maxConnections?: number | undefined
  /** Given to pg's Pool as they are: `ssl`, a `password` function for rotating tokens, … Only where we open the connection. */
  readonly pool?: Readonly<Record<string, unknown>> | undefined
  /** Records every statement: `selecto.monitor`. `true` is the defaults. Default: nothing is recorded. */
  readonly monitor?: MonitorOptions | boolean | undefined
  /** The mode of the result cache, its size, and defaults of every `cache()`. */
  readonly cache?: CacheDefaults | undefined
  /** Defaults of every `parallel()`: how many sessions, how statements are divided. */
  readonly parallel?: ParallelDefaults | undefined
}

/** What connect() takes: a URL, a pool or client of a known driver, or any Database. */
export type ConnectTarget = string | Database | object | undefined
