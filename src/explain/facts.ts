import type { Catalog } from "../database/catalog.ts"
import { isHashedSubplan } from "./attribute-cost.ts"
import { fieldOf, numberOf, textOf } from "./document.ts"
import type { Plan, PlanNode } from "./plan.ts"
import { planNodes } from "./plan.ts"
import { type CostConstants, costConstants, memorySetting } from "./pricing.ts"

/** What is known beside the plan. */
export interface AnalyzeContext {
  /** work_mem in bytes. Default: the plan's settings, else 4 MB. */
  readonly workMem?: number | undefined
  /** hash_mem_multiplier. Default: the plan's settings, else 2 (1 before PostgreSQL 15). */
  readonly hashMemMultiplier?: number | undefined
  /** Major version of the server; else guessed from the fields of the plan. */
  readonly serverVersion?: number | undefined
  /** Tables, indexes and statistics: findings are checked against them and marked confirmed. */
  readonly catalog?: Catalog | undefined
  /** Milliseconds that the same statement took without EXPLAIN ANALYZE: what measuring itself costs becomes visible. */
  readonly untimedMs?: number | undefined
}

/** A plan with what the rules ask of it worked out once. */
export interface Facts {
  readonly plan: Plan
  readonly context: AnalyzeContext
  readonly nodes: readonly PlanNode[]
  readonly parentOf: ReadonlyMap<PlanNode, PlanNode>
  readonly analyzed: boolean
  /** Rows are measured and times too. */
  readonly timed: boolean
  /** Milliseconds of the whole statement; null where nothing was timed. */
  readonly totalTime: number | null
  readonly totalCost: number
  readonly workMem: number
  /** False where work_mem is only the server's default value. */
  readonly workMemKnown: boolean
  readonly hashMem: number
  readonly cost: CostConstants
  readonly version: number
  /** Of a CTE Scan the WITH query whose rows it reads: names may repeat, the nearest enclosing one counts. */
  readonly producerOf: ReadonlyMap<PlanNode, PlanNode>
  /** Of a WITH query the scans that read it, in order. */
  readonly readersOf: ReadonlyMap<PlanNode, readonly PlanNode[]>
  /** Nodes whose rows come from the last round of a recursion: how many is anybody's guess, and the planner's is ten times the first. */
  readonly recursive: ReadonlySet<PlanNode>
}

export function factsOf(plan: Plan, context: AnalyzeContext = {}): Facts {
  const nodes = [...planNodes(plan.root)]
  const parentOf = new Map<PlanNode, PlanNode>()
  for (const node of nodes) for (const child of node.children) parentOf.set(child, node)
  const analyzed = plan.root.actual !== null
  const timed = plan.root.inclusive.time !== null
  const setting = memorySetting(plan.settings.work_mem)
  const workMem = context.workMem ?? setting ?? 4 * 1024 * 1024
  const version = context.serverVersion ?? versionOf(nodes)
  const multiplier = context.hashMemMultiplier ?? numberOf(plan.settings.hash_mem_multiplier) ?? (version >= 15 ? 2 : 1)
  return {
    plan,
    context,
    nodes,
    parentOf,
    analyzed,
    timed,
    totalTime: timed ? Math.max(plan.root.inclusive.time!, plan.executionTime ?? 0) : null,
    totalCost: plan.root.inclusive.cost ?? 0,
    workMem,
    workMemKnown: context.workMem !== undefined || setting !== null,
    hashMem: workMem * multiplier,
    cost: costConstants(plan.settings),
    version,
    ...withQueries(nodes, parentOf),
  }
}

/** Who reads which WITH query, found in one pass: a plan may hold thousands of them. */
function withQueries(
  nodes: readonly PlanNode[],
  parentOf: ReadonlyMap<PlanNode, PlanNode>,
): Pick<Facts, "producerOf" | "readersOf" | "recursive"> {
  const made = new Map<PlanNode, Map<string, PlanNode>>()
  for (const node of nodes) {
    const holder = parentOf.get(node)
    if (holder === undefined || !node.subplan?.startsWith("CTE ")) continue
    const names = made.get(holder) ?? new Map<string, PlanNode>()
    if (!names.has(node.subplan)) names.set(node.subplan, node)
    made.set(holder, names)
  }
  const producerOf = new Map<PlanNode, PlanNode>()
  const readersOf = new Map<PlanNode, PlanNode[]>()
  const recursive = new Set<PlanNode>()
  for (const node of nodes) {
    if (node.type === "WorkTable Scan")
      for (let at: PlanNode | undefined = node; at !== undefined && !recursive.has(at); at = parentOf.get(at)) recursive.add(at)
    if (node.type !== "CTE Scan" || made.size === 0) continue
    const name = `CTE ${text(node, "CTE Name")}`
    let producer: PlanNode | undefined
    for (let at: PlanNode | undefined = node; at !== undefined && producer === undefined; at = parentOf.get(at))
      producer = made.get(at)?.get(name)
    if (producer === undefined) continue
    producerOf.set(node, producer)
    const readers = readersOf.get(producer)
    if (readers === undefined) readersOf.set(producer, [node])
    else readers.push(node)
  }
  return { producerOf, readersOf, recursive }
}

/** A lower bound from the fields that came with each version. Where nothing tells, 15: the oldest with today's memory defaults. */
function versionOf(nodes: readonly PlanNode[]): number {
  const has = (name: string): boolean => nodes.some((node) => Object.hasOwn(node.raw, name))
  if (has("Disabled") || has("Index Searches") || has("Window")) return 18
  if (has("Shared I/O Read Time")) return 17
  return 15
}

/** Rows that a node returned over all its loops and processes. */
export function rowsOf(node: PlanNode): number {
  return node.actual === null ? 0 : node.actual.rows * node.actual.loops
}

export function loopsOf(node: PlanNode): number {
  return node.actual?.loops ?? 0
}

/** A per-loop average of the server ("Rows Removed by …") as a total. */
export function totalOf(node: PlanNode, field: string): number {
  return (numberOf(fieldOf(node.raw, field)) ?? 0) * Math.max(1, loopsOf(node))
}

/** A number that the server gives as a total already. */
export function countOf(node: PlanNode, field: string): number {
  return numberOf(fieldOf(node.raw, field)) ?? 0
}

export function has(node: PlanNode, field: string): boolean {
  return Object.hasOwn(node.raw, field)
}

export function text(node: PlanNode, field: string): string | null {
  return textOf(fieldOf(node.raw, field))
}

/** A field that is a text or a list of texts, as a list. */
export function texts(node: PlanNode, field: string): string[] {
  const value = fieldOf(node.raw, field)
  if (Array.isArray(value)) return value.filter((item): item is string => typeof item === "string")
  return typeof value === "string" ? [value] : []
}

export function executed(node: PlanNode): boolean {
  return loopsOf(node) > 0
}

/** Own wall time without compiling; null where nothing was timed. */
export function ownTime(node: PlanNode): number | null {
  return node.exclusive.time === null ? null : Math.max(0, node.exclusive.time - node.exclusive.jitTime)
}

/** Blocks of tables and indexes that the node itself touched. */
export function ownBlocks(node: PlanNode): number {
  return node.exclusive.sharedHit + node.exclusive.sharedRead + node.exclusive.localHit + node.exclusive.localRead
}

export function child(node: PlanNode, relationship: "Outer" | "Inner"): PlanNode | null {
  return node.children.find((one) => one.relationship === relationship) ?? null
}

/** Ancestors from the parent up to the root. */
export function* ancestors(node: PlanNode, facts: Facts): Generator<PlanNode> {
  for (let at = facts.parentOf.get(node); at !== undefined; at = facts.parentOf.get(at)) yield at
}

/** Nodes that hand on rows of their one child as they come, neither joining nor grouping them. */
const passing = new Set(["Result", "ProjectSet", "Subquery Scan", "LockRows", "Gather", "Gather Merge", "Incremental Sort"])

/** The Limit whose stopping stops this node, or null: no blocking node stands between. */
export function limitAbove(node: PlanNode, facts: Facts): PlanNode | null {
  for (const above of ancestors(node, facts)) {
    if (above.type === "Limit") return above
    if (!passing.has(above.type) && above.type !== "Append" && above.type !== "Merge Append" && above.type !== "Nested Loop")
      return null
  }
  return null
}

export function isHashed(node: PlanNode, facts: Facts): boolean {
  const parent = facts.parentOf.get(node)
  return parent !== undefined && isHashedSubplan(node, parent)
}

export function subtree(node: PlanNode): PlanNode[] {
  return [...planNodes(node)]
}
