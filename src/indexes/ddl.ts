import { quoteIdentifier, quoteQualified } from "../sql/index.ts"
import { type Candidate, definitionOf } from "./draft.ts"
import { indexName } from "./index-name.ts"

export interface IndexStatements {
  readonly name: string
  /** To be run one by one, none of them in a transaction block. */
  readonly statements: string[]
  readonly undo: string[]
}

/**
 * The statements that create an index without blocking writers. On a partitioned table CONCURRENTLY is not allowed: the parents'
 * indexes are made empty (ON ONLY), each partition's concurrently, then attached, which makes the parents' valid
 * (PostgreSQL's documentation of CREATE INDEX and of partitioning, "ALTER INDEX … ATTACH PARTITION").
 */
export function createStatements(candidate: Candidate, taken: Set<string>): IndexStatements {
  const { table } = candidate.draft
  const name = indexName(candidate, taken)
  const qualified = quoteQualified(candidate.schema, name)
  const undo = [`DROP INDEX ${table.kind === "partitioned" ? "" : "CONCURRENTLY "}${qualified}`]
  if (table.kind !== "partitioned") {
    const on = definitionOf(candidate, quoteQualified(candidate.schema, candidate.table))
    return { name, statements: [`CREATE INDEX CONCURRENTLY ${quoteIdentifier(name)} ON ${on}`], undo }
  }
  const names = new Map<number, string>([[table.oid, qualified]])
  const empty = [
    `CREATE INDEX ${quoteIdentifier(name)} ON ONLY ${definitionOf(candidate, quoteQualified(candidate.schema, candidate.table))}`,
  ]
  const filled: string[] = []
  const attached: string[] = []
  for (const part of table.partitions) {
    const partName = indexName(candidate, taken, part.name)
    const on = definitionOf(candidate, quoteQualified(part.schema, part.name))
    names.set(part.oid, quoteQualified(part.schema, partName))
    if (part.leaf) filled.push(`CREATE INDEX CONCURRENTLY ${quoteIdentifier(partName)} ON ${on}`)
    else empty.push(`CREATE INDEX ${quoteIdentifier(partName)} ON ONLY ${on}`)
  }
  // Leaves first: a parent is valid only when all below it are.
  for (const leaf of [true, false]) {
    for (const part of table.partitions.filter((one) => one.leaf === leaf).reverse()) {
      attached.push(`ALTER INDEX ${names.get(part.parent) ?? qualified} ATTACH PARTITION ${names.get(part.oid)!}`)
    }
  }
  return { name, statements: [...empty, ...filled, ...attached], undo }
}
