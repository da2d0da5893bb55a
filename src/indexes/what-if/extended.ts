import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/identifier.ts"
import type { Catalog, ExtendedStatistics, Skipped } from "./catalog.ts"
import type { Engine } from "./engine.ts"
import { restore } from "./statistics.ts"

/**
 * Extended statistics. PostgreSQL 18 has no function to restore them, so their own binary form goes straight into
 * pg_statistic_ext_data, through casts that relabel bytea.
 */
export async function restoreExtended(
  engine: Engine,
  catalog: Catalog,
  extended: readonly ExtendedStatistics[],
): Promise<Skipped[]> {
  if (extended.length === 0) return []
  const relations = new Map(catalog.relations.map((relation) => [relation.id, relation]))
  for (const type of ["pg_ndistinct", "pg_dependencies", "pg_mcv_list"]) {
    await engine.execute(`create cast (bytea as ${type}) without function`).catch(() => {})
  }
  const pointerBytes = Number(
    (await engine.rows("select (current_setting('server_version') is not null and version() like '%32-bit%')::text as narrow"))[0]
      ?.narrow === "true"
      ? 4
      : 8,
  )
  const skipped: Skipped[] = []
  for (const object of extended) {
    const relation = relations.get(object.relation)
    if (relation === undefined) continue
    const name = quoteQualified(object.schema, object.name)
    try {
      await engine.execute(object.definition)
      const table = quoteQualified(relation.schema, relation.name)
      const expressions = await expressionStatistics(engine, relation, object)
      const inherited =
        object.data.length > 0
          ? object.data
          : [{ inherited: relation.kind === "p", distinct: null, dependencies: null, commonValues: null }]
      for (const data of inherited) {
        await engine.execute(`insert into pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies, stxdmcv, stxdexpr)
          select oid, ${data.inherited}, ${bytes(data.distinct)}::pg_ndistinct, ${bytes(data.dependencies)}::pg_dependencies,
            ${bytes(data.commonValues === null ? null : fitted(data.commonValues, pointerBytes))}::pg_mcv_list, ${expressions}
          from pg_statistic_ext where stxname = ${quoteLiteral(object.name)} and stxrelid = ${quoteLiteral(table)}::regclass`)
      }
      if (expressions !== "null") await engine.execute(`drop index ${quoteQualified(relation.schema, helperName)}`)
    } catch (error) {
      skipped.push({
        kind: "statistics",
        name,
        why: `extended statistics not restored (${(error as { code?: string }).code ?? "error"})`,
      })
    }
  }
  return skipped
}

const helperName = "selecto expressions"

/** Statistics of expressions are rows of pg_statistic: restored on a helper index over the same expressions, then collected. */
async function expressionStatistics(
  engine: Engine,
  relation: { readonly schema: string; readonly name: string },
  { expressions }: ExtendedStatistics,
): Promise<string> {
  if (expressions.length === 0 || expressions.every(({ statistics }) => statistics.length === 0)) return "null"
  const keys = expressions.map(({ expression }) => `(${expression})`).join(", ")
  await engine.execute(
    `create index ${quoteIdentifier(helperName)} on only ${quoteQualified(relation.schema, relation.name)} (${keys})`,
  )
  const rows = expressions.flatMap(({ statistics }, at) =>
    statistics
      .slice(0, 1)
      .map((row) => ({ row: { ...row, schema: relation.schema, relation: helperName, inherited: false }, at })),
  )
  await restore(
    engine,
    rows.map(({ row }) => row),
    "attnum",
    (_, index) => rows[index]!.at + 1,
  )
  return `(select array_agg(s order by s.staattnum) from pg_statistic s where s.starelid = ${quoteLiteral(quoteQualified(relation.schema, helperName))}::regclass)`
}

function bytes(hexadecimal: string | null): string {
  return hexadecimal === null ? "null::bytea" : `decode('${hexadecimal}', 'hex')`
}

/**
 * Lists of common combinations say of each column whether its values are passed by value; eight-byte ones are not where
 * pointers have four bytes. The bytes of the values are the same, so only that remark is rewritten (statext_mcv_serialize in mcv.c).
 */
function fitted(hexadecimal: string, pointerBytes: number): string {
  if (pointerBytes === 8) return hexadecimal
  const data = Buffer.from(hexadecimal, "hex")
  // uint32 magic, uint32 type, uint32 items, int16 dimensions (padded by the types' oids), then the infos.
  const dimensions = data.readInt16LE(12)
  const infoBytes = 20
  let at = 14 + 4 * dimensions
  for (let dimension = 0; dimension < dimensions; dimension++, at += infoBytes) {
    const values = data.readInt32LE(at)
    const length = data.readInt32LE(at + 12)
    if (length === 8 && data[at + 16] === 1) {
      data[at + 16] = 0
      data.writeInt32LE(8 * values, at + 8)
    }
  }
  return data.toString("hex")
}
