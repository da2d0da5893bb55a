import type { Candidate } from "./draft.ts"
import type { Priced, Pricer } from "./pricing.ts"
import type { Relevance } from "./relevance.ts"
import { nodesOf, rootOf } from "./what-if/explain.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"
import { maintenanceCost } from "./write-cost.ts"

/** A covering index must save this much cost a run over the plain one: some twenty random pages. */
export const coveringSaving = 80
/** … and this share of what the statement cost at first. */
const refinement = 0.02
/** An index read from end to end instead of its table must save this share of the statement. */
const wholeReadGain = 0.5

/** Predicted sizes may fall a few percent short, and a budget is a promise. */
const reserve = 1.05

export interface LedgerContext {
  readonly statements: readonly AdvisedStatement[]
  readonly pricer: Pricer
  readonly relevance: Relevance
  /** Cost of each statement without any candidate. */
  readonly base: ReadonlyMap<number, number>
  /** Cost of each statement with every candidate: it cannot fall below. */
  readonly floor: ReadonlyMap<number, number>
  /** Cost of the workload with every candidate: what savings are measured by. */
  readonly scale: number
  readonly sizes: ReadonlyMap<string, number | null>
  readonly budgetBytes: number | null
  readonly maxIndexes: number | null
  /** Least share of a statement's cost that an index must save, for at least one statement. */
  readonly minGain: number
  /** Grows by statements for which something helped, but not enough to pay for its upkeep. */
  readonly tooDear: Set<number>
}

/** What adding some candidates would bring. */
export interface Weighed {
  readonly items: readonly Candidate[]
  /** Chosen ones that the items make needless. */
  readonly dropped: readonly Candidate[]
  readonly benefit: number
  readonly bytes: number
  /** Mean over the statements of ln(before / after). */
  readonly logGain: number
  /** What sets are compared by: see {@link utilityOf}. */
  readonly utility: number
  /** Whether some statement gains enough to notice, and all of it pays for its upkeep. */
  readonly worth: boolean
  /** What each statement brings, apart from upkeep. */
  readonly utilities: ReadonlyMap<number, number>
}

/** How much the mean of what statements gain counts beside the cost of all together. */
const relativeWeight = 0.8

/**
 * What a cost saved is worth: its share of the workload's cost, and, since a small statement made ten times faster is worth something
 * too, how far each statement falls of itself.
 */
export function utilityOf(saved: number, meanLog: number, scale: number): number {
  return saved / scale + relativeWeight * meanLog
}

interface State {
  readonly priced: Priced
  /** The chosen candidates that its plan uses: the others are not part of further questions. */
  readonly needed: readonly Candidate[]
}

/** The indexes chosen so far, what each statement costs with them, and what more would bring. */
export class Ledger {
  chosen: readonly Candidate[] = []
  private readonly context: LedgerContext
  private readonly states = new Map<number, State>()

  private constructor(context: LedgerContext) {
    this.context = context
  }

  static async open(context: LedgerContext, chosen: readonly Candidate[] = []): Promise<Ledger> {
    const ledger = new Ledger(context)
    ledger.chosen = chosen
    for (const statement of context.statements) await ledger.note(statement, chosen)
    return ledger
  }

  /** The most that a candidate could still bring a statement: down to what it costs with everything. */
  most(statement: AdvisedStatement): number {
    return this.utility(statement, this.context.floor.get(statement.number)!)
  }

  private utility(statement: AdvisedStatement, after: number): number {
    const { statements, scale } = this.context
    const before = this.cost(statement)
    if (after >= before) return 0
    return utilityOf(statement.calls * (before - after), logRatio(before, after) / statements.length, scale)
  }

  /** Bytes that adding them takes, with what they make needless given back. */
  bytesFor(items: readonly Candidate[]): number {
    const fresh = this.fresh(items)
    return this.bytesOf(fresh) - this.bytesOf(this.superseded(fresh))
  }

  /** What several statements together must save where none of them gains enough by itself: as much as an average one would. */
  get enough(): number {
    const { statements, minGain } = this.context
    const cost = statements.reduce((sum, statement) => sum + statement.calls * this.cost(statement), 0)
    return (minGain * cost) / Math.max(1, statements.filter(({ accesses }) => accesses.length > 0).length)
  }

  /** True where budget and number allow it. */
  fits(items: readonly Candidate[]): boolean {
    const { budgetBytes, maxIndexes } = this.context
    const fresh = this.fresh(items)
    const count = this.chosen.length + fresh.length - this.superseded(fresh).length
    if (maxIndexes !== null && count > maxIndexes) return false
    return budgetBytes === null || this.bytesOf(this.chosen) + this.bytesFor(fresh) <= budgetBytes
  }

  /** What adding some candidates would save. */
  async weigh(items: readonly Candidate[]): Promise<Weighed> {
    const { statements, pricer, relevance, base, floor, scale, minGain, tooDear } = this.context
    const fresh = this.fresh(items)
    const dropped = this.superseded(fresh)
    let benefit = 0
    let upkeep = 0
    let logGain = 0
    const utilities = new Map<number, number>()
    const helped: number[] = []
    let noticed = 0
    for (const statement of statements) {
      const { priced: before, needed } = this.states.get(statement.number)!
      // An INSERT searches nothing, but keeps what is there.
      for (const candidate of fresh) upkeep += statement.calls * maintenanceCost(statement, candidate, before.plan)
      for (const candidate of dropped) upkeep -= statement.calls * maintenanceCost(statement, candidate, before.plan)
      const loses = needed.some((candidate) => dropped.includes(candidate))
      const open = before.cost - floor.get(statement.number)! > before.cost * 1e-6
      if (!loses && (!open || !fresh.some((candidate) => relevance.between(statement, candidate)))) continue
      const after = await pricer.price(statement, [...needed.filter((candidate) => !dropped.includes(candidate)), ...fresh])
      benefit += statement.calls * (before.cost - after.cost)
      if (after.cost < before.cost) logGain += logRatio(before.cost, after.cost) / statements.length
      // Where a chosen index already serves this statement, a finer one must save what is worth an index of its own.
      const refines =
        before.used.size > 0 && before.cost - after.cost < Math.max(coveringSaving, refinement * base.get(statement.number)!)
      const gains = before.cost - after.cost >= minGain * before.cost
      utilities.set(statement.number, this.utility(statement, after.cost))
      if (refines || after.cost >= before.cost || !readsLittle(after.plan, fresh, before.cost, after.cost)) continue
      noticed += statement.calls * (before.cost - after.cost)
      if (gains) helped.push(statement.number)
    }
    const worth = helped.length > 0 || noticed >= this.enough
    const pays = benefit - upkeep > minGain * Math.max(0, benefit)
    if (!pays) for (const number of helped) tooDear.add(number)
    const bytes = this.bytesOf(fresh) - this.bytesOf(dropped)
    const utility = utilityOf(benefit - upkeep, logGain, scale)
    return { items: fresh, dropped, benefit: benefit - upkeep, bytes, logGain, utility, worth: worth && pays, utilities }
  }

  /** Adds what was weighed; answers the statements whose cost changed. */
  async take({ items, dropped }: Weighed): Promise<ReadonlySet<number>> {
    const { statements, relevance } = this.context
    this.chosen = [...this.chosen.filter((candidate) => !dropped.includes(candidate)), ...items]
    const changed = new Set<number>()
    for (const statement of statements) {
      const { priced, needed } = this.states.get(statement.number)!
      const concerned =
        needed.some((candidate) => dropped.includes(candidate)) ||
        items.some((candidate) => relevance.between(statement, candidate))
      if (!concerned) continue
      await this.note(statement, [...needed.filter((candidate) => !dropped.includes(candidate)), ...items])
      if (Math.abs(this.cost(statement) - priced.cost) > 1e-9) changed.add(statement.number)
    }
    return changed
  }

  private async note(statement: AdvisedStatement, set: readonly Candidate[]): Promise<void> {
    const priced = await this.context.pricer.price(statement, set)
    this.states.set(statement.number, { priced, needed: set.filter((candidate) => priced.used.has(candidate.id)) })
  }

  private cost(statement: AdvisedStatement): number {
    return this.states.get(statement.number)!.priced.cost
  }

  private fresh(items: readonly Candidate[]): Candidate[] {
    return items.filter((candidate) => !this.chosen.some((other) => other.id === candidate.id))
  }

  private superseded(fresh: readonly Candidate[]): Candidate[] {
    return this.chosen.filter((known) => fresh.some((candidate) => supersedes(candidate, known)))
  }

  private bytesOf(set: readonly Candidate[]): number {
    return set.reduce((sum, candidate) => sum + (this.context.sizes.get(candidate.id) ?? 0) * reserve, 0)
  }
}

function logRatio(before: number, after: number): number {
  return Math.log(Math.max(before, 0.01) / Math.max(after, 0.01))
}

/** True when one index begins with the other's keys and holds its columns. */
export function supersedes(one: Candidate, other: Candidate): boolean {
  if (one.method !== "btree" || other.method !== "btree" || one.where !== other.where) return false
  if (tableKey(one.draft.table) !== tableKey(other.draft.table) || one.keys.length < other.keys.length) return false
  const held = new Set([...one.draft.include, ...one.draft.keys.map((key) => key.column)])
  return other.keys.every((key, at) => one.keys[at] === key) && other.draft.include.every((column) => held.has(column))
}

/** An index that is read whole, as a thinner copy of its table, must save more than one that finds rows. */
function readsLittle(plan: unknown, fresh: readonly Candidate[], before: number, after: number): boolean {
  if (before - after >= wholeReadGain * before) return true
  const nodes = nodesOf(rootOf(plan))
  for (const node of nodes) {
    if (node["Node Type"] !== "Index Only Scan" && node["Node Type"] !== "Index Scan") continue
    const candidate = fresh.find((one) => one.table === node["Relation Name"])
    if (candidate === undefined) continue
    const rows = Math.max(1, candidate.draft.table.rows)
    const whole = node["Index Cond"] === undefined || node["Plan Rows"] > rows / 2
    const stopsEarly = nodes.some((other) => other["Node Type"] === "Limit" || other["Node Type"] === "Result")
    if (whole && !stopsEarly) return false
  }
  return true
}
