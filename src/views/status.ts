import { trackingStatus } from "../changes/index.ts"
import type { Database, Session } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { hasState, limits, stateJson, stateOf, type ViewState } from "./state.ts"
import { strategyText } from "./strategy.ts"

/** A managed view, with how fresh it is and what it has been good for. */
export interface ViewStatus {
  readonly schema: string
  readonly name: string
  readonly origin: "created" | "adopted"
  /**
   * "exact": proved to hold what its definition gives now; "stale": something below it has changed, or may have; "unknown": its tables are not
   * followed, only its age is known; "empty": never filled; "missing": dropped by somebody.
   */
  readonly freshness: "exact" | "stale" | "unknown" | "empty" | "missing"
  /** The moment that its rows reflect at least; null before the first refresh here. */
  readonly asOf: Date | null
  /** Milliseconds since `asOf`. */
  readonly ageMs: number | null
  /** True when queries may be answered from it by what was stated: it is exact, or not older than maxStaleness. */
  readonly usable: boolean
  readonly strategy: string
  readonly maxStalenessMs: number | null
  readonly tracked: boolean
  readonly timeZone: string | null
  readonly nextRun: Date | null
  /** Who refreshes it at this moment. */
  readonly refreshing: { readonly pid: number } | null
  readonly lastRefresh: { readonly at: Date; readonly durationMs: number | null; readonly concurrently: boolean | null } | null
  /** The last refresh failed; null when it did not. */
  readonly failure: { readonly message: string; readonly at: Date; readonly times: number } | null
  /** As ANALYZE has estimated them. */
  readonly rows: number | null
  /** With its indexes. */
  readonly bytes: number | null
  /** Columns of the index by which it can be refreshed while it is read; null: readers wait. */
  readonly uniqueIndex: boolean
  /** Scans by queries, by its name or because it answered them; the refreshes' own are not among them. Null where they are not known. */
  readonly scans: number | null
  /** Since the last refresh before this day nothing has read it; see cleanup(). */
  readonly lastReadAt: Date | null
  readonly createdAt: Date
  readonly quarantinedAt: Date | null
  /** What is amiss, in sentences. */
  readonly problems: readonly string[]
}

/** Everything about all views in one statement, and so of one moment. $2 is the class of the refreshers' advisory locks. */
const statusText = `
select pg_catalog.json_build_object('state', ${stateJson}, 'now', (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::float8,
  'fresh', selecto.views_fresh(v.relation),
  'live', (select pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname, 'populated', c.relispopulated,
      'rows', greatest(c.reltuples, 0)::float8, 'bytes', pg_catalog.pg_total_relation_size(c.oid),
      'sameFile', pg_catalog.pg_relation_filenode(c.oid) is not distinct from v.storage,
      'scans', (select (coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0))::float8 from pg_catalog.pg_stat_all_tables s where s.relid = c.oid),
      'keyed', exists (select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
        join pg_catalog.pg_am a on a.oid = x.relam where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid
        and i.indpred is null and a.amname = 'btree' and not (0 = any (i.indkey::int2[]))))
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = v.relation and c.relkind = 'm'),
  'pid', (select l.pid from pg_catalog.pg_locks l where l.locktype = 'advisory' and l.granted and l.classid = $2::int4::oid
    and l.objid = v.relation and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()) limit 1))::text
from selecto.views_view v where $1::oid[] is null or v.relation = any ($1) order by v.schema, v.name /* selecto:views */`

interface StatusRow {
  readonly state: Record<string, unknown>
  readonly now: number
  readonly fresh: boolean
  readonly live: {
    readonly schema: string
    readonly name: string
    readonly populated: boolean
    readonly rows: number
    readonly bytes: number
    readonly sameFile: boolean
    readonly scans: number | null
    readonly keyed: boolean
  } | null
  readonly pid: number | null
}

/** How views are; all of them, or those with these oids. Changes nothing. Without schema selecto there are none. */
export async function viewStatuses(
  source: Database | Session,
  lockClass: number,
  relations: readonly number[] | null = null,
): Promise<ViewStatus[]> {
  if (!(await hasState(source))) return []
  const values = [relations === null ? null : `{${relations.join(",")}}`, lockClass]
  const { rows } = await source.queryText({ text: statusText, values }, limits)
  const tracking = await trackingStatus(source).catch((error) => {
    if (isSelectoError(error, "E_MISSING_RIGHT")) return null
    throw error
  })
  const blind = new Map((tracking?.relations ?? []).flatMap(({ oid, blind: why }) => (why === null ? [] : [[oid, why] as const])))
  return rows.map(([json]) => statusOf(JSON.parse(json!) as StatusRow, blind))
}

function statusOf({ state: kept, now, fresh, live, pid }: StatusRow, blind: ReadonlyMap<number, string>): ViewStatus {
  const state = stateOf(kept)
  const ageMs = state.verifiedAt === null ? null : Math.max(0, now - state.verifiedAt.getTime())
  const freshness = freshnessOf(state, live, fresh)
  // What somebody else has filled it with may be older than our own last refresh.
  const known = live?.sameFile === true
  const withinAge = known && state.maxStalenessMs !== null && ageMs !== null && ageMs <= state.maxStalenessMs
  return {
    schema: live?.schema ?? state.schema,
    name: live?.name ?? state.name,
    origin: state.origin,
    freshness,
    asOf: freshness === "exact" ? new Date(now) : state.verifiedAt,
    ageMs: freshness === "exact" ? 0 : ageMs,
    usable: freshness === "exact" || (withinAge && (freshness === "stale" || freshness === "unknown")),
    strategy: strategyText(state.strategy),
    maxStalenessMs: state.maxStalenessMs,
    tracked: state.tracked,
    timeZone: state.timeZone,
    nextRun: state.nextRun,
    refreshing: pid === null ? null : { pid },
    lastRefresh:
      state.refreshedAt === null
        ? null
        : { at: state.refreshedAt, durationMs: state.durationMs, concurrently: state.concurrently },
    failure: state.error === null ? null : { message: state.error, at: state.failedAt!, times: state.failures },
    rows: live?.rows ?? null,
    bytes: live?.bytes ?? null,
    uniqueIndex: live?.keyed ?? false,
    scans: live?.scans == null ? null : Math.max(0, live.scans - state.ownScans),
    lastReadAt: state.readAt,
    createdAt: state.createdAt,
    quarantinedAt: state.quarantinedAt,
    problems: problemsOf(state, live, now, blind),
  }
}

function freshnessOf(state: ViewState, live: StatusRow["live"], fresh: boolean): ViewStatus["freshness"] {
  if (live === null) return "missing"
  if (!live.populated) return "empty"
  if (!state.tracked) return "unknown"
  return fresh ? "exact" : "stale"
}

function problemsOf(state: ViewState, live: StatusRow["live"], now: number, blind: ReadonlyMap<number, string>): string[] {
  if (live === null) return ["It was dropped behind our back. Make it again, or forget it with drop()."]
  const problems: string[] = []
  if (!live.populated) problems.push("It holds nothing: whoever reads it gets an error. Refresh it.")
  if (state.error !== null)
    problems.push(`Its last ${state.failures === 1 ? "refresh" : `${state.failures} refreshes`} failed: ${state.error}`)
  if (state.storage !== null && !live.sameFile && live.populated)
    problems.push("Somebody else has refreshed or rewritten it since, so that what it holds is not known here.")
  if (!live.keyed) problems.push("It has no unique index over plain columns, so readers wait while it is refreshed.")
  if (state.nextRun !== null && now - state.nextRun.getTime() > 5 * 60_000)
    problems.push("Its refresh is overdue: no scheduler runs (selecto.views.start() or selecto work).")
  for (const base of state.bases) if (blind.has(base)) problems.push(`Changes below it cannot be followed: ${blind.get(base)}.`)
  return problems
}
