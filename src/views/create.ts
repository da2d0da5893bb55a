import { ownedTag, type RetryOptions, retrying, rightError, track, untrack } from "../changes/index.ts"
import type { Database, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../sql/index.ts"
import { millisecondsOf } from "../units.ts"
import { type Examined, examine } from "./compare.ts"
import { fill } from "./fill.ts"
import { basesOf, notKeepable, type Probe, trackingFault } from "./probe.ts"
import { noteFilled, type RefreshReport } from "./refresh.ts"
import { createEmpty, type Kept, keptOf, type MakeOptions, type ViewSpec } from "./spec.ts"
import { limits, prepareState, readStates, type ViewState } from "./state.ts"
import { nextRun } from "./strategy.ts"
import { uniqueIndexes, uniqueKey } from "./unique-key.ts"

/** What creating a view did. */
export interface CreatedView {
  /** schema.name */
  readonly view: string
  /** "unchanged": it was there with this definition; how it is kept is as asked for now. "redefined": see redefine(). */
  readonly outcome: "created" | "unchanged" | "redefined"
  /** Columns of its unique index; null where it has none, so that readers wait while it is refreshed. */
  readonly unique: readonly string[] | null
  readonly refresh: RefreshReport | null
  readonly warnings: readonly string[]
}

/**
 * Makes a materialized view, fills it and takes it into care, all in one transaction. The same call again, in any process, changes nothing
 * but how the view is kept. Without the right to make schema selecto a view of refresh "immediate" is made all the same, and nothing is
 * kept of it.
 *
 * Errors: E_VIEW_NOT_KEEPABLE, E_VIEW_PARAMETERS, E_VIEW_DIFFERS (see redefine), E_NAME_TAKEN, E_VIEW_UNTRACKABLE, E_VIEW_DUPLICATES of columns that
 * were said to be unique, E_MISSING_RIGHT, E_LOCK_TIMEOUT, E_INVALID_OPTION.
 */
export async function createView(database: Database, spec: ViewSpec, options: MakeOptions = {}): Promise<CreatedView> {
  const kept = keptOf(spec)
  const direct = database.direct
  const warnings: string[] = []
  const managed = await prepareState(direct, options.signal).then(
    () => true,
    (error) => {
      if (!isSelectoError(error, "E_MISSING_RIGHT") || needsState(kept)) throw error
      warnings.push(
        `Nothing is kept of this view, so that its age is not known and nobody refreshes it by itself: ${error.message}`,
      )
      return false
    },
  )
  let tracking: Examined["place"] | null = null
  try {
    for (let tries = 0; ; tries++) {
      const examined = await examine(direct, spec, kept.timeZone, options.signal).catch((error) => {
        throw rightError(error, "make this view", "CREATE on its schema, and SELECT on the tables that it reads.")
      })
      const { place, wanted, diff } = examined
      refuse(examined)
      if (diff.outcome === "same")
        return await keepPresent(direct, examined, kept, managed, [...warnings, ...wanted.warnings], options)
      if (kept.tracked) {
        tracking = place
        await trackBases(direct, diff.view, wanted, trackOwner(place), options)
      }
      try {
        const made = await makeView(direct, spec, examined, kept, managed, options)
        return { ...made, warnings: [...warnings, ...wanted.warnings, ...made.warnings] }
      } catch (error) {
        // Another process was faster: what it has made is looked at.
        if (tries > 0 || !isSelectoError(error) || !["42P07", "23505"].includes(error.sqlState ?? "")) throw error
      }
    }
  } catch (error) {
    if (tracking !== null) await untrackUnlessKept(direct, tracking).catch(() => {})
    throw error
  }
}

function refuse({ wanted, diff }: Examined): void {
  const full = diff.view
  if (wanted.fault !== null) throw notKeepable(full, wanted.fault)
  if (diff.outcome === "taken")
    throw new SelectoError("E_NAME_TAKEN", `${full} is there already, and is no materialized view. Choose another name.`, {
      path: full,
    })
  if (diff.outcome === "differs")
    throw new SelectoError(
      "E_VIEW_DIFFERS",
      `${full} is there with another definition (diff() shows it). Use redefine() to put this one in its place without a gap.`,
      { path: full },
    )
}

/** Ends the tracking for a view that was not made after all, unless another process has made it meanwhile. */
async function untrackUnlessKept(database: Database, place: Examined["place"]): Promise<void> {
  const states = await readStates(database, null)
  if (states.some(({ schema, name, tracked }) => tracked && schema === place.schema && name === place.name)) return
  await untrack(database, undefined, { owner: trackOwner(place) })
}

function needsState({ strategy, maxStalenessMs, tracked }: Kept): boolean {
  return strategy.kind !== "immediate" || maxStalenessMs !== null || tracked
}

/** In whose name the tables below a view are tracked. */
export function trackOwner({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `view ${quoteQualified(schema, name)}`
}

/** Tracks the tables below a view. Errors: E_VIEW_UNTRACKABLE with the reason, and those of track(). */
export async function trackBases(
  database: Database,
  full: string,
  wanted: Probe,
  owner: string,
  options: RetryOptions,
): Promise<void> {
  const below = wanted.reads.filter(({ kind }) => kind === "m").map(({ oid }) => oid)
  const states = below.length === 0 ? [] : await readStates(database, below)
  const fault = trackingFault(wanted, (oid) => states.some((state) => state.relation === oid && state.tracked))
  if (fault !== null)
    throw new SelectoError(
      "E_VIEW_UNTRACKABLE",
      `Changes below ${full} cannot be followed: ${fault}. Keep it by its age: { maxStaleness }.`,
      { path: full },
    )
  const tables = basesOf(wanted)
  const { lockTimeout, retryFor, signal } = options
  await track(database, tables, { owner, lockTimeout, retryFor, signal })
}

async function makeView(
  database: Database,
  spec: ViewSpec,
  { place, shape }: Examined,
  kept: Kept,
  managed: boolean,
  options: MakeOptions,
): Promise<Omit<CreatedView, "outcome"> & { readonly outcome: "created" }> {
  const full = `${place.schema}.${place.name}`
  const query = { ...limits, signal: options.signal }
  const long = { timeoutMs: millisecondsOf(options.timeout ?? "1h", "timeout"), signal: options.signal }
  const started = performance.now()
  const tell = (phase: "refreshing" | "done"): void =>
    options.onProgress?.({ view: full, phase, elapsedMs: performance.now() - started, expectedMs: null })
  tell("refreshing")
  const ticking = options.onProgress === undefined ? undefined : setInterval(() => tell("refreshing"), 1_000)
  try {
    return await retrying(options, (lockTimeoutMs) =>
      ownTransaction(
        database,
        { room: "views", isolation: "repeatable read", lockTimeoutMs, signal: options.signal },
        async (session) => {
          const path = (await session.queryText(say("select pg_catalog.current_setting('search_path')"), query)).rows[0]![0]!
          const probe = await createEmpty(session, place, spec.text, kept.timeZone, query)
          const quoted = quoteQualified(place.schema, place.name)
          await session.query(say(`comment on materialized view ${quoted} is ${quoteLiteral(ownedTag("views"))}`), query)
          const filled = await fill(session, { oid: probe.oid, ...place }, false, long)
          const columns = probe.columns.map(({ name }) => name)
          const found = spec.unique ?? (probe.repeats ? null : await uniqueKey(session, shape, columns, query))
          const warnings: string[] = []
          const unique = await makeUnique(session, full, quoted, found, spec.unique !== undefined, warnings, long)
          for (const index of spec.indexes ?? [])
            await session.query(say(`create index on ${quoted} (${index.map(quoteIdentifier).join(", ")})`), long)
          const asOf = new Date(Number((await session.queryText(say(clockText), query)).rows[0]![0]))
          let next: Date | null = null
          if (managed) {
            const state = await insertState(
              session,
              probe.oid,
              place,
              "created",
              spec.text,
              path,
              probe.definition,
              kept,
              basesOf(probe),
            )
            next = await noteFilled(session, probe.oid, state, filled, asOf)
          }
          tell("done")
          const { durationMs, rows, concurrently } = filled
          const refresh = { view: full, outcome: "refreshed", concurrently, durationMs, rows, asOf, nextRun: next } as const
          return { view: full, outcome: "created", unique, refresh, warnings }
        },
      ),
    )
  } finally {
    clearInterval(ticking)
  }
}

const clockText = "select (extract(epoch from pg_catalog.now()) * 1000)::text"

function say(text: string): { text: string; values: readonly unknown[] } {
  return { text: `${text} /* selecto:views */`, values: [] }
}

/** The unique index that REFRESH … CONCURRENTLY needs. One that was only found is left out where it cannot be made. */
export async function makeUnique(
  session: Session,
  full: string,
  quoted: string,
  columns: readonly string[] | null,
  asked: boolean,
  warnings: string[],
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<readonly string[] | null> {
  const waits = `Readers of ${full} wait while it is refreshed`
  if (columns === null) warnings.push(`${waits}: no columns are known to be unique in it. Name them: { unique: [...] }.`)
  if (columns === null || columns.length === 0) return null
  await session.query(say("savepoint selecto_unique"), options)
  try {
    await session.query(say(`create unique index on ${quoted} (${columns.map(quoteIdentifier).join(", ")})`), options)
    return columns
  } catch (error) {
    if (!isSelectoError(error, "E_DATABASE")) throw error
    if (asked && error.sqlState === "23505")
      throw new SelectoError("E_VIEW_DUPLICATES", `${full} was not made: its rows are not unique in ${columns.join(", ")}.`, {
        path: full,
        cause: error,
      })
    if (asked) throw error
    await session.query(say("rollback to savepoint selecto_unique"), options)
    warnings.push(`${waits}: a unique index over ${columns.join(", ")} could not be made (${error.message}).`)
    return null
  }
}

const insertText = `
insert into selecto.views_view (relation, epoch, schema, name, origin, source, search_path, definition, strategy, time_zone, max_staleness,
  tracked, bases, meanings, next_run)
select $1, s.epoch, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12::oid[], '{}', $13 from selecto.changes_state s where s.only_row
returning id /* selecto:views */`

/** What is kept of a view of this name that somebody has dropped since. */
const staleText = `
delete from selecto.views_view v where v.schema = $1 and v.name = $2
  and not exists (select from pg_catalog.pg_class c where c.oid = v.relation and c.relkind = 'm') /* selecto:views */`

/** Takes a view into care. */
export async function insertState(
  session: Session,
  relation: number,
  { schema, name }: { readonly schema: string; readonly name: string },
  origin: ViewState["origin"],
  source: string,
  path: string,
  definition: string,
  kept: Kept,
  bases: readonly number[],
  next: Date | null = null,
): Promise<Pick<ViewState, "id" | "strategy" | "timeZone" | "bases" | "tracked">> {
  const { strategy, timeZone, maxStalenessMs, tracked } = kept
  const values = [
    relation,
    schema,
    name,
    origin,
    source,
    path,
    definition,
    JSON.stringify(strategy),
    timeZone,
    maxStalenessMs,
    tracked,
    `{${bases.join(",")}}`,
    next,
  ]
  await session.query({ text: staleText, values: [schema, name] }, limits)
  const { rows } = await session.query<{ id: number }>({ text: insertText, values }, limits).catch((error) => {
    if (!isSelectoError(error, "E_DATABASE") || error.sqlState !== "23505") throw error
    const full = `${schema}.${name}`
    throw new SelectoError("E_NAME_TAKEN", `${full} is kept already.`, { path: full, cause: error, sqlState: error.sqlState })
  })
  return { id: Number(rows[0]!.id), strategy, timeZone, bases, tracked }
}

const keepText = `
update selecto.views_view set strategy = $2::jsonb, time_zone = $3, max_staleness = $4, tracked = $5, next_run = $6, bases = $7::oid[],
  mark = case when $5 and time_zone is not distinct from $3 and tracked then mark end where id = $1 /* selecto:views */`

/** A view that is there as it was asked for: only how it is kept may be new. */
async function keepPresent(
  database: Database,
  examined: Examined,
  kept: Kept,
  managed: boolean,
  warnings: readonly string[],
  options: MakeOptions,
): Promise<CreatedView> {
  const { place, present, diff } = examined
  const [unique = null] = await uniqueIndexes(database, present!.oid, limits)
  const result: CreatedView = { view: diff.view, outcome: "unchanged", unique, refresh: null, warnings }
  if (!managed) return result
  const [state] = await readStates(database, [present!.oid])
  if (state === undefined)
    throw new SelectoError(
      "E_NAME_TAKEN",
      `${diff.view} is there with this very definition, and was not made here. Take it into care with adopt().`,
      { path: diff.view },
    )
  const before: Kept = { ...state, timeZone: state.timeZone ?? "UTC" }
  if (JSON.stringify(keptKeys(before)) === JSON.stringify(keptKeys(kept))) return result
  if (kept.tracked) await trackBases(database, diff.view, present!, trackOwner(place), options)
  await keepAs(database, state, kept, basesOf(present!))
  if (!kept.tracked && state.tracked) await untrack(database, undefined, { ...options, owner: trackOwner(place) })
  return result
}

function keptKeys({ strategy, timeZone, maxStalenessMs, tracked }: Kept): unknown[] {
  return [Object.entries(strategy).sort(), timeZone, maxStalenessMs, tracked]
}

/** Changes how a view is kept. What it was filled with in another zone counts as stale. */
async function keepAs(database: Database, state: ViewState, kept: Kept, bases: readonly number[]): Promise<void> {
  const next = nextRun(kept.strategy, new Date(), kept.timeZone)
  const { strategy, timeZone, maxStalenessMs, tracked } = kept
  const values = [state.id, JSON.stringify(strategy), timeZone, maxStalenessMs, tracked, next, `{${bases.join(",")}}`]
  await database.query({ text: keepText, values }, limits)
}
