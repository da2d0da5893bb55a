import { quoteLiteral } from "../../sql/identifier.ts"

/** A plan as EXPLAIN (FORMAT JSON) gives it; only what is read here. */
export interface PlanJson {
  readonly Plan: PlanJsonNode
}

export interface PlanJsonNode {
  readonly "Node Type": string
  readonly "Total Cost": number
  readonly "Plan Rows"?: number
  readonly "Plan Width"?: number
  readonly "Index Name"?: string
  readonly "Index Cond"?: string
  readonly "Parent Relationship"?: string
  readonly "Parallel Aware"?: boolean
  readonly Plans?: readonly PlanJsonNode[]
}

/** Every node, parents first. */
export function nodesOf(node: PlanJsonNode): PlanJsonNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

/** Names of the indexes that a plan reads. */
export function namesOf(plan: PlanJson): Set<string> {
  return new Set(nodesOf(plan.Plan).flatMap((node) => node["Index Name"] ?? []))
}

/** Index scans with a condition: whether it names the leading column is for the caller to see. */
export function isLeadingUnconstrained(plan: PlanJson): { readonly index: string; readonly condition: string }[] {
  return nodesOf(plan.Plan).flatMap((node) =>
    node["Index Name"] !== undefined && node["Index Cond"] !== undefined
      ? [{ index: node["Index Name"], condition: node["Index Cond"] }]
      : [],
  )
}

const name = "selecto_plan"

/**
 * What to send: a statement before (or null), the EXPLAIN, a statement after (or null). With values the plan is the one for those
 * values; without them `$n` gives the generic plan, on any version of production.
 */
export function explainText(statement: {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
}): readonly [string | null, string, string | null] {
  const text = statement.text.replace(/[\s;]+$/, "")
  const values = statement.values ?? []
  if (values.length === 0) return [null, `explain (format json, generic_plan) ${text}`, null]
  return [
    `set plan_cache_mode = force_custom_plan; prepare ${name} as ${text}`,
    `explain (format json) execute ${name}(${values.map(literalOf).join(", ")})`,
    `deallocate ${name}; set plan_cache_mode = auto`,
  ]
}

/** A value as an untyped literal: PostgreSQL reads it as whatever type the statement gives the parameter. */
function literalOf(value: unknown): string {
  const text = textOf(value)
  return text === null ? "null" : quoteLiteral(text)
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  if (Array.isArray(value)) return `{${value.map(elementOf).join(",")}}`
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

function elementOf(value: unknown): string {
  if (Array.isArray(value)) return textOf(value) ?? ""
  const text = textOf(value)
  return text === null ? "NULL" : `"${text.replace(/[\\"]/g, "\\$&")}"`
}
