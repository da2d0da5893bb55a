import { quoteIdentifier } from "../sql/identifier.ts"
import type { ColumnType } from "./column-type.ts"
import { Faults, isObject, knownKeys, stringList } from "./faults.ts"
import type { DomainModel, FieldModel, JoinKind, JoinModel, LinkModel, PerformanceDefaults, TableModel } from "./model.ts"
import { type AssociationEntry, checkAssociations, readTable, type TableEntry } from "./read-table.ts"

const domainKeys = [
  ...[
    "name",
    "source",
    "schemas",
    "joins",
    "customColumns",
    "required",
    "requiredFilters",
    "requiredSelected",
    "requiredGroupBy",
  ],
  ...["requiredOrderBy", "defaultSelected", "defaultGroupBy", "defaultOrderBy", "filters", "performance", "data"],
]
const joinKeys = ["type", "joins", "dimension", "label"]
const performanceKeys = ["slowQueryMs", "timeoutMs", "cache", "hints", "parallel", "route"]
const joinKinds: Record<string, JoinKind> = {
  left: "left",
  inner: "inner",
  right: "right",
  full: "full",
  dimension: "left",
  starDimension: "left",
  snowflakeDimension: "left",
}
/** A path may pass through this many joins; the types count to the same number. */
const maximumDepth = 8

/**
 * Checks a definition and resolves it into a model. All faults are gathered and thrown at once: E_INVALID_DOMAIN, each with its
 * path in the definition and what was probably meant.
 */
export function buildModel(definition: unknown): DomainModel {
  const faults = new Faults()
  if (!isObject(definition)) {
    faults.add("", "A domain is an object with `name`, `source`, `schemas` and `joins`.")
    throw faults.error("?")
  }
  knownKeys(faults, "", definition, domainKeys)
  const name = typeof definition.name === "string" && definition.name !== "" ? definition.name : "?"
  if (name === "?") faults.add("name", "A domain needs a `name`.")
  const schemas = new Map<string, TableEntry>()
  if (definition.schemas !== undefined && !isObject(definition.schemas))
    faults.add("schemas", "`schemas` is an object of tables.")
  for (const [id, table] of Object.entries(isObject(definition.schemas) ? definition.schemas : {})) {
    const entry = readTable(faults, `schemas.${id}`, table)
    if (entry) schemas.set(id, entry)
  }
  const source = readTable(faults, "source", definition.source)
  checkAssociations(faults, source, schemas)
  if (!source) throw faults.error(name)

  const joins = new Map<string, JoinModel>()
  const aliases = new Set<string>()
  const root = rootJoin(source.model, aliases)
  joins.set("", root)
  readJoins(faults, "joins", definition.joins, root, source, schemas, joins, aliases, 1)

  const fields = new Map<string, FieldModel>()
  for (const join of joins.values()) addFields(fields, join)
  readCustomColumns(faults, definition.customColumns, root, fields)

  const model: DomainModel = {
    name,
    root,
    joins,
    fields,
    aliases,
    required: readPaths(faults, definition, "required", rootFields(fields)) ?? [],
    defaults: {
      select: readPaths(faults, definition, "defaultSelected", fields),
      orderBy: readOrder(faults, definition, "defaultOrderBy", fields),
    },
    requirements: {
      filters: readList(faults, definition, "requiredFilters"),
      select: readPaths(faults, definition, "requiredSelected", fields) ?? [],
      groupBy: readPaths(faults, definition, "requiredGroupBy", fields) ?? [],
      orderBy: readOrder(faults, definition, "requiredOrderBy", fields),
    },
    performance: readPerformance(faults, definition.performance),
  }
  if (faults.any) throw faults.error(name)
  return model
}

function rootJoin(table: TableModel, aliases: Set<string>): JoinModel {
  const root: JoinModel = {
    path: "",
    parent: null,
    table,
    position: 0,
    kind: "inner",
    many: false,
    keys: [],
    dimension: null,
    ...aliased(table, uniqueAlias(table.table, aliases)),
    on: "",
    link: null,
    chain: [],
    source: null,
  }
  return root
}

/** An alias not yet in `taken`, at most 63 bytes long, which it joins. */
export function uniqueAlias(base: string, taken: Set<string>): string {
  // Most are short and free; no character takes more than three bytes a UTF-16 unit.
  if (base.length <= 21 && !taken.has(base)) {
    taken.add(base)
    return base
  }
  for (let n = 1; ; n++) {
    const suffix = n === 1 ? "" : `_${n}`
    let alias = base
    while (Buffer.byteLength(alias) + suffix.length > 63) alias = [...alias].slice(0, -1).join("")
    alias += suffix
    if (taken.has(alias)) continue
    taken.add(alias)
    return alias
  }
}

/** A table under an alias. */
export interface Aliased {
  readonly alias: string
  readonly quotedAlias: string
  readonly from: string
}

/** How a table stands in FROM under an alias. */
export function aliased(table: Pick<TableModel, "table" | "schema">, alias: string): Aliased {
  const quotedAlias = quoteIdentifier(alias)
  const name = `${table.schema === null ? "" : `${quoteIdentifier(table.schema)}.`}${quoteIdentifier(table.table)}`
  return { alias, quotedAlias, from: alias === table.table ? name : `${name} AS ${quotedAlias}` }
}

function linkOf(association: AssociationEntry, joinPath: string, aliases: Set<string>): LinkModel | null {
  const { through } = association
  if (through === null) return null
  return {
    table: through.table,
    schema: through.schema,
    ownerKeys: association.ownerKey.map((owned, index) => [owned, through.ownerKey[index] ?? owned] as const),
    targetKeys: association.relatedKey.map((related, index) => [through.relatedKey[index] ?? related, related] as const),
    ...aliased(through, uniqueAlias(`${joinPath.replaceAll(".", "_")}_link`, aliases)),
  }
}

/** Equality of all key pairs of a join, between two quoted aliases. */
export function joinCondition(keys: JoinModel["keys"], parent: string, child: string): string {
  return keys
    .map(([owned, related]) => `${child}.${quoteIdentifier(related)} = ${parent}.${quoteIdentifier(owned)}`)
    .join(" AND ")
}

function readJoins(
  faults: Faults,
  at: string,
  joins: unknown,
  parent: JoinModel,
  owner: TableEntry,
  schemas: ReadonlyMap<string, TableEntry>,
  all: Map<string, JoinModel>,
  aliases: Set<string>,
  depth: number,
): void {
  if (joins === undefined) return
  if (!isObject(joins)) {
    faults.add(at, '`joins` is an object, such as { customer: { type: "left" } }.')
    return
  }
  for (const [id, join] of Object.entries(joins)) {
    const path = `${at}.${id}`
    if (!isObject(join)) {
      faults.add(path, 'A join is an object, such as { type: "left" }.')
      continue
    }
    if (depth > maximumDepth) {
      faults.add(path, `Joins nest at most ${maximumDepth} deep; a deeper tree is usually a cycle.`)
      continue
    }
    knownKeys(faults, path, join, joinKeys)
    if (id.includes(".")) faults.add(path, "A join name with a dot cannot be told from a path.")
    const kind = typeof join.type === "string" ? joinKinds[join.type] : undefined
    if (kind === undefined) {
      faults.add(`${path}.type`, `A join's \`type\` is one of ${Object.keys(joinKinds).join(", ")}.`)
      continue
    }
    if (!faults.member(path, id, owner.associations.keys(), "association of the joining table")) continue
    const association = owner.associations.get(id)!
    const target = schemas.get(association.target)
    if (!target) continue
    const dimension = join.dimension ?? join.displayField
    const needsDimension = join.type === "dimension" || join.type === "starDimension"
    if (needsDimension && typeof dimension !== "string")
      faults.add(`${path}.dimension`, "A dimension join names the column it stands for in `dimension`.")
    if (typeof dimension === "string") {
      faults.member(
        `${path}.dimension`,
        dimension,
        target.model.columns.keys(),
        `column of ${JSON.stringify(association.target)}`,
      )
      if (target.model.redacted.has(dimension)) faults.add(`${path}.dimension`, "A redacted column cannot be a dimension.")
    }
    if (owner.model.columns.has(id))
      faults.add(path, `${JSON.stringify(id)} is a column of the joining table as well; give the association another name.`)
    const joinPath = parent.path === "" ? id : `${parent.path}.${id}`
    const alias = uniqueAlias(joinPath.replaceAll(".", "_"), aliases)
    const chain: JoinModel[] = [...parent.chain]
    const keys = association.ownerKey.map((owned, index) => [owned, association.relatedKey[index] ?? owned] as const)
    const names = aliased(target.model, alias)
    const link = linkOf(association, joinPath, aliases)
    const model: JoinModel = {
      path: joinPath,
      parent,
      table: target.model,
      position: all.size,
      kind,
      many: association.many,
      keys,
      dimension: typeof dimension === "string" ? dimension : null,
      ...names,
      on: joinCondition(keys, parent.quotedAlias, names.quotedAlias),
      link,
      chain,
      source: null,
    }
    chain.push(model)
    all.set(joinPath, model)
    readJoins(faults, `${path}.joins`, join.joins, model, target, schemas, all, aliases, depth + 1)
  }
}

function addFields(fields: Map<string, FieldModel>, join: JoinModel): void {
  const outer = join.chain.some((step) => step.kind !== "inner")
  const field = (path: string, column: string, type: ColumnType): void => {
    const quotedColumn = quoteIdentifier(column)
    const sql = `${join.quotedAlias}.${quotedColumn}`
    fields.set(path, { path, join, column, quotedColumn, sql, type: outer ? { ...type, nullable: true } : type, custom: null })
  }
  for (const [column, type] of join.table.columns)
    if (!join.table.redacted.has(column)) field(join.path === "" ? column : `${join.path}.${column}`, column, type)
  const dimension = join.dimension === null ? undefined : join.table.columns.get(join.dimension)
  if (dimension) field(join.path, join.dimension!, dimension)
}

function readCustomColumns(faults: Faults, custom: unknown, root: JoinModel, fields: Map<string, FieldModel>): void {
  if (custom === undefined) return
  if (!isObject(custom)) {
    faults.add("customColumns", "`customColumns` is an object of functions, such as { full_name: (f) => concat(…) }.")
    return
  }
  for (const [name, build] of Object.entries(custom)) {
    if (typeof build !== "function") faults.add(`customColumns.${name}`, "A custom column is a function of the domain's fields.")
    else if (fields.has(name)) faults.add(`customColumns.${name}`, "A column or join has this name already.")
    else fields.set(name, { path: name, join: root, column: null, quotedColumn: "", sql: "", type: unknownType, custom: build })
  }
}

const unknownType: ColumnType = { type: "unknown", nullable: true, pgType: null, values: null, of: null }

function rootFields(fields: ReadonlyMap<string, FieldModel>): Map<string, FieldModel> {
  return new Map([...fields].filter(([, field]) => field.join.path === "" && field.column !== null))
}

function readPaths(
  faults: Faults,
  definition: Record<string, unknown>,
  key: string,
  fields: ReadonlyMap<string, FieldModel>,
): string[] | null {
  if (definition[key] === undefined) return null
  const paths = stringList(definition[key])
  if (paths === null) faults.add(key, `\`${key}\` is a list of paths.`)
  for (const path of paths ?? []) faults.member(key, path, fields.keys(), "path of this domain")
  return paths
}

function readOrder(
  faults: Faults,
  definition: Record<string, unknown>,
  key: string,
  fields: ReadonlyMap<string, FieldModel>,
): readonly unknown[] {
  const order = readList(faults, definition, key)
  for (const item of order) if (typeof item === "string") faults.member(key, item, fields.keys(), "path of this domain")
  return order
}

function readList(faults: Faults, definition: Record<string, unknown>, key: string): readonly unknown[] {
  const list = definition[key]
  if (list === undefined) return []
  if (Array.isArray(list)) return list
  faults.add(key, `\`${key}\` is a list.`)
  return []
}

function readPerformance(faults: Faults, performance: unknown): PerformanceDefaults {
  if (performance === undefined) return {}
  if (!isObject(performance)) {
    faults.add("performance", "`performance` is an object, such as { slowQueryMs: 500 }.")
    return {}
  }
  knownKeys(faults, "performance", performance, performanceKeys)
  const slow = performance.slowQueryMs
  if (slow !== undefined && !(typeof slow === "number" && slow > 0))
    faults.add("performance.slowQueryMs", "`slowQueryMs` is a positive number of milliseconds.")
  const hints = performance.hints
  if (hints !== undefined && !(Array.isArray(hints) && hints.every((hint) => Array.isArray(hint) && typeof hint[0] === "string")))
    faults.add("performance.hints", '`hints` is a list of pairs, such as [["work_mem", "64MB"]].')
  return performance as PerformanceDefaults
}
