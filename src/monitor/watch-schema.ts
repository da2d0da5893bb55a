import type { Migration } from "../changes/index.ts"
import type { Statement } from "../database/database.ts"

/** Tables of what watching learns, beside those of the minutes: a process that starts goes on where the last one ended. */
const tables: Readonly<Record<string, string>> = {
  /** Shapes that statements' plans have had. */
  monitor_plan: `
  fingerprint text not null,
  kind text not null,
  hash text not null,
  shape text not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  samples bigint not null,
  cost double precision,
  primary key (fingerprint, kind, hash)`,
  /** Hours of statements as the server counted them, whoever sent them. */
  monitor_server_hour: `
  at timestamptz not null,
  fingerprint text not null,
  calls double precision not null,
  mean double precision not null,
  primary key (at, fingerprint)`,
  /** Since when indexes are not used. */
  monitor_unused_index: `
  name text primary key,
  since timestamptz not null`,
  /** Alerts that were told, and whether they are over. `seen_at` is the last sign of the process that follows it. */
  monitor_alert: `
  id text not null,
  fired_at timestamptz not null,
  seen_at timestamptz not null,
  resolved_at timestamptz,
  type text not null,
  severity text not null,
  database text not null,
  fingerprint text,
  subject text,
  value double precision not null,
  threshold double precision not null,
  summary text not null,
  primary key (id, fired_at)`,
}

/** What makes them. */
export const watchMigration: Migration = {
  name: "watch",
  statements: Object.entries(tables).map(([name, columns]) => `create table selecto.${name} (${columns})`),
}

/** Rows older than what is kept: of hours those that no baseline looks at any more, of the others what nobody has seen for long. */
export const expireStatements: readonly Statement[] = [
  "delete from selecto.monitor_server_hour where at < now() - interval '16 days' /* selecto:monitor */",
  "delete from selecto.monitor_plan where last_seen < now() - interval '90 days' /* selecto:monitor */",
  "delete from selecto.monitor_alert where coalesce(resolved_at, fired_at) < now() - interval '400 days' /* selecto:monitor */",
].map((text) => ({ text, values: [] }))
