import {
  bindIdentity,
  changesComponent,
  findRelations,
  installedVersions,
  type KnownRelation,
  migrate,
  type RelationRef,
} from "../changes/index.ts"
import type { Database, QueryOptions, Session } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { viewsComponent } from "./schema.ts"
import type { KeptStrategy } from "./strategy.ts"

/** Statements on the catalog and on our own tables. */
export const limits: QueryOptions = { timeoutMs: 30_000 }

/** A managed view as schema selecto keeps it. */
export interface ViewState {
  readonly id: number
  readonly relation: number
  readonly schema: string
  readonly name: string
  readonly origin: "created" | "adopted"
  readonly source: string
  readonly searchPath: string
  readonly definition: string
  readonly timeZone: string | null
  readonly strategy: KeptStrategy
  readonly maxStalenessMs: number | null
  readonly tracked: boolean
  readonly bases: readonly number[]
  readonly createdAt: Date
  readonly generation: number
  readonly mark: string | null
  readonly storage: number | null
  readonly refreshedAt: Date | null
  readonly verifiedAt: Date | null
  readonly durationMs: number | null
  readonly concurrently: boolean | null
  readonly nextRun: Date | null
  readonly failures: number
  readonly error: string | null
  readonly failedAt: Date | null
  readonly ownScans: number
  readonly scans: number | null
  readonly readAt: Date | null
  readonly quarantinedAt: Date | null
  readonly formerName: string | null
}

const dates = ["createdAt", "refreshedAt", "verifiedAt", "nextRun", "failedAt", "readAt", "quarantinedAt"] as const
const millis = (column: string): string => `(extract(epoch from v.${column}) * 1000)::float8`

/** Text that gives a state as JSON, from a table expression `v` of selecto.views_view. */
export const stateJson: string = `pg_catalog.json_build_object('id', v.id, 'relation', v.relation::int8, 'schema', v.schema, 'name', v.name,
  'origin', v.origin, 'source', v.source, 'searchPath', v.search_path, 'definition', v.definition, 'timeZone', v.time_zone,
  'strategy', v.strategy, 'maxStalenessMs', v.max_staleness, 'tracked', v.tracked, 'bases', (select coalesce(pg_catalog.json_agg(b::int8), '[]')
    from unnest(v.bases) b), 'createdAt', ${millis("created_at")}, 'generation', v.generation, 'mark', v.mark, 'storage', v.storage::int8,
  'refreshedAt', ${millis("refreshed_at")}, 'verifiedAt', ${millis("verified_at")}, 'durationMs', v.duration_ms,
  'concurrently', v.was_concurrent, 'nextRun', ${millis("next_run")}, 'failures', v.failures, 'error', v.error,
  'failedAt', ${millis("failed_at")}, 'ownScans', v.own_scans, 'scans', v.scans, 'readAt', ${millis("read_at")},
  'quarantinedAt', ${millis("quarantined_at")}, 'formerName', v.former_name)`

/** A state out of {@link stateJson}. */
export function stateOf(json: Record<string, unknown>): ViewState {
  const state = { ...json }
  for (const key of dates) state[key] = json[key] === null ? null : new Date(json[key] as number)
  return state as unknown as ViewState
}

/** The states of views, all or by the views' oids. */
export async function readStates(
  source: Pick<Database | Session, "queryText">,
  relations: readonly number[] | null,
  options: QueryOptions = limits,
): Promise<ViewState[]> {
  const text = `select ${stateJson}::text from selecto.views_view v where $1::oid[] is null or v.relation = any ($1)
    order by v.schema, v.name /* selecto:views */`
  const values = [relations === null ? null : `{${relations.join(",")}}`]
  const { rows } = await source.queryText({ text, values }, options)
  return rows.map(([json]) => stateOf(JSON.parse(json!) as Record<string, unknown>))
}

/** True when this database keeps states of views. A role that may not look has none for us: E_MISSING_RIGHT. */
export async function hasState(source: Database | Session, options: QueryOptions = limits): Promise<boolean> {
  return (await installedVersions(source, options)).has("views")
}

/**
 * Makes or upgrades schema selecto for views, and binds what it knows to this database: after a restore views are found again by
 * their names, and count as stale.
 */
export async function prepareState(database: Database, signal: AbortSignal | undefined): Promise<void> {
  await migrate(database, [changesComponent, viewsComponent], { signal })
  await rebind(database, signal)
}

/** A view that is not there under its name gets an oid that no relation has, and may be found again later. */
const rebindText = `
update selecto.views_view v set epoch = s.epoch, mark = null, storage = null, relation = coalesce((
  select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'm' and n.nspname = v.schema and c.relname = v.name), (4294967295 - v.id)::oid)
from selecto.changes_state s where s.only_row and v.epoch <> s.epoch /* selecto:views */`

const renamedText = `
update selecto.views_view v set schema = n.nspname, name = c.relname
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = v.relation and (v.schema, v.name) is distinct from (n.nspname, c.relname) /* selecto:views */`

/** Finds views again that have another oid (after a restore) or another name (renamed by somebody). */
export async function rebind(database: Database, signal: AbortSignal | undefined): Promise<void> {
  const query = { ...limits, signal }
  await bindIdentity(database, query)
  await database.query({ text: rebindText, values: [] }, query)
  await database.query({ text: renamedText, values: [] }, query)
}

/** A materialized view as callers name it. Errors: E_UNKNOWN_VIEW with what was probably meant. */
export async function findView(session: Session, ref: RelationRef, options: QueryOptions = limits): Promise<KnownRelation> {
  const written = typeof ref === "object" ? `${ref.schema}.${ref.name}` : String(ref)
  try {
    const [found] = await findRelations(session, [ref], options)
    if (found!.kind === "m") return found!
    throw new SelectoError("E_UNKNOWN_VIEW", `${written} is no materialized view.`, { path: written })
  } catch (error) {
    if (!isSelectoError(error, "E_UNKNOWN_TABLE")) throw error
    throw new SelectoError("E_UNKNOWN_VIEW", error.message.replace("no table", "no materialized view"), {
      path: written,
      suggestions: error.suggestions,
      cause: error,
    })
  }
}

/** A session for a few reads. */
export async function inSession<T>(
  database: Database,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await database.acquire({ signal })
  try {
    return await work(session)
  } finally {
    session.release()
  }
}
