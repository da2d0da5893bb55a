import type { Candidate } from "./draft.ts"
import { explore } from "./explore.ts"
import type { IndexSizes } from "./index-sizes.ts"
import { coveringSaving, Ledger, type LedgerContext, utilityOf, type Weighed } from "./ledger.ts"
import { mergedCandidates } from "./merge.ts"
import type { Pricer } from "./pricing.ts"
import { Relevance } from "./relevance.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"
import { maintenanceCost } from "./write-cost.ts"

export interface SelectOptions {
  readonly budgetBytes: number | null
  readonly maxIndexes: number | null
  /** Least share of a statement's cost that an index must save, for at least one statement. */
  readonly minGain: number
  /** Most key columns of an index made for several statements. */
  readonly maxWidth: number
  readonly sizes: IndexSizes
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

export interface Selection {
  readonly chosen: readonly Candidate[]
  /** True when the time ran out before the search was over: what is chosen is good, more may be to find. */
  readonly partial: boolean
  /** Statements for which something helped, but not enough to pay for its upkeep. */
  readonly tooDear: ReadonlySet<number>
  /** Statements for which something helped, chosen or not. */
  readonly helped: ReadonlySet<number>
}

/** Another set must bring so much more. */
const leastStep = 0.002
/** Of what the best choice saves, the share that a simpler one must save to be preferred. */
const nearly = 0.9

/** Chooses the set of candidates: greedy, best first, under a budget; then every one has to show that it is needed. */
export async function select(
  statements: readonly AdvisedStatement[],
  mine: ReadonlyMap<number, readonly Candidate[]>,
  pricer: Pricer,
  options: SelectOptions,
): Promise<Selection> {
  const { minGain, onProgress } = options
  const explored = await explore(statements, mine, pricer, { minGain, coveringSaving, onProgress })
  const merged = statements.length > 1 ? mergedCandidates([...explored.useful.values()], options.maxWidth) : []
  const pool = [
    ...new Map([...explored.useful.values(), merged].flat().map((candidate) => [candidate.id, candidate] as const)).values(),
  ]
  const relevance = new Relevance(mine, explored.useful)
  const base = new Map<number, number>()
  const floor = new Map<number, number>()
  for (const statement of statements) {
    const cost = await pricer.cost(statement, [])
    base.set(statement.number, cost)
    const helpful = pool.filter((candidate) => relevance.between(statement, candidate))
    floor.set(statement.number, pricer.past(0.6) ? 0 : Math.min(cost, await pricer.cost(statement, helpful)))
  }
  const sizes = await options.sizes.of(pricer.late ? [] : pool)
  const context: LedgerContext = {
    statements,
    pricer,
    relevance,
    base,
    floor,
    scale: Math.max(
      1e-9,
      statements.reduce((sum, statement) => sum + statement.calls * floor.get(statement.number)!, 0),
    ),
    sizes,
    budgetBytes: options.budgetBytes,
    maxIndexes: options.maxIndexes,
    minGain,
    tooDear: new Set(),
  }
  const helped = new Set([...explored.useful].filter(([, list]) => list.length > 0).map(([number]) => number))
  const chosen = await new Selector(context, pool, explored.together).run()
  return { chosen, partial: pricer.late || !explored.complete, tooDear: context.tooDear, helped }
}

/** Candidates that could be added, and the most that they can still bring each statement. */
class Move {
  readonly items: readonly Candidate[]
  private readonly context: LedgerContext
  private readonly bounds = new Map<number, number>()
  private worthless = false

  constructor(items: readonly Candidate[], context: LedgerContext, ledger: Ledger) {
    this.items = items
    this.context = context
    for (const statement of context.statements) {
      if (items.some((candidate) => context.relevance.between(statement, candidate)))
        this.bounds.set(statement.number, ledger.most(statement))
    }
  }

  get most(): number {
    return this.worthless ? 0 : [...this.bounds.values()].reduce((sum, bound) => sum + bound, 0)
  }

  weighed({ utilities, worth }: Weighed): void {
    this.worthless = !worth
    for (const number of this.bounds.keys()) this.bounds.set(number, Math.max(0, utilities.get(number) ?? 0))
  }

  /** After another move: on its table this one can only bring less; on other tables it may bring more beside it. */
  lower(ledger: Ledger, changed: ReadonlySet<number>, tables: ReadonlySet<string>): void {
    const elsewhere = this.items.some((candidate) => !tables.has(tableKey(candidate.draft.table)))
    for (const statement of this.context.statements) {
      const bound = this.bounds.get(statement.number)
      if (bound === undefined || !changed.has(statement.number)) continue
      const most = ledger.most(statement)
      if (elsewhere) this.worthless = false
      this.bounds.set(statement.number, elsewhere ? most : Math.min(bound, most))
    }
  }
}

/** The search over sets. */
class Selector {
  private readonly context: LedgerContext
  private readonly pool: readonly Candidate[]
  private readonly together: readonly (readonly Candidate[])[]
  private readonly limited: boolean

  constructor(context: LedgerContext, pool: readonly Candidate[], together: readonly (readonly Candidate[])[]) {
    this.context = context
    this.pool = pool
    this.together = together
    this.limited = context.budgetBytes !== null || context.maxIndexes !== null
  }

  async run(): Promise<readonly Candidate[]> {
    const { budgetBytes } = this.context
    const modes =
      budgetBytes === null || (await this.wanted()) <= budgetBytes ? [false] : this.pool.length <= 40 ? [true, false] : [true]
    let best: readonly Candidate[] = []
    let bestLevel = await this.level([])
    // Under a budget that does not hold everything what counts is the gain for its space.
    for (const density of modes) {
      const found = await this.leaveOneOut(await this.greedy([], density))
      const kept = this.limited ? await this.leaveOneOut(await this.without(found, density)) : found
      const level = await this.level(kept)
      if (level < bestLevel) {
        best = kept
        bestLevel = level
      }
    }
    return best
  }

  /** Bytes of all that the statements would use if they could have everything. */
  private async wanted(): Promise<number> {
    const { statements, pricer, relevance, sizes } = this.context
    const used = new Set<string>()
    for (const statement of statements) {
      const helpful = this.pool.filter((candidate) => relevance.between(statement, candidate))
      for (const id of (await pricer.price(statement, helpful)).used) used.add(id)
    }
    return [...used].reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0)
  }

  /** Adds what brings most, again and again. What each move could bring at most is known, so that few have to be weighed anew. */
  private async greedy(start: readonly Candidate[], density: boolean, banned?: Candidate): Promise<readonly Candidate[]> {
    const ledger = await Ledger.open(this.context, start)
    const singles = this.pool
      .filter((candidate) => candidate !== banned)
      .map((candidate) => new Move([candidate], this.context, ledger))
    const sets = this.together
      .filter((items) => !items.some((candidate) => candidate === banned))
      .map((items) => new Move(items, this.context, ledger))
    while (!this.context.pricer.late) {
      let weighed = await this.weighed(ledger, singles, density)
      if (weighed.length === 0) weighed = await this.weighed(ledger, sets, density)
      const next = this.pick(weighed, density)
      if (next === null) break
      const changed = await ledger.take(next)
      const tables = new Set(next.items.map((candidate) => tableKey(candidate.draft.table)))
      for (const move of [...singles, ...sets]) move.lower(ledger, changed, tables)
    }
    return ledger.chosen
  }

  /** The moves that come near the best; others are not weighed, as they cannot. */
  private async weighed(ledger: Ledger, moves: readonly Move[], density: boolean): Promise<Weighed[]> {
    const per = (utility: number, { items }: Move): number =>
      density ? utility / Math.max(8192, ledger.bytesFor(items)) : utility
    const order = moves
      .filter(
        (move) => move.most > 0 && move.items.some((candidate) => !ledger.chosen.includes(candidate)) && ledger.fits(move.items),
      )
      .map((move) => ({ move, most: per(move.most, move) }))
      .sort((a, b) => b.most - a.most)
    const found: Weighed[] = []
    let top = 0
    for (const { move, most } of order) {
      if (most < nearly * top || this.context.pricer.late) break
      const one = await ledger.weigh(move.items)
      move.weighed(one)
      if (!one.worth) continue
      found.push(one)
      top = Math.max(top, per(one.utility, move))
    }
    return found
  }

  /** The best; among those that are nearly as good, the simplest. */
  private pick(weighed: readonly Weighed[], density: boolean): Weighed | null {
    const scoreOf = (one: Weighed): number => (density ? one.utility / Math.max(8192, one.bytes) : one.utility)
    let best: Weighed | null = null
    for (const one of weighed) if (best === null || scoreOf(one) > scoreOf(best)) best = one
    if (best === null || density) return best
    const top = best
    const calls = Math.max(1e-9, ...this.context.statements.map((statement) => statement.calls))
    const near = weighed.filter((one) => {
      if (one.items.length > top.items.length || one.benefit < top.benefit * nearly) return false
      if (one.logGain >= top.logGain * 0.87) return true
      // The same keys without what makes them covering: a difference in cost that nobody would notice is not worth the width.
      return sameKeys(one, top) && (top.benefit - one.benefit) / calls < coveringSaving
    })
    const rank = (one: Weighed): number => this.pool.indexOf(one.items[0]!)
    const alike = (a: Weighed, b: Weighed): boolean => Math.abs(a.benefit - b.benefit) < 0.01 * top.benefit
    return (
      near.sort((a, b) => {
        const simpler = complexity(a) - complexity(b)
        if (simpler !== 0) return simpler
        return alike(a, b) ? Math.sign(a.bytes - b.bytes) || rank(a) - rank(b) : b.benefit - a.benefit
      })[0] ?? top
    )
  }

  /** Where space or number is short: whether others do better in the place of each of the chosen. */
  private async without(chosen: readonly Candidate[], density: boolean): Promise<readonly Candidate[]> {
    let set = chosen
    let level = await this.level(set)
    for (let changed = true; changed; ) {
      changed = false
      for (const out of [...set].sort((a, b) => this.bytesOf(b) - this.bytesOf(a))) {
        if (this.context.pricer.late) return set
        const other = await this.greedy(
          set.filter((candidate) => candidate !== out),
          density,
          out,
        )
        const reached = await this.level(other)
        if (reached >= level - leastStep) continue
        set = other
        level = reached
        changed = true
        break
      }
    }
    return set
  }

  private bytesOf(candidate: Candidate): number {
    return this.context.sizes.get(candidate.id) ?? 0
  }

  /** Every index must still be needed when all the others are there. */
  private async leaveOneOut(chosen: readonly Candidate[]): Promise<readonly Candidate[]> {
    const { statements, pricer, minGain } = this.context
    let set = chosen
    for (const out of [...chosen].reverse()) {
      const rest = set.filter((candidate) => candidate !== out)
      let needed = false
      for (const statement of statements) {
        const withIt = await pricer.cost(statement, set)
        const without = await pricer.cost(statement, rest)
        if (without - withIt >= minGain * without) needed = true
      }
      const saved = (await this.workloadCost(rest)) - (await this.workloadCost(set))
      if (saved <= 0 || (!needed && saved < (await Ledger.open(this.context, set)).enough)) set = rest
    }
    return set
  }

  /** Where a set leaves the workload, on the scale of utilities: the lower the better. */
  private async level(set: readonly Candidate[]): Promise<number> {
    const { statements, pricer, scale } = this.context
    let logs = 0
    for (const statement of statements) logs += Math.log(Math.max(0.01, await pricer.cost(statement, set)))
    return utilityOf(await this.workloadCost(set), logs / statements.length, scale)
  }

  /** Cost of all statements with a set in place, its upkeep included. */
  private async workloadCost(set: readonly Candidate[]): Promise<number> {
    let cost = 0
    for (const statement of this.context.statements) {
      const priced = await this.context.pricer.price(statement, set)
      cost += statement.calls * priced.cost
      for (const candidate of set) cost += statement.calls * maintenanceCost(statement, candidate, priced.plan)
    }
    return cost
  }
}

/** Fewer keys, no INCLUDE, no constant baked in; then the smaller. */
function complexity(one: Weighed): number {
  let points = 0
  for (const { draft, include, where, method } of one.items) {
    points += draft.keys.length + include.length * 1.5
    // A NULL test or a boolean is part of the design; a literal may be another one tomorrow.
    if (where !== null) points += where.includes("=") ? 3 : 0.9
    if (method !== "btree" && method !== "gin") points += 0.6
  }
  return points
}

function sameKeys(one: Weighed, other: Weighed): boolean {
  const keys = (weighed: Weighed): string => JSON.stringify(weighed.items.map((candidate) => [candidate.table, candidate.keys]))
  return keys(one) === keys(other)
}
