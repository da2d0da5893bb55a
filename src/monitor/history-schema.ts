import type { Component } from "../changes/index.ts"
import type { Statement } from "../database/database.ts"
import { watchMigration } from "./watch-schema.ts"

/** How long rows are kept, and the part of time that one partition holds. Milliseconds. */
export interface Grain {
  readonly name: "minute" | "hour" | "day"
  readonly ms: number
  readonly partitionMs: number
  readonly keptMs: number
}

const hour = 3_600_000
const day = 24 * hour

/** The tables of the history: each row is one statement in one stretch of time, its histogram whole, so that stretches add up exactly. */
export const grains: readonly Grain[] = [
  { name: "minute", ms: 60_000, partitionMs: day, keptMs: 2 * day },
  { name: "hour", ms: hour, partitionMs: 7 * day, keptMs: 30 * day },
  { name: "day", ms: day, partitionMs: 30 * day, keptMs: 400 * day },
]

const columns = `
  at timestamptz not null,
  source text not null,
  fingerprint text not null,
  calls bigint not null,
  errors bigint not null,
  executions bigint not null,
  time_sum double precision not null,
  time_min double precision,
  time_max double precision not null,
  server_sum double precision not null,
  transfer_sum double precision not null,
  pool_wait_sum double precision not null,
  pool_wait_max double precision not null,
  row_sum bigint not null,
  row_max bigint not null,
  buckets int[] not null,
  counts bigint[] not null,
  states jsonb not null`

/** What the history keeps in schema `selecto`. */
export const monitorComponent: Component = {
  name: "monitor",
  migrations: [
    {
      name: "history",
      statements: [
        ...grains.flatMap(({ name }) => [
          `create table selecto.monitor_${name} (${columns}\n) partition by range (at)`,
          `create index monitor_${name}_fingerprint on selecto.monitor_${name} (fingerprint, at)`,
        ]),
        `create table selecto.monitor_statement (fingerprint text primary key, text text, summary text,
          first_seen timestamptz not null default now(), last_seen timestamptz not null default now())`,
      ],
    },
    watchMigration,
  ],
}

/** Start of the partition that a moment is in. */
export function partitionStart(grain: Grain, at: number): number {
  return Math.floor(at / grain.partitionMs) * grain.partitionMs
}

export function partitionName(grain: Grain, start: number): string {
  return `monitor_${grain.name}_${new Date(start).toISOString().slice(0, 10).replaceAll("-", "")}`
}

export function createPartition(grain: Grain, start: number): Statement {
  const bound = (at: number): string => `'${new Date(at).toISOString()}'`
  return plain(
    `create table if not exists selecto.${partitionName(grain, start)} partition of selecto.monitor_${grain.name}
     for values from (${bound(start)}) to (${bound(start + grain.partitionMs)}) /* selecto:monitor */`,
  )
}

/** Names of the partitions that there are. */
export const partitionsStatement: Statement = plain(
  `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
   join pg_class p on p.oid = i.inhparent join pg_namespace n on n.oid = p.relnamespace
   where n.nspname = 'selecto' and p.relname in ('monitor_minute', 'monitor_hour', 'monitor_day') /* selecto:monitor */`,
)

/** The partitions that hold only what is too old, of those whose names are given. */
export function expiredPartitions(names: readonly string[], now: number): string[] {
  return names.filter((name) => {
    const match = /^monitor_(minute|hour|day)_(\d{4})(\d{2})(\d{2})$/.exec(name)
    const grain = grains.find((one) => one.name === match?.[1])
    if (match === null || grain === undefined) return false
    return Date.UTC(Number(match[2]), Number(match[3]) - 1, Number(match[4])) + grain.partitionMs < now - grain.keptMs
  })
}

export function dropPartition(name: string): Statement {
  return plain(`drop table if exists selecto.${name} /* selecto:monitor */`)
}

/**
 * Adds the rows of a finer table that lie in one stretch to a coarser one. Histograms are added bucket by bucket: nothing is lost.
 * The rows of the stretch are made anew, so running it again, or after a crash, changes nothing.
 */
export function rollUpStatements(from: Grain, to: Grain, start: number): Statement[] {
  const values = [new Date(start).toISOString(), new Date(start + to.ms).toISOString()]
  const remove = `delete from selecto.monitor_${to.name} where at = $1::timestamptz /* selecto:monitor */`
  const add = `
    insert into selecto.monitor_${to.name}
    select $1::timestamptz, s.source, s.fingerprint, s.calls, s.errors, s.executions, s.time_sum, s.time_min, s.time_max, s.server_sum,
      s.transfer_sum, s.pool_wait_sum, s.pool_wait_max, s.row_sum, s.row_max, coalesce(h.buckets, '{}'), coalesce(h.counts, '{}'),
      coalesce(e.states, '{}')
    from (
      select source, fingerprint, sum(calls) as calls, sum(errors) as errors, sum(executions) as executions,
        sum(time_sum) as time_sum, min(time_min) as time_min, max(time_max) as time_max, sum(server_sum) as server_sum,
        sum(transfer_sum) as transfer_sum, sum(pool_wait_sum) as pool_wait_sum, max(pool_wait_max) as pool_wait_max,
        sum(row_sum) as row_sum, max(row_max) as row_max
      from selecto.monitor_${from.name} where at >= $1::timestamptz and at < $2::timestamptz group by source, fingerprint) s
    left join lateral (
      select array_agg(bucket order by bucket) as buckets, array_agg(n order by bucket) as counts from (
        select u.bucket, sum(u.n)::bigint as n from selecto.monitor_${from.name} m, unnest(m.buckets, m.counts) as u(bucket, n)
        where m.at >= $1::timestamptz and m.at < $2::timestamptz and m.source = s.source and m.fingerprint = s.fingerprint
        group by u.bucket) b) h on true
    left join lateral (
      select jsonb_object_agg(state, n) as states from (
        select x.key as state, sum(x.value::bigint) as n from selecto.monitor_${from.name} m, jsonb_each_text(m.states) x
        where m.at >= $1::timestamptz and m.at < $2::timestamptz and m.source = s.source and m.fingerprint = s.fingerprint
        group by x.key) k) e on true /* selecto:monitor */`
  return [
    { text: remove, values: [values[0]] },
    { text: add, values },
  ]
}

function plain(text: string): Statement {
  return { text, values: [] }
}
