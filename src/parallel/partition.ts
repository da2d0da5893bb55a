import { SelectoError } from "../errors.ts"
import { quoteIdentifier, statementShapeSync } from "../sql/index.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"
import { type ColumnFacts, type Executor, readTypes } from "./catalog.ts"
import { byBlocks, byConditions, byHash, byRange, type Division } from "./division.ts"
import { type Driver, visibleName } from "./driver.ts"
import type { Knowledge } from "./knowledge.ts"
import type { ParallelRequest, Settled } from "./option.ts"
import {
  BlockQueue,
  type BlockQueueOptions,
  DealtQueue,
  fewestBlocks,
  ListQueue,
  lastBlock,
  type Part,
  type PartQueue,
} from "./part.ts"

/** A division with what makes its parts once the table is measured and the workers are counted. */
export interface Divided {
  readonly division: Division
  /** The relation that is divided by place; null where rows are divided by a key. */
  readonly driver: Driver | null
  /** Of ranges: what they are ranges of. Their parts come in its order, NULLs last. */
  readonly rangeOf: string | null
  readonly queue: (measure: Measure) => PartQueue
  /** Parts for so many readers at once, fixed beforehand; there may be more where they cannot be fewer. */
  readonly sections: (count: number, blocks: number) => Part[]
}

/** What is known when the parts are cut. */
export type Measure = Omit<BlockQueueOptions, "blocksPerBatch" | "withoutBlock">

/** Pieces of the driver's table by place; `dealt`: cut beforehand and dealt in turn. */
export function blocksOf(driver: Driver, dealt: boolean): Divided {
  const division = byBlocks(driver.path.at(-1)!, `blocks of ${driver.facts.name}`)
  const perBlock = driver.facts.rows / Math.max(1, driver.facts.blocks)
  return {
    division,
    driver,
    rangeOf: null,
    sections: (count, blocks) => sectionsOf(count, blocks, driver.nullable),
    queue: (measure) => {
      const options: BlockQueueOptions = {
        ...measure,
        blocksPerBatch: perBlock === 0 ? fewestBlocks : Math.ceil(measure.batchSize / perBlock),
        withoutBlock: driver.nullable,
      }
      if (!dealt) return new BlockQueue(options)
      return new DealtQueue(allOf(new BlockQueue({ ...options, strategy: "row_count" })), measure.workers)
    },
  }
}

/** Parts that are what they are, however many read them. */
function fixed(division: Division, driver: Driver | null, parts: readonly Part[]): Divided {
  return { division, driver, rangeOf: null, queue: () => new ListQueue(parts), sections: () => [...parts] }
}

/** As many equal pieces of a table as there are readers; rows without a block go to one of their own. */
function sectionsOf(count: number, blocks: number, withoutBlock: boolean): Part[] {
  const pieces = Math.max(1, withoutBlock ? count - 1 : count)
  const parts = Array.from({ length: pieces }, (_, at): Part => {
    const from = Math.floor((at * blocks) / pieces)
    const to = at === pieces - 1 ? lastBlock : Math.floor(((at + 1) * blocks) / pieces)
    return { index: at, condition: 0, values: [`(${from},0)`, `(${to},0)`], share: 1 / pieces }
  })
  return withoutBlock ? [...parts, { index: parts.length, condition: 1, values: [], share: 0 }] : parts
}

/** Every part of a queue, in order. */
export function allOf(queue: PartQueue): Part[] {
  const parts: Part[] = []
  for (let part = queue.take(0); part !== null; part = queue.take(0)) parts.push({ ...part, index: parts.length })
  return parts
}

export function hashOf(expression: string, label: string, typeId: number): Divided {
  const sections = (count: number): Part[] =>
    Array.from({ length: count }, (_, at) => ({ index: at, condition: 0, values: [count, at], share: 1 / count }))
  return {
    division: byHash(expression, label, typeId),
    driver: null,
    rangeOf: null,
    sections,
    queue: ({ workers }) => new ListQueue(sections(workers)),
  }
}

/** Ranges between cuts, which are texts of the expression's type in its order. `nulls`: there may be NULLs. */
export function rangesOf(expression: string, type: string, label: string, cuts: readonly string[], nulls: boolean): Divided {
  const division = byRange(expression, type, label)
  const share = 1 / (cuts.length + 1)
  const parts: Part[] =
    cuts.length === 0
      ? [{ index: 0, condition: 4, values: [], share }]
      : [
          { index: 0, condition: 0, values: [cuts[0]], share },
          ...cuts.slice(1).map((cut, at) => ({ index: at + 1, condition: 1, values: [cuts[at], cut], share })),
          { index: cuts.length, condition: 2, values: [cuts.at(-1)], share },
        ]
  if (nulls) parts.push({ index: parts.length, condition: 3, values: [], share: 0 })
  return { ...fixed(division, null, parts), rangeOf: expression }
}

/** What a user asked for by `partition`, or null for "auto" and what follows from it. */
export async function askedDivision(
  executor: Executor,
  knowledge: Knowledge,
  drivers: readonly Driver[],
  request: ParallelRequest,
  options: Settled,
): Promise<Divided | null | string> {
  const { partition } = options
  if (partition === "auto") return null
  const driver = chosenDriver(drivers, request)
  if ("roundRobin" in partition) return driver === null ? noDriver(knowledge) : blocksOf(driver, true)
  if ("custom" in partition) return driver === null ? noDriver(knowledge) : customOf(driver, partition.custom, options)
  const name = "hash" in partition ? partition.hash : partition.range
  const { alias, column, table } = columnNamed(name, knowledge, drivers, request)
  const expression = `${quoteIdentifier(alias)}.${quoteIdentifier(column.name)}`
  const type = (await readTypes(executor, [column.typeId])).get(column.typeId)!
  if ("hash" in partition) {
    if (!type.hashable) throw wrongType(name, `${type.sql} has no hash function`, "hash")
    return hashOf(expression, `hash of ${name}`, type.baseId)
  }
  if (!type.ordered) throw wrongType(name, `${type.sql} has no order`, "range")
  const pieces = column.indexed ? options.workers * 16 : options.workers
  const cuts = await readCuts(executor, table, column.name, type.sql, pieces)
  if (cuts === null) return `there are no statistics of ${name}: run ANALYZE on its table`
  // An outer join may leave the column null although the table has none.
  return rangesOf(expression, type.sql, `ranges of ${name}`, cuts, true)
}

function noDriver(knowledge: Knowledge): string {
  const facts = knowledge.catalog.relations.find((one) => one?.heap === false)
  return !facts ? "no table of FROM can be divided by the place of its rows" : `${facts.name} has no blocks to divide`
}

/** The named relation, or else the longest. Throws E_UNKNOWN_JOIN for a name that the statement does not have. */
export function chosenDriver(drivers: readonly Driver[], { join, paths }: ParallelRequest): Driver | null {
  if (join !== undefined) {
    const alias = paths?.get(join) ?? join
    const found = drivers.find((one) => visibleName(one.relation) === alias) ?? drivers.find((one) => one.facts.name === alias)
    if (found !== undefined) return found
    const suggestions = suggestionsFor(join, [...(paths?.keys() ?? []), ...drivers.map((one) => visibleName(one.relation))])
    throw new SelectoError(
      "E_UNKNOWN_JOIN",
      `parallelJoin(${JSON.stringify(join)}): the statement reads no table of that name that could be divided.${didYouMean(suggestions)}`,
      { path: join, suggestions },
    )
  }
  return drivers.reduce<Driver | null>((best, one) => (best === null || one.facts.blocks > best.facts.blocks ? one : best), null)
}

interface NamedColumn {
  readonly alias: string
  readonly column: ColumnFacts
  readonly table: { readonly schema: string; readonly name: string }
}

function columnNamed(name: string, knowledge: Knowledge, drivers: readonly Driver[], request: ParallelRequest): NamedColumn {
  const dot = name.lastIndexOf(".")
  const prefix = dot < 0 ? "" : name.slice(0, dot)
  const bare = name.slice(dot + 1)
  const alias = request.paths?.get(prefix) ?? (prefix === "" ? null : prefix)
  const { shape } = knowledge
  const relations = shape.blocks[0]!.relations.map((ordinal) => shape.relations[ordinal]!)
  const candidates = relations.flatMap((relation) => {
    const facts = knowledge.factsOf(relation)
    const named = alias === null || visibleName(relation) === alias || relation.name === alias
    return facts === null || !named ? [] : [{ relation, facts }]
  })
  // A bare name in SQL of one's own means the table that is divided, before others that have such a column too.
  const main = chosenDriver(drivers, request)?.relation.ordinal
  candidates.sort((a, b) => Number(b.relation.ordinal === main) - Number(a.relation.ordinal === main))
  for (const { relation, facts } of candidates) {
    const column = facts.columns.find((one) => one.name === bare)
    if (column !== undefined) return { alias: visibleName(relation), column, table: facts }
  }
  const known = candidates.flatMap(({ facts }) => facts.columns.map((one) => one.name))
  const suggestions = suggestionsFor(bare, known)
  throw new SelectoError(
    "E_UNKNOWN_FIELD",
    `\`partition\` names ${JSON.stringify(name)}, which is no column of the statement's tables.${didYouMean(suggestions)}`,
    { path: name, suggestions },
  )
}

function wrongType(name: string, what: string, kind: string): SelectoError {
  return new SelectoError("E_INVALID_OPTION", `\`partition\` by ${kind} of ${JSON.stringify(name)} cannot be: ${what}.`, {
    path: `partition.${kind}`,
  })
}

/** Values that cut a column into parts of about equal numbers of rows, from its statistics; null where there are none. */
async function readCuts(
  executor: Executor,
  table: { readonly schema: string; readonly name: string },
  column: string,
  type: string,
  parts: number,
): Promise<readonly string[] | null> {
  const { rows } = await executor.queryText(
    {
      text: `select d.v::text as cut from (
        select distinct v from pg_catalog.pg_stats s, lateral (
          select unnest(histogram_bounds::text::${type}[]) union all select unnest(most_common_vals::text::${type}[])) as u(v)
        where schemaname = $1 and tablename = $2 and attname = $3) as d where d.v is not null order by d.v /* selecto:parallel */`,
      values: [table.schema, table.name, column],
    },
    { timeoutMs: 10_000 },
  )
  if (rows.length === 0) return null
  const values = rows.map(([value]) => value!)
  const wanted = Math.min(parts - 1, values.length - 1)
  return Array.from({ length: Math.max(0, wanted) }, (_, at) => values[Math.floor(((at + 1) * values.length) / (wanted + 1))]!)
}

function customOf(driver: Driver, custom: (table: never) => readonly string[], options: Settled): Divided {
  const { schema, name, rows } = driver.facts
  const alias = driver.path.at(-1)!
  const conditions = (custom as (table: object) => unknown)({ schema, table: name, alias, workers: options.workers, rows })
  if (!Array.isArray(conditions) || !conditions.every((one) => typeof one === "string" && one.trim() !== ""))
    throw new SelectoError("E_INVALID_OPTION", "`partition.custom` returns a list of conditions in SQL, one a part.", {
      path: "partition.custom",
    })
  for (const condition of conditions) checkCondition(condition)
  const parts = Array.from({ length: conditions.length + 1 }, (_, at) => ({
    index: at,
    condition: at,
    values: [],
    share: 1 / (conditions.length + 1),
  }))
  return fixed(byConditions(conditions, `conditions on ${name}`), driver.path.length > 1 ? driver : null, parts)
}

/** One expression and nothing else, without functions that might answer differently in another session. */
function checkCondition(condition: string): void {
  // Once in parentheses and once without: neither clauses nor a parenthesis too many get through both.
  const sound = [`(\n${condition}\n)`, condition].every((text) => {
    const shape = statementShapeSync(`SELECT 1 WHERE ${text}`)
    return shape.kind === "select" && shape.blocks.length === 1 && shape.functions.length === 0 && shape.parameters.length === 0
  })
  if (!sound)
    throw new SelectoError(
      "E_INVALID_OPTION",
      "A condition of `partition.custom` is one expression over the table's columns: no subquery, no function, no $n.",
      { path: "partition.custom" },
    )
}
