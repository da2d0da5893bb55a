import { CounterWindow } from "./counter-window.ts"
import { type IndexRow, indexCounters } from "./parts/indexes.ts"
import type { Settings } from "./parts/settings.ts"
import { type TableCounter, type TableRow, tableCounters } from "./parts/tables.ts"

/** Use and state of a table. What is counted is of the window; the rest is as it was last read. */
export interface ServerTable {
  readonly schema: string
  readonly table: string
  readonly partition: boolean
  /** By the last ANALYZE or VACUUM; null before it. */
  readonly rows: number | null
  readonly bytes: number
  readonly seqScans: number
  /** Rows that scans of the whole table read. */
  readonly seqRows: number
  readonly indexScans: number
  /** Rows fetched through an index. */
  readonly indexRows: number
  /** indexScans / (indexScans + seqScans); null without a scan. */
  readonly indexScanShare: number | null
  readonly inserts: number
  readonly updates: number
  readonly deletes: number
  /** Updates that needed no new entry in any index, 0 to 1; null without an update. */
  readonly hotShare: number | null
  /** Of the table's blocks asked for, the part found in shared_buffers; null below 1,000 blocks. */
  readonly heapHitRatio: number | null
  readonly indexHitRatio: number | null
  readonly deadRows: number
  /** Dead rows that make autovacuum come, with the table's own settings. */
  readonly vacuumTrigger: number
  readonly autovacuum: boolean
  /** Rows changed since the last ANALYZE. */
  readonly modifiedSinceAnalyze: number
  readonly lastVacuum: Date | null
  readonly lastAnalyze: Date | null
  /** Transactions since the oldest row that is not frozen. */
  readonly frozenAge: number | null
}

/** Use of an index. */
export interface ServerIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly bytes: number
  readonly scans: number
  readonly entriesRead: number
  readonly hitRatio: number | null
  /** Null before PostgreSQL 16, or when it was never scanned. */
  readonly lastScan: Date | null
}

const leastBlocks = 1000

/** The tables and indexes of the database over the last hour. */
export class Tables {
  readonly #tables = new CounterWindow({ width: tableCounters.length })
  readonly #indexes = new CounterWindow({ width: indexCounters.length })
  #tableRows: readonly TableRow[] = []
  #indexRows: readonly IndexRow[] = []

  restart(): void {
    this.#tables.restart()
    this.#indexes.restart()
  }

  absorb(at: number, rows: readonly TableRow[]): void {
    this.#tableRows = rows
    this.#tables.absorb(
      at,
      null,
      rows.map((row) =>
        rowOf(
          row.id!,
          tableCounters.map((name) => row[name] ?? 0),
        ),
      ),
    )
  }

  absorbIndexes(at: number, rows: readonly IndexRow[]): void {
    this.#indexRows = rows
    this.#indexes.absorb(
      at,
      null,
      rows.map((row) =>
        rowOf(
          row.id!,
          indexCounters.map((name) => row[name] ?? 0),
        ),
      ),
    )
  }

  /** Every table, most rows read first. */
  figures(since: number, settings: Settings | null): ServerTable[] {
    const sums = this.#tables.sums(since)
    const figures = this.#tableRows.map((row) => tableOf(row, sums.get(row.id!), settings))
    return figures.sort((a, b) => b.seqRows + b.indexRows - a.seqRows - a.indexRows)
  }

  /** Every index, the largest first. */
  indexes(since: number, blockSize: number): ServerIndex[] {
    const sums = this.#indexes.sums(since)
    const figures = this.#indexRows.map((row) => {
      const [scans = 0, entriesRead = 0, read = 0, hit = 0] = sums.get(row.id!) ?? []
      return {
        schema: row.schema!,
        table: row.table!,
        index: row.name!,
        bytes: (row.pages ?? 0) * blockSize,
        scans,
        entriesRead,
        hitRatio: ratio(hit, read),
        lastScan: dateOf(row.lastScan),
      }
    })
    return figures.sort((a, b) => b.bytes - a.bytes)
  }

  /** Scans of some tables, named as a statement names them, added up; null where none of them is known. */
  scansOf(
    names: readonly { readonly schema: string | null; readonly name: string }[],
    searchPath: readonly string[],
    since: number,
  ): { readonly seqScans: number; readonly indexScans: number; readonly rows: number } | null {
    const found = names.flatMap((name) => this.#find(name, searchPath))
    if (found.length === 0) return null
    const sums = this.#tables.sums(since)
    const total = { seqScans: 0, indexScans: 0, rows: 0 }
    for (const id of new Set(found)) {
      const sum = sums.get(id)
      if (sum === undefined) continue
      total.seqScans += sum[at.seqScan]!
      total.indexScans += sum[at.indexScan]!
      total.rows += sum[at.seqRead]! + sum[at.indexFetch]!
    }
    return total
  }

  #find({ schema, name }: { readonly schema: string | null; readonly name: string }, searchPath: readonly string[]): string[] {
    const rows = this.#tableRows.filter((row) => row.name === name && (schema === null || row.schema === schema))
    // Without a schema: the first of the path, else the only one that there is.
    const byPath = searchPath.flatMap((one) => rows.filter((row) => row.schema === one))
    const row = byPath[0] ?? (rows.length === 1 ? rows[0] : undefined)
    return row === undefined ? [] : [row.id!]
  }
}

const at = Object.fromEntries(tableCounters.map((name, index) => [name, index])) as Record<TableCounter, number>

function rowOf(key: string, counters: readonly number[]) {
  return { key, token: counters.join(" "), since: null, counters: () => Float64Array.from(counters) }
}

function tableOf(row: TableRow, sum: Float64Array | undefined, settings: Settings | null): ServerTable {
  const of = (name: TableCounter): number => sum?.[at[name]] ?? 0
  const scans = of("indexScan") + of("seqScan")
  return {
    schema: row.schema!,
    table: row.name!,
    partition: row.partition === true,
    rows: row.rows,
    bytes: (row.pages ?? 0) * (settings?.blockSize ?? 8192),
    seqScans: of("seqScan"),
    seqRows: of("seqRead"),
    indexScans: of("indexScan"),
    indexRows: of("indexFetch"),
    indexScanShare: scans === 0 ? null : of("indexScan") / scans,
    inserts: of("inserts"),
    updates: of("updates"),
    deletes: of("deletes"),
    hotShare: of("updates") === 0 ? null : of("hotUpdates") / of("updates"),
    heapHitRatio: ratio(of("heapHit"), of("heapRead")),
    indexHitRatio: ratio(of("indexHit"), of("indexRead")),
    deadRows: row.deadRows ?? 0,
    ...vacuumOf(row, settings),
    modifiedSinceAnalyze: row.modified ?? 0,
    lastVacuum: dateOf(row.lastVacuum),
    lastAnalyze: dateOf(row.lastAnalyze),
    frozenAge: row.frozenAge,
  }
}

/** When autovacuum comes: threshold + scale factor * rows, by the table's own settings before the server's, at most the greatest (18). */
function vacuumOf(row: TableRow, settings: Settings | null): { readonly vacuumTrigger: number; readonly autovacuum: boolean } {
  const own = new Map((row.options ?? "").split(",").map((option) => option.split("=", 2) as [string, string | undefined]))
  const value = (name: string, otherwise: number | null | undefined, last: number): number => {
    const given = own.get(name)
    return given === undefined ? (otherwise ?? last) : Number(given)
  }
  const threshold = value("autovacuum_vacuum_threshold", settings?.vacuumThreshold, 50)
  const scale = value("autovacuum_vacuum_scale_factor", settings?.vacuumScale, 0.2)
  const most = value("autovacuum_vacuum_max_threshold", settings?.vacuumMaxThreshold, -1)
  const trigger = threshold + scale * (row.rows ?? 0)
  const enabled = own.get("autovacuum_enabled")
  return {
    vacuumTrigger: most >= 0 ? Math.min(most, trigger) : trigger,
    autovacuum: (settings?.autovacuum ?? true) && !(enabled === "false" || enabled === "off" || enabled === "0"),
  }
}

function ratio(hit: number, read: number): number | null {
  return hit + read < leastBlocks ? null : hit / (hit + read)
}

function dateOf(moment: number | null): Date | null {
  return moment === null ? null : new Date(moment)
}
