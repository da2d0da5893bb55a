import { type Plan, type PlanNode, planNodes } from "../explain/index.ts"
import type { OrderSide } from "./hint.ts"
import type { ResolvedHint } from "./resolve.ts"

/** What the plan shows of a hint. */
export interface Verdict {
  readonly status: "honoured" | "ignored" | "unverifiable"
  readonly reason: string
}

/** A plan, prepared for questions about the aliases below each node. */
export interface PlanView {
  readonly plan: Plan
  /** Of the same statement without hints; null where it was not asked for. */
  readonly bare: PlanView | null
  readonly nodes: readonly PlanNode[]
  readonly parents: ReadonlyMap<PlanNode, PlanNode>
  /** Aliases of the relations read at or below a node, as the statement names them. */
  readonly below: ReadonlyMap<PlanNode, ReadonlySet<string>>
  readonly scans: ReadonlyMap<string, readonly PlanNode[]>
}

const joinTypes = { nested_loop: "Nested Loop", hash: "Hash Join", merge: "Merge Join" } as const
const joinNames: readonly string[] = Object.values(joinTypes)
const scanTypes: Readonly<Record<string, readonly string[]>> = {
  seq: ["Seq Scan"],
  index: ["Index Scan"],
  // Where an index-only scan is not possible the extension allows an index scan, and says so.
  index_only: ["Index Only Scan"],
  bitmap: ["Bitmap Heap Scan"],
  tid: ["Tid Scan", "Tid Range Scan"],
  any_index: ["Index Scan", "Index Only Scan", "Bitmap Heap Scan"],
}

export function viewOf(plan: Plan, aliases: readonly string[], bare: PlanView | null = null): PlanView {
  const nodes = [...planNodes(plan.root)]
  const parents = new Map<PlanNode, PlanNode>()
  const below = new Map<PlanNode, Set<string>>()
  const scans = new Map<string, PlanNode[]>()
  for (const node of nodes) for (const child of node.children) parents.set(child, node)
  for (const node of [...nodes].reverse()) {
    const own = new Set<string>()
    const alias = aliasOf(node)
    if (alias !== null) {
      // Partitions are read as alias_1, alias_2, …
      const known = aliases.includes(alias)
        ? alias
        : (aliases.find((name) => alias.startsWith(`${name}_`) && /^_\d+$/.test(alias.slice(name.length))) ?? alias)
      own.add(known)
      scans.set(known, [node, ...(scans.get(known) ?? [])])
    }
    // A SubPlan or InitPlan hangs on a node without being joined by it. A subquery is joined under its own name.
    if (alias === null)
      for (const child of node.children) if (child.subplan === null) for (const name of below.get(child)!) own.add(name)
    below.set(node, own)
  }
  return { plan, bare, nodes, parents, below, scans }
}

function aliasOf(node: PlanNode): string | null {
  if (node.relation !== null && node.type !== "ModifyTable") return node.relation.alias ?? node.relation.name
  const alias = node.raw.Alias
  return typeof alias === "string" && node.type !== "ModifyTable" ? alias : null
}

/** Whether the plan obeys the hint. */
export function verdictOf(hint: ResolvedHint, view: PlanView): Verdict {
  switch (hint.kind) {
    case "scan":
      return scanVerdict(hint, view)
    case "index_off": {
      const banned = new Set(hint.indexes.flatMap(({ name, parts }) => [name, ...parts]))
      const used = indexesOf(view, hint.relation.alias).filter((name) => banned.has(name))
      return used.length === 0
        ? honoured(`no plan node reads ${[...banned].join(", ")}`)
        : ignored(`the plan reads ${used.join(", ")}`)
    }
    case "join":
      return joinVerdict(hint, view)
    case "memoize":
      return memoizeVerdict(hint, view)
    case "order":
      return orderVerdict(hint, view)
    case "rows":
      return rowsVerdict(hint, view)
    case "parallel":
      return parallelVerdict(hint, view)
    case "cte":
      return cteVerdict(hint, view)
    case "setting":
      return { status: "unverifiable", reason: "settings are checked by asking the session" }
  }
}

function scanVerdict(hint: Extract<ResolvedHint, { kind: "scan" }>, view: PlanView): Verdict {
  const { alias } = hint.relation
  const nodes = view.scans.get(alias) ?? []
  if (nodes.length === 0)
    return unverifiable(`the plan does not read ${alias}: the planner found that it need not, or reads it under another name`)
  const seen = [...new Set(nodes.map((node) => node.type))].join(", ")
  const types = hint.forbid && hint.method === "index" ? ["Index Scan", "Index Only Scan"] : scanTypes[hint.method]!
  const fits = (node: PlanNode): boolean => types.includes(node.type)
  if (hint.forbid) return nodes.some(fits) ? ignored(`${alias} is read by ${seen}`) : honoured(`${alias} is read by ${seen}`)
  const index = indexesOf(view, alias)
  if (!nodes.every(fits)) {
    if (hint.method === "index_only" && nodes.every((node) => ["Index Only Scan", "Index Scan"].includes(node.type)))
      return ignored(`${alias} is read by ${seen}: an index alone does not hold all that the statement needs`)
    return ignored(`${alias} is read by ${seen}${index.length > 0 ? ` (${index.join(", ")})` : ""}`)
  }
  const wanted = new Set(hint.indexes.flatMap(({ name, parts }) => [name, ...parts]))
  const other = wanted.size === 0 ? [] : index.filter((name) => !wanted.has(name))
  if (other.length > 0 || (wanted.size > 0 && index.length === 0))
    return ignored(`${alias} is read by ${other.join(", ") || seen}`)
  if (hint.matching !== null) return matchVerdict(hint.matching, alias, index, seen)
  return honoured(`${alias} is read by ${seen}${index.length > 0 ? ` (${index.join(", ")})` : ""}`)
}

function matchVerdict(pattern: string, alias: string, indexes: readonly string[], seen: string): Verdict {
  let expression: RegExp
  try {
    expression = new RegExp(pattern)
  } catch {
    return unverifiable(`${alias} is read by ${seen} (${indexes.join(", ")}); the pattern is read by PostgreSQL only`)
  }
  const other = indexes.filter((name) => !expression.test(name))
  return other.length > 0
    ? ignored(`${alias} is read by ${other.join(", ")}`)
    : honoured(`${alias} is read by ${seen} (${indexes.join(", ")})`)
}

/** Names of the indexes by which a relation is read, those below bitmap scans included. */
function indexesOf(view: PlanView, alias: string): string[] {
  const names: string[] = []
  const gather = (node: PlanNode): void => {
    if (node.index !== null) names.push(node.index)
    for (const child of node.children) if (/^Bitmap/.test(child.type)) gather(child)
  }
  for (const node of view.scans.get(alias) ?? []) gather(node)
  return [...new Set(names)]
}

/** The join of exactly these relations. */
function joinOf(view: PlanView, aliases: Iterable<string>): PlanNode | null {
  const wanted = new Set(aliases)
  return view.nodes.find((node) => joinNames.includes(node.type) && sameSet(view.below.get(node)!, wanted)) ?? null
}

function joinVerdict(hint: Extract<ResolvedHint, { kind: "join" }>, view: PlanView): Verdict {
  const join = joinOf(view, hint.aliases)
  const names = hint.aliases.join(", ")
  if (join === null) return noJoin(view, hint.aliases)
  const fits = join.type === joinTypes[hint.method]
  return fits !== hint.forbid ? honoured(`${names} are joined by ${join.type}`) : ignored(`${names} are joined by ${join.type}`)
}

function noJoin(view: PlanView, aliases: readonly string[]): Verdict {
  const missing = aliases.filter((alias) => !view.scans.has(alias))
  if (missing.length > 0)
    return unverifiable(
      `the plan does not read ${missing.join(", ")}: the planner found that it need not, or reads it under another name`,
    )
  return ignored(`no join of the plan is of exactly ${aliases.join(", ")}`)
}

function memoizeVerdict(hint: Extract<ResolvedHint, { kind: "memoize" }>, view: PlanView): Verdict {
  const join = joinOf(view, hint.aliases)
  if (join === null) return noJoin(view, hint.aliases)
  const memoized = join.children.some((child) => child.relationship === "Inner" && child.type === "Memoize")
  if (memoized === hint.forbid)
    return ignored(
      memoized
        ? "the inner side is memoized"
        : "the planner does not find memoizing worth while: the hint allows it, it cannot demand it",
    )
  return honoured(memoized ? "the inner side is memoized" : "the inner side is not memoized")
}

function orderVerdict(hint: Extract<ResolvedHint, { kind: "order" }>, view: PlanView): Verdict {
  const shown = joinsShown(view.plan.root, view)
  if (hint.list !== null) {
    for (let length = 2; length <= hint.list.length; length++) {
      const prefix = hint.list.slice(0, length)
      if (joinOf(view, prefix) === null)
        return noJoin(view, prefix).status === "unverifiable" ? noJoin(view, prefix) : ignored(`the plan joins ${shown}`)
    }
    return honoured(`the plan joins ${shown}`)
  }
  const missing = leaves(hint.tree!).filter((alias) => !view.scans.has(alias))
  if (missing.length > 0) return noJoin(view, missing)
  return directed(hint.tree!, view) ? honoured(`the plan joins ${shown}`) : ignored(`the plan joins ${shown}`)
}

function leaves(side: OrderSide): string[] {
  return typeof side === "string" ? [side] : [...leaves(side[0]), ...leaves(side[1])]
}

function directed(side: OrderSide, view: PlanView): boolean {
  if (typeof side === "string") return true
  const join = joinOf(view, leaves(side))
  if (join === null) return false
  const sides = join.children.filter((child) => child.relationship === "Outer" || child.relationship === "Inner")
  const [outer, inner] = [
    sides.find((child) => child.relationship === "Outer"),
    sides.find((child) => child.relationship === "Inner"),
  ]
  if (outer === undefined || inner === undefined) return false
  return (
    sameSet(view.below.get(outer)!, new Set(leaves(side[0]))) &&
    sameSet(view.below.get(inner)!, new Set(leaves(side[1]))) &&
    directed(side[0], view) &&
    directed(side[1], view)
  )
}

/** The joins of a plan as nested pairs, outer side first. */
function joinsShown(node: PlanNode, view: PlanView): string {
  const own = view.scans.size > 0 && [...view.scans].find(([, nodes]) => nodes.includes(node))?.[0]
  if (typeof own === "string") return own
  const parts = node.children
    .filter((child) => child.subplan === null && view.below.get(child)!.size > 0)
    .map((child) => joinsShown(child, view))
  return parts.length === 1 ? parts[0]! : `(${parts.join(" ")})`
}

function rowsVerdict(hint: Extract<ResolvedHint, { kind: "rows" }>, view: PlanView): Verdict {
  const join = joinOf(view, hint.aliases)
  if (join === null) return noJoin(view, hint.aliases)
  const { how, by } = hint.correction
  const base = how === "#" ? 0 : view.bare === null ? null : wholeRows(view.bare, joinOf(view.bare, hint.aliases))
  const rows = wholeRows(view, join)
  if (base === null || rows === null) return unverifiable("without hints the plan has no such join to compare with")
  // The extension rounds to whole rows, and never below one.
  const wanted = Math.max(1, Math.round(how === "#" ? by : how === "+" ? base + by : how === "-" ? base - by : base * by))
  // Both estimates are printed as whole rows of one process; a factor makes that rounding larger.
  const slack = Math.max(2, wanted * 0.01, how === "*" ? by : 0) * processes(view, join)
  if (Math.abs(rows - wanted) <= slack) return honoured(`the join is estimated at ${Math.round(rows)} rows`)
  return ignored(`the join is estimated at ${Math.round(rows)} rows, not ${wanted}`)
}

/** Rows that a node is expected to give in all processes together. */
function wholeRows(view: PlanView, node: PlanNode | null): number | null {
  return node === null || node.planRows === null ? null : node.planRows * processes(view, node)
}

/** By how much the planner divides the rows of a partial path: the leader helps less, the more workers it has to serve. */
function processes(view: PlanView, node: PlanNode): number {
  const gather = ancestors(view, node).find(({ type }) => /^Gather/.test(type))
  const workers = Number(gather?.raw["Workers Planned"] ?? 0)
  return workers === 0 ? 1 : workers + Math.max(0, 1 - 0.3 * workers)
}

function parallelVerdict(hint: Extract<ResolvedHint, { kind: "parallel" }>, view: PlanView): Verdict {
  const { alias } = hint.relation
  const nodes = view.scans.get(alias) ?? []
  const gathers = hint.whole
    ? view.nodes.filter(({ type }) => /^Gather/.test(type))
    : nodes.flatMap((node) => ancestors(view, node).filter(({ type }) => /^Gather/.test(type)))
  const count = (name: string): number | null => {
    const counts = gathers.map((node) => Number(node.raw[name])).filter(Number.isFinite)
    return counts.length === 0 ? null : Math.max(...counts)
  }
  const planned = count("Workers Planned")
  const launched = count("Workers Launched")
  if (hint.workers === 0)
    return gathers.length === 0 ? honoured("no workers are planned") : ignored(`${planned} workers are planned`)
  if (!hint.whole && nodes.length === 0) return unverifiable(`the plan does not read ${alias}`)
  if (planned === null) return ignored("no workers are planned")
  if (hint.mode === "soft" ? planned > hint.workers : planned !== hint.workers) return ignored(`${planned} workers are planned`)
  if (launched !== null && launched < planned)
    return ignored(
      `${planned} workers are planned, only ${launched} were launched: the server had no more free (max_parallel_workers)`,
    )
  return honoured(`${planned} workers are planned${launched === null ? "" : `, ${launched} were launched`}`)
}

function cteVerdict(hint: Extract<ResolvedHint, { kind: "cte" }>, view: PlanView): Verdict {
  const kept = hint.names.filter((name) => view.nodes.some((node) => node.subplan === `CTE ${name}`))
  const shown = kept.length === 0 ? "no WITH query is computed apart" : `${kept.join(", ")} is computed apart`
  return (hint.forbid ? kept.length === 0 : kept.length === hint.names.length) ? honoured(shown) : ignored(shown)
}

function ancestors(view: PlanView, node: PlanNode): PlanNode[] {
  const found: PlanNode[] = []
  for (let at = view.parents.get(node); at !== undefined; at = view.parents.get(at)) found.push(at)
  return found
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item))
}

const honoured = (reason: string): Verdict => ({ status: "honoured", reason })
const ignored = (reason: string): Verdict => ({ status: "ignored", reason })
const unverifiable = (reason: string): Verdict => ({ status: "unverifiable", reason })
