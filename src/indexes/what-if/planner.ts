export interface CandidateIndex {
  readonly id: string
  readonly schema: string
  readonly table: string
  readonly method: "btree" | "hash" | "gin" | "gist" | "spgist" | "brin"
  readonly keys: readonly string[] /* SQL of each key incl. opclass, DESC, NULLS */
  readonly include: readonly string[]
  readonly where: string | null
  readonly unique?: boolean
  /** Distinct combinations of its keys, as a share of the rows, where somebody counted; else it is estimated. */
  readonly distinctShare?: number | undefined
}
export interface WhatIfPlan {
  readonly cost: number
  readonly used: readonly string[] /* candidate ids used */
  readonly existingUsed: readonly string[]
  readonly plan: unknown /* EXPLAIN JSON */
}
export interface WhatIfPlanner {
  readonly name: "shadow" | "server" | "hypopg" | "none"
  canPrice(c: CandidateIndex): boolean
  plan(
    statement: { text: string; values?: readonly unknown[] | undefined },
    candidates: readonly CandidateIndex[],
  ): Promise<WhatIfPlan>
  size(c: CandidateIndex): Promise<number | null> /* bytes */
  calls: number
  close(): Promise<void>
}
