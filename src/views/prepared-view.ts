import type { Relation } from "../database/catalog.ts"
import type { ViewDefinition } from "./definition.ts"
import type { Library } from "./library.ts"
import type { Trust } from "./match/dependence.ts"
import { possiblyLossless } from "./match/lossless.ts"
import { type Core, leavesOf, type Query, type Source } from "./match/query.ts"
import { openedShape, readStatement } from "./match/read-statement.ts"
import { tablesOf, type UsableView } from "./match/rewrite.ts"
import { type ViewShape, variantsOf } from "./match/view-variant.ts"
import { newWorld, type World } from "./match/world.ts"

/** A view made ready for matching. */
export interface PreparedView extends UsableView {
  readonly definition: ViewDefinition
  /** Tables that its rows come from, below all views in between. */
  readonly bases: readonly Relation[]
  /** Of each form of its definition the tables that a statement must read for it to be of use, by their oids. */
  readonly required: readonly ReadonlySet<number>[]
}

/** Reads definitions and works out how each can answer queries. One that cannot be used has a shape with a reason. */
export async function prepareViews(
  definitions: readonly ViewDefinition[],
  library: Library,
  trust: Trust,
): Promise<readonly PreparedView[]> {
  for (const definition of definitions) await openedShape(`select from ${quoted(definition)}`, library)
  const oids = new Set(definitions.flatMap((definition) => library.find(definition.schema, definition.name)?.oid ?? []))
  const prepared: PreparedView[] = []
  for (const definition of definitions) {
    const view = await prepareView(definition, library, trust, oids)
    if (view !== null) prepared.push(view)
  }
  return prepared
}

function quoted({ schema, name }: ViewDefinition): string {
  return [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join(".")
}

async function prepareView(
  definition: ViewDefinition,
  library: Library,
  trust: Trust,
  views: ReadonlySet<number>,
): Promise<PreparedView | null> {
  const relation = library.find(definition.schema, definition.name)
  if (relation === null) return null
  const world = newWorld(library.types)
  const name = `${definition.schema}.${definition.name}`
  const unusable = (reason: string): PreparedView => ({
    name,
    relation,
    definition,
    bases: [],
    required: [],
    shape: { variants: [], sets: [], reason },
  })
  if (!relation.populated) return unusable("it holds nothing yet: it was never refreshed")
  // Over other materialized views it is read twice: over them as they are, and over the tables below them.
  const direct = readStatement(await openedShape(definition.text, library), library, world)
  if (typeof direct === "string") return unusable(`its definition cannot be reasoned about: ${direct}`)
  const below = readStatement(
    await openedShape(definition.text, library, (oid) => views.has(oid) && oid !== relation.oid),
    library,
    world,
  )
  if (typeof below === "string") return unusable(`its definition cannot be reasoned about: ${below}`)
  const nested = tablesOf(direct, world).some((table) => views.has(table.oid))
  const shapes = (nested ? [direct, below] : [direct]).map((query) => shapeOf(query, definition, relation, library, world, trust))
  const first = shapes[0]!
  const shape: ViewShape = {
    variants: shapes.flatMap((one) => one.variants),
    sets: shapes.flatMap((one) => one.sets),
    reason: shapes.some((one) => one.reason === null) ? null : first.reason,
  }
  const bases = [...new Map(tablesOf(below, world).map((table) => [table.oid, table])).values()]
  return {
    name,
    relation,
    definition,
    shape,
    bases,
    required: (nested ? [direct, below] : [direct]).map((query) => requiredBy(query, world)),
  }
}

function shapeOf(
  query: Query,
  definition: ViewDefinition,
  relation: Relation,
  library: Library,
  world: World,
  trust: Trust,
): ViewShape {
  const source: Source = { kind: "table", table: relation, only: false }
  if (
    relation.columns.length !== query.output.length ||
    query.output.some((column, at) => column.type.info.id !== relation.columns[at]!.typeId)
  )
    return { variants: [], sets: [], reason: "its columns are not those that its definition gives" }
  return variantsOf(
    query,
    relation.columns.map((column) => column.name),
    {
      source,
      alias: relation.name,
      world,
      trust,
      sameZone: definition.timeZone !== null && definition.timeZone === library.settings.timeZone,
    },
  )
}

/** Tables without which a statement has nothing that the view could stand for. */
function requiredBy(query: Query, world: World): ReadonlySet<number> {
  if (query.kind === "set") return new Set(query.arms.flatMap((arm) => [...requiredBy(arm, world)]))
  return new Set(requiredInCore(query.core, world))
}

function requiredInCore(core: Core, world: World): readonly number[] {
  const optional = possiblyLossless(core, world)
  return leavesOf(core).flatMap((leaf) => {
    if (leaf.source.kind === "derived") return [...requiredBy(leaf.source.query, world)]
    return leaf.source.kind === "table" && !optional.has(leaf.id) ? [leaf.source.table.oid] : []
  })
}
