import { type Capabilities, readCapabilities } from "../database/capabilities.ts"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { explainStatement } from "../explain/index.ts"
import { type CheckOptions, checkHints, type HintCheck, type HintOption, prepareHints } from "../hints/index.ts"
import { type AdviseOptions, advise } from "../indexes/advise.ts"
import { type CreatedView, createView, inlineValues, type MaterializeOptions } from "../views/index.ts"

/** What the methods of a runnable call beside the pipeline. */
export interface Services {
  capabilities(): Promise<Capabilities>
  explain(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  checkHints(request: Request, options: CheckOptions): Promise<HintCheck>
  analyzeIndexes(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  materialize(request: Request, options: MaterializeOptions): Promise<CreatedView>
}

export function services(database: Database): Services {
  return {
    capabilities: () => readCapabilities(database),
    explain: async ({ statement, options: asked, ...request }, options) => {
      // A hinted query is explained as it would be run.
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
      return await createView(database, { ...spec, text }, { lockTimeout, retryFor, timeout, signal, onProgress })
    },
    analyzeIndexes: async ({ statement }, options) =>
      (await advise(database, [statement], options as AdviseOptions)).recommendations,
  }
}
