import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteQualified } from "../sql/identifier.ts"

interface RootRow {
  readonly schema: string
  readonly name: string
  readonly kind: string
}

/**
 * Locks a tree against writers for the rest of the transaction (SHARE ROW EXCLUSIVE on all of it: what is under way ends first, and
 * nothing is written before the triggers stand). Passes over what is gone and what holds no triggers.
 */
export async function lockRoot(session: Session, root: number, options: QueryOptions): Promise<void> {
  const row = await findRoot(session, root, options)
  if (row === null || (row.kind !== "r" && row.kind !== "p")) return
  const text = `lock table ${quoteQualified(row.schema, row.name)} in share row exclusive mode /* selecto:changes */`
  await session.query({ text, values: [] }, options)
}

/**
 * Locks a tree, checks that its changes can be known and that this role may put triggers on it, and notes the root. Errors:
 * E_UNTRACKABLE_TABLE, E_MISSING_RIGHT with the GRANT, E_UNKNOWN_TABLE when it is gone; E_DATABASE with 55P03 when the lock was not
 * had.
 */
export async function prepareRoot(session: Session, root: number, options: QueryOptions): Promise<void> {
  const row = await findRoot(session, root, options)
  if (row === null) throw new SelectoError("E_UNKNOWN_TABLE", `The table with the oid ${root} is gone: it was dropped meanwhile.`)
  await refuse(session, root, options)
  await lockRoot(session, root, options)
  // Again, for what came into the tree while this waited.
  await refuse(session, root, options)
  await session.query(
    {
      text: `insert into selecto.changes_root (root, kind, schema, name) values ($1, $2, $3, $4)
        on conflict (root) do nothing /* selecto:changes */`,
      values: [root, row.kind === "m" ? "materialized view" : "table", row.schema, row.name],
    },
    options,
  )
}

async function findRoot(session: Session, root: number, options: QueryOptions): Promise<RootRow | null> {
  return (await session.query<RootRow>({ text: rootText, values: [root] }, options)).rows[0] ?? null
}

async function refuse(session: Session, root: number, options: QueryOptions): Promise<void> {
  const { rows } = await session.query<{ name: string; why: string | null; owner: string | null; role: string }>(
    { text: faultsText, values: [root] },
    options,
  )
  const [fault] = rows
  if (fault?.why != null) throw new SelectoError("E_UNTRACKABLE_TABLE", `${fault.name} ${fault.why}`, { path: fault.name })
  if (fault?.owner != null)
    throw new SelectoError(
      "E_MISSING_RIGHT",
      `Triggers on ${fault.name} are for its owner to make. Run this as ${fault.owner}, or: GRANT ${quoteIdentifier(fault.owner)} TO ${quoteIdentifier(fault.role)}`,
      { path: fault.name },
    )
}

const rootText = `
select n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = $1 /* selecto:changes */`

/** The first member that cannot be tracked, or that another role owns. */
const faultsText = `
select c.oid::pg_catalog.regclass::text as name, current_user::text as role,
  case when n.nspname in ('pg_catalog', 'information_schema', 'selecto') then 'belongs to the system: nothing tells of its changes.'
    when c.relkind = 'v' then 'is a view: track the tables that it reads.'
    when c.relkind = 'f' then 'is a foreign table: what is changed at the other end is not seen here.'
    when c.relkind not in ('r', 'p', 'm') then 'is no table.'
    when c.relpersistence = 't' then 'is temporary: only its own session sees it.'
    when c.relpersistence = 'u' then 'is unlogged: a crash empties it without a trace. ALTER TABLE … SET LOGGED first.' end as why,
  case when not pg_catalog.pg_has_role(c.relowner, 'usage') then pg_catalog.pg_get_userbyid(c.relowner)::text end as owner
from (select $1::oid as member union select t.member from selecto.changes_tree($1) t) m
join pg_catalog.pg_class c on c.oid = m.member join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by 3 nulls last, 4 nulls last limit 1 /* selecto:changes */`
