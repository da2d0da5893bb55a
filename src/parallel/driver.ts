import {
  type FromItem,
  type IsAggregate,
  type QueryBlock,
  type ShapeRelation,
  type StatementShape,
  walkExpression,
} from "../sql/index.ts"
import type { RelationFacts } from "./catalog.ts"

/** A relation whose rows can be divided by their place. */
export interface Driver {
  readonly relation: ShapeRelation
  readonly facts: RelationFacts
  /** Visible names from the outermost FROM to the relation. */
  readonly path: readonly string[]
  /** An outer join may make rows that have none of the relation's. */
  readonly nullable: boolean
}

/** The name by which a relation is called in its block. */
export function visibleName(relation: ShapeRelation): string {
  return relation.alias ?? relation.name
}

/**
 * Relations by which the statement's rows can be divided: those of the outermost FROM, and those of plain subqueries in it, whose
 * rows go through one by one. `factsOf` tells what a table is; null for what is none.
 */
export function driversOf(shape: StatementShape, known: DriverContext): Driver[] {
  return driversIn(shape, shape.blocks[0]!, [], known)
}

export interface DriverContext {
  readonly factsOf: (relation: ShapeRelation) => RelationFacts | null
  readonly isAggregate: IsAggregate
}

function driversIn(shape: StatementShape, block: QueryBlock, path: readonly string[], known: DriverContext): Driver[] {
  const hidden = new Set(block.from.flatMap((item) => underAlias(item, false)))
  return block.relations.flatMap((ordinal): Driver[] => {
    const relation = shape.relations[ordinal]!
    if (hidden.has(ordinal)) return []
    const here = [...path, visibleName(relation)]
    if (relation.kind === "table") {
      const facts = known.factsOf(relation)
      const divisible = facts?.heap === true && "rpm".includes(facts.kind)
      // Made-up rows are caught by a part of their own, which must stand in the outermost WHERE.
      return divisible && !(relation.nullable && path.length > 0)
        ? [{ relation, facts, path: here, nullable: relation.nullable }]
        : []
    }
    const source = relation.source === null ? undefined : shape.blocks[relation.source]
    if (source === undefined || relation.nullable || !passesThrough(source, shape, known.isAggregate)) return []
    return driversIn(shape, source, here, known)
  })
}

/** Every row of it comes from its rows one by one, and it is evaluated in one place. */
function passesThrough(block: QueryBlock, shape: StatementShape, isAggregate: IsAggregate): boolean {
  let collects = block.aggregates.length > 0
  for (const { expression } of block.output)
    walkExpression(expression, (inner) => {
      collects ||= inner.kind === "call" && inner.over === null && isAggregate(inner.schema, inner.name)
    })
  return (
    !collects &&
    block.kind === "select" &&
    (block.role === "from" || block.role === "cte") &&
    block.cte?.recursive !== true &&
    block.grouping === null &&
    block.having === null &&
    block.distinct === null &&
    block.windowCalls.length === 0 &&
    block.limit === null &&
    block.offset === null &&
    shape.relations.filter((relation) => relation.source === block.ordinal).length === 1
  )
}

/** Relations whose names a join's own alias hides. */
function underAlias(item: FromItem, hidden: boolean): number[] {
  if (item.kind === "relation") return hidden ? [item.relation] : []
  const below = hidden || item.alias !== null
  return [...underAlias(item.left, below), ...underAlias(item.right, below)]
}
