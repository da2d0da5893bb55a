import type { Sample, ServerSession } from "./activity.ts"
import type { ReplicationReading } from "./parts/replication.ts"
import type { PreparedRow } from "./parts/sessions.ts"

/** What keeps VACUUM from removing dead rows. */
export interface HorizonHolder {
  readonly kind: "session" | "prepared transaction" | "replication slot" | "standby"
  /** Application or user of a session; the name of the others. */
  readonly name: string
  /** Transactions begun since. */
  readonly age: number
}

export interface ServerTransactions {
  /** The longest that is at work; null without one. */
  readonly longest: ServerSession | null
  /** The longest that waits for its client inside a transaction; null without one. */
  readonly longestIdle: ServerSession | null
  readonly prepared: readonly { readonly name: string; readonly ageMs: number; readonly owner: string | null }[]
  /** Who holds back the horizon, the worst first. */
  readonly horizon: readonly HorizonHolder[]
}

export function transactionsOf(
  sample: Sample,
  prepared: readonly PreparedRow[],
  replication: ReplicationReading | null,
): ServerTransactions {
  const clients = sample.sessions.filter((session) => session.kind === "client backend")
  const idle = clients.filter(({ state }) => state?.startsWith("idle in transaction"))
  const working = clients.filter(({ state }) => !state?.startsWith("idle"))
  const horizon: HorizonHolder[] = [
    ...sample.sessions.map(
      ({ horizon: age, application, user, kind }): HorizonHolder => ({
        kind: "session",
        name: application || user || kind || "?",
        age: age ?? 0,
      }),
    ),
    ...prepared.map((row): HorizonHolder => ({ kind: "prepared transaction", name: row.name ?? "?", age: row.horizon ?? 0 })),
    ...(replication?.slots ?? []).map(
      (slot): HorizonHolder => ({
        kind: "replication slot",
        name: slot.name ?? "?",
        age: slot.horizon ?? 0,
      }),
    ),
    ...(replication?.standbys ?? []).map(
      (one): HorizonHolder => ({
        kind: "standby",
        name: one.name || one.client || "?",
        age: one.horizon ?? 0,
      }),
    ),
  ]
  return {
    longest: longest(working, ({ transactionMs }) => transactionMs),
    longestIdle: longest(idle, ({ stateMs }) => stateMs),
    prepared: prepared.map(({ name, ageMs, owner }) => ({ name: name ?? "?", ageMs: ageMs ?? 0, owner })),
    horizon: horizon
      .filter(({ age }) => age > 0)
      .sort((a, b) => b.age - a.age)
      .slice(0, holdersShown),
  }
}

const holdersShown = 10

function longest(sessions: readonly ServerSession[], of: (session: ServerSession) => number | null): ServerSession | null {
  let found: ServerSession | null = null
  for (const session of sessions) if (of(session) !== null && (found === null || of(session)! > of(found)!)) found = session
  return found
}
