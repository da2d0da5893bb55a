import { quoteIdentifier } from "../sql/identifier.ts"
import { type ColumnType, readColumnType } from "./column-type.ts"
import { type Faults, isObject, knownKeys, stringList } from "./faults.ts"
import type { TableModel } from "./model.ts"

const tableKeys = ["table", "schema", "primaryKey", "columns", "redact", "associations", "label"]
const associationKeys = ["target", "ownerKey", "relatedKey", "many", "through"]
const throughKeys = ["table", "schema", "ownerKey", "relatedKey"]

/** A table of a definition, and the ways from it. */
export interface TableEntry {
  readonly model: TableModel
  readonly associations: ReadonlyMap<string, AssociationEntry>
}

export interface AssociationEntry {
  readonly target: string
  readonly ownerKey: readonly string[]
  readonly relatedKey: readonly string[]
  readonly many: boolean
  readonly through: {
    readonly table: string
    readonly schema: string | null
    readonly ownerKey: readonly string[]
    readonly relatedKey: readonly string[]
  } | null
}

/** Reads a table of a definition; its faults are added to the others. Null where it is none. */
export function readTable(faults: Faults, path: string, table: unknown): TableEntry | null {
  if (!isObject(table)) {
    faults.add(path, "A table is an object with `table`, `primaryKey` and `columns`.")
    return null
  }
  knownKeys(faults, path, table, tableKeys)
  if (typeof table.table !== "string" || table.table === "")
    faults.add(`${path}.table`, "The table's name in PostgreSQL is missing.")
  if (table.schema !== undefined && typeof table.schema !== "string")
    faults.add(`${path}.schema`, "`schema` is the name of a PostgreSQL schema.")
  checkIdentifiers(faults, path, table)
  const columns = new Map<string, ColumnType>()
  if (!isObject(table.columns) || Object.keys(table.columns).length === 0)
    faults.add(`${path}.columns`, 'A table needs `columns`, such as { id: "integer" }.')
  for (const [column, spec] of Object.entries(isObject(table.columns) ? table.columns : {})) {
    const type = readColumnType(spec)
    if (typeof type === "string") faults.add(`${path}.columns.${column}`, type)
    else if (identifierFault(column) !== null) faults.add(`${path}.columns.${column}`, identifierFault(column)!)
    else if (column.includes(".")) faults.add(`${path}.columns.${column}`, "A column name with a dot cannot be told from a path.")
    else columns.set(column, type)
  }
  const primaryKey = stringList(table.primaryKey)
  if (primaryKey === null || primaryKey.length === 0)
    faults.add(`${path}.primaryKey`, "`primaryKey` is a column or a list of columns.")
  for (const column of primaryKey ?? []) faults.member(`${path}.primaryKey`, column, columns.keys(), "column")
  const redact = table.redact === undefined ? [] : stringList(table.redact)
  if (redact === null) faults.add(`${path}.redact`, "`redact` is a list of columns.")
  for (const column of redact ?? []) faults.member(`${path}.redact`, column, columns.keys(), "column")
  const associations = new Map<string, AssociationEntry>()
  if (table.associations !== undefined && !isObject(table.associations))
    faults.add(`${path}.associations`, "`associations` is an object.")
  for (const [id, association] of Object.entries(isObject(table.associations) ? table.associations : {})) {
    const entry = readAssociation(faults, `${path}.associations.${id}`, association, columns)
    if (entry) associations.set(id, entry)
  }
  const model: TableModel = {
    table: holdable(String(table.table)),
    schema: typeof table.schema === "string" ? holdable(table.schema) : null,
    primaryKey: primaryKey ?? [],
    columns,
    redacted: new Set(redact ?? []),
  }
  return { model, associations }
}

function readAssociation(
  faults: Faults,
  path: string,
  association: unknown,
  columns: ReadonlyMap<string, ColumnType>,
): AssociationEntry | null {
  if (!isObject(association)) {
    faults.add(path, "An association is an object with `target`, `ownerKey` and `relatedKey`.")
    return null
  }
  knownKeys(faults, path, association, associationKeys)
  const ownerKey = stringList(association.ownerKey)
  const relatedKey = stringList(association.relatedKey)
  if (typeof association.target !== "string") faults.add(`${path}.target`, "`target` names an entry of `schemas`.")
  if (ownerKey === null || ownerKey.length === 0)
    faults.add(`${path}.ownerKey`, "`ownerKey` is a column of this table, or a list.")
  if (relatedKey === null || relatedKey.length === 0)
    faults.add(`${path}.relatedKey`, "`relatedKey` is a column of the target, or a list.")
  for (const column of ownerKey ?? []) faults.member(`${path}.ownerKey`, column, columns.keys(), "column")
  if (ownerKey && relatedKey && ownerKey.length !== relatedKey.length)
    faults.add(path, "`ownerKey` and `relatedKey` must list the same number of columns.")
  const through = readThrough(faults, `${path}.through`, association.through, ownerKey, relatedKey)
  return {
    target: String(association.target),
    ownerKey: ownerKey ?? [],
    relatedKey: relatedKey ?? [],
    many: association.many === true || through !== null,
    through,
  }
}

function readThrough(
  faults: Faults,
  path: string,
  through: unknown,
  ownerKey: readonly string[] | null,
  relatedKey: readonly string[] | null,
): AssociationEntry["through"] {
  if (through === undefined) return null
  if (!isObject(through) || typeof through.table !== "string") {
    faults.add(path, "`through` is the link table: { table, ownerKey, relatedKey }.")
    return null
  }
  knownKeys(faults, path, through, throughKeys)
  checkIdentifiers(faults, path, through)
  const owner = stringList(through.ownerKey)
  const related = stringList(through.relatedKey)
  if (owner === null || owner.length !== ownerKey?.length)
    faults.add(`${path}.ownerKey`, "The link's `ownerKey` lists as many columns as the association's.")
  if (related === null || related.length !== relatedKey?.length)
    faults.add(`${path}.relatedKey`, "The link's `relatedKey` lists as many columns as the association's.")
  return {
    table: holdable(through.table),
    schema: typeof through.schema === "string" ? holdable(through.schema) : null,
    ownerKey: owner ?? [],
    relatedKey: related ?? [],
  }
}

/** Names that PostgreSQL could not hold are faults of the definition. */
function checkIdentifiers(faults: Faults, path: string, named: Record<string, unknown>): void {
  for (const key of ["table", "schema"])
    if (typeof named[key] === "string") {
      const fault = identifierFault(named[key])
      if (fault !== null) faults.add(`${path}.${key}`, fault)
    }
}

/** The name, or a stand-in for one that is a fault already: the rest of the definition is still to be checked. */
function holdable(name: string): string {
  return identifierFault(name) === null ? name : "?"
}

function identifierFault(name: string): string | null {
  try {
    quoteIdentifier(name)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Associations must lead to tables of the definition, by columns of theirs. */
export function checkAssociations(faults: Faults, source: TableEntry | null, schemas: ReadonlyMap<string, TableEntry>): void {
  const tables: [string, TableEntry][] = [...schemas].map(([id, entry]) => [`schemas.${id}`, entry])
  if (source) tables.unshift(["source", source])
  for (const [path, table] of tables)
    for (const [id, association] of table.associations) {
      const at = `${path}.associations.${id}`
      if (!faults.member(`${at}.target`, association.target, schemas.keys(), "entry of `schemas`")) continue
      const target = schemas.get(association.target)!.model
      for (const column of association.relatedKey)
        faults.member(`${at}.relatedKey`, column, target.columns.keys(), `column of ${JSON.stringify(association.target)}`)
    }
}
