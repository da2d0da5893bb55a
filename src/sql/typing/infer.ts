import type { ColumnReference, Expression, FunctionCall, Operator, SortKey, Sublink } from "../expression.ts"
import { coerce, commonType, isUnknown, type Typed, UnknownTypeError } from "./coerce.ts"
import { constantOf } from "./constant.ts"
import { type Picked, pickFunction, pickOperator } from "./overload.ts"
import { type FunctionInfo, type OperatorInfo, type TypeCatalog, type TypeInfo, typeIds } from "./type-catalog.ts"
import { parseTypeName, type TypeRef } from "./type-name.ts"

/** Where the names in an expression come from. */
export interface TypingScope {
  readonly catalog: TypeCatalog
  readonly columnType: (column: ColumnReference) => TypeRef | null
  /** Type of a subquery's only column. */
  readonly subqueryType: (block: number) => TypeRef | null
  /** Told which type a parameter is used with; false when it was used with another one before. */
  readonly parameter: (number: number, type: TypeRef) => boolean
}

/** Finds the types of expressions, and writes out the conversions that PostgreSQL makes by itself. */
export interface Typing {
  readonly catalog: TypeCatalog
  /** The expression with every implicit cast written out; throws UnknownTypeError where that is not known. Idempotent. */
  infer(expression: Expression): Typed
  typeOf(expression: Expression): TypeRef
  /** As infer, brought to a type. */
  inferAs(expression: Expression, type: TypeRef): Expression
  functionOf(call: FunctionCall): Picked<FunctionInfo>
  operatorOf(operator: Operator): Picked<OperatorInfo>
}

export function typing(scope: TypingScope): Typing {
  const { catalog } = scope
  const known = new WeakMap<Expression, Typed>()
  const typeNamed = (name: string): TypeRef => {
    const info = catalog.typeByName("pg_catalog", name)
    if (info === null) throw new UnknownTypeError(`the type ${name} is not known`)
    return { info, modifier: null }
  }
  const plain = (info: TypeInfo): TypeRef => ({ info, modifier: null })
  const boolean = typeNamed("bool")
  const unknown = plain(catalog.typeById(typeIds.unknown)!)

  const infer = (expression: Expression): Typed => {
    const before = known.get(expression)
    if (before !== undefined) return before
    const typed = find(expression)
    known.set(expression, typed)
    known.set(typed.expression, typed)
    return typed
  }
  const to = (typed: Typed, type: TypeRef): Expression => {
    const noted = isUnknown(typed) && typed.expression.kind === "parameter"
    if (noted && !scope.parameter((typed.expression as { number: number }).number, type))
      throw new UnknownTypeError("a parameter is used with two types")
    return coerce(typed, type, catalog).expression
  }
  const truth = (expression: Expression): Expression => to(infer(expression), boolean)
  const sorted = (keys: readonly SortKey[]): SortKey[] =>
    keys.map((key) => ({ ...key, expression: settled(infer(key.expression)).expression }))
  /** A literal that nothing gave a type to is text. */
  const settled = (typed: Typed): Typed =>
    isUnknown(typed) ? { expression: to(typed, typeNamed("text")), type: typeNamed("text") } : typed

  const compare = (name: string, left: Typed, right: Typed, schema: string | null = null): Expression => {
    if (left.expression.kind === "row" && right.expression.kind === "row")
      return compareRows(name, left.expression.items, right.expression.items)
    return operate(
      { kind: "operator", schema, name, left: left.expression, right: right.expression, quantifier: null },
      left,
      right,
    ).expression
  }
  const operate = (node: Operator, left: Typed | null, right: Typed): Typed => {
    const picked = pickOperator(catalog, node.schema, node.name, left?.type.info ?? null, right.type.info)
    if (picked === null) throw new UnknownTypeError(`the operator ${node.name} is not known for its operands`)
    const { chosen, args, result } = picked
    return {
      expression: {
        ...node,
        schema: chosen.schema === "pg_catalog" ? null : chosen.schema,
        left: left === null ? null : to(left, plain(args[0]!)),
        right: to(right, plain(args.at(-1)!)),
      },
      type: plain(result),
    }
  }
  /** Row comparisons as comparisons of their parts; the same in three-valued logic. */
  const compareRows = (name: string, left: readonly Expression[], right: readonly Expression[]): Expression => {
    if (left.length !== right.length || left.length === 0) throw new UnknownTypeError("two rows of different length are compared")
    const pair = (operator: string, at: number): Expression => compare(operator, infer(left[at]!), infer(right[at]!))
    if (name === "=" || name === "<>") return { kind: name === "=" ? "and" : "or", args: left.map((_item, at) => pair(name, at)) }
    const strict = name === "<" || name === "<=" ? "<" : name === ">" || name === ">=" ? ">" : null
    if (strict === null) throw new UnknownTypeError(`rows are compared by ${name}`)
    const from = (at: number): Expression => {
      if (at === left.length - 1) return pair(name, at)
      return { kind: "or", args: [pair(strict, at), { kind: "and", args: [pair("=", at), from(at + 1)] }] }
    }
    return from(0)
  }
  const quantified = (node: Operator): Typed => {
    const left = infer(node.left!)
    let right = infer(node.right)
    if (isUnknown(right)) {
      const element = settled(left).type.info
      const array = element.array === null ? null : catalog.typeById(element.array)
      if (array === null) throw new UnknownTypeError(`there are no arrays of ${element.text}`)
      right = { expression: to(right, plain(array)), type: plain(array) }
    }
    const element = right.type.info.element === null ? null : catalog.typeById(right.type.info.element)
    const picked = element === null ? null : pickOperator(catalog, node.schema, node.name, left.type.info, element)
    const array = picked?.args[1]?.array ?? null
    if (picked === null || array === null) throw new UnknownTypeError(`${node.name} ANY is not known for its operands`)
    return {
      expression: {
        ...node,
        schema: picked.chosen.schema === "pg_catalog" ? null : picked.chosen.schema,
        left: to(left, plain(picked.args[0]!)),
        right: to(right, plain(catalog.typeById(array)!)),
      },
      type: boolean,
    }
  }
  const membership = (node: Extract<Expression, { kind: "in" }>): Typed => {
    if (node.count > node.items.length) throw new UnknownTypeError("a list is longer than what is read of it")
    const operand = infer(node.operand)
    const items = node.items.map(infer)
    if (operand.expression.kind === "row") {
      const rows = items.map((item) => compare(node.negated ? "<>" : "=", operand, item))
      return { expression: { kind: node.negated ? "and" : "or", args: rows }, type: boolean }
    }
    const common = commonType([operand.type, ...items.map((item) => item.type)], catalog)
    const picked = pickOperator(
      catalog,
      null,
      "=",
      operand.type.info.id === typeIds.unknown ? common.info : operand.type.info,
      common.info,
    )
    if (picked === null) throw new UnknownTypeError(`${common.info.text} has no equality`)
    const wanted = plain(picked.args[1]!)
    const listed = items.map((item) => to({ expression: to(item, plain(common.info)), type: plain(common.info) }, wanted))
    return { expression: { ...node, operand: to(operand, plain(picked.args[0]!)), items: listed }, type: boolean }
  }
  const choose = (alternatives: readonly Expression[]): { readonly args: Expression[]; readonly type: TypeRef } => {
    const typed = alternatives.map(infer)
    const type = commonType(
      typed.map((one) => one.type),
      catalog,
    )
    return { args: typed.map((one) => to(one, type)), type }
  }
  const call = (node: FunctionCall): Typed => {
    if (node.argNames.some((name) => name !== null)) throw new UnknownTypeError(`${node.name} is called with named arguments`)
    const args = node.args.map(infer)
    const order = sorted(node.order)
    const inputs = [
      ...args.map((arg) => arg.type.info),
      ...(node.withinGroup ? order.map((key) => infer(key.expression).type.info) : []),
    ]
    const picked = pickFunction(catalog, node.schema, node.name, inputs, node.variadic)
    if (picked === null) throw new UnknownTypeError(`the function ${node.name} is not known for its arguments`)
    const made: FunctionCall = {
      ...node,
      schema: picked.chosen.schema === "pg_catalog" ? null : picked.chosen.schema,
      args: args.map((arg, at) => to(arg, plain(picked.args[at]!))),
      order,
      filter: node.filter === null ? null : truth(node.filter),
      over: node.over && {
        ...node.over,
        partition: node.over.partition.map((part) => settled(infer(part)).expression),
        order: sorted(node.over.order),
        start: node.over.start === null ? null : settled(infer(node.over.start)).expression,
        end: node.over.end === null ? null : settled(infer(node.over.end)).expression,
      },
    }
    return { expression: made, type: plain(picked.result) }
  }
  const sublink = (node: Sublink): Typed => {
    if (node.link === "exists") return { expression: node, type: boolean }
    const type = scope.subqueryType(node.block)
    if (node.link === "any" || node.link === "all") {
      const operand = infer(node.operand!)
      if (operand.expression.kind === "row") return { expression: { ...node, operand: operand.expression }, type: boolean }
      return {
        expression: { ...node, operand: isUnknown(operand) && type !== null ? to(operand, type) : operand.expression },
        type: boolean,
      }
    }
    if (type === null) throw new UnknownTypeError("the type of a subquery is not known")
    if (node.link === "scalar") return { expression: node, type }
    const array = type.info.array === null ? null : catalog.typeById(type.info.array)
    if (array === null) throw new UnknownTypeError(`there are no arrays of ${type.info.text}`)
    return { expression: node, type: plain(array) }
  }
  const array = (node: Extract<Expression, { kind: "array" | "row" }>): Typed => {
    if (node.kind === "row")
      return { expression: { ...node, items: node.items.map((item) => infer(item).expression) }, type: typeNamed("record") }
    if (node.items.length === 0) return { expression: node, type: unknown }
    const { args, type } = choose(node.items)
    const made = type.info.array === null ? (type.info.category === "A" ? type.info : null) : catalog.typeById(type.info.array)
    if (made === null) throw new UnknownTypeError(`there are no arrays of ${type.info.text}`)
    return { expression: { ...node, items: args }, type: plain(made) }
  }

  const find = (expression: Expression): Typed => {
    switch (expression.kind) {
      case "column": {
        const type = expression.relation === null ? null : scope.columnType(expression)
        if (type === null) throw new UnknownTypeError(`the column ${expression.name} is not known`)
        return { expression, type }
      }
      case "constant": {
        const constant = constantOf(expression, catalog)
        return { expression, type: constant?.type ?? (expression.type === "bits" ? typeNamed("bit") : unknown) }
      }
      case "parameter":
        return { expression, type: unknown }
      case "cast": {
        const type = parseTypeName(expression.type, catalog)
        if (type === null) throw new UnknownTypeError(`the type ${expression.type} is not known`)
        const operand = infer(expression.operand)
        return { expression: to(operand, type), type }
      }
      case "call":
        return call(expression)
      case "operator":
        if (expression.quantifier !== null) return quantified(expression)
        if (expression.left === null) return operate(expression, null, infer(expression.right))
        {
          const left = infer(expression.left)
          const right = infer(expression.right)
          if (left.expression.kind === "row" && right.expression.kind === "row")
            return { expression: compareRows(expression.name, left.expression.items, right.expression.items), type: boolean }
          return operate(expression, left, right)
        }
      case "and":
      case "or":
        return { expression: { ...expression, args: expression.args.map(truth) }, type: boolean }
      case "not":
        return { expression: { ...expression, operand: truth(expression.operand) }, type: boolean }
      case "test": {
        const operand = expression.test === "null" ? settled(infer(expression.operand)).expression : truth(expression.operand)
        return { expression: { ...expression, operand }, type: boolean }
      }
      case "in":
        return membership(expression)
      case "between": {
        const { operand, low, high, symmetric, negated } = expression
        const within = (from: Expression, to: Expression): Expression => ({
          kind: negated ? "or" : "and",
          args: [
            compare(negated ? "<" : ">=", infer(operand), infer(from)),
            compare(negated ? ">" : "<=", infer(operand), infer(to)),
          ],
        })
        if (!symmetric) return { expression: within(low, high), type: boolean }
        return { expression: { kind: negated ? "and" : "or", args: [within(low, high), within(high, low)] }, type: boolean }
      }
      case "distinct": {
        const equal = compare("=", infer(expression.left), infer(expression.right))
        if (equal.kind !== "operator") throw new UnknownTypeError("rows are compared by IS DISTINCT FROM")
        return { expression: { ...expression, left: equal.left!, right: equal.right }, type: boolean }
      }
      case "nullif": {
        const equal = compare("=", infer(expression.left), infer(expression.right))
        if (equal.kind !== "operator") throw new UnknownTypeError("rows are compared by NULLIF")
        return { expression: { ...expression, left: equal.left!, right: equal.right }, type: infer(equal.left!).type }
      }
      case "case": {
        const { operand, whens, otherwise } = expression
        const conditions = whens.map(({ when }) => (operand === null ? truth(when) : compare("=", infer(operand), infer(when))))
        const { args, type } = choose([...whens.map(({ result }) => result), ...(otherwise === null ? [] : [otherwise])])
        return {
          expression: {
            kind: "case",
            operand: null,
            whens: conditions.map((when, at) => ({ when, result: args[at]! })),
            otherwise: otherwise === null ? null : args.at(-1)!,
          },
          type,
        }
      }
      case "choice": {
        const { args, type } = choose(expression.args)
        return { expression: { ...expression, args }, type }
      }
      case "array":
      case "row":
        return array(expression)
      case "subscript": {
        const operand = infer(expression.operand)
        const index = (part: Expression | null): Expression | null => (part === null ? null : settled(infer(part)).expression)
        const element = operand.type.info.element === null ? null : catalog.typeById(operand.type.info.element)
        if (operand.type.info.category !== "A" || element === null)
          throw new UnknownTypeError("a value that is no array is subscripted")
        return {
          expression: {
            ...expression,
            operand: operand.expression,
            lower: index(expression.lower),
            upper: index(expression.upper),
          },
          type: expression.slice ? operand.type : plain(element),
        }
      }
      case "collate": {
        const operand = settled(infer(expression.operand))
        return { expression: { ...expression, operand: operand.expression }, type: operand.type }
      }
      case "sublink":
        return sublink(expression)
      case "value":
        return { expression, type: typeNamed(valueTypes[expression.name.replace(/\(.*/, "")] ?? "name") }
      case "grouping":
        return {
          expression: { ...expression, args: expression.args.map((arg) => infer(arg).expression) },
          type: typeNamed("int4"),
        }
      default:
        throw new UnknownTypeError(`the type of ${expression.kind === "other" ? expression.node : expression.kind} is not known`)
    }
  }
  const functionOf = (node: FunctionCall): Picked<FunctionInfo> => {
    const order = node.withinGroup ? node.order.map((key) => infer(key.expression).type.info) : []
    const picked = pickFunction(
      catalog,
      node.schema,
      node.name,
      [...node.args.map((arg) => infer(arg).type.info), ...order],
      node.variadic,
    )
    if (picked === null) throw new UnknownTypeError(`the function ${node.name} is not known for its arguments`)
    return picked
  }
  const operatorOf = (node: Operator): Picked<OperatorInfo> => {
    const right = infer(node.right).type.info
    const element = node.quantifier === null ? right : catalog.typeById(right.element ?? 0)
    const picked =
      element === null
        ? null
        : pickOperator(catalog, node.schema, node.name, node.left === null ? null : infer(node.left).type.info, element)
    if (picked === null) throw new UnknownTypeError(`the operator ${node.name} is not known for its operands`)
    return picked
  }
  return {
    catalog,
    infer: (expression) => settled(infer(expression)),
    // Asking is no use: a parameter without its cast stays unknown.
    typeOf: (expression) => (expression.kind === "parameter" ? unknown : settled(infer(expression)).type),
    inferAs: (expression, type) => to(infer(expression), type),
    functionOf,
    operatorOf,
  }
}

const valueTypes: Readonly<Record<string, string>> = {
  current_date: "date",
  current_time: "timetz",
  current_timestamp: "timestamptz",
  localtime: "time",
  localtimestamp: "timestamp",
}
