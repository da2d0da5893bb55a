import type { Candidate } from "./draft.ts"
import { coveringIndex } from "./existing.ts"
import type { Pricer } from "./pricing.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"

export interface Explored {
  /** What helps, by the statement that it helps. */
  readonly useful: ReadonlyMap<number, readonly Candidate[]>
  /** Sets that the planner uses together where it may have everything. */
  readonly together: readonly (readonly Candidate[])[]
  /** False when its share of the time ran out. */
  readonly complete: boolean
}

/** Of the time, the share that this search may take. */
const share = 0.5

export interface ExploreOptions {
  readonly minGain: number
  /** Least cost that being covering alone must save. */
  readonly coveringSaving: number
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/** Second, third, … choices of the planner that are looked for, a table. */
const maxChoices = 12

/**
 * Finds what helps each statement with few questions: the planner is given everything, names what it likes best, is asked again without
 * that, and so on until what is left helps no more. The most expensive statements come first, so that an early end finds what matters.
 */
export async function explore(
  statements: readonly AdvisedStatement[],
  mine: ReadonlyMap<number, readonly Candidate[]>,
  pricer: Pricer,
  options: ExploreOptions,
): Promise<Explored> {
  const useful = new Map<number, readonly Candidate[]>()
  const together: (readonly Candidate[])[] = []
  const weights = new Map<number, number>()
  const least = new Map<number, number>()
  for (const statement of statements) weights.set(statement.number, statement.calls * (await pricer.cost(statement, [])))
  const order = [...statements].sort((a, b) => weights.get(b.number)! - weights.get(a.number)!)
  for (const statement of order) {
    const own = pricer.past(share / 2) ? [] : (mine.get(statement.number) ?? [])
    const cost = Math.min(await pricer.cost(statement, []), await pricer.cost(statement, own))
    least.set(statement.number, statement.calls * cost)
  }
  const sum = [...least.values()].reduce((total, cost) => total + cost, 0)
  for (const [done, statement] of order.entries()) {
    options.onProgress?.(done, order.length)
    if (pricer.past(share)) break
    const own = mine.get(statement.number) ?? []
    if (own.length === 0) continue
    const rest = { cost: sum - least.get(statement.number)!, count: statements.length }
    const found = await new Exploration(statement, own, pricer, options, rest).run()
    useful.set(statement.number, found.useful)
    if (found.used.length > 1) together.push(found.used)
  }
  return { useful, together, complete: !pricer.past(share) }
}

/** The search for one statement. */
class Exploration {
  private readonly statement: AdvisedStatement
  private readonly own: readonly Candidate[]
  private readonly pricer: Pricer
  private readonly options: ExploreOptions
  private readonly found = new Map<string, Candidate>()
  /** What the other statements cost at best, and how many statements there are. */
  private readonly rest: { readonly cost: number; readonly count: number }
  private base = 0

  constructor(
    statement: AdvisedStatement,
    own: readonly Candidate[],
    pricer: Pricer,
    options: ExploreOptions,
    rest: { readonly cost: number; readonly count: number },
  ) {
    this.rest = rest
    this.statement = statement
    this.own = own
    this.pricer = pricer
    this.options = options
  }

  async run(): Promise<{ useful: Candidate[]; used: Candidate[] }> {
    this.base = await this.pricer.cost(this.statement, [])
    const all = await this.pricer.price(this.statement, this.own)
    // If all of them together do not help, none of them does.
    if (!this.gains(this.base, all.cost)) return { useful: [], used: [] }
    const used = this.own.filter((candidate) => all.used.has(candidate.id))
    for (const candidate of used) this.keep(candidate, this.base, all.cost)
    const tables = new Map<string, Candidate[]>()
    for (const candidate of this.own) {
      const key = tableKey(candidate.draft.table)
      tables.set(key, [...(tables.get(key) ?? []), candidate])
    }
    for (const [table, list] of tables) {
      // Beside what the other tables get: the other side of a join is of use only there.
      const others = used.filter((candidate) => tableKey(candidate.draft.table) !== table)
      await this.choices(list, others)
      if (others.length > 0) await this.choices(list, [])
    }
    await this.simpler()
    // In the order in which they were thought of: of equals the first is preferred.
    return { useful: this.own.filter((candidate) => this.found.has(candidate.id)), used }
  }

  /** The planner's choices on one table, best first. */
  private async choices(list: readonly Candidate[], others: readonly Candidate[]): Promise<void> {
    const without = await this.pricer.cost(this.statement, others)
    let left = list
    for (let round = 0; round < maxChoices && left.length > 0 && !this.pricer.past(share); round++) {
      const priced = await this.pricer.price(this.statement, [...others, ...left])
      const used = left.filter((candidate) => priced.used.has(candidate.id))
      if (used.length === 0 || !this.gains(without, priced.cost)) return
      for (const candidate of used) this.keep(candidate, without, priced.cost)
      left = left.filter((candidate) => !used.includes(candidate))
    }
  }

  /** A plainer index may do nearly as well as the one that was chosen: the first of its keys, or its keys alone. */
  private async simpler(): Promise<void> {
    for (const finer of [...this.found.values()]) {
      for (const candidate of this.own) {
        if (this.pricer.past(share)) return
        if (this.found.has(candidate.id) || !isSimpler(candidate, finer)) continue
        const cost = await this.pricer.cost(this.statement, [candidate])
        if (this.gains(this.base, cost)) this.keep(candidate, this.base, cost)
      }
    }
  }

  private keep(candidate: Candidate, before: number, after: number): void {
    if (onlyCovers(candidate) && before - after < this.options.coveringSaving) return
    this.found.set(candidate.id, candidate)
  }

  /** Enough for the statement itself, or for an average one of the workload. */
  private gains(before: number, after: number): boolean {
    const { minGain } = this.options
    const { calls } = this.statement
    const average = (this.rest.cost + calls * before) / this.rest.count
    return before - after >= minGain * before || calls * (before - after) >= minGain * average
  }
}

/** An index that exists has the candidate's keys: all it would add is that the table need not be read. */
function onlyCovers(candidate: Candidate): boolean {
  return candidate.include.length > 0 && coveringIndex(candidate.draft.table, { ...candidate, include: [] }) !== null
}

function isSimpler(one: Candidate, other: Candidate): boolean {
  return (
    one.method === other.method &&
    one.where === other.where &&
    tableKey(one.draft.table) === tableKey(other.draft.table) &&
    one.keys.every((key, at) => other.keys[at] === key) &&
    one.include.length === 0 &&
    (one.keys.length < other.keys.length || other.include.length > 0)
  )
}
