import { fieldOf, isRecord, limits, notAPlan, numberOf, type PlanDocument, textOf, tooLarge } from "./document.ts"
import type { PlanRelation } from "./plan.ts"

/** A node while its plan is being built: one entry of a list in pre-order, so that every pass is a loop and none recurses. */
export interface Draft {
  readonly at: number
  readonly parent: Draft | null
  readonly children: Draft[]
  readonly path: string
  readonly depth: number
  readonly raw: Readonly<Record<string, unknown>>
  readonly type: string
  readonly relationship: string | null
  readonly subplan: string | null
  readonly relation: PlanRelation | null
  readonly index: string | null
  readonly startupCost: number | null
  readonly totalCost: number | null
  readonly planRows: number | null
  readonly planWidth: number | null
  readonly actual: { rows: number; loops: number; startupTime: number | null; totalTime: number | null } | null
  /** Index of the last node of the subtree. */
  last: number
  participants: number
  parallelism: number
  inclusiveTime: number | null
  inclusiveCost: number | null
  time: number | null
  jitTime: number
  cost: number | null
  /** The node that holds this one's time beside its parent: of an InitPlan, the node that asked for it. */
  chargedTo: readonly { readonly draft: Draft; readonly part: number }[] | null
  /** Of a WITH query the scans that read it: its blocks lie in them, each kind in whichever holds it. */
  pulledBy: readonly Draft[] | null
}

interface Pending {
  readonly node: Readonly<Record<string, unknown>>
  readonly parent: Draft | null
  readonly path: string
  readonly relationship: string | null
}

/** The nodes of a document in pre-order. Throws E_PLAN_SYNTAX or E_PLAN_TOO_LARGE. */
export function draftsOf(document: PlanDocument, text: string): Draft[] {
  const root = fieldOf(document, "Plan")
  if (!isRecord(root)) throw notAPlan('The statement has no field "Plan"', text)
  const drafts: Draft[] = []
  const stack: Pending[] = [{ node: root, parent: null, path: "0", relationship: null }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const draft = draftOf(next, drafts.length, text)
    if (draft.depth > limits.depth) throw tooLarge(`The plan is nested more than ${limits.depth} levels deep.`)
    if (drafts.length >= limits.nodes) throw tooLarge(`The plan has more than ${limits.nodes} nodes.`)
    drafts.push(draft)
    next.parent?.children.push(draft)
    const below = childrenOf(next.node, text)
    for (let at = below.length - 1; at >= 0; at--) {
      const child = below[at]!
      stack.push({ node: child.node, parent: draft, path: `${draft.path}.${at}`, relationship: child.relationship })
    }
  }
  for (let at = drafts.length - 1; at >= 0; at--) {
    const draft = drafts[at]!
    draft.last = draft.children.length === 0 ? at : draft.children.at(-1)!.last
  }
  return drafts
}

function draftOf(pending: Pending, at: number, text: string): Draft {
  const { node, parent } = pending
  const type = textOf(fieldOf(node, "Node Type"))
  if (type === null) throw notAPlan(`The node at ${pending.path} has no "Node Type"`, text)
  const { Plans: _children, ...raw } = node
  return {
    at,
    parent,
    children: [],
    path: pending.path,
    depth: (parent?.depth ?? 0) + 1,
    raw,
    type,
    relationship: textOf(fieldOf(raw, "Parent Relationship")) ?? pending.relationship,
    subplan: textOf(fieldOf(raw, "Subplan Name")),
    relation: relationOf(raw),
    index: textOf(fieldOf(raw, "Index Name")),
    startupCost: numberOf(fieldOf(raw, "Startup Cost")),
    totalCost: numberOf(fieldOf(raw, "Total Cost")),
    planRows: numberOf(fieldOf(raw, "Plan Rows")),
    planWidth: numberOf(fieldOf(raw, "Plan Width")),
    actual: actualOf(raw),
    last: at,
    participants: 1,
    parallelism: 1,
    inclusiveTime: null,
    inclusiveCost: null,
    time: null,
    jitTime: 0,
    cost: null,
    chargedTo: null,
    pulledBy: null,
  }
}

function relationOf(raw: Readonly<Record<string, unknown>>): PlanRelation | null {
  const alias = textOf(fieldOf(raw, "Alias"))
  const name =
    textOf(fieldOf(raw, "Relation Name")) ??
    textOf(fieldOf(raw, "CTE Name")) ??
    textOf(fieldOf(raw, "Function Name")) ??
    textOf(fieldOf(raw, "Table Function Name")) ??
    textOf(fieldOf(raw, "Tuplestore Name"))
  return name === null ? null : { schema: textOf(fieldOf(raw, "Schema")), name, alias }
}

function actualOf(raw: Readonly<Record<string, unknown>>): Draft["actual"] {
  const loops = numberOf(fieldOf(raw, "Actual Loops"))
  const rows = numberOf(fieldOf(raw, "Actual Rows"))
  if (loops === null && rows === null) return null
  return {
    rows: rows ?? 0,
    loops: loops ?? 1,
    startupTime: numberOf(fieldOf(raw, "Actual Startup Time")),
    totalTime: numberOf(fieldOf(raw, "Actual Total Time")),
  }
}

/** Children of a node: its Plans, and the plans that a distributed query shows of its workers. */
function childrenOf(
  node: Readonly<Record<string, unknown>>,
  text: string,
): { readonly node: Record<string, unknown>; readonly relationship: string | null }[] {
  const plans = fieldOf(node, "Plans")
  const found: { node: Record<string, unknown>; relationship: string | null }[] = []
  if (plans !== undefined && plans !== null) {
    if (!Array.isArray(plans)) throw notAPlan('"Plans" is not a list', text)
    for (const plan of plans) {
      if (!isRecord(plan)) throw notAPlan('"Plans" holds something that is not a node', text)
      found.push({ node: plan, relationship: null })
    }
  }
  const distributed = fieldOf(node, "Distributed Query")
  if (isRecord(distributed)) for (const plan of distributedPlans(distributed)) found.push(plan)
  return found
}

/** Citus: subplans that are run first, then one plan for every task shown. */
function distributedPlans(
  distributed: Readonly<Record<string, unknown>>,
): { node: Record<string, unknown>; relationship: string }[] {
  const found: { node: Record<string, unknown>; relationship: string }[] = []
  const take = (value: unknown, relationship: string): void => {
    const stack: unknown[] = [value]
    for (let steps = 0; stack.length > 0 && steps < limits.nodes; steps++) {
      const next = stack.pop()
      if (Array.isArray(next)) for (let at = next.length - 1; at >= 0; at--) stack.push(next[at])
      else if (isRecord(next)) {
        const plan = fieldOf(next, "Plan")
        if (isRecord(plan)) found.push({ node: plan, relationship })
        else for (const name of ["PlannedStmt", "Remote Plan"]) stack.push(fieldOf(next, name))
      }
    }
  }
  take(fieldOf(distributed, "Subplans"), "Distributed Subplan")
  const job = fieldOf(distributed, "Job")
  if (isRecord(job)) take(fieldOf(job, "Tasks"), "Remote")
  return found
}
