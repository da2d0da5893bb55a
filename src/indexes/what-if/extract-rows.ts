import type { CatalogColumn, CatalogConstraint, CatalogIndex, CatalogRelation, ColumnStatistics } from "./catalog.ts"

/** A row as text, by column name. */
export type Row = Readonly<Record<string, string | null>>

/** Relations with their columns, constraints and indexes; names whose statistics the role does not see go to `unreadable`. */
export function relationsOf(
  relationRows: readonly Row[],
  columnRows: readonly Row[],
  constraintRows: readonly Row[],
  indexRows: readonly Row[],
  unreadable: string[],
): CatalogRelation[] {
  const columns = grouped(columnRows)
  const constraints = grouped(constraintRows)
  const indexes = grouped(indexRows)
  return relationRows.map((row): CatalogRelation => {
    const id = row.id ?? ""
    const own = (constraints.get(id) ?? []).map((constraint) => ({
      index: constraint.index ?? null,
      constraint: constraintOf(constraint),
    }))
    const ownedIndexes = new Map(
      own.filter(({ constraint }) => "pux".includes(constraint.kind)).map((entry) => [entry.index, entry.constraint]),
    )
    if (row.kind !== "v" && Number(row.tuples) !== 0 && (isTrue(row.rls) || !isTrue(row.readable)))
      unreadable.push(`${row.schema}.${row.name}`)
    return {
      id,
      schema: row.schema ?? "",
      name: row.name ?? "",
      kind: row.kind as CatalogRelation["kind"],
      pages: Number(row.pages),
      tuples: Number(row.tuples),
      visiblePages: Number(row.visible),
      bytes: Number(row.bytes ?? 0),
      parallelWorkers: row.workers == null ? null : Number(row.workers),
      partitionKey: row.partition_key ?? null,
      parents: JSON.parse(row.parents ?? "[]") as string[],
      bound: row.bound ?? null,
      query: row.query ?? null,
      columns: (columns.get(id) ?? []).map(columnOf),
      constraints: own
        .filter(({ constraint }) => constraint.kind === "c" || constraint.kind === "f")
        .map(({ constraint }) => constraint),
      indexes: (indexes.get(id) ?? []).map((index) => indexOf(index, ownedIndexes.get(index.id ?? "") ?? null)),
    }
  })
}

function columnOf(row: Row): CatalogColumn {
  return {
    number: Number(row.number),
    name: row.name ?? null,
    type: row.type ?? "text",
    notNull: isTrue(row.not_null),
    collation: row.collation ?? null,
    generated: row.generated ?? null,
  }
}

function constraintOf(row: Row): CatalogConstraint {
  return {
    name: row.name ?? "",
    kind: row.kind as CatalogConstraint["kind"],
    definition: row.definition ?? "",
    references: row.references ?? null,
  }
}

function indexOf(row: Row, constraint: CatalogConstraint | null): CatalogIndex {
  return {
    id: row.id ?? "",
    name: row.name ?? "",
    method: row.method ?? "",
    definition: row.definition ?? "",
    constraint,
    partitioned: isTrue(row.partitioned),
    partial: isTrue(row.partial),
    leading: row.leading ?? null,
    pages: Number(row.pages),
    tuples: Number(row.tuples),
    bytes: Number(row.bytes ?? 0),
  }
}

/** A row of pg_stats or pg_stats_ext_exprs. */
export function statisticsOf(row: Row): ColumnStatistics {
  return {
    schema: row.schema ?? "",
    relation: row.relation ?? "",
    column: row.column ?? "",
    inherited: isTrue(row.inherited),
    nullFraction: row.null_fraction ?? "0",
    width: row.width ?? "4",
    distinct: row.distinct ?? "0",
    commonValues: row.common_values ?? null,
    commonFrequencies: row.common_frequencies ?? null,
    histogram: row.histogram ?? null,
    correlation: row.correlation ?? null,
    commonElements: row.common_elements ?? null,
    commonElementFrequencies: row.common_element_frequencies ?? null,
    elementCountHistogram: row.element_count_histogram ?? null,
    rangeLengthHistogram: row.range_length_histogram ?? null,
    rangeEmptyFraction: row.range_empty_fraction ?? null,
    rangeBoundsHistogram: row.range_bounds_histogram ?? null,
  }
}

function grouped(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.relation ?? "")
    if (group === undefined) groups.set(row.relation ?? "", [row])
    else group.push(row)
  }
  return groups
}

/** Booleans as text: "true" of ::text, "t" of the wire. */
export function isTrue(value: string | null | undefined): boolean {
  return value === "true" || value === "t"
}
