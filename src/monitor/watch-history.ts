import type { Database, Session, Statement } from "../database/database.ts"
import type { Alert } from "./alerts/alert.ts"
import { createHistogram, mergeSparse } from "./histogram.ts"
import type { KnownShape, PlanKind } from "./plans/plan-log.ts"
import { type BaselineHour, comparedHours, hourOf } from "./regressions/baseline.ts"
import { expireStatements } from "./watch-schema.ts"

/** An alert that an earlier process told and nobody follows any more. */
export interface OrphanedAlert {
  readonly id: string
  readonly type: string
  readonly severity: Alert["severity"]
  readonly fingerprint: string | null
  readonly subject: string | null
  readonly value: number
  readonly summary: string
  /** Milliseconds since 1970. */
  readonly firedAt: number
}

/** What earlier processes learned. */
export interface Past {
  readonly shapes: readonly KnownShape[]
  /** When statements were first seen, milliseconds since 1970. */
  readonly firstSeen: ReadonlyMap<string, number>
  readonly serverHours: readonly (BaselineHour & { readonly fingerprint: string })[]
  readonly unusedSince: ReadonlyMap<string, number>
}

/** What is to be kept. */
export interface Learned {
  readonly shapes: readonly KnownShape[]
  readonly serverHours: readonly (BaselineHour & { readonly fingerprint: string })[]
  readonly unusedSince: ReadonlyMap<string, number>
  /** Alerts that fire or cool down in this process. */
  readonly alerts: readonly Alert[]
}

const limits = { timeoutMs: 10_000 }
const statementsRead = 5000
const shapesRead = 5000

/** Keeps what watching learned in tables, and reads it again. Every method rejects where the tables are not there. */
export class WatchHistory {
  readonly #database: Database
  #expired = 0

  constructor(database: Database) {
    this.#database = database
  }

  /** `now` in milliseconds since 1970. */
  async load(now: number): Promise<Past> {
    const shapes = await this.#rows(
      `select fingerprint, kind, hash, shape, extract(epoch from first_seen) * 1000, extract(epoch from last_seen) * 1000, samples, cost
       from selecto.monitor_plan order by last_seen desc limit ${shapesRead}`,
    )
    const seen = await this.#rows(
      `select fingerprint, extract(epoch from first_seen) * 1000 from selecto.monitor_statement order by last_seen desc limit ${statementsRead}`,
    )
    const hours = await this.#rows(
      "select fingerprint, extract(epoch from at) * 1000, calls, mean from selecto.monitor_server_hour where at = any($1::timestamptz[])",
      [moments(now)],
    )
    const unused = await this.#rows("select name, extract(epoch from since) * 1000 from selecto.monitor_unused_index")
    return {
      shapes: shapes.map(([fingerprint, kind, hash, shape, firstSeen, lastSeen, samples, cost]) => ({
        fingerprint: fingerprint!,
        kind: kind as PlanKind,
        hash: hash!,
        shape: shape!,
        firstSeen: Number(firstSeen),
        lastSeen: Number(lastSeen),
        samples: Number(samples),
        cost: cost == null ? null : Number(cost),
      })),
      firstSeen: new Map(seen.map(([fingerprint, at]) => [fingerprint!, Number(at)])),
      serverHours: hours.map(([fingerprint, at, calls, mean]) => ({
        fingerprint: fingerprint!,
        at: Number(at),
        n: Number(calls),
        middle: Number(mean),
        p95: null,
      })),
      unusedSince: new Map(unused.map(([name, since]) => [name!, Number(since)])),
    }
  }

  /** The hours that these statements are compared with, from the history of minutes. */
  async hours(fingerprints: readonly string[], now: number): Promise<(BaselineHour & { readonly fingerprint: string })[]> {
    const rows = await this.#rows(
      `select fingerprint, extract(epoch from at) * 1000, executions, time_sum, time_min, time_max, to_json(buckets)::text, to_json(counts)::text
       from selecto.monitor_hour where fingerprint = any($1) and at = any($2::timestamptz[])`,
      [fingerprints, moments(now)],
    )
    // Several processes, each with a row.
    const merged = new Map<string, { fingerprint: string; at: number; time: ReturnType<typeof createHistogram> }>()
    for (const [fingerprint, at, count, sum, min, max, buckets, counts] of rows) {
      const key = `${fingerprint} ${at}`
      const known = merged.get(key) ?? { fingerprint: fingerprint!, at: Number(at), time: createHistogram() }
      merged.set(key, known)
      mergeSparse(known.time, {
        buckets: JSON.parse(buckets!) as number[],
        counts: JSON.parse(counts!) as number[],
        count: Number(count),
        sum: Number(sum),
        min: min == null ? Number.POSITIVE_INFINITY : Number(min),
        max: Number(max),
      })
    }
    return [...merged.values()].flatMap(({ fingerprint, at, time }) => {
      const hour = hourOf(at, time)
      return hour === null ? [] : [{ ...hour, fingerprint }]
    })
  }

  /** Takes over alerts of a database that nobody has followed for three minutes; each by one process only. */
  async adopt(database: string): Promise<OrphanedAlert[]> {
    const rows = await this.#rows(
      `update selecto.monitor_alert set seen_at = now() where database = $1 and resolved_at is null and seen_at < now() - interval '3 minutes'
       returning id, type, severity, fingerprint, subject, value, summary, extract(epoch from fired_at) * 1000`,
      [database],
    )
    return rows.map(([id, type, severity, fingerprint, subject, value, summary, firedAt]) => ({
      id: id!,
      type: type!,
      severity: severity as Alert["severity"],
      fingerprint: fingerprint ?? null,
      subject: subject ?? null,
      value: Number(value),
      summary: summary!,
      firedAt: Number(firedAt),
    }))
  }

  /** Keeps it, in one transaction. `now` in milliseconds since 1970. */
  async save({ shapes, serverHours, unusedSince, alerts }: Learned, now: number): Promise<void> {
    const statements: Statement[] = [
      ...(shapes.length > 0 ? [saveShapes(shapes)] : []),
      ...(serverHours.length > 0 ? [saveServerHours(serverHours)] : []),
      ...saveUnused(unusedSince),
      ...(alerts.length > 0 ? [saveAlerts(alerts)] : []),
    ]
    if (Math.abs(now - this.#expired) > 86_400_000) {
      statements.push(...expireStatements)
      this.#expired = now
    }
    await this.#transaction(statements)
  }

  /** Lets go of alerts, so that the next process takes them over at once. */
  async release(alerts: readonly Alert[]): Promise<void> {
    await this.#rows("update selecto.monitor_alert set seen_at = '-infinity' where id = any($1) and resolved_at is null", [
      alerts.map(({ id }) => id),
    ])
  }

  async #rows(text: string, values: readonly unknown[] = []): Promise<(string | null)[][]> {
    const { rows } = await this.#database.queryText({ text: `${text} /* selecto:monitor */`, values }, limits)
    return rows
  }

  async #transaction(statements: readonly Statement[]): Promise<void> {
    const session: Session = await this.#database.acquire(limits)
    let healthy = true
    const plain = (text: string): Statement => ({ text: `${text} /* selecto:monitor */`, values: [] })
    try {
      await session.batch([plain("begin"), plain("set local lock_timeout = '2s'"), ...statements, plain("commit")], limits)
    } catch (error) {
      healthy = await session.queryText(plain("rollback"), limits).then(
        () => true,
        () => false,
      )
      throw error
    } finally {
      session.release(!healthy)
    }
  }
}

function moments(now: number): string[] {
  return comparedHours(now)
    .flat()
    .map((at) => new Date(at).toISOString())
}

function saveShapes(shapes: readonly KnownShape[]): Statement {
  return {
    text: `insert into selecto.monitor_plan as p (fingerprint, kind, hash, shape, first_seen, last_seen, samples, cost)
           select fingerprint, kind, hash, shape, to_timestamp("firstSeen" / 1000), to_timestamp("lastSeen" / 1000), samples, cost
           from jsonb_to_recordset($1::jsonb) as r(fingerprint text, kind text, hash text, shape text, "firstSeen" float8, "lastSeen" float8, samples bigint, cost float8)
           on conflict (fingerprint, kind, hash) do update set first_seen = least(p.first_seen, excluded.first_seen),
             last_seen = greatest(p.last_seen, excluded.last_seen), samples = greatest(p.samples, excluded.samples), cost = excluded.cost
           /* selecto:monitor */`,
    values: [JSON.stringify(shapes)],
  }
}

function saveServerHours(hours: Learned["serverHours"]): Statement {
  return {
    text: `insert into selecto.monitor_server_hour (at, fingerprint, calls, mean)
           select to_timestamp(at / 1000), fingerprint, n, middle from jsonb_to_recordset($1::jsonb) as r(at float8, fingerprint text, n float8, middle float8)
           on conflict (at, fingerprint) do update set calls = excluded.calls, mean = excluded.mean /* selecto:monitor */`,
    values: [JSON.stringify(hours)],
  }
}

/** The whole list is kept: what is not in it any more has been used, or is gone. */
function saveUnused(since: ReadonlyMap<string, number>): Statement[] {
  const rows = JSON.stringify([...since].map(([name, at]) => ({ name, at })))
  return [
    {
      text: "delete from selecto.monitor_unused_index where name <> all($1::text[]) /* selecto:monitor */",
      values: [[...since.keys()]],
    },
    {
      text: `insert into selecto.monitor_unused_index (name, since)
             select name, to_timestamp(at / 1000) from jsonb_to_recordset($1::jsonb) as r(name text, at float8)
             on conflict (name) do nothing /* selecto:monitor */`,
      values: [rows],
    },
  ]
}

function saveAlerts(alerts: readonly Alert[]): Statement {
  const rows = alerts.map((alert) => ({ ...alert, evidence: undefined, recommendations: undefined, issues: undefined }))
  return {
    text: `insert into selecto.monitor_alert (id, fired_at, seen_at, resolved_at, type, severity, database, fingerprint, subject, value, threshold, summary)
           select id, "firedAt", now(), "resolvedAt", type, severity, database, fingerprint, subject, value, threshold, summary
           from jsonb_to_recordset($1::jsonb) as r(id text, "firedAt" timestamptz, "resolvedAt" timestamptz, type text, severity text, database text,
             fingerprint text, subject text, value float8, threshold float8, summary text)
           on conflict (id, fired_at) do update set seen_at = excluded.seen_at, resolved_at = excluded.resolved_at, severity = excluded.severity,
             value = excluded.value, summary = excluded.summary /* selecto:monitor */`,
    values: [JSON.stringify(rows)],
  }
}
