import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteQualified } from "../sql/index.ts"
import type { CatalogIndex, CatalogTable, IndexCatalog } from "./catalog.ts"
import { candidateOf, type Draft } from "./draft.ts"
import { type RedundantIndex, redundantIndexes } from "./existing.ts"
import { readIndexCatalog } from "./read-catalog.ts"
import { predictedSize } from "./size.ts"

export interface UpkeepOptions {
  readonly signal?: AbortSignal | undefined
}

/** An index and what it has been good for since the statistics were last reset. */
export interface IndexUsage {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly method: string
  readonly definition: string
  readonly bytes: number
  /** Index scans; null where this role may not read statistics. */
  readonly scans: number | null
  /** Entries read by those scans. */
  readonly entriesRead: number | null
  /** Last scan; null before PostgreSQL 16, or when there was none. */
  readonly lastScan: Date | null
  readonly unique: boolean
  /** A constraint needs it: it cannot be dropped as an index. */
  readonly constraint: boolean
  readonly valid: boolean
  /** Rows written to the table in the same time: each may have cost an entry. */
  readonly tableWrites: number | null
  /** Estimated share of the index that is empty, 0..1; null where it cannot be told (other methods than btree, tables never analysed). */
  readonly bloat: number | null
}

/** When counting began, and what it does not see. */
export interface UsageReport<T> {
  readonly indexes: T[]
  /** Statistics are counted since then; null: since the cluster was made. */
  readonly since: Date | null
  /** Standbys of this server: what they scan is counted there. Null where this role may not see them. */
  readonly standbys: number | null
  readonly notes: string[]
}

/** Usage of every index of the database's own tables, the largest first. */
export async function indexUsage(db: Database, options: UpkeepOptions = {}): Promise<UsageReport<IndexUsage>> {
  const query = reader(db, options)
  const catalog = await readIndexCatalog(db, null, options)
  const [counted, [server]] = await Promise.all([query<CountRow>(countSql), query<ServerRow>(serverSql)])
  const counts = new Map(counted.map((row) => [`${row.schema}.${row.name}`, row]))
  const indexes = catalog.tables.flatMap((table) => table.indexes.map((index) => usageOf(table, index, counts)))
  const since = server?.since == null ? null : new Date(server.since)
  const standbys = server?.standbys == null ? null : Number(server.standbys)
  const notes: string[] = []
  if (since !== null && Date.now() - since.getTime() < 7 * 86_400_000) {
    notes.push("Statistics were reset less than a week ago: an index that a weekly or monthly job needs may look unused.")
  }
  if (standbys !== null && standbys > 0) {
    notes.push(
      `${standbys} standby${standbys === 1 ? "" : "s"} read from this server: their scans are counted there, ask there too before dropping.`,
    )
  }
  if (standbys === null)
    notes.push("This role may not see standbys (pg_monitor): if there are any, their scans are counted there.")
  return { indexes: indexes.sort((a, b) => b.bytes - a.bytes), since, standbys, notes }
}

/** Indexes never scanned since statistics were reset, that nothing but speed needs: no unique index and none of a constraint. */
export async function unusedIndexes(
  db: Database,
  options: UpkeepOptions = {},
): Promise<UsageReport<IndexUsage & { readonly sql: string }>> {
  const report = await indexUsage(db, options)
  const unused = report.indexes.filter((index) => index.scans === 0 && !index.unique && !index.constraint && index.valid)
  return {
    ...report,
    indexes: unused.map((index) => ({ ...index, sql: `DROP INDEX CONCURRENTLY ${quoteQualified(index.schema, index.index)}` })),
  }
}

/** Indexes that another one makes needless: the same keys, or a prefix of them. */
export async function duplicateIndexes(db: Database, options: UpkeepOptions = {}): Promise<RedundantIndex[]> {
  return redundantIn(await readIndexCatalog(db, null, options))
}

export function redundantIn(catalog: IndexCatalog): RedundantIndex[] {
  return catalog.tables
    .filter((table) => table.partitionOf === null)
    .flatMap((table) =>
      redundantIndexes(
        table,
        (index) => `DROP INDEX ${table.kind === "partitioned" ? "" : "CONCURRENTLY "}${quoteQualified(index.schema, index.name)}`,
      ),
    )
}

/** An index that the server does not use, and the statements that mend it. */
export interface InvalidIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly definition: string
  readonly reason: string
  readonly statements: string[]
}

/** Indexes left invalid, usually by a CREATE or REINDEX CONCURRENTLY that failed: they cost writes and serve nothing. */
export async function invalidIndexes(db: Database, options: UpkeepOptions = {}): Promise<InvalidIndex[]> {
  const rows = await reader(
    db,
    options,
  )<{ schema: string; table: string; index: string; definition: string; building: boolean; kind: string }>(invalidSql)
  return rows.map((row) => {
    const name = quoteQualified(row.schema, row.index)
    const leftover = /_ccnew\d*$|_ccold\d*$/.test(row.index)
    const base = { schema: row.schema, table: row.table, index: row.index, definition: row.definition }
    if (row.building) return { ...base, reason: "It is being built right now.", statements: [] }
    if (row.kind === "I") {
      return { ...base, reason: "Not every partition has an index attached to it.", statements: [] }
    }
    return leftover
      ? { ...base, reason: "A REINDEX CONCURRENTLY that failed left it.", statements: [`DROP INDEX CONCURRENTLY ${name}`] }
      : {
          ...base,
          reason: "A CREATE INDEX CONCURRENTLY that failed left it.",
          statements: [`REINDEX INDEX CONCURRENTLY ${name}`],
        }
  })
}

/** Times of a statement before and after a moment, as a history keeps them. */
export interface StatementHistory {
  readonly text: string
  readonly before: { readonly meanMs: number; readonly calls: number } | null
  readonly after: { readonly meanMs: number; readonly calls: number } | null
}

export interface EffectivenessOptions extends UpkeepOptions {
  /** Asks a history (the monitor's) for the statements of a table around the index's creation. */
  readonly history?:
    | ((table: { readonly schema: string; readonly table: string }, index: string) => Promise<readonly StatementHistory[]>)
    | undefined
}

/** What an index brings and what it costs. */
export interface Effectiveness extends IndexUsage {
  readonly rowsPerScan: number | null
  /** Table rows written for each scan of the index: above a thousand it mostly costs. */
  readonly writesPerScan: number | null
  /** Scans that read the whole table in the same time. */
  readonly tableScans: number | null
  readonly since: Date | null
  readonly statements: readonly (StatementHistory & { readonly speedup: number | null })[]
}

/** How effective an index is. The name may carry its schema. Throws E_INVALID_OPTION when there is no such index. */
export async function indexEffectiveness(db: Database, name: string, options: EffectivenessOptions = {}): Promise<Effectiveness> {
  const report = await indexUsage(db, options)
  const found = report.indexes.filter((index) => index.index === name || `${index.schema}.${index.index}` === name)
  if (found.length !== 1) {
    const message =
      found.length === 0 ? `There is no index ${name}.` : `Several schemas have an index ${name}: name the schema too.`
    throw new SelectoError("E_INVALID_OPTION", message, {
      path: "name",
      suggestions: found.map((index) => `${index.schema}.${index.index}`),
    })
  }
  const index = found[0]!
  const [table] = await reader(db, options)<{ scans: string | number | null }>(tableScansSql, [index.schema, index.table])
  const scans = index.scans ?? 0
  const statements = (await options.history?.({ schema: index.schema, table: index.table }, index.index)) ?? []
  return {
    ...index,
    rowsPerScan: scans > 0 && index.entriesRead !== null ? index.entriesRead / scans : null,
    writesPerScan: scans > 0 && index.tableWrites !== null ? index.tableWrites / scans : null,
    tableScans: table?.scans == null ? null : Number(table.scans),
    since: report.since,
    statements: statements.map((statement) => ({
      ...statement,
      speedup:
        statement.before === null || statement.after === null || statement.after.meanMs <= 0
          ? null
          : statement.before.meanMs / statement.after.meanMs,
    })),
  }
}

interface CountRow {
  schema: string
  name: string
  read: string | number | null
  last: string | Date | null
}

interface ServerRow {
  since: string | Date | null
  standbys: string | number | null
}

const countSql = `SELECT schemaname AS schema, indexrelname AS name, idx_tup_read::float8 AS read, to_jsonb(s) ->> 'last_idx_scan' AS last
FROM pg_catalog.pg_stat_user_indexes s`

const serverSql = `SELECT stats_reset::text AS since,
  CASE WHEN pg_has_role(current_user, 'pg_monitor', 'USAGE') THEN (SELECT count(*) FROM pg_catalog.pg_stat_replication)::float8 END AS standbys
FROM pg_catalog.pg_stat_database WHERE datname = current_database()`

const invalidSql = `SELECT n.nspname AS schema, t.relname AS table, c.relname AS index, pg_catalog.pg_get_indexdef(c.oid) AS definition, c.relkind::text AS kind,
  EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid) AS building
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (x.indisvalid AND x.indisready) AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY 1, 2, 3`

const tableScansSql =
  "SELECT seq_scan::float8 AS scans FROM pg_catalog.pg_stat_user_tables WHERE schemaname = $1 AND relname = $2"

type Reader = <Row>(text: string, values?: unknown[]) => Promise<Row[]>

function reader(db: Database, options: UpkeepOptions): Reader {
  return async <Row>(text: string, values: unknown[] = []) =>
    (await db.query<Row>({ text: `${text} /* selecto:indexes */`, values }, { timeoutMs: 60_000, signal: options.signal })).rows
}

function usageOf(table: CatalogTable, index: CatalogIndex, counts: ReadonlyMap<string, CountRow>): IndexUsage {
  const count = counts.get(`${index.schema}.${index.name}`)
  const { changes } = table
  return {
    schema: index.schema,
    table: table.name,
    index: index.name,
    method: index.method,
    definition: index.definition,
    bytes: index.bytes,
    scans: index.scans,
    entriesRead: count?.read == null ? null : Number(count.read),
    lastScan: count?.last == null ? null : new Date(count.last),
    unique: index.unique,
    constraint: index.constraint,
    valid: index.valid,
    tableWrites: changes === null ? null : changes.inserts + changes.updates + changes.deletes,
    bloat: bloatOf(table, index),
  }
}

/** Bytes beyond what a fresh build would take, as the size formula of the advisor predicts it. */
function bloatOf(table: CatalogTable, index: CatalogIndex): number | null {
  if (index.method !== "btree" || index.predicate !== null || table.rows < 0 || index.bytes < 64 * 8192) return null
  if (index.keys.some((key) => key.column === null)) return null
  const draft: Draft = {
    table,
    method: "btree",
    keys: index.keys.map((key) => ({
      text: key.text,
      column: key.column,
      opclass: key.opclass,
      descending: key.descending,
      nulls: null,
    })),
    include: index.include,
    where: null,
    patterns: [],
    clauses: [],
  }
  const fresh = predictedSize(candidateOf(draft))
  return fresh === null ? null : Math.max(0, Math.round((1 - fresh / index.bytes) * 100) / 100)
}
