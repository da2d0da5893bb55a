import { comparePlans, type Plan, planHash, planShape } from "../../explain/index.ts"

/** A shape that a statement's plans have had. Values may change it: shapes planned with values and without are kept apart. */
export interface KnownShape {
  readonly fingerprint: string
  readonly kind: PlanKind
  /** A short name of the shape. */
  readonly hash: string
  /** Nodes and what they read, one a line; no estimates, times or literals. */
  readonly shape: string
  /** Milliseconds since 1970. */
  readonly firstSeen: number
  lastSeen: number
  samples: number
  cost: number | null
}

/** "values": planned for the values of a call; "generic": without any. */
export type PlanKind = "values" | "generic"

/** One plan that was asked for. It may hold literals of the statement, and never leaves this process. */
export interface PlanSample {
  readonly fingerprint: string
  readonly kind: PlanKind
  readonly plan: Plan
  /** Monotonic, and milliseconds since 1970. */
  readonly at: number
  readonly wall: number
}

/** A statement whose plan has a shape that it never had before. */
export interface PlanChange {
  readonly fingerprint: string
  /** Monotonic. */
  readonly at: number
  readonly before: string
  readonly after: string
  /** What became different, in a sentence or two, without literals. */
  readonly summary: string
}

const statementsKept = 1000
const shapesKept = 20

/** The shapes of each statement's plans: a plan that changed is one whose shape is new to its statement. */
export class PlanLog {
  /** By fingerprint; the one sampled last is last. */
  readonly #shapes = new Map<string, KnownShape[]>()
  readonly #plans = new Map<string, PlanSample>()
  readonly #changes = new Map<string, PlanChange>()
  #unsaved = new Set<KnownShape>()

  /** Takes a sample; the change that it shows, if any. */
  add(sample: PlanSample): PlanChange | null {
    const { fingerprint, kind, plan, at, wall } = sample
    const hash = planHash(plan)
    const shapes = this.#shapes.get(fingerprint) ?? []
    // The statement sampled last is last of all, so that the first is the one to forget.
    this.#shapes.delete(fingerprint)
    this.#shapes.set(fingerprint, shapes)
    const alike = shapes.filter((one) => one.kind === kind)
    const before = this.#plans.get(planKey(fingerprint, kind))
    const known = alike.find((one) => one.hash === hash)
    const cost = plan.root.totalCost
    if (known !== undefined) {
      known.lastSeen = wall
      known.samples++
      known.cost = cost
      this.#unsaved.add(known)
    } else {
      const shape = { fingerprint, kind, hash, shape: planShape(plan), firstSeen: wall, lastSeen: wall, samples: 1, cost }
      shapes.push(shape)
      if (shapes.length > shapesKept) shapes.splice(0, 1)
      this.#unsaved.add(shape)
    }
    this.#plans.set(planKey(fingerprint, kind), sample)
    this.#forget()
    const previous = alike.reduce<KnownShape | null>(
      (last, one) => (last === null || one.lastSeen > last.lastSeen ? one : last),
      null,
    )
    if (known !== undefined || previous === null) return null
    const summary = before === undefined ? linesChanged(previous.shape, planShape(plan)) : comparePlans(before.plan, plan).summary
    const change = { fingerprint, at, before: previous.hash, after: hash, summary }
    this.#changes.set(fingerprint, change)
    return change
  }

  /** The last plan of a statement, one with values before one without; null where none was taken since the start. */
  latest(fingerprint: string): PlanSample | null {
    return this.#plans.get(planKey(fingerprint, "values")) ?? this.#plans.get(planKey(fingerprint, "generic")) ?? null
  }

  shapes(fingerprint: string): readonly KnownShape[] {
    return this.#shapes.get(fingerprint) ?? []
  }

  /** Changes since the start, each statement's last one. */
  changes(): readonly PlanChange[] {
    return [...this.#changes.values()]
  }

  /** Shapes that an earlier process saw. */
  restore(shapes: readonly KnownShape[]): void {
    for (const shape of shapes) {
      const known = this.#shapes.get(shape.fingerprint) ?? []
      if (known.some((one) => one.kind === shape.kind && one.hash === shape.hash)) continue
      this.#shapes.set(shape.fingerprint, [shape, ...known])
    }
    this.#forget()
  }

  /** What changed since the last call, to be kept over a restart. */
  takeUnsaved(): readonly KnownShape[] {
    const taken = [...this.#unsaved]
    this.#unsaved = new Set()
    return taken
  }

  /** What could not be kept after all. */
  restoreUnsaved(shapes: readonly KnownShape[]): void {
    for (const shape of shapes) this.#unsaved.add(shape)
  }

  #forget(): void {
    for (const fingerprint of this.#shapes.keys()) {
      if (this.#shapes.size <= statementsKept) return
      this.#shapes.delete(fingerprint)
      this.#changes.delete(fingerprint)
      for (const kind of ["values", "generic"] as const) this.#plans.delete(planKey(fingerprint, kind))
    }
  }
}

function planKey(fingerprint: string, kind: PlanKind): string {
  return `${fingerprint} ${kind}`
}

/** The difference of two shapes, where the plan before is not at hand any more. */
function linesChanged(before: string, after: string): string {
  const nodes = (shape: string): string[] =>
    shape.split("\n").map((line) => {
      const [type, relation, index] = line.slice(line.indexOf(" ") + 1).split("|")
      return `${type}${relation ? ` on ${relation}` : ""}${index ? ` using ${index}` : ""}`
    })
  const was = new Set(nodes(before))
  const is = new Set(nodes(after))
  const gone = [...was].filter((node) => !is.has(node)).slice(0, 3)
  const added = [...is].filter((node) => !was.has(node)).slice(0, 3)
  const parts = [
    ...(gone.length > 0 ? [`gone: ${gone.join(", ")}`] : []),
    ...(added.length > 0 ? [`new: ${added.join(", ")}`] : []),
  ]
  return parts.length === 0 ? "The nodes are in another order." : `${parts.join("; ")}.`
}
