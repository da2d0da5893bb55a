import { rightError } from "../changes/index.ts"
import type { QueryOptions, Session } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteQualified } from "../sql/identifier.ts"
import { limits } from "./state.ts"

/** A view to fill. */
export interface Fillable {
  readonly oid: number
  readonly schema: string
  readonly name: string
}

/** What filling a view did. */
export interface Filled {
  readonly concurrently: boolean
  readonly durationMs: number
  /** Rows as ANALYZE has estimated them afterwards: exact for small views. */
  readonly rows: number
}

const readyText = `
select c.relispopulated as populated, pg_catalog.pg_get_userbyid(c.relowner)::text as owner, current_user::text as role,
  exists (select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am a on a.oid = x.relam
    where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and a.amname = 'btree'
      and not (0 = any (i.indkey::int2[]))) as keyed
from pg_catalog.pg_class c where c.oid = $1 /* selecto:views */`

const outcomeText = "select c.reltuples::float8 as rows from pg_catalog.pg_class c where c.oid = $1 /* selecto:views */"

/**
 * What results must not depend on: the same in every process and session, whatever the role's settings are. Without a zone the
 * session's own is left.
 */
export async function pinSettings(session: Session, timeZone: string | null): Promise<void> {
  const pinned: Record<string, string> = {
    datestyle: "ISO, MDY",
    intervalstyle: "postgres",
    extra_float_digits: "1",
    bytea_output: "hex",
    ...(timeZone === null ? {} : { timezone: timeZone }),
  }
  for (const setting of Object.entries(pinned))
    await session.query({ text: "select pg_catalog.set_config($1, $2, true) /* selecto:views */", values: setting }, limits)
}

/**
 * REFRESH MATERIALIZED VIEW in an open transaction, and ANALYZE. CONCURRENTLY lets others read on, and needs a unique index over plain
 * columns, without WHERE, and a view that holds something: "auto" is where it can be. Errors: E_VIEW_NOT_CONCURRENT,
 * E_VIEW_DUPLICATES, E_MISSING_RIGHT.
 */
export async function fill(
  session: Session,
  { oid, schema, name }: Fillable,
  mode: boolean | "auto",
  options: QueryOptions,
): Promise<Filled> {
  const { rows: known } = await session.query<{ populated: boolean; owner: string; role: string; keyed: boolean }>(
    { text: readyText, values: [oid] },
    limits,
  )
  const ready = known[0]
  const full = `${schema}.${name}`
  if (ready === undefined)
    throw new SelectoError("E_UNKNOWN_VIEW", `The materialized view ${full} is gone: it was dropped meanwhile.`, { path: full })
  const concurrently = mode === "auto" ? ready.populated && ready.keyed : mode
  if (concurrently && !(ready.populated && ready.keyed))
    throw new SelectoError(
      "E_VIEW_NOT_CONCURRENT",
      ready.populated
        ? `${full} cannot be refreshed concurrently: create a unique index with no WHERE clause on one or more of its columns first.`
        : `${full} cannot be refreshed concurrently: it holds nothing yet. Refresh it plainly once.`,
      { path: full },
    )
  const quoted = quoteQualified(schema, name)
  const text = `refresh materialized view ${concurrently ? "concurrently " : ""}${quoted} /* selecto:views */`
  const started = performance.now()
  try {
    await session.query({ text, values: [] }, options)
    const durationMs = performance.now() - started
    await session.query({ text: `analyze ${quoted} /* selecto:views */`, values: [] }, options)
    const outcome = (await session.query<{ rows: number }>({ text: outcomeText, values: [oid] }, limits)).rows[0]!
    return { concurrently, durationMs, rows: Math.max(0, Number(outcome.rows)) }
  } catch (error) {
    throw fillError(error, full, ready.owner, ready.role)
  }
}

function fillError(error: unknown, full: string, owner: string, role: string): unknown {
  if (isSelectoError(error, "E_DATABASE") && (error.sqlState === "23505" || error.sqlState === "21000"))
    return new SelectoError(
      "E_VIEW_DUPLICATES",
      `${full} was not refreshed: its definition gives rows that are not unique in the columns of its unique index. Drop that index, or create one over columns that are.`,
      { path: full, cause: error, sqlState: error.sqlState, sqlClass: error.sqlClass },
    )
  return rightError(error, `refresh ${full}`, `GRANT ${quoteIdentifier(owner)} TO ${quoteIdentifier(role)}`)
}
