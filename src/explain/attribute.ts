import { fieldOf, numberOf, textOf } from "./document.ts"
import type { Draft } from "./draft.ts"

/**
 * Charges every millisecond to the node that spent it, so that the parts add up to the root.
 *
 * A node's own figure contains its children, so they are subtracted; three cases are not that simple. An InitPlan runs inside
 * the node that first asks for its value, which may stand far below the node it hangs on. A CTE runs inside the scans that pull
 * its rows. Below a Gather, times are sums over processes, so the whole subtree is divided by their number.
 */
export function attributeTime(drafts: readonly Draft[]): void {
  divideByProcesses(drafts)
  for (const draft of drafts) {
    const { actual } = draft
    draft.inclusiveTime = actual?.totalTime == null ? null : (actual.totalTime * actual.loops) / draft.parallelism
    draft.time = draft.inclusiveTime
  }
  fitRemotePlans(drafts)
  for (const draft of drafts) {
    if (draft.inclusiveTime === null || draft.parent?.time == null || runsElsewhere(draft)) continue
    draft.parent.time -= draft.inclusiveTime
  }
  chargeInitPlans(drafts)
  chargeCtes(drafts)
  // A deficit (an InitPlan's consumer holding less than the InitPlan, rounding, processes out of step) belongs to the node above.
  for (let at = drafts.length - 1; at >= 0; at--) {
    const draft = drafts[at]!
    if (draft.time === null || draft.time >= 0) continue
    const deficit = draft.time
    draft.time = 0
    for (const { draft: bearer, part } of bearersOf(draft)) if (bearer.time !== null) bearer.time += deficit * part
  }
  // Bearers that stood further down the list than the nodes they bear.
  for (let at = drafts.length - 1; at >= 0; at--) {
    const draft = drafts[at]!
    if (draft.time === null || draft.time >= 0) continue
    if (draft.parent?.time != null) draft.parent.time += draft.time
    draft.time = 0
  }
}

/** The exclusive value of a counter that, like a buffer count, is a total over loops and processes. */
export function exclusiveCounter(drafts: readonly Draft[], inclusive: Float64Array): Float64Array {
  const own = Float64Array.from(inclusive)
  for (const draft of drafts) {
    const value = inclusive[draft.at]!
    if (value === 0 || draft.pulledBy !== null) continue
    for (const { draft: bearer, part } of bearersOf(draft)) own[bearer.at]! -= value * part
  }
  for (const draft of drafts) {
    const value = inclusive[draft.at]!
    if (value === 0 || draft.pulledBy === null) continue
    const holders = draft.pulledBy.map((scan) => ({ draft: scan, amount: Math.max(0, own[scan.at]!) }))
    for (const { draft: bearer, part } of shareOut(holders, value)) own[bearer.at]! -= value * part
  }
  for (let at = 0; at < own.length; at++) if (own[at]! < 0) own[at] = 0
  return own
}

/** Nodes whose own figure contains this one's. */
function bearersOf(draft: Draft): readonly { readonly draft: Draft; readonly part: number }[] {
  if (draft.chargedTo !== null) return draft.chargedTo
  return draft.parent === null ? [] : [{ draft: draft.parent, part: 1 }]
}

function runsElsewhere(draft: Draft): boolean {
  return draft.relationship === "InitPlan"
}

function executed(draft: Draft): boolean {
  return draft.actual !== null && draft.actual.loops > 0
}

function divideByProcesses(drafts: readonly Draft[]): void {
  for (const draft of drafts) {
    const { parent } = draft
    draft.participants = parent?.participants ?? 1
    draft.parallelism = parent?.parallelism ?? 1
    // An InitPlan of a Gather is run by the leader before the workers start.
    if (parent === null || (parent.type !== "Gather" && parent.type !== "Gather Merge") || draft.relationship === "InitPlan")
      continue
    const launched = numberOf(fieldOf(parent.raw, "Workers Launched"))
    const loops = parent.actual?.loops ?? 0
    // Loops count every process that ran the plan: exact also where the leader takes no part, or only one copy may run.
    const processes = executed(draft) && loops > 0 ? Math.max(1, draft.actual!.loops / loops) : (launched ?? 0) + 1
    draft.participants *= processes
    draft.parallelism *= Math.min(processes, sideBySide(draft) ?? processes)
  }
}

/**
 * How many processes' work passed at the same time: all of it, by the time of the process that took longest, which is what the Gather waited for.
 * Only VERBOSE tells them apart; else all are taken to have worked alike.
 */
function sideBySide(draft: Draft): number | null {
  const workers = fieldOf(draft.raw, "Workers")
  const { actual } = draft
  if (!Array.isArray(workers) || workers.length === 0 || actual?.totalTime == null) return null
  const all = actual.totalTime * actual.loops
  const each = workers.map((worker: unknown) => {
    const fields = typeof worker === "object" && worker !== null ? (worker as Record<string, unknown>) : {}
    return (numberOf(fieldOf(fields, "Actual Total Time")) ?? Number.NaN) * (numberOf(fieldOf(fields, "Actual Loops")) ?? 1)
  })
  if (each.some(Number.isNaN)) return null
  const leader = Math.max(0, all - each.reduce((sum, one) => sum + one, 0))
  const longest = Math.max(leader, ...each)
  return longest > 0 ? Math.max(1, all / longest) : null
}

/** Tasks of a distributed query ran on other machines, at the same time: what is shown of them must fit into the scan that waited. */
function fitRemotePlans(drafts: readonly Draft[]): void {
  for (const draft of drafts) {
    if (draft.inclusiveTime === null) continue
    const remote = draft.children.filter((child) => child.relationship === "Remote" && child.inclusiveTime !== null)
    const sum = remote.reduce((total, child) => total + child.inclusiveTime!, 0)
    if (sum <= draft.inclusiveTime) continue
    const factor = sum / Math.max(draft.inclusiveTime, 1e-9)
    for (const task of remote) for (let at = task.at; at <= task.last; at++) scale(drafts[at]!, factor)
  }
}

function scale(draft: Draft, factor: number): void {
  draft.parallelism *= factor
  if (draft.inclusiveTime !== null) draft.inclusiveTime /= factor
  if (draft.time !== null) draft.time /= factor
}

/** The text by which PostgreSQL refers to an InitPlan: $0 up to 16, (InitPlan 1).col1 from 17. */
const reference = /\$\d+|InitPlan \d+/g

function chargeInitPlans(drafts: readonly Draft[]): void {
  const plans = drafts.filter((draft) => draft.relationship === "InitPlan" && draft.parent !== null && cteName(draft) === null)
  if (plans.length === 0) return
  const users = new Map<string, Draft[]>()
  for (const draft of drafts) {
    for (const token of referencesOf(draft)) {
      const list = users.get(token)
      if (list === undefined) users.set(token, [draft])
      else list.push(draft)
    }
  }
  for (const plan of plans) {
    const scope = plan.parent!
    const wanted = plan.inclusiveTime ?? 0
    let found: Draft | null = null
    for (const token of (plan.subplan ?? "").match(reference) ?? []) {
      for (const asking of users.get(token) ?? []) {
        const outside = asking.at < scope.at || asking.at > scope.last || (asking.at >= plan.at && asking.at <= plan.last)
        if (outside || !executed(asking)) continue
        const user = evaluatorOf(asking, scope)
        // The first to ask is the first whose own time has room for it.
        if ((user.time ?? 0) >= wanted * 0.95) {
          found = user
          break
        }
        if (found === null || (user.time ?? 0) > (found.time ?? 0)) found = user
      }
      if (found !== null && (found.time ?? 0) >= wanted * 0.95) break
    }
    const bearer = found ?? scope
    plan.chargedTo = [{ draft: bearer, part: 1 }]
    if (bearer.time !== null && plan.inclusiveTime !== null) bearer.time -= plan.inclusiveTime
  }
}

/** What workers need to know is worked out by the leader, in the Gather that starts them. */
function evaluatorOf(asking: Draft, scope: Draft): Draft {
  let found = asking
  for (let at: Draft | null = asking; at !== null && at.at >= scope.at; at = at.parent)
    if (at.type === "Gather" || at.type === "Gather Merge") found = at
  return found
}

function referencesOf(draft: Draft): Set<string> {
  const found = new Set<string>()
  const take = (value: unknown): void => {
    if (typeof value === "string" && (value.includes("$") || value.includes("InitPlan")))
      for (const token of value.match(reference) ?? []) found.add(token)
  }
  for (const [name, value] of Object.entries(draft.raw)) {
    if (name === "Subplan Name") continue
    if (Array.isArray(value)) for (const item of value) take(item)
    else take(value)
  }
  return found
}

function cteName(draft: Draft): string | null {
  return draft.subplan?.startsWith("CTE ") ? draft.subplan.slice(4) : null
}

function chargeCtes(drafts: readonly Draft[]): void {
  const scansOf = new Map<Draft, Draft[]>()
  const made = new Map<Draft, Map<string, Draft>>()
  for (const draft of drafts) {
    const name = cteName(draft)
    if (name === null || draft.parent === null) continue
    scansOf.set(draft, [])
    const names = made.get(draft.parent) ?? new Map<string, Draft>()
    if (!names.has(name)) names.set(name, draft)
    made.set(draft.parent, names)
  }
  if (scansOf.size === 0) return
  for (const scan of drafts) {
    const name = scan.type === "CTE Scan" ? textOf(fieldOf(scan.raw, "CTE Name")) : null
    if (name === null) continue
    // Names may repeat, the nearest enclosing one counts.
    let producer: Draft | undefined
    for (let above: Draft | null = scan; above !== null && producer === undefined; above = above.parent)
      producer = made.get(above)?.get(name)
    if (producer !== undefined) scansOf.get(producer)!.push(scan)
  }
  for (const [producer, scans] of scansOf) {
    const readers = scans.filter(executed)
    // The scan that made it start holds its blocks, and comes first.
    readers.sort((a, b) => ownBuffersOf(b) - ownBuffersOf(a) || (b.time ?? 0) - (a.time ?? 0) || a.at - b.at)
    producer.pulledBy = readers
    const holders = readers.map((draft) => ({ draft, amount: Math.max(0, draft.time ?? 0) }))
    producer.chargedTo = shareOut(holders, producer.inclusiveTime ?? 0)
    if (producer.inclusiveTime === null) continue
    for (const { draft, part } of producer.chargedTo) if (draft.time !== null) draft.time -= producer.inclusiveTime * part
  }
}

interface Part {
  readonly draft: Draft
  readonly part: number
}

/**
 * Who pulled a CTE's rows: a quantity of it lies inside every scan that made it go on, so it is shared out among them, each up to what it
 * holds; what is left over goes to the first. Its blocks and its time may lie in different scans.
 */
function shareOut(holders: readonly { readonly draft: Draft; readonly amount: number }[], wanted: number): Part[] {
  const first = holders[0]?.draft
  if (first === undefined) return []
  if (wanted <= 0 || holders.length === 1) return [{ draft: first, part: 1 }]
  let left = wanted
  const taken = holders.map(({ draft, amount }) => {
    const part = Math.min(left, amount)
    left -= part
    return { draft, part: part / wanted }
  })
  return taken
    .map((one) => (one.draft === first ? { draft: first, part: one.part + left / wanted } : one))
    .filter((one) => one.part > 0)
}

const bufferFields = [
  "Shared Hit Blocks",
  "Shared Read Blocks",
  "Local Hit Blocks",
  "Local Read Blocks",
  "Temp Read Blocks",
  "Temp Written Blocks",
]

function buffersOf(draft: Draft): number {
  return bufferFields.reduce((sum, name) => sum + (numberOf(fieldOf(draft.raw, name)) ?? 0), 0)
}

function ownBuffersOf(draft: Draft): number {
  return Math.max(
    0,
    draft.children.reduce((sum, child) => sum - buffersOf(child), buffersOf(draft)),
  )
}
