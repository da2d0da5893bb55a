import type { Session, Statement } from "../../database/database.ts"

/** A node of EXPLAIN's JSON, as far as the advisor reads it. */
export interface ExplainNode {
  readonly "Node Type": string
  readonly "Total Cost": number
  readonly "Plan Rows": number
  readonly "Relation Name"?: string
  readonly Schema?: string
  readonly "Index Name"?: string
  readonly "Index Cond"?: string
  readonly Filter?: string
  readonly Plans?: readonly ExplainNode[]
}

/** The root of a plan, however EXPLAIN's JSON was wrapped by the driver. */
export function rootOf(plan: unknown): ExplainNode | null {
  let value: unknown = plan
  if (typeof value === "string") value = JSON.parse(value)
  if (Array.isArray(value)) value = value[0]
  if (value !== null && typeof value === "object" && "QUERY PLAN" in value)
    return rootOf((value as Record<string, unknown>)["QUERY PLAN"])
  if (value !== null && typeof value === "object" && "Plan" in value) return (value as { Plan: ExplainNode }).Plan
  return null
}

/** All nodes of a plan, outermost first. */
export function nodesOf(root: ExplainNode | null): ExplainNode[] {
  return root === null ? [] : [root, ...(root.Plans ?? []).flatMap(nodesOf)]
}

/**
 * EXPLAIN (FORMAT JSON) of a statement: with its values where they are given, else the generic plan, by GENERIC_PLAN from 16 and by a
 * prepared statement before. Inside the caller's transaction.
 */
export async function explainJson(
  session: Session,
  statement: { text: string; values?: readonly unknown[] | undefined },
  facts: { readonly parameters: number; readonly serverVersion: number },
  timeoutMs: number,
): Promise<unknown> {
  const run = async (text: string, values: readonly unknown[] = []): Promise<unknown> => {
    const own: Statement = { text: `${text} /* selecto:indexes */`, values }
    const { rows } = await session.queryText(own, { timeoutMs })
    return JSON.parse(rows.map((row) => row[0] ?? "").join("\n"))
  }
  if (facts.parameters === 0 || (statement.values?.length ?? 0) >= facts.parameters) {
    return run(`EXPLAIN (FORMAT JSON, VERBOSE) ${statement.text}`, statement.values ?? [])
  }
  if (facts.serverVersion >= 160000 && statement.values === undefined) {
    return run(`EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) ${statement.text}`)
  }
  await session.query({ text: "SET LOCAL plan_cache_mode = force_generic_plan /* selecto:indexes */", values: [] }, { timeoutMs })
  await session.query({ text: `PREPARE selecto_whatif AS ${statement.text}`, values: [] }, { timeoutMs })
  try {
    const nulls = Array.from({ length: facts.parameters }, () => "NULL").join(", ")
    return await run(`EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE selecto_whatif(${nulls})`)
  } finally {
    await session.query({ text: "DEALLOCATE selecto_whatif /* selecto:indexes */", values: [] }, { timeoutMs }).catch(() => {})
  }
}
