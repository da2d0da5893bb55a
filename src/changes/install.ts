import type { Database, QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { changesComponent } from "./component.ts"
import { enableEvents } from "./events.ts"
import { bindIdentity } from "./identity.ts"
import { checkKeys } from "./keys.ts"
import { migrate } from "./migration.ts"
import { type Need, readNeeds, together, trackingSet } from "./needs.ts"
import { findRelations, type KnownRelation, type RelationRef } from "./relations.ts"
import type { RetryOptions } from "./retry.ts"
import { stateError } from "./rights.ts"
import { lockRoot, prepareRoot } from "./root.ts"
import { rootTransaction, treeLimits } from "./root-transaction.ts"
import { type TrackingStatus, trackingStatus } from "./status.ts"
import { syncTracking } from "./sync.ts"
import { putTriggerSet, settle, type TriggerSet } from "./trigger-set.ts"

/** A table to track, with columns whose changed values its notices are to tell. */
export interface TableWithKeys {
  readonly table: RelationRef
  readonly keys: readonly string[]
}

export interface TrackOptions extends RetryOptions {
  /** Who needs it: untracking takes the need of one owner away, and leaves the others theirs. Default "user". */
  readonly owner?: string | undefined
  /** Keeps changes in the change log: needed by {@link changedSince}. Default true. */
  readonly log?: boolean | undefined
  /**
   * Sends a NOTIFY with each commit that changes the table. Such commits wait for one another, and cannot be prepared in two phases.
   * Default false.
   */
  readonly notify?: boolean | undefined
  /** "polling": no event triggers, even where this role may make them. Default "auto". */
  readonly ddl?: "auto" | "polling" | undefined
  readonly onProgress?: ((event: { readonly table: string; readonly done: number; readonly of: number }) => void) | undefined
}

/**
 * Tracks tables: makes the triggers that log their changes or tell them. A partition or child is tracked with its whole tree. Each tree
 * is one transaction of its own; a call that was cut short is completed by the same call. Idempotent, and safe in many processes.
 *
 * Tables: schema `selecto` (made when it is not there); triggers `selecto_changes_…` on the tables; event triggers where the role may.
 * Errors: E_UNKNOWN_TABLE, E_UNTRACKABLE_TABLE, E_MISSING_RIGHT, E_READ_ONLY, E_LOCK_TIMEOUT, E_STATE_NEWER, E_INVALID_OPTION.
 *
 * @example
 * await track(database, ["orders", { table: "order_items", keys: ["order_id"] }], { owner: "cache", notify: true })
 */
export async function track(
  database: Database,
  tables: readonly (RelationRef | TableWithKeys)[],
  options: TrackOptions = {},
): Promise<TrackingStatus> {
  const query = { ...treeLimits, signal: options.signal }
  const owner = options.owner ?? "user"
  const need = { log: options.log ?? true, notify: options.notify ?? false }
  if (!need.log && !need.notify)
    throw new SelectoError("E_INVALID_OPTION", "track() with neither log nor notify would do nothing.", { path: "log" })
  await migrate(database, [changesComponent], { signal: options.signal })
  await bindIdentity(database, query)
  if (options.ddl !== "polling") await enableEvents(database, options)
  const wanted = tables.map((table) => (isTableWithKeys(table) ? table : { table, keys: [] }))
  const found = await inSession(database, options, async (session) => {
    const relations = await findRelations(
      session,
      wanted.map(({ table }) => table),
      query,
    )
    for (const [index, relation] of relations.entries()) await checkKeys(session, relation, wanted[index]!.keys, query)
    return relations
  })
  const keys = keysByRoot(found, wanted)
  const standing = await standingNeeds(database, owner, query)
  let done = 0
  // In one order, so that two processes that install the same tables wait for each other and do not deadlock.
  for (const [root, columns] of [...keys].sort(([a], [b]) => a - b)) {
    const table = found.find(({ roots }) => roots.includes(root))!
    options.onProgress?.({ table: `${table.schema}.${table.name}`, done, of: keys.size })
    done++
    // A process that starts and asks for what there is takes no lock, and makes nothing stale.
    if (sameNeed(standing.get(root), { ...need, keys: need.notify ? columns : [] })) continue
    await changeRoot(database, root, options, async (session) => {
      await prepareRoot(session, root, query)
      await session.query(
        {
          text: `insert into selecto.changes_need (root, owner, log, notify, keys) values ($1, $2, $3, $4, $5)
            on conflict (root, owner) do update set log = excluded.log, notify = excluded.notify, keys = excluded.keys
            /* selecto:changes */`,
          values: [root, owner, need.log, need.notify, need.notify ? columns : []],
        },
        query,
      )
      await putNeeds(session, root, query)
    })
  }
  // What came apart before, and whether the event triggers can be relied on by now.
  await syncTracking(database, options)
  return trackingStatus(database, { signal: options.signal })
}

export interface UntrackOptions extends RetryOptions {
  /** Whose need ends. Default: everybody's. */
  readonly owner?: string | undefined
}

/**
 * Ends tracking, of some tables or (undefined) of all: takes the triggers away that nobody needs any more. The log and schema
 * `selecto` stay; `removeOwned` takes these too. Tables that are not tracked are passed over.
 */
export async function untrack(
  database: Database,
  tables?: readonly RelationRef[] | undefined,
  options: UntrackOptions = {},
): Promise<void> {
  const query = { ...treeLimits, signal: options.signal }
  const roots = await inSession(database, options, async (session) => {
    const { rows } = await session
      .query<{ root: string }>(
        {
          text: `select distinct root::text as root from selecto.changes_need
          where $1::text is null or owner = $1 order by root /* selecto:changes */`,
          values: [options.owner ?? null],
        },
        query,
      )
      .catch((error) => {
        throw stateError(error)
      })
    const all = rows.map(({ root }) => Number(root))
    if (tables === undefined) return all
    const asked = new Set((await findRelations(session, tables, query)).flatMap((relation) => relation.roots))
    return all.filter((root) => asked.has(root))
  })
  for (const root of roots.sort((a, b) => a - b))
    await changeRoot(database, root, options, async (session) => {
      await lockRoot(session, root, query)
      await session.query(
        {
          text: "delete from selecto.changes_need where root = $1 and ($2::text is null or owner = $2) /* selecto:changes */",
          values: [root, options.owner ?? null],
        },
        query,
      )
      await putNeeds(session, root, query)
    })
}

/**
 * Puts a room's own triggers on a table and all of its tree, where they are kept as partitions come and go. An empty list of triggers
 * takes the set away. To do it in a transaction with other work: {@link prepareRoot}, {@link putTriggerSet}, {@link settle}.
 */
export async function installTriggers(
  database: Database,
  table: RelationRef,
  set: TriggerSet,
  options: RetryOptions = {},
): Promise<void> {
  const query = { ...treeLimits, signal: options.signal }
  const [relation] = await inSession(database, options, (session) => findRelations(session, [table], query))
  for (const root of relation!.roots)
    await changeRoot(database, root, options, async (session) => {
      await (set.triggers.length > 0 ? prepareRoot : lockRoot)(session, root, query)
      await putTriggerSet(session, root, set, query)
    })
}

/** Changes what is wanted of a tree, and makes it so; forgets the root when nobody needs it any more. */
async function changeRoot(
  database: Database,
  root: number,
  options: RetryOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  await rootTransaction(database, root, options, async (session, query) => {
    await work(session)
    await settle(session, root, query)
    await session.query({ text: forgetText, values: [root] }, query)
  })
}

const forgetText = `
with unneeded as (
  delete from selecto.changes_root r where r.root = $1 and r.root <> 0
    and not exists (select from selecto.changes_need n where n.root = $1)
    and not exists (select from selecto.changes_trigger t where t.root = $1)
  returning r.root)
delete from selecto.changes_member m where m.root in (select root from unneeded) /* selecto:changes */`

async function putNeeds(session: Session, root: number, query: QueryOptions): Promise<void> {
  const need = together(await readNeeds(session, root, query))
  await putTriggerSet(session, root, trackingSet(root, need), query)
  await session.query(
    { text: "update selecto.changes_root set logged = $2 where root = $1 /* selecto:changes */", values: [root, need.log] },
    query,
  )
}

/** What an owner needs already, by root. */
async function standingNeeds(database: Database, owner: string, query: QueryOptions): Promise<ReadonlyMap<number, Need>> {
  const text = `select root::text as root, log, notify, array_to_json(keys)::text as keys from selecto.changes_need
    where owner = $1 /* selecto:changes */`
  const { rows } = await database.query<Omit<Need, "keys"> & { readonly root: string; readonly keys: string }>(
    { text, values: [owner] },
    query,
  )
  return new Map(rows.map(({ root, log, notify, keys }) => [Number(root), { log, notify, keys: JSON.parse(keys) as string[] }]))
}

function sameNeed(one: Need | undefined, other: Need): boolean {
  if (one === undefined || one.log !== other.log || one.notify !== other.notify) return false
  const keys = new Set(one.keys)
  return keys.size === new Set(other.keys).size && other.keys.every((key) => keys.has(key))
}

async function inSession<T>(
  database: Database,
  options: { readonly signal?: AbortSignal | undefined },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await database.acquire({ signal: options.signal })
  try {
    return await work(session)
  } finally {
    session.release()
  }
}

function isTableWithKeys(table: RelationRef | TableWithKeys): table is TableWithKeys {
  return typeof table === "object" && "table" in table
}

/** The roots of all tables, with the key columns that are wanted of them. */
function keysByRoot(relations: readonly KnownRelation[], wanted: readonly TableWithKeys[]): Map<number, string[]> {
  const keys = new Map<number, string[]>()
  for (const [index, { roots }] of relations.entries())
    for (const root of roots) keys.set(root, [...(keys.get(root) ?? []), ...wanted[index]!.keys])
  return keys
}
