import { type ScalarType, scalarTypes } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { expression, isExpression, isOrder, type NestOptions, type Order, order } from "./node.ts"
import type {
  CaseOf,
  CaseWhen,
  Cast,
  Direction,
  Expression as ExpressionTag,
  Literal,
  Nest,
  NotNullFunction,
  Reference,
} from "./types/functions.ts"

/** The column a path names, as an expression: gt("total", ref("paid")) is `orders.total > orders.paid`. */
export const ref: Reference = ((path: string) => expression({ expression: "path", path })) as unknown as Reference

/** `orders.note` as it is: a path or expression that the caller knows never to be null: the row type drops null, a null in the result is E_UNEXPECTED_NULL. */
export const notNull: NotNullFunction = ((of: unknown) => expression({ expression: "present", of })) as unknown as NotNullFunction

/** `$1::text`: a constant, bound as a parameter. */
export const literal: Literal = ((value: unknown) => expression({ expression: "literal", value })) as unknown as Literal

/** The value as another column type: cast("total", "float") is `total::double precision`. */
export const cast: Cast = ((of: unknown, type: ScalarType) => {
  if (!Object.hasOwn(scalarTypes, type))
    throw new SelectoError("E_INVALID_OPTION", `cast() takes one of ${Object.keys(scalarTypes).join(", ")}.`, { path: "cast" })
  return expression({ expression: "cast", of, type })
}) as unknown as Cast

/**
 * Static SQL text around references, expressions and bound values: expr<number>`extract(year from ${ref("created_at")})`. Numeric
 * results are numbers; cast to text in the SQL where more than 15 digits matter.
 */
export const expr: ExpressionTag = ((strings: TemplateStringsArray, ...parts: readonly unknown[]) => {
  if (!Array.isArray(strings) || !Array.isArray((strings as { raw?: unknown }).raw))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      "expr is a template tag, expr`upper($" + '{ref("name")})`: its text is static, values are bound.',
    )
  return expression({ expression: "raw", strings: [...strings], parts })
}) as unknown as ExpressionTag

function arms(name: string, branches: unknown): (readonly [unknown, unknown])[] {
  const pairs =
    Array.isArray(branches) && branches.length > 0 && branches.every((branch) => Array.isArray(branch) && branch.length === 2)
  if (!pairs) throw new SelectoError("E_UNSUPPORTED_INPUT", `${name}() takes a list of pairs [when, then].`)
  return branches
}

/** `CASE WHEN length > $1 THEN $2 ELSE $3 END`: caseWhen([[gt("length", 120), "long"]], "short"). Without the last argument it is null where nothing holds. */
export const caseWhen: CaseWhen = ((branches: unknown, otherwise?: unknown) =>
  expression({ expression: "case", subject: undefined, arms: arms("caseWhen", branches), otherwise })) as unknown as CaseWhen

/** `CASE rating WHEN $1 THEN $2 … END`, over the values of a path: caseOf("rating", [["G", "kids"], ["PG", "ask"]], "adults"). */
export const caseOf: CaseOf = ((subject: unknown, branches: unknown, otherwise?: unknown) =>
  expression({ expression: "case", subject, arms: arms("caseOf", branches), otherwise })) as unknown as CaseOf

/** Related rows as an array of objects (`many`) or one object or null, by a subquery of the same statement. */
export const nest: Nest = ((join: string, shape: Readonly<Record<string, unknown>>, options: NestOptions = {}) =>
  expression({ expression: "nest", join, shape, options })) as unknown as Nest

interface OrderOptions {
  readonly nulls?: "first" | "last" | undefined
}

function ordering(by: unknown, descending: boolean, options: OrderOptions | undefined): Order {
  if (typeof by !== "string" && !isExpression(by))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "asc() and desc() take a path, an alias or an expression.")
  const nulls = options?.nulls
  if (nulls !== undefined && nulls !== "first" && nulls !== "last")
    throw new SelectoError("E_INVALID_OPTION", '`nulls` is "first" or "last".', { path: "nulls" })
  return order({ by, descending, nulls: nulls ?? null })
}

/** Ascending; `{ nulls: "first" }` overrides PostgreSQL's default, which puts nulls last. */
export const asc: Direction = ((by: unknown, options?: OrderOptions) => ordering(by, false, options)) as unknown as Direction
/** Descending; `{ nulls: "last" }` overrides PostgreSQL's default, which puts nulls first. */
export const desc: Direction = ((by: unknown, options?: OrderOptions) => ordering(by, true, options)) as unknown as Direction

/** An order item in its one form. */
export function orderOf(item: unknown): Order {
  return isOrder(item) ? item : ordering(item, false, undefined)
}
