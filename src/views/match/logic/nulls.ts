import type { Expression } from "../../../sql/index.ts"
import { constantOf, typeIds } from "../../../sql/typing/index.ts"
import { leavesOf, paddedLeaves, type Query } from "../query.ts"
import type { World } from "../world.ts"

/** Truth values that a condition can take. */
interface Truths {
  readonly true: boolean
  readonly false: boolean
  readonly null: boolean
}

const any: Truths = { true: true, false: true, null: true }
const onlyNull: Truths = { true: false, false: false, null: true }

/** True when the condition cannot be TRUE for a row in which all columns of these leaves are NULL: it drops such rows. */
export function rejectsNulls(condition: Expression, world: World, leaves: ReadonlySet<number>): boolean {
  return !truthsOf(condition, world, leaves).true
}

function truthsOf(expression: Expression, world: World, leaves: ReadonlySet<number>): Truths {
  const of = (inner: Expression): Truths => truthsOf(inner, world, leaves)
  switch (expression.kind) {
    case "constant":
      return { true: expression.value === "true", false: expression.value === "false", null: expression.type === "null" }
    case "and":
    case "or": {
      const parts = expression.args.map(of)
      const [all, some] = expression.kind === "and" ? (["true", "false"] as const) : (["false", "true"] as const)
      const everyMay = parts.every((part) => part[all])
      const someMay = parts.some((part) => part[some])
      const mayBeNull = parts.some((part) => part.null) && parts.every((part) => part[all] || part.null)
      return expression.kind === "and"
        ? { true: everyMay, false: someMay, null: mayBeNull }
        : { true: someMay, false: everyMay, null: mayBeNull }
    }
    case "not": {
      const inner = of(expression.operand)
      return { true: inner.false, false: inner.true, null: inner.null }
    }
    case "test": {
      if (expression.test === "null") {
        const known = isNullFor(expression.operand, world, leaves)
        return known ? { true: !expression.negated, false: expression.negated, null: false } : { ...any, null: false }
      }
      const inner = of(expression.operand)
      const matches = expression.test === "unknown" ? inner.null : inner[expression.test]
      const others = (["true", "false", "null"] as const).some(
        (name) => inner[name] && name !== (expression.test === "unknown" ? "null" : expression.test),
      )
      return expression.negated ? { true: others, false: matches, null: false } : { true: matches, false: others, null: false }
    }
    case "in":
      if (isNullFor(expression.operand, world, leaves)) return onlyNull
      return expression.negated && expression.items.some((item) => isNullFor(item, world, leaves)) ? { ...any, true: false } : any
    case "distinct": {
      const left = isNullFor(expression.left, world, leaves)
      const right = isNullFor(expression.right, world, leaves)
      const same = left && right
      return same ? { true: expression.negated, false: !expression.negated, null: false } : { ...any, null: false }
    }
    default:
      return isNullFor(expression, world, leaves) ? onlyNull : any
  }
}

/** True when the expression is NULL for certain where all columns of these leaves are NULL. */
export function isNullFor(expression: Expression, world: World, leaves: ReadonlySet<number>): boolean {
  const of = (inner: Expression): boolean => isNullFor(inner, world, leaves)
  switch (expression.kind) {
    case "column":
      return leaves.has(expression.relation!)
    case "constant":
      return expression.type === "null"
    case "cast":
    case "collate":
    case "field":
      return of(expression.operand)
    case "operator":
      if (expression.quantifier !== null)
        return of(expression.left!) && strict(() => world.typing.operatorOf(expression).chosen.strict)
      if (!strict(() => world.typing.operatorOf(expression).chosen.strict)) return false
      return of(expression.right) || (expression.left !== null && of(expression.left))
    case "call": {
      if (expression.over !== null || !strict(() => callIsStrict(expression, world))) return false
      return expression.args.some(of)
    }
    case "choice":
      return expression.args.every(of)
    case "nullif":
      return of(expression.left)
    case "case":
      return (
        expression.whens.every(({ when, result }) => of(result) || !truthsOf(when, world, leaves).true) &&
        (expression.otherwise === null || of(expression.otherwise))
      )
    case "and":
    case "or":
    case "not":
    case "in": {
      const truths = truthsOf(expression, world, leaves)
      return !truths.true && !truths.false
    }
    default:
      return false
  }
}

function callIsStrict(call: Extract<Expression, { kind: "call" }>, world: World): boolean {
  const { chosen } = world.typing.functionOf(call)
  return chosen.kind === "function" && chosen.strict
}

function strict(test: () => boolean): boolean {
  try {
    return test()
  } catch {
    return false
  }
}

/** Operators that give NULL only for a NULL operand, for the types that come with PostgreSQL. */
const total = new Set(["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "~~", "!~~", "~~*", "!~~*", "~", "!~"])

const comparisons: ReadonlySet<string> = new Set(["=", "<>", "<", "<=", ">", ">="])

/** False for types with functions of their own mind: array || NULL is the array, closed paths have no sum, JSON has a null of its own. */
function plainType(expression: Expression, world: World): boolean {
  const { info } = world.typing.typeOf(expression)
  return info.kind === "enum" || (info.kind === "base" && (!["A", "G", "U"].includes(info.category) || info.id === typeIds.uuid))
}

/** Functions that give NULL only for a NULL argument. */
const totalFunctions = new Set(
  (
    "abs ceil ceiling floor round trunc sign mod power sqrt lower upper initcap length char_length character_length octet_length btrim ltrim " +
    "rtrim left right replace reverse repeat lpad rpad strpos position md5 date_trunc date_bin timezone " +
    "chr ascii translate starts_with make_date"
  ).split(" "),
)

/** Fields that infinity has too: its month is NULL. */
const endlessFields: ReadonlySet<string> = new Set("epoch year isoyear decade century millennium julian".split(" "))

function isTotalCall(call: Extract<Expression, { kind: "call" }>, world: World): boolean {
  if (totalFunctions.has(call.name)) return true
  if (call.name !== "extract" && call.name !== "date_part") return false
  const field = call.args[0] === undefined ? null : constantOf(call.args[0], world.typing.catalog)
  return field?.text != null && endlessFields.has(field.text.toLowerCase())
}

/** True when the expression may be NULL for a row of the query whose padded leaves are these. */
export function mayBeNull(expression: Expression, world: World, padded: ReadonlySet<number>): boolean {
  const of = (inner: Expression): boolean => mayBeNull(inner, world, padded)
  switch (expression.kind) {
    case "column": {
      const leaf = world.leaf(expression.relation!)
      if (leaf === null || padded.has(leaf.id)) return true
      if (leaf.source.kind === "table") {
        const { table } = leaf.source
        // What a foreign table declares nobody enforces.
        return table.kind === "foreign table" || (table.columns.find(({ name }) => name === expression.name)?.nullable ?? true)
      }
      return leaf.source.kind !== "derived" || outputMayBeNull(leaf.source.query, expression.name, world)
    }
    case "constant":
      return expression.type === "null"
    case "cast":
      // From PostgreSQL 18 on the null of JSON is cast to NULL.
      return of(expression.operand) || (expression.operand.kind !== "constant" && !plainType(expression.operand, world))
    case "collate":
      return of(expression.operand)
    case "operator":
      if (expression.quantifier !== null || expression.schema !== null || !total.has(expression.name)) return true
      if (!comparisons.has(expression.name) && !plainType(expression.right, world)) return true
      return of(expression.right) || (expression.left !== null && of(expression.left))
    case "call":
      if (expression.over !== null) return !["row_number", "rank", "dense_rank", "ntile", "count"].includes(expression.name)
      if (expression.schema !== null) return true
      if (expression.name === "count") return false
      return !isTotalCall(expression, world) || expression.args.some(of)
    case "choice":
      return expression.args.every(of)
    case "and":
    case "or":
      return expression.args.some(of)
    case "not":
      return of(expression.operand)
    case "in":
      return of(expression.operand) || expression.items.some(of)
    case "case":
      return expression.otherwise === null || of(expression.otherwise) || expression.whens.some(({ result }) => of(result))
    case "test":
    case "distinct":
    case "grouping":
      return false
    case "value":
      return expression.name === "current_schema"
    case "sublink":
      return expression.link !== "exists" && expression.link !== "array"
    case "array":
      return false
    default:
      return true
  }
}

function outputMayBeNull(query: Query, name: string, world: World): boolean {
  const at = query.output.findIndex((output) => output.name === name)
  if (at < 0) return true
  if (query.kind === "set") return query.arms.some((arm) => outputMayBeNull(arm, arm.output[at]!.name, world))
  // A key is NULL in the subtotals of grouping sets.
  if (query.group?.sets != null)
    return query.output[at]!.expression.kind !== "call" || mayBeNull(query.output[at]!.expression, world, new Set())
  return mayBeNull(query.output[at]!.expression, world, paddedLeaves(query.core))
}

/** Ids of the leaves of a core as a set. */
export function leafIds(core: Parameters<typeof leavesOf>[0]): ReadonlySet<number> {
  return new Set(leavesOf(core).map((leaf) => leaf.id))
}

/** True for a type whose equality is sameness: of two equal values either may stand for the other. */
export function equalIsSame(typeId: number): boolean {
  return sameTypes.has(typeId)
}

const sameTypes: ReadonlySet<number> = new Set([
  typeIds.boolean,
  typeIds.smallint,
  typeIds.integer,
  typeIds.bigint,
  typeIds.text,
  typeIds.varchar,
  typeIds.name,
  typeIds.date,
  typeIds.time,
  typeIds.timestamp,
  typeIds.timestamptz,
  typeIds.uuid,
  typeIds.bytea,
])
