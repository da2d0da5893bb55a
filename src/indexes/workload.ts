import type { StatementShape } from "../sql/index.ts"
import type { TableAccess } from "./access.ts"

/** A statement of a workload, as the caller gives it. */
export interface WorkloadStatement {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  /** How often it runs, against the others. Default 1. */
  readonly calls?: number | undefined
}

/** A statement under advice. */
export interface AdvisedStatement {
  readonly number: number
  readonly text: string
  readonly values: readonly unknown[] | undefined
  readonly calls: number
  readonly shape: StatementShape
  readonly accesses: readonly TableAccess[]
  /** Of a query that the server runs by itself (a foreign key's check): the statement that causes it. */
  readonly causedBy: number | null
  /** Schema-qualified names of tables that it reads. */
  readonly tables: ReadonlySet<string>
}

/** One key for a table. */
export function tableKey(table: { readonly schema: string; readonly name: string }): string {
  return `${table.schema}.${table.name}`
}
