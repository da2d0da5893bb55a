import { Activity, type Sample } from "./activity.ts"
import type { StatementsExtension } from "./columns.ts"
import { connectionsOf } from "./connections.ts"
import { type Gap, gapsOf, type PartFailure } from "./gaps.ts"
import { locksOf } from "./lock-tree.ts"
import { type Identity, serverKey } from "./parts/identity.ts"
import type { Readings } from "./parts/index.ts"
import type { ReplicationReading } from "./parts/replication.ts"
import type { WraparoundRow } from "./parts/upkeep.ts"
import type { Coverage, ServerReplication, ServerReport, ServerVacuum } from "./report.ts"
import { sequencesOf } from "./sequences.ts"
import type { StatementNames } from "./statement-names.ts"
import { Statements } from "./statements.ts"
import { Tables } from "./tables.ts"
import { Throughput } from "./throughput.ts"
import { Totals } from "./totals.ts"
import { transactionsOf } from "./transactions.ts"
import type { Upkeep } from "./upkeep.ts"

/** What one round of the collector read. */
export interface Round {
  /** Monotonic. */
  readonly at: number
  /** By this process's clock, milliseconds since 1970. */
  readonly wall: number
  readonly identity: Identity
  readonly extension: StatementsExtension
  readonly readings: Readings
  readonly failures: readonly PartFailure[]
}

interface Past {
  readonly at: number
  /** Time since the round before; 0 where there was none to compare with. */
  readonly covered: number
  readonly restarted: boolean
}

const keptMs = 3_600_000
const transactionIds = 2 ** 31

/** What is known of the server, from rounds and samples. Plain bookkeeping: it asks nobody anything. */
export class ServerState {
  readonly statements: Statements
  readonly tables: Tables = new Tables()
  readonly activity: Activity = new Activity()
  readonly totals: Totals = new Totals()
  readonly #throughput = new Throughput()
  readonly #latest: Readings = {}
  #failures = new Map<string, PartFailure>()
  #past: Past[] = []
  #round: Round | null = null
  #upkeep: Upkeep | null = null
  #searchPath: readonly string[] = []

  constructor(names: StatementNames) {
    this.statements = new Statements(names)
  }

  /** Who answered the last round; null before the first. */
  get identity(): Identity | null {
    return this.#round?.identity ?? null
  }

  /** Schemas that are searched for a table's name without one. */
  get searchPath(): readonly string[] {
    return this.#searchPath
  }

  absorb(round: Round): void {
    const { at, identity, readings } = round
    const before = this.#round
    const restarted = before !== null && serverKey(before.identity) !== serverKey(identity)
    // After a restart or a fail-over the counters are another server's, or were reset by a crash: compared with ours they would be made up.
    if (restarted) for (const part of [this.statements, this.tables, this.#throughput]) part.restart()
    this.#round = round
    this.#searchPath = JSON.parse(identity.searchPath ?? "[]") as string[]
    Object.assign(this.#latest, readings)
    this.#failures = new Map(
      [...this.#failures].filter(([part]) => !(part in readings)).concat(round.failures.map((one) => [one.part, one])),
    )
    if (readings.statements?.missing === null) {
      this.statements.absorb(at, identity.now, readings.statements)
      for (const [fingerprint, delta] of this.statements.last()) this.totals.addStatement(fingerprint, delta)
      this.totals.evictions += this.statements.lastEvictions
    }
    if (readings.tables !== undefined) this.tables.absorb(at, readings.tables)
    if (readings.indexes !== undefined) this.tables.absorbIndexes(at, readings.indexes)
    if (readings.database !== undefined) {
      this.#throughput.absorb(at, readings.database)
      this.totals.addDatabase(this.#throughput.lastDatabase())
    }
    if (readings.io !== undefined) this.#throughput.absorbIo(at, readings.io)
    this.#past = this.#past.filter((one) => one.at > at - keptMs)
    this.#past.push({ at, covered: before === null || restarted ? 0 : at - before.at, restarted })
  }

  /** What is known at `now` (monotonic) of the last `windowMs`; null before the first round. */
  report(now: number, windowMs: number): ServerReport | null {
    const round = this.#round
    if (round === null) return null
    const since = now - windowMs
    const { settings = null, statements = null, sequences = null, replication = null } = this.#latest
    const { identity } = round
    const sample = this.activity.latest
    const ioTimed = settings?.trackIoTiming !== false
    const blockSize = settings?.blockSize ?? 8192
    const wallNow = round.wall + (now - round.at)
    return {
      window: { from: new Date(wallNow - windowMs), to: new Date(wallNow), seconds: windowMs / 1000 },
      server: {
        database: identity.database ?? "",
        version: identity.version ?? 0,
        role: identity.role ?? "",
        standby: identity.standby === true,
        startedAt: new Date(Number(identity.startedAt) * 1000),
        statsReset: this.#throughput.statsReset === null ? null : new Date(this.#throughput.statsReset),
      },
      statements:
        this.#known("statements") && statements?.missing === null ? this.statements.figures(since, blockSize, ioTimed) : null,
      tables: this.#known("tables") ? this.tables.figures(since, settings) : null,
      indexes: this.#known("indexes") ? this.tables.indexes(since, blockSize) : null,
      database: this.#throughput.database(since, ioTimed),
      io: this.#known("io") && this.#latest.io?.rows !== null ? this.#throughput.io(since) : null,
      wal: this.#throughput.wal(since),
      load: this.activity.load(since),
      sessions: sample?.sessions ?? null,
      connections: this.#latest.connections === undefined ? null : connectionsOf(this.#latest.connections, settings),
      transactions: sample === null ? null : transactionsOf(sample, this.#latest.prepared ?? [], replication),
      locks: sample === null ? null : locksOf(sample),
      vacuum: this.#vacuum(),
      sequences: sequences === null ? null : sequencesOf(sequences),
      replication: replication === null ? null : replicationOf(replication),
      upkeep: this.#upkeep,
      coverage: this.#coverage(since),
      gaps: this.gaps(),
    }
  }

  gaps(): Gap[] {
    const round = this.#round
    if (round === null) return []
    const { settings = null, statements = null, sequences = null } = this.#latest
    const { identity, extension } = round
    return gapsOf({ identity, settings, statements, sequences, extension, failures: [...this.#failures.values()] })
  }

  absorbSample(sample: Sample): void {
    this.activity.absorb(sample)
  }

  absorbUpkeep(upkeep: Upkeep): void {
    this.#upkeep = upkeep
  }

  #known(part: keyof Readings): boolean {
    return this.#latest[part] !== undefined && !this.#failures.has(part)
  }

  #coverage(since: number): Coverage {
    const past = this.#past.filter(({ at }) => at > since)
    const { statements } = this.#latest
    return {
      rounds: past.length,
      covered: past.reduce((total, { covered }) => total + covered, 0),
      restarts: past.filter(({ restarted }) => restarted).length,
      statements: statements?.missing === null ? this.statements.coverage(since) : null,
    }
  }

  #vacuum(): ServerVacuum | null {
    const { vacuumProgress, wraparound } = this.#latest
    if (wraparound === undefined) return null
    return {
      running: (vacuumProgress ?? []).map(({ table, phase, blocks, scanned }) => ({
        table: table ?? "?",
        phase: phase ?? "?",
        progress: (blocks ?? 0) === 0 ? 0 : (scanned ?? 0) / blocks!,
      })),
      wraparound: wraparound.map(usedOf).sort((a, b) => b.used - a.used),
    }
  }
}

function usedOf({ database, age, multixactAge }: WraparoundRow): ServerVacuum["wraparound"][number] {
  const multixact = (multixactAge ?? 0) > (age ?? 0)
  return {
    database: database ?? "?",
    used: Math.max(age ?? 0, multixactAge ?? 0) / transactionIds,
    kind: multixact ? "multixact" : "transaction",
  }
}

function replicationOf({ standbys, slots, lagMs }: ReplicationReading): ServerReplication {
  return {
    standbys: standbys.map((row) => ({
      name: row.name || row.client || "?",
      client: row.client,
      state: row.state,
      sync: row.sync,
      lagBytes: row.lagBytes,
      // A standby that has all has no lag, whatever was measured when it last was behind.
      lagMs: row.lagBytes === 0 ? 0 : row.lagMs,
    })),
    slots: slots.map((row) => ({
      name: row.name ?? "?",
      kind: row.kind ?? "?",
      active: row.active === true,
      retainedBytes: row.retainedBytes,
      status: row.status,
      safeBytes: row.safeBytes,
      inactiveSince: row.inactiveSince === null ? null : new Date(row.inactiveSince),
    })),
    lagMs,
  }
}
