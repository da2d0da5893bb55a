import type { RelationRef, RetryOptions } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { type AdoptedView, adoptView } from "./adopt.ts"
import { type CleanupAction, type CleanupOptions, cleanupViews, restoreView } from "./cleanup.ts"
import { examine, type ViewDiff } from "./compare.ts"
import { type CreatedView, createView } from "./create.ts"
import { type DroppedView, dropView } from "./drop.ts"
import { databaseViews } from "./known-view.ts"
import { redefineView } from "./redefine.ts"
import { type RefreshOptions, type RefreshReport, refreshLock, refreshViews } from "./refresh.ts"
import type { RewriteOptions, Rewriting } from "./rewriter.ts"
import { type ViewRouter, viewRouter } from "./router.ts"
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
  /**
   * The statement as one over materialized views that returns the same rows and types, or the reason, view by view, why there is none.
   * Says nothing about how old the views are: who runs the text decides that. Takes the parameters of the statement.
   *
   * @example
   * await selecto.views.rewrite("select region, sum(total) from orders group by region", { judge: "semantics" })
   * // { text: "SELECT sales.region, sum(sales.s) AS sum FROM public.sales AS sales GROUP BY sales.region", views: ["public.sales"], … }
   */
  rewrite(text: string, options?: RewriteOptions): Promise<Rewriting>
}

/** The service over a database; what it changes, `router` looks at again. */
export function viewService(database: Database, router: ViewRouter = viewRouter(database, databaseViews(database))): ViewService {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } finally {
      router.forget()
    }
  }
  return {
    create: (spec, options) => told(createView(database, spec, options)),
    diff: async ({ timezone, ...spec }, options = {}) =>
      (await examine(database.direct, spec, keptOf({ timezone }).timeZone, options.signal)).diff,
    redefine: (spec, options) => told(redefineView(database, spec, options)),
    adopt: (name, keep, options) => told(adoptView(database, name, keep, options)),
    refresh: async (name, options) => {
      const reports = await told(refreshViews(database, [name], options))
      return reports.at(-1)!
    },
    refreshAll: (names, options) => told(refreshViews(database, names, options)),
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
    drop: (name, options) => told(dropView(database, name, options)),
    cleanup: (options) => told(cleanupViews(database, options)),
    restore: (name, options) => told(restoreView(database, name, options)),
    work: (options) => told(workOnce(database, options)),
    start: (options) => schedule(database, options),
    rewrite: (text, options) => router.rewrite(text, options),
  }
}
