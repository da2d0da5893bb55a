import { columnsIn, type Expression, walkExpression } from "./expression.ts"
import { bareColumns, expressionText } from "./expression-text.ts"
import type { ComparedValue, Comparison, ConditionNode, QueryBlock, ShapeRelation, Subject } from "./shape.ts"

/** The blocks and relations of the statement that a condition belongs to. */
export interface ConditionContext {
  readonly relations: readonly ShapeRelation[]
  readonly blocks: readonly QueryBlock[]
}

/** `a op b` is `b commutators[op] a`. */
const commutators: Readonly<Record<string, string>> = {
  "=": "=",
  "<>": "<>",
  "<": ">",
  ">": "<",
  "<=": ">=",
  ">=": "<=",
  "@>": "<@",
  "<@": "@>",
  "&&": "&&",
  "-|-": "-|-",
  "<<": ">>",
  ">>": "<<",
  "<<=": ">>=",
  ">>=": "<<=",
  "<<|": "|>>",
  "|>>": "<<|",
  "@@": "@@",
  "%": "%",
  "<%": "%>",
  "%>": "<%",
  "<<%": "%>>",
  "%>>": "<<%",
  "~=": "~=",
  "<->": "<->",
}

const negators: Readonly<Record<string, string>> = {
  "=": "<>",
  "<>": "=",
  "<": ">=",
  ">": "<=",
  "<=": ">",
  ">=": "<",
  "~~": "!~~",
  "!~~": "~~",
  "~~*": "!~~*",
  "!~~*": "~~*",
  "~": "!~",
  "!~": "~",
  "~*": "!~*",
  "!~*": "~*",
  in: "not in",
  "not in": "in",
  "is null": "is not null",
  "is not null": "is null",
  true: "false",
  false: "true",
  "is true": "is not true",
  "is not true": "is true",
  "is false": "is not false",
  "is not false": "is false",
}

/** The operator for exchanged operands; null where there is none. */
export function commutatorOf(operator: string): string | null {
  return commutators[operator] ?? null
}

/** Ordinals of all relations that an expression reads, those its subqueries refer to in outer blocks included. */
export function relationsIn(expression: Expression, context: ConditionContext): readonly number[] {
  const found = new Set<number>()
  walkExpression(expression, (inner) => {
    if ((inner.kind === "column" || inner.kind === "star") && inner.relation !== null) found.add(inner.relation)
    else if (inner.kind === "sublink") for (const relation of context.blocks[inner.block]?.correlated ?? []) found.add(relation)
  })
  return [...found]
}

/** The expression as something an index of one relation could hold; null when it reads none, several, or more than columns. */
export function subjectOf(expression: Expression): Subject | null {
  let relation: number | null = null
  let possible = true
  const columns = new Set<string>()
  walkExpression(expression, (inner) => {
    if (inner.kind === "column") {
      if (inner.relation === null || (relation !== null && relation !== inner.relation)) possible = false
      relation = inner.relation
      columns.add(inner.name)
    } else if (
      inner.kind === "star" ||
      inner.kind === "sublink" ||
      inner.kind === "parameter" ||
      (inner.kind === "call" && inner.over !== null)
    )
      possible = false
    return possible
  })
  if (!possible || relation === null) return null
  return {
    relation,
    column: expression.kind === "column" ? expression.name : null,
    text: expressionText(expression, bareColumns),
    columns: [...columns],
    expression,
  }
}

/** A boolean expression as a tree of comparisons. */
export function readCondition(expression: Expression, context: ConditionContext): ConditionNode {
  switch (expression.kind) {
    case "and":
    case "or":
      return {
        kind: expression.kind,
        args: expression.args.flatMap((arg) => flattenInto(expression.kind as "and", readCondition(arg, context))),
      }
    case "not":
      return negate(readCondition(expression.operand, context), expression, context)
    case "operator":
      if (expression.left === null) break
      return expression.quantifier === null
        ? compare(expression.name, expression.left, expression.right, expression, context)
        : quantified(expression, context)
    case "in":
      return listMembership(expression, context)
    case "between": {
      if (expression.symmetric) break
      const { operand, low, high, negated } = expression
      const bounds = [
        compare(negated ? "<" : ">=", operand, low, expression, context),
        compare(negated ? ">" : "<=", operand, high, expression, context),
      ]
      return { kind: negated ? "or" : "and", args: bounds }
    }
    case "test": {
      const subject = subjectOf(expression.operand)
      if (subject === null) break
      return unary(`is ${expression.negated ? "not " : ""}${expression.test}`, subject)
    }
    case "distinct": {
      const { left, right, negated } = expression
      const isNull = right.kind === "constant" && right.type === "null"
      if (isNull && subjectOf(left) !== null) return unary(negated ? "is null" : "is not null", subjectOf(left)!)
      return compare(negated ? "is not distinct" : "is distinct", left, right, expression, context)
    }
    case "sublink":
      if (expression.link === "any" && expression.operand !== null) {
        const operator = expression.operator === "=" ? "in" : `${expression.operator} any`
        return compare(operator, expression.operand, { ...expression, operand: null }, expression, context)
      }
      break
    case "call":
      if (expression.name === "starts_with" && expression.args.length === 2)
        return compare("^@", expression.args[0]!, expression.args[1]!, expression, context)
      break
    case "column": {
      const subject = subjectOf(expression)
      if (subject !== null) return unary("true", subject)
    }
  }
  return opaque(expression, context)
}

function unary(operator: string, subject: Subject): Comparison {
  return {
    kind: "comparison",
    operator,
    subject,
    row: [],
    value: { kind: "none", count: 0, relations: [], expression: null },
    mirror: null,
  }
}

function opaque(expression: Expression, context: ConditionContext): ConditionNode {
  return { kind: "opaque", expression, relations: relationsIn(expression, context) }
}

function flattenInto(kind: "and" | "or", node: ConditionNode): readonly ConditionNode[] {
  return node.kind === kind ? node.args : [node]
}

function compare(
  operator: string,
  left: Expression,
  right: Expression,
  whole: Expression,
  context: ConditionContext,
): ConditionNode {
  if (left.kind === "row" && left.items.length > 0) return rowComparison(operator, left.items, right, whole, context)
  const truth = operator === "=" && right.kind === "constant" && right.type === "boolean" ? right.value : null
  const leftSubject = subjectOf(left)
  if (truth !== null && leftSubject !== null) return unary(truth === "true" ? "true" : "false", leftSubject)
  const rightSubject = subjectOf(right)
  if (leftSubject !== null && readable(right, leftSubject.relation, context)) {
    return {
      kind: "comparison",
      operator,
      subject: leftSubject,
      row: [],
      value: comparedValue(right, context),
      mirror: rightSubject,
    }
  }
  const turned = commutators[operator]
  if (rightSubject !== null && turned !== undefined && readable(left, rightSubject.relation, context)) {
    return {
      kind: "comparison",
      operator: turned,
      subject: rightSubject,
      row: [],
      value: comparedValue(left, context),
      mirror: null,
    }
  }
  return opaque(whole, context)
}

/** `(a, b) < (1, 2)`; `(a, b) = (1, 2)` is two comparisons. */
function rowComparison(
  operator: string,
  items: readonly Expression[],
  right: Expression,
  whole: Expression,
  context: ConditionContext,
): ConditionNode {
  if (operator === "=" && right.kind === "row" && right.items.length === items.length) {
    return { kind: "and", args: items.map((item, at) => compare("=", item, right.items[at]!, whole, context)) }
  }
  const subjects = items.map(subjectOf)
  const first = subjects[0]
  if (!first || subjects.some((subject) => subject?.relation !== first.relation) || !readable(right, first.relation, context))
    return opaque(whole, context)
  return {
    kind: "comparison",
    operator,
    subject: first,
    row: subjects.slice(1) as Subject[],
    value: comparedValue(right, context),
    mirror: null,
  }
}

function quantified(expression: Extract<Expression, { kind: "operator" }>, context: ConditionContext): ConditionNode {
  const { name, left, right, quantifier } = expression
  const subject = subjectOf(left!)
  const word =
    quantifier === "any" && name === "=" ? "in" : quantifier === "all" && name === "<>" ? "not in" : `${name} ${quantifier}`
  if (subject !== null && readable(right, subject.relation, context)) {
    return { kind: "comparison", operator: word, subject, row: [], value: comparedValue(right, context), mirror: null }
  }
  const array = subjectOf(right)
  if (array !== null && readable(left!, array.relation, context)) {
    // The value is looked for in a column's array: no operator of an index does that.
    return {
      kind: "comparison",
      operator: `value ${name} ${quantifier}`,
      subject: array,
      row: [],
      value: comparedValue(left!, context),
      mirror: null,
    }
  }
  return opaque(expression, context)
}

function listMembership(expression: Extract<Expression, { kind: "in" }>, context: ConditionContext): ConditionNode {
  const { operand, items, count, negated } = expression
  const operator = negated ? "not in" : "in"
  const relations = [...new Set(items.flatMap((item) => relationsIn(item, context)))]
  const value: ComparedValue = { kind: "list", count, relations, expression }
  const subject = subjectOf(operand)
  if (
    subject !== null &&
    !relations.includes(subject.relation) &&
    items.every((item) => readable(item, subject.relation, context))
  ) {
    return { kind: "comparison", operator, subject, row: [], value, mirror: null }
  }
  if (operand.kind === "row") {
    const subjects = operand.items.map(subjectOf)
    const first = subjects[0]
    if (first && subjects.every((other) => other?.relation === first.relation) && !relations.includes(first.relation)) {
      return { kind: "comparison", operator, subject: first, row: subjects.slice(1) as Subject[], value, mirror: null }
    }
  }
  return opaque(expression, context)
}

/** True when the expression can be known before a row of `relation` is read: no column of it, none unplaced. */
function readable(expression: Expression, relation: number, context: ConditionContext): boolean {
  if (relationsIn(expression, context).includes(relation)) return false
  return columnsIn(expression).every((column) => column.relation !== null)
}

function comparedValue(expression: Expression, context: ConditionContext): ComparedValue {
  const count = expression.kind === "array" || expression.kind === "in" ? expression.items.length : 1
  return { kind: valueKind(expression), count, relations: relationsIn(expression, context), expression }
}

function valueKind(expression: Expression): ComparedValue["kind"] {
  switch (expression.kind) {
    case "constant":
      return "constant"
    case "parameter":
      return "parameter"
    case "column":
      return "column"
    case "cast":
    case "collate":
      return valueKind(expression.operand)
    case "sublink":
      return "subquery"
    case "array":
    case "row":
      return expression.items.every((item) => valueKind(item) === "constant")
        ? expression.kind === "array"
          ? "list"
          : "constant"
        : "expression"
    default:
      return "expression"
  }
}

/** De Morgan, and negated operators; both hold in three-valued logic. */
function negate(node: ConditionNode, whole: Expression, context: ConditionContext): ConditionNode {
  if (node.kind === "and" || node.kind === "or") {
    const kind = node.kind === "and" ? "or" : "and"
    return { kind, args: node.args.map((arg) => negate(arg, whole, context)) }
  }
  if (node.kind === "opaque") return opaque({ kind: "not", operand: node.expression }, context)
  const operator = node.row.length === 0 ? negators[node.operator] : undefined
  if (operator !== undefined) return { ...node, operator }
  return opaque(whole, context)
}
