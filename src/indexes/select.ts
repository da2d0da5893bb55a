import type { Candidate } from "./draft.ts"
import { coveringIndex } from "./existing.ts"
import type { Pricer } from "./pricing.ts"
import { nodesOf, rootOf } from "./what-if/explain.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"
import { maintenanceCost } from "./write-cost.ts"

export interface SelectOptions {
  readonly budgetBytes: number | null
  readonly maxIndexes: number | null
  /** Least share of a statement's cost that an index must save, for at least one statement. */
  readonly minGain: number
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

export interface Selection {
  readonly chosen: readonly Candidate[]
  /** True when the time ran out before the search was over: what is chosen is good, more may be to find. */
  readonly partial: boolean
  /** Statements for which something helped, but not enough to pay for its upkeep. */
  readonly tooDear: ReadonlySet<number>
}

interface Weighed {
  readonly items: readonly Candidate[]
  readonly benefit: number
  readonly bytes: number
  /** Sum over statements of share × ln(before / after). */
  readonly logGain: number
}

/** A covering index must save this much cost a run over the plain one: some twenty random pages. */
const coveringSaving = 80
/** … and this share of what the statement cost at first. */
const refinement = 0.02
/** An index read from end to end instead of its table must save this share of the statement. */
const wholeReadGain = 0.5

/** An index that exists has the candidate's keys: all it would add is that the table need not be read. */
function onlyCovers(candidate: Candidate): boolean {
  return candidate.include.length > 0 && coveringIndex(candidate.draft.table, { ...candidate, include: [] }) !== null
}

/** Chooses the set of candidates: greedy, best first, under a budget; then every one has to show that it is needed. */
export class Selector {
  private readonly statements: readonly AdvisedStatement[]
  private readonly pricer: Pricer
  private readonly sizeOf: (candidate: Candidate) => Promise<number | null>
  private readonly sizes = new Map<string, number | null>()
  private readonly options: SelectOptions
  private readonly base = new Map<number, number>()
  private readonly tooDear = new Set<number>()
  private total = 0

  constructor(
    statements: readonly AdvisedStatement[],
    pricer: Pricer,
    sizeOf: (candidate: Candidate) => Promise<number | null>,
    options: SelectOptions,
  ) {
    this.statements = statements
    this.pricer = pricer
    this.sizeOf = sizeOf
    this.options = options
  }

  /** `mine` lists the candidates that came from each statement. */
  async select(mine: ReadonlyMap<number, readonly Candidate[]>): Promise<Selection> {
    for (const statement of this.statements) this.base.set(statement.number, await this.pricer.cost(statement, []))
    this.total = Math.max(
      1e-9,
      this.statements.reduce((sum, statement) => sum + statement.calls * this.base.get(statement.number)!, 0),
    )
    const { pool, together } = await this.promising(mine)
    for (const candidate of pool) if (!this.pricer.late) this.sizes.set(candidate.id, await this.sizeOf(candidate))
    const runs: Candidate[][] = []
    const limited = this.options.budgetBytes !== null
    for (const density of limited ? [false, true] : [false]) runs.push(await this.greedy(pool, together, density))
    let best: readonly Candidate[] = []
    let bestCost = Number.POSITIVE_INFINITY
    for (const run of runs) {
      const kept = await this.leaveOneOut(await this.exchange(run, pool))
      const cost = await this.workloadCost(kept)
      if (cost < bestCost) {
        best = kept
        bestCost = cost
      }
    }
    return { chosen: best, partial: this.pricer.late, tooDear: this.tooDear }
  }

  /** Candidates that help some statement alone, and sets that the planner uses together when it may have all. */
  private async promising(
    mine: ReadonlyMap<number, readonly Candidate[]>,
  ): Promise<{ pool: Candidate[]; together: Candidate[][] }> {
    const pool = new Map<string, Candidate>()
    const together: Candidate[][] = []
    let done = 0
    for (const statement of this.statements) {
      const own = mine.get(statement.number) ?? []
      const base = this.base.get(statement.number)!
      this.options.onProgress?.(done++, this.statements.length)
      if (own.length === 0 || this.pricer.late) continue
      const all = await this.pricer.price(statement, own)
      // If all of them together do not help, none of them does.
      if (!this.gains(base, all.cost)) continue
      const used = own.filter((candidate) => all.used.has(candidate.id))
      const worth = (cost: number, candidate: Candidate): boolean => !onlyCovers(candidate) || base - cost >= coveringSaving
      for (const candidate of used) if (worth(all.cost, candidate)) pool.set(candidate.id, candidate)
      if (used.length > 1) together.push(used)
      for (const candidate of own) {
        if (this.pricer.late) break
        const cost = await this.pricer.cost(statement, [candidate])
        if (this.gains(base, cost) && worth(cost, candidate)) pool.set(candidate.id, candidate)
      }
      // What is only of use beside the planner's first choice: the other side of a join, the other arm of an OR.
      if (used.length > 1) {
        for (const candidate of own) {
          if (this.pricer.late || pool.has(candidate.id)) continue
          const rest = used.filter(
            (other) =>
              tableKey({ schema: other.schema, name: other.table }) !==
              tableKey({ schema: candidate.schema, name: candidate.table }),
          )
          if (rest.length === used.length || rest.length === 0) continue
          const without = await this.pricer.cost(statement, rest)
          if (this.gains(without, await this.pricer.cost(statement, [...rest, candidate]))) pool.set(candidate.id, candidate)
        }
      }
    }
    return { pool: [...pool.values()], together }
  }

  private gains(before: number, after: number): boolean {
    return before - after >= this.options.minGain * before
  }

  private async greedy(pool: readonly Candidate[], together: readonly Candidate[][], density: boolean): Promise<Candidate[]> {
    const chosen: Candidate[] = []
    const single = pool.map((candidate) => [candidate])
    while (!this.pricer.late) {
      const weighed: Weighed[] = []
      for (const items of single) {
        const one = await this.weigh(chosen, items)
        if (one !== null) weighed.push(one)
      }
      if (weighed.length === 0) {
        for (const items of together) {
          const one = await this.weigh(chosen, items)
          if (one !== null) weighed.push(one)
        }
      }
      const next = this.pick(weighed, density)
      if (next === null) break
      chosen.push(...next.items)
    }
    return chosen
  }

  /** What adding some candidates would save; null when it is not allowed or not worth it. */
  private async weigh(chosen: readonly Candidate[], items: readonly Candidate[]): Promise<Weighed | null> {
    const fresh = items.filter((candidate) => !chosen.some((other) => other.id === candidate.id))
    if (fresh.length === 0) return null
    const { budgetBytes, maxIndexes } = this.options
    const bytes = this.bytesOf(fresh)
    if (maxIndexes !== null && chosen.length + fresh.length > maxIndexes) return null
    if (budgetBytes !== null && this.bytesOf(chosen) + bytes > budgetBytes) return null
    const tables = new Set(fresh.map((candidate) => tableKey({ schema: candidate.schema, name: candidate.table })))
    let benefit = 0
    let upkeep = 0
    let logGain = 0
    let worth = false
    const helped: number[] = []
    for (const statement of this.statements) {
      const before = await this.pricer.price(statement, chosen)
      if (![...tables].some((table) => statement.tables.has(table))) {
        // An INSERT searches nothing, but keeps what is there.
        for (const candidate of fresh) upkeep += statement.calls * maintenanceCost(statement, candidate, before.plan)
        continue
      }
      const after = await this.pricer.price(statement, [...chosen, ...fresh])
      benefit += statement.calls * (before.cost - after.cost)
      for (const candidate of fresh) upkeep += statement.calls * maintenanceCost(statement, candidate, before.plan)
      const share = (statement.calls * this.base.get(statement.number)!) / this.total
      if (after.cost < before.cost) logGain += share * Math.log(Math.max(before.cost, 0.01) / Math.max(after.cost, 0.01))
      // Where a chosen index already serves this statement, a finer one must save what is worth an index of its own.
      const refines =
        before.used.size > 0 && before.cost - after.cost < Math.max(coveringSaving, refinement * this.base.get(statement.number)!)
      if (!refines && this.gains(before.cost, after.cost) && this.readsLittle(after.plan, fresh, before.cost, after.cost)) {
        worth = true
        helped.push(statement.number)
      }
    }
    if (!worth) return null
    if (benefit - upkeep <= this.options.minGain * Math.max(0, benefit)) {
      for (const number of helped) this.tooDear.add(number)
      return null
    }
    return { items: fresh, benefit: benefit - upkeep, bytes, logGain }
  }

  /** An index that is read whole, as a thinner copy of its table, must save more than one that finds rows. */
  private readsLittle(plan: unknown, fresh: readonly Candidate[], before: number, after: number): boolean {
    if (before - after >= wholeReadGain * before) return true
    for (const node of nodesOf(rootOf(plan))) {
      if (node["Node Type"] !== "Index Only Scan" && node["Node Type"] !== "Index Scan") continue
      const candidate = fresh.find((one) => one.table === node["Relation Name"])
      if (candidate === undefined) continue
      const rows = Math.max(1, candidate.draft.table.rows)
      const whole = node["Index Cond"] === undefined || node["Plan Rows"] > rows / 2
      const stopsEarly = nodesOf(rootOf(plan)).some((other) => other["Node Type"] === "Limit" || other["Node Type"] === "Result")
      if (whole && !stopsEarly) return false
    }
    return true
  }

  /** The best; among those that are nearly as good, the simplest. */
  private pick(weighed: readonly Weighed[], density: boolean): Weighed | null {
    const scoreOf = (one: Weighed): number => (density ? one.benefit / Math.max(8192, one.bytes) : one.benefit)
    let best: Weighed | null = null
    for (const one of weighed) if (best === null || scoreOf(one) > scoreOf(best)) best = one
    if (best === null || density) return best
    const top = best
    const calls = Math.max(1e-9, ...this.statements.map((statement) => statement.calls))
    const near = weighed.filter((one) => {
      if (one.items.length > top.items.length || one.benefit < top.benefit * 0.9) return false
      if (one.logGain >= top.logGain * 0.87) return true
      // The same keys without what makes them covering: a difference in cost that nobody would notice is not worth the width.
      return sameKeys(one, top) && (top.benefit - one.benefit) / calls < coveringSaving
    })
    return near.sort((a, b) => this.complexity(a) - this.complexity(b) || b.benefit - a.benefit || a.bytes - b.bytes)[0] ?? top
  }

  /** Fewer keys, no INCLUDE, no constant baked in; then the smaller. */
  private complexity(one: Weighed): number {
    let points = 0
    for (const { draft, include, where, method } of one.items) {
      points += draft.keys.length + include.length * 1.5
      // A NULL test or a boolean is part of the design; a literal may be another one tomorrow.
      if (where !== null) points += where.includes("=") ? 3 : 0.9
      if (method !== "btree" && method !== "gin") points += 0.6
    }
    return points
  }

  /** Each chosen index against the others that could stand in its place. */
  private async exchange(chosen: readonly Candidate[], pool: readonly Candidate[]): Promise<Candidate[]> {
    let set = [...chosen]
    for (let round = 0; round < 2; round++) {
      let changed = false
      for (const out of [...set]) {
        const rest = set.filter((candidate) => candidate !== out)
        const current = await this.workloadCost(set)
        for (const candidate of pool) {
          if (this.pricer.late) return set
          if (candidate.table !== out.table || candidate.schema !== out.schema || set.includes(candidate)) continue
          const trial = [...rest, candidate]
          if (this.options.budgetBytes !== null && this.bytesOf(trial) > this.options.budgetBytes) continue
          const cost = await this.workloadCost(trial)
          if (cost < current - Math.max(this.options.minGain * current, coveringSaving)) {
            set = trial
            changed = true
            break
          }
        }
      }
      if (!changed) break
    }
    return set
  }

  /** Every index must still be needed when all the others are there. */
  private async leaveOneOut(chosen: readonly Candidate[]): Promise<readonly Candidate[]> {
    let set = [...chosen]
    for (const out of [...set].reverse()) {
      const rest = set.filter((candidate) => candidate !== out)
      let needed = false
      for (const statement of this.statements) {
        const withIt = await this.pricer.cost(statement, set)
        const without = await this.pricer.cost(statement, rest)
        if (this.gains(without, withIt)) needed = true
      }
      if (!needed || (await this.workloadCost(rest)) <= (await this.workloadCost(set))) set = rest
    }
    return set
  }

  /** Cost of all statements with a set in place, its upkeep included. */
  private async workloadCost(set: readonly Candidate[]): Promise<number> {
    let cost = 0
    for (const statement of this.statements) {
      const priced = await this.pricer.price(statement, set)
      cost += statement.calls * priced.cost
      for (const candidate of set) cost += statement.calls * maintenanceCost(statement, candidate, priced.plan)
    }
    return cost
  }

  private bytesOf(set: readonly Candidate[]): number {
    return set.reduce((sum, candidate) => sum + (this.sizes.get(candidate.id) ?? 0), 0)
  }
}

function sameKeys(one: Weighed, other: Weighed): boolean {
  const keys = (weighed: Weighed): string => JSON.stringify(weighed.items.map((candidate) => [candidate.table, candidate.keys]))
  return keys(one) === keys(other)
}
