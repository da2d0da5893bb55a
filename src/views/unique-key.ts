import type { Database, QueryOptions, Session } from "../database/database.ts"
import {
  type Expression,
  expressionText,
  type QueryBlock,
  quoteIdentifier,
  type StatementShape,
  type TextContext,
} from "../sql/index.ts"
import { findTable } from "./name.ts"

/**
 * Columns of a view's result in which no two rows can be equal, from the form of its query: group keys, DISTINCT, a key of the only
 * table that it reads; the first column where there is one row. Null where the form does not tell.
 */
export async function uniqueKey(
  session: Session,
  shape: StatementShape,
  columns: readonly string[],
  options: QueryOptions,
): Promise<readonly string[] | null> {
  const block = shape.blocks[0]!
  if (block.setOperation !== null) return block.setOperation.all ? null : columns
  if (block.distinct === "all") return columns
  if (block.kind !== "select") return null
  if (block.distinct !== null) return namesOf(block, block.distinct, columns)
  if (block.grouping !== null) return namesOf(block, block.grouping.keys, columns)
  if (block.aggregates.length > 0) return columns.slice(0, 1)
  return await keyOfOnlyTable(session, shape, block, columns, options)
}

/** The columns that expressions come out as; null where one does not come out. */
function namesOf(block: QueryBlock, expressions: readonly Expression[], columns: readonly string[]): readonly string[] | null {
  if (block.output.some(({ name }) => name === null) || expressions.length === 0) return null
  const names: string[] = []
  for (const key of expressions) {
    const column = columns[block.output.findIndex(({ expression }) => same(expression, key))]
    if (column === undefined) return null
    if (!names.includes(column)) names.push(column)
  }
  return names
}

const context: TextContext = { column: ({ relation, name }) => `${relation}.${quoteIdentifier(name)}` }

function same(one: Expression, other: Expression): boolean {
  // A bare column that the text alone gives to no relation is the qualified one of the same name, or PostgreSQL would call it ambiguous.
  if (one.kind === "column" && other.kind === "column" && (one.relation === null || other.relation === null))
    return one.name === other.name
  return expressionText(one, context) === expressionText(other, context)
}

const keysText = `
select pg_catalog.array_to_json(array(select a.attname from unnest(i.indkey::int2[]) with ordinality as k (number, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number where k.place <= i.indnkeyatts order by k.place))::text as key
from pg_catalog.pg_index i where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
  and not (0 = any (i.indkey::int2[])) order by i.indisprimary desc, i.indnkeyatts /* selecto:views */`

/** The columns of each unique index over plain columns and all rows; the primary key's first. */
export async function uniqueIndexes(
  source: Pick<Database | Session, "query">,
  oid: number,
  options: QueryOptions,
): Promise<readonly (readonly string[])[]> {
  const { rows } = await source.query<{ key: string }>({ text: keysText, values: [oid] }, options)
  return rows.map(({ key }) => JSON.parse(key) as string[])
}

async function keyOfOnlyTable(
  session: Session,
  shape: StatementShape,
  block: QueryBlock,
  columns: readonly string[],
  options: QueryOptions,
): Promise<readonly string[] | null> {
  const [relation] = block.relations.map((ordinal) => shape.relations[ordinal]!)
  if (block.relations.length !== 1 || relation?.kind !== "table") return null
  const table = await findTable(session, relation.schema, relation.name, options)
  if (table === null) return null
  for (const key of await uniqueIndexes(session, table.oid, options)) {
    const names = key.map((column) => outputOf(block, column, columns))
    if (names.every((name) => name !== null)) return names
  }
  return null
}

/** The name under which a column of the only table comes out. */
function outputOf(block: QueryBlock, column: string, columns: readonly string[]): string | null {
  if (block.output.some(({ name }) => name === null)) return block.output.length === 1 && columns.includes(column) ? column : null
  const place = block.output.findIndex(({ expression }) => expression.kind === "column" && expression.name === column)
  return columns[place] ?? null
}
