import type { Expression, FunctionCall } from "../../sql/index.ts"
import { aggregatesIn } from "./calls.ts"
import { canonical, junction } from "./canonical.ts"
import { factsOf } from "./logic/facts.ts"
import type { Match, MatchContext } from "./match-select.ts"
import { matchSelect } from "./match-select.ts"
import { isMisfit, type Misfit } from "./overlay.ts"
import {
  columnOf,
  hasWindows,
  type Leaf,
  leavesOf,
  type Output,
  paddedLeaves,
  type Query,
  type SelectQuery,
  type SetQuery,
  type Source,
} from "./query.ts"
import type { ViewColumn, ViewVariant } from "./view-variant.ts"
import { keyOf, readsOnly } from "./world.ts"

/**
 * Answers from the view what it has and from the tables the rest: the rows for which the view's conditions hold, and those for which
 * they are not TRUE (NULL among them). What is aggregated is put together above both.
 */
export function matchUnion(
  query: SelectQuery,
  variant: ViewVariant,
  missing: readonly Expression[],
  context: MatchContext,
): Match | Misfit {
  const { world } = context
  const no = (reason: string): Misfit => ({ reason, stage: 3 })
  const leaves = leavesOf(query.core)
  const own = new Set(leaves.map((leaf) => leaf.id))
  if (!missing.every((condition) => readsOnly(condition, world, own)))
    return no("the view filters by a table that the query does not read")
  if (query.distinctOn !== null || hasWindows(query) || variant.limit !== null)
    return no("the rest of the rows cannot be added to what the view has")
  const facts = factsOf(query.core.where, { ...context.knowledge, world, padded: paddedLeaves(query.core) })
  if (facts.impossible(...missing)) return no("the view has none of the rows that the query asks for")
  return query.group === null ? ofRows(query, variant, missing, context) : ofGroups(query, variant, missing, context)
}

/** The part of a query that the view has, and the other one. */
function split(query: SelectQuery, missing: readonly Expression[], context: MatchContext): readonly [SelectQuery, SelectQuery] {
  const { world } = context
  const not: Expression = { kind: "test", test: "true", negated: true, operand: junction("and", missing, world) }
  const where = (more: readonly Expression[]): SelectQuery => ({
    ...query,
    core: { ...query.core, where: [...query.core.where, ...more.map((one) => canonical(one, world))] },
  })
  return [where(missing), where([not])]
}

function ofRows(query: SelectQuery, variant: ViewVariant, missing: readonly Expression[], context: MatchContext): Match | Misfit {
  const { world } = context
  const keys = query.output.map((column) => keyOf(column.expression, world))
  const order = query.order.map(({ expression, ...key }) => ({ ...key, column: keys.indexOf(keyOf(expression, world)) }))
  if (order.some((key) => key.column < 0)) return { reason: "the query sorts by what it does not select", stage: 3 }
  const [inside, outside] = split({ ...query, order: [], limit: null, offset: null }, missing, context)
  const found = matchSelect(inside, variant, context)
  if (isMisfit(found)) return found
  const made: SetQuery = {
    kind: "set",
    operator: "union",
    all: true,
    arms: [found.query, outside],
    output: query.output.map(({ name, type }) => ({ name, type })),
    order,
    limit: query.limit,
    offset: query.offset,
  }
  return { query: made, joined: [...found.joined, ...leavesOf(outside.core)] }
}

/** Aggregates that can be put together from those of parts. */
const divisible: ReadonlySet<string> = new Set([
  "count",
  "sum",
  "min",
  "max",
  "bool_and",
  "bool_or",
  "bit_and",
  "bit_or",
  "bit_xor",
])

function ofGroups(
  query: SelectQuery,
  variant: ViewVariant,
  missing: readonly Expression[],
  context: MatchContext,
): Match | Misfit {
  const { world } = context
  const no: Misfit = { reason: "the query's aggregates cannot be put together from parts", stage: 3 }
  const group = query.group!
  const aggregates = [
    ...query.output.map((column) => column.expression),
    ...query.having,
    ...query.order.map((key) => key.expression),
  ].flatMap((one) => aggregatesIn(one, world))
  const parts = new Map<string, Expression>()
  for (const call of aggregates) {
    const needed = partsOf(call)
    if (needed === null) return no
    for (const part of needed) {
      const typed = canonical(world.typing.infer(part).expression, world)
      parts.set(keyOf(typed, world), typed)
    }
  }
  const keys = [...new Map([...group.keys, ...looseColumns(query, context)].map((key) => [keyOf(key, world), key])).values()]
  const outputs = [...keys, ...parts.values()].map(
    (expression, at): Output => ({ name: `c${at + 1}`, expression, type: world.typing.typeOf(expression) }),
  )
  const partial: SelectQuery = {
    ...query,
    group: { keys, sets: null },
    having: [],
    distinct: false,
    output: outputs,
    order: [],
    limit: null,
    offset: null,
    withTies: false,
  }
  const [inside, outside] = split(partial, missing, context)
  const found = matchSelect(inside, variant, context)
  if (isMisfit(found)) return found
  const both: Query = {
    kind: "set",
    operator: "union",
    all: true,
    arms: [found.query, outside],
    output: outputs.map(({ name, type }) => ({ name, type })),
    order: [],
    limit: null,
    offset: null,
  }
  const source: Source = { kind: "derived", query: both }
  const columns = outputs.map(({ name, expression }): ViewColumn => ({ name, expression, read: (leaf) => columnOf(leaf, name) }))
  const whole: ViewVariant = {
    source,
    alias: "parts",
    world,
    core: query.core,
    group: { keys, sets: null },
    having: [],
    columns,
    distinctOn: null,
    order: [],
    limit: null,
    slice: () => [],
    sameZone: true,
    inParts: true,
  }
  const made = matchSelect(query, whole, context)
  if (isMisfit(made)) return made
  return { query: made.query, joined: [...found.joined, ...leavesOf(outside.core)] }
}

/** The aggregates of parts from which one over the whole is had; null when there are none. */
function partsOf(call: FunctionCall): readonly Expression[] | null {
  if (call.schema !== null || call.distinct || call.withinGroup || call.order.length > 0) return null
  if (call.name === "avg")
    return [
      { ...call, name: "sum" },
      { ...call, name: "count" },
    ]
  return divisible.has(call.name) ? [call] : null
}

/** Columns beside keys and aggregates: others determine them, so they may as well be keys. */
function looseColumns(query: SelectQuery, { world }: MatchContext): readonly Expression[] {
  const keys = new Set(query.group!.keys.map((key) => keyOf(key, world)))
  const found: Expression[] = []
  const own: readonly Leaf[] = leavesOf(query.core)
  for (const { expression } of query.output) {
    if (
      expression.kind === "column" &&
      !keys.has(keyOf(expression, world)) &&
      own.some((leaf) => leaf.id === expression.relation)
    )
      found.push(expression)
  }
  return query.group!.sets === null ? found : []
}
