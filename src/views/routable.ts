import type { Database } from "../database/database.ts"
import { readCatalog } from "../database/read-catalog.ts"
import { definitionOf, type ViewDefinition } from "./definition.ts"
import { hasState, limits, readStates } from "./state.ts"

/** A view that queries may be answered from, with what says whether they may at this moment. */
export interface RoutableView {
  readonly oid: number
  readonly definition: ViewDefinition
  /** SQL of type boolean: true where the view is exact in the snapshot of the statement that it stands in; null where that is not known. */
  readonly exactSql: string | null
  /** How old an answer from it may be where it is not exact; null: it must be exact. */
  readonly maxStalenessMs: number | null
  /** The moment that its rows reflect at least; null before the first refresh here. */
  readonly asOf: Date | null
}

/**
 * The views kept here that hold something, as a rewriter takes them, in the names and the zone of the sessions of `database`. The pinned zone
 * of a view that was made here is told; an adopted one may have been filled in any.
 */
export async function routableViews(database: Database): Promise<RoutableView[]> {
  if (!(await hasState(database))) return []
  const states = (await readStates(database, null)).filter(({ quarantinedAt }) => quarantinedAt === null)
  if (states.length === 0) return []
  const { relations } = await readCatalog(database, { relations: states.map(({ schema, name }) => ({ schema, name })) })
  return states.flatMap((state) => {
    const relation = relations.find(({ oid }) => oid === state.relation)
    if (relation === undefined || !relation.populated || relation.kind !== "materialized view") return []
    const pinned = state.refreshedAt === null ? null : state.timeZone
    return [
      {
        oid: state.relation,
        definition: definitionOf(relation, pinned),
        exactSql: state.tracked ? `selecto.views_fresh(${state.relation}::oid)` : null,
        maxStalenessMs: state.maxStalenessMs,
        asOf: state.verifiedAt,
      },
    ]
  })
}

/** What a view has been good for since the last time it was noted. */
export interface ViewUse {
  readonly oid: number
  /** Queries answered from it. */
  readonly answered: number
  /** Milliseconds that they would have taken more from the tables. */
  readonly savedMs: number
}

const useText = `
insert into selecto.views_use (view, day, answered, saved_ms)
select v.id, (pg_catalog.now() at time zone 'UTC')::date, u.answered, u.saved_ms
from unnest($1::oid[], $2::int8[], $3::float8[]) as u (oid, answered, saved_ms) join selecto.views_view v on v.relation = u.oid order by v.id
on conflict (view, day) do update set answered = views_use.answered + excluded.answered, saved_ms = views_use.saved_ms + excluded.saved_ms
/* selecto:views */`

/** Adds to the counters of views; for whoever answers queries from them, from time to time. Views that are gone are passed over. */
export async function noteUses(database: Database, uses: readonly ViewUse[]): Promise<void> {
  if (uses.length === 0) return
  const values = [uses.map(({ oid }) => oid), uses.map(({ answered }) => answered), uses.map(({ savedMs }) => savedMs)]
  await database.query({ text: useText, values }, limits)
}
