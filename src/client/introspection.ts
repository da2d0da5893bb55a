import type { Catalog, Column, ForeignKey, Relation, RelationName } from "../database/catalog.ts"
import type { ColumnSpec } from "../domain/column.ts"
import { readColumnType, type scalarTypes } from "../domain/column-type.ts"
import type { Association, Join, Table } from "../domain/definition.ts"
import type { DomainDefinition } from "../domain/domain.ts"
import { SelectoError } from "../errors.ts"
import { suggestionsFor } from "../suggest.ts"

/** What an introspected domain is to hold. */
export interface IntrospectOptions {
  /** The table the domain starts at, with its schema where the name is ambiguous: "orders", "shop.orders". */
  readonly root: string
  /** The domain's name; the root table's by default. */
  readonly name?: string | undefined
  /** How many joins away from the root tables are followed, 2 by default. */
  readonly depth?: number | undefined
}

type MutableTable = Table & { associations: Record<string, Association> }

/** PostgreSQL's names of the scalar types, as format_type writes them without their modifiers. */
const scalars: Readonly<Record<string, keyof typeof scalarTypes>> = {
  smallint: "smallint",
  integer: "integer",
  bigint: "bigint",
  numeric: "decimal",
  real: "float",
  "double precision": "float",
  text: "string",
  "character varying": "string",
  character: "string",
  name: "string",
  uuid: "uuid",
  boolean: "boolean",
  date: "date",
  "time without time zone": "time",
  "timestamp without time zone": "timestamp",
  "timestamp with time zone": "timestamptz",
  interval: "interval",
  bytea: "bytea",
  json: "json",
  jsonb: "jsonb",
  tsvector: "tsvector",
}
const ranges: Readonly<Record<string, string>> = {
  int4range: "integer",
  int8range: "bigint",
  numrange: "decimal",
  daterange: "date",
  tsrange: "timestamp",
  tstzrange: "timestamptz",
}

/** `numeric(10,2)` is numeric, `timestamp(3) without time zone` is timestamp without time zone. */
function bare(type: string): string {
  return type
    .replace(/\(\d+(,-?\d+)?\)/, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^interval .*/, "interval")
}

/** A type's name as domains write it: dotted, unquoted. */
function dotted(type: string): string {
  return type.replace(/"((?:[^"]|"")*)"/g, (_, name: string) => name.replaceAll('""', '"'))
}

/** How a domain declares a column of the catalog. */
export function columnSpec(column: Column): ColumnSpec {
  const nullable = column.nullable ? { nullable: true as const } : {}
  const spec = bareSpec(column)
  if (typeof spec === "string") return (column.nullable ? `${spec}?` : spec) as ColumnSpec
  return { ...spec, ...nullable } as ColumnSpec
}

function bareSpec(column: Column): string | object {
  const { typeKind, enumValues } = column
  if (typeKind === "array" && column.baseType !== null) {
    const of = elementSpec(column.baseType, enumValues)
    return { type: "array", of }
  }
  // A PostgreSQL domain behaves as the type below it.
  return elementSpec(typeKind === "domain" && column.baseType !== null ? column.baseType : column.type, enumValues)
}

function elementSpec(type: string, enumValues: readonly string[] | null): string | object {
  const name = bare(type)
  if (enumValues !== null) return { type: "enum", pgType: dotted(name), values: enumValues }
  const scalar = scalars[name]
  if (scalar !== undefined) return scalar
  const range = ranges[name]
  return range === undefined ? { type: "other", pgType: dotted(name) } : { type: "range", of: range }
}

const key = ({ schema, name }: RelationName): string => JSON.stringify([schema, name])

/** The relation that a name means. Throws E_UNKNOWN_TABLE with what was probably meant. */
export function findRelation(catalog: Catalog, name: string, schema?: string): Relation {
  const [first, second] = schema === undefined && name.includes(".") ? (name.split(".", 2) as [string, string]) : [schema, name]
  const found = catalog.relations.filter((one) => one.name === second && (first === undefined || one.schema === first))
  const best = found.find((one) => one.schema === "public") ?? found[0]
  if (best !== undefined && (found.length === 1 || best.schema === "public")) return best
  const suggestions =
    found.length > 1
      ? found.map((one) => `${one.schema}.${one.name}`)
      : suggestionsFor(
          name,
          catalog.relations.map((one) => one.name),
        )
  throw new SelectoError(
    "E_UNKNOWN_TABLE",
    found.length > 1
      ? `${JSON.stringify(name)} is a table of several schemas: ${suggestions.join(", ")}.`
      : `There is no table ${JSON.stringify(name)} that this role can see.${suggestions.length === 0 ? "" : ` Did you mean ${suggestions.map((one) => JSON.stringify(one)).join(" or ")}?`}`,
    { path: name, suggestions },
  )
}

/** The primary key; else a unique key without nulls; else every column, which is all that tells rows apart. */
function keyOf(relation: Relation): readonly string[] {
  const solid = (columns: readonly string[]): boolean =>
    columns.every((name) => relation.columns.find((column) => column.name === name)?.nullable === false)
  const keys = relation.constraints.filter((one) => one.kind === "primary key" || one.kind === "unique")
  const primary = keys.find((one) => one.kind === "primary key") ?? keys.find((one) => solid(one.columns))
  return primary?.columns ?? relation.columns.map((column) => column.name)
}

function unique(relation: Relation, columns: readonly string[]): boolean {
  const within = (names: readonly (string | null)[]): boolean => names.every((name) => name !== null && columns.includes(name))
  return (
    relation.constraints.some((one) => (one.kind === "primary key" || one.kind === "unique") && within(one.columns)) ||
    relation.indexes.some((one) => one.unique && one.predicate === null && within(one.columns.map((column) => column.column)))
  )
}

/** Foreign keys of every table, those of partitions told of the table they are parts of, each once. */
function foreignKeys(catalog: Catalog): ForeignKey[] {
  const byName = new Map(catalog.relations.map((relation) => [key(relation), relation]))
  const whole = (name: RelationName): RelationName => {
    const relation = byName.get(key(name))
    return relation?.parent == null ? name : whole(relation.parent)
  }
  const found = new Map<string, ForeignKey>()
  for (const relation of catalog.relations)
    for (const constraint of relation.constraints)
      if (constraint.kind === "foreign key") {
        const whole_ = { ...constraint, from: whole(constraint.from), to: whole(constraint.to) }
        found.set(JSON.stringify([key(whole_.from), whole_.columns, key(whole_.to), whole_.toColumns]), whole_)
      }
  return [...found.values()]
}

/**
 * A domain's definition from a picture of the catalog: the root, and every table that foreign keys lead to in either direction within
 * `depth` joins; link tables become many-to-many associations. Partitions stand behind the table they are parts of.
 */
export function definitionOf(catalog: Catalog, options: IntrospectOptions): DomainDefinition {
  const root = findRelation(catalog, options.root)
  const depth = options.depth ?? 2
  if (!(Number.isSafeInteger(depth) && depth >= 0 && depth <= 8))
    throw new SelectoError("E_INVALID_OPTION", "depth is a whole number from 0 to 8.", { path: "depth" })
  const keys = foreignKeys(catalog)
  const byName = new Map(catalog.relations.map((relation) => [key(relation), relation]))
  const ids = new Map<string, string>()
  const tables = new Map<string, MutableTable>()
  const idOf = (relation: Relation): string => {
    const known = ids.get(key(relation))
    if (known !== undefined) return known
    const plain = [...ids.values()].includes(relation.name) ? `${relation.schema}_${relation.name}` : relation.name
    ids.set(key(relation), plain)
    return plain
  }

  const describe = (relation: Relation): MutableTable => {
    const primary = keyOf(relation)
    return {
      table: relation.name,
      schema: relation.schema,
      primaryKey: primary.length === 1 ? primary[0]! : primary,
      columns: Object.fromEntries(relation.columns.filter(usable).map((column) => [column.name, columnSpec(column)])),
      associations: {},
    }
  }
  const usable = (column: Column): boolean => !column.name.includes(".") && typeof readColumnType(columnSpec(column)) !== "string"

  const name = (table: MutableTable, wanted: readonly string[]): string => {
    const free = (candidate: string): boolean =>
      !Object.hasOwn(table.columns, candidate) && !Object.hasOwn(table.associations, candidate) && !candidate.includes(".")
    const found = wanted.find(free)
    if (found !== undefined) return found
    for (let n = 2; ; n++) if (free(`${wanted[0]}_${n}`)) return `${wanted[0]}_${n}`
  }
  const one = (columns: readonly string[]): string | string[] => (columns.length === 1 ? columns[0]! : [...columns])

  const associate = (relation: Relation): MutableTable => {
    const id = idOf(relation)
    const known = tables.get(id)
    if (known !== undefined) return known
    const table = describe(relation)
    tables.set(id, table)
    for (const foreign of keys) {
      if (key(foreign.from) === key(relation)) {
        const target = byName.get(key(foreign.to))
        if (target === undefined) continue
        const column = foreign.columns.length === 1 ? foreign.columns[0]!.replace(/_?id$/i, "") : ""
        const wanted = [...(column === "" ? [] : [column]), target.name, `${target.name}_of_${foreign.columns.join("_")}`]
        table.associations[name(table, wanted)] = {
          target: idOf(target),
          ownerKey: one(foreign.columns),
          relatedKey: one(foreign.toColumns),
        }
      }
      if (key(foreign.to) === key(relation)) {
        const from = byName.get(key(foreign.from))
        if (from === undefined) continue
        table.associations[name(table, [from.name, `${from.name}_by_${foreign.columns.join("_")}`])] = {
          target: idOf(from),
          ownerKey: one(foreign.toColumns),
          relatedKey: one(foreign.columns),
          ...(unique(from, foreign.columns) ? {} : { many: true }),
        }
        const other = linkedBy(from, foreign)
        const far = other === undefined ? undefined : byName.get(key(other.to))
        if (other !== undefined && far !== undefined)
          table.associations[
            name(table, [far.name === relation.name ? `linked_${far.name}` : far.name, `${far.name}_through_${from.name}`])
          ] = {
            target: idOf(far),
            ownerKey: one(foreign.toColumns),
            relatedKey: one(other.toColumns),
            through: { table: from.name, schema: from.schema, ownerKey: one(foreign.columns), relatedKey: one(other.columns) },
          }
      }
    }
    return table
  }
  /** The other foreign key of a link table: one whose key is made of exactly these two. */
  const linkedBy = (link: Relation, foreign: ForeignKey): ForeignKey | undefined => {
    const own = keys.filter((candidate) => key(candidate.from) === key(link))
    const other = own.find((candidate) => candidate.name !== foreign.name)
    if (own.length !== 2 || other === undefined) return undefined
    const primary = [...keyOf(link)].sort()
    const both = [...new Set([...foreign.columns, ...other.columns])].sort()
    return primary.join("\0") === both.join("\0") ? other : undefined
  }

  const relationOf = new Map<string, Relation>()
  const joinsOf = (relation: Relation, left: number, cameBy: Association | null): Record<string, Join> => {
    const table = associate(relation)
    for (const [relationKey, id] of ids) relationOf.set(id, byName.get(relationKey)!)
    if (left === 0) return {}
    const joins: Record<string, Join> = {}
    for (const [id, association] of Object.entries(table.associations)) {
      // Not back along the key that led here.
      const back =
        cameBy !== null &&
        String(association.ownerKey) === String(cameBy.relatedKey) &&
        String(association.relatedKey) === String(cameBy.ownerKey) &&
        association.through?.table === cameBy.through?.table
      if (back) continue
      const below = joinsOf(relationOf.get(association.target)!, left - 1, association)
      joins[id] = { type: "left", ...(Object.keys(below).length === 0 ? {} : { joins: below }) }
    }
    return joins
  }
  const joins = joinsOf(root, depth, null)
  const source = tables.get(idOf(root))!
  // Tables at the edge keep only the ways to tables that are described.
  for (const table of tables.values())
    for (const [id, association] of Object.entries(table.associations))
      if (!tables.has(association.target)) delete table.associations[id]
  return { name: options.name ?? root.name, source, schemas: Object.fromEntries(tables), joins }
}

/** Where a domain and the catalog differ. */
export interface Drift {
  /** Path in the definition: "source.columns.total". */
  readonly path: string
  readonly message: string
}

/** Compares a definition with a picture of the catalog: tables, columns, types, nulls, enum labels. */
export function driftOf(catalog: Catalog, definition: DomainDefinition): Drift[] {
  const drifts: Drift[] = []
  const tables: [string, Table][] = [
    ["source", definition.source],
    ...Object.entries(definition.schemas ?? {}).map(([id, table]) => [`schemas.${id}`, table] as [string, Table]),
  ]
  for (const [path, table] of tables) {
    let relation: Relation
    try {
      relation = findRelation(catalog, table.table, table.schema)
    } catch (error) {
      drifts.push({ path: `${path}.table`, message: (error as Error).message })
      continue
    }
    for (const [name, declared] of Object.entries(table.columns)) {
      const column = relation.columns.find((one) => one.name === name)
      const at = `${path}.columns.${name}`
      if (column === undefined) {
        drifts.push({ path: at, message: `${relation.schema}.${relation.name} has no column ${JSON.stringify(name)}.` })
        continue
      }
      const live = columnSpec(column)
      const [want, have] = [readColumnType(declared), readColumnType(live)]
      if (typeof want === "string" || typeof have === "string") continue
      const same =
        want.type === have.type &&
        JSON.stringify(want.values) === JSON.stringify(have.values) &&
        want.of?.type === have.of?.type &&
        (want.pgType === have.pgType || want.pgType?.split(".").at(-1) === have.pgType?.split(".").at(-1))
      if (!same) drifts.push({ path: at, message: `declared as ${JSON.stringify(declared)}, and is ${JSON.stringify(live)}.` })
      else if (!want.nullable && have.nullable && relation.kind.endsWith("table"))
        drifts.push({ path: at, message: `declared without null, and may be null.` })
    }
  }
  return drifts
}

/** The definition as the text of a TypeScript file that exports the typed domain. */
export function domainFile(definition: DomainDefinition): string {
  const words = definition.name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "")
  const pascal =
    words
      .map((word) => word[0]!.toUpperCase() + word.slice(1))
      .join("")
      .replace(/^(?=\d)/, "D") || "Root"
  const camel = pascal[0]!.toLowerCase() + pascal.slice(1)
  return `import { defineDomain, type DomainOf } from "selecto-pg"

const definition = ${JSON.stringify(definition, null, 2)} as const

export interface ${pascal} extends DomainOf<typeof definition> {}
export const ${camel}Domain: ${pascal} = defineDomain(definition)
`
}
