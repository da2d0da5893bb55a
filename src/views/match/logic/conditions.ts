import type { Expression, Operator } from "../../../sql/index.ts"
import { typeIds, type Value } from "../../../sql/typing/index.ts"
import { bucketOf, fieldOf } from "../time-bucket.ts"
import { bucketEnd, bucketStart, startOfYear, type TimeUnit } from "../time-unit.ts"
import { toLocal, toMoment } from "../time-zone.ts"
import { all, always, type Comparator, type Formula, never, opposite, some, turn } from "./formula.ts"
import { mayBeNull } from "./nulls.ts"
import { type Knowledge, moved, type Side, sideOf, termOf, withoutCasts } from "./side.ts"

const comparators: ReadonlySet<string> = new Set(["=", "<>", "<", "<=", ">", ">="])

/** When a condition is TRUE. */
export function whenTrue(condition: Expression, knowledge: Knowledge): Formula {
  return truthOf(condition, true, knowledge)
}

/** When a condition is FALSE or NULL. */
export function whenNotTrue(condition: Expression, knowledge: Knowledge): Formula {
  return some([truthOf(condition, false, knowledge), whenNull(condition, knowledge)])
}

/** When a condition has this truth value, and not NULL. */
function truthOf(condition: Expression, wanted: boolean, knowledge: Knowledge): Formula {
  const of = (inner: Expression, value = wanted): Formula => truthOf(inner, value, knowledge)
  switch (condition.kind) {
    case "constant":
      return condition.value === String(wanted) ? always : never
    case "and":
    case "or":
      return (condition.kind === "and") === wanted
        ? all(condition.args.map((arg) => of(arg)))
        : some(condition.args.map((arg) => of(arg)))
    case "not":
      return of(condition.operand, !wanted)
    case "test":
      return testOf(condition, condition.negated !== wanted, knowledge)
    case "operator":
      if (condition.quantifier !== null || condition.schema !== null || condition.left === null) break
      if (comparators.has(condition.name))
        return compared(
          condition.left,
          (wanted ? condition.name : opposite(condition.name as Comparator)) as Comparator,
          condition.right,
          condition,
          wanted,
          knowledge,
        )
      // `!~~` is NOT LIKE: one term for both.
      if (condition.name.startsWith("!~")) return opaque({ ...condition, name: condition.name.slice(1) }, !wanted, knowledge)
      break
    case "in":
      return membership(condition, condition.negated !== wanted, knowledge)
    case "distinct":
      return distinctness(condition, condition.negated !== wanted, knowledge)
    case "choice":
      if (condition.name === "coalesce") return coalesced(condition.args, wanted, knowledge)
  }
  return opaque(condition, wanted, knowledge)
}

/** When a condition is NULL. */
function whenNull(condition: Expression, knowledge: Knowledge): Formula {
  const of = (inner: Expression): Formula => whenNull(inner, knowledge)
  switch (condition.kind) {
    case "constant":
      return condition.type === "null" ? always : never
    case "and":
    case "or": {
      // NULL where some part is, and no part decides.
      const undecided = condition.args.map((arg) => some([truthOf(arg, condition.kind === "and", knowledge), of(arg)]))
      return all([some(condition.args.map(of)), ...undecided])
    }
    case "not":
      return of(condition.operand)
    case "test":
    case "distinct":
      return never
    case "choice":
      return condition.name === "coalesce" ? all(condition.args.map(of)) : isNull(condition, true, knowledge)
    case "in": {
      const listed = membership(condition, true, knowledge)
      const excluded = membership(condition, false, knowledge)
      if (condition.items.every((item) => !mayBeNull(item, knowledge.world, knowledge.padded)))
        return isNull(condition.operand, true, knowledge)
      return all([opposed(listed), opposed(excluded)])
    }
    default:
      return isNull(condition, true, knowledge)
  }
}

/** NOT of a formula without further thought; only used where both sides are known exactly. */
function opposed(formula: Formula): Formula {
  switch (formula.kind) {
    case "and":
      return some(formula.parts.map(opposed))
    case "or":
      return all(formula.parts.map(opposed))
    case "fixed":
      return formula.value ? never : always
    case "null":
      return { ...formula, is: !formula.is }
    default:
      // Either the literal does not hold, or a side is NULL: nothing is claimed.
      return always
  }
}

function testOf(condition: Extract<Expression, { kind: "test" }>, holds: boolean, knowledge: Knowledge): Formula {
  const { operand, test } = condition
  if (test === "null") return isNull(operand, holds, knowledge)
  if (test === "unknown")
    return holds ? whenNull(operand, knowledge) : some([truthOf(operand, true, knowledge), truthOf(operand, false, knowledge)])
  const value = test === "true"
  return holds ? truthOf(operand, value, knowledge) : some([truthOf(operand, !value, knowledge), whenNull(operand, knowledge)])
}

/** When an expression is NULL, or when it is not. */
export function isNull(expression: Expression, holds: boolean, knowledge: Knowledge): Formula {
  const { world, padded } = knowledge
  if (!mayBeNull(expression, world, padded)) return holds ? never : always
  const of = (inner: Expression): Formula => isNull(inner, holds, knowledge)
  const join = holds ? some : all
  switch (expression.kind) {
    case "constant":
      return (expression.type === "null") === holds ? always : never
    case "cast":
      if (expression.operand.kind !== "parameter") return of(expression.operand)
      break
    case "choice":
      return holds ? all(expression.args.map(of)) : some(expression.args.map(of))
    case "and":
    case "or":
    case "not":
    case "in":
      return holds
        ? whenNull(expression, knowledge)
        : some([truthOf(expression, true, knowledge), truthOf(expression, false, knowledge)])
    case "operator":
    case "call": {
      const parts =
        expression.kind === "call" ? expression.args : [...(expression.left === null ? [] : [expression.left]), expression.right]
      const nullable = parts.filter((part) => mayBeNull(part, world, padded))
      // NULL for a NULL operand, and (or so it seems) only then.
      const total = !mayBeNull(withOperandsPresent(expression, nullable), world, padded)
      if (total) return join(nullable.map(of))
      const strict = nullable.filter((part) => isStrictIn(expression, part, knowledge))
      const itself = literalNull(expression, holds, knowledge)
      return holds ? itself : all([itself, ...strict.map(of)])
    }
  }
  return literalNull(expression, holds, knowledge)
}

function literalNull(expression: Expression, holds: boolean, knowledge: Knowledge): Formula {
  const inner = withoutCasts(expression, knowledge.world)
  const term = termOf(inner, knowledge.world)
  return term === null ? always : { kind: "null", term, is: holds }
}

/** The expression with these parts replaced by something that is never NULL. */
function withOperandsPresent(
  expression: Extract<Expression, { kind: "operator" | "call" }>,
  parts: readonly Expression[],
): Expression {
  const present: Expression = {
    kind: "test",
    test: "null",
    negated: false,
    operand: { kind: "constant", type: "null", value: null },
  }
  const swap = (part: Expression): Expression => (parts.includes(part) ? present : part)
  if (expression.kind === "call") return { ...expression, args: expression.args.map(swap) }
  return { ...expression, left: expression.left === null ? null : swap(expression.left), right: swap(expression.right) }
}

/** True when a NULL in this place makes the whole NULL. */
function isStrictIn(
  expression: Extract<Expression, { kind: "operator" | "call" }>,
  part: Expression,
  { world }: Knowledge,
): boolean {
  try {
    if (expression.kind === "operator")
      return world.typing.operatorOf(expression).chosen.strict && (expression.quantifier === null || part === expression.left)
    return (
      expression.over === null &&
      world.typing.functionOf(expression).chosen.kind === "function" &&
      world.typing.functionOf(expression).chosen.strict
    )
  } catch {
    return false
  }
}

/** A boolean that is not looked into: a term of its own. */
function opaque(condition: Expression, wanted: boolean, knowledge: Knowledge): Formula {
  const term = termOf(condition, knowledge.world)
  if (term === null) return always
  const value: Value = { domain: "boolean", key: wanted ? "1" : "0", position: { digits: wanted ? 1n : 0n, scale: 0 } }
  return all([
    isNull(condition, false, knowledge),
    { kind: "order", left: { ...term, domain: "boolean", step: 1n }, operator: "=", right: value },
  ])
}

function coalesced(args: readonly Expression[], wanted: boolean, knowledge: Knowledge): Formula {
  const [first, ...rest] = args
  if (first === undefined) return never
  return some([truthOf(first, wanted, knowledge), all([whenNull(first, knowledge), coalesced(rest, wanted, knowledge)])])
}

function distinctness(condition: Extract<Expression, { kind: "distinct" }>, holds: boolean, knowledge: Knowledge): Formula {
  const { left, right } = condition
  const null_ = (side: Expression, is: boolean): Formula => isNull(side, is, knowledge)
  const comparison: Operator = { kind: "operator", schema: null, name: "=", left, right, quantifier: null }
  const compare = compared(left, holds ? "<>" : "=", right, comparison, !holds, knowledge)
  const bothNull = all([null_(left, true), null_(right, true)])
  const oneNull = some([all([null_(left, true), null_(right, false)]), all([null_(left, false), null_(right, true)])])
  return holds ? some([oneNull, compare]) : some([bothNull, compare])
}

function membership(condition: Extract<Expression, { kind: "in" }>, inside: boolean, knowledge: Knowledge): Formula {
  const { operand, items } = condition
  const subject = sideOf(operand, knowledge)
  const sides = items.map((item) => sideOf(item, knowledge))
  const values = sides.flatMap((side) => (side?.kind === "value" ? [side.value] : []))
  const plain =
    subject?.kind === "term" &&
    subject.shift.digits === 0n &&
    bucketOf(operand, knowledge.world) === null &&
    values.length + sides.filter((side) => side?.kind === "null").length === items.length &&
    values.every((value) => value.domain === subject.term.domain)
  if (plain) {
    if (!inside && values.length < items.length) return never
    return all([isNull(operand, false, knowledge), { kind: "among", term: subject.term, values, is: inside }])
  }
  const equal = (item: Expression): Operator => ({
    kind: "operator",
    schema: null,
    name: "=",
    left: operand,
    right: item,
    quantifier: null,
  })
  const parts = items.map((item) => compared(operand, inside ? "=" : "<>", item, equal(item), inside, knowledge))
  return inside ? some(parts) : all(parts)
}

/** When a comparison holds; both sides are then not NULL. */
function compared(
  left: Expression,
  operator: Comparator,
  right: Expression,
  whole: Operator,
  wanted: boolean,
  knowledge: Knowledge,
): Formula {
  const sides = [sideOf(left, knowledge), sideOf(right, knowledge)] as const
  if (sides.some((side) => side?.kind === "null")) return never
  const [a, b] = sides
  if (a === null || b === null || a.kind === "null" || b.kind === "null") return asWhole(whole, wanted, knowledge)
  const present = all([isNull(left, false, knowledge), isNull(right, false, knowledge)])
  const holds = orderOf(a, operator, b, knowledge)
  return holds === null ? asWhole(whole, wanted, knowledge) : all([present, holds])
}

/** The comparison as a term of its own, under its positive name. */
function asWhole(whole: Operator, wanted: boolean, knowledge: Knowledge): Formula {
  const positive = whole.name === "<>" ? { ...whole, name: "=" } : whole
  return opaque(positive, whole.name === "<>" ? !wanted : wanted, knowledge)
}

function orderOf(a: Side, operator: Comparator, b: Side, knowledge: Knowledge): Formula | null {
  if (a.kind === "null" || b.kind === "null") return never
  if (a.kind === "value" && b.kind === "term") return orderOf(b, turn(operator), a, knowledge)
  if (a.kind === "value") return null
  if (b.kind === "value") return withValue(a, operator, b.value, knowledge)
  const sameShift = a.shift.digits * 10n ** BigInt(b.shift.scale) === b.shift.digits * 10n ** BigInt(a.shift.scale)
  if (!sameShift || a.term.domain !== b.term.domain) return null
  return { kind: "order", left: a.term, operator, right: b.term }
}

function withValue(
  side: Extract<Side, { kind: "term" }>,
  operator: Comparator,
  value: Value,
  knowledge: Knowledge,
): Formula | null {
  const at = moved(value, side.shift)
  if (at === null) return null
  const range = bucketRange(side.expression, operator, at, knowledge) ?? midnightRange(side.expression, operator, at, knowledge)
  if (range !== null) return range
  return at.domain === side.term.domain ? { kind: "order", left: side.term, operator, right: at } : null
}

/** A condition on a bucket, or on the year, as one on the time that was cut. */
function bucketRange(expression: Expression, operator: Comparator, value: Value, knowledge: Knowledge): Formula | null {
  const { world } = knowledge
  if (value.position === null || typeof value.position === "number") return null
  const field = fieldOf(expression, world)
  if (field?.field === "year" && value.domain === "number" && value.position.scale === 0) {
    const start = startOfYear(Number(value.position.digits))
    return start === null ? null : overSubject(withoutCasts(field.subject, world), "year", start, operator, null, knowledge)
  }
  const bucket = bucketOf(expression, world)
  if (bucket === null || value.position.scale !== 0) return null
  const { unit, subject, calendar, as } = bucket
  if (calendar === "zone")
    return bucket.zone === null ? null : overSubject(subject, unit, value.position.digits, operator, bucket.zone, knowledge)
  if (as !== "timestamptz") return overSubject(subject, unit, value.position.digits, operator, null, knowledge)
  // A date cut by date_trunc is compared with moments: those that are a midnight of the session's zone are dates.
  const local = knowledge.zone === null ? null : toLocal(knowledge.zone, value.position.digits)
  return local === null || local % 86_400_000_000n !== 0n ? null : overSubject(subject, unit, local, operator, null, knowledge)
}

/** `bucket operator at` for the subject: buckets begin at their start, so every comparison is one with a start. */
function overSubject(
  subject: Expression,
  unit: TimeUnit,
  at: bigint,
  operator: Comparator,
  zone: string | null,
  knowledge: Knowledge,
): Formula | null {
  const side = sideOf(subject, knowledge)
  if (side?.kind !== "term") return null
  const local = zone === null ? at : toLocal(zone, at)
  const start = local === null ? null : bucketStart(unit, local)
  const end = local === null ? null : bucketEnd(unit, local)
  if (start === null || end === null) return null
  const aligned = start === local
  const bound = (operator_: Comparator, edge: bigint): Formula | null => {
    const moment = zone === null ? edge : toMoment(zone, edge)
    if (moment === null) return null
    const value: Value = {
      domain: zone === null ? "time" : "zoned time",
      key: String(moment),
      position: { digits: moment, scale: 0 },
    }
    return withValue(side, operator_, value, knowledge)
  }
  const both = (join: typeof all, a: Formula | null, b: Formula | null): Formula | null =>
    a === null || b === null ? null : join([a, b])
  switch (operator) {
    case ">=":
      return bound(">=", aligned ? start : end)
    case ">":
      return bound(">=", end)
    case "<":
      return bound("<", aligned ? start : end)
    case "<=":
      return bound("<", end)
    case "=":
      return aligned ? both(all, bound(">=", start), bound("<", end)) : never
    case "<>":
      return aligned ? both(some, bound("<", start), bound(">=", end)) : always
  }
}

/** A date compared as the moment of its midnight. */
function midnightRange(expression: Expression, operator: Comparator, value: Value, knowledge: Knowledge): Formula | null {
  const { world, zone } = knowledge
  if (expression.kind !== "cast" || zone === null || value.domain !== "zoned time") return null
  if (
    world.typing.typeOf(expression).info.id !== typeIds.timestamptz ||
    world.typing.typeOf(expression.operand).info.id !== typeIds.date
  )
    return null
  if (value.position === null || typeof value.position === "number") return null
  const local = toLocal(zone, value.position.digits)
  const side = sideOf(expression.operand, knowledge)
  if (local === null || local % 86_400_000_000n !== 0n || side?.kind !== "term") return null
  return withValue(side, operator, { domain: "time", key: String(local), position: { digits: local, scale: 0 } }, knowledge)
}
