import {
  type Expression,
  expressionsOf,
  type FunctionCall,
  type QueryBlock,
  type StatementShape,
  walkExpression,
} from "../sql/index.ts"
import type { AskedName, FunctionFacts, SplitCatalog } from "./catalog.ts"
import type { Settled } from "./option.ts"

/** Why the text alone forbids splitting; null where it does not. */
export function textRefusal(shape: StatementShape): string | null {
  const [block] = shape.blocks
  if (shape.kind !== "select" || block === undefined) return "only a SELECT can be split"
  if (shape.writes.length > 0) return "a part of the statement writes"
  if (block.kind !== "select") return "set operations and lists of values are not split"
  if (shape.blocks.some((one) => one.locking.length > 0))
    return "FOR UPDATE and FOR SHARE lock rows for the transaction that reads them, and the parts' transactions end with them"
  if (shape.relations.some((relation) => relation.sampled)) return "TABLESAMPLE would draw another sample in every part"
  if (block.withTies) return "FETCH … WITH TIES needs all rows in one place"
  if (block.from.length === 0) return "the statement reads no table"
  for (const one of shape.blocks) {
    const reason = one.ordinal === 0 ? null : unsettled(one, shape)
    if (reason !== null) return `${reason} in a subquery, which every part would evaluate for itself`
  }
  return forEachExpression(shape, (expression) => {
    if (expression.kind === "in" && expression.count > expression.items.length)
      return "a list of more than 1,000 items stands in the text: pass it as an array, = any($1)"
    return readsClockOtherwise(expression)
  })
}

/**
 * What a subquery leaves open, so that two evaluations may differ. One that belongs to a row of the outermost FROM is evaluated for
 * that row alone, in the one part that has it.
 */
function unsettled(block: QueryBlock, shape: StatementShape): string | null {
  for (let at: QueryBlock | undefined = block; at !== undefined && at.ordinal !== 0; at = shape.blocks[at.parent ?? 0])
    if (at.correlated.some((relation) => shape.relations[relation]!.block === 0)) return null
  if (block.role === "exists") return null
  if (block.limit !== null || block.offset !== null) return "LIMIT"
  if (Array.isArray(block.distinct)) return "DISTINCT ON"
  if (block.windowCalls.length > 0) return "a window function"
  const collecting = block.aggregates.find(
    (call) => call.kind === "call" && collects.test(call.name) && call.order.length === 0 && !call.withinGroup,
  )
  return collecting === undefined ? null : `${(collecting as FunctionCall).name}() without ORDER BY`
}

/** Aggregates whose result depends on the order of their input. */
const collects: RegExp = /^(array_agg|string_agg|xmlagg|any_value|json_?b?_(object_)?agg.*|range_agg)$/

/** Expressions that read the clock in a way that no moment can be bound to. */
function readsClockOtherwise(expression: Expression): string | null {
  if (expression.kind === "call" && expression.name === "age" && expression.args.length === 1)
    return "age() of one argument reads the clock: write age(current_date, …)"
  if (
    expression.kind === "cast" &&
    /\b(date|time|timetz|timestamp|timestamptz)\b/.test(expression.type) &&
    expression.operand.kind === "constant" &&
    /^\s*(now|today|tomorrow|yesterday|allballs)\b/i.test(expression.operand.value ?? "")
  )
    return "a constant such as 'now' or 'today' reads the clock: write current_date"
  return null
}

function forEachExpression(shape: StatementShape, test: (expression: Expression) => string | null): string | null {
  let found: string | null = null
  for (const block of shape.blocks)
    for (const { expression } of expressionsOf(block, shape.relations))
      walkExpression(expression, (inner) => {
        found ??= test(inner)
        return found === null
      })
  return found
}

/** Functions and operators that a statement names. */
export function namesUsed(shape: StatementShape): { readonly functions: AskedName[]; readonly operators: string[] } {
  const operators = new Set<string>()
  forEachExpression(shape, (expression) => {
    if (expression.kind === "operator") operators.add(expression.name)
    return null
  })
  return { functions: [...shape.functions], operators: [...operators] }
}

const clock = new Set(["now", "transaction_timestamp", "statement_timestamp"])

/** What a text besides the statement's own - a view's, a policy's - must not do, since nothing can be bound in it. */
export function hiddenTextRefusal(shape: StatementShape, what: string): string | null {
  const reason =
    shape.blocks.map((block) => (block.kind === "select" ? unsettled(block, shape) : null)).find((one) => one !== null) ?? null
  if (reason !== null) return `${what} holds ${reason}, which every part would evaluate for itself`
  if (shape.functions.some(({ name }) => clock.has(name))) return `${what} reads the clock, and every part has another moment`
  return forEachExpression(shape, (expression) => {
    if (expression.kind === "value" && /^(current_(date|time|timestamp)|local(time|timestamp))/.test(expression.name))
      return `${what} reads the clock, and every part has another moment`
    const clockReason = readsClockOtherwise(expression)
    return clockReason === null ? null : `in ${what}, ${clockReason}`
  })
}

/** Settings with a dot in their names that a text reads by name; null where the name is computed. */
export function settingsRead(shape: StatementShape): readonly (string | null)[] {
  const names = new Set<string | null>()
  forEachExpression(shape, (expression) => {
    if (expression.kind !== "call" || expression.name !== "current_setting") return null
    const [first] = expression.args
    const name = nameOf(first)
    if (name === null || name.includes(".")) names.add(name)
    return null
  })
  return [...names]
}

function nameOf(expression: Expression | undefined): string | null {
  if (expression?.kind === "cast") return nameOf(expression.operand)
  return expression?.kind === "constant" && expression.type === "string" ? (expression.value ?? "").toLowerCase() : null
}

/** Why the functions, operators and tables of a statement forbid splitting it. */
export function catalogRefusal(
  catalog: SplitCatalog,
  asked: readonly AskedName[],
  names: readonly AskedName[],
  options: Settled,
): string | null {
  for (const { schema, name } of names) {
    if (options.safeFunctions.has(name)) continue
    const candidates = catalog.functions.filter((one) => one.name === name && (schema === null || one.schema === schema))
    if (candidates.length === 0) return `the function ${name}() is not known`
    const bad = candidates.find((one) => one.volatile || !one.parallelSafe)
    if (bad !== undefined) return `${labelOf(bad)}: name it in \`safeFunctions\` if it only computes`
  }
  if (catalog.unsafeOperator !== null)
    return `the operator or cast ${catalog.unsafeOperator} of this database is volatile or not PARALLEL SAFE`
  if (catalog.citus) return "Citus is installed: it divides statements itself, and its shards have snapshots of their own"
  for (const [index, relation] of catalog.relations.entries()) {
    const name = asked[index]!.name
    if (relation === null) return `the table ${name} is not known`
    if (relation.temporary) return `${name} is a temporary table, which other sessions do not see`
    if (relation.kind === "f") return `${name} is a foreign table, which is not in the snapshot`
    if (relation.schema === "pg_catalog" || relation.schema === "information_schema") return `${name} is a system catalog`
    if (!relation.readable)
      return `this role may read some columns of ${name} only, and so cannot keep it from being changed meanwhile`
  }
  return null
}

function labelOf(facts: FunctionFacts): string {
  return `${facts.name}() is ${facts.volatile ? "VOLATILE" : "not PARALLEL SAFE"} by its label`
}
