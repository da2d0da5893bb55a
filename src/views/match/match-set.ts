import type { Expression } from "../../sql/index.ts"
import { matchQuery } from "./match.ts"
import type { Match, MatchContext } from "./match-select.ts"
import { isMisfit, type Misfit } from "./overlay.ts"
import { isPlain } from "./pull-up.ts"
import {
  columnOf,
  emptyCore,
  type Leaf,
  leavesOf,
  nextLeaf,
  type Output,
  type Query,
  type SelectQuery,
  type SetQuery,
} from "./query.ts"
import { type SetVariant, variantsOf } from "./view-variant.ts"
import { keyOf, substitute } from "./world.ts"

/** Answers a set operation, or a DISTINCT over one, from a view that is the same set operation. */
export function matchSet(query: Query, view: SetVariant, context: MatchContext): Match | Misfit {
  const other: Misfit = { reason: "the query is not the set operation that the view is", stage: 1 }
  if (query.kind === "select") return other
  const { world } = context
  world.see(view.world)
  const weaker = query.operator === "union" && !query.all && view.query.operator === "union"
  const same = query.operator === view.query.operator && query.all === view.query.all
  if ((!same && !weaker) || query.arms.length !== view.query.arms.length) return other
  const leaf = world.addLeaf({ id: nextLeaf(), alias: view.alias, source: view.source, lateral: false })
  const found = matchArms(query, view, leaf, context)
  if (found === null) return { reason: "the arms of the set operation are not those of the view", stage: 2 }
  const columns = found.columns.map((expression, at): Output => {
    const wanted = query.output[at]!
    const own = world.typing.typeOf(expression).info
    const cast: Expression =
      own.id === wanted.type.info.id ? expression : { kind: "cast", type: wanted.type.info.text, operand: expression }
    return { ...wanted, expression: cast }
  })
  // Rows of an operation that removes duplicates are told apart by all of their columns.
  const whole = new Set(found.columns.map((column) => keyOf(column, world))).size === view.query.output.length
  const distinct = query.operator === "union" && !query.all && (view.query.all || !whole)
  if (!distinct && !(query.operator === "union" && query.all) && !whole)
    return { reason: "the query selects fewer columns than the view tells rows apart by", stage: 3 }
  const made: SelectQuery = {
    kind: "select",
    core: { ...emptyCore, leaves: [leaf], where: found.where },
    group: distinct ? { keys: columns.map((column) => column.expression), sets: null } : null,
    having: [],
    distinct: false,
    distinctOn: null,
    output: columns,
    order: query.order.map(({ column, ...key }) => ({ ...key, expression: columns[column]!.expression })),
    limit: query.limit,
    offset: query.offset,
    withTies: false,
  }
  return { query: made, joined: [] }
}

interface Arms {
  readonly columns: readonly Expression[]
  readonly where: readonly Expression[]
}

/** Pairs the arms so that all of them are the same columns and the same rows, or rows filtered alike, of the view's arms. */
function matchArms(query: SetQuery, view: SetVariant, leaf: Leaf, context: MatchContext): Arms | null {
  const fixedFirst = query.operator === "except" ? 1 : 0
  const pairs = query.arms.map((arm, at) =>
    view.query.arms.map((viewArm, viewAt) => {
      if (at < fixedFirst !== viewAt < fixedFirst) return null
      return matchArm(arm, viewArm, view, leaf, context)
    }),
  )
  const search = (at: number, used: ReadonlySet<number>, agreed: Arms | null): Arms | null => {
    if (at === pairs.length) return agreed
    for (const [viewAt, arm] of pairs[at]!.entries()) {
      if (arm === null || used.has(viewAt) || (agreed !== null && !sameArms(arm, agreed, context))) continue
      const found = search(at + 1, new Set(used).add(viewAt), agreed ?? arm)
      if (found !== null) return found
    }
    return null
  }
  return search(0, new Set(), null)
}

function sameArms(a: Arms, b: Arms, { world }: MatchContext): boolean {
  const keys = ({ columns, where }: Arms): string =>
    `${columns.map((one) => keyOf(one, world)).join(", ")} where ${where
      .map((one) => keyOf(one, world))
      .sort()
      .join(" and ")}`
  return keys(a) === keys(b)
}

/** An arm as a selection from the view's arm, over the leaf that stands for the whole view. */
function matchArm(arm: Query, viewArm: Query, view: SetVariant, leaf: Leaf, context: MatchContext): Arms | null {
  const { world } = context
  const names = view.query.output.map((column) => column.name)
  const source = { kind: "derived", query: named(viewArm, names) } as const
  const shape = variantsOf(viewArm, names, { source, alias: leaf.alias, world: view.world, trust: () => true, sameZone: true })
  const found = matchQuery(arm, shape, context)
  if (isMisfit(found) || found.joined.length > 0 || !isPlain(found.query)) return null
  const [sole, ...others] = leavesOf(found.query.core)
  if (sole === undefined || others.length > 0 || sole.source !== source) return null
  const moved = (expression: Expression): Expression =>
    substitute(expression, world, (column) => (column.relation === sole.id ? columnOf(leaf.id, column.name) : null))
  return { columns: found.query.output.map((column) => moved(column.expression)), where: found.query.core.where.map(moved) }
}

function named(query: Query, names: readonly string[]): Query {
  if (query.kind === "set") return { ...query, output: query.output.map((column, at) => ({ ...column, name: names[at]! })) }
  return { ...query, output: query.output.map((column, at) => ({ ...column, name: names[at]! })) }
}
