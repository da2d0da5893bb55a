import type { Capabilities } from "../database/capabilities.ts"
import type { Database } from "../database/database.ts"
import type { Pipeline } from "../execution/pipeline.ts"
import type { OpenTransaction, Request } from "../execution/request.ts"
import type { CheckOptions, HintCheck } from "../hints/index.ts"
import type { ExportOptions, ExportResult } from "../parallel/index.ts"
import type { CreatedView, MaterializeOptions } from "../views/index.ts"

/** What a runnable needs of its Selecto: the pipeline, the open transaction, and the services its methods call. */
export interface Connection {
  readonly database: Database
  readonly pipeline: Pipeline
  readonly transaction: OpenTransaction | null
  readonly timeoutMs: number | undefined
  capabilities(): Promise<Capabilities>
  explain(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  checkHints(request: Request, options: CheckOptions): Promise<HintCheck>
  export(request: Request, options: ExportOptions): Promise<ExportResult>
  analyzeIndexes(request: Request, options: Readonly<Record<string, unknown>>): Promise<unknown>
  materialize(request: Request, options: MaterializeOptions): Promise<CreatedView>
}
