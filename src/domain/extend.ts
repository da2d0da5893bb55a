import { quoteIdentifier } from "../sql/identifier.ts"
import { aliased, joinCondition, uniqueAlias } from "./build.ts"
import type { ColumnType } from "./column-type.ts"
import type { DomainModel, FieldModel, JoinKind, JoinModel, LinkModel, RelationSource, TableModel } from "./model.ts"

/** A column of rows that are no table: the name it has in paths, the name it has in SQL, its type. */
export interface DerivedColumn {
  readonly name: string
  readonly alias: string
  readonly type: ColumnType
}

/** Rows that join a domain from outside. */
export interface Derived {
  readonly name: string
  readonly columns: readonly DerivedColumn[]
  readonly source: RelationSource
  readonly kind: JoinKind
  readonly many: boolean
  /** The name itself is the path of the only column. */
  readonly single: boolean
}

function derivedTable(name: string, columns: readonly DerivedColumn[]): TableModel {
  return {
    table: name,
    schema: null,
    primaryKey: [],
    columns: new Map(columns.map((column) => [column.name, column.type])),
    redacted: new Set(),
  }
}

function derivedField(path: string, join: JoinModel, column: DerivedColumn, outer: boolean): FieldModel {
  const quotedColumn = quoteIdentifier(column.alias)
  return {
    path,
    join,
    column: column.name,
    quotedColumn,
    sql: `${join.quotedAlias}.${quotedColumn}`,
    type: outer ? { ...column.type, nullable: true } : column.type,
    custom: null,
  }
}

/** The domain with one more join below its root: the columns of `derived` are the paths `name.column`. */
export function withDerived(model: DomainModel, derived: Derived): DomainModel {
  const { name, columns, source, kind, many, single } = derived
  const aliases = new Set(model.aliases)
  const alias = uniqueAlias(name, aliases)
  const chain: JoinModel[] = []
  const join: JoinModel = {
    path: name,
    parent: model.root,
    table: derivedTable(name, columns),
    position: Math.max(...[...model.joins.values()].map((one) => one.position)) + 1,
    kind,
    many,
    keys: [],
    dimension: null,
    alias,
    quotedAlias: quoteIdentifier(alias),
    from: "",
    on: "",
    link: null,
    chain,
    source,
  }
  chain.push(join)
  const fields = new Map(model.fields)
  for (const column of columns) {
    const path = single ? name : `${name}.${column.name}`
    fields.set(path, derivedField(path, join, column, kind !== "inner"))
  }
  return { ...model, aliases, joins: new Map(model.joins).set(name, join), fields }
}

/** A domain whose root is the output of a query. */
export function derivedModel(name: string, columns: readonly DerivedColumn[], source: RelationSource): DomainModel {
  const aliases = new Set<string>()
  const alias = uniqueAlias(name, aliases)
  const root: JoinModel = {
    path: "",
    parent: null,
    table: derivedTable(name, columns),
    position: 0,
    kind: "inner",
    many: false,
    keys: [],
    dimension: null,
    alias,
    quotedAlias: quoteIdentifier(alias),
    from: "",
    on: "",
    link: null,
    chain: [],
    source,
  }
  const fields = new Map(columns.map((column) => [column.name, derivedField(column.name, root, column, false)]))
  return { name, root, joins: new Map([["", root]]), fields, aliases, ...nothingDemanded }
}

const nothingDemanded: Pick<DomainModel, "required" | "defaults" | "requirements" | "performance"> = {
  required: [],
  defaults: { select: null, orderBy: [] },
  requirements: { filters: [], select: [], groupBy: [], orderBy: [] },
  performance: {},
}

/**
 * The part of a domain below one join, as a domain of its own: paths start at the join. It demands nothing: who retargets a query
 * carries the demands along in the condition that ties both.
 */
export function retargetedModel(model: DomainModel, target: JoinModel): DomainModel {
  const aliases = new Set<string>()
  const joins = new Map<string, JoinModel>()
  const moved = new Map<JoinModel, JoinModel>()
  const prefix = `${target.path}.`
  const root: JoinModel = {
    ...target,
    path: "",
    parent: null,
    position: 0,
    kind: "inner",
    many: false,
    keys: [],
    dimension: null,
    link: null,
    chain: [],
    on: "",
    ...aliased(target.table, uniqueAlias(target.table.table, aliases)),
  }
  joins.set("", root)
  moved.set(target, root)
  for (const join of model.joins.values()) {
    if (!join.path.startsWith(prefix)) continue
    const parent = moved.get(join.parent!)!
    const path = join.path.slice(prefix.length)
    const names = aliased(join.table, uniqueAlias(path.replaceAll(".", "_"), aliases))
    const chain: JoinModel[] = [...parent.chain]
    const link: LinkModel | null =
      join.link === null
        ? null
        : { ...join.link, ...aliased(join.link, uniqueAlias(`${path.replaceAll(".", "_")}_link`, aliases)) }
    const on = joinCondition(join.keys, parent.quotedAlias, names.quotedAlias)
    const copy: JoinModel = { ...join, ...names, path, parent, position: joins.size, chain, link, on }
    chain.push(copy)
    joins.set(path, copy)
    moved.set(join, copy)
  }
  const fields = new Map<string, FieldModel>()
  for (const field of model.fields.values()) {
    const join = moved.get(field.join)
    if (join === undefined || !field.path.startsWith(prefix)) continue
    const path = field.path.slice(prefix.length)
    const declared = join.table.columns.get(field.column ?? "") ?? field.type
    const outer = join.chain.some((step) => step.kind !== "inner")
    fields.set(path, {
      ...field,
      path,
      join,
      sql: `${join.quotedAlias}.${field.quotedColumn}`,
      type: outer ? { ...declared, nullable: true } : declared,
    })
  }
  return { name: `${model.name}.${target.path}`, root, joins, fields, aliases, ...nothingDemanded }
}
