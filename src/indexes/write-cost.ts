import type { CatalogTable } from "./catalog.ts"
import type { Candidate } from "./draft.ts"
import { nodesOf, rootOf } from "./what-if/explain.ts"
import type { AdvisedStatement } from "./workload.ts"

/**
 * Cost of keeping one entry of an index, in the planner's units (1 is a sequential page read). A btree insertion descends cached pages
 * and dirties a leaf: about a quarter of a random page; GIN writes an entry for each part of a value; BRIN touches a summary now and then.
 */
const entryCost: Readonly<Record<Candidate["method"], number>> = { btree: 1, hash: 0.9, gin: 4, gist: 2, spgist: 1.5, brin: 0.02 }

/** Share of updates that stay heap-only when no index column changes and the table says nothing better. */
const defaultHotShare = 0.8

/** What keeping a candidate costs in one run of a writing statement. */
export function maintenanceCost(statement: AdvisedStatement, candidate: Candidate, plan: unknown): number {
  const { shape } = statement
  let cost = 0
  for (const block of shape.blocks) {
    const write = block.write
    if (write === null) continue
    const relation = shape.relations[write.target]!
    const { table } = candidate.draft
    if (relation.name !== table.name || (relation.schema !== null && relation.schema !== table.schema)) continue
    const rows = writtenRows(statement, block.kind, plan)
    const kinds = block.kind === "merge" ? write.actions.map((action) => action.action) : [block.kind]
    for (const kind of kinds) {
      if (kind === "insert") cost += rows * entryCost[candidate.method]
      else if (kind === "update") cost += rows * updateCost(table, candidate, write.columns)
    }
    if (block.kind === "insert" && write.conflict?.action === "update") {
      cost +=
        rows *
        updateCost(
          table,
          candidate,
          write.assignments.map((assignment) => assignment.column),
        )
    }
  }
  return cost
}

/** An update that touches the index's columns ends heap-only updates: every index of the table gets an entry. */
function updateCost(table: CatalogTable, candidate: Candidate, columns: readonly string[]): number {
  const held = indexedColumns(candidate)
  const touched = columns.some((column) => held.has(column))
  const hot =
    table.changes !== null && table.changes.updates > 100 ? table.changes.hotUpdates / table.changes.updates : defaultHotShare
  if (!touched) return (1 - hot) * entryCost[candidate.method]
  const wasHot = !table.indexes.some(
    (index) => index.keys.some((key) => columns.includes(key.column ?? "")) && index.method !== "brin",
  )
  return entryCost[candidate.method] + (wasHot ? hot * table.indexes.length : 0)
}

/** Columns whose change means a new index entry. */
function indexedColumns(candidate: Candidate): Set<string> {
  const words = new Set<string>(candidate.include)
  for (const key of candidate.draft.keys) {
    if (key.column !== null) words.add(key.column)
    else for (const { name } of candidate.draft.table.columns) if (key.text.includes(name)) words.add(name)
  }
  if (candidate.where !== null)
    for (const { name } of candidate.draft.table.columns) if (candidate.where.includes(name)) words.add(name)
  return words
}

function writtenRows(statement: AdvisedStatement, kind: string, plan: unknown): number {
  const values = statement.shape.blocks.find((block) => block.valuesRows !== null)
  if (kind === "insert" && values !== undefined) return values.valuesRows ?? 1
  const modify = nodesOf(rootOf(plan)).find((node) => node["Node Type"] === "ModifyTable")
  return Math.max(1, modify?.Plans?.[0]?.["Plan Rows"] ?? 1)
}
