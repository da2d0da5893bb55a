import type { Database } from "../database/database.ts"
import type { Request } from "../execution/request.ts"
import type { Plan } from "../explain/index.ts"

/** What the monitor needs of a connection and of other features; client/ hands it over. */
export interface MonitorPorts {
  /** Null where nothing but this process is watched. */
  readonly database: Database | null
  readonly indexes: IndexPort | null
  /** How the server would run a request, its hints and settings included; null where only texts can be explained. */
  readonly explain: ((request: Request, options: SampleExplainOptions) => Promise<Plan>) | null
}

export interface SampleExplainOptions {
  readonly analyze: boolean
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Index advice and the upkeep of indexes, of the database that is watched. */
export interface IndexPort {
  advise(
    workload: readonly { readonly text: string; readonly calls: number }[],
    options: { readonly timeLimit: number; readonly signal?: AbortSignal | undefined },
  ): Promise<IndexAdvice>
  /** Indexes that nothing has used since `since`; null: since the cluster was made. */
  unused(options: {
    readonly signal?: AbortSignal | undefined
  }): Promise<{ readonly indexes: readonly UnusedIndex[]; readonly since: Date | null }>
  duplicates(options: { readonly signal?: AbortSignal | undefined }): Promise<readonly DuplicateIndex[]>
  invalid(options: { readonly signal?: AbortSignal | undefined }): Promise<readonly BrokenIndex[]>
}

export interface IndexAdvice {
  readonly recommendations: readonly AdvisedIndex[]
  /** True when the time limit ended the search. */
  readonly partial: boolean
}

/** A recommendation of the index advisor, as far as an alert tells it. */
export interface AdvisedIndex {
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
  readonly sql: string
  readonly reason: string
  /** "verified": a planner used it and its cost fell. */
  readonly confidence: "verified" | "rules"
  readonly priority: "high" | "medium" | "low"
  readonly sizeBytes: number | null
  readonly evidence: { readonly planner: string; readonly costBefore: number; readonly costAfter: number } | null
}

export interface UnusedIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly bytes: number
  readonly lastScan: Date | null
  readonly sql: string
}

export interface DuplicateIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly bytes: number
  readonly coveredBy: string
  readonly reason: string
  readonly sql: string
}

export interface BrokenIndex {
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly reason: string
  /** What mends it; empty while it is being built. */
  readonly statements: readonly string[]
}
