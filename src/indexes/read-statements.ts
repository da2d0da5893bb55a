import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { repairNormalised } from "../sql/index.ts"
import type { WorkloadStatement } from "./workload.ts"

export interface StatementsOptions {
  /** Statements with the most total time. Default 100. */
  readonly limit?: number | undefined
  /** Least number of calls. Default 1. */
  readonly minCalls?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The workload that pg_stat_statements has seen in this database, the most expensive statements first, our own left out. The texts are
 * normalised: they are planned generically, and repaired where normalisation made them unreadable. Throws E_NOT_SUPPORTED where the
 * extension is missing.
 */
export async function statementsWorkload(db: Database, options: StatementsOptions = {}): Promise<WorkloadStatement[]> {
  const query = async <Row>(text: string, values: unknown[]): Promise<Row[]> =>
    (await db.query<Row>({ text: `${text} /* selecto:indexes */`, values }, { timeoutMs: 30_000, signal: options.signal })).rows
  const [extension] = await query<{ schema: string }>(
    "SELECT quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'",
    [],
  )
  if (extension === undefined) {
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "pg_stat_statements is not in this database: add it to shared_preload_libraries, CREATE EXTENSION pg_stat_statements, or give a workload.",
    )
  }
  const rows = await query<{ query: string | null; calls: string | number }>(
    `SELECT query, sum(calls)::float8 AS calls FROM ${extension.schema}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND query !~* '^\\s*(begin|commit|rollback|set|reset|show|savepoint|release|discard|deallocate|explain|vacuum|analyze|create|drop|alter|grant|copy|fetch|close|declare|listen|notify|lock|truncate|refresh|reindex|checkpoint)\\M'
  AND position('/* selecto:' IN query) = 0
GROUP BY query HAVING sum(calls) >= $1 ORDER BY sum(total_exec_time) DESC LIMIT $2`,
    [options.minCalls ?? 1, options.limit ?? 100],
  )
  return rows.flatMap(({ query: text, calls }) => (text === null ? [] : [{ text: repairNormalised(text), calls: Number(calls) }]))
}
