import type { Expression } from "../../sql/index.ts"
import { constantOf, domainOf, typeIds } from "../../sql/typing/index.ts"
import { canonical, truth } from "./canonical.ts"
import { equalIsSame } from "./logic/nulls.ts"
import { withoutCasts } from "./logic/side.ts"
import { keyOf, substitute, type World } from "./world.ts"

/**
 * Expressions that some conditions make equal, where equal means the same: of such a class any member may stand for any other. Of types
 * whose equal values may differ (numeric 1.0 and 1.00, floats, text that is compared loosely) there are no classes.
 */
export interface Equivalences {
  /** Other members of an expression's class. */
  readonly others: (expression: Expression) => readonly Expression[]
  /** The constant that a class is. */
  readonly constant: (expression: Expression) => Expression | null
  /** The identity of an expression in which every column stands for its class. */
  readonly key: (expression: Expression) => string
  /** All members of an expression's class, by their keys. */
  readonly classKeys: (expression: Expression) => ReadonlySet<string>
}

const whole: ReadonlySet<number> = new Set([typeIds.smallint, typeIds.integer, typeIds.bigint])

/** The classes that follow from conditions known to be TRUE. */
export function equivalencesOf(conditions: readonly Expression[], world: World): Equivalences {
  const classOf = new Map<string, Class>()
  const find = (expression: Expression): Class => {
    const key = keyOf(expression, world)
    const known = classOf.get(key)
    if (known !== undefined) return known
    const made: Class = { members: new Map([[key, expression]]), constant: null }
    classOf.set(key, made)
    return made
  }
  for (const condition of conditions) {
    const tested = condition.kind === "not" ? condition.operand : condition
    if (tested.kind === "column") find(tested).constant ??= truth(condition === tested)
    const pair = equalPair(condition, world)
    if (pair === null) continue
    const [left, right] = pair
    const one = find(left)
    if (constantOf(right, world.typing.catalog) !== null) {
      one.constant ??= right
      continue
    }
    const other = find(right)
    if (one === other) continue
    for (const [key, member] of other.members) {
      one.members.set(key, member)
      classOf.set(key, one)
    }
    one.constant ??= other.constant
  }
  const known = (expression: Expression): Class | null => classOf.get(keyOf(expression, world)) ?? null
  const representative = (expression: Expression): Expression | null => {
    const own = known(expression)
    if (own === null || own.members.size < 2) return null
    const type = world.typing.typeOf(expression).info.id
    const alike = [...own.members]
      .filter(([, member]) => world.typing.typeOf(member).info.id === type)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return alike[0]?.[1] ?? null
  }
  const keys = new WeakMap<Expression, string>()
  return {
    others: (expression) => {
      const own = keyOf(expression, world)
      return [...(known(expression)?.members ?? [])].filter(([key]) => key !== own).map(([, member]) => member)
    },
    constant: (expression) => known(expression)?.constant ?? null,
    classKeys: (expression) => new Set(known(expression)?.members.keys() ?? [keyOf(expression, world)]),
    key: (expression) => {
      if (classOf.size === 0) return keyOf(expression, world)
      const before = keys.get(expression)
      if (before !== undefined) return before
      const replaced = substitute(expression, world, (column) => {
        const stand = representative(column)
        return stand !== null && stand.kind === "column" ? stand : null
      })
      const key = keyOf(canonical(replaced, world), world)
      keys.set(expression, key)
      return key
    },
  }
}

interface Class {
  readonly members: Map<string, Expression>
  constant: Expression | null
}

/** The sides of an equality whose types make equal values the same; whole numbers of any width are. */
function equalPair(condition: Expression, world: World): readonly [Expression, Expression] | null {
  if (condition.kind !== "operator" || condition.name !== "=" || condition.left === null || condition.quantifier !== null)
    return null
  if (condition.schema !== null) return null
  const sides = [withoutCasts(condition.left, world), withoutCasts(condition.right, world)] as const
  const types = sides.map((side) => world.typing.typeOf(side).info)
  const same = types[0]!.id === types[1]!.id && (equalIsSame(types[0]!.id) || types[0]!.kind === "enum")
  const wholes = types.every((type) => whole.has(type.id))
  if (!same && !wholes) return null
  return domainOf(types[0]!)?.domain === "text" && sides.some((side) => loose(side, world)) ? null : sides
}

/** True for a column whose collation takes different texts for equal. */
function loose(side: Expression, world: World): boolean {
  if (side.kind !== "column") return side.kind === "collate"
  const source = world.leaf(side.relation!)?.source
  return source?.kind === "table" && source.table.columns.find(({ name }) => name === side.name)?.deterministic === false
}
