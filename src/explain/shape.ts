import { createHash } from "node:crypto"
import type { Plan, PlanNode } from "./plan.ts"
import { planNodes } from "./plan.ts"

/** What makes a plan another plan: nodes, how they hang together, what they read; not estimates, times or literals. */
export function planShape(plan: Plan): string {
  return [...planNodes(plan.root)].map((node) => `${depthOf(node)} ${shapeOf(node)}`).join("\n")
}

/** A short name for a plan's shape: equal for equal shapes, for "the plan changed". */
export function planHash(plan: Plan): string {
  return createHash("sha256").update(planShape(plan)).digest("hex").slice(0, 16)
}

function depthOf(node: PlanNode): number {
  return node.path.split(".").length
}

const telling = [
  "Join Type",
  "Strategy",
  "Partial Mode",
  "Operation",
  "Scan Direction",
  "Custom Plan Provider",
  "Command",
  "Parallel Aware",
]

/** One node without its children. Workers planned are not part of it: they follow the table's size. */
export function shapeOf(node: PlanNode): string {
  const words = telling.map((field) => node.raw[field]).filter((value) => typeof value === "string" || value === true)
  const relation = node.relation === null ? "" : `${node.relation.name}`
  return [node.type, relation, node.index ?? "", node.subplan?.replace(/\$\d+/g, "$") ?? "", ...words.map(String)].join("|")
}
