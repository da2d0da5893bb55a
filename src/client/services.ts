import { type Capabilities, readCapabilities } from "../database/capabilities.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { explainStatement } from "../explain/index.ts"
import { type CheckOptions, checkHints, type HintCheck, type HintOption, prepareHints } from "../hints/index.ts"
import { type AdviseOptions, advise } from "../indexes/advise.ts"
import {
  asksForViews,
  type CreatedView,
  createView,
  inlineValues,
  type MaterializeOptions,
  type ViewRouter,
} from "../views/index.ts"

/** What the methods of a runnable call beside the pipeline. */
export interface Services {
  capabilities(): Promise<Capabilities>
  explain(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  checkHints(request: Request, options: CheckOptions): Promise<HintCheck>
  analyzeIndexes(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  materialize(request: Request, options: MaterializeOptions): Promise<CreatedView>
}

/** Without a router no statement is explained as one over views. */
export function services(database: Database, router: ViewRouter | null): Services {
  return {
    capabilities: () => readCapabilities(database),
    explain: async (asking, options) => {
      const { options: asked, ...request } = asking
      // A query that is hinted, or answered from a view, is explained as it would be run.
      const view = router !== null && asksForViews(asked.route) ? (await router.decide(asking)).text : null
      const statement = { text: view ?? asking.statement.text, values: asking.statement.values }
      const hint = asked.hint as HintOption | undefined
      const hinted = hint === undefined ? null : await prepareHints(database, statement.text, hint)
      return await explainStatement(
        database,
        { text: hinted?.text ?? statement.text, values: statement.values },
        {
          ...options,
          local: { ...request.settings, ...hinted?.settings },
          prelude: request.prelude,
          transaction: request.transaction?.session,
          signal: request.signal,
          timeoutMs: request.timeoutMs,
        },
      )
    },
    checkHints: ({ statement, options: asked, transaction }, options) =>
      checkHints(database, statement, (asked.hint ?? { hints: [] }) as HintOption, { transaction, ...options }),
    materialize: async (
      { statement, transaction },
      { inlineValues: inlined, lockTimeout, retryFor, timeout, signal, onProgress, ...spec },
    ) => {
      if (transaction !== null)
        throw new SelectoError(
          "E_TRANSACTION_CONFLICT",
          "A view is made in a transaction of its own, which does not see what this one has written. Call materialize() outside.",
        )
      const text = inlined === true ? await inlineValues(database, statement, signal) : statement.text
      const made = await createView(database, { ...spec, text }, { lockTimeout, retryFor, timeout, signal, onProgress })
      router?.forget()
      return made
    },
    analyzeIndexes: async ({ statement }, options) =>
      (await advise(database, [statement], options as AdviseOptions)).recommendations,
  }
}
