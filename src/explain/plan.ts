/** A plan as plain data. Times are milliseconds, sizes bytes, buffer counts blocks; null means the server did not say. */
export interface Plan {
  readonly root: PlanNode
  readonly planningTime: number | null
  readonly executionTime: number | null
  /** Settings that differ from their defaults (EXPLAIN SETTINGS). */
  readonly settings: Readonly<Record<string, string>>
  /** pg_stat_statements' queryid, as text: it does not fit a double. */
  readonly queryId: string | null
  /** The statement, where the output carries it (auto_explain); else null. */
  readonly queryText: string | null
  readonly triggers: readonly PlanTrigger[]
  readonly jit: PlanJit | null
  /** What the whole statement touched; null without BUFFERS. */
  readonly totals: PlanTotals | null
  /** Turning the result into the wire format (EXPLAIN SERIALIZE, 17 and later). */
  readonly serialization: PlanSerialization | null
  /** Fields of the statement's level that have no place above, unknown ones included. */
  readonly raw: Readonly<Record<string, unknown>>
}

/** A trigger that the statement fired. Times in milliseconds. */
export interface PlanTrigger {
  readonly name: string
  /** The constraint it enforces (foreign keys), or null for a trigger somebody wrote. */
  readonly constraint: string | null
  readonly relation: string | null
  readonly time: number | null
  readonly calls: number
}

/** What compiling expressions to machine code took. */
export interface PlanJit {
  readonly functions: number
  /** Milliseconds of compiling, summed over all processes. */
  readonly time: number | null
  /** What it took of the statement's own time: processes compile side by side. Null where times were not measured. */
  readonly wallTime: number | null
  readonly options: Readonly<Record<string, boolean>>
}

/** What turning rows to bytes took, by EXPLAIN (SERIALIZE). */
export interface PlanSerialization {
  readonly time: number | null
  /** Bytes sent. */
  readonly bytes: number | null
  readonly format: string | null
}

/** Block counts and their I/O times: of a whole statement, or of one node without its children. */
export interface PlanTotals {
  readonly sharedHit: number
  readonly sharedRead: number
  readonly sharedDirtied: number
  readonly sharedWritten: number
  readonly localHit: number
  readonly localRead: number
  readonly localDirtied: number
  readonly localWritten: number
  readonly tempRead: number
  readonly tempWritten: number
  /** Wall milliseconds of reading and writing table and index blocks; null without track_io_timing. */
  readonly ioReadTime: number | null
  readonly ioWriteTime: number | null
  /** Wall milliseconds of reading and writing temporary files; null where it was not measured. */
  readonly tempIoTime: number | null
  readonly walRecords: number
  /** Full-page images. */
  readonly walFpi: number
  readonly walBytes: number
}

/** The table, function or other source that a node reads. */
export interface PlanRelation {
  readonly schema: string | null
  readonly name: string
  readonly alias: string | null
}

/** One node of a plan. Times in milliseconds; null where the plan does not say. */
export interface PlanNode {
  /** "0" is the root, "0.1.0" the root's second child's first child. */
  readonly path: string
  /** PostgreSQL's node name as FORMAT JSON gives it: "Seq Scan", "Hash Join", "Aggregate", … */
  readonly type: string
  /** How it hangs on its parent: "Outer", "Inner", "SubPlan", "InitPlan", "Member", "Subquery", "Remote"; null at the root. */
  readonly relationship: string | null
  /** "CTE x", "SubPlan 1", "InitPlan 1 (returns $0)"; else null. */
  readonly subplan: string | null
  readonly relation: PlanRelation | null
  readonly index: string | null
  readonly startupCost: number | null
  readonly totalCost: number | null
  readonly planRows: number | null
  readonly planWidth: number | null
  /** As the server says it: averages of one loop, of one process. All zero when the node never ran. */
  readonly actual: {
    readonly rows: number
    readonly loops: number
    readonly startupTime: number | null
    readonly totalTime: number | null
  } | null
  /** Processes that ran the node: workers and leader below a Gather, else 1. */
  readonly participants: number
  /** What the node's sums over processes are divided by to give wall time: fewer than the processes where one worked longer than the others. */
  readonly parallelism: number
  /** With everything below it: wall milliseconds over all loops, and cost as often as it is expected to run. */
  readonly inclusive: { readonly time: number | null; readonly cost: number | null }
  readonly exclusive: PlanExclusive
  /** 0..1 of the whole plan: of its time where measured, else of its cost. */
  readonly share: number
  readonly children: readonly PlanNode[]
  /** Every field of the server's own output, unknown ones included, without the children. */
  readonly raw: Readonly<Record<string, unknown>>
}

/** What a node took by itself: its children, the InitPlans it was first to ask for and the CTEs it pulled are charged to themselves. */
export interface PlanExclusive extends PlanTotals {
  /** Wall milliseconds spent in this node itself. The parts add up to the root's time. */
  readonly time: number | null
  /** Of {@link PlanExclusive.time}, what compiling (JIT) took. */
  readonly jitTime: number
  /** Share of the root's cost in cost units. The parts add up to the root's cost. */
  readonly cost: number | null
}

/** A node and every node below it, parents first, children in order. */
export function* planNodes(node: PlanNode): Generator<PlanNode> {
  const stack: PlanNode[] = [node]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    yield next
    for (let at = next.children.length - 1; at >= 0; at--) stack.push(next.children[at]!)
  }
}

/** The node at a path such as "0.1.0", or null. */
export function nodeAt(plan: Plan, path: string): PlanNode | null {
  const steps = path.split(".")
  if (steps[0] !== "0") return null
  let node: PlanNode | undefined = plan.root
  for (const step of steps.slice(1)) node = node?.children[Number(step)]
  return node ?? null
}
