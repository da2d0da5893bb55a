import { pruneLog, syncTracking } from "../changes/index.ts"
import type { Database, QueryOptions } from "../database/database.ts"
import { isSelectoError, type SelectoError } from "../errors.ts"
import { groupsOf, viewsBelow } from "./below.ts"
import { type RefreshOptions, type RefreshReport, refreshTogether } from "./refresh.ts"
import { hasState, inSession, limits, rebind } from "./state.ts"

/** Options of `selecto.views.work()`. */
export interface WorkOptions extends RefreshOptions {
  /** How long the change log is kept at least, see pruneLog(). Default "1m". */
  readonly keepLog?: "1m" | `${number}${"s" | "m" | "h"}` | undefined
}

/** What one round of refreshes did. */
export interface WorkReport {
  readonly refreshed: readonly RefreshReport[]
  /** Views that another process works on at this moment. */
  readonly busy: readonly string[]
  readonly failed: readonly { readonly views: readonly string[]; readonly error: SelectoError }[]
  /** When the next view is due; null when none is planned. */
  readonly nextRun: Date | null
}

const dueText = `
select v.relation::int8::text as oid, pg_catalog.format('%s.%s', v.schema, v.name) as name from selecto.views_view v
join pg_catalog.pg_class c on c.oid = v.relation and c.relkind = 'm'
where v.next_run <= pg_catalog.clock_timestamp() and v.quarantined_at is null order by v.next_run, v.id /* selecto:views */`

const nextText = `
select (extract(epoch from min(v.next_run)) * 1000)::text as next from selecto.views_view v
join pg_catalog.pg_class c on c.oid = v.relation and c.relkind = 'm' where v.quarantined_at is null /* selecto:views */`

/** Notes when views were last read, by what their scans have grown beyond the refreshes' own. */
const readsText = `
update selecto.views_view v set scans = s.scans, read_at = case
  when v.scans is not null and s.scans > v.scans or v.scans is null and s.scans > 0 then pg_catalog.now() else v.read_at end
from (select o.id, greatest(0, coalesce(x.seq_scan, 0) + coalesce(x.idx_scan, 0) - o.own_scans) as scans
  from selecto.views_view o join pg_catalog.pg_stat_all_tables x on x.relid = o.relation) s
where s.id = v.id and v.scans is distinct from s.scans /* selecto:views */`

/** See `readAt` of a view's state. */
export async function sampleReads(database: Database, options: QueryOptions): Promise<void> {
  await database.query({ text: readsText, values: [] }, options)
}

/**
 * One round: refreshes what is due and nobody else works on, lower views first, each set of views that read one another in one
 * transaction; looks after what is tracked, and prunes the change log. A run that was missed is made up for once. For schedulers, cron and
 * serverless functions; safe in any number of processes. Views that fail are tried again after a pause that doubles; they stop nobody else.
 */
export async function workOnce(database: Database, options: WorkOptions = {}): Promise<WorkReport> {
  const direct = database.direct
  if (!(await hasState(direct))) return { refreshed: [], busy: [], failed: [], nextRun: null }
  await rebind(direct, options.signal)
  await syncTracking(direct, options)
  const query = { ...limits, signal: options.signal }
  const { rows: due } = await direct.query<{ oid: string; name: string }>({ text: dueText, values: [] }, query)
  const names = new Map(due.map(({ oid, name }) => [Number(oid), name]))
  const groups = await inSession(direct, options.signal, async (session) =>
    groupsOf([...names.keys()], await viewsBelow(session, [...names.keys()])),
  )
  const refreshed: RefreshReport[] = []
  const busy: string[] = []
  const failed: { views: string[]; error: SelectoError }[] = []
  for (const group of groups) {
    options.signal?.throwIfAborted()
    try {
      const reports = await refreshTogether(direct, group, true, true, options)
      refreshed.push(...reports.filter(({ outcome }) => outcome !== "not due"))
    } catch (error) {
      if (!isSelectoError(error) || error.code === "E_ABORTED" || error.code === "E_CONNECTION") throw error
      const views = group.map((oid) => names.get(oid)!)
      if (error.code === "E_LOCK_TIMEOUT" && error.cause === undefined) busy.push(...views)
      else failed.push({ views, error })
    }
  }
  await sampleReads(direct, query)
  await pruneLog(direct, { keep: options.keepLog, signal: options.signal })
  const [[next]] = (await direct.queryText({ text: nextText, values: [] }, query)).rows as [[string | null]]
  return { refreshed, busy, failed, nextRun: next === null ? null : new Date(Number(next)) }
}
