import type { CollectedFigures, CollectedSource } from "./metrics.ts"
import type { PlanSampler } from "./plans/sampler.ts"
import type { ServerState } from "./server/state.ts"
import { tablesOf } from "./server/statement-names.ts"
import type { ServerStatement } from "./server/statements.ts"

/** What is known of statements beside their calls: from the server's counters, its tables, and sampled runs. */
export function collectedFigures(state: ServerState | null, sampler: PlanSampler | null, now: () => number): CollectedSource {
  return (windowMs) => {
    const since = now() - windowMs
    const report = state?.report(now(), windowMs) ?? null
    const statements = new Map((report?.statements ?? []).map((one) => [one.fingerprint, one]))
    const calls = state === null ? null : callsByTable(state, statements.values())
    return (fingerprint, text): CollectedFigures => {
      const statement = statements.get(fingerprint) ?? null
      const tables = state?.statements.names.describe(fingerprint)?.tables ?? (text === null ? [] : tablesOf(text))
      const scans = state?.tables.scansOf(tables, state.searchPath, since) ?? null
      const measured = sampler?.measured(fingerprint) ?? null
      const all = scans === null ? 0 : scans.seqScans + scans.indexScans
      const around = tables.reduce((total, { name }) => total + (calls?.get(name) ?? 0), 0)
      return {
        server: statement,
        coverage: report?.coverage ?? null,
        rowsExamined:
          measured !== null
            ? { ...measured.rowsExamined, source: "plans, sampled", n: measured.n, relativeError: null }
            : scans === null || around === 0
              ? null
              : {
                  avg: scans.rows / around,
                  max: null,
                  source: "its tables, all statements on them",
                  n: around,
                  relativeError: null,
                },
        memoryUsage:
          measured === null
            ? null
            : { ...measured.memory, source: "operator memory, sampled", n: measured.n, relativeError: null },
        indexHits:
          scans === null
            ? null
            : {
                ratio: all === 0 ? null : scans.indexScans / all,
                total: scans.indexScans,
                source: "pg_stat_user_tables",
                n: all,
                relativeError: 0,
              },
      }
    }
  }
}

/** Calls of all statements on a table, by its bare name. */
function callsByTable(state: ServerState, statements: Iterable<ServerStatement>): Map<string, number> {
  const calls = new Map<string, number>()
  for (const { fingerprint, calls: n } of statements)
    for (const name of new Set(state.statements.names.describe(fingerprint)?.tables.map((table) => table.name) ?? []))
      calls.set(name, (calls.get(name) ?? 0) + n)
  return calls
}
