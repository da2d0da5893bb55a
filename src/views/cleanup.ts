import { type RelationRef, type RetryOptions, retrying } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { cutIdentifier, quoteIdentifier, quoteQualified } from "../sql/index.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { dependantsOf } from "./below.ts"
import { dropView } from "./drop.ts"
import { findView, hasState, inSession, limits, prepareState, readStates, type ViewState } from "./state.ts"
import { durationText } from "./strategy.ts"
import { sampleReads } from "./work.ts"

/** Options of `selecto.views.cleanup()`. */
export interface CleanupOptions extends RetryOptions {
  /** What nobody has read for so long is unused. Default "30d". */
  readonly unusedFor?: Duration | undefined
  /** How long an unused view is kept under another name before it is dropped. Default "7d". */
  readonly quarantine?: Duration | undefined
  /** False: it is only told what would be done. Default false. */
  readonly apply?: boolean | undefined
}

/** What is to become of a view, or has. */
export interface CleanupAction {
  /** schema.name, as it was called. */
  readonly view: string
  /** "quarantine": it goes by another name, under which restore() finds it; "drop": its time there is over. */
  readonly action: "keep" | "quarantine" | "drop"
  readonly reason: string
  readonly done: boolean
}

/**
 * Finds views that nobody needs: made here, not read for a while, neither by the queries that they answer nor by name, and read by no other
 * view. Changes nothing without `apply`; with it such a view is renamed first, and dropped by a later call when its quarantine is over.
 * Never CASCADE, never an adopted view. How long a view was not read is known since it was made here, if work() or a scheduler runs.
 */
export async function cleanupViews(database: Database, options: CleanupOptions = {}): Promise<CleanupAction[]> {
  const direct = database.direct
  const unusedMs = millisecondsOf(options.unusedFor ?? "30d", "unusedFor")
  const quarantineMs = millisecondsOf(options.quarantine ?? "7d", "quarantine")
  if (!(await hasState(direct))) return []
  await prepareState(direct, options.signal)
  await sampleReads(direct, { ...limits, signal: options.signal })
  const actions: CleanupAction[] = []
  for (const state of await readStates(direct, null)) {
    const view = `${state.schema}.${state.formerName ?? state.name}`
    const lastUse = Math.max(state.createdAt.getTime(), state.readAt?.getTime() ?? 0)
    const verdict = await verdictOn(direct, state, Date.now() - lastUse, unusedMs, quarantineMs)
    const done = options.apply === true && verdict.action !== "keep"
    if (done && verdict.action === "quarantine") await quarantine(direct, state, options)
    if (done && verdict.action === "drop") await dropView(direct, { schema: state.schema, name: state.name }, options)
    actions.push({ view, ...verdict, done })
  }
  return actions
}

async function verdictOn(
  database: Database,
  state: ViewState,
  idleMs: number,
  unusedMs: number,
  quarantineMs: number,
): Promise<Pick<CleanupAction, "action" | "reason">> {
  const idle = durationText(Math.floor(idleMs / 3_600_000) * 3_600_000)
  if (state.origin === "adopted") return { action: "keep", reason: "it was adopted, and is not ours to drop" }
  if (state.quarantinedAt !== null) {
    const over = Date.now() - state.quarantinedAt.getTime() >= quarantineMs
    return over
      ? { action: "drop", reason: `nobody has missed it since ${state.quarantinedAt.toISOString()}` }
      : { action: "keep", reason: `it is in quarantine since ${state.quarantinedAt.toISOString()}` }
  }
  if (idleMs < unusedMs) return { action: "keep", reason: `it was used, or made, within ${durationText(unusedMs)}` }
  const readers = await inSession(database, undefined, (session) => dependantsOf(session, state.relation))
  if (readers.length > 0) {
    const names = readers.map(({ kind, schema, name }) => `${kind} ${schema}.${name}`).join(", ")
    return { action: "keep", reason: `it is read by ${names}` }
  }
  return { action: "quarantine", reason: `nobody has read it for ${idle}` }
}

const quarantinedText = `
update selecto.views_view set name = $2, former_name = $3, quarantined_at = case when $3::text is null then null else pg_catalog.now() end
where id = $1 /* selecto:views */`

async function quarantine(database: Database, state: ViewState, options: RetryOptions): Promise<void> {
  await rename(database, state, `${cutIdentifier(state.name, 48)}_quarantined`, state.name, options)
}

/** Gives a view in quarantine its name back. Errors: E_UNKNOWN_VIEW, E_NAME_TAKEN, E_LOCK_TIMEOUT. */
export async function restoreView(
  database: Database,
  ref: RelationRef,
  options: RetryOptions = {},
): Promise<{ readonly view: string }> {
  const direct = database.direct
  await prepareState(direct, options.signal)
  const written = typeof ref === "object" ? `${ref.schema}.${ref.name}` : String(ref)
  const states = (await readStates(direct, null)).filter(({ formerName }) => formerName !== null)
  const state = states.find(({ schema, formerName }) => written === formerName || written === `${schema}.${formerName}`)
  const chosen =
    state ??
    (
      await readStates(direct, [await inSession(direct, options.signal, async (session) => (await findView(session, ref)).oid)])
    )[0]
  if (chosen?.formerName == null)
    throw new SelectoError("E_UNKNOWN_VIEW", `There is no view ${written} in quarantine.`, { path: written })
  await rename(direct, chosen, chosen.formerName, null, options)
  return { view: `${chosen.schema}.${chosen.formerName}` }
}

async function rename(
  database: Database,
  state: ViewState,
  to: string,
  former: string | null,
  options: RetryOptions,
): Promise<void> {
  await retrying(options, (lockTimeoutMs) =>
    ownTransaction(database, { room: "views", lockTimeoutMs, signal: options.signal }, async (session) => {
      const text = `alter materialized view ${quoteQualified(state.schema, state.name)} rename to ${quoteIdentifier(to)} /* selecto:views */`
      await session.query({ text, values: [] }, limits)
      await session.query({ text: quarantinedText, values: [state.id, to, former] }, limits)
    }),
  ).catch((error) => {
    if (isSelectoError(error, "E_DATABASE") && error.sqlState === "42P07")
      throw new SelectoError("E_NAME_TAKEN", `${state.schema}.${to} is there already.`, {
        path: `${state.schema}.${to}`,
        cause: error,
      })
    throw error
  })
}
