import type { Session } from "../../database/database.ts"
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/identifier.ts"
import type { CatalogRelation, ColumnStatistics, Endpoints, Skipped } from "./catalog.ts"

/** Probes of one statement: one round trip for many indexes. */
const probesPerStatement = 40

interface Probe {
  readonly relation: CatalogRelation
  readonly column: string
}

/**
 * The planner looks up the true ends of an indexed column when a comparison falls into the outer bins of its histogram, so that
 * rows newer than the last ANALYZE are counted (get_actual_variable_range in PostgreSQL's selfuncs.c). The copy's indexes are empty;
 * therefore production's are asked, two index probes a column. Nothing is read that an index does not answer.
 */
export async function probeEndpoints(
  session: Session,
  relations: readonly CatalogRelation[],
  statistics: readonly ColumnStatistics[],
  unreadable: readonly string[],
  skipped: Skipped[],
  signal?: AbortSignal | undefined,
): Promise<Endpoints[]> {
  const histograms = new Set(
    statistics
      .filter((row) => row.histogram !== null && !row.inherited)
      .map((row) => keyOf(row.schema, row.relation, row.column)),
  )
  const probes: Probe[] = []
  for (const relation of relations) {
    if ((relation.kind !== "r" && relation.kind !== "m") || unreadable.includes(`${relation.schema}.${relation.name}`)) continue
    const columns = new Set(
      relation.indexes
        .filter((index) => index.method === "btree" && !index.partial && index.bytes > 0)
        .map((index) => index.leading),
    )
    for (const column of columns) {
      if (column !== null && histograms.has(keyOf(relation.schema, relation.name, column))) probes.push({ relation, column })
    }
  }
  if (probes.length === 0) return []
  const run = async (text: string): Promise<(string | null)[][]> =>
    (await session.queryText({ text: `${text} /* selecto:indexes */`, values: [] }, { signal, timeoutMs: 5000 })).rows
  await run("set local enable_seqscan = off")
  await run("set local enable_sort = off")
  await run("set local enable_bitmapscan = off")
  await run("set local max_parallel_workers_per_gather = 0")
  await run("set local statement_timeout = '5s'")

  const found: Endpoints[] = []
  for (let at = 0; at < probes.length; at += probesPerStatement) {
    const batch = probes.slice(at, at + probesPerStatement)
    await run("savepoint selecto_probe")
    try {
      const answered = (await scansTables(run, batch)) ? await onlyIndexed(run, batch) : batch
      if (answered.length > 0) found.push(...(await probe(run, answered)))
      await run("release savepoint selecto_probe")
    } catch (error) {
      if (signal?.aborted === true || !/^[0-9A-Z]{5}$/.test(sqlStateOf(error))) throw error
      await run("rollback to savepoint selecto_probe")
      const names = [...new Set(batch.map(({ relation }) => `${relation.schema}.${relation.name}`))].join(", ")
      skipped.push({
        kind: "endpoints",
        name: names,
        why: `the ends of its indexes could not be read in time or by this role (${sqlStateOf(error)})`,
      })
    }
  }
  return found
}

type Run = (text: string) => Promise<(string | null)[][]>

async function probe(run: Run, batch: readonly Probe[]): Promise<Endpoints[]> {
  const rows = await run(batch.map(textOf).join(" union all "))
  return rows.flatMap(([at, smallest, largest]) => {
    const { relation, column } = batch[Number(at)]!
    return smallest == null || largest == null
      ? []
      : [{ schema: relation.schema, relation: relation.name, column, smallest, largest }]
  })
}

function textOf({ relation, column }: Probe, at: number): string {
  // Qualified: ORDER BY would otherwise mean the output column, which is text.
  const name = `t.${quoteIdentifier(column)}`
  const from = `from only ${quoteQualified(relation.schema, relation.name)} as t where ${name} is not null order by ${name}`
  return `select ${at}, (select ${name}::text ${from} limit 1), (select ${name}::text ${from} desc limit 1)`
}

/** An index of another operator class does not give the order: then the server would read and sort the table. */
async function scansTables(run: Run, batch: readonly Probe[]): Promise<boolean> {
  const plan = await run(`explain (costs off) ${batch.map(textOf).join(" union all ")}`)
  return plan.some(([line]) => /Seq Scan|Sort/.test(line ?? ""))
}

async function onlyIndexed(run: Run, batch: readonly Probe[]): Promise<Probe[]> {
  const kept: Probe[] = []
  for (const one of batch) if (!(await scansTables(run, [one]))) kept.push(one)
  return kept
}

function keyOf(...parts: readonly string[]): string {
  return parts.map(quoteLiteral).join(".")
}

function sqlStateOf(error: unknown): string {
  const { sqlState, code } = error as { sqlState?: unknown; code?: unknown }
  return typeof sqlState === "string" ? sqlState : typeof code === "string" ? code : ""
}
