import type { Constant, Expression } from "../expression.ts"
import { type TypeCatalog, typeIds } from "./type-catalog.ts"
import { parseTypeName, type TypeRef, typeName } from "./type-name.ts"
import { parseValue, timeText, type Value } from "./value.ts"

/** A constant with its type; `text` is null for NULL. */
export interface TypedConstant {
  readonly type: TypeRef
  readonly text: string | null
}

const integerLimit = 2n ** 31n - 1n

/** A constant of a type in the one form that equal constants share: `10`, `10::numeric`, `'2025-01-31'::date`. */
export function makeConstant(type: TypeRef, text: string | null): Expression {
  const cast = (operand: Constant): Expression => ({ kind: "cast", type: typeName(type), operand })
  if (text === null) return cast({ kind: "constant", type: "null", value: null })
  if (type.modifier === null) {
    const value = parseValue(type.info, text)
    const whole = value === null ? null : wholeNumber(value)
    const small = whole !== null && whole <= integerLimit && whole >= -integerLimit
    switch (type.info.id) {
      case typeIds.integer:
        if (small) return { kind: "constant", type: "integer", value: String(whole) }
        break
      case typeIds.smallint:
      case typeIds.bigint:
        if (small) return cast({ kind: "constant", type: "integer", value: String(whole) })
        if (whole !== null) return cast({ kind: "constant", type: "string", value: String(whole) })
        break
      case typeIds.numeric:
        // 1.50 keeps its zero: the scale shows in results.
        if (small && /^[+-]?\d+$/.test(text.trim())) return cast({ kind: "constant", type: "integer", value: String(whole) })
        if (value !== null && /^-?\d+\.\d+$/.test(text.trim())) return { kind: "constant", type: "decimal", value: text.trim() }
        break
      case typeIds.boolean:
        if (value !== null) return { kind: "constant", type: "boolean", value: value.key === "1" ? "true" : "false" }
        break
      case typeIds.date:
      case typeIds.timestamp:
      case typeIds.timestamptz: {
        const normal = value === null ? null : timeText(value, type.info.id)
        if (normal !== null) return cast({ kind: "constant", type: "string", value: normal })
      }
    }
  }
  return cast({ kind: "constant", type: "string", value: text })
}

function wholeNumber(value: Value): bigint | null {
  if (value.domain !== "number" || value.position === null || typeof value.position === "number") return null
  return value.position.scale === 0 ? value.position.digits : null
}

/** The constant that an expression is, casts on it read; null for anything else, and for a literal whose type is not known yet. */
export function constantOf(expression: Expression, catalog: TypeCatalog): TypedConstant | null {
  if (expression.kind === "constant") {
    const name = bareTypes[expression.type]?.(expression.value!)
    const info = name === undefined ? null : catalog.typeByName("pg_catalog", name)
    return info === null ? null : { type: { info, modifier: null }, text: expression.value }
  }
  if (expression.kind !== "cast" || expression.operand.kind !== "constant") return null
  const type = parseTypeName(expression.type, catalog)
  if (type === null) return null
  return { type, text: expression.operand.value }
}

const bareTypes: Readonly<Record<string, (value: string) => string>> = {
  integer: () => "int4",
  // The grammar reads integers beyond four bytes as decimals.
  decimal: (value) => (/^-?\d+$/.test(value) && BigInt(value) < 2n ** 63n && BigInt(value) >= -(2n ** 63n) ? "int8" : "numeric"),
  boolean: () => "bool",
}

/** The value of a constant expression, where it is known. */
export function constantValue(expression: Expression, catalog: TypeCatalog): Value | null {
  const constant = constantOf(expression, catalog)
  if (constant === null || constant.text === null) return null
  return parseValue(constant.type.info, constant.text)
}

/** A constant of another type with the same meaning; null where the server has to convert it. */
export function convertConstant(constant: TypedConstant, target: TypeRef): Expression | null {
  const { type, text } = constant
  if (text === null) return makeConstant(target, null)
  if (target.modifier !== null) return null
  const source = type.info.id
  const wanted = target.info.id
  if (source === wanted && type.modifier === null) return makeConstant(target, text)
  const numbers: readonly number[] = [typeIds.smallint, typeIds.integer, typeIds.bigint, typeIds.numeric]
  if (numbers.includes(source) && numbers.includes(wanted))
    return parseValue(target.info, text) === null ? null : makeConstant(target, text)
  if (source !== typeIds.numeric && numbers.includes(source) && wanted === typeIds.double) return makeConstant(target, text)
  const texts: readonly number[] = [typeIds.text, typeIds.varchar]
  if (texts.includes(source) && type.modifier === null && texts.includes(wanted)) return makeConstant(target, text)
  if (source === typeIds.date && wanted === typeIds.timestamp && parseValue(type.info, text) !== null)
    return makeConstant(target, text)
  return null
}
