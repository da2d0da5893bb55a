/**
 * Expressions of SQL as plain, serialisable data. Column references name a relation of the shape by its ordinal, so that two
 * expressions can be compared, moved and printed whatever aliases the text used.
 */
export type Expression =
  | ColumnReference
  | StarReference
  | Constant
  | Parameter
  | { readonly kind: "cast"; readonly type: string; readonly operand: Expression }
  | FunctionCall
  | Operator
  | { readonly kind: "and" | "or"; readonly args: readonly Expression[] }
  | { readonly kind: "not"; readonly operand: Expression }
  | {
      readonly kind: "test"
      readonly test: "null" | "true" | "false" | "unknown"
      readonly negated: boolean
      readonly operand: Expression
    }
  | InList
  | {
      readonly kind: "between"
      readonly operand: Expression
      readonly low: Expression
      readonly high: Expression
      readonly symmetric: boolean
      readonly negated: boolean
    }
  | { readonly kind: "distinct"; readonly left: Expression; readonly right: Expression; readonly negated: boolean }
  | { readonly kind: "nullif"; readonly left: Expression; readonly right: Expression }
  | CaseExpression
  | { readonly kind: "choice"; readonly name: "coalesce" | "greatest" | "least"; readonly args: readonly Expression[] }
  | { readonly kind: "array" | "row"; readonly items: readonly Expression[] }
  | { readonly kind: "field"; readonly operand: Expression; readonly name: string }
  | {
      readonly kind: "subscript"
      readonly operand: Expression
      readonly lower: Expression | null
      readonly upper: Expression | null
      readonly slice: boolean
    }
  | { readonly kind: "collate"; readonly collation: readonly string[]; readonly operand: Expression }
  | Sublink
  | { readonly kind: "value"; readonly name: string }
  | { readonly kind: "grouping"; readonly args: readonly Expression[] }
  | { readonly kind: "default" }
  | { readonly kind: "other"; readonly node: string; readonly text: string; readonly args: readonly Expression[] }

export interface ColumnReference {
  readonly kind: "column"
  /** Ordinal in StatementShape.relations; null where the text alone does not tell (see resolveShape). */
  readonly relation: number | null
  readonly name: string
  /** The alias or table name as written; null for a bare column. */
  readonly qualifier: string | null
  /** The query block in which the reference stands. */
  readonly block: number
  /** Index among the relation's columns: given where a `*` was opened over several columns of this name. */
  readonly at?: number
}

/** `*` or `t.*`, and a whole-row reference such as count(t). */
export interface StarReference {
  readonly kind: "star"
  readonly relation: number | null
  readonly block: number
}

export interface Constant {
  readonly kind: "constant"
  readonly type: "string" | "integer" | "decimal" | "boolean" | "bits" | "null"
  /** As written, without quotes; null for NULL. */
  readonly value: string | null
}

export interface Parameter {
  readonly kind: "parameter"
  readonly number: number
}

export interface FunctionCall {
  readonly kind: "call"
  readonly schema: string | null
  readonly name: string
  readonly args: readonly Expression[]
  /** Names of named arguments, by position; null where positional. */
  readonly argNames: readonly (string | null)[]
  readonly star: boolean
  readonly distinct: boolean
  readonly variadic: boolean
  readonly filter: Expression | null
  readonly order: readonly SortKey[]
  readonly withinGroup: boolean
  readonly over: WindowSpec | null
}

export interface Operator {
  readonly kind: "operator"
  readonly schema: string | null
  readonly name: string
  readonly left: Expression | null
  readonly right: Expression
  /** `= ANY (…)`, `= ALL (…)` with an array on the right. */
  readonly quantifier: "any" | "all" | null
}

export interface InList {
  readonly kind: "in"
  readonly operand: Expression
  /** At most {@link maxListItems} of them; `count` tells how many were written. */
  readonly items: readonly Expression[]
  readonly count: number
  readonly negated: boolean
}

export interface CaseExpression {
  readonly kind: "case"
  readonly operand: Expression | null
  readonly whens: readonly { readonly when: Expression; readonly result: Expression }[]
  readonly otherwise: Expression | null
}

export interface Sublink {
  readonly kind: "sublink"
  readonly link: "exists" | "any" | "all" | "scalar" | "array"
  readonly operator: string | null
  readonly operand: Expression | null
  /** Ordinal of the block that is the subquery. */
  readonly block: number
}

export interface SortKey {
  readonly expression: Expression
  readonly descending: boolean
  /** Where NULLs come, the default of the direction filled in. */
  readonly nulls: "first" | "last"
  /** USING operator, where one was written. */
  readonly using: string | null
}

export interface WindowSpec {
  /** Name of the WINDOW clause entry that it refers to or extends. */
  readonly name: string | null
  readonly partition: readonly Expression[]
  readonly order: readonly SortKey[]
  /** PostgreSQL's frame option bits; 1058 is the default frame. */
  readonly frame: number
  readonly start: Expression | null
  readonly end: Expression | null
}

/** Longest IN list or array kept item by item; of longer ones the count is kept and the first items. */
export const maxListItems = 1000

/** The expressions directly inside one, in the order of the text. A subquery's block is not entered. */
export function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "cast":
    case "not":
    case "test":
    case "field":
    case "collate":
      return [expression.operand]
    case "call": {
      const { over } = expression
      return [
        ...expression.args,
        ...expression.order.map((key) => key.expression),
        ...present(expression.filter),
        ...(over === null
          ? []
          : [...over.partition, ...over.order.map((key) => key.expression), ...present(over.start), ...present(over.end)]),
      ]
    }
    case "operator":
      return expression.left === null ? [expression.right] : [expression.left, expression.right]
    case "and":
    case "or":
    case "choice":
    case "grouping":
    case "other":
      return expression.args
    case "in":
      return [expression.operand, ...expression.items]
    case "between":
      return [expression.operand, expression.low, expression.high]
    case "distinct":
    case "nullif":
      return [expression.left, expression.right]
    case "case":
      return [
        ...present(expression.operand),
        ...expression.whens.flatMap(({ when, result }) => [when, result]),
        ...present(expression.otherwise),
      ]
    case "array":
    case "row":
      return expression.items
    case "subscript":
      return [expression.operand, ...present(expression.lower), ...present(expression.upper)]
    case "sublink":
      return present(expression.operand)
    default:
      return []
  }
}

/** Calls `visit` for the expression and everything inside it, outermost first; `false` leaves out what is inside. */
export function walkExpression(expression: Expression, visit: (expression: Expression) => unknown): void {
  const pending: Expression[] = [expression]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (visit(next) === false) continue
    const children = childrenOf(next)
    for (let at = children.length - 1; at >= 0; at--) pending.push(children[at]!)
  }
}

/** A changed copy: `change` sees each expression after its children were changed. */
export function mapExpression(expression: Expression, change: (expression: Expression) => Expression): Expression {
  return change(mapChildren(expression, (inner) => mapExpression(inner, change)))
}

/** A copy in which the expressions directly inside are changed. A subquery's block is not entered. */
export function mapChildren(expression: Expression, change: (expression: Expression) => Expression): Expression {
  const sort = (key: SortKey): SortKey => ({ ...key, expression: change(key.expression) })
  const all = (list: readonly Expression[]): readonly Expression[] => list.map(change)
  const some = (inner: Expression | null): Expression | null => (inner === null ? null : change(inner))
  switch (expression.kind) {
    case "cast":
    case "not":
    case "test":
    case "field":
    case "collate":
      return { ...expression, operand: change(expression.operand) }
    case "call": {
      const over = expression.over
      return {
        ...expression,
        args: all(expression.args),
        filter: some(expression.filter),
        order: expression.order.map(sort),
        over: over && {
          ...over,
          partition: all(over.partition),
          order: over.order.map(sort),
          start: some(over.start),
          end: some(over.end),
        },
      }
    }
    case "operator":
      return { ...expression, left: some(expression.left), right: change(expression.right) }
    case "and":
    case "or":
    case "choice":
    case "grouping":
    case "other":
      return { ...expression, args: all(expression.args) }
    case "in":
      return { ...expression, operand: change(expression.operand), items: all(expression.items) }
    case "between":
      return { ...expression, operand: change(expression.operand), low: change(expression.low), high: change(expression.high) }
    case "distinct":
    case "nullif":
      return { ...expression, left: change(expression.left), right: change(expression.right) }
    case "case":
      return {
        ...expression,
        operand: some(expression.operand),
        whens: expression.whens.map(({ when, result }) => ({ when: change(when), result: change(result) })),
        otherwise: some(expression.otherwise),
      }
    case "array":
    case "row":
      return { ...expression, items: all(expression.items) }
    case "subscript":
      return { ...expression, operand: change(expression.operand), lower: some(expression.lower), upper: some(expression.upper) }
    case "sublink":
      return { ...expression, operand: some(expression.operand) }
    default:
      return expression
  }
}

/** The terms of a conjunction, nested ANDs opened; `[]` for null (no condition). */
export function conjunctsOf(expression: Expression | null): readonly Expression[] {
  if (expression === null) return []
  return expression.kind === "and" ? expression.args.flatMap(conjunctsOf) : [expression]
}

/** Column references in an expression, without those of subqueries inside it. */
export function columnsIn(expression: Expression): readonly ColumnReference[] {
  const found: ColumnReference[] = []
  walkExpression(expression, (inner) => {
    if (inner.kind === "column") found.push(inner)
  })
  return found
}

function present<T>(value: T | null): readonly T[] {
  return value === null ? [] : [value]
}
