import type { RelationRef } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/index.ts"
import { insertState, trackBases, trackOwner } from "./create.ts"
import { basesOf, notKeepable, probeView } from "./probe.ts"
import { type KeepOptions, keptOf, type MakeOptions } from "./spec.ts"
import { findView, limits, prepareState } from "./state.ts"
import { nextRun } from "./strategy.ts"

/** What adopting a view did. */
export interface AdoptedView {
  /** schema.name */
  readonly view: string
  readonly nextRun: Date | null
  readonly warnings: readonly string[]
}

const ownerText = `
select pg_catalog.pg_get_userbyid(c.relowner)::text as owner, current_user::text as role,
  pg_catalog.pg_has_role(c.relowner, 'usage') as may, pg_catalog.current_setting('search_path') as path
from pg_catalog.pg_class c where c.oid = $1 /* selecto:views */`

/**
 * Takes a materialized view that somebody else made into care: it is refreshed as asked for, and never dropped. How old it is, is known from
 * the first refresh here. Errors: E_UNKNOWN_VIEW, E_VIEW_NOT_KEEPABLE, E_VIEW_UNTRACKABLE, E_NAME_TAKEN when it is in care already, E_MISSING_RIGHT.
 */
export async function adoptView(
  database: Database,
  ref: RelationRef,
  keep: KeepOptions = {},
  options: MakeOptions = {},
): Promise<AdoptedView> {
  const kept = keptOf(keep)
  const direct = database.direct
  await prepareState(direct, options.signal)
  const query = { ...limits, signal: options.signal }
  const { view, probe, path } = await ownTransaction(direct, { room: "views", signal: options.signal }, async (session) => {
    const found = await findView(session, ref, query)
    const { rows } = await session.query<{ owner: string; role: string; may: boolean; path: string }>(
      { text: ownerText, values: [found.oid] },
      query,
    )
    const { owner, role, may, path: searchPath } = rows[0]!
    if (!may)
      throw new SelectoError(
        "E_MISSING_RIGHT",
        `${found.schema}.${found.name} belongs to ${owner}, and only its owner can refresh it. Needed: GRANT ${quoteIdentifier(owner)} TO ${quoteIdentifier(role)}`,
        { path: `${found.schema}.${found.name}` },
      )
    return { view: found, path: searchPath, probe: (await probeView(session, found.oid, query))! }
  })
  const full = `${view.schema}.${view.name}`
  if (probe.fault !== null) throw notKeepable(full, probe.fault)
  if (kept.tracked) await trackBases(direct, full, probe, trackOwner(view), options)
  const next = nextRun(kept.strategy, new Date(), kept.timeZone)
  await ownTransaction(direct, { room: "views", signal: options.signal }, (session) =>
    insertState(session, view.oid, view, "adopted", probe.definition, path, probe.definition, kept, basesOf(probe), next),
  )
  return { view: full, nextRun: next, warnings: probe.warnings }
}
