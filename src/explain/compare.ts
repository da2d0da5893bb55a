import type { Plan, PlanNode } from "./plan.ts"
import { planNodes } from "./plan.ts"
import { shortCount, shortTime, titleOf } from "./render/title.ts"
import { planHash, shapeOf } from "./shape.ts"

/** Two nodes that do the same work before and after; null where one side has no such node. */
export interface NodeChange {
  readonly before: string | null
  readonly after: string | null
  readonly title: string
  /** What became different about a node that is on both sides. */
  readonly changes: readonly ("type" | "index" | "estimate" | "rows" | "time" | "buffers" | "place")[]
  readonly time: { readonly before: number | null; readonly after: number | null }
  readonly rows: { readonly before: number | null; readonly after: number | null }
}

/** What {@link comparePlans} found. */
export interface PlanComparison {
  /** The plans have the same shape. */
  readonly same: boolean
  readonly hash: { readonly before: string; readonly after: string }
  readonly cost: { readonly before: number | null; readonly after: number | null; readonly ratio: number | null }
  readonly time: { readonly before: number | null; readonly after: number | null; readonly ratio: number | null }
  /** Blocks of tables and indexes, hit or read. */
  readonly blocks: { readonly before: number | null; readonly after: number | null; readonly ratio: number | null }
  /** Nodes that differ, the greatest difference in time (or cost) first. */
  readonly nodes: readonly NodeChange[]
  /** One or two sentences. */
  readonly summary: string
}

/**
 * What changed between two plans of one statement. Nodes are matched by what they do and read (a scan of the same table, a join of the
 * same kind), not by their place.
 */
export function comparePlans(before: Plan, after: Plan): PlanComparison {
  const pairs = match([...planNodes(before.root)], [...planNodes(after.root)])
  const nodes = pairs
    .map(([old, now]) => changeOf(old, now))
    .filter((change) => change.changes.length > 0 || change.before === null || change.after === null)
    .sort((a, b) => weight(b) - weight(a))
  const hash = { before: planHash(before), after: planHash(after) }
  const comparison = {
    same: hash.before === hash.after,
    hash,
    cost: ratioOf(before.root.totalCost, after.root.totalCost),
    time: ratioOf(before.executionTime ?? before.root.inclusive.time, after.executionTime ?? after.root.inclusive.time),
    blocks: ratioOf(blocksOf(before), blocksOf(after)),
    nodes,
  }
  const unlike = (before.root.actual === null) !== (after.root.actual === null)
  return { ...comparison, summary: `${summaryOf(comparison, pairs)}${unlike ? " Only one of the two was run." : ""}` }
}

type Pair = readonly [PlanNode | null, PlanNode | null]

/** Matches nodes in rounds, from certain to likely: same work and index, same relation and kind, same relation, same type. */
function match(old: readonly PlanNode[], now: readonly PlanNode[]): Pair[] {
  const rounds: ((node: PlanNode) => string | null)[] = [
    (node) => `${node.path} ${shapeOf(node)}`,
    (node) => (node.relation === null ? null : `${shapeOf(node)} ${node.relation.alias}`),
    (node) => (node.relation === null || node.type === "ModifyTable" ? null : `${node.relation.name} ${node.relation.alias}`),
    // A partition that is read alone bears its table's alias.
    (node) => (node.relation === null || node.type === "ModifyTable" ? null : node.relation.name),
    (node) => (node.relation === null ? shapeOf(node) : null),
    (node) => (node.relation === null ? kindOf(node) : null),
  ]
  const partner = new Map<PlanNode, PlanNode>()
  const taken = new Set<PlanNode>()
  for (const key of rounds) {
    const waiting = new Map<string, PlanNode[]>()
    for (const node of now) {
      const name = taken.has(node) ? null : key(node)
      if (name === null) continue
      const list = waiting.get(name)
      if (list === undefined) waiting.set(name, [node])
      else list.push(node)
    }
    // Taken from the end: in order of the plan.
    for (const list of waiting.values()) list.reverse()
    for (const node of old) {
      if (partner.has(node)) continue
      const name = key(node)
      const found = name === null ? undefined : waiting.get(name)?.pop()
      if (found === undefined) continue
      partner.set(node, found)
      taken.add(found)
    }
  }
  return [
    ...old.map((node): Pair => [node, partner.get(node) ?? null]),
    ...now.filter((node) => !taken.has(node)).map((node): Pair => [null, node]),
  ]
}

function kindOf(node: PlanNode): string {
  return node.type.includes("Join") || node.type === "Nested Loop" ? "join" : node.type
}

function changeOf(old: PlanNode | null, now: PlanNode | null): NodeChange {
  const changes: NodeChange["changes"][number][] = []
  if (old !== null && now !== null) {
    if (old.type !== now.type) changes.push("type")
    if (old.index !== now.index) changes.push("index")
    if (far(old.planRows, now.planRows, 2)) changes.push("estimate")
    if (far(old.actual && old.actual.rows * old.actual.loops, now.actual && now.actual.rows * now.actual.loops, 1.5))
      changes.push("rows")
    if (far(old.exclusive.time, now.exclusive.time, 1.5) && Math.abs((old.exclusive.time ?? 0) - (now.exclusive.time ?? 0)) >= 1)
      changes.push("time")
    const counted = "Shared Hit Blocks" in old.raw && "Shared Hit Blocks" in now.raw
    const blocks = (node: PlanNode): number => node.exclusive.sharedHit + node.exclusive.sharedRead
    if (counted && far(blocks(old), blocks(now), 1.5) && Math.abs(blocks(old) - blocks(now)) >= 10) changes.push("buffers")
    if (old.path !== now.path) changes.push("place")
  }
  const title =
    old !== null && now !== null && titleOf(old) !== titleOf(now) ? `${titleOf(old)} → ${titleOf(now)}` : titleOf((now ?? old)!)
  const rows = (node: PlanNode | null): number | null =>
    node?.actual == null ? (node?.planRows ?? null) : node.actual.rows * node.actual.loops
  return {
    before: old?.path ?? null,
    after: now?.path ?? null,
    title,
    changes,
    time: { before: old?.exclusive.time ?? null, after: now?.exclusive.time ?? null },
    rows: { before: rows(old), after: rows(now) },
  }
}

/** Far apart; what only one of the plans measured is not. */
function far(a: number | null, b: number | null, factor: number): boolean {
  if (a === null || b === null) return false
  return Math.max(a, b) > factor * Math.max(Math.min(a, b), 1)
}

function weight(change: NodeChange): number {
  return (
    Math.abs((change.time.before ?? 0) - (change.time.after ?? 0)) * 1000 +
    (change.changes.includes("type") ? 2 : 0) +
    (change.before === null || change.after === null ? 1 : 0)
  )
}

function ratioOf(
  before: number | null,
  after: number | null,
): { before: number | null; after: number | null; ratio: number | null } {
  return { before, after, ratio: before === null || after === null || before === 0 ? null : after / before }
}

function blocksOf(plan: Plan): number | null {
  return plan.totals === null ? null : plan.totals.sharedHit + plan.totals.sharedRead
}

function summaryOf(comparison: Omit<PlanComparison, "summary">, pairs: readonly Pair[]): string {
  const { time, cost, blocks } = comparison
  const measure = time.ratio !== null ? { ...time, shown: shortTime, name: "" } : { ...cost, shown: shortCount, name: "cost " }
  const speed =
    measure.ratio === null
      ? "The plans cannot be compared by time or cost."
      : measure.ratio < 0.95
        ? `${times(1 / measure.ratio)} ${measure.name === "" ? "faster" : "cheaper"}: ${measure.name}${measure.shown(measure.before!)} → ${measure.shown(measure.after!)}${blocksText(blocks)}.`
        : measure.ratio > 1.05
          ? `${times(measure.ratio)} ${measure.name === "" ? "slower" : "dearer"}: ${measure.name}${measure.shown(measure.before!)} → ${measure.shown(measure.after!)}${blocksText(blocks)}.`
          : `As ${measure.name === "" ? "fast" : "dear"} as before (${measure.name}${measure.shown(measure.after!)})${blocksText(blocks)}.`
  if (comparison.same) return `${speed} The plan has the same shape.`
  const scans = pairs
    .filter(([old, now]) => old?.relation && now?.relation && deedOf(old) !== deedOf(now))
    .map(([old, now]) => `${titleOf(old!)} became ${titleOf(now!)}`)
  const joins = pairs
    .filter(([old, now]) => old && now && !old.relation && kindOf(old) === "join" && old.type !== now.type)
    .map(([old, now]) => `${old!.type} became ${now!.type}`)
  const gone = pairs.filter(([, now]) => now === null).map(([old]) => titleOf(old!))
  const added = pairs.filter(([old]) => old === null).map(([, now]) => titleOf(now!))
  const parts = [
    ...scans,
    ...joins,
    ...(gone.length > 0 ? [`gone: ${some(gone)}`] : []),
    ...(added.length > 0 ? [`new: ${some(added)}`] : []),
  ]
  return parts.length === 0 ? `${speed} The nodes are in another order.` : `${speed} ${parts.slice(0, 4).join("; ")}.`
}

/** What a scan does, whatever its table is called in the statement. */
function deedOf(node: PlanNode): string {
  return titleOf({ ...node, relation: node.relation && { ...node.relation, alias: null } })
}

function some(titles: readonly string[]): string {
  return `${titles.slice(0, 3).join(", ")}${titles.length > 3 ? ` and ${titles.length - 3} more` : ""}`
}

function times(factor: number): string {
  return factor >= 2 ? `${factor.toFixed(factor >= 10 ? 0 : 1)} times` : `${Math.round((factor - 1) * 100)} %`
}

function blocksText(blocks: { before: number | null; after: number | null; ratio: number | null }): string {
  return blocks.before === null || blocks.after === null
    ? ""
    : `, blocks ${shortCount(blocks.before)} → ${shortCount(blocks.after)}`
}
