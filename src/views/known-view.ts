import type { RelationName } from "../database/catalog.ts"
import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { hasState, limits, readStates, type ViewState } from "./state.ts"

/** A materialized view that may answer queries, as whoever looks after views knows it. */
export interface KnownView extends RelationName {
  /** TimeZone that every refresh runs with, where its owner pinned one. */
  readonly timeZone: string | null
  /** Milliseconds of age that the view itself allows, to queries that ask for no other; null: none. */
  readonly maxStaleness: number | null
  /** The moment that its rows are of, by performance.now(); null when nobody knows. */
  readonly asOf: number | null
}

/** Who knows the views of a database: the port between routing and the keeping of views. */
export interface ViewCatalog {
  /** Asked before each query that may be routed: answered from memory, the same list again, but for a question every some seconds. */
  list(): Promise<readonly KnownView[]>
  /** Asks again at the next list(). */
  forget(): void
}

const listText = `
select json_build_object('schema', n.nspname, 'name', c.relname, 'oid', c.oid::int8,
  'now', (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::float8)::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and n.nspname !~ '^pg_' and pg_catalog.has_table_privilege(c.oid, 'select')
order by 1 /* selecto:views */`

const keptFor = 10_000

/**
 * Every materialized view that this role may read. Of those that are kept here the age is known; of others it is not, because PostgreSQL
 * does not keep when a view was refreshed.
 */
export function databaseViews(database: Database): ViewCatalog {
  let kept: { readonly at: number; readonly views: Promise<readonly KnownView[]> } | null = null
  const read = async (): Promise<readonly KnownView[]> => {
    // Before the server looks at its clock, so that no view counts as younger than it is.
    const asked = performance.now()
    const { rows } = await database.queryText({ text: listText, values: [] }, limits)
    const views = rows.map(([json]) => JSON.parse(json!) as RelationName & { readonly oid: number; readonly now: number })
    const states = views.length > 0 ? await statesOf(database) : []
    return views.map(({ schema, name, oid, now }) => {
      const state = states.find(({ relation, quarantinedAt }) => relation === oid && quarantinedAt === null)
      return {
        schema,
        name,
        timeZone: state?.refreshedAt == null ? null : state.timeZone,
        maxStaleness: state?.maxStalenessMs ?? null,
        asOf: state?.verifiedAt == null ? null : asked - Math.max(0, now - state.verifiedAt.getTime()),
      }
    })
  }
  return {
    list: () => {
      if (kept === null || performance.now() - kept.at >= keptFor) {
        const own = { at: performance.now(), views: read() }
        kept = own
        own.views.catch(() => {
          if (kept === own) kept = null
        })
      }
      return kept.views
    },
    forget: () => {
      kept = null
    },
  }
}

/** A role that may not look has no states for us. */
async function statesOf(database: Database): Promise<readonly ViewState[]> {
  try {
    return (await hasState(database)) ? await readStates(database, null) : []
  } catch (error) {
    if (isSelectoError(error, "E_MISSING_RIGHT") || (isSelectoError(error) && error.sqlState === "42501")) return []
    throw error
  }
}
