import type { ColumnReference, Expression, FunctionCall, SortKey, WindowSpec } from "./expression.ts"
import { quoteIdentifier, quoteLiteral, quoteQualified } from "./identifier.ts"

/** How the parts of an expression that depend on their surroundings are written. */
export interface TextContext {
  /** A column reference, such as `o.total`. */
  readonly column: (column: ColumnReference) => string
  /** The text of a subquery's block, without parentheses. */
  readonly block?: ((block: number) => string) | undefined
  /** `t.*`; default `*`. */
  readonly star?: ((relation: number | null) => string) | undefined
}

/** Columns written bare: the form of index keys and partial predicates. */
export const bareColumns: TextContext = { column: (column) => quoteIdentifier(column.name) }

/**
 * SQL of an expression, every nested operator in parentheses, so that it can be put anywhere. Two expressions that differ only
 * in spelling (white space, `<>` or `!=`, redundant parentheses) give the same text.
 *
 * @example expressionText(e, bareColumns)  // lower(email) = 'a@b.c'
 */
export function expressionText(expression: Expression, context: TextContext = bareColumns): string {
  return write(expression, context, false)
}

function write(expression: Expression, context: TextContext, nested: boolean): string {
  const inner = (part: Expression): string => write(part, context, true)
  const plain = (part: Expression): string => write(part, context, false)
  const list = (parts: readonly Expression[]): string => parts.map(plain).join(", ")
  const wrap = (text: string): string => (nested ? `(${text})` : text)
  switch (expression.kind) {
    case "column":
      return context.column(expression)
    case "star":
      return context.star?.(expression.relation) ?? "*"
    case "constant":
      if (expression.value === null) return "NULL"
      if (expression.type === "string") return quoteLiteral(expression.value)
      if (expression.type === "bits") return `${expression.value[0]}${quoteLiteral(expression.value.slice(1))}`
      return nested && expression.value.startsWith("-") ? `(${expression.value})` : expression.value
    case "parameter":
      return `$${expression.number}`
    case "cast":
      return `${inner(expression.operand)}::${expression.type}`
    case "call":
      return call(expression, context)
    case "operator": {
      const name =
        expression.schema === null ? expression.name : `OPERATOR(${quoteIdentifier(expression.schema)}.${expression.name})`
      if (expression.left === null) return wrap(`${name} ${inner(expression.right)}`)
      const right =
        expression.quantifier === null
          ? inner(expression.right)
          : `${expression.quantifier.toUpperCase()} (${plain(expression.right)})`
      return wrap(`${inner(expression.left)} ${name} ${right}`)
    }
    case "and":
    case "or":
      if (expression.args.length === 0) return expression.kind === "and" ? "true" : "false"
      return wrap(expression.args.map(inner).join(` ${expression.kind.toUpperCase()} `))
    case "not":
      return wrap(`NOT ${inner(expression.operand)}`)
    case "test":
      return wrap(`${inner(expression.operand)} IS ${expression.negated ? "NOT " : ""}${expression.test.toUpperCase()}`)
    case "in":
      return wrap(
        `${inner(expression.operand)} ${expression.negated ? "NOT IN" : "IN"} (${list(expression.items)}${expression.count > expression.items.length ? ", …" : ""})`,
      )
    case "between": {
      const words = `${expression.negated ? "NOT " : ""}BETWEEN${expression.symmetric ? " SYMMETRIC" : ""}`
      return wrap(`${inner(expression.operand)} ${words} ${inner(expression.low)} AND ${inner(expression.high)}`)
    }
    case "distinct":
      return wrap(`${inner(expression.left)} IS ${expression.negated ? "NOT " : ""}DISTINCT FROM ${inner(expression.right)}`)
    case "nullif":
      return `NULLIF(${plain(expression.left)}, ${plain(expression.right)})`
    case "case": {
      const whens = expression.whens.map(({ when, result }) => ` WHEN ${plain(when)} THEN ${plain(result)}`).join("")
      const operand = expression.operand === null ? "" : ` ${inner(expression.operand)}`
      return `CASE${operand}${whens}${expression.otherwise === null ? "" : ` ELSE ${plain(expression.otherwise)}`} END`
    }
    case "choice":
      return `${expression.name.toUpperCase()}(${list(expression.args)})`
    case "array":
      return `ARRAY[${list(expression.items)}]`
    case "row":
      return `ROW(${list(expression.items)})`
    case "field":
      return `(${plain(expression.operand)}).${quoteIdentifier(expression.name)}`
    case "subscript": {
      const { lower, upper, slice } = expression
      const index = slice ? `${lower === null ? "" : plain(lower)}:${upper === null ? "" : plain(upper)}` : plain(upper!)
      return `${expression.operand.kind === "column" ? inner(expression.operand) : `(${plain(expression.operand)})`}[${index}]`
    }
    case "collate":
      return wrap(`${inner(expression.operand)} COLLATE ${quoteQualified(...expression.collation)}`)
    case "sublink": {
      const block = `(${context.block?.(expression.block) ?? `SELECT /* block ${expression.block} */`})`
      if (expression.link === "exists") return `EXISTS ${block}`
      if (expression.link === "array") return `ARRAY${block}`
      if (expression.link === "scalar" || expression.operand === null) return block
      const operator = expression.operator ?? "="
      const word = expression.link === "any" && operator === "=" ? "IN" : `${operator} ${expression.link.toUpperCase()}`
      return wrap(`${inner(expression.operand)} ${word} ${block}`)
    }
    case "value":
      return expression.name
    case "grouping":
      return `GROUPING(${list(expression.args)})`
    case "default":
      return "DEFAULT"
    case "other":
      return expression.text
  }
}

function call(expression: FunctionCall, context: TextContext): string {
  const name = quoteQualified(expression.schema, expression.name)
  const args = expression.star
    ? "*"
    : expression.args
        .map((arg, at) => {
          const named = expression.argNames[at] ? `${quoteIdentifier(expression.argNames[at])} => ` : ""
          return `${expression.variadic && at === expression.args.length - 1 ? "VARIADIC " : ""}${named}${write(arg, context, false)}`
        })
        .join(", ")
  const order = expression.order.length === 0 ? "" : `ORDER BY ${sortText(expression.order, context)}`
  const inside = `${expression.distinct ? "DISTINCT " : ""}${args}${order !== "" && !expression.withinGroup ? ` ${order}` : ""}`
  const within = order !== "" && expression.withinGroup ? ` WITHIN GROUP (${order})` : ""
  const filter = expression.filter === null ? "" : ` FILTER (WHERE ${write(expression.filter, context, false)})`
  return `${name}(${inside})${within}${filter}${expression.over === null ? "" : ` OVER ${windowText(expression.over, context)}`}`
}

/** The keys of an ORDER BY, with DESC and NULLS only where they differ from the default. */
export function sortText(keys: readonly SortKey[], context: TextContext = bareColumns): string {
  return keys
    .map((key) => {
      const direction = key.using === null ? (key.descending ? " DESC" : "") : ` USING ${key.using}`
      const nulls = (key.nulls === "first") === key.descending ? "" : ` NULLS ${key.nulls.toUpperCase()}`
      return `${write(key.expression, context, false)}${direction}${nulls}`
    })
    .join(", ")
}

const frameUnits = [
  [0x02, "RANGE"],
  [0x04, "ROWS"],
  [0x08, "GROUPS"],
] as const

/** A window as it stands after OVER. */
export function windowText(window: WindowSpec, context: TextContext = bareColumns): string {
  const bare = window.partition.length === 0 && window.order.length === 0 && (window.frame & 1) === 0
  if (window.name !== null && bare) return quoteIdentifier(window.name)
  const parts: string[] = []
  if (window.name !== null) parts.push(quoteIdentifier(window.name))
  if (window.partition.length > 0)
    parts.push(`PARTITION BY ${window.partition.map((part) => write(part, context, false)).join(", ")}`)
  if (window.order.length > 0) parts.push(`ORDER BY ${sortText(window.order, context)}`)
  if ((window.frame & 1) !== 0) parts.push(frameText(window, context))
  return `(${parts.join(" ")})`
}

/** FRAMEOPTION_* bits of PostgreSQL's parsenodes.h. */
function frameText(window: WindowSpec, context: TextContext): string {
  const { frame } = window
  const unit = frameUnits.find(([bit]) => (frame & bit) !== 0)?.[1] ?? "RANGE"
  const bound = (end: boolean): string => {
    const at = (start: number): boolean => (frame & (end ? start << 1 : start)) !== 0
    const offset = end ? window.end : window.start
    if (at(0x20)) return "UNBOUNDED PRECEDING"
    if (at(0x80)) return "UNBOUNDED FOLLOWING"
    if (at(0x200)) return "CURRENT ROW"
    const amount = offset === null ? "0" : write(offset, context, true)
    return `${amount} ${at(0x800) ? "PRECEDING" : "FOLLOWING"}`
  }
  const exclude =
    (frame & 0x8000) !== 0
      ? " EXCLUDE CURRENT ROW"
      : (frame & 0x10000) !== 0
        ? " EXCLUDE GROUP"
        : (frame & 0x20000) !== 0
          ? " EXCLUDE TIES"
          : ""
  return (frame & 0x10) !== 0
    ? `${unit} BETWEEN ${bound(false)} AND ${bound(true)}${exclude}`
    : `${unit} ${bound(false)}${exclude}`
}
