import type { Relation } from "../../database/catalog.ts"
import { type Expression, mapExpression } from "../../sql/index.ts"
import { equivalencesOf } from "./equivalence.ts"
import { factsOf } from "./logic/facts.ts"
import { matchQuery } from "./match.ts"
import type { MatchContext } from "./match-select.ts"
import { normalizeSelect, normalizeSet } from "./normalize.ts"
import { isMisfit, type Misfit } from "./overlay.ts"
import { type Core, type Leaf, leavesOf, paddedLeaves, type Query, type SelectQuery, type Source } from "./query.ts"
import { unsettled } from "./settled.ts"
import { matchUnion } from "./union.ts"
import type { ViewShape } from "./view-variant.ts"
import { expressionsOf, mapQuery, type World } from "./world.ts"

/** A view that may be used, with what matching knows of it. */
export interface UsableView {
  /** schema.name, as reasons and results call it. */
  readonly name: string
  readonly relation: Relation
  readonly shape: ViewShape
}

/** The query over views. */
export interface Rewritten {
  readonly query: Query
  /** Names of the views that it reads, each once. */
  readonly views: readonly string[]
  /** "full": nothing but views; "join-back": other tables beside them; "union": the rest of the rows from the views' own tables. */
  readonly kind: "full" | "join-back" | "union"
  /** Tables that it still reads. */
  readonly tables: readonly Relation[]
}

export interface RewriteResult {
  /** The best first, as far as form tells. */
  readonly found: readonly Rewritten[]
  /** Why each view was not used, where none was. */
  readonly reasons: ReadonlyMap<string, string>
}

/** All ways found of answering a query, or parts of it, from the views. */
export function rewriteQuery(query: Query, views: readonly UsableView[], context: MatchContext): RewriteResult {
  const reasons = new Map<string, Misfit>()
  const loose = whyUnsettled(query, context)
  if (loose !== null) return { found: [], reasons: new Map(views.map((view) => [view.name, loose])) }
  const found = ways(query, views, context, reasons).map((way) => withTables(way, views, context))
  const sorted = found.sort((a, b) => rank(a) - rank(b))
  return { found: sorted, reasons: new Map([...reasons].map(([name, misfit]) => [name, misfit.reason])) }
}

interface Way {
  readonly query: Query
  readonly union: boolean
}

/** A whole answer first, then one with the tables' help, then parts of the query answered, then unions. */
function ways(query: Query, views: readonly UsableView[], context: MatchContext, reasons: Map<string, Misfit>): readonly Way[] {
  const whole: Way[] = []
  const unions: Way[] = []
  for (const view of views) {
    const found = matchQuery(query, view.shape, context)
    if (!isMisfit(found)) {
      const rest = found.joined.length === 0 ? null : inside(found.query, views, context, reasons)
      whole.push({ query: rest?.query ?? found.query, union: rest?.union ?? false })
      continue
    }
    note(reasons, view.name, found)
    if (found.missing === undefined || query.kind === "set") continue
    for (const variant of view.shape.variants) {
      const both = matchUnion(query, variant, found.missing, context)
      if (isMisfit(both)) continue
      unions.push({ query: both.query, union: true })
      break
    }
  }
  if (whole.length > 0) return [...whole, ...unions]
  const parts = inside(query, views, context, reasons)
  return [...(parts === null ? [] : [parts]), ...unions]
}

function note(reasons: Map<string, Misfit>, name: string, misfit: Misfit): void {
  const known = reasons.get(name)
  if (known === undefined || misfit.stage > known.stage) reasons.set(name, misfit)
}

/** The query with the queries inside it (subqueries in FROM, arms, sublinks) answered from views; null when none is. */
function inside(query: Query, views: readonly UsableView[], context: MatchContext, reasons: Map<string, Misfit>): Way | null {
  const { world } = context
  let changed = false
  let union = false
  const better = (inner: Query): Query => {
    const way = ways(inner, views, context, reasons)[0]
    if (way === undefined) return inner
    changed = true
    union ||= way.union
    return way.query
  }
  const inExpression = (expression: Expression): Expression =>
    mapExpression(expression, (part) => {
      const inner = part.kind === "sublink" ? world.subquery(part.block) : null
      if (inner === null || part.kind !== "sublink") return part
      const made = better(inner)
      return made === inner ? part : { ...part, block: world.addSubquery(made) }
    })
  if (query.kind === "set") {
    const arms = query.arms.map(better)
    return changed ? { query: normalizeSet({ ...query, arms }, world), union } : null
  }
  const inCore = (core: Core): Core => ({
    leaves: core.leaves.map((leaf) => inLeaf(leaf, better, world)),
    fulls: core.fulls.map((full) => ({ ...full, left: inCore(full.left), right: inCore(full.right) })),
    units: core.units.map((unit) => ({ ...unit, core: inCore(unit.core) })),
    where: core.where,
  })
  const core = inCore(query.core)
  const made = mapOwn({ ...query, core }, inExpression)
  return changed ? { query: normalizeSelect(made, world), union } : null
}

function inLeaf(leaf: Leaf, better: (inner: Query) => Query, world: World): Leaf {
  if (leaf.source.kind !== "derived") return leaf
  const query = better(leaf.source.query)
  return query === leaf.source.query ? leaf : world.addLeaf({ ...leaf, source: { kind: "derived", query } })
}

/** The query with its own expressions changed, those of its derived leaves left alone. */
function mapOwn(query: SelectQuery, change: (expression: Expression) => Expression): SelectQuery {
  const sources = new Map<number, Source>(leavesOf(query.core).map((leaf) => [leaf.id, leaf.source]))
  const mapped = mapQuery({ ...query, core: hollow(query.core) }, change) as SelectQuery
  const back = (core: Core): Core => ({
    leaves: core.leaves.map((leaf) => ({ ...leaf, source: sources.get(leaf.id)! })),
    fulls: core.fulls.map((full) => ({ ...full, left: back(full.left), right: back(full.right) })),
    units: core.units.map((unit) => ({ ...unit, core: back(unit.core) })),
    where: core.where,
  })
  return { ...mapped, core: back(mapped.core) }
}

function hollow(core: Core): Core {
  const leaf = (one: Leaf): Leaf =>
    one.source.kind === "derived" ? { ...one, source: { kind: "values", rows: [], columns: [] } } : one
  return {
    ...core,
    leaves: core.leaves.map(leaf),
    fulls: core.fulls.map((full) => ({ ...full, left: hollow(full.left), right: hollow(full.right) })),
    units: core.units.map((unit) => ({ ...unit, core: hollow(unit.core) })),
  }
}

/** Why the statement as a whole may give other rows each time; null when it does not. */
function whyUnsettled(query: Query, context: MatchContext): string | null {
  const { world } = context
  if (query.kind === "set") {
    const cut = query.limit !== null || query.offset !== null
    const sorted = new Set(query.order.map((key) => key.column))
    if (cut && query.output.some((_column, at) => !sorted.has(at)))
      return "its LIMIT cuts rows in an order with ties: which rows come is not determined"
    return firstReason(query.arms, context)
  }
  const facts = factsOf(query.core.where, { ...context.knowledge, world, padded: paddedLeaves(query.core) })
  const own = unsettled(query, equivalencesOf(query.core.where, world), facts, world)
  if (own !== null) return own
  const below: Query[] = leavesOf(query.core).flatMap((leaf) => (leaf.source.kind === "derived" ? [leaf.source.query] : []))
  for (const expression of expressionsOf(query)) {
    mapExpression(expression, (part) => {
      const inner = part.kind === "sublink" ? world.subquery(part.block) : null
      if (inner !== null) below.push(inner)
      return part
    })
  }
  return firstReason(below, context)
}

function firstReason(queries: readonly Query[], context: MatchContext): string | null {
  for (const query of queries) {
    const reason = whyUnsettled(query, context)
    if (reason !== null) return reason
  }
  return null
}

function withTables(way: Way, views: readonly UsableView[], { world }: MatchContext): Rewritten {
  const byOid = new Map(views.map((view) => [view.relation.oid, view.name]))
  const used = new Set<string>()
  const tables = new Map<number, Relation>()
  for (const table of tablesOf(way.query, world)) {
    const name = byOid.get(table.oid)
    if (name === undefined) tables.set(table.oid, table)
    else used.add(name)
  }
  const kind = way.union ? "union" : tables.size > 0 ? "join-back" : "full"
  return { query: way.query, views: [...used], kind, tables: [...tables.values()] }
}

/** Tables and views that a query reads, at every level. */
export function tablesOf(query: Query, world: World): readonly Relation[] {
  if (query.kind === "set") return query.arms.flatMap((arm) => tablesOf(arm, world))
  const found: Relation[] = []
  for (const leaf of leavesOf(query.core)) {
    if (leaf.source.kind === "table") found.push(leaf.source.table)
    else if (leaf.source.kind === "derived") found.push(...tablesOf(leaf.source.query, world))
  }
  for (const expression of expressionsOf(query)) {
    mapExpression(expression, (part) => {
      const inner = part.kind === "sublink" ? world.subquery(part.block) : null
      if (inner !== null) found.push(...tablesOf(inner, world))
      return part
    })
  }
  return found
}

const kinds = ["full", "join-back", "union"] as const

/** Fewer tables first; of equals the smaller views. */
function rank(rewritten: Rewritten): number {
  return kinds.indexOf(rewritten.kind) * 1000 + rewritten.tables.length * 10 + rewritten.views.length
}
