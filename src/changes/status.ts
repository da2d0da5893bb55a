import type { Database, QueryOptions, Session } from "../database/database.ts"
import { stateError } from "./rights.ts"

/** A tracked tree. */
export interface TrackedRelation {
  /** pg_class.oid of its root; what notices and marks are about. */
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: "table" | "materialized view"
  /** Its changes are in the log. */
  readonly log: boolean
  /** Its changes are told. */
  readonly notify: boolean
  /** Columns whose changed values notices tell. */
  readonly keys: readonly string[]
  /** Who asked for it. */
  readonly owners: readonly string[]
  /** Tables of the tree, itself among them. */
  readonly members: number
  /** Why its changes cannot be known at present, so that everything derived from it counts as stale; null when they are. */
  readonly blind: string | null
  /** Members that a subscription of logical replication fills: row triggers stand there. */
  readonly subscribed: readonly string[]
}

/** What is tracked in a database. */
export interface TrackingStatus {
  /** False where there is no change log; then there is nothing else. */
  readonly installed: boolean
  /** One life of the state: what was derived under another is stale. */
  readonly epoch: string | null
  /** "events": DDL is noticed in its own transaction; "polling": when syncTracking() is called. */
  readonly ddl: "events" | "polling" | null
  /** In a sentence, what is not noticed at once. */
  readonly bound: string
  readonly relations: readonly TrackedRelation[]
  /**
   * The server's max_prepared_transactions. Where it is above 0 there may be transactions in two phases, which cannot write what is
   * tracked with `notify`: PostgreSQL refuses PREPARE TRANSACTION after NOTIFY.
   */
  readonly preparedTransactions: number
  /** Rows of the log, as the planner estimates them, and its bytes with its index. */
  readonly log: { readonly rows: number; readonly bytes: number; readonly prunedAt: Date | null } | null
}

const boundOf = {
  events:
    "Every DDL command is noticed when it commits; changes of roles and their settings, and what a superuser does with event triggers switched off, when syncTracking() is called.",
  polling:
    "Partitions that come and go are noticed at once; other DDL, grants and roles only when syncTracking() is called: there are no event triggers that could be relied on.",
}

const statusText = `
select pg_catalog.json_build_object('epoch', s.epoch, 'ddl', s.ddl,
  'preparedTransactions', pg_catalog.current_setting('max_prepared_transactions')::int, 'prunedAt', extract(epoch from s.pruned_at) * 1000,
  'rows', (select greatest(c.reltuples, 0) from pg_catalog.pg_class c where c.oid = 'selecto.changes_log'::pg_catalog.regclass),
  'bytes', pg_catalog.pg_total_relation_size('selecto.changes_log'),
  'relations', coalesce((select pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', r.root::int8, 'schema', r.schema, 'name', r.name, 'kind', r.kind, 'blind', r.blind, 'log', r.logged,
      'notify', exists (select from selecto.changes_need n where n.root = r.root and n.notify),
      'keys', (select coalesce(pg_catalog.json_agg(distinct k.key), '[]') from selecto.changes_need n, unnest(n.keys) k (key)
        where n.root = r.root and n.notify),
      'owners', (select coalesce(pg_catalog.json_agg(o.owner order by o.owner), '[]') from (
        select n.owner from selecto.changes_need n where n.root = r.root
        union select t.component || ':' || t.set_name from selecto.changes_trigger t
          where t.root = r.root and t.component <> 'changes') o),
      'members', (select count(*) from selecto.changes_member m where m.root = r.root),
      'subscribed', (select coalesce(pg_catalog.json_agg(distinct m.member::pg_catalog.regclass::text), '[]')
        from selecto.changes_member m join pg_catalog.pg_subscription_rel p on p.srrelid = m.member where m.root = r.root)
    ) order by r.schema, r.name) from selecto.changes_root r where r.root <> 0), '[]'))::text as status
from selecto.changes_state s where s.only_row /* selecto:changes */`

const installedText = `
select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'selecto' and c.relname = 'changes_state') as installed /* selecto:changes */`

/** What is tracked, and what is not noticed at once. Changes nothing. Errors: E_MISSING_RIGHT. */
export async function trackingStatus(source: Database | Session, options: QueryOptions = {}): Promise<TrackingStatus> {
  const query = { timeoutMs: 30_000, ...options }
  const { rows } = await source.query<{ installed: boolean }>({ text: installedText, values: [] }, query)
  if (!rows[0]!.installed)
    return {
      installed: false,
      epoch: null,
      ddl: null,
      bound: "Nothing is tracked.",
      relations: [],
      preparedTransactions: 0,
      log: null,
    }
  try {
    const [[json]] = (await source.queryText({ text: statusText, values: [] }, query)).rows as [[string]]
    const { epoch, ddl, relations, preparedTransactions, ...log } = JSON.parse(json) as StatusRow
    return {
      installed: true,
      epoch,
      ddl,
      bound: boundOf[ddl],
      relations,
      preparedTransactions,
      log: { ...log, prunedAt: log.prunedAt === null ? null : new Date(log.prunedAt) },
    }
  } catch (error) {
    throw stateError(error)
  }
}

interface StatusRow {
  readonly epoch: string
  readonly ddl: "events" | "polling"
  readonly prunedAt: number | null
  readonly rows: number
  readonly bytes: number
  readonly relations: readonly TrackedRelation[]
  readonly preparedTransactions: number
}
