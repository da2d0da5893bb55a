import { parseSqlSync } from "./parse.ts"
import { identityOf, isNode, nodesOf, soleStatement, type TreeNode, writeNode } from "./tree.ts"

/** Names of the places that are left open in a template; no column of a user's is called so. */
export const slotPrefix = "selecto:"

/** An aggregate call of a statement, as SQL texts. */
export interface AggregatePiece {
  /** The quoted name that stands for it in templates. */
  readonly slot: string
  readonly text: string
  readonly schema: string | null
  readonly name: string
  readonly args: readonly string[]
  readonly star: boolean
  readonly distinct: boolean
  readonly filter: string | null
  /** It has an ORDER BY, a WITHIN GROUP, VARIADIC or named arguments: more than its arguments decide its result. */
  readonly special: boolean
}

/** Tells an aggregate's name from a function's. */
export type IsAggregate = (schema: string | null, name: string) => boolean

export function slotNode(name: string): TreeNode {
  return { ColumnRef: { fields: [{ String: { sval: `${slotPrefix}${name}` } }] } }
}

export function slotText(name: string): string {
  return `"${slotPrefix}${name}"`
}

/** A text with its slots filled: each with what is given for it, in parentheses; null leaves it open. */
export function fillSlots(text: string, fill: (slot: string) => string | null): string {
  return text.replace(/"selecto:[a-z]+\d*"/g, (slot) => {
    const filling = fill(slot)
    return filling === null ? slot : `(${filling})`
  })
}

/** Names of a FuncCall: schema and name. */
export function functionName(call: TreeNode): { readonly schema: string | null; readonly name: string } {
  const parts = ((call.funcname as TreeNode[] | undefined) ?? []).map((part) =>
    isNode(part.String) ? String(part.String.sval) : "",
  )
  return { schema: parts.length > 1 ? parts.at(-2)! : null, name: parts.at(-1) ?? "" }
}

/**
 * Opens slots in the expressions of a grouped block: for each aggregate call, for each grouping key, and for each column that is
 * neither - which PostgreSQL allows only where the keys decide it.
 */
export class Slots {
  readonly aggregates: AggregatePiece[] = []
  /** SQL of the grouping keys in their order, then of the columns that depend on them. */
  readonly keys: string[] = []
  /** A subquery or a whole row stands outside of keys and aggregates. */
  beyond: string | null = null
  readonly #isAggregate: IsAggregate
  readonly #keyOf = new Map<string, number>()
  readonly #aggregateOf = new Map<string, string>()

  constructor(isAggregate: IsAggregate) {
    this.#isAggregate = isAggregate
  }

  /** The slot of a grouping key. */
  key(node: TreeNode): TreeNode {
    const identity = identityOf(node)
    let number = this.#keyOf.get(identity)
    if (number === undefined) {
      number = this.keys.length
      this.keys.push(writeNode(node))
      this.#keyOf.set(identity, number)
    }
    return slotNode(`k${number}`)
  }

  /** A copy of an expression with its slots open. */
  open(node: TreeNode): TreeNode {
    const known = this.#keyOf.get(identityOf(node))
    if (known !== undefined) return slotNode(`k${known}`)
    const [kind, body] = Object.entries(node)[0] as [string, unknown]
    if (kind === "FuncCall" && isNode(body) && body.over === undefined) {
      const { schema, name } = functionName(body)
      if (this.#isAggregate(schema, name) || isMarkedAggregate(body)) return this.#aggregate(node, body)
    }
    if (kind === "ColumnRef") {
      const fields = (body as TreeNode).fields as TreeNode[]
      if (fields.some((field) => field.A_Star !== undefined)) this.beyond ??= "a whole row is selected beside the groups"
      else if (!isSlot(node)) return this.key(node)
      return node
    }
    if (kind === "SubLink") this.beyond ??= "a subquery stands beside the aggregates"
    return mapChildren(node, (child) => this.open(child))
  }

  #aggregate(node: TreeNode, call: TreeNode): TreeNode {
    const identity = identityOf(node)
    let name = this.#aggregateOf.get(identity)
    if (name === undefined) {
      name = `a${this.aggregates.length}`
      this.#aggregateOf.set(identity, name)
      this.aggregates.push(readAggregate(node, call, slotText(name)))
    }
    return slotNode(name)
  }
}

/** FILTER, DISTINCT, ORDER BY or `*` in a call: only an aggregate has them. */
function isMarkedAggregate(call: TreeNode): boolean {
  return call.agg_filter !== undefined || call.agg_distinct === true || call.agg_order !== undefined || call.agg_star === true
}

function readAggregate(node: TreeNode, call: TreeNode, slot: string): AggregatePiece {
  const args = (call.args as TreeNode[] | undefined) ?? []
  return {
    slot,
    text: writeNode(node),
    ...functionName(call),
    args: args.map(writeNode),
    star: call.agg_star === true,
    distinct: call.agg_distinct === true,
    filter: isNode(call.agg_filter) ? writeNode(call.agg_filter) : null,
    special:
      call.agg_order !== undefined ||
      call.agg_within_group === true ||
      call.func_variadic === true ||
      args.some((arg) => arg.NamedArgExpr !== undefined),
  }
}

function isSlot(node: TreeNode): boolean {
  const [field] = (node.ColumnRef as { fields: TreeNode[] }).fields
  return isNode(field?.String) && String(field.String.sval).startsWith(slotPrefix)
}

/** A copy with each node below replaced by what `change` makes of it. */
export function mapChildren(node: TreeNode, change: (child: TreeNode) => TreeNode): TreeNode {
  const map = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(map)
    if (!isNode(value)) return value
    const kinds = Object.keys(value)
    // A node wears its kind: one key, in capitals. What wears none is a part of the node around it.
    const wrapped = kinds.length === 1 && /^[A-Z]/.test(kinds[0]!)
    return wrapped ? change(value) : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, map(inner)]))
  }
  return Object.fromEntries(
    Object.entries(node).map(([kind, body]) => [
      kind,
      isNode(body) ? Object.fromEntries(Object.entries(body).map(([key, inner]) => [key, map(inner)])) : map(body),
    ]),
  )
}

const clockCalls = new Set(["now", "transaction_timestamp", "statement_timestamp"])
/** What a keyword of the clock gives, in terms of the moment; $ is the place of its precision. */
const clockTypes: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_DATE: "date",
  SVFOP_CURRENT_TIME: "time$ with time zone",
  SVFOP_CURRENT_TIME_N: "time$ with time zone",
  SVFOP_CURRENT_TIMESTAMP: "timestamp$ with time zone",
  SVFOP_CURRENT_TIMESTAMP_N: "timestamp$ with time zone",
  SVFOP_LOCALTIME: "time$",
  SVFOP_LOCALTIME_N: "time$",
  SVFOP_LOCALTIMESTAMP: "timestamp$",
  SVFOP_LOCALTIMESTAMP_N: "timestamp$",
}

function expressionNode(text: string): TreeNode {
  const [, select] = soleStatement(parseSqlSync(`SELECT ${text}`))
  return ((select.targetList as TreeNode[])[0]!.ResTarget as TreeNode).val as TreeNode
}

/** A copy with a slot for the moment of the transaction wherever the statement asks for it. */
export function openClock(node: TreeNode): TreeNode {
  const [kind, body] = Object.entries(node)[0] as [string, unknown]
  if (kind === "FuncCall" && isNode(body)) {
    const { schema, name } = functionName(body)
    if (clockCalls.has(name) && (schema === null || schema === "pg_catalog") && body.args === undefined) return slotNode("now")
  }
  const type = kind === "SQLValueFunction" && isNode(body) ? clockTypes[String(body.op)] : undefined
  if (type !== undefined) {
    const { typmod } = body as TreeNode
    const precision = typeof typmod === "number" && typmod >= 0 ? `(${typmod})` : ""
    return expressionNode(`${slotText("now")}::${type.replace("$", precision)}`)
  }
  return mapChildren(node, openClock)
}

/** Whether a slot stands anywhere below. */
export function hasSlot(value: unknown, name: string): boolean {
  for (const node of nodesOf(value)) if (node.sval === `${slotPrefix}${name}`) return true
  return false
}
