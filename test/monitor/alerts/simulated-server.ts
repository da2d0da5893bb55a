import { sessionOf } from "../../../src/monitor/server/activity.ts"
import { databaseCounters } from "../../../src/monitor/server/parts/database.ts"
import type { Identity } from "../../../src/monitor/server/parts/identity.ts"
import type { Readings } from "../../../src/monitor/server/parts/index.ts"
import type { BlockedRow, SessionRow } from "../../../src/monitor/server/parts/sessions.ts"
import { counterAt, type StatementRow, statementCounters } from "../../../src/monitor/server/parts/statements.ts"
import type { TableRow } from "../../../src/monitor/server/parts/tables.ts"
import { ServerState } from "../../../src/monitor/server/state.ts"
import { StatementNames } from "../../../src/monitor/server/statement-names.ts"
import type { Upkeep } from "../../../src/monitor/server/upkeep.ts"

/** A table of the simulated server; what is counted only rises. */
export type SimulatedTable = { -readonly [K in keyof TableRow]: TableRow[K] }

/**
 * The readings that a server would give, from counters that a test moves. Nothing of it stands for PostgreSQL's own behaviour, which other
 * tests ask a real one about: it makes a week pass in seconds.
 */
export class SimulatedServer {
  readonly state: ServerState
  readonly #names = new StatementNames(0)
  readonly #statements = new Map<string, { readonly id: string; readonly counters: Float64Array }>()
  readonly tables = new Map<string, SimulatedTable>()
  readonly database: Record<(typeof databaseCounters)[number], number> = Object.fromEntries(
    databaseCounters.map((name) => [name, 0]),
  ) as never
  connections = 20
  sessions: SessionRow[] = []
  blocked: BlockedRow[] = []
  wraparound = 0.1
  sequence = 0.3
  standbyLagMs: number | null = 0
  slotBytes = 1_000_000
  evictions = 0
  statsReset = 1
  upkeep: Upkeep | null = null
  startedAt = "1"
  /** Rounds that failed in a row, and whether the server was reachable. */
  missed = 0
  reachable = true
  lastRoundAt: number | null = null
  readonly intervalMs = 60_000

  constructor() {
    this.state = new ServerState(this.#names)
  }

  async know(texts: readonly string[]): Promise<void> {
    for (const [at, text] of texts.entries())
      this.#statements.set(text, { id: String(at + 1), counters: new Float64Array(statementCounters.length) })
    await this.#names.learn(new Map(texts.map((text, at) => [String(at + 1), text])))
  }

  call(text: string, ms: number, tempBlocks = 0): void {
    const { counters } = this.#statements.get(text)!
    const add = (name: (typeof statementCounters)[number], value: number): void => {
      counters[counterAt[name]] = counters[counterAt[name]]! + value
    }
    add("calls", 1)
    add("time", ms)
    add("squares", ms ** 2)
    add("tempWritten", tempBlocks)
  }

  table(name: string, rows: number): SimulatedTable {
    const table: SimulatedTable = {
      id: name,
      schema: "public",
      name,
      partition: false,
      rows,
      pages: rows / 50,
      deadRows: 0,
      modified: 0,
      insertedSinceVacuum: 0,
      lastVacuum: null,
      lastAnalyze: null,
      frozenAge: 0,
      options: null,
      seqScan: 0,
      seqRead: 0,
      indexScan: 0,
      indexFetch: 0,
      inserts: 0,
      updates: 0,
      deletes: 0,
      hotUpdates: 0,
      heapRead: 0,
      heapHit: 0,
      indexRead: 0,
      indexHit: 0,
    }
    this.tables.set(name, table)
    return table
  }

  /** A round of the collector. */
  round(at: number, wall: number): void {
    if (this.missed > 0) return
    this.lastRoundAt = at
    this.state.absorb({
      at,
      wall,
      identity: this.#identity(wall),
      extension: { schema: "public", installed: "1.10", available: "1.10" },
      readings: this.#readings(),
      failures: [],
    })
    this.state.absorbSample({ at, sessions: this.sessions.map((row) => sessionOf(row, null)), blocked: this.blocked })
    if (this.upkeep !== null) this.state.absorbUpkeep(this.upkeep)
  }

  health() {
    return {
      state: this.missed > 0 ? ("failing" as const) : ("collecting" as const),
      lastSuccess: null,
      missed: this.missed,
      reachable: this.reachable,
      lastError: this.missed > 0 ? { code: "XX000", message: "simulated" } : null,
      roundTime: 1,
      serverTime: 1,
      other: null,
    }
  }

  #identity(wall: number): Identity {
    return {
      database: "shop",
      role: "watcher",
      version: 150_000,
      startedAt: this.startedAt,
      address: "simulated",
      standby: false,
      now: wall,
      statistics: true,
      searchPath: '["public"]',
    }
  }

  #readings(): Readings {
    const rows: StatementRow[] = [...this.#statements.values()]
      .filter(({ counters }) => counters[counterAt.calls]! > 0)
      .map(({ id, counters }) => ({ key: `10 t ${id}`, since: null, counters: counters.slice() }))
    return {
      settings: {
        maxConnections: 103,
        superuserReserved: 3,
        reserved: null,
        blockSize: 8192,
        autovacuum: true,
        vacuumThreshold: 50,
        vacuumScale: 0.2,
        vacuumMaxThreshold: null,
        trackIoTiming: true,
        trackPlanning: false,
        statementsMax: 5000,
      },
      statements: {
        missing: null,
        rows,
        keys: new Set(rows.map(({ key }) => key)),
        unknown: new Set(),
        hidden: 0,
        evictions: this.evictions,
        statsReset: this.statsReset,
      },
      database: { statsReset: null, counters: databaseCounters.map((name) => this.database[name]) },
      tables: [...this.tables.values()].map((table) => ({ ...table })),
      indexes: [],
      io: { rows: null, wal: [] },
      connections: [{ state: "active", here: true, count: this.connections }],
      prepared: [],
      wraparound: [{ database: "shop", age: this.wraparound * 2 ** 31, multixactAge: 0 }],
      vacuumProgress: [],
      sequences: [
        {
          schema: "public",
          name: "orders_id_seq",
          last: Math.round(this.sequence * 2_147_483_647),
          max: 2 ** 63,
          increment: 1,
          cycles: "f",
          columns: ["orders.id integer"],
          readable: "t",
        },
      ],
      replication: {
        standbys: [
          {
            name: "standby-1",
            client: null,
            state: "streaming",
            sync: "async",
            lagBytes: this.standbyLagMs === 0 ? 0 : 1_000_000,
            lagMs: this.standbyLagMs,
            horizon: null,
          },
        ],
        slots: [
          {
            name: "slot-1",
            kind: "physical",
            active: true,
            retainedBytes: this.slotBytes,
            status: "reserved",
            safeBytes: null,
            horizon: null,
            inactiveSince: null,
            invalidation: null,
          },
        ],
        lagMs: null,
      },
    }
  }
}

/** A session of the simulated server that is at work, or idle in its transaction. */
export function simulatedSession(change: Partial<SessionRow>): SessionRow {
  return {
    pid: 1,
    leader: null,
    here: true,
    user: "shop",
    application: "checkout",
    client: "10.0.0.7",
    kind: "client backend",
    state: "active",
    waitType: null,
    wait: null,
    transactionMs: 100,
    queryMs: 100,
    stateMs: 100,
    horizon: null,
    queryId: null,
    ...change,
  }
}
