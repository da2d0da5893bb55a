import type { Database, QueryOptions } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { stateError } from "./rights.ts"

export interface PruneOptions {
  /** Rows are kept at least this long. Default "1m". */
  readonly keep?: Duration | undefined
  /** Most rows that one transaction deletes. Default 20,000. */
  readonly batch?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Within a database, one process prunes at a time. */
const pruneLock = "32481138553615472"

/**
 * The horizon is the oldest transaction that was running when the pruning before this one began: whatever is below it, every snapshot
 * taken since has seen or will never see. Kept in the state until the next time; so rows live for one to two times `keep`.
 */
const horizonText = `
with due as (
  select only_row, prune_xmin from selecto.changes_state
  where only_row and (pruned_at is null or pruned_at <= pg_catalog.clock_timestamp() - $1 * interval '1 millisecond')),
moved as (
  update selecto.changes_state s set prune_xmin = pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()),
    pruned_at = pg_catalog.clock_timestamp()
  from due where s.only_row returning 1)
select due.prune_xmin::text as horizon from due, moved /* selecto:changes */`

/**
 * Deletes a batch, and notes the highest xid among it in the same statement: whoever does not see a row any more sees that there may
 * have been one. It is noted for each relation, so that what was derived from tables that have not changed since stays valid for ever.
 */
const batchText = `
with old as (
  select ctid from selecto.changes_log where relation = $1 and xid < $2::xid8 order by xid limit $3),
gone as (
  delete from selecto.changes_log l using old where l.ctid = old.ctid returning l.xid),
noted as (
  update selecto.changes_root r set pruned = greatest(r.pruned, highest.xid)
  from (select xid from gone order by xid desc limit 1) highest where r.root = $1 returning 1)
select count(*)::int as gone from gone /* selecto:changes */`

const relationsText = `
select relation::text as relation from (
  with recursive r (relation) as (
    (select relation from selecto.changes_log order by relation limit 1)
    union all select (select l.relation from selecto.changes_log l where l.relation > r.relation order by l.relation limit 1)
    from r where r.relation is not null)
  select relation from r where relation is not null) found /* selecto:changes */`

/**
 * Deletes rows of the change log that nobody needs: of two processes that call it, one does it. To be called from time to time (a
 * scheduler of views or of the cache does). Gives the number of deleted rows; 0 when it is not due. Errors: E_NOT_INSTALLED,
 * E_MISSING_RIGHT.
 */
export async function pruneLog(database: Database, options: PruneOptions = {}): Promise<number> {
  const keepMs = millisecondsOf(options.keep ?? "1m", "keep")
  const query: QueryOptions = { timeoutMs: 60_000, signal: options.signal }
  const transaction = { room: "changes", signal: options.signal }
  try {
    const horizon = await ownTransaction(database, transaction, async (session) => {
      const lock = { text: "select pg_catalog.pg_try_advisory_xact_lock($1) /* selecto:changes */", values: [pruneLock] }
      if ((await session.queryText(lock, query)).rows[0]![0] !== "t") return null
      return (await session.queryText({ text: horizonText, values: [keepMs] }, query)).rows[0]?.[0] ?? null
    })
    if (horizon === null) return 0
    const { rows } = await database.query<{ relation: string }>({ text: relationsText, values: [] }, query)
    let deleted = 0
    for (const { relation } of rows) {
      for (;;) {
        const gone = await ownTransaction(database, transaction, async (session) => {
          const values = [Number(relation), horizon, options.batch ?? 20_000]
          return (await session.query<{ gone: number }>({ text: batchText, values }, query)).rows[0]!.gone
        })
        deleted += gone
        if (gone === 0) break
      }
    }
    return deleted
  } catch (error) {
    throw stateError(error)
  }
}
