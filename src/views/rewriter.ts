import { LRUCache } from "lru-cache"
import type { Relation } from "../database/catalog.ts"
import { boundValues } from "../database/bound-value.ts"
import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { loadShapes, type StatementShape } from "../sql/index.ts"
import type { ViewDefinition } from "./definition.ts"
import { type FilterIndex, filterIndex } from "./filter-index.ts"
import { type Costs, compareCosts, pays } from "./judge.ts"
import { type Library, readLibrary } from "./library.ts"
import { queryText } from "./match/emit.ts"
import type { Trust } from "./match/dependence.ts"
import { openedShape, readStatement } from "./match/read-statement.ts"
import { type Rewritten, rewriteQuery } from "./match/rewrite.ts"
import { newWorld, type World } from "./match/world.ts"
import { accessFault } from "./access.ts"
import { type PreparedView, prepareViews } from "./prepared-view.ts"
import { sameResult } from "./same-result.ts"

/** A query over views that gives the same rows, or why there is none. */
export type Rewriting = FoundRewriting | NoRewriting

export interface FoundRewriting {
  readonly text: string
  /** Views that it reads, as schema.name. */
  readonly views: readonly string[]
  /** "full" reads views only; "join-back" other tables beside them; "union" takes rows that the view lacks from its own tables. */
  readonly kind: "full" | "join-back" | "union"
  /** Tables that it reads beside the views, as schema.name. */
  readonly tablesRead: readonly string[]
  /** "any": it holds for all values of the parameters. "these": it was proved for the values given, and must be asked for again for others. */
  readonly parameters: "any" | "these"
  /** What the planner expects of both, where it was asked. */
  readonly costs: Costs | null
}

export interface NoRewriting {
  readonly text: null
  readonly reasons: readonly { readonly view: string; readonly reason: string }[]
}

export interface RewriteOptions {
  /** "semantics": whatever gives the same rows. "cost" (default): only what the planner also expects to be cheaper. */
  readonly judge?: "semantics" | "cost" | undefined
  /** Values of the parameters: a rewriting that does not hold for all of them may hold for these. */
  readonly values?: readonly unknown[] | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RewriterOptions {
  /** Functions outside pg_catalog that are as immutable as they say: what a view has computed with them may be used. Default: none. */
  readonly trust?: Trust | undefined
}

/** Answers queries from materialized views. */
export interface ViewRewriter {
  /**
   * The statement as one over views that returns the same rows, columns and types; or the reason, view by view, why there is none. Says
   * nothing about freshness: whoever runs it decides that (see admissible()).
   */
  rewrite(text: string, options?: RewriteOptions): Promise<Rewriting>
  /** What is known without asking anybody: the answer of an earlier call, or that no view can apply; null where it takes rewrite(). */
  peek(text: string): Rewriting | null
  /** Tables below a view, as schema.name; empty for a view that is not known. */
  basesOf(view: string): readonly string[]
}

interface Ready {
  readonly library: Library
  readonly views: readonly PreparedView[]
  readonly index: FilterIndex
}

/** A rewriting found by form, whatever it costs. */
interface Semantic {
  readonly outcome: Rewriting
  /** Other values of the parameters could give another answer. */
  readonly byValue: boolean
}

/** A rewriter over some views. Their definitions and tables are read once, when it is first asked. */
export function viewRewriter(database: Database, definitions: readonly ViewDefinition[], options: RewriterOptions = {}): ViewRewriter {
  const semantic = new LRUCache<string, Semantic>({ max: 2000 })
  const judged = new LRUCache<string, Rewriting>({ max: 2000 })
  let ready: Ready | null = null
  let getting: Promise<Ready> | null = null
  const prepare = async (): Promise<Ready> => {
    await loadShapes()
    const library = await readLibrary(database)
    const views = await prepareViews(definitions, library, options.trust ?? (() => false))
    ready = { library, views, index: filterIndex(views) }
    return ready
  }
  const state = (): Promise<Ready> => {
    if (ready !== null) return Promise.resolve(ready)
    getting ??= prepare().catch((error: unknown) => {
      getting = null
      throw error
    })
    return getting
  }

  const find = async (text: string, values: readonly unknown[] | undefined, signal: AbortSignal | undefined): Promise<Semantic> => {
    const known = semantic.get(text)
    if (known !== undefined && (!known.byValue || values === undefined)) return known
    const key = values === undefined ? text : `${text}\0${JSON.stringify(boundValues({ text, values }))}`
    const special = semantic.get(key)
    if (special !== undefined) return special
    const made = await search(await state(), database, text, values, signal)
    semantic.set(made.byValue && values !== undefined ? key : text, made)
    return made
  }

  return {
    rewrite: async (text, { judge = "cost", values, signal } = {}) => {
      const { outcome } = await find(text, values, signal)
      if (outcome.text === null || judge === "semantics") return outcome
      const key = `${text}\0${outcome.text}`
      const known = judged.get(key)
      if (known !== undefined) return known
      const costs = await compareCosts(database, text, outcome.text, values ?? null, signal)
      const verdict: Rewriting = pays(costs)
        ? { ...outcome, costs }
        : { text: null, reasons: outcome.views.map((view) => ({ view, reason: notWorthIt(costs) })) }
      judged.set(key, verdict)
      return verdict
    },
    peek: (text) => {
      const known = semantic.get(text)
      return known === undefined || known.outcome.text !== null || known.byValue ? null : known.outcome
    },
    basesOf: (name) => ready?.views.find((view) => view.name === name)?.bases.map(nameOf) ?? [],
  }
}

function notWorthIt({ base, rewritten }: Costs): string {
  return `the planner expects the view to cost ${Math.round(rewritten)}, the tables ${Math.round(base)}: that is not cheaper by a tenth`
}

const nameOf = (relation: Relation): string => `${relation.schema}.${relation.name}`

async function search(
  ready: Ready,
  database: Database,
  text: string,
  values: readonly unknown[] | undefined,
  signal: AbortSignal | undefined,
): Promise<Semantic> {
  const { library, views, index } = ready
  const none = (chosen: readonly PreparedView[], reason: string): Semantic => ({
    outcome: { text: null, reasons: chosen.map(({ name }) => ({ view: name, reason })) },
    byValue: false,
  })
  let shape: StatementShape
  try {
    shape = await openedShape(text, library)
  } catch (error) {
    if (!isSelectoError(error)) throw error
    return none(views, error.message)
  }
  const tables = new Set<number>()
  for (const relation of shape.relations) {
    const found = relation.kind === "table" ? library.find(relation.schema, relation.name) : null
    if (found !== null) tables.add(found.oid)
  }
  const candidates = index.candidates(tables)
  if (candidates.length === 0) return none(views, "the statement does not read the tables of the view")
  const world = newWorld(library.types)
  const query = readStatement(shape, library, world)
  if (typeof query === "string") return none(candidates, `the statement cannot be reasoned about: ${query}`)
  const fault = accessFault(shape, library)
  if (fault !== null) return none(candidates, fault)
  const reasons = new Map<string, string>()
  const usable = candidates.filter((view) => {
    const reason = view.bases.some((base) => base.policiesApply)
      ? "row-level security applies to this role, and a view holds everybody's rows"
      : view.relation.readable
        ? view.shape.reason
        : "this role may not read the view"
    if (reason !== null) reasons.set(view.name, reason)
    return reason === null
  })
  const hasParameters = shape.parameters.length > 0
  const context = (bound: ReadonlyMap<number, string | null>) => ({
    world,
    knowledge: { parameters: bound, zone: library.settings.timeZone },
  })
  let byValue = false
  let result = rewriteQuery(query, usable, context(new Map()))
  if (result.found.length === 0 && hasParameters) {
    byValue = true
    if (values !== undefined) result = rewriteQuery(query, usable, context(textsOf(text, values)))
  }
  for (const rewritten of result.found) {
    const written = await checked(database, text, rewritten, world, shape, signal)
    if (typeof written === "string") {
      for (const view of rewritten.views) reasons.set(view, written)
      continue
    }
    return { outcome: { ...written, parameters: byValue ? "these" : "any" }, byValue }
  }
  for (const [view, reason] of result.reasons) if (!reasons.has(view)) reasons.set(view, reason)
  return { outcome: { text: null, reasons: [...reasons].map(([view, reason]) => ({ view, reason })) }, byValue }
}

function textsOf(text: string, values: readonly unknown[]): ReadonlyMap<number, string | null> {
  const bound = boundValues({ text, values })
  return new Map(bound.flatMap((value, at) => (value instanceof Uint8Array ? [] : [[at + 1, value] as const])))
}

/** The rewriting as SQL that the server gives the same columns for; a sentence when it does not. */
async function checked(
  database: Database,
  text: string,
  rewritten: Rewritten,
  world: World,
  shape: StatementShape,
  signal: AbortSignal | undefined,
): Promise<Omit<FoundRewriting, "parameters"> | string> {
  const written = queryText(rewritten.query, world)
  const fault = await sameResult(database, text, written, shape, signal)
  if (fault !== null) return fault
  return { text: written, views: rewritten.views, kind: rewritten.kind, tablesRead: rewritten.tables.map(nameOf), costs: null }
}
