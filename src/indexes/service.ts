import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { type Advice, type AdviseOptions, advise } from "./advise.ts"
import type { RedundantIndex } from "./existing.ts"
import { statementsWorkload } from "./read-statements.ts"
import {
  duplicateIndexes,
  type Effectiveness,
  type EffectivenessOptions,
  type IndexUsage,
  type InvalidIndex,
  indexEffectiveness,
  indexUsage,
  invalidIndexes,
  type UpkeepOptions,
  type UsageReport,
  unusedIndexes,
} from "./upkeep.ts"
import type { WorkloadStatement } from "./workload.ts"

/** Where a workload comes from. */
export type Workload = "pg_stat_statements" | "monitor" | readonly WorkloadStatement[]

/** What a person calls: `selecto.indexes`. */
export interface IndexService {
  /** Advice for a workload. */
  advise(workload: Workload, options?: AdviseOptions): Promise<Advice>
  /** Every index with what it has been good for. */
  usage(options?: UpkeepOptions): Promise<UsageReport<IndexUsage>>
  /** Indexes that nothing has used. */
  unused(options?: UpkeepOptions): Promise<UsageReport<IndexUsage & { readonly sql: string }>>
  /** Indexes that another one makes needless. */
  duplicates(options?: UpkeepOptions): Promise<RedundantIndex[]>
  /** Indexes that a failed build left behind. */
  invalid(options?: UpkeepOptions): Promise<InvalidIndex[]>
  /** What one index brings and costs. */
  effectiveness(name: string, options?: EffectivenessOptions): Promise<Effectiveness>
}

export interface IndexServicePorts {
  /** Statements that the monitor has recorded; without it "monitor" is refused. */
  readonly monitorWorkload?: (() => Promise<readonly WorkloadStatement[]>) | undefined
  /** Times of statements around an index's creation. */
  readonly history?: EffectivenessOptions["history"]
}

/** The service over a database. */
export function indexService(db: Database, ports: IndexServicePorts = {}): IndexService {
  const workloadOf = async (workload: Workload, signal: AbortSignal | undefined): Promise<readonly WorkloadStatement[]> => {
    if (workload === "pg_stat_statements") return statementsWorkload(db, { signal })
    if (workload === "monitor") {
      if (ports.monitorWorkload === undefined) {
        throw new SelectoError("E_NOT_SUPPORTED", 'The workload "monitor" needs connect(…, { monitor }).')
      }
      return ports.monitorWorkload()
    }
    if (!Array.isArray(workload)) {
      throw new SelectoError(
        "E_INVALID_OPTION",
        'A workload is "pg_stat_statements", "monitor", or a list of { text, values, calls }.',
        { path: "workload" },
      )
    }
    return workload
  }
  return {
    advise: async (workload, options = {}) => advise(db, await workloadOf(workload, options.signal), options),
    usage: (options) => indexUsage(db, options),
    unused: (options) => unusedIndexes(db, options),
    duplicates: (options) => duplicateIndexes(db, options),
    invalid: (options) => invalidIndexes(db, options),
    effectiveness: (name, options = {}) => indexEffectiveness(db, name, { history: ports.history, ...options }),
  }
}
