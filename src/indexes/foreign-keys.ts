import { loadShapes, quoteIdentifier, quoteQualified, type StatementShape, statementShape } from "../sql/index.ts"
import { type CatalogTable, type ForeignKey, type IndexCatalog, tableOf } from "./catalog.ts"

/** A query that the server runs by itself for each row that a statement deletes, or whose key it changes. */
export interface ReferenceCheck {
  readonly key: ForeignKey
  readonly text: string
  readonly shape: StatementShape
}

/**
 * The checks that foreign keys of other tables add to a statement: EXPLAIN does not show them, and without an index on the referencing
 * columns each reads its table whole (PostgreSQL's ri_triggers.c is the source of the query).
 */
export async function referenceChecks(shape: StatementShape, catalog: IndexCatalog): Promise<ReferenceCheck[]> {
  await loadShapes()
  const checks: ReferenceCheck[] = []
  for (const block of shape.blocks) {
    const { write } = block
    if (write === null) continue
    const deletes = block.kind === "delete" || write.actions.some((action) => action.action === "delete")
    if (!deletes && block.kind !== "update" && block.kind !== "merge") continue
    const relation = shape.relations[write.target]!
    const table = tableOf(catalog, relation.schema, relation.name)
    for (const key of table?.referencedBy ?? []) {
      if (!deletes && !key.referenced.some((column) => write.columns.includes(column))) continue
      const child = tableOf(catalog, key.schema, key.table)
      if (child === null || hasKeyIndex(child, key)) continue
      const where = key.columns.map((column, at) => `${quoteIdentifier(column)} = $${at + 1}`).join(" AND ")
      const text = `SELECT 1 FROM ${child.kind === "partitioned" ? "" : "ONLY "}${quoteQualified(key.schema, key.table)} x WHERE ${where} FOR KEY SHARE OF x`
      checks.push({ key, text, shape: await statementShape(text) })
    }
  }
  return checks
}

/** True when an index begins with the key's columns, in any order. */
export function hasKeyIndex(table: CatalogTable, key: ForeignKey): boolean {
  return table.indexes.some(
    (index) =>
      index.valid &&
      index.predicate === null &&
      (index.method === "btree" || (index.method === "hash" && key.columns.length === 1)) &&
      key.columns.every((column) => index.keys.slice(0, key.columns.length).some((entry) => entry.column === column)),
  )
}
