import type { Expression, FunctionCall } from "../../sql/index.ts"
import { aggregatesIn } from "./calls.ts"
import type { Equivalences } from "./equivalence.ts"
import { determinedBy } from "./grain.ts"
import type { Facts } from "./logic/facts.ts"
import { anyPart, leavesOf, type SelectQuery } from "./query.ts"
import { isSettled } from "./rollup.ts"
import { keyOf, type World } from "./world.ts"

/** Window functions that give rows with equal sort keys the same value. */
const peerSafe: ReadonlySet<string> = new Set(["rank", "dense_rank", "percent_rank", "cume_dist"])

/** RANGE frame, as it is by default: whole groups of peers. */
const rangeBit = 0x02

/**
 * Why a query may give different rows each time, though nothing changes: rows cut off or numbered in an order that leaves ties. Null when
 * it gives the same. Of such a query no other way of computing it is "the same".
 */
export function unsettled(query: SelectQuery, equivalences: Equivalences, facts: Facts, world: World): string | null {
  const tells = (keys: readonly Expression[]): boolean => tellsRowsApart(query, keys, equivalences, facts, world)
  const sorted = query.order.map((key) => key.expression)
  if ((query.limit !== null || query.offset !== null) && !query.withTies && !tells(sorted)) {
    return "its LIMIT cuts rows in an order with ties: which rows come is not determined"
  }
  if (query.distinctOn !== null && !tells([...query.distinctOn, ...sorted]))
    return "its DISTINCT ON picks rows in an order with ties: which rows come is not determined"
  const top = [...query.output.map((column) => column.expression), ...sorted, ...query.having]
  const loose = top
    .flatMap((expression) => aggregatesIn(expression, world))
    .find((call) => !isSettled(call, (inner) => keyOf(inner, world)))
  if (loose !== undefined && loose.schema === null) return `${loose.name}() shows the order of its rows, which is not determined`
  const ties = top.some((expression) =>
    anyPart(expression, (part) => part.kind === "call" && part.over !== null && !windowSettled(part, tells, world)),
  )
  return ties ? "a window function numbers rows in an order with ties" : null
}

/** True when no two rows of the query (groups, where it groups) agree in these expressions. */
function tellsRowsApart(
  query: SelectQuery,
  keys: readonly Expression[],
  equivalences: Equivalences,
  facts: Facts,
  world: World,
): boolean {
  if (query.group?.sets != null) return false
  if (query.group !== null && query.group.keys.length === 0) return true
  const determined = determinedBy(keys, query.core, equivalences, facts, world)
  if (query.group !== null) return query.group.keys.every((key) => determined.expression(key))
  if (query.distinct) return query.output.every((column) => determined.expression(column.expression))
  return leavesOf(query.core).every((leaf) => determined.leaf(leaf))
}

/** True when a window call gives the same however ties are broken. */
export function windowSettled(call: FunctionCall, tells: (keys: readonly Expression[]) => boolean, world: World): boolean {
  const over = call.over!
  if (peerSafe.has(call.name) && call.schema === null) return true
  const aggregate = isAggregateName(call, world)
  if (aggregate && over.order.length === 0 && (over.frame & 1) === 0)
    return isSettled({ ...call, over: null }, (inner) => keyOf(inner, world))
  if (aggregate && (over.frame & rangeBit) !== 0 && over.start === null && over.end === null)
    return isSettled({ ...call, over: null }, (inner) => keyOf(inner, world))
  return tells([...over.partition, ...over.order.map((key) => key.expression)])
}

function isAggregateName(call: FunctionCall, world: World): boolean {
  return world.typing.functionOf(call).chosen.kind === "aggregate"
}
