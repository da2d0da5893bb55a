import {
  currentMark,
  isPassing,
  type KnownRelation,
  type RelationRef,
  type RetryOptions,
  retrying,
  touch,
} from "../changes/index.ts"
import type { Database, QueryOptions, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { inOrder, viewsBelow } from "./below.ts"
import { type Filled, fill, pinSettings } from "./fill.ts"
import { basesOf, type Probe, probeView } from "./probe.ts"
import { findView, hasState, inSession, limits, prepareState, readStates, type ViewState } from "./state.ts"
import { nextRun } from "./strategy.ts"

/** Options of `selecto.views.refresh()`. */
export interface RefreshOptions extends RetryOptions {
  /** Others read on while it is refreshed: needs a unique index. Default "auto": where it can be. */
  readonly concurrently?: boolean | "auto" | undefined
  /** Refresh also where nothing below has changed, or what is there is young enough for its strategy. Default false. */
  readonly force?: boolean | undefined
  /** Managed views that it reads are refreshed first, in the same transaction. Default false. */
  readonly upstream?: boolean | undefined
  /** Longest time that one view may take. Default "1h". */
  readonly timeout?: Duration | undefined
  readonly onProgress?: ((event: RefreshProgress) => void) | undefined
}

/** Where a refresh is; about once a second while it works. */
export interface RefreshProgress {
  readonly view: string
  readonly phase: "waiting" | "refreshing" | "done"
  readonly elapsedMs: number
  /** What the last refresh took; null when there was none. */
  readonly expectedMs: number | null
}

/** What was done to one view. */
export interface RefreshReport {
  /** schema.name */
  readonly view: string
  /**
   * "refreshed"; or what made it needless: "unchanged", nothing below has changed; "recent", younger than its strategy asks for; "other", another
   * process has refreshed it since it was asked for; "not due" (of a scheduler only).
   */
  readonly outcome: "refreshed" | "unchanged" | "recent" | "other" | "not due"
  /** Null where it was not refreshed. */
  readonly concurrently: boolean | null
  readonly durationMs: number | null
  /** As ANALYZE has estimated them. */
  readonly rows: number | null
  /** The moment that its content reflects; null for a view that is not managed and was not refreshed. */
  readonly asOf: Date | null
  readonly nextRun: Date | null
}

/** Within a database, one process refreshes a view at a time: an advisory lock of this class and the view's oid. */
export const refreshLock = 0x73656c76

interface Target {
  readonly relation: Pick<KnownRelation, "oid" | "schema" | "name">
  readonly state: ViewState | null
}

/**
 * Refreshes materialized views, managed or not: all of them in one transaction that sees one moment, lower ones first, so that they agree
 * with one another; all or none. Waits shortly for locks and tries again, so that nobody queues behind it for long; one process at a time.
 * Errors: E_UNKNOWN_VIEW, E_LOCK_TIMEOUT, E_VIEW_NOT_CONCURRENT, E_VIEW_DUPLICATES, E_MISSING_RIGHT, E_TIMEOUT, E_ABORTED.
 */
export async function refreshViews(
  database: Database,
  refs: readonly RelationRef[],
  options: RefreshOptions = {},
): Promise<RefreshReport[]> {
  const direct = database.direct
  const managed = await hasState(direct).catch(() => false)
  if (managed) await prepareState(direct, options.signal)
  const oids = await inSession(direct, options.signal, async (session) => {
    const asked: number[] = []
    for (const ref of refs) asked.push((await findView(session, ref)).oid)
    const below = await viewsBelow(session, asked)
    const known = managed && options.upstream === true ? await readStates(session, [...below.values()].flat()) : []
    const all = [...asked, ...known.map(({ relation }) => relation)]
    return inOrder(all, await viewsBelow(session, all))
  })
  return await refreshTogether(direct, oids, managed, false, options)
}

/** Refreshes views, lower ones first, in one transaction. With `due` only those that are due, and none that another process works on. */
export async function refreshTogether(
  direct: Database,
  oids: readonly number[],
  managed: boolean,
  due: boolean,
  options: RefreshOptions,
): Promise<RefreshReport[]> {
  const asked = await clock(direct)
  const timeoutMs = millisecondsOf(options.timeout ?? "1h", "timeout")
  let failing: Target | null = null
  try {
    return await retrying(due ? { ...options, retryFor: options.retryFor ?? "5s" } : options, (lockTimeoutMs) =>
      ownTransaction(
        direct,
        { room: "views", isolation: "repeatable read", lockTimeoutMs, signal: options.signal },
        async (session) => {
          const targets = await lockTargets(session, oids, managed, due)
          const reports: RefreshReport[] = []
          for (const target of targets) {
            failing = target
            const needless = await needlessReport(session, target, { due, asked, force: options.force === true })
            reports.push(needless ?? (await refreshOne(session, target, { timeoutMs, signal: options.signal }, options)))
            failing = null
          }
          return reports
        },
      ),
    )
  } catch (error) {
    const failed = failing as Target | null
    const told = isPassing(error) ? await busyError(direct, oids, error) : error
    if (failed?.state != null && isSelectoError(told) && told.code !== "E_ABORTED") await noteFailure(direct, failed.state, told)
    throw told
  }
}

async function clock(database: Database): Promise<Date> {
  const text = "select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::text /* selecto:views */"
  return new Date(Number((await database.queryText({ text, values: [] }, limits)).rows[0]![0]))
}

const lockText = "select pg_catalog.pg_try_advisory_xact_lock($1, ($2::oid)::int8::bit(32)::int4) /* selecto:views */"

/** Locks what is to be refreshed against other processes' refreshes. In one order, so that two of them cannot wait for each other. */
async function lockTargets(session: Session, oids: readonly number[], managed: boolean, due: boolean): Promise<Target[]> {
  for (const oid of [...oids].sort((a, b) => a - b)) {
    const [got] = (await session.queryText({ text: lockText, values: [refreshLock, oid] }, limits)).rows[0]!
    if (got === "t") continue
    if (due) throw new SelectoError("E_LOCK_TIMEOUT", "Another process refreshes it.")
    // As PostgreSQL says it of any lock, so that it is tried again.
    throw new SelectoError("E_DATABASE", "Another process refreshes it.", { sqlState: "55P03" })
  }
  if (managed) {
    // Fails at once, not after the work, where another process has refreshed it since this transaction's snapshot.
    const text = "select from selecto.views_view where relation = any ($1::oid[]) for update /* selecto:views */"
    await session.query({ text, values: [`{${oids.join(",")}}`] }, limits)
  }
  const states = managed ? await readStates(session, oids) : []
  const targets: Target[] = []
  for (const oid of oids) {
    const relation = await findView(session, oid)
    targets.push({ relation, state: states.find((state) => state.relation === oid) ?? null })
  }
  return targets
}

const dueText = `
select next_run <= pg_catalog.clock_timestamp() as due, selecto.views_fresh(relation) as fresh,
  extract(epoch from pg_catalog.clock_timestamp() - verified_at) * 1000 as age
from selecto.views_view where id = $1 /* selecto:views */`

/** A report that nothing is to be done; null where the view is to be refreshed. */
async function needlessReport(
  session: Session,
  { relation, state }: Target,
  { due, asked, force }: { readonly due: boolean; readonly asked: Date; readonly force: boolean },
): Promise<RefreshReport | null> {
  if (state === null) return null
  const report = (outcome: RefreshReport["outcome"], asOf: Date | null, next: Date | null): RefreshReport => ({
    view: `${relation.schema}.${relation.name}`,
    outcome,
    concurrently: null,
    durationMs: null,
    rows: null,
    asOf,
    nextRun: next,
  })
  const [row] = (await session.queryText({ text: dueText, values: [state.id] }, limits)).rows
  const [isDue, fresh, age] = row!
  if (due && isDue !== "t") return report("not due", state.verifiedAt, state.nextRun)
  if (force || state.refreshedAt === null) return null
  if (!due && state.refreshedAt > asked) return report("other", state.verifiedAt, state.nextRun)
  const { strategy } = state
  if (!due && strategy.kind === "onDemand" && age != null && Number(age) < strategy.maxAgeMs)
    return report("recent", state.verifiedAt, state.nextRun)
  if (fresh !== "t") return null
  const next = nextRun(strategy, await sessionClock(session), state.timeZone ?? "UTC")
  const text = `update selecto.views_view set verified_at = pg_catalog.now(), next_run = $2, failures = 0, error = null, failed_at = null
    where id = $1 /* selecto:views */`
  await session.query({ text, values: [state.id, next] }, limits)
  return report("unchanged", await sessionClock(session), next)
}

/** The transaction's time: not later than its snapshot. */
async function sessionClock(session: Session): Promise<Date> {
  const text = "select (extract(epoch from pg_catalog.now()) * 1000)::text /* selecto:views */"
  return new Date(Number((await session.queryText({ text, values: [] }, limits)).rows[0]![0]))
}

async function refreshOne(
  session: Session,
  { relation, state }: Target,
  query: QueryOptions,
  { concurrently, onProgress }: RefreshOptions,
): Promise<RefreshReport> {
  const view = `${relation.schema}.${relation.name}`
  const started = performance.now()
  const expectedMs = state?.durationMs ?? null
  const tell = (phase: RefreshProgress["phase"]): void =>
    onProgress?.({ view, phase, elapsedMs: performance.now() - started, expectedMs })
  tell("waiting")
  const ticking = onProgress === undefined ? undefined : setInterval(() => tell("refreshing"), 1_000)
  try {
    await pinSettings(session, state?.timeZone ?? null)
    const filled = await fill(session, relation, concurrently ?? "auto", query)
    const asOf = await sessionClock(session)
    const next = state === null ? null : await noteFilled(session, relation.oid, state, filled, asOf)
    tell("done")
    const { concurrently: done, durationMs, rows } = filled
    return { view, outcome: "refreshed", concurrently: done, durationMs, rows, asOf, nextRun: next }
  } finally {
    clearInterval(ticking)
  }
}

/** Scans that this transaction has made, those that build indexes among them, are no use of the view: so this comes last. */
const filledText = `
update selecto.views_view v set mark = $2, storage = pg_catalog.pg_relation_filenode(v.relation), generation = v.generation + 1,
  refreshed_at = pg_catalog.now(), verified_at = pg_catalog.now(), duration_ms = $3, was_concurrent = $4, next_run = $5, failures = 0,
  error = null, failed_at = null, definition = $6, bases = $7::oid[],
  meanings = $8::oid[], meaning = selecto.views_meaning($8::oid[]), own_scans = v.own_scans + (
    select coalesce(max(s.seq_scan), 0) + coalesce(max(s.idx_scan), 0)
    from pg_catalog.pg_stat_xact_all_tables s where s.relid = v.relation)
where v.id = $1 /* selecto:views */`

const inputsText = `
insert into selecto.views_input (view, relation, generation)
select $1, v.relation, v.generation from selecto.views_view v where v.relation = any ($2::oid[]) /* selecto:views */`

/**
 * Notes a refresh in its own transaction: the mark is of the snapshot that the rows come from. A tracked view whose tables are other
 * ones than were tracked has no mark until the next refresh.
 */
export async function noteFilled(
  session: Session,
  oid: number,
  state: Pick<ViewState, "id" | "strategy" | "timeZone" | "bases" | "tracked">,
  filled: Filled,
  asOf: Date,
): Promise<Date | null> {
  const probe = (await probeView(session, oid, limits))!
  const bases = basesOf(probe)
  const followed = bases.every((one) => state.bases.includes(one))
  const mark = state.tracked && followed ? await currentMark(session) : null
  const next = nextRun(state.strategy, asOf, state.timeZone ?? "UTC")
  const values = [
    state.id,
    mark,
    filled.durationMs,
    filled.concurrently,
    next,
    probe.definition,
    `{${(state.tracked ? state.bases : bases).join(",")}}`,
    `{${probe.meanings.join(",")}}`,
  ]
  await session.query({ text: filledText, values }, limits)
  const forget = "delete from selecto.views_input where view = $1 /* selecto:views */"
  await session.query({ text: forget, values: [state.id] }, limits)
  await session.query({ text: inputsText, values: [state.id, `{${matviewsOf(probe).join(",")}}`] }, limits)
  // For whoever has derived something from the view, such as the cache.
  await touch(session, [oid])
  return next
}

function matviewsOf({ reads }: Probe): number[] {
  return reads.filter(({ kind }) => kind === "m").map(({ oid }) => oid)
}

/** The first pause after a failure; it doubles with each, up to an hour, and no run of the strategy is left out for it. */
const firstPauseMs = 30_000

async function noteFailure(database: Database, state: ViewState, error: SelectoError): Promise<void> {
  const now = await clock(database)
  const planned = nextRun(state.strategy, now, state.timeZone ?? "UTC")
  const again = new Date(now.getTime() + Math.min(3_600_000, firstPauseMs * 2 ** Math.min(state.failures, 20)))
  const next = planned === null ? null : planned < again ? planned : again
  const text = `update selecto.views_view set failures = failures + 1, error = $2, failed_at = pg_catalog.now(), next_run = $3
    where id = $1 /* selecto:views */`
  // The failure itself is what the caller is to hear of.
  await database.query({ text, values: [state.id, `${error.code}: ${error.message}`, next] }, limits).catch(() => {})
}

const holdersText = `
select string_agg(distinct pg_catalog.format('pid %s (%s)', a.pid, coalesce(nullif(a.application_name, ''), a.backend_type)), ', ') as holders
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.granted and l.pid <> pg_catalog.pg_backend_pid()
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and (l.locktype = 'advisory' and l.classid = $2::int4::oid and l.objid = any ($1::oid[])
    or l.locktype = 'relation' and l.relation = any ($1::oid[])) /* selecto:views */`

async function busyError(database: Database, oids: readonly number[], cause: unknown): Promise<SelectoError> {
  const values = [`{${oids.join(",")}}`, refreshLock]
  const known = await database
    .query<{ holders: string | null }>({ text: holdersText, values }, { timeoutMs: 5_000 })
    .catch(() => ({ rows: [] }))
  const holders = known.rows[0]?.holders ?? null
  const who = holders === null ? "whoever held it has ended since" : `held by ${holders}`
  return new SelectoError(
    "E_LOCK_TIMEOUT",
    `A lock that the refresh needs was not had in time (${who}): on the view, on a table below it, or of another refresh. Nothing was changed: try again, or with a longer retryFor.`,
    { cause },
  )
}
