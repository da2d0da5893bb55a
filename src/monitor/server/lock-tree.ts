import type { Sample, ServerSession } from "./activity.ts"

/** A session that others wait for, with those who wait. */
export interface LockNode {
  /** Null for a prepared transaction, which has no session. */
  readonly session: ServerSession | null
  /** What it waits for itself: "ShareLock on transactionid", "AccessExclusiveLock on orders"; null at the root. */
  readonly waitsFor: string | null
  readonly waitedMs: number | null
  readonly waiters: readonly LockNode[]
}

export interface ServerLocks {
  /** Sessions that wait for a lock. */
  readonly waiting: number
  /** How long the longest has waited. */
  readonly longestMs: number
  /** Those who wait for nobody, with all who wait for them; most waiters first. */
  readonly trees: readonly LockNode[]
}

/**
 * Who waits for whom. A session waits for all who hold what it wants and all who queued before it: it is shown once, below the one of
 * them that waits deepest. A circle (a deadlock about to be found) is cut.
 */
export function locksOf(sample: Sample): ServerLocks {
  const sessions = new Map(sample.sessions.map((session) => [session.pid, session]))
  const rows = new Map(sample.blocked.map((row) => [row.pid ?? 0, row]))
  const blockersOf = (pid: number): number[] => [...new Set((rows.get(pid)?.blockers ?? []).map(Number))]
  const depths = new Map<number, number>()
  const depthOf = (pid: number): number => {
    const known = depths.get(pid)
    if (known !== undefined) return known
    // Reached again from itself before it is known: a circle, which ends here.
    depths.set(pid, 0)
    const depth = Math.max(0, ...blockersOf(pid).map((blocker) => 1 + depthOf(blocker)))
    depths.set(pid, depth)
    return depth
  }
  const waiters = new Map<number, number[]>()
  for (const pid of rows.keys()) {
    const above = blockersOf(pid).filter((blocker) => depthOf(blocker) < depthOf(pid))
    const [parent] = above.sort((a, b) => depthOf(b) - depthOf(a))
    if (parent !== undefined) waiters.set(parent, [...(waiters.get(parent) ?? []), pid])
  }
  const nodeOf = (pid: number): LockNode => {
    const row = rows.get(pid)
    return {
      session: sessions.get(pid) ?? null,
      waitsFor: row === undefined ? null : `${row.mode ?? "a lock"} on ${row.relation ?? row.locktype ?? "?"}`,
      waitedMs: row === undefined ? null : waitedOf(row.waitedMs, sessions.get(pid)),
      waiters: (waiters.get(pid) ?? []).map(nodeOf),
    }
  }
  const children = new Set([...waiters.values()].flat())
  const trees = [...waiters.keys()].filter((pid) => !children.has(pid)).map(nodeOf)
  const longestMs = Math.max(0, ...sample.blocked.map((row) => waitedOf(row.waitedMs, sessions.get(row.pid ?? 0)) ?? 0))
  return { waiting: rows.size, longestMs, trees: trees.sort((a, b) => size(b) - size(a)) }
}

/** Before 14 the server does not say since when: the statement cannot have waited longer than it runs. */
function waitedOf(waitedMs: number | null, session: ServerSession | undefined): number | null {
  return waitedMs ?? session?.queryMs ?? null
}

function size(node: LockNode): number {
  return 1 + node.waiters.reduce((total, one) => total + size(one), 0)
}

/** The tree as indented lines, for people. */
export function lockLines(locks: ServerLocks): string[] {
  const lines: string[] = []
  const show = (node: LockNode, depth: number): void => {
    const { session } = node
    const who =
      session === null
        ? "a prepared transaction"
        : `pid ${session.pid} ${session.user ?? ""}${session.application ? ` (${session.application})` : ""}: ${session.state ?? "?"}, ${session.summary ?? "unknown statement"}`
    const waits = node.waitsFor === null ? "" : `, waits ${Math.round((node.waitedMs ?? 0) / 1000)} s for ${node.waitsFor}`
    lines.push(`${"  ".repeat(depth)}${who}${waits}`)
    for (const waiter of node.waiters) show(waiter, depth + 1)
  }
  for (const tree of locks.trees) show(tree, 0)
  return lines
}
