import { percentile } from "../../histogram.ts"
import type { ServerSession } from "../../server/activity.ts"
import { lockLines } from "../../server/lock-tree.ts"
import { type AlertRule, type Measurement, minute } from "../rule.ts"
import { several, share, span } from "../wording.ts"

const windowMs = 5 * minute
const fewestWaits = 20
const manyWaiters = 5

const connections: AlertRule = {
  type: "connections",
  condition: "this part of the connections that clients may have is taken",
  unit: "share",
  threshold: 0.8,
  critical: 0.95,
  worse: "above",
  severity: "warning",
  forMs: 2 * minute,
  action: "log_and_notify",
  advice: "Smaller pools, or a pooler in front (PgBouncer); more connections make a busy server slower, not faster.",
  measure(evidence) {
    const found = evidence.server(windowMs)?.connections
    if (found == null) return null
    const { used, usable, share: part, states } = found
    return [
      {
        subject: "",
        fingerprint: null,
        value: part,
        summary: () =>
          `${used} of ${usable} connections are taken (${share(part)}): ${Object.entries(states)
            .map(([state, n]) => `${n} ${state}`)
            .join(", ")}.`,
        evidence: { ...found },
      },
    ]
  },
  prometheus: (threshold) => `sum(selecto_pg_connections) / max(selecto_pg_connections_usable) >= ${threshold}`,
}

const poolWait: AlertRule = {
  type: "pool_wait",
  condition: "95 % of the calls wait up to this long for a connection of the pool, over 5 minutes",
  unit: "ms",
  threshold: 50,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 5 * minute,
  action: "log_and_notify",
  advice: "Look for connections that are not given back and for long transactions before you raise the pool's max.",
  measure(evidence) {
    const waits = evidence.poolWait(windowMs)
    const p95 = percentile(waits, 0.95)
    if (waits.count < fewestWaits || p95 === null) return []
    return [
      {
        subject: "",
        fingerprint: null,
        value: p95,
        summary: () =>
          `Calls wait for a connection: 95 % up to ${span(p95)}, the longest ${span(waits.max)}, in the last 5 minutes.`,
        evidence: { p95, max: waits.max, calls: waits.count },
      },
    ]
  },
  prometheus: (threshold) =>
    `histogram_quantile(0.95, sum by (le) (rate(selecto_pool_wait_seconds_bucket[5m]))) > ${threshold / 1000} and sum(increase(selecto_pool_wait_seconds_count[5m])) >= ${fewestWaits}`,
}

function ownerOf(session: ServerSession): string {
  const from = session.client === null ? "" : ` from ${session.client}`
  return `${session.application || "unnamed application"}, user ${session.user ?? "?"}${from}, pid ${session.pid}`
}

/** Sessions by the statement they are at, since a process id says nothing tomorrow; of each the one with the greatest age. */
function oldest(sessions: readonly ServerSession[], ageOf: (session: ServerSession) => number): Map<string, ServerSession> {
  const found = new Map<string, ServerSession>()
  for (const session of sessions) {
    const key = session.fingerprint ?? ""
    const known = found.get(key)
    if (known === undefined || ageOf(session) > ageOf(known)) found.set(key, session)
  }
  return found
}

const idleInTransaction: AlertRule = {
  type: "idle_in_transaction",
  condition: "a session waits this long for its client inside a transaction",
  unit: "ms",
  threshold: 5 * minute,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice:
    "The program took a connection, began a transaction and went away: find it by its owner. idle_in_transaction_session_timeout ends such sessions.",
  measure(evidence) {
    const sessions = evidence.server(windowMs)?.sessions
    if (sessions == null) return null
    const idle = sessions.filter(({ kind, state }) => kind === "client backend" && state?.startsWith("idle in transaction"))
    return [...oldest(idle, ({ stateMs }) => stateMs ?? 0).values()].map(
      (session): Measurement => ({
        subject: "",
        fingerprint: session.fingerprint,
        value: session.stateMs ?? 0,
        summary: () =>
          `A session has been idle in its transaction for ${span(session.stateMs ?? 0)}: ${ownerOf(session)}, after ${session.summary ?? "an unknown statement"}.`,
        evidence: { session },
      }),
    )
  },
  prometheus: (threshold) => `max(selecto_pg_transaction_seconds{kind="idle"}) >= ${threshold / 1000}`,
}

const longTransaction: AlertRule = {
  type: "long_transaction",
  condition: "a transaction is open this long, prepared ones included",
  unit: "ms",
  threshold: 15 * minute,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "It holds its locks and keeps VACUUM from removing dead rows everywhere: shorten it, or read from a standby.",
  measure(evidence) {
    const report = evidence.server(windowMs)
    if (report?.sessions == null) return null
    const age = ({ transactionMs }: ServerSession): number => transactionMs ?? 0
    const working = report.sessions.filter(({ kind, state }) => kind === "client backend" && !state?.startsWith("idle"))
    const open = [...oldest(working, age).values()].map(
      (session): Measurement => ({
        subject: "",
        fingerprint: session.fingerprint,
        value: age(session),
        summary: () =>
          `A transaction is open for ${span(age(session))}: ${ownerOf(session)}, at ${session.summary ?? "an unknown statement"}.`,
        evidence: { session },
      }),
    )
    const [prepared] = [...(report.transactions?.prepared ?? [])].sort((a, b) => b.ageMs - a.ageMs)
    if (prepared === undefined) return open
    return [
      ...open,
      {
        subject: "prepared transaction",
        fingerprint: null,
        value: prepared.ageMs,
        summary: () =>
          `The prepared transaction ${prepared.name} of ${prepared.owner ?? "?"} is open for ${span(prepared.ageMs)}: COMMIT PREPARED or ROLLBACK PREPARED ends it.`,
        evidence: { prepared },
      },
    ]
  },
  prometheus: (threshold) => `max(selecto_pg_transaction_seconds{kind="active"}) >= ${threshold / 1000}`,
}

const lockWait: AlertRule = {
  type: "lock_wait",
  condition: "a session waits this long for a lock, or 5 sessions wait",
  unit: "ms",
  threshold: 30_000,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice:
    "The root of the tree holds what the others wait for: end its transaction, pg_cancel_backend(pid) or pg_terminate_backend(pid).",
  measure(evidence, { threshold }) {
    const locks = evidence.server(windowMs)?.locks
    if (locks == null) return null
    if (locks.waiting === 0) return []
    const { waiting, longestMs } = locks
    const root = locks.trees[0]?.session
    return [
      {
        subject: "",
        fingerprint: root?.fingerprint ?? null,
        value: waiting >= manyWaiters ? Math.max(threshold, longestMs) : longestMs,
        summary: () =>
          `${several(waiting, "session waits", "sessions wait")} for locks, the longest for ${span(longestMs)}, behind ${root == null ? "a prepared transaction" : ownerOf(root)}.`,
        evidence: { tree: lockLines(locks) },
      },
    ]
  },
  prometheus: (threshold) =>
    `max(selecto_pg_lock_wait_seconds) >= ${threshold / 1000} or max(selecto_pg_waiting_sessions) >= ${manyWaiters}`,
}

const deadlocks: AlertRule = {
  type: "deadlocks",
  condition: "the server broke this many deadlocks in 5 minutes",
  unit: "count",
  threshold: 1,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "The server's log says which statements: take locks in one order everywhere, and retry SQLSTATE 40P01.",
  measure(evidence) {
    const database = evidence.server(windowMs)?.database
    if (database == null) return null
    return [
      {
        subject: "",
        fingerprint: null,
        value: database.deadlocks,
        summary: () => `The server broke ${several(database.deadlocks, "deadlock", "deadlocks")} in the last 5 minutes.`,
      },
    ]
  },
  prometheus: (threshold) => `sum(increase(selecto_pg_deadlocks_total[5m])) >= ${threshold}`,
}

export const sessionRules: readonly AlertRule[] = [connections, poolWait, idleInTransaction, longTransaction, lockWait, deadlocks]
