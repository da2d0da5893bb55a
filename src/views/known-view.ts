import type { RelationName } from "../database/catalog.ts"
import type { Database } from "../database/database.ts"

/** A materialized view that may answer queries, as whoever looks after views knows it. */
export interface KnownView extends RelationName {
  /** TimeZone that every refresh runs with, where its owner pinned one. */
  readonly timeZone: string | null
  /** Milliseconds of age that the view itself allows to queries that say nothing; null: only to those that ask for it. */
  readonly maxStaleness: number | null
  /** Milliseconds since the snapshot of its last refresh, by the database's clock; null when nobody knows. */
  readonly age: number | null
}

/** Who knows the views of a database: the port between routing and the keeping of views. */
export interface ViewCatalog {
  /** Asked before each query that may be routed: answered from memory, but for a question every some seconds. */
  list(): Promise<readonly KnownView[]>
  /** False while no view allows any age by itself: then queries that do not ask pass at no cost. */
  hasDefaults(): boolean
}

const listText = `
select json_build_object('schema', n.nspname, 'name', c.relname)::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and n.nspname !~ '^pg_' and pg_catalog.has_table_privilege(c.oid, 'select')
order by 1 /* selecto:views */`

const keptFor = 10_000

/** Every materialized view that this role may read, of unknown age: PostgreSQL does not keep when a view was refreshed. */
export function databaseViews(database: Database): ViewCatalog {
  let kept: { readonly at: number; readonly views: Promise<readonly KnownView[]> } | null = null
  const read = async (): Promise<readonly KnownView[]> => {
    const { rows } = await database.queryText({ text: listText, values: [] }, { timeoutMs: 10_000 })
    return rows.map(([json]) => ({ ...(JSON.parse(json!) as RelationName), timeZone: null, maxStaleness: null, age: null }))
  }
  return {
    list: () => {
      if (kept !== null && performance.now() - kept.at < keptFor) return kept.views
      const views = read()
      const own = { at: performance.now(), views }
      kept = own
      views.catch(() => {
        if (kept === own) kept = null
      })
      return views
    },
    hasDefaults: () => false,
  }
}
