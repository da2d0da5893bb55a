import type { ServerLoad, ServerSession } from "./activity.ts"
import type { ServerConnections } from "./connections.ts"
import type { Gap } from "./gaps.ts"
import type { ServerLocks } from "./lock-tree.ts"
import type { ServerSequence } from "./sequences.ts"
import type { ServerStatement, StatementCoverage } from "./statements.ts"
import type { ServerIndex, ServerTable } from "./tables.ts"
import type { ServerDatabase, ServerIo, ServerWal } from "./throughput.ts"
import type { ServerTransactions } from "./transactions.ts"
import type { Upkeep } from "./upkeep.ts"

/** A standby of this server. Lags are null where the server does not know them. */
export interface ServerStandby {
  readonly name: string
  readonly client: string | null
  readonly state: string | null
  readonly sync: string | null
  readonly lagBytes: number | null
  readonly lagMs: number | null
}

export interface ServerSlot {
  readonly name: string
  readonly kind: string
  readonly active: boolean
  /** Log that is kept for it. */
  readonly retainedBytes: number | null
  /** "reserved", "extended", "unreserved" or "lost". */
  readonly status: string | null
  /** Log that may still be written before it is lost; null: no limit. */
  readonly safeBytes: number | null
  readonly inactiveSince: Date | null
}

export interface ServerReplication {
  readonly standbys: readonly ServerStandby[]
  readonly slots: readonly ServerSlot[]
  /** How far this server is behind its primary, milliseconds; null where it is none's standby. */
  readonly lagMs: number | null
}

export interface ServerVacuum {
  readonly running: readonly {
    readonly table: string
    readonly phase: string
    /** Of the table's blocks, the part that was read. */
    readonly progress: number
  }[]
  /** Each database's oldest transaction id, as part of the 2^31 that there are. */
  readonly wraparound: readonly { readonly database: string; readonly used: number; readonly kind: "transaction" | "multixact" }[]
}

/**
 * What the server says, over a window. Times in milliseconds, sizes in bytes. Null is what could not be read; `gaps` says why. What
 * is counted is what was counted between rounds of the collector that lie in the window.
 */
export interface ServerReport {
  readonly window: { readonly from: Date; readonly to: Date; readonly seconds: number }
  readonly server: {
    readonly database: string
    /** server_version_num: 180004 is 18.4. */
    readonly version: number
    readonly role: string
    readonly standby: boolean
    readonly startedAt: Date
    /** When the database's statistics were last reset; null: never, or unknown. */
    readonly statsReset: Date | null
  }
  /** Most time first, "other" last; null where pg_stat_statements cannot be read. */
  readonly statements: readonly ServerStatement[] | null
  /** Most rows read first. */
  readonly tables: readonly ServerTable[] | null
  readonly indexes: readonly ServerIndex[] | null
  readonly database: ServerDatabase | null
  readonly io: readonly ServerIo[] | null
  readonly wal: ServerWal | null
  readonly load: ServerLoad | null
  readonly sessions: readonly ServerSession[] | null
  readonly connections: ServerConnections | null
  readonly transactions: ServerTransactions | null
  readonly locks: ServerLocks | null
  readonly vacuum: ServerVacuum | null
  readonly sequences: readonly ServerSequence[] | null
  readonly replication: ServerReplication | null
  readonly upkeep: Upkeep | null
  readonly coverage: Coverage
  readonly gaps: readonly Gap[]
}

/** How much of a window the figures cover. */
export interface Coverage {
  /** Rounds of the collector in the window. */
  readonly rounds: number
  /** Milliseconds between those rounds, of the window's. */
  readonly covered: number
  /** Times in the window that the server was restarted, or another one answered: what it had counted is compared with nothing. */
  readonly restarts: number
  /** Null where pg_stat_statements cannot be read. */
  readonly statements: StatementCoverage | null
}
