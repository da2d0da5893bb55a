import { createHash } from "node:crypto"
import { btreeFile } from "./btree-file.ts"
import { buildFunctions, buildReferences, buildSurroundings, buildTables, nameOf, settingsText } from "./build.ts"
import type { Catalog, CatalogRelation, Skipped } from "./catalog.ts"
import type { Engine } from "./engine.ts"
import { restoreExtended } from "./extended.ts"
import { type IndexShape, indexShapes, StatisticsIndex } from "./index-shape.ts"
import { btreeHeight, type SizedColumn } from "./size.ts"
import { restoreSizes, restoreStatistics } from "./statistics.ts"

/** A relation of the copy with the file whose length is faked. */
export interface CopiedRelation {
  readonly oid: string
  readonly path: string
  readonly relation: CatalogRelation
}

/**
 * The copy of a catalog in an engine: builds it, fakes sizes and heights, and answers what is known of its relations and columns.
 * Never runs ANALYZE: that would count the empty tables.
 */
export class Copy {
  readonly engine: Engine
  readonly statistics: StatisticsIndex = new StatisticsIndex()
  /** By schema and name, as JSON. */
  readonly relations: Map<string, CopiedRelation> = new Map()
  serverVersion = 180000
  /** Relations whose extended statistics count combinations of columns. */
  readonly counted: Set<string> = new Set()
  readonly #hashes = new Map<string, string>()
  /** Empty btrees by height: thousands of indexes share a few. */
  readonly #files = new Map<string, Uint8Array>()

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** Builds everything; answers what could not be built. */
  async build(catalog: Catalog): Promise<Skipped[]> {
    this.serverVersion = catalog.serverVersion
    const skipped = await buildSurroundings(this.engine, catalog)
    await buildFunctions(this.engine, catalog)
    skipped.push(...(await this.#add(catalog, catalog.relations)))
    await this.engine.execute(settingsText(catalog))
    return skipped
  }

  /** Brings the copy to a newer catalog: relations that changed are made anew, relations whose statistics changed get those. */
  async refresh(catalog: Catalog): Promise<{ readonly rebuilt: number; readonly skipped: Skipped[] }> {
    const hashes = hashesOf(catalog)
    const changed = catalog.relations.filter((relation) => this.#hashes.get(keyOf(relation)) !== hashes.get(keyOf(relation)))
    const kept = new Set(catalog.relations.map(keyOf))
    const gone = [...this.relations.keys()].filter((key) => !kept.has(key))
    await this.engine.execute("set search_path = pg_catalog")
    for (const key of [...gone, ...changed.map(keyOf)]) {
      const copied = this.relations.get(key)
      if (copied === undefined) continue
      const kind = copied.relation.kind === "v" ? "view" : "table"
      await this.engine.execute(`drop ${kind} if exists ${nameOf(copied.relation)} cascade`)
      this.relations.delete(key)
      this.#hashes.delete(key)
      this.statistics.remove(copied.relation.schema, copied.relation.name)
    }
    // CASCADE took views and children with it.
    const left = new Set(
      (
        await this.engine.rows(
          "select json_build_array(n.nspname, c.relname)::text as key from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid >= 16384",
        )
      ).map(({ key }) => JSON.stringify(JSON.parse(key ?? "[]"))),
    )
    const missing = catalog.relations.filter((relation) => !left.has(keyOf(relation)))
    const skipped = await buildSurroundings(this.engine, catalog)
    skipped.push(...(await this.#add(catalog, missing)))
    await this.engine.execute(settingsText(catalog))
    return { rebuilt: missing.length, skipped }
  }

  async #add(catalog: Catalog, relations: readonly CatalogRelation[]): Promise<Skipped[]> {
    const ids = new Set(relations.map(({ id }) => id))
    const names = new Set(
      relations.flatMap(({ schema, name, indexes }) =>
        [name, ...indexes.map((index) => index.name)].map((one) => JSON.stringify([schema, one])),
      ),
    )
    const statistics = catalog.statistics.filter(({ schema, relation }) => names.has(JSON.stringify([schema, relation])))
    this.statistics.add(statistics)
    for (const { relation, data } of catalog.extended)
      if (data.some(({ distinct }) => distinct !== null)) this.counted.add(relation)
    const skipped = await buildTables(this.engine, catalog, relations)
    const indexes = new Map(
      relations.flatMap((relation) =>
        relation.indexes
          .filter(({ partitioned }) => !partitioned)
          .map((index) => [JSON.stringify([relation.schema, index.name]), { relation, index }] as const),
      ),
    )
    const shapes = (await indexShapes(this.engine, "c.oid >= 16384")).filter(({ schema, name }) =>
      indexes.has(JSON.stringify([schema, name])),
    )
    await this.engine.writeFiles(
      shapes
        .filter(({ method }) => method === "btree")
        .map((shape) => {
          const { relation, index } = indexes.get(JSON.stringify([shape.schema, shape.name]))!
          return { path: shape.path, content: this.btree(shape, index.bytes / 8192, rowsOf(relation)) }
        }),
    )
    skipped.push(...(await buildReferences(this.engine, catalog, relations)))
    await restoreSizes(this.engine, catalog, relations)
    skipped.push(...(await restoreStatistics(this.engine, catalog, statistics)))
    skipped.push(
      ...(await restoreExtended(
        this.engine,
        catalog,
        catalog.extended.filter(({ relation }) => ids.has(relation)),
      )),
    )
    await this.#locate(relations)
    await this.engine.setSizes([
      ...relations.flatMap((relation) => {
        const copied = this.relations.get(keyOf(relation))
        return copied === undefined || copied.path === "" ? [] : [{ path: copied.path, bytes: relation.bytes }]
      }),
      // Never shorter than the pages that are really there.
      ...shapes.map((shape) => ({
        path: shape.path,
        bytes: Math.max(8192, indexes.get(JSON.stringify([shape.schema, shape.name]))!.index.bytes),
      })),
    ])
    const hashes = hashesOf(catalog)
    for (const relation of relations) this.#hashes.set(keyOf(relation), hashes.get(keyOf(relation)) ?? "")
    return skipped
  }

  async #locate(relations: readonly CatalogRelation[]): Promise<void> {
    const wanted = new Map(relations.map((relation) => [keyOf(relation), relation]))
    const rows =
      await this.engine.rows(`select c.oid::text as oid, json_build_array(n.nspname, c.relname)::text as key, pg_relation_filepath(c.oid) as path
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'm', 'f', 'v') and c.oid >= 16384`)
    for (const row of rows) {
      const relation = wanted.get(JSON.stringify(JSON.parse(row.key ?? "[]")))
      if (relation !== undefined) this.relations.set(keyOf(relation), { oid: row.oid ?? "", path: row.path ?? "", relation })
    }
  }

  /** The file of an empty btree as high as one of so many pages would be. */
  btree(shape: IndexShape, pages: number, rows: number): Uint8Array {
    const keys = this.sized(shape, rows).slice(0, shape.keyCount)
    const height = btreeHeight(pages, keys, rows)
    const key = `${height} ${shape.deduplicates}`
    const file = this.#files.get(key) ?? btreeFile(height, shape.deduplicates)
    this.#files.set(key, file)
    return file
  }

  /** Widths and value counts of an index's columns, from the copied statistics and, where given, from values of them. */
  sized(shape: IndexShape, rows: number, samples: ReadonlyMap<number, ColumnSample> = new Map()): SizedColumn[] {
    return shape.columns.map((column, at) => {
      const found =
        column.column === null
          ? this.statistics.of(shape.schema, shape.name, columnNameOf(column.definition))
          : this.statistics.of(shape.tableSchema, shape.table, column.column)
      const sample = samples.get(at)
      const distinct = Number(found?.distinct ?? sample?.distinct ?? 0)
      const counts = found?.elementCountHistogram == null ? null : numbersOf(found.elementCountHistogram)
      // After the shares of elements come the smallest and the largest, and for arrays the share of empty ones.
      const elementFrequencies =
        found?.commonElementFrequencies == null
          ? []
          : numbersOf(found.commonElementFrequencies).slice(0, counts === null ? -2 : -3)
      const listed = elementFrequencies.reduce((sum, share) => sum + share, 0)
      // Trigrams of a text are about as many as its characters; tsvector counts no elements, it only lists the common ones.
      const elements = column.operatorClass.includes("trgm")
        ? Number(found?.width ?? 32)
        : (counts?.at(-1) ?? (listed > 0 ? listed : null))
      const widths = column.length > 0 ? [] : (sample?.widths ?? [])
      const mean = widths.reduce((sum, width) => sum + width, 0) / Math.max(1, widths.length)
      return {
        width: column.length > 0 ? column.length : Number(found?.width ?? (widths.length > 0 ? mean : 32)),
        widths,
        align: column.align,
        varying: column.length < 0,
        nullFraction: Number(found?.nullFraction ?? 0),
        distinct: distinct > 0 ? distinct : distinct < 0 ? -distinct * rows : Math.min(rows, 200),
        commonFrequencies: found?.commonFrequencies == null ? [] : numbersOf(found.commonFrequencies),
        elements,
        elementFrequencies,
      }
    })
  }
}

/** What values of a key look like: widths, each for an equal share of the rows, and distinct values as in pg_stats (negative: of the rows). */
export interface ColumnSample {
  readonly widths: readonly number[]
  readonly distinct: number | null
}

/** Rows that the planner will see: the density of the last count times the present length. */
export function rowsOf({ pages, tuples, bytes }: CatalogRelation): number {
  return pages > 0 && tuples >= 0 ? (tuples / pages) * (bytes / 8192) : 0
}

export function keyOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return JSON.stringify([schema, name])
}

function numbersOf(array: string): number[] {
  return array.slice(1, -1).split(",").map(Number)
}

/** An expression's statistics carry the name that the index gives its column: a function's own name, else "expr". */
function columnNameOf(definition: string): string {
  return /^\(?([a-z_][a-z0-9_]*)\(/.exec(definition)?.[1] ?? "expr"
}

/** A digest of everything that a relation's part of the copy depends on. */
function hashesOf(catalog: Catalog): Map<string, string> {
  const statistics = groupedBy(catalog.statistics, (row) => JSON.stringify([row.schema, row.relation]))
  const extended = groupedBy(catalog.extended, (row) => row.relation)
  const endpoints = groupedBy(catalog.endpoints, (row) => JSON.stringify([row.schema, row.relation]))
  return new Map(
    catalog.relations.map((relation) => {
      const names = [relation.name, ...relation.indexes.map(({ name }) => name)].map((name) =>
        JSON.stringify([relation.schema, name]),
      )
      const content = [
        relation,
        names.map((name) => statistics.get(name)),
        extended.get(relation.id),
        endpoints.get(keyOf(relation)),
      ]
      return [keyOf(relation), createHash("sha1").update(JSON.stringify(content)).digest("base64")]
    }),
  )
}

function groupedBy<T>(rows: readonly T[], keyOfRow: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const key = keyOfRow(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}
