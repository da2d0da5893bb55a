import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { quoteIdentifier, quoteQualified } from "../sql/index.ts"
import { type CatalogTable, columnOf } from "./catalog.ts"
import type { Candidate } from "./draft.ts"
import { tableKey } from "./workload.ts"

/** Blocks that are read of a table: 3 MB. */
const sampledBlocks = 400
/** Sets of columns that one statement counts. */
const setsPerStatement = 20

/**
 * How many distinct combinations the keys of candidates have, as a share of the table's rows: what an index takes depends on it, and
 * statistics count single columns only. Counted on a sample of the table's blocks; left out where the answer would change nothing,
 * and where this role may not read the table.
 */
export async function countCombinations(
  db: Database,
  candidates: readonly Candidate[],
  signal?: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const shares = new Map<string, number>()
  const byTable = new Map<string, { table: CatalogTable; sets: Map<string, ColumnSet & { ids: string[] }> }>()
  for (const candidate of candidates) {
    const columns = ambiguous(candidate)
    if (columns === null) continue
    const key = tableKey(candidate.draft.table)
    const entry = byTable.get(key) ?? { table: candidate.draft.table, sets: new Map() }
    byTable.set(key, entry)
    const name = JSON.stringify([columns, candidate.where])
    const set = entry.sets.get(name) ?? { columns, where: candidate.where, ids: [] }
    entry.sets.set(name, set)
    set.ids.push(candidate.id)
  }
  for (const { table, sets } of byTable.values()) {
    const all = [...sets.values()]
    for (let at = 0; at < all.length; at += setsPerStatement) {
      const part = all.slice(at, at + setsPerStatement)
      try {
        const { rows } = await db.query<{ at: number; share: number | null }>(
          {
            text: sampleText(table, part),
            values: [],
          },
          { timeoutMs: 10_000, signal },
        )
        for (const { at: number, share } of rows)
          if (share !== null) for (const id of part[number]!.ids) shares.set(id, Number(share))
      } catch (error) {
        // No right to read it, too slow, a lock: then the columns are taken to be independent.
        if (signal?.aborted || !isSelectoError(error) || error.code === "E_CONNECTION") throw error
        break
      }
    }
  }
  return shares
}

interface ColumnSet {
  readonly columns: readonly string[]
  readonly where: string | null
}

/** The key columns, in one order, where it matters how many of their combinations there are. */
function ambiguous({ method, include, where, draft }: Candidate): string[] | null {
  const { table, keys } = draft
  if (method !== "btree" || include.length > 0 || table.rows < 1000 || table.kind !== "table") return null
  let possible = 1
  let most = 1
  for (const { column } of keys) {
    const distinct = column === null ? null : columnOf(table, column)?.stats?.distinct
    if (distinct == null) return null
    possible *= distinct
    most = Math.max(most, distinct)
  }
  // Nearly as many as rows whatever the rest, or so few that each has a long list of rows anyway.
  if (most > table.rows * 0.7 || possible < table.rows / 50) return null
  return keys.length > 1 || where !== null ? keys.map(({ column }) => column!).sort() : null
}

/**
 * The estimator is ANALYZE's (Haas and Stokes, "Duj1"), with a block's share of a combination as the unit, since the rows of a block
 * are no random sample: combinations that keep together in blocks are as many as the blocks hold.
 */
function sampleText(table: CatalogTable, sets: readonly ColumnSet[]): string {
  const percent = Math.min(100, (100 * sampledBlocks) / Math.max(1, table.pages))
  const columns = [...new Set(sets.flatMap((set) => set.columns))].map(quoteIdentifier).join(", ")
  const predicates = sets.map(({ where }, at) => `, (${where ?? "true"}) as "selecto where ${at}"`).join("")
  const counts = sets.map(
    (
      set,
      at,
    ) => `select ${at} as at, count(*)::float8 as d, coalesce(sum(blocks), 0)::float8 as n, (count(*) filter (where blocks = 1))::float8 as f, coalesce(sum(held), 0)::float8 as r
  from (select count(distinct block) as blocks, count(*) as held from s where "selecto where ${at}" group by ${set.columns.map(quoteIdentifier).join(", ")}) g`,
  )
  return `with s as materialized (select (ctid::text::point)[0]::int8 as block, ${columns}${predicates} from only ${quoteQualified(table.schema, table.name)} tablesample system (${percent}) repeatable (1))
select at, case when r > 100 then least(1, n * d / (n - f + f * ${percent / 100}) / (r / ${percent / 100})) end as share
from (${counts.join("\nunion all\n")}) c /* selecto:indexes */`
}
