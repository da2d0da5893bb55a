import { attributeTime, exclusiveCounter } from "./attribute.ts"
import { attributeCost } from "./attribute-cost.ts"
import { attributeJit } from "./attribute-jit.ts"
import { fieldOf, isRecord, numberOf, type PlanDocument, textOf } from "./document.ts"
import { type Draft, draftsOf } from "./draft.ts"
import type { Plan, PlanJit, PlanNode, PlanSerialization, PlanTotals, PlanTrigger } from "./plan.ts"

/** Fields of the document that have a place of their own in {@link Plan}. */
const placed = new Set([
  "Plan",
  "Settings",
  "Triggers",
  "JIT",
  "Query Text",
  "Query Identifier",
  "Planning Time",
  "Execution Time",
  "Total Runtime",
  "Serialization",
])

/** Makes a {@link Plan} of the server's structured output, with every cost charged to the node that caused it. */
export function buildPlan(document: PlanDocument, text = ""): Plan {
  const drafts = draftsOf(document, text)
  attributeTime(drafts)
  const jit = jitOf(fieldOf(document, "JIT"), drafts)
  attributeCost(drafts)
  const executionTime = numberOf(fieldOf(document, "Execution Time")) ?? numberOf(fieldOf(document, "Total Runtime"))
  const root = nodesOf(drafts, executionTime)
  const id = fieldOf(document, "Query Identifier")
  return {
    root,
    planningTime: numberOf(fieldOf(document, "Planning Time")),
    executionTime,
    settings: settingsOf(fieldOf(document, "Settings")),
    queryId: typeof id === "string" || typeof id === "number" ? String(id) : null,
    queryText: textOf(fieldOf(document, "Query Text")),
    triggers: triggersOf(fieldOf(document, "Triggers")),
    jit,
    totals: hasBuffers(drafts[0]!) ? totalsOf(drafts) : null,
    serialization: serializationOf(fieldOf(document, "Serialization")),
    raw: Object.fromEntries(Object.entries(document).filter(([name]) => !placed.has(name))),
  }
}

const counters = {
  sharedHit: ["Shared Hit Blocks"],
  sharedRead: ["Shared Read Blocks"],
  sharedDirtied: ["Shared Dirtied Blocks"],
  sharedWritten: ["Shared Written Blocks"],
  localHit: ["Local Hit Blocks"],
  localRead: ["Local Read Blocks"],
  localDirtied: ["Local Dirtied Blocks"],
  localWritten: ["Local Written Blocks"],
  tempRead: ["Temp Read Blocks"],
  tempWritten: ["Temp Written Blocks"],
  walRecords: ["WAL Records"],
  walFpi: ["WAL FPI"],
  walBytes: ["WAL Bytes"],
} as const
/** Up to 16 the shared and local blocks had one pair of times, without a prefix. */
const timers = {
  ioReadTime: ["Shared I/O Read Time", "Local I/O Read Time", "I/O Read Time"],
  ioWriteTime: ["Shared I/O Write Time", "Local I/O Write Time", "I/O Write Time"],
  tempIoTime: ["Temp I/O Read Time", "Temp I/O Write Time"],
} as const
const counterNames = Object.keys(counters) as (keyof typeof counters)[]
const timerNames = Object.keys(timers) as (keyof typeof timers)[]

function sumOf(draft: Draft, fields: readonly string[]): number | null {
  let sum: number | null = null
  for (const field of fields) {
    const value = numberOf(fieldOf(draft.raw, field))
    if (value !== null) sum = (sum ?? 0) + value
  }
  return sum
}

function hasBuffers(draft: Draft): boolean {
  return fieldOf(draft.raw, "Shared Hit Blocks") !== undefined
}

/** The root's counts, and those of WITH queries that nobody reads: they run when the root has ended. */
function totalsOf(drafts: readonly Draft[]): PlanTotals {
  const apart = drafts.filter((draft) => draft.parent === null || draft.pulledBy?.length === 0)
  const sum = (fields: readonly string[]): number | null =>
    apart.reduce<number | null>((total, draft) => {
      const value = sumOf(draft, fields)
      return value === null ? total : (total ?? 0) + value
    }, null)
  const counts = Object.fromEntries(counterNames.map((name) => [name, sum(counters[name]) ?? 0]))
  const times = Object.fromEntries(timerNames.map((name) => [name, sum(timers[name])]))
  return { ...counts, ...times } as unknown as PlanTotals
}

/** The finished nodes, children before parents; returns the root. */
function nodesOf(drafts: readonly Draft[], executionTime: number | null): PlanNode {
  const root = drafts[0]!
  const own = new Map<string, Float64Array>()
  for (const name of [...counterNames, ...timerNames]) {
    const fields: readonly string[] =
      name in counters ? counters[name as keyof typeof counters] : timers[name as keyof typeof timers]
    const known = drafts.map((draft) => sumOf(draft, fields))
    if (known.every((value) => value === null)) continue
    const inclusive = Float64Array.from(known, (value) => value ?? 0)
    own.set(name, exclusiveCounter(drafts, inclusive))
  }
  const measured = root.inclusiveTime !== null
  const whole = measured ? Math.max(root.inclusiveTime!, executionTime ?? 0) : (root.inclusiveCost ?? 0)
  const nodes: PlanNode[] = new Array(drafts.length)
  for (let at = drafts.length - 1; at >= 0; at--) {
    const draft = drafts[at]!
    const count = (name: string): number => own.get(name)?.[at] ?? 0
    const timed = (name: string): number | null => {
      const values = own.get(name)
      // Summed over processes; divided like every other time below a Gather.
      return values === undefined ? null : values[at]! / draft.parallelism
    }
    const part = measured ? draft.time : draft.cost
    nodes[at] = {
      path: draft.path,
      type: draft.type,
      relationship: draft.relationship,
      subplan: draft.subplan,
      relation: draft.relation,
      index: draft.index,
      startupCost: draft.startupCost,
      totalCost: draft.totalCost,
      planRows: draft.planRows,
      planWidth: draft.planWidth,
      actual: draft.actual,
      participants: draft.participants,
      parallelism: draft.parallelism,
      inclusive: { time: draft.inclusiveTime, cost: draft.inclusiveCost },
      exclusive: {
        time: draft.time,
        jitTime: draft.jitTime,
        cost: draft.cost,
        sharedHit: count("sharedHit"),
        sharedRead: count("sharedRead"),
        sharedDirtied: count("sharedDirtied"),
        sharedWritten: count("sharedWritten"),
        localHit: count("localHit"),
        localRead: count("localRead"),
        localDirtied: count("localDirtied"),
        localWritten: count("localWritten"),
        tempRead: count("tempRead"),
        tempWritten: count("tempWritten"),
        walRecords: count("walRecords"),
        walFpi: count("walFpi"),
        walBytes: count("walBytes"),
        ioReadTime: timed("ioReadTime"),
        ioWriteTime: timed("ioWriteTime"),
        tempIoTime: timed("tempIoTime"),
      },
      share: whole > 0 && part !== null ? Math.min(1, part / whole) : 0,
      children: draft.children.map((child) => nodes[child.at]!),
      raw: draft.raw,
    }
  }
  return nodes[0]!
}

function settingsOf(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).map(([name, setting]) => [name, String(setting)]))
}

function triggersOf(value: unknown): PlanTrigger[] {
  if (!Array.isArray(value)) return []
  return value.filter(isRecord).map((trigger) => ({
    name: textOf(fieldOf(trigger, "Trigger Name")) ?? "",
    constraint: textOf(fieldOf(trigger, "Constraint Name")),
    relation: textOf(fieldOf(trigger, "Relation")),
    time: numberOf(fieldOf(trigger, "Time")),
    calls: numberOf(fieldOf(trigger, "Calls")) ?? 0,
  }))
}

function jitOf(value: unknown, drafts: readonly Draft[]): PlanJit | null {
  if (!isRecord(value)) return null
  const timing = fieldOf(value, "Timing")
  const options = fieldOf(value, "Options")
  const time = isRecord(timing) ? numberOf(fieldOf(timing, "Total")) : null
  return {
    functions: numberOf(fieldOf(value, "Functions")) ?? 0,
    time,
    wallTime: time === null ? null : attributeJit(drafts, time),
    options: isRecord(options)
      ? Object.fromEntries(Object.entries(options).map(([name, on]) => [name, on === true || on === "true"]))
      : {},
  }
}

function serializationOf(value: unknown): PlanSerialization | null {
  if (!isRecord(value)) return null
  const kilobytes = numberOf(fieldOf(value, "Output Volume"))
  return {
    time: numberOf(fieldOf(value, "Time")),
    bytes: kilobytes === null ? null : kilobytes * 1024,
    format: textOf(fieldOf(value, "Format")),
  }
}
