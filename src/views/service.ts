import type { RelationRef, RetryOptions } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { type AdoptedView, adoptView } from "./adopt.ts"
import { type CleanupAction, type CleanupOptions, cleanupViews, restoreView } from "./cleanup.ts"
import { examine, type ViewDiff } from "./compare.ts"
import { type CreatedView, createView } from "./create.ts"
import { type DroppedView, dropView } from "./drop.ts"
import { redefineView } from "./redefine.ts"
import { type RefreshOptions, type RefreshReport, refreshLock, refreshViews } from "./refresh.ts"
import { type ScheduleOptions, type Scheduler, schedule } from "./scheduler.ts"
import { type KeepOptions, keptOf, type MakeOptions, type ViewSpec } from "./spec.ts"
import { findView, inSession } from "./state.ts"
import { type ViewStatus, viewStatuses } from "./status.ts"
import { type WorkOptions, type WorkReport, workOnce } from "./work.ts"

/** What a person calls: `selecto.views`. */
export interface ViewService {
  /** Makes a materialized view, fills it and keeps it. The same call again changes nothing but how it is kept. */
  create(spec: ViewSpec, options?: MakeOptions): Promise<CreatedView>
  /** Holds a definition against what is there; changes nothing. */
  diff(
    spec: Pick<ViewSpec, "name" | "text" | "timezone">,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<ViewDiff>
  /** Puts another definition in a view's place, without a moment in which it is not there. */
  redefine(spec: ViewSpec, options?: MakeOptions): Promise<CreatedView>
  /** Keeps a materialized view that somebody else made; it is never dropped. */
  adopt(name: RelationRef, keep?: KeepOptions, options?: MakeOptions): Promise<AdoptedView>
  /** Refreshes a view, where there is something to refresh. */
  refresh(name: RelationRef, options?: RefreshOptions): Promise<RefreshReport>
  /** Refreshes several views in one transaction, so that they agree with one another. */
  refreshAll(names: readonly RelationRef[], options?: RefreshOptions): Promise<readonly RefreshReport[]>
  /** How one view is. */
  status(name: RelationRef): Promise<ViewStatus>
  /** How all views are that are kept here. */
  list(): Promise<readonly ViewStatus[]>
  /** Drops a view that was made here, never with CASCADE; lets an adopted one go. */
  drop(name: RelationRef, options?: RetryOptions): Promise<DroppedView>
  /** Finds views that nobody reads; with `apply` renames them, and drops them when nobody has missed them. */
  cleanup(options?: CleanupOptions): Promise<readonly CleanupAction[]>
  /** Gives a view that cleanup() has renamed its name back. */
  restore(name: RelationRef, options?: RetryOptions): Promise<{ readonly view: string }>
  /** Refreshes what is due, once: for cron and serverless functions. */
  work(options?: WorkOptions): Promise<WorkReport>
  /** Refreshes what is due from now on, in the background; safe in many processes at once. */
  start(options?: ScheduleOptions): Scheduler
}

/** The service over a database. */
export function viewService(database: Database): ViewService {
  return {
    create: (spec, options) => createView(database, spec, options),
    diff: async ({ timezone, ...spec }, options = {}) =>
      (await examine(database.direct, spec, keptOf({ timezone }).timeZone, options.signal)).diff,
    redefine: (spec, options) => redefineView(database, spec, options),
    adopt: (name, keep, options) => adoptView(database, name, keep, options),
    refresh: async (name, options) => {
      const reports = await refreshViews(database, [name], options)
      return reports.at(-1)!
    },
    refreshAll: (names, options) => refreshViews(database, names, options),
    status: async (name) => {
      const { oid, schema, name: bare } = await inSession(database, undefined, (session) => findView(session, name))
      const [status] = await viewStatuses(database, refreshLock, [oid])
      if (status === undefined)
        throw new SelectoError("E_UNKNOWN_VIEW", `${schema}.${bare} is not kept here. Keep it with adopt().`, {
          path: `${schema}.${bare}`,
        })
      return status
    },
    list: () => viewStatuses(database, refreshLock),
    drop: (name, options) => dropView(database, name, options),
    cleanup: (options) => cleanupViews(database, options),
    restore: (name, options) => restoreView(database, name, options),
    work: (options) => workOnce(database, options),
    start: (options) => schedule(database, options),
  }
}
