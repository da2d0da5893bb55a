import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { resolveShape, type StatementShape, statementShape, statementShapeWithViews } from "../sql/index.ts"
import { accessesOf, relationNames, type TableAccess } from "./access.ts"
import { type IndexCatalog, tableOf } from "./catalog.ts"
import { referenceChecks } from "./foreign-keys.ts"
import { readIndexCatalog } from "./read-catalog.ts"
import { type AdvisedStatement, tableKey, type WorkloadStatement } from "./workload.ts"

/** A statement that cannot be advised on, and why. */
export interface RefusedStatement {
  readonly number: number
  readonly text: string
  readonly calls: number
  readonly reason: string
}

export interface PreparedWorkload {
  readonly catalog: IndexCatalog
  /** Those of the workload, and the foreign key checks that they cause. */
  readonly statements: readonly AdvisedStatement[]
  readonly refused: readonly RefusedStatement[]
}

/** Reads statements and the part of the catalog that they touch. */
export async function prepareWorkload(
  db: Database,
  workload: readonly WorkloadStatement[],
  signal: AbortSignal | undefined,
): Promise<PreparedWorkload> {
  const refused: RefusedStatement[] = []
  const read: { number: number; statement: WorkloadStatement; shape: StatementShape }[] = []
  for (const [number, statement] of workload.entries()) {
    const calls = statement.calls ?? 1
    try {
      const shape = await statementShape(statement.text)
      if (shape.kind === "utility") {
        refused.push({ number, text: statement.text, calls, reason: `${shape.command} is not planned: no index serves it.` })
      } else read.push({ number, statement, shape })
    } catch (error) {
      if (!isSelectoError(error)) throw error
      refused.push({ number, text: statement.text, calls, reason: error.message })
    }
  }
  const names = uniqueNames(read.flatMap(({ shape }) => relationNames(shape)))
  const catalog = await readIndexCatalog(db, names, { signal })
  const viewText = (schema: string | null, name: string): string | null => tableOf(catalog, schema, name)?.view ?? null
  const columns = {
    columnsOf: (schema: string | null, name: string) =>
      tableOf(catalog, schema, name)?.columns.map((column) => column.name) ?? null,
  }
  const statements: AdvisedStatement[] = []
  for (const { number, statement, shape } of read) {
    const missing = relationNames(shape).find(({ schema, name }) => tableOf(catalog, schema, name) === null)
    const calls = statement.calls ?? 1
    if (missing !== undefined) {
      const name = missing.schema === null ? missing.name : `${missing.schema}.${missing.name}`
      refused.push({
        number,
        text: statement.text,
        calls,
        reason: `The relation ${name} was not found, or this role may not see it.`,
      })
      continue
    }
    const hasViews = relationNames(shape).some(({ schema, name }) => viewText(schema, name) !== null)
    const full = hasViews ? await statementShapeWithViews(statement.text, viewText) : shape
    const resolved = resolveShape(full, columns)
    statements.push(advised(number, statement.text, statement.values, calls, resolved, catalog, null))
    for (const check of await referenceChecks(shape, catalog)) {
      const checked = resolveShape(check.shape, columns)
      statements.push(advised(workload.length + statements.length, check.text, undefined, calls, checked, catalog, number))
    }
  }
  return { catalog, statements, refused }
}

function advised(
  number: number,
  text: string,
  values: readonly unknown[] | undefined,
  calls: number,
  shape: StatementShape,
  catalog: IndexCatalog,
  causedBy: number | null,
): AdvisedStatement {
  const accesses: readonly TableAccess[] = accessesOf(shape, catalog, values)
  return {
    number,
    text,
    values,
    calls,
    shape,
    accesses,
    causedBy,
    tables: new Set(accesses.map((access) => tableKey(access.table))),
  }
}

function uniqueNames(names: readonly { schema: string | null; name: string }[]): { schema: string | null; name: string }[] {
  return [...new Map(names.map((name) => [`${name.schema ?? ""}.${name.name}`, name])).values()]
}
