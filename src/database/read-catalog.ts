import type { Catalog, Column, Constraint, ForeignKey, Index, Relation } from "./catalog.ts"
import { columnsText, constraintsText, indexesText, relationsText } from "./catalog-sql.ts"
import type { Database, Session, Statement } from "./database.ts"

/** Which relations; both given: both must hold. */
export interface CatalogSelection {
  /** Default: all but PostgreSQL's own. */
  readonly schemas?: readonly string[] | undefined
  /** By name, in a schema or in any. Names as they are, not quoted. */
  readonly relations?: readonly { readonly schema?: string | undefined; readonly name: string }[] | undefined
  readonly signal?: AbortSignal | undefined
  /** Default 30000. */
  readonly timeoutMs?: number | undefined
}

/**
 * Reads relations, columns with their statistics, indexes and constraints, as of one moment. With a session it reads in whatever
 * transaction is open there; with a database in a read-only one of its own. Indexes of hypopg are not among them.
 */
export async function readCatalog(source: Database | Session, selection: CatalogSelection = {}): Promise<Catalog> {
  const { schemas, relations, signal } = selection
  const values = [
    schemas ?? null,
    relations?.map(({ schema }) => schema ?? null) ?? null,
    relations?.map(({ name }) => name) ?? null,
  ]
  const questions: Statement[] = [relationsText, columnsText, indexesText, constraintsText].map((text) => ({ text, values }))
  const options = { signal, timeoutMs: selection.timeoutMs ?? 30_000 }
  const results = "acquire" in source ? await inTransaction(source, questions, options) : await source.batch(questions, options)
  const [relationRows, columns, indexes, constraints] = results.map(({ rows }) =>
    rows.map(([json]) => JSON.parse(json!) as never),
  )
  return assemble(relationRows!, columns!, indexes!, constraints!)
}

async function inTransaction(
  database: Database,
  questions: readonly Statement[],
  options: { signal: AbortSignal | undefined; timeoutMs: number },
): ReturnType<Session["batch"]> {
  const session = await database.acquire(options)
  let healthy = false
  try {
    const begin = { text: "begin isolation level repeatable read read only", values: [] }
    const results = await session.batch([begin, ...questions, { text: "commit", values: [] }], options)
    healthy = true
    return results.slice(1, -1)
  } finally {
    if (!healthy) {
      healthy = await session.query({ text: "rollback", values: [] }, { timeoutMs: 10_000 }).then(
        () => true,
        () => false,
      )
    }
    session.release(!healthy)
  }
}

type Bare = Omit<Relation, "columns" | "indexes" | "constraints" | "referencedBy">
type Of<Part> = Part & { readonly relation: number }
type ConstraintRow = Of<Constraint> & { readonly target: number | null }

function assemble(
  relations: readonly Bare[],
  columns: readonly Of<Column>[],
  indexes: readonly Of<Index>[],
  constraints: readonly ConstraintRow[],
): Catalog {
  const columnsOf = grouped(columns, ({ relation }) => relation)
  const indexesOf = grouped(indexes, ({ relation }) => relation)
  const constraintsOf = grouped(constraints, ({ relation }) => relation)
  const referencing = grouped(
    constraints.filter(({ target }) => target !== null),
    ({ target }) => target!,
  )
  return {
    relations: relations.map((relation) => ({
      ...relation,
      columns: (columnsOf.get(relation.oid) ?? []).map(without),
      indexes: (indexesOf.get(relation.oid) ?? []).map(without),
      constraints: (constraintsOf.get(relation.oid) ?? []).map(without) as Constraint[],
      referencedBy: (referencing.get(relation.oid) ?? []).map(without) as ForeignKey[],
    })),
  }
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}

/** The part without what only ties it to its relation. */
function without<T extends { relation: number }>(part: T): Omit<T, "relation" | "target"> {
  const { relation: _, target: __, ...rest } = part as T & { target?: unknown }
  return rest as Omit<T, "relation" | "target">
}
