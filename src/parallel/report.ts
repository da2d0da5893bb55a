/** `report.parallel`: who ran the statement, and why. Times in milliseconds. */
export interface ParallelReport {
  /** "server": PostgreSQL's own workers; "client": several sessions of ours; "none": one session, as without `parallel()`. */
  readonly chosen: "server" | "client" | "none"
  /** One sentence. */
  readonly why: string
  /** What the choice was made from; null where there was nothing to choose. */
  readonly estimate: { readonly ms: number; readonly rows: number; readonly from: "planner" | "measured" } | null
  /** Sessions that worked, the leader's included: 1 unless chosen is "client". */
  readonly workers: number
  /** Sessions that were asked for. */
  readonly asked: number
  /** How the rows were divided, such as "blocks of orders" or "hash of customer_id"; null where they were not. */
  readonly partition: string | null
  readonly merge: "hash" | "sort_merge" | "union" | "streaming" | null
  /** Statements that parts were read by, and the share of all rows that the largest gave. */
  readonly parts: number
  readonly largestPart: number | null
  /** Workers whose connection was lost; other workers did their parts again. */
  readonly lost: number
  /** PostgreSQL's workers that the plan has, and that were seen at work; null: not known. */
  readonly planned: number | null
  readonly launched: number | null
  readonly timings: {
    /** Choosing: nothing but a look-up once a statement is known. */
    readonly decide: number
    /** Until the first part could start. */
    readonly setUp: number
    readonly parts: number
    readonly merge: number
  }
}

/** Of a statement that one session has read. */
export const nothingSplit: Omit<ParallelReport, "chosen" | "why" | "estimate" | "asked" | "timings"> = {
  workers: 1,
  partition: null,
  merge: null,
  parts: 1,
  largestPart: null,
  lost: 0,
  planned: null,
  launched: null,
}
