import type { Candidate } from "./draft.ts"
import type { WhatIfPlan, WhatIfPlanner } from "./what-if/planner.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"

/** What a statement costs with some candidates in place. */
export interface Priced {
  readonly cost: number
  readonly used: ReadonlySet<string>
  readonly existingUsed: readonly string[]
  readonly plan: unknown
}

interface Known extends Priced {
  readonly asked: ReadonlySet<string>
}

/**
 * Asks the planner as seldom as can be: only candidates that could be of use to the statement are part of a question, and a plan that
 * used only what is asked for now, when more was there to choose from, is the answer.
 */
export class Pricer {
  private readonly planner: WhatIfPlanner
  private readonly known = new Map<number, Known[]>()
  private readonly signal: AbortSignal | undefined
  private readonly start: number = performance.now()
  /** After this moment (performance.now) nothing more is asked. */
  private readonly deadline: number

  constructor(
    planner: WhatIfPlanner,
    options: { readonly signal?: AbortSignal | undefined; readonly deadline?: number | undefined } = {},
  ) {
    this.planner = planner
    this.signal = options.signal
    this.deadline = options.deadline ?? Number.POSITIVE_INFINITY
  }

  get late(): boolean {
    return performance.now() > this.deadline
  }

  /** True when this share of the time is gone: what comes first must leave time for what comes after. */
  past(share: number): boolean {
    return performance.now() > this.start + share * (this.deadline - this.start)
  }

  async price(statement: AdvisedStatement, set: readonly Candidate[]): Promise<Priced> {
    this.signal?.throwIfAborted()
    const relevant = set.filter((candidate) =>
      statement.tables.has(tableKey({ schema: candidate.schema, name: candidate.table })),
    )
    const asked = new Set(relevant.map((candidate) => candidate.id))
    const known = this.known.get(statement.number) ?? []
    for (const entry of known) if (within(asked, entry.asked) && within(entry.used, asked)) return entry
    const plan: WhatIfPlan = await this.planner.plan(
      statement.values === undefined ? { text: statement.text } : { text: statement.text, values: statement.values },
      relevant,
    )
    const entry: Known = { asked, cost: plan.cost, used: new Set(plan.used), existingUsed: plan.existingUsed, plan: plan.plan }
    known.push(entry)
    this.known.set(statement.number, known)
    return entry
  }

  async cost(statement: AdvisedStatement, set: readonly Candidate[]): Promise<number> {
    return (await this.price(statement, set)).cost
  }
}

function within(inner: ReadonlySet<string>, outer: ReadonlySet<string>): boolean {
  if (inner.size > outer.size) return false
  for (const id of inner) if (!outer.has(id)) return false
  return true
}
