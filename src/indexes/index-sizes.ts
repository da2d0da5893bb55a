import type { Database } from "../database/database.ts"
import { countCombinations } from "./combinations.ts"
import type { Candidate } from "./draft.ts"
import { predictedSize } from "./size.ts"
import type { WhatIfPlanner } from "./what-if/planner.ts"

/** Predicted bytes of candidates: the planner's word, with combinations of columns counted on a sample of the table. */
export class IndexSizes {
  private readonly db: Database
  private readonly planner: WhatIfPlanner
  private readonly signal: AbortSignal | undefined
  private readonly known = new Map<string, number | null>()

  constructor(db: Database, planner: WhatIfPlanner, signal: AbortSignal | undefined) {
    this.db = db
    this.planner = planner
    this.signal = signal
  }

  /** Sizes of all of them; null where nothing can be said. */
  async of(candidates: readonly Candidate[]): Promise<ReadonlyMap<string, number | null>> {
    const missing = candidates.filter((candidate) => !this.known.has(candidate.id))
    const shares = await countCombinations(this.db, missing, this.signal)
    for (const candidate of missing) {
      const share = shares.get(candidate.id)
      const counted = share === undefined ? candidate : { ...candidate, distinctShare: share }
      const size = this.planner.canPrice(candidate) ? await this.planner.size(counted) : null
      this.known.set(candidate.id, size ?? predictedSize(candidate))
    }
    return this.known
  }
}
