/** An index to create, why, and what shows that it helps. */
export interface IndexRecommendation {
  readonly type: "btree_index" | "hash_index" | "gin_index" | "gist_index" | "spgist_index" | "brin_index"
  readonly schema: string
  readonly table: string
  /** Key columns or expressions in order, with DESC and operator class where they matter. */
  readonly columns: string[]
  readonly include: string[]
  readonly where: string | null
  /** "high" from 25 % of the workload's cost saved, "medium" from 5 %; where a plan uses several indexes they share what it saves. */
  readonly priority: "high" | "medium" | "low"
  /** "verified": a planner used it and its cost fell. "rules": no planner could price it. */
  readonly confidence: "verified" | "rules"
  /** What it serves: "equality_filter", "range_filter", "multi_column_filter", "order_by", "group_by", "join", "covering", … */
  readonly patterns: string[]
  readonly reason: string
  readonly name: string
  /** CREATE INDEX CONCURRENTLY …; several statements for a partitioned table. */
  readonly sql: string
  /** The same, to be run one by one, outside a transaction. */
  readonly statements: string[]
  /** What undoes it. */
  readonly undo: string[]
  readonly sizeBytes: number | null
  readonly evidence: IndexEvidence | null
  /** The statements that it serves. */
  readonly queries: string[]
  /** Existing indexes that it makes needless. */
  readonly replaces: string[]
}

/** What a planner said: costs of the workload's statements without and with this index, the other recommended ones in place. */
export interface IndexEvidence {
  readonly planner: "shadow" | "server" | "hypopg" | "none"
  readonly costBefore: number
  readonly costAfter: number
  readonly used: boolean
}

/** Why a statement got what it got. */
export type Verdict =
  | "served"
  | "already_optimal"
  | "rewrite_needed"
  | "write_cost"
  | "over_budget"
  | "not_selective"
  | "unsupported"

/** What the advice does for one statement. */
export interface StatementAdvice {
  readonly text: string
  readonly calls: number
  readonly costBefore: number | null
  readonly costAfter: number | null
  /** Names of recommended indexes that its plan uses. */
  readonly indexes: string[]
  readonly verdict: Verdict
  /** The verdict in a sentence; of "rewrite_needed" it says what to write instead. */
  readonly explanation: string
  readonly error: string | null
}
