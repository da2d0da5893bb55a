import { readColumnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { expression } from "./node.ts"
import type { DefineFunction } from "./types/registry.ts"

/**
 * A function of the user's own database as a typed call, `shop.tax(orders.total)`:
 * const tax = defineFunction({ name: "shop.tax", args: ["decimal"], returns: "decimal", volatility: "immutable" }).
 * Arguments are values, bound as the declared types, or expressions: tax(ref("total")).
 */
export const defineFunction: DefineFunction = ((definition: unknown) => {
  const { name, args, returns, volatility } = (definition ?? {}) as Readonly<Record<string, unknown>>
  const wrong = (message: string): SelectoError =>
    new SelectoError("E_INVALID_OPTION", `defineFunction(): ${message}`, { path: String(name) })
  if (typeof name !== "string" || name === "")
    throw wrong('`name` is the function\'s name, with its schema where needed: "shop.tax".')
  if (!Array.isArray(args)) throw wrong("`args` is a list of column types.")
  if (volatility !== undefined && !["immutable", "stable", "volatile"].includes(volatility as string))
    throw wrong("`volatility` is immutable, stable or volatile.")
  const typed = (spec: unknown) => {
    const type = readColumnType(spec)
    if (typeof type === "string") throw wrong(type)
    return type
  }
  const types = args.map(typed)
  const result = typed(returns)
  const sql = name.split(".").map(quoteIdentifier).join(".")
  return (...given: readonly unknown[]) => {
    if (given.length !== types.length)
      throw new SelectoError("E_UNSUPPORTED_INPUT", `${name}() takes ${types.length} arguments, not ${given.length}.`, {
        path: name,
      })
    return expression({
      expression: "function",
      sql,
      args: given,
      types,
      returns: result,
      volatile: (volatility ?? "volatile") === "volatile",
    })
  }
}) as unknown as DefineFunction
