import type { Database } from "../database/database.ts"
import type { Plan } from "../explain/index.ts"
import { advise, duplicateIndexes, invalidIndexes, unusedIndexes } from "../indexes/index.ts"
import type { MonitorPorts } from "../monitor/index.ts"
import { services } from "./services.ts"

/** What the monitor asks of other features: index advice and upkeep, and plans with a query's hints. */
export function monitorPorts(database: Database): MonitorPorts {
  const { explain } = services(database, null)
  return {
    database,
    indexes: {
      advise: (workload, options) => advise(database, workload, options),
      unused: (options) => unusedIndexes(database, options),
      duplicates: (options) => duplicateIndexes(database, options),
      invalid: (options) => invalidIndexes(database, options),
    },
    explain: async (request, { signal, timeoutMs, analyze }) =>
      (await explain({ ...request, signal, timeoutMs }, { analyze })) as Plan,
  }
}
