import { type Expression, type FunctionCall, mapChildren, type SortKey } from "../../sql/index.ts"
import { aggregatesIn, hasAggregate, isAggregate } from "./calls.ts"
import { canonical, isNumber } from "./canonical.ts"
import { equivalencesOf } from "./equivalence.ts"
import { determinedBy } from "./grain.ts"
import { conjuncts } from "./normalize.ts"
import { isMisfit, type Misfit, type Overlay } from "./overlay.ts"
import { columnOf, type Group, hasWindow, leavesOf, type Output, paddedLeaves, type SelectQuery } from "./query.ts"
import { isSettled, type Rollup, rollups } from "./rollup.ts"
import type { ViewVariant } from "./view-variant.ts"
import { columnNames, columnsOfExpression, keyOf, readsAny, type World } from "./world.ts"

/** Writes an expression of the query, above FROM and WHERE, for the answer; null where that cannot be done. */
type Write = (expression: Expression) => Expression | null

/** The query as one over the view that was laid over its tables. */
export function answer(query: SelectQuery, variant: ViewVariant, laid: Overlay, world: World): SelectQuery | Misfit {
  if (variant.group === null) return overRows(query, laid, world)
  if (variant.group.sets !== null) return sameSets(query, variant, laid, world)
  if (query.group === null) return { reason: "the view keeps groups, the query asks for their rows", stage: 5 }
  return overGroups(query, query.group, variant, laid, world)
}

/** Rows of the view are rows of the query's tables: everything above them is computed as it was. */
function overRows(query: SelectQuery, laid: Overlay, world: World): SelectQuery | Misfit {
  if (query.group === null) return rewritten(query, query, laid, laid.derive, world)
  const group = groupOf(query.group, query, laid, world)
  if (isMisfit(group)) return group
  return rewritten(query, { ...query, group }, laid, groupWriter(laid.derive, query.group, laid, world), world)
}

/** The group keys with those that others determine: PostgreSQL sees that of a table's primary key, but not of a view's columns. */
function groupOf(group: Group, query: SelectQuery, laid: Overlay, world: World): Group | Misfit {
  const keys = group.keys.map(laid.derive)
  if (keys.some((key) => key === null))
    return { reason: "the query groups by something that the view's columns do not give", stage: 5 }
  // Subtotals tell two keys apart even where their values are equal.
  if (group.sets !== null && new Set(keys.map((key) => keyOf(key!, world))).size < keys.length)
    return { reason: "two keys of the query's grouping sets are one column of the view", stage: 5 }
  const grouped = new Set(group.keys.map((key) => keyOf(key, world)))
  const extra = group.sets === null ? loose(query, grouped, world) : []
  const more = extra.map(laid.derive)
  if (more.some((key) => key === null)) return { reason: "the query reads a column that the view lacks", stage: 5 }
  return { keys: unique([...keys, ...more] as Expression[], group.sets !== null, world), sets: group.sets }
}

/** Duplicates are harmless where the positions of keys do not count. */
function unique(keys: readonly Expression[], positions: boolean, world: World): readonly Expression[] {
  return positions ? keys : [...new Map(keys.map((key) => [keyOf(key, world), key])).values()]
}

/** Columns that stand above the groups outside of keys and aggregates. */
function loose(query: SelectQuery, grouped: ReadonlySet<string>, world: World): readonly Expression[] {
  const found = new Map<string, Expression>()
  const visit = (expression: Expression): Expression => {
    if (grouped.has(keyOf(expression, world)) || isAggregate(expression, world)) return expression
    if (expression.kind === "column" && world.leaf(expression.relation!) !== null) found.set(keyOf(expression, world), expression)
    return mapChildren(expression, visit)
  }
  for (const expression of aboveGroups(query)) visit(expression)
  const own = new Set(leavesOf(query.core).map((leaf) => leaf.id))
  return [...found.values()].filter((column) => columnsOfExpression(column, world).every((one) => own.has(one.relation!)))
}

function aboveGroups(query: SelectQuery): readonly Expression[] {
  return [...query.output.map((column) => column.expression), ...query.having, ...query.order.map((key) => key.expression)]
}

/** Groups of the view are parts of the query's groups, or are these. */
function overGroups(query: SelectQuery, group: Group, variant: ViewVariant, laid: Overlay, world: World): SelectQuery | Misfit {
  const viewKeys = variant.group!.keys.map(laid.toQuery)
  const sameGrain = variant.inParts ? false : isSameGrain(group, viewKeys, laid, world)
  if (sameGrain === null)
    return { reason: "the view is one row over all rows, the query filters, joins or groups them", stage: 5 }
  if (variant.having.length > 0) {
    const fault = havingFault(query, variant, laid, sameGrain, world)
    if (fault !== null) return { reason: fault, stage: 5 }
  }
  const equivalences = equivalencesOf([...laid.whole.where], world)
  const rollup = rollups({
    world,
    columns: laid.columns,
    derive: laid.derive,
    key: equivalences.key,
    sameGrain,
    mayBeEmpty: group.keys.length === 0 || group.sets !== null,
    padded: paddedLeaves(laid.whole),
    isLoose: laid.isLoose,
    scalarView: viewKeys.length === 0,
  })
  if (sameGrain) {
    const write = rowWriter(rollup, laid, equivalences.key, world)
    const plain = { ...query, group: null, having: [] }
    const having = query.having.map(write)
    if (having.some((condition) => condition === null)) return lacking(query.having, having, world)
    const filtered = { ...laid, core: { ...laid.core, where: [...laid.core.where, ...(having as Expression[])] } }
    return rewritten(query, plain, filtered, write, world)
  }
  const made = groupOf(group, query, laid, world)
  if (isMisfit(made)) return made
  return rewritten(query, { ...query, group: made }, laid, groupWriter(rollup, group, laid, world), world)
}

/** True when each group of the query is one row of the answer's core, false when it may be several; null when the view's rows are no parts of them. */
function isSameGrain(group: Group, viewKeys: readonly Expression[], laid: Overlay, world: World): boolean | null {
  if (viewKeys.length === 0) {
    const whole = laid.core.where.length === 0 && laid.joined.length === 0 && group.keys.length === 0 && group.sets === null
    return whole ? true : null
  }
  if (group.sets !== null || group.keys.length === 0) return false
  const equivalences = equivalencesOf(laid.whole.where, world)
  const byQuery = determinedBy(group.keys, laid.whole, equivalences, laid.facts, world)
  if (!viewKeys.every((key) => byQuery.expression(key)) || !laid.joined.every((leaf) => byQuery.leaf(leaf))) return false
  const joined = laid.joined.flatMap((leaf) => columnNames(leaf.source).map((name) => columnOf(leaf.id, name)))
  const byView = determinedBy([...viewKeys, ...joined], laid.whole, equivalences, laid.facts, world)
  return group.keys.every((key) => byView.expression(key))
}

/** The view's HAVING hides groups: the query must not ask for those, and must not need their parts. */
function havingFault(query: SelectQuery, variant: ViewVariant, laid: Overlay, sameGrain: boolean, world: World): string | null {
  if (!sameGrain) return "the view's HAVING hides groups that the query's groups are made of"
  const one: Expression = { kind: "constant", type: "integer", value: "1" }
  const count: FunctionCall = {
    kind: "call",
    schema: null,
    name: "count",
    args: [],
    argNames: [],
    star: true,
    distinct: false,
    variadic: false,
    filter: null,
    order: [],
    withinGroup: false,
    over: null,
  }
  const some: Expression = { kind: "operator", schema: null, name: ">=", left: count, right: one, quantifier: null }
  // A group that is there has a row.
  const present = query.group!.keys.length > 0 ? [world.typing.infer(some).expression] : []
  const known = laid.facts.with([...query.having, ...present])
  const hidden = variant.having.map(laid.toQuery).some((condition) => !known.implies(condition))
  return hidden || laid.joined.length > 0 ? "the view's HAVING hides groups that the query asks for" : null
}

/** A query with the same grouping sets over the same keys has the view's rows, as they are. */
function sameSets(query: SelectQuery, variant: ViewVariant, laid: Overlay, world: World): SelectQuery | Misfit {
  const other: Misfit = { reason: "the view has grouping sets, and the query not the same ones", stage: 5 }
  if (query.group?.sets == null || laid.tested.length > 0 || laid.joined.length > 0 || laid.core.where.length > 0) return other
  const names = (group: Group, key: (expression: Expression) => Expression): string =>
    group
      .sets!.map((set) => [...new Set(set.map((at) => keyOf(key(group.keys[at]!), world)))].sort().join(" "))
      .sort()
      .join("\n")
  if (names(query.group, (key) => key) !== names(variant.group!, laid.toQuery)) return other
  if (variant.having.length > 0) return { reason: "the view's HAVING hides groups", stage: 5 }
  const kept = new Map(laid.columns.map((column) => [keyOf(column.expression, world), column.read]))
  const keys = new Set(query.group.keys.map((key) => keyOf(key, world)))
  const write: Write = (expression) => {
    const found = kept.get(keyOf(expression, world))
    if (found !== undefined) return found
    if (
      keys.has(keyOf(expression, world)) ||
      expression.kind === "column" ||
      expression.kind === "grouping" ||
      isAggregate(expression, world)
    )
      return null
    return rebuilt(expression, write)
  }
  const having = query.having.map(write)
  if (having.some((condition) => condition === null)) return lacking(query.having, having, world)
  const filtered = { ...laid, core: { ...laid.core, where: having as Expression[] } }
  return rewritten(query, { ...query, group: null, having: [] }, filtered, write, world)
}

/** Writes what stands above groups that are rows of the answer's core. */
function rowWriter(rollup: Rollup, laid: Overlay, key: (expression: Expression) => string, world: World): Write {
  const kept = new Map(laid.columns.map((column) => [key(column.expression), column.read]))
  const write: Write = (expression) => {
    if (isAggregate(expression, world)) return rollup(expression)
    const calls = aggregatesIn(expression, world)
    // `sum(x) + 2`, kept as such.
    const whole =
      calls.length > 0 && !hasWindow(expression) && calls.every((call) => isSettled(call, key))
        ? kept.get(key(expression))
        : undefined
    if (whole !== undefined) return whole
    const derived = hasAggregate(expression, world) ? null : laid.derive(expression)
    return derived ?? rebuilt(expression, write)
  }
  return write
}

/**
 * Writes what stands above the answer's groups: from its keys and aggregates only, since PostgreSQL takes nothing else there, however it
 * could be had from the view.
 */
function groupWriter(aggregate: (call: FunctionCall) => Expression | null, group: Group, laid: Overlay, world: World): Write {
  const keys = new Map(group.keys.map((key) => [keyOf(key, world), laid.derive(key)]))
  const write: Write = (expression) => {
    const key = keys.get(keyOf(expression, world))
    if (key !== undefined) return key
    if (isAggregate(expression, world)) return aggregate(expression)
    if (expression.kind === "column") return laid.derive(expression)
    if (expression.kind === "sublink" && expression.operand === null && !readsAny(expression, world, laid.covered))
      return expression
    return coalescedSum(expression, laid, world) ?? rebuilt(expression, write)
  }
  return write
}

/** `coalesce(sum(x), 0)` kept as such: zero for "nothing to sum" adds nothing to a sum. */
function coalescedSum(expression: Expression, laid: Overlay, world: World): Expression | null {
  if (expression.kind !== "choice" || expression.name !== "coalesce" || expression.args.length !== 2) return null
  const [sum, none] = expression.args
  if (sum?.kind !== "call" || sum.name !== "sum" || sum.schema !== null || sum.distinct || !isNumber(none!, world, 0n))
    return null
  const kept = laid.columns.find((column) => keyOf(column.expression, world) === keyOf(expression, world))
  if (kept === undefined) return null
  const type = world.typing.typeOf(expression).info
  const again: FunctionCall = { ...sum, args: [kept.read], filter: null }
  const made = world.typing.infer({ ...expression, args: [again, none!] })
  return made.type.info.id === type.id ? made.expression : { kind: "cast", type: type.text, operand: made.expression }
}

/** The expression over what its parts become; null when some part cannot be had. */
function rebuilt(expression: Expression, write: Write): Expression | null {
  let lost = expression.kind === "sublink" || expression.kind === "column"
  const made = mapChildren(expression, (child) => {
    const part = write(child)
    lost ||= part === null
    return part ?? child
  })
  return lost ? null : made
}

/** The query's upper clauses over the answer's core. */
function rewritten(query: SelectQuery, shape: SelectQuery, laid: Overlay, write: Write, world: World): SelectQuery | Misfit {
  const outputs = query.output.map((column) => write(column.expression))
  const having = shape.having.map(write)
  const order = query.order.map((key) => write(key.expression))
  const on = query.distinctOn?.map(write) ?? null
  for (const [from, to] of [
    [query.output.map((column) => column.expression), outputs],
    [shape.having, having],
    [query.order.map((key) => key.expression), order],
    [query.distinctOn ?? [], on ?? []],
  ] as const) {
    if (to.some((part) => part === null)) return lacking(from, to, world)
  }
  const cast = (expression: Expression, column: Output): Expression => {
    const type = world.typing.typeOf(expression).info
    return type.id === column.type.info.id ? expression : { kind: "cast", type: column.type.info.text, operand: expression }
  }
  const output = query.output.map((column, at): Output => ({ ...column, expression: typed(cast(outputs[at]!, column), world) }))
  const sorted = query.order.map((key, at): SortKey => {
    const same = query.output.findIndex((column) => keyOf(column.expression, world) === keyOf(key.expression, world))
    return { ...key, expression: same >= 0 ? output[same]!.expression : typed(order[at]!, world) }
  })
  return {
    ...shape,
    core: {
      ...laid.core,
      where: conjuncts(
        laid.core.where.map((condition) => typed(condition, world)),
        world,
      ),
    },
    group: shape.group && { ...shape.group, keys: shape.group.keys.map((key) => typed(key, world)) },
    having: conjuncts(
      having.map((condition) => typed(condition!, world)),
      world,
    ),
    distinctOn: on === null ? null : on.map((key) => typed(key!, world)),
    output,
    order: sorted,
  }
}

function typed(expression: Expression, world: World): Expression {
  return canonical(world.typing.infer(expression).expression, world)
}

/** Which part of the query the view cannot give. */
function lacking(from: readonly Expression[], to: readonly (Expression | null)[], world: World): Misfit {
  const lost = from[to.indexOf(null)]!
  const call = aggregateIn(lost, world)
  const what =
    call === null ? "something the query selects" : `${call.name}(${call.distinct ? "distinct …" : call.star ? "*" : "…"})`
  return {
    reason:
      call === null ? `${what} is not in the view's columns` : `${what} cannot be had exactly from what the view has aggregated`,
    stage: 6,
  }
}

function aggregateIn(expression: Expression, world: World): FunctionCall | null {
  if (isAggregate(expression, world)) return expression
  let found: FunctionCall | null = null
  mapChildren(expression, (child) => {
    found ??= aggregateIn(child, world)
    return child
  })
  return found
}
