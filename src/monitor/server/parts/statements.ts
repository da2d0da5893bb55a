import type { TextRow } from "../../../database/database.ts"
import type { Reader } from "../reader.ts"
import type { Part } from "./part.ts"

/**
 * Counters of one row of pg_stat_statements, in the order in which they are kept. `squares` is the sum of squared times, made from the
 * mean and the deviation that the view gives: sums can be subtracted, deviations cannot.
 */
export const statementCounters = [
  "calls",
  "time",
  "rows",
  "sharedHit",
  "sharedRead",
  "tempWritten",
  "ioMs",
  "walBytes",
  "plans",
  "planMs",
  "jitMs",
  "squares",
] as const

export type StatementCounter = (typeof statementCounters)[number]

/** Where each counter stands in a row. */
export const counterAt: Readonly<Record<StatementCounter, number>> = Object.fromEntries(
  statementCounters.map((name, at) => [name, at]),
) as Record<StatementCounter, number>

/** One row whose counters have changed since the last reading. */
export interface StatementRow {
  /** `userid toplevel queryid`. */
  readonly key: string
  /** Since when the server counts it, milliseconds since 1970 by its clock; null before 17. */
  readonly since: number | null
  readonly counters: Float64Array
}

export interface StatementsReading {
  /** Why there is none, and what to do; null where there is one. */
  readonly missing: { readonly reason: string; readonly remedy: string } | null
  /** Rows that have changed since the last reading; in the first, all. */
  readonly rows: readonly StatementRow[]
  /** Keys of all rows there are. */
  readonly keys: ReadonlySet<string>
  /** Counters that this version of the extension does not have. */
  readonly unknown: ReadonlySet<StatementCounter>
  /** Rows whose statement this role may not see. */
  readonly hidden: number
  /** Times that the server made room by forgetting; null before 14. */
  readonly evictions: number | null
  /** Since when the server counts, milliseconds since 1970; null before 14. */
  readonly statsReset: number | null
}

const here = "s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())"

/**
 * Counters of every statement of this database, without any text. First who was called how often, then all counters of those who were called
 * since the last reading: printing a row costs the server ten times what finding it does.
 */
export function statementsPart(): Part<StatementsReading> {
  let known = new Map<string, string>()
  let resetAt: number | null = null
  return {
    every: 1,
    async read(reader: Reader) {
      const { columns } = reader
      const schema = columns.statementsSchema
      if (schema === null) return { ...nothing, missing: await whyMissing(reader) }
      const info = columns.has("pg_stat_statements_info")
        ? await reader.rows(
            { evictions: ["number", "i.dealloc"], statsReset: ["milliseconds", "i.stats_reset"] },
            `from ${schema}.pg_stat_statements_info i`,
          )
        : []
      const statsReset = info[0]?.statsReset ?? null
      // After a reset a row may have as many calls as before, and they are others.
      if (statsReset !== resetAt) known = new Map()
      resetAt = statsReset
      const calls = await readCalls(reader, schema)
      const seen = new Map(calls.rows)
      const changed = new Set(calls.rows.filter(([key, token]) => known.get(key) !== token).map(([key]) => key))
      const { rows, unknown } = await readCounters(reader, schema, changed)
      // What ran between the two questions is in the counters already, and will change again or not.
      known = seen
      return {
        missing: null,
        rows,
        keys: new Set(seen.keys()),
        unknown,
        hidden: calls.hidden,
        evictions: info[0]?.evictions ?? null,
        statsReset,
      }
    },
  }
}

type Calls = { readonly rows: (readonly [key: string, token: string])[]; readonly hidden: number }

// Texts are in a file that is read whole, however few are asked for: `false` leaves it alone.
async function readCalls(reader: Reader, schema: string): Promise<Calls> {
  const fields = { ...keyFields(reader), calls: ["number", "s.calls"], plans: ["number", "s.plans"] } as const
  const rows = await reader.texts(fields, `from ${schema}.pg_stat_statements(false) s where ${here}`)
  const readable = rows.filter(([, , id]) => id !== null)
  return {
    rows: readable.map((row) => [keyOf(row), `${row[3]} ${row[4]}`] as const),
    hidden: rows.length - readable.length,
  }
}

async function readCounters(
  reader: Reader,
  schema: string,
  changed: ReadonlySet<string>,
): Promise<Pick<StatementsReading, "rows" | "unknown">> {
  const { columns } = reader
  const sum = (...names: readonly string[]): string =>
    names
      .filter((name) => columns.has("pg_stat_statements", name))
      .map((name) => `s.${name}`)
      .join(" + ") || "null"
  const counters: Record<StatementCounter, string> = {
    calls: "s.calls",
    time: "s.total_exec_time",
    rows: "s.rows",
    sharedHit: "s.shared_blks_hit",
    sharedRead: "s.shared_blks_read",
    tempWritten: "s.temp_blks_written",
    ioMs: sum(
      ...["blk_read_time", "blk_write_time", "shared_blk_read_time", "shared_blk_write_time"],
      ...["temp_blk_read_time", "temp_blk_write_time", "local_blk_read_time", "local_blk_write_time"],
    ),
    walBytes: "s.wal_bytes",
    plans: "s.plans",
    planMs: "s.total_plan_time",
    jitMs: sum("jit_generation_time", "jit_inlining_time", "jit_optimization_time", "jit_emission_time"),
    squares: "s.stddev_exec_time",
  }
  const unknown = new Set(statementCounters.filter((name) => counters[name] === "null"))
  if (changed.size === 0) return { rows: [], unknown }
  const since = columns.sql("pg_stat_statements", "s", "stats_since")
  const fields = {
    ...keyFields(reader),
    // date_part gives a double; extract a numeric, which is many times as slow.
    since: ["milliseconds", `${since}::timestamptz`] as const,
    ...Object.fromEntries(statementCounters.map((name) => [name, ["number", counters[name]] as const])),
  }
  const ids = new Set([...changed].map(idOf))
  const rows = await reader.texts(
    fields,
    `from ${schema}.pg_stat_statements(false) s join unnest($1::bigint[]) w(id) on w.id = s.queryid where ${here}`,
    [[...ids]],
  )
  return { rows: rows.map(rowOf).filter(({ key }) => changed.has(key)), unknown }
}

const headCells = 4

function rowOf(row: TextRow): StatementRow {
  const counters = Float64Array.from(statementCounters, (_, at) => Number(row[headCells + at] ?? 0))
  const calls = counters[counterAt.calls]!
  const mean = calls === 0 ? 0 : counters[counterAt.time]! / calls
  const deviation = counters[counterAt.squares]!
  counters[counterAt.squares] = calls * (deviation ** 2 + mean ** 2)
  return { key: keyOf(row), since: row[3] == null ? null : Number(row[3]), counters }
}

function keyFields({ columns }: Reader) {
  return {
    user: ["text", "s.userid"],
    toplevel: ["text", columns.sql("pg_stat_statements", "s", "toplevel")],
    id: ["text", "s.queryid"],
  } as const
}

function keyOf([user, toplevel, id]: TextRow): string {
  return `${user} ${toplevel ?? "-"} ${id}`
}

/** The queryid of a key. */
export function idOf(key: string): string {
  return key.slice(key.lastIndexOf(" ") + 1)
}

const nothing: Omit<StatementsReading, "missing"> = {
  rows: [],
  keys: new Set(),
  unknown: new Set(),
  hidden: 0,
  evictions: null,
  statsReset: null,
}

async function whyMissing(reader: Reader): Promise<StatementsReading["missing"]> {
  if (reader.columns.extension.available === null)
    return {
      reason: "The server does not bring pg_stat_statements.",
      remedy: "Install PostgreSQL's contrib modules on the server (the package postgresql-contrib).",
    }
  // Its settings are there as soon as its library is loaded: whoever need not restart is not told to.
  const [library] = await reader.rows(
    { loaded: ["flag", "pg_catalog.current_setting('pg_stat_statements.max', true) is not null"] },
    "",
  )
  const create = "CREATE EXTENSION pg_stat_statements"
  return {
    reason: "pg_stat_statements is not in this database.",
    remedy:
      library?.loaded === true
        ? create
        : `Add pg_stat_statements to shared_preload_libraries, restart, and run ${create} in this database.`,
  }
}

/** The text of statements by queryid; a text that this role may not see is left out. The whole file of texts is read for it. */
export async function readStatementTexts(reader: Reader, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await reader.rows(
    { id: ["text", "s.queryid"], query: ["text", "s.query"], hidden: ["flag", "s.query = '<insufficient privilege>'"] },
    `from ${reader.columns.statementsSchema}.pg_stat_statements(true) s
     where ${here} and s.queryid = any($1::bigint[])`,
    [ids],
  )
  return new Map(
    rows.flatMap(({ id, query, hidden }) => (id === null || query === null || hidden === true ? [] : [[id, query] as const])),
  )
}
