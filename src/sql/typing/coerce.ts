import type { Expression } from "../expression.ts"
import { constantOf, convertConstant, makeConstant } from "./constant.ts"
import { baseOf, convertible } from "./overload.ts"
import { type TypeCatalog, type TypeInfo, typeIds } from "./type-catalog.ts"
import { sameType, type TypeRef, typeName } from "./type-name.ts"

/** An expression with its type; every conversion that PostgreSQL would make by itself stands in it as a cast. */
export interface Typed {
  readonly expression: Expression
  readonly type: TypeRef
}

/** Why the type of an expression cannot be told. Caught by whoever asked; never reaches a user. */
export class UnknownTypeError extends Error {}

export function isUnknown(typed: Typed): boolean {
  return typed.type.info.id === typeIds.unknown
}

/** The expression as a value of another type, with a cast where one is needed. */
export function coerce(typed: Typed, target: TypeRef, catalog: TypeCatalog): Typed {
  const { expression, type } = typed
  if (sameType(type, target)) return typed
  // A parameter or column with a modifier is a value of the bare type already.
  if (type.info.id === target.info.id && target.modifier === null) return { expression, type: target }
  if (isUnknown(typed)) {
    if (expression.kind === "constant") return { expression: makeConstant(target, expression.value), type: target }
    return { expression: castTo(expression, target), type: target }
  }
  const constant = constantOf(expression, catalog)
  const converted = constant === null ? null : convertConstant(constant, target)
  if (converted !== null) return { expression: converted, type: target }
  if (expression.kind === "array" && target.info.element !== null && expression.items.length > 0) {
    const element = { info: catalog.typeById(target.info.element)!, modifier: target.modifier }
    const source = { info: catalog.typeById(type.info.element!)!, modifier: null }
    const items = expression.items.map((item) => coerce({ expression: item, type: source }, element, catalog).expression)
    return { expression: { kind: "array", items }, type: target }
  }
  // Of a domain the value is one of the type below already.
  if (target.modifier === null && baseOf(type.info, catalog).id === target.info.id)
    return { expression: castTo(expression, target), type: target }
  return { expression: castTo(expression, target), type: target }
}

function castTo(operand: Expression, target: TypeRef): Expression {
  return { kind: "cast", type: typeName(target), operand }
}

/** The type that alternatives (CASE, COALESCE, UNION, IN) are brought to; documentation 10.5. */
export function commonType(types: readonly TypeRef[], catalog: TypeCatalog): TypeRef {
  const first = types[0]
  if (first !== undefined && first.info.id !== typeIds.unknown && types.every((type) => type.info.id === first.info.id)) {
    return types.every((type) => sameType(type, first)) ? first : { info: first.info, modifier: null }
  }
  let common: TypeInfo | null = null
  for (const type of types) {
    const next = baseOf(type.info, catalog)
    if (next.id === typeIds.unknown || next.id === common?.id) continue
    if (common === null) common = next
    else if (next.category !== common.category) throw new UnknownTypeError(`${common.text} and ${next.text} have no common type`)
    else if (!common.preferred && convertible(catalog, common, next.id) && !convertible(catalog, next, common.id)) common = next
  }
  return { info: common ?? catalog.typeById(typeIds.text)!, modifier: null }
}
