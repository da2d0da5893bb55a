import { SelectoError } from "../errors.ts"

/** What to ask of EXPLAIN. Options that a server's version lacks are refused with E_NOT_SUPPORTED; those not given are left to the defaults below. */
export interface ExplainOptions {
  /** Runs the statement and measures it. Default false. */
  readonly analyze?: boolean | undefined
  /** Blocks touched. Default: with analyze. */
  readonly buffers?: boolean | undefined
  /** Output columns, schemas, per-worker figures. Default true for "json", false for "text". */
  readonly verbose?: boolean | undefined
  /** Planner settings that differ from their defaults (12 and later). Default true. */
  readonly settings?: boolean | undefined
  /** Log records (13 and later, with analyze). Default: with analyze. */
  readonly wal?: boolean | undefined
  /** Time of every node (with analyze). Default true; false measures rows and blocks only, and slows the statement down less. */
  readonly timing?: boolean | undefined
  /** Default true. */
  readonly costs?: boolean | undefined
  /** Planning and execution time. Default: the server's (with analyze). */
  readonly summary?: boolean | undefined
  /** Turning the result into the wire format (17 and later, with analyze). Default off. */
  readonly serialize?: boolean | "text" | "binary" | undefined
  /** Memory of the planner (17 and later). Default false. */
  readonly memory?: boolean | undefined
  /** The plan for unknown parameter values; values given are not used. Needs 12 or later; not with analyze. Default false. */
  readonly genericPlan?: boolean | undefined
  /** "json" gives a Plan, "text" the server's text as a string. Default "json". */
  readonly format?: "json" | "text" | undefined
  /**
   * With analyze, what to do when the statement writes: "refuse" runs it in a READ ONLY transaction (E_EXPLAIN_WRITES), "rollback" lets
   * it write and rolls back. Sequences keep what was taken from them. Default "refuse".
   */
  readonly writes?: "refuse" | "rollback" | undefined
}

interface Feature {
  readonly name: keyof ExplainOptions
  readonly since: number
  readonly needsAnalyze: boolean
}

const features: readonly Feature[] = [
  { name: "settings", since: 12, needsAnalyze: false },
  { name: "wal", since: 13, needsAnalyze: true },
  { name: "timing", since: 9, needsAnalyze: true },
  { name: "serialize", since: 17, needsAnalyze: true },
  { name: "memory", since: 17, needsAnalyze: false },
]

/** The bracket after EXPLAIN for a server's major version: "(FORMAT JSON, ANALYZE, …)". */
export function explainClause(options: ExplainOptions, version: number): string {
  const analyze = options.analyze === true
  for (const { name, since, needsAnalyze } of features) {
    const asked = options[name] !== undefined && options[name] !== false
    if (asked && version < since)
      throw new SelectoError(
        "E_NOT_SUPPORTED",
        `EXPLAIN's option ${name} came with PostgreSQL ${since}; this server is ${version}.`,
        { path: name },
      )
    // TIMING OFF needs ANALYZE as well: the server refuses it.
    if (options[name] !== undefined && needsAnalyze && !analyze && asked)
      throw new SelectoError(
        "E_INVALID_OPTION",
        `\`${name}\` needs \`analyze: true\`: nothing is measured without running the statement.`,
        { path: name },
      )
  }
  if (options.genericPlan === true && version < 12)
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      `A generic plan can be asked for from PostgreSQL 12 on; this server is ${version}.`,
      { path: "genericPlan" },
    )
  if (analyze && options.genericPlan === true)
    throw new SelectoError(
      "E_INVALID_OPTION",
      "A generic plan has no parameter values and cannot be run: leave out `analyze` or `genericPlan`.",
      { path: "genericPlan" },
    )
  const json = options.format !== "text"
  const on = (name: string, wanted: boolean): string[] => (wanted ? [name] : [])
  const parts = [
    `FORMAT ${json ? "JSON" : "TEXT"}`,
    ...on("ANALYZE", analyze),
    ...on("VERBOSE", options.verbose ?? json),
    `BUFFERS ${(options.buffers ?? analyze) && (analyze || version >= 13) ? "ON" : "OFF"}`,
    ...on("SETTINGS", (options.settings ?? true) && version >= 12),
    ...on("WAL", (options.wal ?? analyze) && analyze && version >= 13),
    ...on("COSTS OFF", options.costs === false),
    ...(options.summary === undefined ? [] : [`SUMMARY ${options.summary ? "ON" : "OFF"}`]),
    ...on("TIMING OFF", analyze && options.timing === false),
    ...on(
      `SERIALIZE ${options.serialize === "binary" ? "BINARY" : "TEXT"}`,
      analyze && options.serialize !== undefined && options.serialize !== false,
    ),
    ...on("MEMORY", options.memory === true),
  ]
  return `(${parts.join(", ")})`
}
