import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { isPassing, ownedTag, rightError, untrack } from "../changes/index.ts"
import type { Database, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { SelectoError } from "../errors.ts"
import { cutIdentifier, quoteIdentifier, quoteLiteral, quoteQualified } from "../sql/index.ts"
import { millisecondsOf } from "../units.ts"
import { dependantsOf } from "./below.ts"
import { type Examined, examine } from "./compare.ts"
import { type CreatedView, createView, makeUnique, trackBases, trackOwner } from "./create.ts"
import { fill } from "./fill.ts"
import { basesOf, notKeepable } from "./probe.ts"
import { noteFilled } from "./refresh.ts"
import { createEmpty, type Kept, keptOf, type MakeOptions, type ViewSpec } from "./spec.ts"
import { limits, prepareState, readStates, type ViewState } from "./state.ts"
import { uniqueKey } from "./unique-key.ts"

/**
 * Gives a view that was made here another definition, without a moment in which it is not there: the new one is built beside it, and takes
 * its name, owner, grants and the views that read it in the last moment of the same transaction. Readers wait for that moment only. Where
 * there is no such view it is created.
 *
 * Errors: E_VIEW_IN_USE where a materialized view reads it, or a view needs a column that the new one has not; those of create().
 */
export async function redefineView(database: Database, spec: ViewSpec, options: MakeOptions = {}): Promise<CreatedView> {
  const kept = keptOf(spec)
  const direct = database.direct
  await prepareState(direct, options.signal)
  const examined = await examine(direct, spec, kept.timeZone, options.signal)
  const { diff, present, wanted, place } = examined
  if (diff.outcome !== "differs") return await createView(database, spec, options)
  if (wanted.fault !== null) throw notKeepable(diff.view, wanted.fault)
  const [state] = await readStates(direct, [present!.oid])
  if (state?.origin !== "created")
    throw new SelectoError("E_NAME_TAKEN", `${diff.view} was not made here, so it is not ours to replace.`, { path: diff.view })
  const owner = trackOwner(place)
  if (kept.tracked) await trackBases(direct, diff.view, wanted, owner, options)
  const made = await replace(direct, spec, examined, kept, state, options).catch((error) => {
    throw rightError(error, `redefine ${diff.view}`, "to be its owner, and the owner of the views that read it")
  })
  const unneeded = state.bases.filter((oid) => !kept.tracked || !basesOf(wanted).includes(oid))
  if (state.tracked && unneeded.length > 0) await untrack(direct, unneeded, { ...options, owner })
  return { ...made, warnings: [...wanted.warnings, ...made.warnings] }
}

const say = (text: string): { text: string; values: readonly unknown[] } => ({ text: `${text} /* selecto:views */`, values: [] })

async function replace(
  database: Database,
  spec: ViewSpec,
  { place, shape, diff, present }: Examined,
  kept: Kept,
  state: ViewState,
  options: MakeOptions,
): Promise<CreatedView> {
  const query = { ...limits, signal: options.signal }
  const long = { timeoutMs: millisecondsOf(options.timeout ?? "1h", "timeout"), signal: options.signal }
  const lockTimeoutMs = Math.max(1, millisecondsOf(options.lockTimeout ?? "2s", "lockTimeout"))
  const next = { schema: place.schema, name: `${cutIdentifier(place.name, 45)}_${randomUUID().slice(0, 8)}` }
  return await ownTransaction(
    database,
    { room: "views", isolation: "repeatable read", lockTimeoutMs, signal: options.signal },
    async (session) => {
      const probe = await createEmpty(session, next, spec.text, kept.timeZone, query)
      const quoted = quoteQualified(next.schema, next.name)
      await session.query(say(`comment on materialized view ${quoted} is ${quoteLiteral(ownedTag("views"))}`), query)
      const filled = await fill(session, { oid: probe.oid, ...next }, false, long)
      const warnings: string[] = []
      const columns = probe.columns.map(({ name }) => name)
      const found = spec.unique ?? (probe.repeats ? null : await uniqueKey(session, shape, columns, query))
      const unique = await makeUnique(session, diff.view, quoted, found, spec.unique !== undefined, warnings, long)
      for (const index of spec.indexes ?? [])
        await session.query(say(`create index on ${quoted} (${index.map(quoteIdentifier).join(", ")})`), long)
      for (const grant of await grantsOf(session, present!.oid, quoted)) await session.query(say(grant), query)
      await swap(session, place, next, present!.oid, probe.oid, options)
      const now = "select (extract(epoch from pg_catalog.now()) * 1000)::text"
      const asOf = new Date(Number((await session.queryText(say(now), query)).rows[0]![0]))
      const after = {
        id: state.id,
        strategy: kept.strategy,
        timeZone: kept.timeZone,
        tracked: kept.tracked,
        bases: basesOf(probe),
      }
      const values = [
        state.id,
        probe.oid,
        spec.text,
        JSON.stringify(kept.strategy),
        kept.timeZone,
        kept.maxStalenessMs,
        kept.tracked,
        `{${after.bases.join(",")}}`,
      ]
      await session.query({ text: replacedText, values }, query)
      const nextRun = await noteFilled(session, probe.oid, after, filled, asOf)
      const { durationMs, rows, concurrently } = filled
      const refresh = { view: diff.view, outcome: "refreshed", concurrently, durationMs, rows, asOf, nextRun } as const
      return { view: diff.view, outcome: "redefined", unique, refresh, warnings }
    },
  )
}

const replacedText = `
update selecto.views_view set relation = $2, source = $3, search_path = pg_catalog.current_setting('search_path'), strategy = $4::jsonb,
  time_zone = $5, max_staleness = $6, tracked = $7, bases = $8::oid[], own_scans = 0, scans = null where id = $1 /* selecto:views */`

const grantsText = `
select pg_catalog.format('grant %s on %s to %s%s', a.privilege_type, $2::text,
  case a.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end,
  case when a.is_grantable then ' with grant option' else '' end) as grant
from pg_catalog.pg_class c cross join lateral pg_catalog.aclexplode(c.relacl) a where c.oid = $1 and a.grantee <> c.relowner
union all
select pg_catalog.format('alter materialized view %s owner to %I', $2::text, pg_catalog.pg_get_userbyid(c.relowner))
from pg_catalog.pg_class c where c.oid = $1 and c.relowner <> (select oid from pg_catalog.pg_roles where rolname = current_user)
/* selecto:views */`

async function grantsOf(session: Session, oid: number, quoted: string): Promise<string[]> {
  const { rows } = await session.query<{ grant: string }>({ text: grantsText, values: [oid, quoted] }, limits)
  return rows.map(({ grant }) => grant)
}

const viewsText = `
select pg_catalog.pg_get_viewdef(c.oid) as definition, pg_catalog.array_to_string(c.reloptions, ', ') as options
from pg_catalog.pg_class c where c.oid = $1 /* selecto:views */`

const indexesText = `
select n.nspname::text as schema, x.relname::text as name from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = x.relnamespace where i.indrelid = $1 /* selecto:views */`

/**
 * The names change hands. Views that read the old one follow its oid, so they are made anew over the new one. Tried again while somebody
 * reads the old view; what was built stays meanwhile.
 */
async function swap(
  session: Session,
  place: Examined["place"],
  next: Examined["place"],
  old: number,
  made: number,
  options: MakeOptions,
): Promise<void> {
  const deadline = performance.now() + millisecondsOf(options.retryFor ?? "30s", "retryFor")
  const query = { ...limits, signal: options.signal }
  for (;;) {
    options.signal?.throwIfAborted()
    await session.query(say("savepoint selecto_swap"), query)
    try {
      await exchange(session, place, next, old, made, query)
      return
    } catch (error) {
      await session.query(say("rollback to savepoint selecto_swap"), limits)
      if (!isPassing(error) || performance.now() >= deadline) throw error
      await delay(Math.random() * 1000, undefined, { signal: options.signal }).catch(() => {})
    }
  }
}

async function exchange(
  session: Session,
  place: Examined["place"],
  next: Examined["place"],
  old: number,
  made: number,
  query: typeof limits,
): Promise<void> {
  const quoted = quoteQualified(place.schema, place.name)
  const readers = await dependantsOf(session, old)
  const filledViews = readers.filter(({ kind }) => kind !== "view").map(({ schema, name }) => `${schema}.${name}`)
  const full = `${place.schema}.${place.name}`
  if (filledViews.length > 0)
    throw new SelectoError(
      "E_VIEW_IN_USE",
      `${full} cannot be redefined while materialized views read it: ${filledViews.join(", ")}. Drop these first, and make them again after it.`,
      { path: full },
    )
  const path = (await session.queryText(say("select pg_catalog.current_setting('search_path')"), query)).rows[0]![0]!
  await setPath(session, "", query)
  const texts: string[] = []
  for (const { oid, schema, name } of readers) {
    const { rows } = await session.query<{ definition: string; options: string | null }>(
      { text: viewsText, values: [oid] },
      query,
    )
    const { definition, options } = rows[0]!
    const held = options === null ? "" : ` with (${options})`
    texts.push(`create or replace view ${quoteQualified(schema, name)}${held} as ${definition.replace(/;\s*$/, "")}`)
  }
  const away = `${cutIdentifier(place.name, 45)}_${randomUUID().slice(0, 8)}`
  await session.query(say(`alter materialized view ${quoted} rename to ${quoteIdentifier(away)}`), query)
  await session.query(
    say(`alter materialized view ${quoteQualified(next.schema, next.name)} rename to ${quoteIdentifier(place.name)}`),
    query,
  )
  for (const text of texts) await session.query(say(text), query)
  await setPath(session, path, query)
  await session.query(say(`drop materialized view ${quoteQualified(place.schema, away)}`), query)
  const { rows: indexes } = await session.query<{ schema: string; name: string }>({ text: indexesText, values: [made] }, query)
  for (const { schema, name } of indexes) {
    const better = cutIdentifier(name.replace(next.name, place.name))
    await session.query(say(`alter index ${quoteQualified(schema, name)} rename to ${quoteIdentifier(better)}`), query)
  }
}

async function setPath(session: Session, path: string, query: typeof limits): Promise<void> {
  const text = "select pg_catalog.set_config('search_path', $1, true) /* selecto:views */"
  await session.query({ text, values: [path] }, query)
}
