import type { Catalog, Relation } from "../database/catalog.ts"
import type { Database, Session } from "../database/database.ts"
import { readCatalog } from "../database/read-catalog.ts"
import { type Plan, planNodes } from "./plan.ts"

/** Reads what the server knows of the tables in a plan, for `analyzeQueryPlan(plan, { catalog })`. */
export async function catalogOfPlan(
  source: Database | Session,
  plan: Plan,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number | undefined } = {},
): Promise<Catalog> {
  const relations = new Map<string, { schema?: string; name: string }>()
  for (const node of planNodes(plan.root)) {
    if (node.relation === null || !("Relation Name" in node.raw)) continue
    const { schema, name } = node.relation
    relations.set(`${schema ?? ""}.${name}`, schema === null ? { name } : { schema, name })
  }
  if (relations.size === 0) return { relations: [] }
  return await readCatalog(source, { ...options, relations: [...relations.values()] })
}

/** The relation of a plan node: by schema where the plan says it (VERBOSE), else by a name that only one relation bears. */
export function relationIn(
  catalog: Catalog | undefined,
  relation: { readonly schema: string | null; readonly name: string } | null,
): Relation | null {
  if (catalog === undefined || relation === null) return null
  const found = catalog.relations.filter(
    (one) => one.name === relation.name && (relation.schema === null || one.schema === relation.schema),
  )
  return found.length === 1 ? found[0]! : null
}
