import type { Database, QueryOptions, Session } from "../../database/database.ts"
import { SelectoError } from "../../errors.ts"
import type {
  Catalog,
  CatalogRelation,
  ColumnStatistics,
  Endpoints,
  ExtendedStatistics,
  RelationName,
  Skipped,
} from "./catalog.ts"
import { probeEndpoints } from "./endpoints.ts"
import * as queries from "./extract-queries.ts"
import { isTrue, type Row, relationsOf, statisticsOf } from "./extract-rows.ts"
import { databaseCollation, functionsOf, typesOf } from "./extract-types.ts"

export interface ExtractOptions {
  /** Only these relations, their partitions and what their views read. Default: every relation of users. */
  readonly relations?: readonly RelationName[] | undefined
  /** False: indexes are not asked for their ends. Default true: two probes for each indexed column with a histogram. */
  readonly endpoints?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly phase: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

type Read = (text: string, values?: readonly unknown[]) => Promise<Row[]>

/** Relations per round trip: large enough to be quick, small enough that no single answer holds the event loop. */
const chunk = 100

/**
 * Copies catalog and statistics in one read-only transaction; afterwards nothing is sent to this database any more. What cannot
 * be copied is listed in `skipped`. Throws E_CONNECTION, E_TIMEOUT, E_ABORTED or E_DATABASE, never for a missing right.
 */
export async function extractCatalog(database: Database, options: ExtractOptions = {}): Promise<Catalog> {
  const session = await database.acquire({ signal: options.signal })
  let clean = false
  try {
    let catalog: Catalog
    try {
      catalog = await inTransaction(session, options, "all")
    } catch (error) {
      // 55P03: somebody holds a relation exclusively: the second time such relations are left out.
      if ((error as { sqlState?: string; code?: string }).sqlState !== "55P03" && (error as { code?: string }).code !== "55P03")
        throw error
      await session.query({ text: "rollback /* selecto:indexes */", values: [] })
      catalog = await inTransaction(session, options, "unlocked")
    }
    clean = true
    return catalog
  } finally {
    if (!clean) {
      clean = await session.query({ text: "rollback /* selecto:indexes */", values: [] }).then(
        () => true,
        () => false,
      )
    }
    session.release(!clean)
  }
}

async function inTransaction(session: Session, options: ExtractOptions, take: "all" | "unlocked"): Promise<Catalog> {
  const query: QueryOptions = { signal: options.signal, timeoutMs: 60_000 }
  const read: Read = async (text, values = []) => {
    const { rows, fields } = await session.queryText({ text, values }, query)
    const result: Row[] = []
    for (const [index, row] of rows.entries()) {
      if (index % 2000 === 1999) await pause()
      result.push(Object.fromEntries(fields.map((field, at) => [field.name, row[at] ?? null])))
    }
    return result
  }
  const progress = options.onProgress ?? (() => {})
  for (const text of queries.begin) await session.query({ text, values: [] }, query)
  const version = Number((await read("show server_version_num /* selecto:indexes */"))[0]?.server_version_num)
  if (version < 130000) throw new SelectoError("E_NOT_SUPPORTED", "The shadow planner reads PostgreSQL 13 and later.")
  const environment = one(await read(queries.environment(version)))
  if (environment.block !== "8192")
    throw new SelectoError("E_NOT_SUPPORTED", "The shadow planner needs servers with 8 kB blocks.")
  const skipped: Skipped[] = []
  const wanted = await relationIds(read, options.relations, skipped)
  const oids = take === "all" ? wanted : await unlocked(read, wanted, skipped)
  const settings = (await read(queries.settings)).map((row) => [row.name ?? "", row.setting ?? ""] as const)
  // Not before: requested names are looked up under the caller's own path.
  await session.query({ text: "set local search_path = pg_catalog /* selecto:indexes */", values: [] }, query)

  const schemas = (await read(queries.schemas)).map((row) => row.name ?? "")
  const extensions = (await read(queries.extensions)).map((row) => ({ name: row.name ?? "", schema: row.schema ?? "" }))
  const collations = (await read(queries.collations(version))).map((row) => ({
    schema: row.schema ?? "",
    name: row.name ?? "",
    provider: row.provider ?? "c",
    locale: row.locale ?? null,
    deterministic: isTrue(row.deterministic),
  }))
  const types = typesOf(await read(queries.types))
  const functions = functionsOf(await read(queries.functions), skipped)
  const mayReadExtended = isTrue(one(await read(queries.rights)).extended)

  const relations: CatalogRelation[] = []
  const statistics: ColumnStatistics[] = []
  const extended: ExtendedStatistics[] = []
  const unreadable: string[] = []
  for (let at = 0; at < oids.length; at += chunk) {
    const ids = `{${oids.slice(at, at + chunk).join(",")}}`
    const batch = relationsOf(
      await read(queries.relations, [ids]),
      await read(queries.columns(version), [ids]),
      await read(queries.constraints, [ids]),
      await read(queries.indexes, [ids]),
      unreadable,
    )
    relations.push(...batch)
    const withIndexes = batch.flatMap((relation) => [relation.id, ...relation.indexes.map((index) => index.id)])
    statistics.push(...(await read(queries.statistics(version), [`{${withIndexes.join(",")}}`])).map(statisticsOf))
    extended.push(...(await extendedOf(read, version, mayReadExtended, ids)))
    progress({ phase: "extract", done: Math.min(at + chunk, oids.length), total: oids.length })
    await pause()
  }
  if (extended.length > 0 && !mayReadExtended) {
    skipped.push({
      kind: "statistics",
      name: "pg_statistic_ext_data",
      why: `extended statistics may not be read: GRANT ${version >= 140000 ? "pg_read_all_data" : "SELECT ON pg_statistic_ext_data"} TO ${environment.role}`,
    })
  }
  skipped.push(...unreadable.map((name) => unreadableStatistics(name, version, environment.role ?? "")))
  const endpoints: Endpoints[] =
    options.endpoints === false ? [] : await probeEndpoints(session, relations, statistics, unreadable, skipped, options.signal)
  await session.query({ text: "rollback /* selecto:indexes */", values: [] }, query)
  return {
    serverVersion: version,
    databaseCollation: databaseCollation(environment),
    searchPath: JSON.parse(environment.path ?? "[]") as string[],
    settings,
    schemas,
    extensions,
    collations,
    types,
    functions,
    relations,
    statistics,
    extended,
    endpoints,
    skipped,
  }
}

async function unlocked(read: Read, oids: readonly string[], skipped: Skipped[]): Promise<string[]> {
  const held = new Map((await read(queries.locked)).map((row) => [row.oid ?? "", row.name ?? ""]))
  for (const oid of oids) {
    const name = held.get(oid)
    if (name !== undefined)
      skipped.push({ kind: "relation", name, why: "locked exclusively by another session: left out; copy again later" })
  }
  return oids.filter((oid) => !held.has(oid))
}

async function relationIds(read: Read, wanted: readonly RelationName[] | undefined, skipped: Skipped[]): Promise<string[]> {
  if (wanted === undefined) return (await read(queries.allRelations)).map((row) => row.oid ?? "")
  const names = wanted.map(({ schema, name }) => ({ schema: schema ?? null, name }))
  const found: string[] = []
  for (const row of await read(queries.resolve, [JSON.stringify(names)])) {
    const name = [row.schema, row.name].filter((part) => part != null).join(".")
    if (row.oid == null) skipped.push({ kind: "relation", name, why: "no relation of this name can be seen by this role" })
    else if (isTrue(row.temporary)) skipped.push({ kind: "relation", name, why: "a temporary table belongs to one session" })
    else found.push(row.oid)
  }
  return (await read(queries.closure, [`{${found.join(",")}}`])).map((row) => row.oid ?? "")
}

async function extendedOf(read: Read, version: number, readable: boolean, ids: string): Promise<ExtendedStatistics[]> {
  const objects = await read(queries.extended(version, readable), [ids])
  if (objects.length === 0) return []
  const expressionsOf = (row: Row): string[] => JSON.parse(row.expressions ?? "null") ?? []
  const rows = objects.some((row) => expressionsOf(row).length > 0)
    ? (await read(queries.extendedExpressions(version))).map(statisticsOf)
    : []
  return objects.map((row) => ({
    schema: row.schema ?? "",
    name: row.name ?? "",
    relation: row.relation ?? "",
    definition: row.definition ?? "",
    data: JSON.parse(row.data ?? "[]") as ExtendedStatistics["data"],
    expressions: expressionsOf(row).map((expression) => ({
      expression,
      statistics: rows.filter(
        (found) => found.schema === row.schema && found.relation === row.name && found.column === expression,
      ),
    })),
  }))
}

function unreadableStatistics(name: string, version: number, role: string): Skipped {
  const all = version >= 140000 ? `, or GRANT pg_read_all_data TO ${role}` : ""
  return {
    kind: "statistics",
    name,
    why: `this role sees no statistics of it (pg_monitor does not suffice): GRANT SELECT ON ${name} TO ${role}${all}`,
  }
}

function one(rows: readonly Row[]): Row {
  return rows[0] ?? {}
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
