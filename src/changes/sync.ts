import type { Database, QueryOptions, Session } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { adopt } from "./adopt.ts"
import { confirmEvents } from "./events.ts"
import { bindIdentity } from "./identity.ts"
import type { RetryOptions } from "./retry.ts"
import { stateError } from "./rights.ts"
import { rootTransaction } from "./root-transaction.ts"
import { settle } from "./trigger-set.ts"

/** Something that is not as it must be. */
export interface Drift {
  /** pg_class.oid of the root, and of the table of its tree that it is about. */
  readonly root: number
  readonly member: number
  /** The table's name with its schema, or its oid when it is gone. */
  readonly table: string
  /**
   * "missing", "disabled", "unexpected": a trigger; "new", "left": a partition or child; "gone", "renamed": the table; "parent": it has become
   * part of another tree; "altered": columns, types, policies or rights; "rewritten": its file; "blind": what is said of it is out of date.
   */
  readonly problem: DriftProblem
}

export type DriftProblem =
  | "missing"
  | "disabled"
  | "unexpected"
  | "new"
  | "left"
  | "gone"
  | "parent"
  | "renamed"
  | "altered"
  | "rewritten"
  | "blind"

const driftText = `
select d.root::text as root, d.member::text as member, d.member::pg_catalog.regclass::text as table, d.problem
from selecto.changes_drift() d /* selecto:changes */`

/** What has come apart: nothing is changed. Errors: E_NOT_INSTALLED, E_MISSING_RIGHT. */
export async function drift(source: Database | Session, options: QueryOptions = {}): Promise<Drift[]> {
  try {
    const { rows } = await source.query<{ root: string; member: string; table: string; problem: DriftProblem }>(
      { text: driftText, values: [] },
      { timeoutMs: 60_000, ...options },
    )
    return rows.map((row) => ({ ...row, root: Number(row.root), member: Number(row.member) }))
  } catch (error) {
    throw stateError(error)
  }
}

/** What a call of {@link syncTracking} found and did. */
export interface SyncReport {
  /** The state came from another database or server: everything derived is stale. */
  readonly moved: boolean
  /** What had come apart, and was put right (or not: see `failed`). */
  readonly drift: readonly Drift[]
  /** What was done, in words. */
  readonly done: readonly string[]
  /** Trees that could not be put right; until they are, everything derived from them counts as stale. */
  readonly failed: readonly { readonly root: number; readonly error: Error }[]
  /** Names, definitions or roles were altered since the last call. */
  readonly catalogMoved: boolean
}

/**
 * Puts right what has come apart since the last call: partitions that came or went, triggers that were dropped or disabled, columns
 * that were altered, a database that was restored. With event triggers it finds little to do; without them it is how DDL is noticed, and
 * must be called from time to time (each call reads the catalog: some milliseconds). Safe in many processes at once. Errors:
 * E_NOT_INSTALLED, E_MISSING_RIGHT.
 */
export async function syncTracking(database: Database, options: RetryOptions = {}): Promise<SyncReport> {
  const query: QueryOptions = { timeoutMs: 60_000, signal: options.signal }
  try {
    const moved = await bindIdentity(database, query)
    const found = await drift(database, query)
    const done: string[] = []
    const failed: { root: number; error: Error }[] = []
    for (const root of [...new Set(found.map((one) => one.root))]) {
      try {
        const parent = found.some((one) => one.root === root && one.problem === "parent")
        done.push(
          ...(parent
            ? await adopt(database, root, options)
            : await rootTransaction(database, root, options, (session, limits) => settle(session, root, limits))),
        )
      } catch (error) {
        if (!isSelectoError(error)) throw error
        failed.push({ root, error })
        await database.query({ text: blindText, values: [root, error.message] }, query)
      }
    }
    const altered = found.some(({ problem }) => problem === "altered" || problem === "renamed")
    const catalogMoved = await noteNames(database, altered, query)
    if (failed.length === 0) await confirmEvents(database, query)
    return { moved, drift: found, done, failed, catalogMoved }
  } catch (error) {
    throw stateError(error)
  }
}

const blindText = `
with blinded as (update selecto.changes_root set blind = $2 where root = $1 returning root)
select selecto.changes_touch(array[root]) from blinded /* selecto:changes */`

const namesText = `
with now as (select selecto.changes_names() as names),
moved as (
  update selecto.changes_state s set names = now.names from now
  where s.only_row and ($1::boolean or s.names <> now.names) returning s.names)
select selecto.changes_touch(array[0]::oid[]) from moved /* selecto:changes */`

async function noteNames(database: Database, altered: boolean, query: QueryOptions): Promise<boolean> {
  return (await database.query({ text: namesText, values: [altered] }, query)).rows.length > 0
}

const versionText = `
select pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(selecto.changes_names() || coalesce((
  select pg_catalog.string_agg(f.root || f.fingerprint, ',' order by f.root) from selecto.changes_fingerprints(null) f), ''), 'UTF8')),
  'hex') as version /* selecto:changes */`

/**
 * A text that is another one after anything is altered that can change what a statement on tracked tables means or may read: names,
 * columns, types, functions, views, policies, grants, roles and their settings. Equal in all processes. Reads the catalog: milliseconds,
 * more with thousands of tables. Errors: E_NOT_INSTALLED.
 */
export async function schemaVersion(source: Database | Session, options: QueryOptions = {}): Promise<string> {
  try {
    const { rows } = await source.query<{ version: string }>({ text: versionText, values: [] }, { timeoutMs: 60_000, ...options })
    return rows[0]!.version
  } catch (error) {
    throw stateError(error)
  }
}
