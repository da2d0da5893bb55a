import type { BlockedRow, SessionRow } from "./parts/sessions.ts"

/** A session that is not idle, without its statement's text. Times in milliseconds. */
export interface ServerSession {
  readonly pid: number
  readonly user: string | null
  readonly application: string | null
  readonly client: string | null
  /** "client backend", "autovacuum worker", … */
  readonly kind: string | null
  readonly state: string | null
  /** "Lock / transactionid"; null while it computes. */
  readonly wait: string | null
  /** Since its transaction, its statement, and its state began. */
  readonly transactionMs: number | null
  readonly queryMs: number | null
  readonly stateMs: number | null
  /** Transactions begun since its snapshot: what it keeps VACUUM from removing. */
  readonly horizon: number | null
  /** Of its statement, the last one where it is idle; null where it cannot be told. */
  readonly fingerprint: string | null
  readonly summary: string | null
}

/** One reading of what the sessions do. */
export interface Sample {
  /** Monotonic. */
  readonly at: number
  readonly sessions: readonly ServerSession[]
  readonly blocked: readonly BlockedRow[]
}

/** Sessions at work, on average, by what they waited for. */
export interface ServerWait {
  /** "CPU" for those that waited for nothing the server tells of. */
  readonly type: string
  readonly event: string | null
  readonly sessions: number
}

export interface ServerLoad {
  readonly samples: number
  /** Mean number of sessions at work. */
  readonly activeSessions: number
  /** Most first. */
  readonly waits: readonly ServerWait[]
  readonly source: "pg_stat_activity, sampled"
}

const keptMs = 3_600_000

interface Counted {
  readonly at: number
  readonly waits: ReadonlyMap<string, number>
}

/** What the sessions did over the last hour, from samples. */
export class Activity {
  #counted: Counted[] = []
  /** The last sample; null before the first. */
  latest: Sample | null = null

  absorb(sample: Sample): void {
    this.latest = sample
    const waits = new Map<string, number>()
    for (const { state, wait, kind } of sample.sessions) {
      if (state !== "active" || kind === "walsender") continue
      const key = wait ?? "CPU"
      waits.set(key, (waits.get(key) ?? 0) + 1)
    }
    this.#counted = this.#counted.filter((one) => one.at > sample.at - keptMs)
    this.#counted.push({ at: sample.at, waits })
  }

  /** Null without a sample after `since` (monotonic). */
  load(since: number): ServerLoad | null {
    const counted = this.#counted.filter((one) => one.at > since)
    if (counted.length === 0) return null
    const sums = new Map<string, number>()
    for (const { waits } of counted) for (const [key, n] of waits) sums.set(key, (sums.get(key) ?? 0) + n)
    const waits = [...sums].map(([key, n]) => {
      const [type, event] = key.split(" / ") as [string, string | undefined]
      return { type, event: event ?? null, sessions: n / counted.length }
    })
    waits.sort((a, b) => b.sessions - a.sessions)
    const activeSessions = waits.reduce((total, { sessions }) => total + sessions, 0)
    return { samples: counted.length, activeSessions, waits, source: "pg_stat_activity, sampled" }
  }
}

export function sessionOf(
  row: SessionRow,
  name: { readonly fingerprint: string; readonly summary: string | null } | null,
): ServerSession {
  return {
    pid: row.pid ?? 0,
    user: row.user,
    application: row.application,
    client: row.client,
    kind: row.kind,
    state: row.state,
    wait: row.waitType === null ? null : `${row.waitType} / ${row.wait ?? "?"}`,
    transactionMs: row.transactionMs,
    queryMs: row.queryMs,
    stateMs: row.stateMs,
    horizon: row.horizon,
    fingerprint: name?.fingerprint ?? null,
    summary: name?.summary ?? null,
  }
}
