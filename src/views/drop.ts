import { ownedTag, type RelationRef, type RetryOptions, retrying, rightError, untrack } from "../changes/index.ts"
import type { Database, Session } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { quoteQualified } from "../sql/index.ts"
import { dependantsOf } from "./below.ts"
import { trackOwner } from "./create.ts"
import { findView, hasState, inSession, limits, prepareState, readStates, type ViewState } from "./state.ts"

/** What drop() did: an adopted view is "released", and stays; one that somebody has dropped before is "forgotten". */
export interface DroppedView {
  /** schema.name */
  readonly view: string
  readonly outcome: "dropped" | "released" | "forgotten"
}

/**
 * Drops a view that was made here, never with CASCADE; lets an adopted one go. The tables below it are no longer tracked for it. Errors:
 * E_UNKNOWN_VIEW, E_VIEW_IN_USE with what depends on it, E_NAME_TAKEN for a view that is not in our care, E_LOCK_TIMEOUT, E_MISSING_RIGHT.
 */
export async function dropView(database: Database, ref: RelationRef, options: RetryOptions = {}): Promise<DroppedView> {
  const direct = database.direct
  const managed = await hasState(direct)
  if (managed) await prepareState(direct, options.signal)
  const present = await inSession(direct, options.signal, async (session) => {
    const view = await findView(session, ref)
    return { view, tagged: await isTagged(session, view.oid) }
  }).catch(async (error) => {
    if (managed && isSelectoError(error, "E_UNKNOWN_VIEW")) return await forgetMissing(direct, ref, options, error)
    throw error
  })
  if ("outcome" in present) return present
  const { view, tagged } = present
  const full = `${view.schema}.${view.name}`
  const [state] = managed ? await readStates(direct, [view.oid]) : []
  if (state === undefined && !tagged)
    throw new SelectoError("E_NAME_TAKEN", `${full} is not in our care, so it is not ours to drop.`, { path: full })
  const created = state === undefined || state.origin === "created"
  await retrying(options, (lockTimeoutMs) =>
    ownTransaction(direct, { room: "views", lockTimeoutMs, signal: options.signal }, async (session) => {
      if (created) await dropIn(session, view.oid, full, quoteQualified(view.schema, view.name))
      if (state !== undefined) await forget(session, state)
    }),
  ).catch((error) => {
    throw rightError(error, `drop ${full}`, "to be its owner")
  })
  if (state?.tracked === true) await untrack(direct, undefined, { ...options, owner: trackOwner(ownerName(state)) })
  return { view: full, outcome: created ? "dropped" : "released" }
}

const missingText = `
select v.id, v.schema, v.name, v.former_name, v.tracked from selecto.views_view v
where (v.name = $1 or pg_catalog.format('%s.%s', v.schema, v.name) = $1)
  and not exists (select from pg_catalog.pg_class c where c.oid = v.relation and c.relkind = 'm') limit 1 /* selecto:views */`

/** Forgets a view that somebody has dropped; throws `unknown` where there never was one. */
async function forgetMissing(
  database: Database,
  ref: RelationRef,
  options: RetryOptions,
  unknown: SelectoError,
): Promise<DroppedView> {
  const written = typeof ref === "object" ? `${ref.schema}.${ref.name}` : String(ref)
  const { rows } = await database.query<{
    id: number
    schema: string
    name: string
    former_name: string | null
    tracked: boolean
  }>({ text: missingText, values: [written] }, limits)
  const [row] = rows
  if (row === undefined) throw unknown
  await ownTransaction(database, { room: "views", signal: options.signal }, (session) => forget(session, row))
  if (row.tracked) {
    const owner = trackOwner(ownerName({ ...row, formerName: row.former_name }))
    await untrack(database, undefined, { ...options, owner })
  }
  return { view: `${row.schema}.${row.name}`, outcome: "forgotten" }
}

/** Drops a view in an open transaction unless something reads it. */
export async function dropIn(session: Session, oid: number, full: string, quoted: string): Promise<void> {
  const dependants = await dependantsOf(session, oid)
  if (dependants.length > 0)
    throw new SelectoError(
      "E_VIEW_IN_USE",
      `${full} was not dropped: it is read by ${dependants.map(({ kind, schema, name }) => `${kind} ${schema}.${name}`).join(", ")}.`,
      { path: full },
    )
  await session.query({ text: `drop materialized view ${quoted} /* selecto:views */`, values: [] }, limits)
}

/** Forgets what is kept of a view. */
export async function forget(session: Session, { id }: Pick<ViewState, "id">): Promise<void> {
  await session.query({ text: "delete from selecto.views_view where id = $1 /* selecto:views */", values: [id] }, limits)
}

/** The name under which the tables below a view are tracked: a view in quarantine goes by another one for a while. */
export function ownerName({ schema, name, formerName }: Pick<ViewState, "schema" | "name" | "formerName">): {
  readonly schema: string
  readonly name: string
} {
  return { schema, name: formerName ?? name }
}

/** True when its comment says that it was made here. */
export async function isTagged(session: Session, oid: number): Promise<boolean> {
  const text = `select coalesce(pg_catalog.obj_description($1, 'pg_class') like $2, false) as tagged /* selecto:views */`
  return (await session.query<{ tagged: boolean }>({ text, values: [oid, `${ownedTag("views")}%`] }, limits)).rows[0]!.tagged
}
