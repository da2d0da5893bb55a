/** Everything that {@link analyzeQueryPlan} can report, in the order of the guide. */
export const planIssueIds = [
  "sequential_scan",
  "function_on_column",
  "implicit_cast",
  "leading_wildcard_like",
  "or_across_columns",
  "or_across_tables",
  "index_inefficient",
  "index_column_order",
  "many_index_searches",
  "limit_wrong_index",
  "index_low_correlation",
  "sort_for_limit",
  "large_offset",
  "row_misestimate",
  "function_scan_estimate",
  "stale_statistics",
  "nested_loop_inner_seq_scan",
  "nested_loop_inner_rescan",
  "cartesian_join",
  "join_filter_discards",
  "correlated_subplan",
  "not_in_subplan",
  "cte_materialized_filter",
  "late_filter",
  "sort_spill",
  "hash_join_memory",
  "hash_aggregate_spill",
  "window_spill",
  "temp_io",
  "wide_rows",
  "memoize_thrash",
  "lossy_bitmap",
  "index_recheck",
  "excessive_heap_fetches",
  "read_inefficiency",
  "toast_reads",
  "low_cache_hit",
  "slow_io",
  "select_dirties_pages",
  "wal_full_page_images",
  "distinct_after_fanout",
  "redundant_dedup",
  "count_distinct_sort",
  "workers_not_launched",
  "parallel_imbalance",
  "no_partition_pruning",
  "foreign_filter_local",
  "unindexed_foreign_key",
  "slow_trigger",
  "jit_overhead",
  "high_planning_time",
  "serialization_overhead",
  "timing_overhead",
  "disabled_node",
  "planner_settings_overridden",
] as const

/** The id of a finding, stable. */
export type PlanIssueId = (typeof planIssueIds)[number]

/** How bad a finding is, worst first. */
export const severities = ["critical", "high", "medium", "low", "info"] as const
/** One of {@link severities}. */
export type Severity = (typeof severities)[number]

/** Where the guide stands; an issue's `docs` is this with its id as the anchor. */
export const guide = "docs/reading-a-plan.md"

/** One finding about a plan. Plain data, serialisable. */
export interface PlanIssue {
  readonly issue: PlanIssueId
  readonly severity: Severity
  /** Path of the node that causes it. */
  readonly node: string
  readonly nodeType: string
  /** The table it concerns, as the plan names it. */
  readonly table?: string | undefined
  readonly index?: string | undefined
  /** The node's total cost as the planner priced it. */
  readonly cost?: number | undefined
  /** What mending it would save: milliseconds where measured, and the part (0..1) of the statement's time, else of its cost. */
  readonly saving: { readonly ms: number | null; readonly fraction: number }
  /** "measured" from an executed plan, "estimated" from costs. */
  readonly confidence: "measured" | "estimated"
  /** True where the catalog bears it out, false where nothing was looked up. */
  readonly confirmed: boolean
  /** What was seen, with its figures. Literals of the statement are never repeated. */
  readonly message: string
  /** What to do about it. */
  readonly advice: string
  /** Relative link into the guide. */
  readonly docs: string
  /** Bytes the operation needs. */
  readonly estimatedMemory?: number | undefined
  /** Bytes it may use before it goes to disk. */
  readonly availableMemory?: number | undefined
  /** Columns that the finding is about, as the plan names them. */
  readonly columns?: readonly string[] | undefined
  /** Paths of other nodes with the same finding, merged into this one (partitions, repeated subplans). */
  readonly alsoAt?: readonly string[] | undefined
}
