import { type Expression, mapExpression, type Operator } from "../../sql/index.ts"
import { constantOf, constantValue, typeIds } from "../../sql/typing/index.ts"
import { keyOf, type World } from "./world.ts"

/** Which expressions may be NULL where they stand; without it any may. */
export type MayBeNull = (expression: Expression) => boolean

const anyMay: MayBeNull = () => true

/**
 * The one form of an expression that others with the same meaning share: operands of symmetric operators sorted, constants on the right,
 * NOT pushed down, lists sorted. Meaning is kept in three-valued logic; expressions must have been typed.
 */
export function canonical(expression: Expression, world: World, mayBeNull: MayBeNull = anyMay): Expression {
  return mapExpression(expression, (inner) => step(inner, world, mayBeNull))
}

/** One node, its parts already canonical. */
function step(expression: Expression, world: World, mayBeNull: MayBeNull): Expression {
  switch (expression.kind) {
    case "and":
    case "or":
      return junction(expression.kind, expression.args, world)
    case "not":
      return negated(expression.operand, world)
    case "operator":
      return expression.quantifier === null ? operator(expression, world) : quantified(expression, world, mayBeNull)
    case "in":
      return membership(expression, world)
    case "test":
      if (expression.test === "null") return mayBeNull(expression.operand) ? expression : truth(expression.negated)
      if (expression.test === "true" && !mayBeNull(expression.operand))
        return expression.negated ? negated(expression.operand, world) : expression.operand
      if (expression.test === "false" && !mayBeNull(expression.operand))
        return expression.negated ? expression.operand : negated(expression.operand, world)
      return expression
    case "call":
      return call(expression, mayBeNull)
    case "case":
      return simplerCase(expression)
    case "choice":
      if (expression.name === "coalesce") {
        const at = expression.args.findIndex((arg) => !mayBeNull(arg))
        const args = at < 0 ? expression.args : expression.args.slice(0, at + 1)
        return args.length === 1 ? args[0]! : { ...expression, args }
      }
      return expression
    default:
      return expression
  }
}

export function truth(value: boolean): Expression {
  return { kind: "constant", type: "boolean", value: String(value) }
}

/** True for the constant TRUE, or FALSE when asked for it. */
export function isTruth(expression: Expression, value = true): boolean {
  return expression.kind === "constant" && expression.type === "boolean" && expression.value === String(value)
}

/** AND or OR of conditions: flat, sorted, each once. */
export function junction(kind: "and" | "or", args: readonly Expression[], world: World): Expression {
  const neutral = kind === "and"
  const flat = args.flatMap((arg) => (arg.kind === kind ? arg.args : [arg])).filter((arg) => !isTruth(arg, neutral))
  if (flat.some((arg) => isTruth(arg, !neutral))) return truth(!neutral)
  const sorted = unique(flat, world)
  if (sorted.length === 0) return truth(neutral)
  return sorted.length === 1 ? sorted[0]! : { kind, args: sorted }
}

function unique(expressions: readonly Expression[], world: World): Expression[] {
  const byKey = new Map(expressions.map((expression) => [keyOf(expression, world), expression]))
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, expression]) => expression)
}

/** NOT of a canonical condition. */
export function negated(expression: Expression, world: World): Expression {
  switch (expression.kind) {
    case "not":
      return expression.operand
    case "and":
    case "or":
      return junction(
        expression.kind === "and" ? "or" : "and",
        expression.args.map((arg) => negated(arg, world)),
        world,
      )
    case "constant":
      return expression.type === "boolean" ? truth(expression.value === "false") : expression
    case "test":
    case "in":
    case "distinct":
      return { ...expression, negated: !expression.negated }
    case "operator": {
      if (expression.quantifier !== null || expression.left === null) break
      const { negator, strict } = world.typing.operatorOf(expression).chosen
      // NULL for a NULL operand on both sides, so NOT and the negator agree there too.
      if (negator !== null && strict) return { ...expression, name: negator }
    }
  }
  return { kind: "not", operand: expression }
}

function operator(expression: Operator, world: World): Expression {
  const { left, right } = expression
  if (left === null) return expression
  const onBoolean = comparedWithTruth(expression, world)
  if (onBoolean !== null) return onBoolean
  const folded = fold(expression, world)
  if (folded !== null) return folded
  const { commutator } = world.typing.operatorOf(expression).chosen
  if (commutator === null) return expression
  const [leftRank, rightRank] = [rank(left), rank(right)]
  const inOrder = leftRank === rightRank ? keyOf(left, world) <= keyOf(right, world) : leftRank < rightRank
  return inOrder ? expression : { ...expression, name: commutator, left: right, right: left }
}

/** Columns and what is computed from them stand left, then parameters, then constants. */
function rank(expression: Expression): number {
  if (expression.kind === "constant") return 2
  if (expression.kind === "parameter") return 1
  return expression.kind === "cast" ? rank(expression.operand) : 0
}

/** `active = true` is `active`. */
function comparedWithTruth(expression: Operator, world: World): Expression | null {
  const { name, left, right } = expression
  if ((name !== "=" && name !== "<>") || left === null) return null
  for (const [value, other] of [
    [right, left],
    [left, right],
  ] as const) {
    if (value.kind !== "constant" || value.type !== "boolean" || world.typing.typeOf(other).info.id !== typeIds.boolean) continue
    return (value.value === "true") === (name === "=") ? other : negated(other, world)
  }
  return null
}

/** Sums and products of integer constants. */
function fold(expression: Operator, world: World): Expression | null {
  const { catalog } = world.typing
  const left = constantOf(expression.left!, catalog)
  const right = constantOf(expression.right, catalog)
  if (left === null || right === null || left.type.info.id !== typeIds.integer || right.type.info.id !== typeIds.integer)
    return null
  const [a, b] = [left.text, right.text].map((text) => (text === null ? null : BigInt(text)))
  if (a === null || a === undefined || b === null || b === undefined) return null
  const result = expression.name === "+" ? a + b : expression.name === "-" ? a - b : expression.name === "*" ? a * b : null
  if (result === null || result >= 2n ** 31n || result < -(2n ** 31n)) return null
  return { kind: "constant", type: "integer", value: String(result) }
}

/** `x = ANY (ARRAY[…])` is `x IN (…)`. */
function quantified(expression: Operator, world: World, mayBeNull: MayBeNull): Expression {
  const { name, quantifier, right } = expression
  const inList = (name === "=" && quantifier === "any") || (name === "<>" && quantifier === "all")
  if (!inList || expression.schema !== null || right.kind !== "array" || right.items.length === 0) return expression
  const made: Expression = {
    kind: "in",
    operand: expression.left!,
    items: right.items,
    count: right.items.length,
    negated: quantifier === "all",
  }
  return step(made, world, mayBeNull)
}

function membership(expression: Extract<Expression, { kind: "in" }>, world: World): Expression {
  const items = unique(expression.items, world)
  if (items.length > 1) return { ...expression, items, count: items.length }
  const name = expression.negated ? "<>" : "="
  return step(
    { kind: "operator", schema: null, name, left: expression.operand, right: items[0]!, quantifier: null },
    world,
    anyMay,
  )
}

/** Aggregates for which DISTINCT changes nothing. */
export const duplicateBlind: ReadonlySet<string> = new Set(["min", "max", "bool_and", "bool_or", "bit_and", "bit_or"])

function call(expression: Extract<Expression, { kind: "call" }>, mayBeNull: MayBeNull): Expression {
  if (expression.schema !== null) return expression
  if (expression.name === "every") return { ...expression, name: "bool_and", distinct: false }
  if (expression.distinct && duplicateBlind.has(expression.name)) return { ...expression, distinct: false }
  const counted =
    expression.name === "count" && !expression.star && !expression.distinct && expression.over === null
      ? expression.args[0]
      : undefined
  if (counted === undefined || mayBeNull(counted)) return expression
  return { ...expression, args: [], argNames: [], star: true }
}

function simplerCase(expression: Extract<Expression, { kind: "case" }>): Expression {
  const whens = expression.whens.filter(({ when }) => !isTruth(when, false))
  const sure = whens.findIndex(({ when }) => isTruth(when))
  if (sure === 0) return whens[0]!.result
  if (sure > 0) return { ...expression, whens: whens.slice(0, sure), otherwise: whens[sure]!.result }
  if (whens.length === 0) return expression.otherwise ?? expression
  return whens.length === expression.whens.length ? expression : { ...expression, whens }
}

/** True when the constant's value is known and is this one. */
export function isNumber(expression: Expression, world: World, wanted: bigint): boolean {
  const value = constantValue(expression, world.typing.catalog)
  return value?.domain === "number" && value.key === String(wanted)
}
