import { CounterWindow } from "./counter-window.ts"
import { type DatabaseCounter, type DatabaseReading, databaseCounters } from "./parts/database.ts"
import { type IoReading, ioCounters, walCounters } from "./parts/io.ts"

/** What the database as a whole did in the window. Times in milliseconds, sizes in bytes. */
export interface ServerDatabase {
  readonly commits: number
  readonly rollbacks: number
  readonly deadlocks: number
  readonly blocksHit: number
  readonly blocksRead: number
  /** Null below 1,000 blocks. */
  readonly hitRatio: number | null
  /** Waiting for blocks; null without track_io_timing. */
  readonly readTime: number | null
  readonly tempFiles: number
  readonly tempBytes: number
}

/** What a kind of process read and wrote, by what and how; of the whole server (16 and later). */
export interface ServerIo {
  /** "client backend / relation / normal". */
  readonly by: string
  readonly reads: number
  readonly readBytes: number
  readonly readTime: number
  readonly writes: number
  readonly writeBytes: number
  readonly writeTime: number
  readonly extends: number
  readonly hits: number
  readonly evictions: number
}

/** The write-ahead log and checkpoints of the whole server in the window; null where this version does not count it. */
export interface ServerWal {
  readonly records: number | null
  readonly fullPageImages: number | null
  readonly bytes: number | null
  readonly checkpointsTimed: number
  /** Checkpoints that came before their time: max_wal_size is small for what is written. */
  readonly checkpointsRequested: number
  readonly checkpointWriteTime: number
}

const leastBlocks = 1000
const whole = "whole"

/** Counters of the database and the server over the last hour. */
export class Throughput {
  readonly #database = new CounterWindow({ width: databaseCounters.length })
  readonly #io = new CounterWindow({ width: ioCounters.length })
  readonly #wal = new CounterWindow({ width: walCounters.length })
  #walKnown: readonly boolean[] = []
  /** When the database's statistics were last reset; null: never, or unknown. */
  statsReset: number | null = null

  restart(): void {
    this.#database.restart()
    this.#io.restart()
    this.#wal.restart()
  }

  absorb(at: number, reading: DatabaseReading): void {
    this.statsReset = reading.statsReset
    this.#database.absorb(at, null, [rowOf(whole, reading.counters)])
  }

  /** What the database counted in the last round; undefined where nothing is known of the one before. */
  lastDatabase(): Float64Array | undefined {
    return this.#database.last().get(whole)
  }

  absorbIo(at: number, reading: IoReading): void {
    this.#walKnown = reading.wal.map((value) => value !== null)
    this.#wal.absorb(at, null, [rowOf(whole, reading.wal)])
    if (reading.rows !== null)
      this.#io.absorb(
        at,
        null,
        reading.rows.map(({ key, counters }) => rowOf(key, counters)),
      )
  }

  database(since: number, ioTimed: boolean): ServerDatabase | null {
    const sum = this.#database.sums(since).get(whole)
    if (sum === undefined) return null
    const of = (name: DatabaseCounter): number => sum[databaseCounters.indexOf(name)]!
    const blocks = of("blks_hit") + of("blks_read")
    return {
      commits: of("xact_commit"),
      rollbacks: of("xact_rollback"),
      deadlocks: of("deadlocks"),
      blocksHit: of("blks_hit"),
      blocksRead: of("blks_read"),
      hitRatio: blocks < leastBlocks ? null : of("blks_hit") / blocks,
      readTime: ioTimed ? of("blk_read_time") : null,
      tempFiles: of("temp_files"),
      tempBytes: of("temp_bytes"),
    }
  }

  /** Most bytes first; empty before PostgreSQL 16. */
  io(since: number): ServerIo[] {
    const figures = [...this.#io.sums(since)].map(([by, sum]) => {
      const of = (name: (typeof ioCounters)[number]): number => sum[ioCounters.indexOf(name)]!
      return {
        by,
        reads: of("reads"),
        readBytes: of("readBytes"),
        readTime: of("readMs"),
        writes: of("writes"),
        writeBytes: of("writeBytes"),
        writeTime: of("writeMs"),
        extends: of("extends"),
        hits: of("hits"),
        evictions: of("evictions"),
      }
    })
    return figures.sort((a, b) => b.readBytes + b.writeBytes - a.readBytes - a.writeBytes)
  }

  wal(since: number): ServerWal | null {
    const sum = this.#wal.sums(since).get(whole)
    if (sum === undefined) return null
    const of = (name: (typeof walCounters)[number]): number => sum[walCounters.indexOf(name)]!
    const known = (name: (typeof walCounters)[number]): number | null =>
      this.#walKnown[walCounters.indexOf(name)] === true ? of(name) : null
    return {
      records: known("walRecords"),
      fullPageImages: known("walImages"),
      bytes: known("walBytes"),
      checkpointsTimed: of("checkpointsTimed"),
      checkpointsRequested: of("checkpointsRequested"),
      checkpointWriteTime: of("checkpointWriteMs"),
    }
  }
}

function rowOf(key: string, counters: readonly (number | null)[]) {
  return {
    key,
    token: counters.join(" "),
    since: null,
    counters: () => Float64Array.from(counters, (value) => value ?? 0),
  }
}
