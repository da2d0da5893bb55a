import type { Database } from "../../database/database.ts"
import type { Plan } from "../../explain/index.ts"
import { planNodes } from "../../explain/index.ts"
import { loadShapes, statementShapeSync } from "../../sql/index.ts"

/** True for one SELECT that writes nothing, by its text; what cannot be read is not taken for one. */
export async function readsOnly(text: string): Promise<boolean> {
  await loadShapes()
  try {
    const { kind, writes } = statementShapeSync(text)
    return kind === "select" && writes.length === 0
  } catch {
    return false
  }
}

const volatileSql = `select exists (select from pg_catalog.pg_proc p where p.provolatile = 'v' and p.proname = any($1)) /* selecto:monitor */`

/**
 * True when running the statement again does nothing but read. A function that is not said to be stable may do anything, READ ONLY or not;
 * the plan names those of views too.
 */
export async function mayRunAgain(database: Database, plan: Plan, timeoutMs: number): Promise<boolean> {
  const names = new Set<string>()
  for (const node of planNodes(plan.root)) {
    if (node.type === "LockRows" || node.type === "ModifyTable") return false
    for (const match of JSON.stringify(node.raw).matchAll(/([\w$]+)\\?"?\s*\(/g)) names.add(match[1]!.toLowerCase())
    const called = node.raw["Function Name"]
    if (typeof called === "string") names.add(called)
  }
  if (names.size === 0) return true
  const { rows } = await database.queryText({ text: volatileSql, values: [[...names]] }, { timeoutMs })
  return rows[0]?.[0] === "f" || rows[0]?.[0] === "false"
}
