import type { Database } from "../../database/database.ts"
import { isSelectoError, type SelectoError } from "../../errors.ts"
import { splitStatements } from "../../sql/index.ts"
import type { Catalog, Skipped } from "./catalog.ts"
import { type ExtractOptions, extractCatalog } from "./extract.ts"
import type { CandidateIndex } from "./planner.ts"
import { openShadow, type ShadowOptions } from "./shadow.ts"
import { readShadow, saveShadow } from "./shadow-file.ts"

export interface ShadowPlanOptions extends ExtractOptions, ShadowOptions {
  /** SQL of any number of statements, or statements with their values. */
  readonly statements: string | readonly { readonly text: string; readonly values?: readonly unknown[] | undefined }[]
  /** Indexes to plan with beside those that exist. */
  readonly candidates?: readonly CandidateIndex[] | undefined
  /** Keeps the copied catalog in this file. */
  readonly save?: string | undefined
  /** With `save`: column values too. Default false. */
  readonly withValues?: boolean | undefined
}

export interface ShadowPlanResult {
  readonly serverVersion: number
  /** A plan or an error for each statement, in order. */
  readonly statements: readonly {
    readonly text: string
    readonly cost: number | null
    /** EXPLAIN (FORMAT JSON), which parsePlan() of explain/ reads. */
    readonly plan: unknown
    readonly used: readonly string[]
    readonly error: SelectoError | null
  }[]
  readonly skipped: readonly Skipped[]
}

/**
 * EXPLAIN as production would, offline: from a live database (one read-only transaction of catalog queries) or from a saved shadow.
 * A statement that cannot be planned has its error in its place; the others are planned.
 */
export async function shadowPlan(
  source: Database | { readonly file: string },
  options: ShadowPlanOptions,
): Promise<ShadowPlanResult> {
  const catalog: Catalog = "file" in source ? (await readShadow(source.file)).catalog : await extractCatalog(source, options)
  if (options.save !== undefined) await saveShadow(catalog, options.save, { withValues: options.withValues })
  const statements =
    typeof options.statements === "string"
      ? (await splitStatements(options.statements)).map(({ text }) => ({ text, values: [] }))
      : options.statements
  const planner = await openShadow(catalog, options)
  try {
    const results: ShadowPlanResult["statements"][number][] = []
    for (const { text, values } of statements) {
      try {
        const { cost, plan, used } = await planner.plan({ text, values }, options.candidates ?? [])
        results.push({ text, cost, plan, used, error: null })
      } catch (error) {
        if (!isSelectoError(error) || isSelectoError(error, "E_SHADOW_CRASHED")) throw error
        results.push({ text, cost: null, plan: null, used: [], error })
      }
    }
    return { serverVersion: catalog.serverVersion, statements: results, skipped: planner.skipped }
  } finally {
    await planner.close()
  }
}
