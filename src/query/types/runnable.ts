import type { CacheOptions } from "../../cache/index.ts"
import type { ResultField, Statement } from "../../database/database.ts"
import type { Report } from "../../execution/request.ts"
import type { ExplainOptions as ServerExplainOptions } from "../../explain/explain-options.ts"
import type { Plan } from "../../explain/plan.ts"
import type { CheckOptions, HintCheck, HintName, HintSpec, HintValues } from "../../hints/index.ts"
import type { IndexRecommendation } from "../../indexes/recommendation.ts"
import type { ExportOptions, ExportResult, ParallelOptions } from "../../parallel/index.ts"
import type { CreatedView, MaterializeOptions } from "../../views/index.ts"
import type { RouteOptions } from "../../views/route-option.ts"

/** Options of every run. */
export interface RunOptions {
  /** An abort cancels the statement on the server too. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds after which the statement is cancelled on the server: E_TIMEOUT. */
  readonly timeoutMs?: number | undefined
}

/** Options of `stream()`. */
export interface StreamOptions extends RunOptions {
  /** Rows fetched at a time, 500 by default. */
  readonly batchSize?: number | undefined
}

/** Options of `explain()`. Writes are refused or rolled back. */
export interface ExplainOptions extends RunOptions, Omit<ServerExplainOptions, "format"> {
  readonly format?: "json" | undefined
  /** Called about once a second while the server works. */
  readonly onProgress?: ((progress: { readonly elapsedMs: number }) => void) | undefined
}
/** `explain()` that gives the server's own text. */
export interface ExplainTextOptions extends Omit<ExplainOptions, "format"> {
  readonly format: "text"
}

/** Rows with what is known about the run. */
export interface RunResult<Row> {
  readonly rows: Row[]
  readonly columns: readonly ResultField[]
  readonly report: Report
}

/** A statement that can be run: a composed query, or SQL from anywhere. */
export interface Runnable<out Row> {
  /** The statement: the text is the same for the same shape, the values are never in it. */
  toSql(): Statement
  /** All rows. */
  execute(options?: RunOptions): Promise<Row[]>
  /** The only row; E_NO_RESULT and E_MULTIPLE_RESULTS otherwise. */
  executeOne(options?: RunOptions): Promise<Row>
  /** All rows, with the report of their run. */
  run(options?: RunOptions): Promise<RunResult<Row>>
  /** Rows one by one from a cursor, which is closed in every ending. */
  stream(options?: StreamOptions): AsyncIterableIterator<Row>
  /** The server's plan. */
  explain(options: ExplainTextOptions): Promise<string>
  explain(options?: ExplainOptions): Promise<Plan>
  /**
   * Asks the planner for something: by a comment for pg_hint_plan where it is installed, else by settings of this statement's own
   * transaction, else by writing the statement in other words. Tables are named by join paths, the root by its table's name.
   *
   * @example q.hint("work_mem", "256MB").hint("join_order", ["customers", "orders", "order_items"])
   */
  hint<Name extends HintName>(name: Name, value: HintValues[Name]): this
  hint(spec: HintSpec): this
  /** Whether each hint took effect, read from the plan: honoured, ignored or unverifiable, with the reason. */
  checkHints(options?: CheckOptions): Promise<HintCheck>
  /**
   * Keeps the rows, and gives them again for as long as the mode of connect() allows: `report.source` is then "cache". The rows are
   * frozen. What cannot be kept runs as always, with a warning that says why. `false` undoes it. E_INVALID_OPTION.
   *
   * @example await q.cache({ ttl: "5m", tags: ["sales"] }).execute()
   */
  cache(options?: CacheOptions | false): this
  /**
   * Lets several sessions, or PostgreSQL's own workers, share the work where that is exact and pays; `report.parallel` says who ran it
   * and why. `false` undoes it. E_INVALID_OPTION, E_UNKNOWN_FIELD; with `where: "client"` also E_PARALLEL_REFUSED.
   *
   * @example q.parallel({ workers: 4, partition: { range: "created_at" } })
   */
  parallel(options?: ParallelOptions | false): this
  /** As parallel(), dividing the rows of this table: a join path, an alias or a table's name. E_UNKNOWN_JOIN. */
  parallelJoin(join: string, options?: ParallelOptions): this
  /**
   * Writes all rows to a file, a stream or a function, by COPY, with a memory that does not grow; with parallel() by several sessions
   * where that pays and no order is asked for. A file appears when it is whole. E_INVALID_OPTION, E_NOT_SUPPORTED.
   *
   * @example await q.export({ format: "csv", to: "orders.csv", onProgress: ({ rowsPerSecond }) => … })
   */
  export(options: ExportOptions): Promise<ExportResult>
  /**
   * Lets a materialized view answer, if it provably has the same rows and they are young enough, and if the planner finds that cheaper:
   * report.view names it, report.route tells why or why not. `false` keeps it to its tables. Inside transaction() it always stays there.
   *
   * @example q.route({ maxStaleness: "1h" }).run()
   */
  route(options?: RouteOptions | false): this
  /**
   * Makes a materialized view of this query, fills it and keeps it: refreshed as asked for, followed with `track`. The same call again changes
   * nothing but how it is kept. Errors: E_VIEW_PARAMETERS where values are bound, E_VIEW_NOT_KEEPABLE, E_VIEW_DIFFERS, E_NAME_TAKEN.
   *
   * @example await q.materialize({ name: "sales_by_region", refresh: "daily", track: true })  // CREATE MATERIALIZED VIEW public.sales_by_region AS …
   */
  materialize(options: MaterializeOptions): Promise<CreatedView>
  /** Indexes that would make this statement cheaper, each verified by a planner or marked as not; empty when none would. */
  analyzeIndexes(options?: AnalyzeIndexesOptions): Promise<IndexRecommendation[]>
}

/** Options of `analyzeIndexes()`. */
export interface AnalyzeIndexesOptions {
  /** Who prices an index that does not exist yet: "auto" takes the cheapest that can price every candidate; "none" gives rules only. */
  readonly whatIf?: "auto" | "shadow" | "server" | "hypopg" | "none" | undefined
  /** Most columns of an index key. Default 3. */
  readonly maxWidth?: number | undefined
  readonly signal?: AbortSignal | undefined
}
