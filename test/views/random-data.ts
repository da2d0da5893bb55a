import type { Catalog, Column, ForeignKey, Relation } from "../../src/database/catalog.ts"
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../src/sql/index.ts"

/** A number from 0 to 1, the same for the same seed. */
export type Random = () => number

export function pickOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!
}

/** Values worth trying for each kind of type: few, so that rows meet, and those around the constants that statements compare with. */
export interface ValuePool {
  readonly numbers: readonly number[]
  readonly texts: readonly string[]
  readonly dates: readonly string[]
}

const dayOf = (text: string, days: number): string => {
  const date = new Date(`${text}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() + days)
  return date.toISOString().slice(0, 10)
}

/** The pool for some statements: their constants and the neighbours of these. */
export function poolOf(statements: readonly string[]): ValuePool {
  const text = statements.join("\n")
  const strings = [...text.matchAll(/'((?:[^']|'')*)'/g)].map((match) => match[1]!.replaceAll("''", "'"))
  const dates = strings.flatMap((one) => /^\d{4}-\d\d-\d\d/.exec(one)?.[0] ?? [])
  const bare = text.replace(/'(?:[^']|'')*'/g, "''")
  const numbers = [...bare.matchAll(/(?<![\w.])\d+(?:\.\d+)?(?![\w.])/g)]
    .map((match) => Number(match[0]))
    .filter((one) => one < 1e9)
  const likes = strings.filter((one) => one.includes("%")).map((one) => one.replaceAll("%", "x").replaceAll("_", "y"))
  return {
    numbers: [...new Set([1, 2, 3, ...numbers.flatMap((one) => [one - 1, one, one + 1])])],
    texts: [
      ...new Set(["a", "b", ...strings.filter((one) => one.length < 20 && !/^\d{4}-/.test(one) && !one.includes("%")), ...likes]),
    ],
    dates: [
      ...new Set(["2025-01-01", "2025-01-02", "2025-02-10", ...dates.flatMap((one) => [dayOf(one, -1), one, dayOf(one, 1)])]),
    ],
  }
}

const clocks = ["00:00:00", "00:00:00.000001", "12:30:00", "23:59:59.999999"]

/** Values that are equal but not the same, and those at the ends of a type. */
function oddValue(type: string, number: number, random: Random): string | null {
  if (type === "numeric") return pickOf(random, [`${Math.trunc(number)}.0`, `${Math.trunc(number)}.00`, "'NaN'"])
  if (type === "double precision") return pickOf(random, ["'-0'", "0", "'NaN'", "0.1"])
  if (type === "date" || type.startsWith("timestamp")) return pickOf(random, ["'infinity'", "'-infinity'", "'0001-12-31 BC'"])
  return null
}

function valueFor(column: Column, pool: ValuePool, random: Random, odd: number): string {
  const { type } = column
  const number = pickOf(random, pool.numbers)
  if (odd > 0 && random() < odd) {
    const value = oddValue(type, number, random)
    if (value !== null) return value
  }
  if (type === "text[]") return pickOf(random, ["'{}'", "'{a}'", "'{a,NULL}'", "'{x,a}'"])
  if (type === "jsonb") return pickOf(random, ["'{}'", "'null'", `'{"a": 1.0}'`, `'{"a": 1.00}'`, "'1.0'", "'1.00'"])
  if (column.enumValues !== null && column.typeKind === "enum") return quoteLiteral(pickOf(random, column.enumValues))
  if (/^(integer|bigint|smallint)/.test(type)) return String(Math.trunc(number))
  if (type.startsWith("numeric")) return random() < 0.3 ? `${Math.trunc(number)}.5` : String(number)
  if (/^(double precision|real)/.test(type)) return random() < 0.3 ? `${Math.trunc(number)}.5` : String(number)
  if (type === "boolean") return random() < 0.5 ? "true" : "false"
  if (type === "date") return quoteLiteral(pickOf(random, pool.dates))
  if (type.startsWith("timestamp")) {
    const zone = type.includes("with time zone") ? "+00" : ""
    return quoteLiteral(`${pickOf(random, pool.dates)} ${pickOf(random, clocks)}${zone}`)
  }
  const length = /^character(?: varying)?\((\d+)\)$/.exec(type)?.[1]
  const text = pickOf(random, pool.texts)
  return quoteLiteral(length === undefined ? text : text.slice(0, Number(length)))
}

/** Tables in an order in which each comes after those that its foreign keys point at. */
export function inReferenceOrder(tables: readonly Relation[]): readonly Relation[] {
  const ordered: Relation[] = []
  const visit = (table: Relation): void => {
    if (ordered.includes(table)) return
    for (const key of foreignKeys(table)) {
      const parent = tables.find((one) => one.name === key.to.name && one.schema === key.to.schema)
      if (parent !== undefined && parent !== table && !ordered.includes(parent)) visit(parent)
    }
    ordered.push(table)
  }
  for (const table of tables) visit(table)
  return ordered
}

function foreignKeys(table: Relation): readonly ForeignKey[] {
  return table.constraints.filter((constraint) => constraint.kind === "foreign key")
}

export interface DataOptions {
  /** Most rows a table. */
  readonly rows: number
  /** Share of NULLs in columns that allow them. */
  readonly nulls: number
  /** Share of odd values (NaN, infinity, 1.00 beside 1.0) in the types that have such. Default: none. */
  readonly odd?: number | undefined
}

/** INSERT statements of a small random database: few values, many NULLs and duplicates, every key respected. */
export function randomData(
  catalog: Catalog,
  names: ReadonlySet<string>,
  pool: ValuePool,
  random: Random,
  options: DataOptions,
): string {
  const tables = catalog.relations.filter((relation) => relation.kind === "table" && names.has(relation.name))
  const made = new Map<string, readonly Record<string, string>[]>()
  const statements: string[] = []
  for (const table of inReferenceOrder(tables)) {
    const unique = table.indexes.filter((index) => index.unique).map((index) => index.columns.map(({ column }) => column!))
    const primary = table.indexes.find((index) => index.primary)?.columns.map(({ column }) => column!) ?? []
    const referring = new Set(foreignKeys(table).flatMap((key) => key.columns))
    const seen = new Set<string>()
    const rows: Record<string, string>[] = []
    const count = random() < 0.06 ? 0 : 1 + Math.floor(random() * options.rows)
    for (let at = 0; at < count; at++) {
      const row = randomRow(table, made, rows, pool, random, options)
      if (row === null) continue
      // Ids mostly in a row: a table whose keys collide stays empty.
      const id = table.columns.find(({ name }) => primary.length === 1 && name === primary[0])
      if (id !== undefined && /^(integer|bigint)/.test(id.type) && !referring.has(id.name) && random() < 0.7)
        row[id.name] = String(at + 1)
      const keys = unique.map((columns) => `${columns} ${columns.map((name) => same(row[name]!)).join(" ")}`)
      if (keys.some((key) => seen.has(key))) continue
      for (const key of keys) if (!key.includes("null")) seen.add(key)
      rows.push(row)
      // Duplicates where nothing forbids them.
      if (unique.length === 0 && random() < 0.3) rows.push(row)
    }
    made.set(`${table.schema}.${table.name}`, rows)
    if (rows.length === 0) continue
    const columns = table.columns.map((column) => column.name)
    const values = rows.map((row) => `(${columns.map((name) => row[name]).join(", ")})`)
    statements.push(
      `insert into ${quoteQualified(table.schema, table.name)} (${columns.map(quoteIdentifier).join(", ")}) values ${values.join(", ")}`,
    )
  }
  return statements.join(";\n")
}

/** The text that equal values share. */
function same(value: string): string {
  return value.replace(/\.0+$/, "").replace(/^'-0'$/, "0")
}

function randomRow(
  table: Relation,
  made: ReadonlyMap<string, readonly Record<string, string>[]>,
  rows: readonly Record<string, string>[],
  pool: ValuePool,
  random: Random,
  options: DataOptions,
): Record<string, string> | null {
  const row: Record<string, string> = {}
  for (const column of table.columns)
    row[column.name] = column.nullable && random() < options.nulls ? "null" : valueFor(column, pool, random, options.odd ?? 0)
  for (const key of foreignKeys(table)) {
    const own = key.to.schema === table.schema && key.to.name === table.name
    const parents = (own ? rows : made.get(`${key.to.schema}.${key.to.name}`)) ?? []
    const nullable = key.columns.some((name) => table.columns.find((column) => column.name === name)!.nullable)
    if (parents.length === 0 && !nullable) return null
    const parent = parents.length === 0 || (nullable && random() < options.nulls) ? null : pickOf(random, parents)
    for (const [at, name] of key.columns.entries()) row[name] = parent === null ? "null" : parent[key.toColumns[at]!]!
  }
  return row
}

/** Tables whose names stand in a text, and those that their foreign keys need. */
export function tablesNamed(catalog: Catalog, text: string): ReadonlySet<string> {
  const names = new Set(catalog.relations.map(({ name }) => name).filter((name) => new RegExp(`\\b${name}\\b`, "i").test(text)))
  for (const relation of inReferenceOrder(catalog.relations).toReversed())
    if (names.has(relation.name)) for (const one of relation.constraints) if (one.kind === "foreign key") names.add(one.to.name)
  return names
}
