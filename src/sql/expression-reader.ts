import type { Node } from "libpg-query"
import { deparseSqlSync } from "./deparse.ts"
import { type Expression, type FunctionCall, maxListItems, type Parameter, type SortKey, type WindowSpec } from "./expression.ts"
import { quoteIdentifier } from "./identifier.ts"
import { findQualifier, type Scope } from "./scope.ts"
import type { QueryBlock } from "./shape.ts"

/** What reading an expression needs from its surroundings. */
export interface ReadContext {
  readonly scope: Scope
  /** Reads a subquery as a block of its own and returns its number. */
  readonly subquery: (node: Node, role: QueryBlock["role"], scope: Scope) => number
  /** Told of every function and parameter, kept or not. */
  readonly note: (expression: FunctionCall | Parameter, cast: string | null) => void
}

type Of<K extends string> = Extract<Node, Record<K, unknown>> extends Record<K, infer T> ? T : never

/** Strings of a list of String nodes, such as a qualified name. */
export function namesOf(list: readonly Node[] | undefined): string[] {
  return (list ?? []).flatMap((node) => ("String" in node ? [node.String.sval ?? ""] : []))
}

/** An expression of the parse tree as data. */
export function readExpression(node: Node, context: ReadContext): Expression {
  const read = (inner: Node): Expression => readExpression(inner, context)
  const all = (list: readonly Node[] | undefined): Expression[] => (list ?? []).map(read)
  const some = (inner: Node | undefined): Expression | null => (inner === undefined ? null : read(inner))
  if ("ColumnRef" in node) return columnReference(node.ColumnRef.fields ?? [], context)
  if ("A_Const" in node) return constant(node.A_Const)
  if ("ParamRef" in node) {
    const parameter: Parameter = { kind: "parameter", number: node.ParamRef.number ?? 0 }
    context.note(parameter, null)
    return parameter
  }
  if ("TypeCast" in node) {
    const { arg, typeName } = node.TypeCast
    const type = typeText(typeName!)
    const operand = read(arg!)
    if (operand.kind === "parameter") context.note(operand, type)
    return { kind: "cast", type, operand }
  }
  if ("BoolExpr" in node) {
    const { boolop, args } = node.BoolExpr
    if (boolop === "NOT_EXPR") return negate(read(args![0]!))
    return { kind: boolop === "AND_EXPR" ? "and" : "or", args: flatten(boolop === "AND_EXPR" ? "and" : "or", all(args)) }
  }
  if ("A_Expr" in node) return operator(node.A_Expr, context)
  if ("FuncCall" in node) return call(node.FuncCall, context)
  if ("NullTest" in node) {
    return {
      kind: "test",
      test: "null",
      negated: node.NullTest.nulltesttype === "IS_NOT_NULL",
      operand: read(node.NullTest.arg!),
    }
  }
  if ("BooleanTest" in node) {
    const words = (node.BooleanTest.booltesttype ?? "IS_TRUE").split("_")
    return {
      kind: "test",
      test: words.at(-1)!.toLowerCase() as "true",
      negated: words.includes("NOT"),
      operand: read(node.BooleanTest.arg!),
    }
  }
  if ("SubLink" in node) return sublink(node.SubLink, context)
  if ("CaseExpr" in node) {
    const whens = (node.CaseExpr.args ?? []).flatMap((when) =>
      "CaseWhen" in when ? [{ when: read(when.CaseWhen.expr!), result: read(when.CaseWhen.result!) }] : [],
    )
    return { kind: "case", operand: some(node.CaseExpr.arg), whens, otherwise: some(node.CaseExpr.defresult) }
  }
  if ("CoalesceExpr" in node) return { kind: "choice", name: "coalesce", args: all(node.CoalesceExpr.args) }
  if ("MinMaxExpr" in node) {
    return { kind: "choice", name: node.MinMaxExpr.op === "IS_LEAST" ? "least" : "greatest", args: all(node.MinMaxExpr.args) }
  }
  if ("A_ArrayExpr" in node) return { kind: "array", items: all(longList(node.A_ArrayExpr.elements, context)) }
  if ("RowExpr" in node) return { kind: "row", items: all(node.RowExpr.args) }
  if ("A_Indirection" in node) return indirection(read(node.A_Indirection.arg!), node.A_Indirection.indirection ?? [], context)
  if ("CollateClause" in node)
    return { kind: "collate", collation: namesOf(node.CollateClause.collname), operand: read(node.CollateClause.arg!) }
  if ("SQLValueFunction" in node) {
    const name = (node.SQLValueFunction.op ?? "")
      .replace(/^SVFOP_/, "")
      .replace(/_N$/, "")
      .toLowerCase()
    const typmod = node.SQLValueFunction.typmod ?? -1
    return { kind: "value", name: typmod >= 0 ? `${name}(${typmod})` : name }
  }
  if ("GroupingFunc" in node) return { kind: "grouping", args: all(node.GroupingFunc.args) }
  if ("SetToDefault" in node) return { kind: "default" }
  if ("NamedArgExpr" in node) return read(node.NamedArgExpr.arg!)
  return other(node, context)
}

/** What is not kept of a long list is read all the same, for the functions, parameters and subqueries in it. */
function readRest(items: readonly Node[], context: ReadContext): void {
  for (let at = maxListItems; at < items.length; at++) if (!("A_Const" in items[at]!)) readExpression(items[at]!, context)
}

function longList(items: readonly Node[] | undefined, context: ReadContext): readonly Node[] | undefined {
  if (items !== undefined) readRest(items, context)
  return items?.slice(0, maxListItems)
}

/** XML, JSON constructors and whatever a later grammar adds: the text, and the expressions found inside. */
function other(node: Node, context: ReadContext): Expression {
  const args: Expression[] = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const entry of value) visit(entry)
    else if (value !== null && typeof value === "object") {
      for (const [key, inner] of Object.entries(value)) {
        if (["ColumnRef", "FuncCall", "A_Expr", "SubLink", "ParamRef", "TypeCast", "BoolExpr"].includes(key))
          args.push(readExpression(value as Node, context))
        else visit(inner)
      }
    }
  }
  const name = Object.keys(node)[0] ?? "?"
  visit((node as Record<string, unknown>)[name])
  return { kind: "other", node: name, text: deparseSqlSync(node), args }
}

function columnReference(fields: readonly Node[], context: ReadContext): Expression {
  const block = context.scope.block
  const parts = namesOf(fields)
  const star = fields.some((field) => "A_Star" in field)
  if (star) {
    const relation = parts.length === 0 ? null : findQualifier(context.scope, parts.at(-2) ?? null, parts.at(-1)!)
    return { kind: "star", relation: relation?.ordinal ?? null, block }
  }
  if (parts.length === 1) {
    const name = parts[0]!
    return { kind: "column", relation: soleRelation(context.scope), name, qualifier: null, block }
  }
  const relation = findQualifier(context.scope, parts.at(-3) ?? null, parts.at(-2)!)
  if (relation === null && parts.length === 2) {
    // composite.field without parentheses is not SQL: an unknown qualifier stays as written.
    return { kind: "column", relation: null, name: parts[1]!, qualifier: parts[0]!, block }
  }
  return { kind: "column", relation: relation?.ordinal ?? null, name: parts.at(-1)!, qualifier: parts.at(-2)!, block }
}

/** The relation of a bare column, when there is but one that it can belong to. */
function soleRelation(scope: Scope): number | null {
  let sole: number | null = null
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    for (const relation of at.relations) {
      if (sole !== null && sole !== relation.ordinal) return null
      sole = relation.ordinal
    }
  }
  return sole
}

function constant(node: Of<"A_Const">): Expression {
  if (node.isnull) return { kind: "constant", type: "null", value: null }
  if (node.ival !== undefined) return { kind: "constant", type: "integer", value: String(node.ival.ival ?? 0) }
  if (node.fval !== undefined) return { kind: "constant", type: "decimal", value: node.fval.fval ?? "0" }
  if (node.boolval !== undefined) return { kind: "constant", type: "boolean", value: String(node.boolval.boolval ?? false) }
  if (node.bsval !== undefined) return { kind: "constant", type: "bits", value: node.bsval.bsval ?? "" }
  return { kind: "constant", type: "string", value: node.sval?.sval ?? "" }
}

function operator(node: Of<"A_Expr">, context: ReadContext): Expression {
  const names = namesOf(node.name)
  const name = names.at(-1) ?? "="
  const schema = names.length > 1 ? names.at(-2)! : null
  const read = (inner: Node): Expression => readExpression(inner, context)
  const right = node.rexpr!
  switch (node.kind) {
    case "AEXPR_IN": {
      const items = "List" in right ? (right.List.items ?? []) : [right]
      readRest(items, context)
      return {
        kind: "in",
        operand: read(node.lexpr!),
        items: items.slice(0, maxListItems).map(read),
        count: items.length,
        negated: name === "<>",
      }
    }
    case "AEXPR_BETWEEN":
    case "AEXPR_NOT_BETWEEN":
    case "AEXPR_BETWEEN_SYM":
    case "AEXPR_NOT_BETWEEN_SYM": {
      const [low, high] = "List" in right ? (right.List.items ?? []) : []
      const symmetric = node.kind.endsWith("_SYM")
      return {
        kind: "between",
        operand: read(node.lexpr!),
        low: read(low!),
        high: read(high!),
        symmetric,
        negated: node.kind.includes("NOT"),
      }
    }
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT":
      return { kind: "distinct", left: read(node.lexpr!), right: read(right), negated: node.kind === "AEXPR_NOT_DISTINCT" }
    case "AEXPR_NULLIF":
      return { kind: "nullif", left: read(node.lexpr!), right: read(right) }
    default: {
      const quantifier = node.kind === "AEXPR_OP_ANY" ? "any" : node.kind === "AEXPR_OP_ALL" ? "all" : null
      return {
        kind: "operator",
        schema,
        name,
        left: node.lexpr === undefined ? null : read(node.lexpr),
        right: read(right),
        quantifier,
      }
    }
  }
}

function call(node: Of<"FuncCall">, context: ReadContext): Expression {
  const names = namesOf(node.funcname)
  const args = node.args ?? []
  const made: FunctionCall = {
    kind: "call",
    schema: names.length > 1 ? names.at(-2)! : null,
    name: names.at(-1) ?? "",
    args: args.map((arg) => readExpression(arg, context)),
    argNames: args.map((arg) => ("NamedArgExpr" in arg ? (arg.NamedArgExpr.name ?? null) : null)),
    star: node.agg_star ?? false,
    distinct: node.agg_distinct ?? false,
    variadic: node.func_variadic ?? false,
    filter: node.agg_filter === undefined ? null : readExpression(node.agg_filter, context),
    order: readSort(node.agg_order, context),
    withinGroup: node.agg_within_group ?? false,
    over: node.over === undefined ? null : readWindow(node.over, context),
  }
  context.note(made, null)
  return made
}

/** A window definition, of OVER or of the WINDOW clause. */
export function readWindow(node: Of<"WindowDef">, context: ReadContext): WindowSpec {
  return {
    name: node.refname ?? node.name ?? null,
    partition: (node.partitionClause ?? []).map((part) => readExpression(part, context)),
    order: readSort(node.orderClause, context),
    frame: node.frameOptions ?? 1058,
    start: node.startOffset === undefined ? null : readExpression(node.startOffset, context),
    end: node.endOffset === undefined ? null : readExpression(node.endOffset, context),
  }
}

/** The keys of an ORDER BY. */
export function readSort(list: readonly Node[] | undefined, context: ReadContext): SortKey[] {
  return (list ?? []).flatMap((node) => {
    if (!("SortBy" in node)) return []
    const using = node.SortBy.sortby_dir === "SORTBY_USING" ? (namesOf(node.SortBy.useOp).at(-1) ?? null) : null
    const descending = node.SortBy.sortby_dir === "SORTBY_DESC" || using === ">"
    const nulls = node.SortBy.sortby_nulls
    return [
      {
        expression: readExpression(node.SortBy.node!, context),
        descending,
        nulls:
          nulls === "SORTBY_NULLS_FIRST" || (nulls !== "SORTBY_NULLS_LAST" && descending)
            ? ("first" as const)
            : ("last" as const),
        using: using === "<" || using === ">" ? null : using,
      },
    ]
  })
}

const sublinks = {
  EXISTS_SUBLINK: "exists",
  ANY_SUBLINK: "any",
  ALL_SUBLINK: "all",
  ARRAY_SUBLINK: "array",
} as const

function sublink(node: Of<"SubLink">, context: ReadContext): Expression {
  const link = sublinks[node.subLinkType as keyof typeof sublinks] ?? "scalar"
  const operand = node.testexpr === undefined ? null : readExpression(node.testexpr, context)
  const name = namesOf(node.operName).at(-1) ?? null
  return {
    kind: "sublink",
    link,
    operator: link === "any" || link === "all" ? (name ?? "=") : null,
    operand,
    block: context.subquery(node.subselect!, link, context.scope),
  }
}

function indirection(base: Expression, steps: readonly Node[], context: ReadContext): Expression {
  let result = base
  for (const step of steps) {
    if ("String" in step) result = { kind: "field", operand: result, name: step.String.sval ?? "" }
    else if ("A_Indices" in step) {
      const { lidx, uidx, is_slice: slice } = step.A_Indices
      const lower = lidx === undefined ? null : readExpression(lidx, context)
      result = {
        kind: "subscript",
        operand: result,
        lower,
        upper: uidx === undefined ? null : readExpression(uidx, context),
        slice: slice ?? false,
      }
    }
  }
  return result
}

/** NOT pushed into what has a negated form of its own, so that `NOT a IN (…)` and `a NOT IN (…)` read the same. */
function negate(expression: Expression): Expression {
  switch (expression.kind) {
    case "not":
      return expression.operand
    case "in":
    case "between":
    case "distinct":
    case "test":
      return { ...expression, negated: !expression.negated }
    default:
      return { kind: "not", operand: expression }
  }
}

function flatten(kind: "and" | "or", args: readonly Expression[]): Expression[] {
  return args.flatMap((arg) => (arg.kind === kind ? arg.args : [arg]))
}

/** Type names that the grammar turns into pg_catalog ones, in the words people write. */
const typeWords: Readonly<Record<string, string>> = {
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  float4: "real",
  float8: "double precision",
  bool: "boolean",
  varchar: "character varying",
  timestamptz: "timestamp with time zone",
  timestamp: "timestamp without time zone",
  timetz: "time with time zone",
  time: "time without time zone",
}

/** A type as SQL. */
export function typeText(type: Of<"TypeName">): string {
  const names = namesOf(type.names)
  const name = names.at(-1) ?? ""
  const array = "[]".repeat(type.arrayBounds?.length ?? 0)
  const system = names.length === 2 && names[0] === "pg_catalog"
  if ((type.typmods?.length ?? 0) > 0 || type.setof || type.pct_type) {
    return deparseSqlSync({ TypeName: type } as Node)
  }
  if (system && name !== "bpchar") return `${typeWords[name] ?? quoteIdentifier(name)}${array}`
  if (system) return `${quoteIdentifier("pg_catalog")}.bpchar${array}`
  return `${names.length === 1 && typeWords[name] !== undefined ? typeWords[name] : names.map(quoteIdentifier).join(".")}${array}`
}
