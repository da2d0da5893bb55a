import { type Aliased, aliased, joinCondition, uniqueAlias } from "../domain/build.ts"
import type { DomainModel, FieldModel, JoinKind, JoinModel, LinkModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"
import { sourceItem } from "./compile-source.ts"

/** What one compilation gathers: bound values in order, aliases in use, common table expressions. */
export interface Compilation {
  readonly values: unknown[]
  /** The aliases of the outermost query's domain. */
  readonly reserved: ReadonlySet<string>
  /** Aliases taken in the whole statement; made when the first subquery needs one. */
  taken: Set<string> | null
  /** What stands in WITH, in order. */
  readonly ctes: string[]
  recursive: boolean
  /** Names of common table expressions by the source they hold. */
  readonly cteNames: Map<object, string>
  /** Names of tables that WITH must not hide. */
  readonly avoid: ReadonlySet<string>
  /** Names of tables written without their schema. */
  readonly tables: Set<string>
  /** Only the types of the output are asked for: names of a query around it cannot be resolved. */
  readonly describing: boolean
}

export function newCompilation(
  model: Pick<DomainModel, "aliases">,
  describing = false,
  avoid: ReadonlySet<string> = new Set(),
): Compilation {
  return {
    avoid,
    tables: new Set(),
    values: [],
    reserved: model.aliases,
    taken: null,
    ctes: [],
    recursive: false,
    cteNames: new Map(),
    describing,
  }
}

/** An alias that nothing else in the statement has. */
export function freshAlias(compilation: Compilation, base: string): string {
  compilation.taken ??= new Set(compilation.reserved)
  return uniqueAlias(base, compilation.taken)
}

/** Binds a value and gives its placeholder. */
export function bind(compilation: Compilation, value: unknown): string {
  return `$${compilation.values.push(value)}`
}

/**
 * One SELECT of the statement: the outermost, or a subquery of exists() or nest(). Paths in it start at `scope`; its FROM starts
 * at `base`, which differs from `scope` where a subquery names a path of several joins.
 */
export interface Block {
  readonly compilation: Compilation
  readonly model: DomainModel
  /** The block whose rows a subquery over a join belongs to; null in the first block of a query. */
  readonly parent: Block | null
  /** The block around a query that stands inside another; its columns are reached by outer(). */
  readonly outer: Block | null
  /** SQL of joins that are no tables, as far as it is written. */
  readonly sources: Map<JoinModel, { readonly sql: string; readonly on: string }>
  /** Windows of the query by name. */
  windowNames: ReadonlyMap<string, unknown>
  readonly base: JoinModel
  readonly scope: JoinModel
  readonly prefix: string
  /** Joins that this block's FROM must hold. */
  readonly needed: Set<JoinModel>
  readonly kinds: Map<JoinModel, JoinKind>
  /** Aliases of a subquery's joins; null in the outermost block, whose aliases the model holds. */
  readonly aliases: Map<JoinModel, Aliased> | null
  /** The same for link tables. */
  readonly links: Map<JoinModel, Aliased>
  /** Called with each path used outside an aggregate, while somebody listens. */
  onPath: ((field: FieldModel, via: FieldModel | null) => void) | null
  /** The custom column being compiled: its paths are used on its behalf. */
  via: FieldModel | null
  /** Called with each sum or avg. */
  readonly sums: { readonly name: string; readonly paths: readonly FieldModel[] }[]
  aggregates: number
  /** Window functions met so far. */
  windows: number
}

/** The first block of a query. Inside another statement its aliases are its own. */
export function rootBlock(compilation: Compilation, model: DomainModel, outer: Block | null, nested: boolean): Block {
  return block(compilation, model, null, outer, model.root, model.root, nested ? new Map() : null)
}

/** The block of a subquery over a join path, which starts at the parent's scope. Throws E_UNKNOWN_JOIN. */
export function subBlock(parent: Block, join: string): Block {
  const { model } = parent
  const scope = model.joins.get(parent.prefix + join)
  if (scope === undefined || scope.path === "") {
    const known = [...model.joins.keys()]
      .filter((path) => path !== "" && path.startsWith(parent.prefix))
      .map((path) => path.slice(parent.prefix.length))
    const suggestions = suggestionsFor(join, known)
    throw new SelectoError(
      "E_UNKNOWN_JOIN",
      `${JSON.stringify(join)} is not a join of the domain ${JSON.stringify(model.name)}.${didYouMean(suggestions)}`,
      {
        path: join,
        suggestions,
      },
    )
  }
  const steps = scope.chain.slice(parent.scope.chain.length)
  const sub = block(parent.compilation, model, parent, null, steps[0]!, scope, new Map())
  for (const step of steps) {
    sub.needed.add(step)
    sub.kinds.set(step, "inner")
  }
  return sub
}

function block(
  compilation: Compilation,
  model: DomainModel,
  parent: Block | null,
  outer: Block | null,
  base: JoinModel,
  scope: JoinModel,
  aliases: Block["aliases"],
): Block {
  return {
    compilation,
    model,
    parent,
    outer,
    sources: new Map(),
    windowNames: noWindows,
    base,
    scope,
    prefix: scope.path === "" ? "" : `${scope.path}.`,
    needed: new Set(),
    kinds: new Map(),
    aliases,
    links: new Map(),
    onPath: null,
    via: null,
    sums: [],
    aggregates: 0,
    windows: 0,
  }
}

const noWindows: ReadonlyMap<string, unknown> = new Map()

/** The block around the query that this block belongs to; null where the query stands alone. */
export function enclosing(block: Block): Block | null {
  let first = block
  while (first.parent !== null) first = first.parent
  return first.outer
}

/** The field of a path in this block, its joins marked as needed. Throws E_UNKNOWN_FIELD or E_REDACTED_FIELD. */
export function fieldOf(block: Block, path: string): FieldModel {
  const { model } = block
  const field = model.fields.get(block.prefix === "" ? path : block.prefix + path)
  if (field === undefined) throw unknownField(block, path)
  need(block, field.join)
  block.onPath?.(field, block.via)
  return field
}

/** Marks a join and the joins it hangs on. */
export function need(block: Block, join: JoinModel): void {
  for (let step: JoinModel | null = join; step !== null && step !== block.base && !block.needed.has(step); step = step.parent)
    if (step.path !== "") block.needed.add(step)
}

function unknownField(block: Block, path: string): SelectoError {
  const { model } = block
  const full = block.prefix + path
  const dot = full.lastIndexOf(".")
  const join = model.joins.get(dot < 0 ? "" : full.slice(0, dot))
  if (join?.table.redacted.has(full.slice(dot + 1)))
    return new SelectoError(
      "E_REDACTED_FIELD",
      `${JSON.stringify(path)} is redacted in the domain ${JSON.stringify(model.name)}; no query can read it.`,
      { path },
    )
  const known = [...model.fields.keys()]
    .filter((name) => name.startsWith(block.prefix))
    .map((name) => name.slice(block.prefix.length))
  const suggestions = suggestionsFor(path, known)
  const hint = path === "asc" || path === "desc" ? ` To order by a path, write ${path}("path").` : didYouMean(suggestions)
  return new SelectoError(
    "E_UNKNOWN_FIELD",
    `${JSON.stringify(path)} is not a path of the domain ${JSON.stringify(model.name)}.${hint}`,
    { path, suggestions },
  )
}

/** The quoted alias of a join in this block. */
export function aliasOf(block: Block, join: JoinModel): string {
  return block.aliases === null ? join.quotedAlias : subAlias(block, join).quotedAlias
}

function subAlias(block: Block, join: JoinModel): Aliased {
  let made = block.aliases!.get(join)
  if (made === undefined) {
    made = aliased(join.table, freshAlias(block.compilation, join.alias))
    block.aliases!.set(join, made)
  }
  return made
}

/** `alias.column` of a field in this block. */
export function columnSql(block: Block, field: FieldModel): string {
  return block.aliases === null ? field.sql : `${aliasOf(block, field.join)}.${field.quotedColumn}`
}

/** The FROM item of a join. */
function fromItem(block: Block, join: JoinModel): string {
  if (join.source !== null) return sourceItem(block, join).sql
  if (join.table.schema === null) block.compilation.tables.add(join.table.table)
  return block.aliases === null ? join.from : subAlias(block, join).from
}

function linkAlias(block: Block, join: JoinModel, link: LinkModel): Pick<Aliased, "quotedAlias" | "from"> {
  if (block.aliases === null) return link
  let made = block.links.get(join)
  if (made === undefined) {
    made = aliased(link, freshAlias(block.compilation, link.alias))
    block.links.set(join, made)
  }
  return made
}

/** A many-to-many table with its link before it. */
function linkedItem(block: Block, join: JoinModel, link: LinkModel): string {
  const { from, quotedAlias } = linkAlias(block, join, link)
  return `${from} JOIN ${fromItem(block, join)} ON ${joinCondition(link.targetKeys, quotedAlias, aliasOf(block, join))}`
}

/** The FROM clause: base table and the needed joins in declaration order, parents first. */
export function fromClause(block: Block): string {
  const base = block.base.link === null ? fromItem(block, block.base) : linkedItem(block, block.base, block.base.link)
  if (block.needed.size === 0) return base
  const children = new Map<JoinModel, JoinModel[]>()
  for (const join of [...block.needed].sort((a, b) => a.position - b.position)) {
    if (join === block.base || join.parent === null) continue
    const siblings = children.get(join.parent)
    if (siblings) siblings.push(join)
    else children.set(join.parent, [join])
  }
  return base + joinsBelow(block, block.base, children)
}

const keywords: Record<JoinKind, string> = { left: "LEFT JOIN", inner: "JOIN", right: "RIGHT JOIN", full: "FULL JOIN" }

function joinsBelow(block: Block, parent: JoinModel, children: ReadonlyMap<JoinModel, readonly JoinModel[]>): string {
  let sql = ""
  for (const join of children.get(parent) ?? []) {
    const kind = block.kinds.get(join) ?? join.kind
    const on =
      join.source !== null
        ? sourceItem(block, join).on
        : block.aliases === null
          ? join.on
          : joinCondition(join.keys, aliasOf(block, parent), aliasOf(block, join))
    const below = joinsBelow(block, join, children)
    if (join.link !== null) {
      const linkOn = joinCondition(join.link.ownerKeys, aliasOf(block, parent), linkAlias(block, join, join.link).quotedAlias)
      sql += ` ${keywords[kind]} (${linkedItem(block, join, join.link)}${below}) ON ${linkOn}`
      continue
    }
    // An inner join below an outer one stays inside it, or it would undo the outer join.
    const grouped =
      kind !== "inner" && (children.get(join) ?? []).some((child) => (block.kinds.get(child) ?? child.kind) === "inner")
    sql += grouped
      ? ` ${keywords[kind]} (${fromItem(block, join)}${below}) ON ${on}`
      : ` ${keywords[kind]} ${fromItem(block, join)} ON ${on}${below}`
  }
  return sql
}

/** The condition that ties a subquery to the row around it. */
export function correlation(block: Block): string {
  const { parent, base } = block
  if (base.source !== null) return sourceItem(block, base).on
  if (base.link !== null)
    return joinCondition(base.link.ownerKeys, aliasOf(parent!, base.parent!), linkAlias(block, base, base.link).quotedAlias)
  return joinCondition(base.keys, aliasOf(parent!, base.parent!), aliasOf(block, base))
}
