import type { Database, QueryOptions, Session } from "../database/database.ts"
import { stateError } from "./rights.ts"

/**
 * A mark says what a statement has seen: life of the state, timeline of the server, and snapshot. It is kept as text with whatever was
 * derived then, and is worth as much in another process or years later. This expression gives it, in SQL; null on a standby.
 *
 * Take it in the snapshot that the derived data comes from: one statement with it, or one transaction of REPEATABLE READ. Not in a
 * transaction that has itself written tracked tables: what it wrote counts as seen.
 *
 * @example `insert into kept (name, mark) select 'sales', ${markSql}`
 */
export const markSql = "selecto.changes_mark()"

/**
 * The test, as an SQL expression of type boolean: is a change of any of these relations visible to the present snapshot that the mark's
 * had not seen? One probe of an index for each relation. `relations` (oid[]) and `mark` (text) are SQL themselves.
 *
 * True as well wherever the contrary cannot be known: a relation that is not tracked, a null mark, a mark of another epoch or timeline, a
 * log that was pruned too far, a snapshot older than the mark, a standby. The caller needs USAGE on schema selecto and nothing else.
 *
 * @example `select … from kept where not ${changedSinceSql("array[16385, 16390]::oid[]", "kept.mark")}`
 */
export function changedSinceSql(relations: string, mark: string): string {
  return `selecto.changes_since(${relations}, ${mark})`
}

const sinceText = `select ${changedSinceSql("$1::oid[]", "$2")} as changed /* selecto:changes */`
const markText = `select ${markSql} as mark /* selecto:changes */`
const limits: QueryOptions = { timeoutMs: 10_000 }

/**
 * True when a committed change of these relations has become visible since the mark, or when that cannot be excluded (see
 * {@link changedSinceSql}). In a session with an open transaction it answers for that transaction's snapshot, its own changes included.
 * Relations are oids: tables, partitions, tracked materialized views, or 0 for the catalog (names, definitions, functions). Errors:
 * E_NOT_INSTALLED, E_MISSING_RIGHT.
 *
 * @example await changedSince(database, [oid], mark)  // select selecto.changes_since('{16385}', '…/00000001/731:735:731')
 */
export async function changedSince(
  source: Pick<Database | Session, "queryText">,
  relations: readonly number[],
  mark: string | null,
  options: QueryOptions = limits,
): Promise<boolean> {
  try {
    const { rows } = await source.queryText({ text: sinceText, values: [`{${relations.join(",")}}`, mark] }, options)
    return rows[0]![0] === "t"
  } catch (error) {
    throw stateError(error)
  }
}

/** The mark of the present snapshot; null on a standby, which can give none. Errors: E_NOT_INSTALLED, E_MISSING_RIGHT. */
export async function currentMark(
  source: Pick<Database | Session, "queryText">,
  options: QueryOptions = limits,
): Promise<string | null> {
  try {
    return (await source.queryText({ text: markText, values: [] }, options)).rows[0]![0] ?? null
  } catch (error) {
    throw stateError(error)
  }
}

/**
 * Logs and tells a change that no trigger saw, in the transaction of `session`: a materialized view that was refreshed there. Relations
 * that are not tracked are passed over; 0 is the catalog.
 */
export async function touch(session: Session, relations: readonly number[], options: QueryOptions = limits): Promise<void> {
  try {
    await session.queryText({ text: touchText, values: [`{${relations.join(",")}}`] }, options)
  } catch (error) {
    throw stateError(error)
  }
}

const touchText = "select selecto.changes_touch($1::oid[]) /* selecto:changes */"

/**
 * The tracked roots of relations, as notices name them: of a partition its topmost ancestors, of a root itself. A relation that is not
 * tracked is not in the map.
 */
export async function trackedRoots(
  source: Pick<Database | Session, "query">,
  relations: readonly number[],
  options: QueryOptions = limits,
): Promise<Map<number, number[]>> {
  try {
    const { rows } = await source.query<{ member: string; root: string }>(
      { text: rootsText, values: [`{${relations.join(",")}}`] },
      options,
    )
    const roots = new Map<number, number[]>()
    for (const { member, root } of rows) roots.set(Number(member), [...(roots.get(Number(member)) ?? []), Number(root)])
    return roots
  } catch (error) {
    throw stateError(error)
  }
}

const rootsText = `
select member::text as member, root::text as root from selecto.changes_member where member = any ($1::oid[])
order by member, root /* selecto:changes */`
