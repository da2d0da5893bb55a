import { childrenOf, type Expression } from "../../../sql/index.ts"
import { constantOf, domainOf, parseValue, type TypeInfo, typeIds, type Value } from "../../../sql/typing/index.ts"
import { toMoment } from "../time-zone.ts"
import { keyOf, type World } from "../world.ts"
import type { Term } from "./formula.ts"

/** What is known beside the expressions themselves. */
export interface Knowledge {
  readonly world: World
  /** Leaves that may be padded with NULLs. */
  readonly padded: ReadonlySet<number>
  /** Values bound to parameters, as text; null is NULL. Absent: to hold for every value. */
  readonly parameters: ReadonlyMap<number, string | null>
  /** TimeZone of the session; null when not known. */
  readonly zone: string | null
}

/** One side of a comparison: a constant, or a term moved by a constant distance. */
export type Side =
  | { readonly kind: "null" }
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "term"; readonly term: Term; readonly expression: Expression; readonly shift: Distance }

export interface Distance {
  readonly digits: bigint
  readonly scale: number
}

const here: Distance = { digits: 0n, scale: 0 }

/** Reads one side of a comparison; null when its type has no order that can be reasoned with. */
export function sideOf(expression: Expression, knowledge: Knowledge): Side | null {
  const constant = constantSide(expression, knowledge)
  if (constant !== null) return constant
  const { term, inner, shift } = shifted(expression, knowledge)
  return term === null ? null : { kind: "term", term, expression: inner, shift }
}

/** A constant, or a parameter whose value is known. */
function constantSide(expression: Expression, knowledge: Knowledge): Side | null {
  const { catalog } = knowledge.world.typing
  const constant = constantOf(expression, catalog) ?? boundConstant(expression, knowledge)
  if (constant === null) return null
  if (constant.text === null) return { kind: "null" }
  const value = parseValue(constant.type.info, constant.text) ?? localMoment(constant.type.info, constant.text, knowledge.zone)
  return value === null || constant.type.modifier !== null ? null : { kind: "value", value }
}

function boundConstant(expression: Expression, { parameters, world }: Knowledge): ReturnType<typeof constantOf> {
  if (expression.kind !== "cast" || expression.operand.kind !== "parameter") return null
  const text = parameters.get(expression.operand.number)
  return text === undefined ? null : { type: world.typing.typeOf(expression), text }
}

/** A timestamptz without zone is of the session's. */
function localMoment(type: TypeInfo, text: string, zone: string | null): Value | null {
  if (type.id !== typeIds.timestamptz || zone === null) return null
  const local = parseValue({ ...type, id: typeIds.timestamp }, text)
  if (local === null || local.position === null || typeof local.position === "number") return null
  const moment = toMoment(zone, local.position.digits)
  return moment === null ? null : { domain: "zoned time", key: String(moment), position: { digits: moment, scale: 0 } }
}

/** A term without the constants added to it and the casts that keep its value: `qty + 1` is `qty` moved by 1. */
function shifted(expression: Expression, knowledge: Knowledge): { term: Term | null; inner: Expression; shift: Distance } {
  const { world } = knowledge
  let at = withoutCasts(expression, world)
  let shift = here
  while (
    at.kind === "operator" &&
    at.left !== null &&
    at.schema === null &&
    at.quantifier === null &&
    (at.name === "+" || at.name === "-")
  ) {
    const distance = distanceOf(at.left, at.right, knowledge)
    if (distance === null) break
    shift = sum(shift, at.name === "-" ? { ...distance, digits: -distance.digits } : distance)
    at = withoutCasts(at.left, world)
  }
  return { term: termOf(at, world), inner: at, shift }
}

/** How far a constant moves what it is added to: numbers by themselves, dates by days. */
function distanceOf(left: Expression, right: Expression, knowledge: Knowledge): Distance | null {
  const side = constantSide(right, knowledge)
  if (side?.kind !== "value" || side.value.domain !== "number") return null
  const { position } = side.value
  if (position === null || typeof position === "number") return null
  const type = knowledge.world.typing.typeOf(left).info
  if (type.id === typeIds.date) return { digits: position.digits * 86_400_000_000n, scale: position.scale }
  return domainOf(type)?.domain === "number" ? position : null
}

export function sum(a: Distance, b: Distance): Distance {
  const scale = Math.max(a.scale, b.scale)
  const at = ({ digits, scale: own }: Distance): bigint => digits * 10n ** BigInt(scale - own)
  return { digits: at(a) + at(b), scale }
}

/** The value moved back by a distance. */
export function moved(value: Value, by: Distance): Value | null {
  if (by.digits === 0n) return value
  if (value.position === null || typeof value.position === "number") return null
  let { digits, scale } = sum(value.position, { digits: -by.digits, scale: by.scale })
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale--
  }
  return { domain: value.domain, key: scale === 0 ? String(digits) : `${digits}e-${scale}`, position: { digits, scale } }
}

/** Casts that change the type but not the value, nor the order. */
export function withoutCasts(expression: Expression, world: World): Expression {
  let at = expression
  while (at.kind === "cast" && keepsValue(at, world)) at = at.operand
  return at
}

function keepsValue(cast: Extract<Expression, { kind: "cast" }>, world: World): boolean {
  const target = world.typing.typeOf(cast)
  const source = world.typing.typeOf(cast.operand)
  if (target.modifier !== null) return false
  const wider = widenings.get(source.info.id)
  return wider?.includes(target.info.id) ?? false
}

/** Of each type those that hold its values unchanged and in the same order. */
export const widenings: ReadonlyMap<number, readonly number[]> = new Map([
  [typeIds.smallint, [typeIds.integer, typeIds.bigint, typeIds.numeric]],
  [typeIds.integer, [typeIds.bigint, typeIds.numeric]],
  [typeIds.bigint, [typeIds.numeric]],
  [typeIds.date, [typeIds.timestamp]],
  [typeIds.varchar, [typeIds.text]],
  [typeIds.real, [typeIds.double]],
])

/** The term that an expression is; null for types whose comparisons do not form an order. */
export function termOf(expression: Expression, world: World): Term | null {
  const type = world.typing.typeOf(expression).info
  if (type.category === "G") return null
  const known = domainOf(type)
  const exotic = known === null || !deterministic(expression, world)
  return {
    key: keyOf(expression, world),
    domain: exotic ? `type ${type.id}` : known.domain,
    step: exotic ? null : known.step,
    like: likeOf(expression, world),
  }
}

/** False where equal texts need not be the same text. */
export function deterministic(expression: Expression, world: World): boolean {
  if (expression.kind === "collate") return false
  if (expression.kind === "column") {
    const source = world.leaf(expression.relation!)?.source
    return source?.kind !== "table" || (source.table.columns.find(({ name }) => name === expression.name)?.deterministic ?? true)
  }
  return childrenOf(expression).every((child) => deterministic(child, world))
}

function likeOf(expression: Expression, world: World): Term["like"] {
  if (expression.kind !== "operator" || expression.name !== "~~" || expression.left === null || expression.quantifier !== null)
    return null
  const pattern = constantOf(expression.right, world.typing.catalog)
  if (pattern === null || pattern.text === null || !deterministic(expression.left, world)) return null
  // Blanks at the end of a char(n) count for LIKE, but not for equality.
  if (domainOf(world.typing.typeOf(expression.left).info)?.domain !== "text") return null
  return { subject: keyOf(withoutCasts(expression.left, world), world), pattern: pattern.text }
}
