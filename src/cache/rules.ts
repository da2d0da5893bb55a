import { type Expression, expressionsOf, type StatementShape, walkExpression } from "../sql/index.ts"

/** Why the text alone forbids keeping its result; null where it does not. */
export function textRefusal(shape: StatementShape, values: readonly unknown[] = []): string | null {
  if (shape.kind !== "select") return "only a SELECT has a result to keep"
  if (shape.writes.length > 0) return "a part of the statement writes"
  if (shape.blocks.some((block) => block.locking.length > 0))
    return "FOR UPDATE and FOR SHARE lock rows, which no kept result does"
  if (shape.relations.some((relation) => relation.sampled)) return "TABLESAMPLE draws another sample each time"
  // A parameter may be cast to a moment by the place it stands in.
  if (values.some((value) => typeof value === "string" && clockWord.test(value)))
    return "a value such as 'now' or 'today' reads the clock where it is taken for a moment"
  let found: string | null = null
  for (const block of shape.blocks)
    for (const { expression } of expressionsOf(block, shape.relations))
      walkExpression(expression, (inner) => {
        found ??= expressionRefusal(inner)
        return found === null
      })
  return found
}

const clockWord = /^\s*(now|today|tomorrow|yesterday|allballs)\b/i

function expressionRefusal(expression: Expression): string | null {
  if (expression.kind === "value" && /^(current_(date|time|timestamp)|local(time|timestamp))/.test(expression.name))
    return "it reads the clock"
  if (expression.kind === "in" && expression.count > expression.items.length) return null
  if (expression.kind === "cast" && expression.operand.kind === "constant" && clockWord.test(expression.operand.value ?? ""))
    return /\b(date|time|timetz|timestamp|timestamptz)\b/.test(expression.type) ? "it reads the clock" : null
  if (expression.kind === "call" && expression.name === "age" && expression.args.length === 1)
    return "age() of one argument reads the clock"
  return null
}

/** A function that a statement or one of its views calls. */
export interface CalledFunction {
  readonly name: string
  readonly builtin: boolean
  /** Came with an extension. */
  readonly extension: boolean
  readonly volatility: "i" | "s" | "v"
}

/** PostgreSQL's own STABLE functions whose answer is the clock's, the session's, the catalog's or that of SQL in a string. */
const unsettled =
  /^(now|transaction_timestamp|statement_timestamp|timenow|current_setting|current_query|inet_(client|server)_.*|pg_.*|has_.*|row_security_active|txid_.*|(query|cursor|table|schema|database)_to_xml.*|(obj|col|shobj)_description|to_reg.*|format_type|lastval|currval|ts_(debug|parse|token_type|stat)|getpgusername|version|binary_upgrade_.*)$/
/** Of those that begin like them, these only compute. */
const harmless = new Set(["pg_column_size", "pg_size_pretty", "pg_size_bytes", "pg_typeof", "pg_input_is_valid"])

/** Why a function forbids it. `declared`: functions that only compute, by the caller's word. */
export function functionRefusal(functions: readonly CalledFunction[], declared: ReadonlySet<string>): string | null {
  for (const { name, builtin, extension, volatility } of functions) {
    if (declared.has(name)) continue
    if (volatility === "v") return `${name}() is VOLATILE`
    if (builtin) {
      if (unsettled.test(name) && !harmless.has(name)) return `${name}() tells of the session, the clock or the catalog`
    } else if (!(extension && volatility === "i"))
      return `${name}() is a function of this database, which may read anything: name it in \`functions\` if it only computes`
  }
  return null
}

const asGood = new Set(
  ["count", "sum", "avg", "min", "max", "coalesce", "lower", "upper", "length", "round", "abs", "array_agg", "string_agg"].concat(
    ["json_agg", "jsonb_agg", "json_build_object", "jsonb_build_object", "row_number", "rank", "dense_rank", "date_trunc", "now"],
    ["generate_series", "unnest", "to_char", "concat", "greatest", "least", "nullif", "extract", "bool_and", "bool_or"],
  ),
)

/** Whether a statement that is not cached may change what is: false only where that is plain from its text. */
export function mayWrite(shape: StatementShape): boolean {
  return shape.kind !== "select" || shape.writes.length > 0 || shape.functions.some(({ name }) => !asGood.has(name))
}
