import type { Expression, FunctionCall } from "../../sql/index.ts"
import { typeIds } from "../../sql/typing/index.ts"
import { hasAggregate } from "./calls.ts"
import { canonical, isNumber } from "./canonical.ts"
import type { Derive, KeptColumn } from "./derive.ts"
import { mayBeNull } from "./logic/nulls.ts"
import { plainCall } from "./time-bucket.ts"
import type { World } from "./world.ts"

export interface RollupOptions {
  readonly world: World
  readonly columns: readonly KeptColumn[]
  /** For what is the same in all rows of one of the view's groups. */
  readonly derive: Derive
  readonly key: (expression: Expression) => string
  /** Each group of the query is one row of the answer's core: aggregates are copied, not computed again. */
  readonly sameGrain: boolean
  /** A group may be empty: a count of it is 0 and not NULL. */
  readonly mayBeEmpty: boolean
  readonly padded: ReadonlySet<number>
  readonly isLoose: (expression: Expression) => boolean
  /** The view is one row over everything, even over nothing. */
  readonly scalarView: boolean
}

/** An aggregate of the query from what the view has aggregated; null where that is not exact. */
export type Rollup = (call: FunctionCall) => Expression | null

/** Types whose sums do not depend on the order of summing. */
const exactSums: ReadonlySet<number> = new Set([
  typeIds.smallint,
  typeIds.integer,
  typeIds.bigint,
  typeIds.numeric,
  typeIds.interval,
])
const exactAverages: ReadonlySet<number> = new Set([typeIds.smallint, typeIds.integer, typeIds.bigint, typeIds.numeric])

/** Aggregates of aggregates of themselves. */
const selfCombining: ReadonlySet<string> = new Set(["min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"])

const zero: Expression = { kind: "constant", type: "integer", value: "0" }

export function rollups(options: RollupOptions): Rollup {
  const { world, derive, sameGrain } = options
  const kept = new Map<string, Expression>()
  for (const { expression, read } of options.columns) {
    const key = options.key(expression)
    if (hasAggregate(expression, world) && !kept.has(key)) kept.set(key, read)
  }
  const typed = (expression: Expression): Expression => canonical(world.typing.infer(expression).expression, world)
  const keptCall = (call: FunctionCall): Expression | null => kept.get(options.key(typed(call))) ?? null
  const typeOf = (expression: Expression): number => world.typing.typeOf(expression).info.id
  const cast = (expression: Expression, name: string): Expression => {
    const type = world.typing.catalog.typeByName("pg_catalog", name)!
    return typeOf(expression) === type.id ? expression : { kind: "cast", type: type.text, operand: expression }
  }
  const filtered = (name: string, args: readonly Expression[], filter: Expression | null): FunctionCall => ({
    ...plainCall(name, args),
    filter,
  })

  /** The ways of dealing with FILTER: the view has it too, or it reads keys only and acts on whole rows of the view. */
  const filters = (call: FunctionCall): readonly { readonly inner: Expression | null; readonly outer: Expression | null }[] => {
    const outer = call.filter === null ? null : derive(call.filter)
    return [{ inner: call.filter, outer: null }, ...(outer === null ? [] : [{ inner: null, outer }])]
  }
  const combine = (name: string, value: Expression, outer: Expression | null): Expression => {
    if (!sameGrain) return filtered(name, [value], outer)
    return outer === null ? value : { kind: "case", operand: null, whens: [{ when: outer, result: value }], otherwise: null }
  }

  /** How many rows of the query's tables a row of the view stands for. */
  const rowCount = (filter: Expression | null): Expression | null => {
    const star: FunctionCall = { ...filtered("count", [], filter), star: true }
    const found = keptCall(star)
    if (found !== null) return found
    // Over no rows a count is 0, but a sum of ones is NULL.
    if (options.scalarView || filter !== null) return null
    return keptCall(filtered("sum", [{ kind: "constant", type: "integer", value: "1" }], null))
  }
  /** CASE whose conditions choose one branch for all rows that a row of the view stands for. */
  const byBranch = (
    expression: Expression,
    part: (branch: Expression) => Expression | null,
    missing: Expression | null,
  ): Expression | null => {
    if (expression.kind !== "case") return null
    const whens = expression.whens.map(({ when, result }) => ({ when: derive(when), result: part(result) }))
    const otherwise = expression.otherwise === null ? missing : part(expression.otherwise)
    if (whens.some(({ when, result }) => when === null || result === null)) return null
    if (expression.otherwise !== null && otherwise === null) return null
    return { kind: "case", operand: null, whens: whens.map(({ when, result }) => ({ when: when!, result: result! })), otherwise }
  }
  /** The sum of an expression over the rows that a row of the view stands for: NULL where all are. */
  const partialSum = (summed: Expression, filter: Expression | null): Expression | null => {
    const found = keptCall(filtered("sum", [summed], filter))
    if (found !== null) return found
    if (isNumber(summed, world, 0n)) return filter === null ? summed : null
    if (summed.kind === "cast" && summed.operand.kind === "constant" && summed.operand.type === "null") return summed
    // Of a key whose equal values differ the sum would have the digits of one of them.
    const value = options.isLoose(summed) ? null : derive(summed)
    const rows = value === null ? null : rowCount(filter)
    if (value !== null && rows !== null) return times(value, rows)
    return byBranch(summed, (branch) => partialSum(branch, filter), null)
  }
  const times = (value: Expression, rows: Expression): Expression | null => {
    const type = typeOf(value)
    if (!exactAverages.has(type)) return null
    const left = type === typeIds.bigint ? cast(value, "numeric") : value
    return { kind: "operator", schema: null, name: "*", left, right: rows, quantifier: null }
  }
  /** How many of the rows that a row of the view stands for have the expression not NULL. */
  const partialCount = (counted: Expression, filter: Expression | null): Expression | null => {
    const found = keptCall(filtered("count", [counted], filter))
    if (found !== null) return found
    const rows = rowCount(filter)
    if (rows !== null && !mayBeNull(counted, world, options.padded)) return rows
    const value = derive(counted)
    if (value !== null && rows !== null) {
      if (isNull(value)) return zero
      const present: Expression = { kind: "test", test: "null", negated: true, operand: value }
      return { kind: "case", operand: null, whens: [{ when: present, result: rows }], otherwise: zero }
    }
    return byBranch(counted, (branch) => partialCount(branch, filter), zero)
  }
  const isNull = (value: Expression): boolean =>
    (value.kind === "constant" && value.type === "null") ||
    (value.kind === "cast" && value.operand.kind === "constant" && value.operand.type === "null")

  const total = (value: Expression, outer: Expression | null): Expression => {
    if (sameGrain && outer !== null)
      return cast({ kind: "case", operand: null, whens: [{ when: outer, result: value }], otherwise: zero }, "int8")
    const combined = combine("sum", value, outer)
    const sure = sameGrain || (!options.mayBeEmpty && outer === null)
    return cast(sure ? combined : { kind: "choice", name: "coalesce", args: [combined, zero] }, "int8")
  }

  const distinct = (call: FunctionCall): Expression | null => {
    const value = derive(call.args[0]!)
    const filter = call.filter === null ? null : derive(call.filter)
    if (value === null || (call.filter !== null && filter === null)) return null
    if (call.name !== "count" && !exactSums.has(typeOf(value))) return null
    if (!sameGrain) return { ...call, args: [value], filter }
    if (call.name === "avg") return null
    const present: Expression = { kind: "test", test: "null", negated: true, operand: value }
    const whens = (result: Expression): Expression => ({
      kind: "case",
      operand: null,
      whens: [{ when: filter === null ? present : { kind: "and", args: [filter, present] }, result }],
      otherwise: call.name === "count" ? zero : null,
    })
    return call.name === "count" ? cast(whens({ kind: "constant", type: "integer", value: "1" }), "int8") : whens(value)
  }

  const own = (call: FunctionCall): Expression | null => {
    if (call.schema !== null || call.withinGroup || call.order.length > 0 || call.variadic) return null
    if (call.distinct) return ["count", "sum", "avg"].includes(call.name) ? distinct(call) : null
    const [argument] = call.args
    for (const { inner, outer } of filters(call)) {
      let found: Expression | null = null
      if (call.name === "count") {
        const counted = argument === undefined ? rowCount(inner) : partialCount(argument, inner)
        found = counted === null ? null : total(counted, outer)
      } else if (argument === undefined) return null
      else if (call.name === "sum" && exactSums.has(typeOf(argument))) {
        const summed = partialSum(argument, inner)
        found = summed === null ? null : combine("sum", summed, outer)
      } else if (call.name === "avg" && exactAverages.has(typeOf(argument))) {
        const summed = partialSum(argument, inner)
        const counted = partialCount(argument, inner)
        if (summed === null || counted === null) continue
        found = {
          kind: "operator",
          schema: null,
          name: "/",
          left: cast(combine("sum", summed, outer), "numeric"),
          right: combine("sum", counted, outer),
          quantifier: null,
        }
      } else if (selfCombining.has(call.name)) {
        const same = keptCall({ ...call, filter: inner })
        const value = same ?? (inner === null && call.name !== "bit_xor" ? derive(argument) : null)
        found = value === null ? null : combine(call.name, value, outer)
      }
      if (found !== null) return found
    }
    return null
  }

  return (call) => {
    const type = world.typing.typeOf(call)
    const same = sameGrain && isSettled(call, options.key) ? keptCall(call) : null
    const found = same ?? own(call)
    if (found === null) return null
    const made = world.typing.infer(found)
    return made.type.info.id === type.info.id ? made.expression : { kind: "cast", type: type.info.text, operand: made.expression }
  }
}

/** Aggregates whose result shows the order in which rows came. */
const orderSensitive: ReadonlySet<string> = new Set(
  (
    "array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg xmlagg json_agg_strict jsonb_agg_strict any_value " +
    "json_object_agg_strict jsonb_object_agg_strict json_object_agg_unique jsonb_object_agg_unique " +
    "json_object_agg_unique_strict jsonb_object_agg_unique_strict range_agg range_intersect_agg"
  ).split(" "),
)

/** True when an aggregate gives the same whatever order its rows come in: by its nature, or because it sorts them by all that it takes. */
export function isSettled(call: FunctionCall, key: (expression: Expression) => string): boolean {
  if (call.schema !== null) return false
  if (!orderSensitive.has(call.name)) return true
  const sorted = new Set(call.order.map((one) => key(one.expression)))
  return call.args.every(
    (arg) => sorted.has(key(arg)) || (arg.kind === "cast" && arg.operand.kind === "constant") || arg.kind === "constant",
  )
}
