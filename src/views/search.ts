import { boundValues } from "../database/bound-value.ts"
import type { Relation } from "../database/catalog.ts"
import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { loadShapes, type StatementShape } from "../sql/index.ts"
import { accessFault } from "./access.ts"
import type { ViewDefinition } from "./definition.ts"
import { type FilterIndex, filterIndex } from "./filter-index.ts"
import type { Costs } from "./judge.ts"
import { type Library, readLibrary } from "./library.ts"
import type { Trust } from "./match/dependence.ts"
import { OutOfSightError, queryText } from "./match/emit.ts"
import { openedShape, readStatement } from "./match/read-statement.ts"
import { type Rewritten, rewriteQuery } from "./match/rewrite.ts"
import { newWorld, type World } from "./match/world.ts"
import { type PreparedView, prepareViews } from "./prepared-view.ts"
import { sameResult } from "./same-result.ts"

/** A query over views that gives the same rows, or why there is none. */
export type Rewriting = FoundRewriting | NoRewriting

/** A statement over views that gives the rows and types of another one. */
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

/** Why no view answers, view by view. */
export interface NoRewriting {
  readonly text: null
  readonly reasons: readonly { readonly view: string; readonly reason: string }[]
}

/** Views made ready, and what is known of their database. */
export interface Searchable {
  readonly library: Library
  readonly views: readonly PreparedView[]
  readonly index: FilterIndex
}

/** A rewriting found by form, whatever it costs. */
export interface Semantic {
  readonly outcome: Rewriting
  /** Other values of the parameters could give another answer. */
  readonly byValue: boolean
}

/** Reads views and their tables. */
export async function prepareSearch(
  database: Database,
  definitions: readonly ViewDefinition[],
  trust: Trust = () => false,
): Promise<Searchable> {
  await loadShapes()
  const library = await readLibrary(database)
  const views = await prepareViews(definitions, library, trust)
  return { library, views, index: filterIndex(views) }
}

const nameOf = (relation: Relation): string => `${relation.schema}.${relation.name}`

/** Looks for a rewriting that gives the same rows, whatever it costs. */
export async function search(
  ready: Searchable,
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
    const guarded = view.bases.find((base) => base.rowSecurity)
    const reason = guarded
      ? `row-level security is on for ${nameOf(guarded)}: the view holds the rows that its owner may see, this role may see others`
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
  let written: string
  try {
    written = queryText(
      rewritten.query,
      world,
      shape.parameters.map(({ number }) => number),
    )
  } catch (error) {
    if (!(error instanceof OutOfSightError)) throw error
    return `no statement could be written of it: ${error.message} is out of sight`
  }
  const fault = await sameResult(database, text, written, shape, signal)
  if (fault !== null) return fault
  return { text: written, views: rewritten.views, kind: rewritten.kind, tablesRead: rewritten.tables.map(nameOf), costs: null }
}
