import type { Database } from "../database/database.ts"
import type { Request } from "../execution/request.ts"
import type { Settled } from "./option.ts"

/**
 * Sessions that may take part: those asked for, but never the last free one, and without waiting for any. In a caller's transaction
 * its session leads and does not read. A sentence where there are too few.
 */
export function sessionsFor(database: Database, request: Request, { workers, minWorkers }: Settled): number | string {
  const free = database.free?.() ?? null
  const sessions = free === null ? workers : Math.min(workers, free - 1)
  const least = request.transaction === null ? minWorkers : 1
  if (sessions >= least) return sessions
  return `${free} ${free === 1 ? "connection" : "connections"} of the pool ${free === 1 ? "is" : "are"} free: too few to share the work`
}
