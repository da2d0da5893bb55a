import { LRUCache } from "lru-cache"
import type { Database } from "../database/database.ts"
import { readCatalog } from "../database/read-catalog.ts"
import type { Request } from "../execution/request.ts"
import { definitionOf } from "./definition.ts"
import { filterIndex } from "./filter-index.ts"
import type { Costs } from "./judge.ts"
import type { KnownView, ViewCatalog } from "./known-view.ts"
import { type RewriteOptions, type Rewriting, rewriterOver, type ViewRewriter } from "./rewriter.ts"
import { allowedAge } from "./route-option.ts"
import { prepareSearch, type Searchable } from "./search.ts"

/** Why a query was answered from a view, or why from its tables: `report.route`. */
export interface RouteDecision {
  /** The view that answers, as schema.name; null when the query goes to its tables. */
  readonly view: string | null
  /** The statement over the view; null when there is none. */
  readonly text: string | null
  /** Milliseconds since the view's last refresh; null when not routed, or when nobody knows. */
  readonly age: number | null
  /** Why no view was asked at all, or why the one that was found is not taken; null otherwise. */
  readonly reason: string | null
  /** Why each view was not used. */
  readonly reasons: readonly { readonly view: string; readonly reason: string }[]
  /** What the planner expects of both statements. */
  readonly costs: Costs | null
}

/** Decides which queries views answer, and knows the views of one database for that. */
export interface ViewRouter {
  /** Never throws but for a bad option and the caller's abort: a query runs on its tables when views cannot be looked at. */
  decide(request: Request): Promise<RouteDecision>
  /** The statement over any views of the database, whatever their age. */
  rewrite(text: string, options?: RewriteOptions): Promise<Rewriting>
  /** Reads the views again before the next decision. */
  forget(): void
}

/** What was read of the views, and since when it is known to hold. */
interface State {
  readonly names: string
  readonly ready: Searchable
  /** By the views that may be used. */
  readonly rewriters: LRUCache<string, ViewRewriter>
  checkedAt: number
}

/** Milliseconds for which the structure of tables and views is taken to be as it was read. */
const trustedFor = 10_000

const nameOf = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${schema}.${name}`

const lists = new WeakMap<readonly KnownView[], string>()

/** The identity of a list of views; the same list is given many times. */
function namesOf(views: readonly KnownView[]): string {
  const before = lists.get(views)
  if (before !== undefined) return before
  const names = JSON.stringify(views.map((view) => [nameOf(view), view.timeZone]).sort())
  lists.set(views, names)
  return names
}

export function viewRouter(database: Database, catalog: ViewCatalog): ViewRouter {
  let state: State | null = null
  let renewing: Promise<State> | null = null

  const read = async (known: readonly KnownView[], names: string): Promise<State> => {
    const { relations } = known.length === 0 ? { relations: [] } : await readCatalog(database, { relations: known })
    const zones = new Map(known.map((view) => [nameOf(view), view.timeZone]))
    const views = relations.filter((relation) => relation.kind === "materialized view")
    const definitions = views.map((relation) => definitionOf(relation, zones.get(nameOf(relation)) ?? null))
    const ready = await prepareSearch(database, definitions)
    return { names, ready, rewriters: new LRUCache({ max: 50 }), checkedAt: performance.now() }
  }
  const renewed = async (known: readonly KnownView[], names: string): Promise<State> => {
    const before = state
    if (before !== null && before.names === names && (await before.ready.library.isCurrent())) {
      before.checkedAt = performance.now()
      return before
    }
    const made = await read(known, names)
    state = made
    return made
  }
  const current = (known: readonly KnownView[]): State | Promise<State> => {
    const names = namesOf(known)
    if (state !== null && state.names === names && performance.now() - state.checkedAt < trustedFor) return state
    renewing ??= renewed(known, names).finally(() => {
      renewing = null
    })
    return renewing
  }
  /** A rewriter over some of the views. */
  const among = ({ ready, rewriters }: State, some: readonly KnownView[]): ViewRewriter => {
    const key = namesOf(some)
    const known = rewriters.get(key)
    if (known !== undefined) return known
    const names = new Set(some.map(nameOf))
    const views = ready.views.filter((view) => names.has(view.name))
    const made = rewriterOver(database, async () => ({ ...ready, views, index: filterIndex(views) }))
    rewriters.set(key, made)
    return made
  }

  const decide = async (request: Request, asked: number | null): Promise<RouteDecision> => {
    const fault = whyNotHere(request)
    if (fault !== null) return refusal(fault)
    const known = await catalog.list()
    const now = performance.now()
    const tooOld = known.flatMap((view) => {
      const reason = whyTooOld(view, asked ?? view.maxStaleness, now)
      return reason === null ? [] : [{ view: nameOf(view), reason }]
    })
    const late = new Set(tooOld.map(({ view }) => view))
    const young = late.size === 0 ? known : known.filter((view) => !late.has(nameOf(view)))
    if (young.length === 0)
      return refusal(known.length === 0 ? "there are no materialized views" : "no view is young enough", tooOld)
    const rewriter = among(await current(known), young)
    const { text, values } = request.statement
    const rewriting = rewriter.peek(text) ?? (await rewriter.rewrite(text, { values, signal: request.signal }))
    if (rewriting.text === null) return refusal(null, [...rewriting.reasons, ...tooOld])
    const [view, ...others] = rewriting.views
    // Rows of two moments would be put together.
    if (rewriting.kind !== "full")
      return refusal(
        `${view} answers it only together with ${rewriting.tablesRead.join(", ")}, which are of another moment`,
        tooOld,
      )
    if (view === undefined || others.length > 0)
      return refusal(`it takes several views, which are of different moments: ${rewriting.views.join(", ")}`, tooOld)
    const { asOf } = young.find((one) => nameOf(one) === view)!
    return {
      view,
      text: rewriting.text,
      age: asOf === null ? null : now - asOf,
      reason: null,
      reasons: tooOld,
      costs: rewriting.costs,
    }
  }

  return {
    decide: async (request) => {
      const asked = allowedAge(request.options.route)
      try {
        return await decide(request, asked)
      } catch (error) {
        if (request.signal?.aborted) throw error
        return refusal(`the views could not be looked at: ${error instanceof Error ? error.message : String(error)}`)
      }
    },
    rewrite: async (text, options) => {
      const known = await catalog.list()
      return await among(await current(known), known).rewrite(text, options)
    },
    forget: () => {
      state = null
      catalog.forget()
    },
  }
}

function refusal(reason: string | null, reasons: RouteDecision["reasons"] = []): RouteDecision {
  return { view: null, text: null, age: null, reason, reasons, costs: null }
}

/** Settings under which the same text means something else than where views were read. */
const meaning: ReadonlySet<string> = new Set(["search_path", "timezone", "role", "datestyle", "intervalstyle"])

/** Why this request is not for views, whatever it asks. */
function whyNotHere(request: Request): string | null {
  if (request.transaction !== null) return "it runs in a transaction, which sees its own moment and its own changes"
  if (request.snapshot !== null) return "it reads a snapshot that was given to it"
  if (request.prelude.length > 0) return "other statements run before it in its transaction"
  const setting = Object.keys(request.settings).find((name) => meaning.has(name.toLowerCase()))
  if (setting !== undefined) return `it sets ${setting}`
  // They name tables that the rewriting does not read.
  if (request.options.hint !== undefined) return "it has hints, which are for its own tables"
  return request.options.parallel === undefined ? null : "it is to be shared among sessions, which divide its own tables"
}

function whyTooOld({ asOf }: KnownView, allowed: number | null, now: number): string | null {
  if (allowed === null) return "neither the view nor the query says how old rows may be"
  if (allowed === Number.POSITIVE_INFINITY) return null
  if (asOf === null) return "nobody knows when it was refreshed"
  const age = now - asOf
  return age <= allowed ? null : `it was refreshed ${Math.round(age)} ms ago, ${allowed} ms are allowed`
}
