import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"

const holdersText = `
select string_agg(distinct pg_catalog.format('pid %s (%s, in its transaction since %s)', a.pid,
    coalesce(nullif(a.application_name, ''), a.backend_type), pg_catalog.to_char(a.xact_start, 'HH24:MI:SS')), ', ') as holders,
  max($1::oid::pg_catalog.regclass::text) as name
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.granted and l.locktype = 'relation' and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and l.relation in (select t.member from selecto.changes_tree($1) t) and l.pid <> pg_catalog.pg_backend_pid()
  and l.mode not in ('AccessShareLock', 'RowShareLock') /* selecto:changes */`

/** The error of a tree whose locks were not had in time, with who holds some. */
export async function lockError(database: Database, root: number, cause: unknown): Promise<SelectoError> {
  const known = await database
    .query<{ holders: string | null; name: string | null }>({ text: holdersText, values: [root] }, { timeoutMs: 5_000 })
    .catch(() => ({ rows: [] }))
  const { holders, name } = known.rows[0] ?? { holders: null, name: null }
  const who = holders === null ? "whoever held it has ended since" : `held by ${holders}`
  return new SelectoError(
    "E_LOCK_TIMEOUT",
    `A lock on ${name ?? "a table"} or a partition of it was not had in time (${who}). Nothing was changed on it: try again, or with a longer retryFor.`,
    { path: name ?? undefined, cause },
  )
}
