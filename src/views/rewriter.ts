import { LRUCache } from "lru-cache"
import { boundValues } from "../database/bound-value.ts"
import type { Database } from "../database/database.ts"
import { UnknownTypeError } from "../sql/typing/index.ts"
import type { ViewDefinition } from "./definition.ts"
import { type Costs, compareCosts, pays } from "./judge.ts"
import type { Trust } from "./match/dependence.ts"
import { prepareSearch, type Rewriting, type Searchable, type Semantic, search } from "./search.ts"

export type { FoundRewriting, NoRewriting, Rewriting } from "./search.ts"

/** Options of `views.rewrite()`. */
export interface RewriteOptions {
  /** "semantics": whatever gives the same rows. "cost" (default): only what the planner also expects to be cheaper. */
  readonly judge?: "semantics" | "cost" | undefined
  /** Values of the parameters: a rewriting that does not hold for all of them may hold for these. */
  readonly values?: readonly unknown[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** Options of a rewriter. */
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
}

/** A rewriter over some views. Their definitions and tables are read once, when it is first asked. */
export function viewRewriter(
  database: Database,
  definitions: readonly ViewDefinition[],
  options: RewriterOptions = {},
): ViewRewriter {
  let getting: Promise<Searchable> | null = null
  return rewriterOver(database, () => {
    getting ??= prepareSearch(database, definitions, options.trust).catch((error: unknown) => {
      getting = null
      throw error
    })
    return getting
  })
}

/** A rewriter over views that were made ready before. */
export function rewriterOver(database: Database, state: () => Promise<Searchable>): ViewRewriter {
  const semantic = new LRUCache<string, Semantic>({ max: 2000 })
  const judged = new LRUCache<string, Rewriting>({ max: 2000 })

  const find = async (
    text: string,
    values: readonly unknown[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Semantic> => {
    const known = semantic.get(text)
    if (known !== undefined && (!known.byValue || values === undefined)) return known
    const key = values === undefined ? text : `${text}\0${JSON.stringify(boundValues({ text, values }))}`
    const special = semantic.get(key)
    if (special !== undefined) return special
    const made = await search(await state(), database, text, values, signal).catch((error: unknown): Semantic => {
      // A type that a proof met on its way and that has no such function: no rewriting is wrong, none is found.
      if (!(error instanceof UnknownTypeError)) throw error
      return {
        outcome: { text: null, reasons: [{ view: "*", reason: `it cannot be reasoned about: ${error.message}` }] },
        byValue: false,
      }
    })
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
  }
}

function notWorthIt({ base, rewritten }: Costs): string {
  return `the planner expects the view to cost ${Math.round(rewritten)}, the tables ${Math.round(base)}: that is not cheaper by a tenth`
}
