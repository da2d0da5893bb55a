import type { Database, QueryOptions, Session, Statement } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import type { OpenTransaction } from "../execution/request.ts"
import { beginStatement, rollback } from "../execution/transaction.ts"
import { quoteQualified } from "../sql/index.ts"
import { type AskedName, fingerprintSql } from "./catalog.ts"

/** Settings that decide what a value is or how it is written; every worker gets the leader's. */
const copied = [
  "search_path",
  "TimeZone",
  "DateStyle",
  "IntervalStyle",
  "timezone_abbreviations",
  "extra_float_digits",
  "bytea_output",
  "lc_monetary",
  "lc_numeric",
  "lc_time",
  "default_text_search_config",
  "xmlbinary",
  "xmloption",
  "row_security",
  "transform_null_equals",
  "array_nulls",
  "standard_conforming_strings",
  "gin_fuzzy_search_limit",
]
/** Of what the session itself has set, these are about one transaction. */
const notCopied = [
  "transaction_isolation",
  "transaction_read_only",
  "transaction_deferrable",
  "lock_timeout",
  "session_authorization",
]

/** The session that holds the snapshot, the locks and the final merge. */
export interface Leader {
  readonly session: Session
  /** It may read parts itself: its transaction is ours, and its snapshot the exported one. */
  readonly works: boolean
  readonly snapshot: string | null
  /** The moment of its transaction, as a literal of type timestamptz. */
  readonly now: string
  readonly at: Date
  readonly settings: readonly (readonly [name: string, value: string])[]
  readonly role: string
  readonly sessionUser: string
  /** Blocks of the longest table to divide. */
  readonly blocks: number
  /** Other sessions at work on the server. */
  readonly active: number
  readonly replica: boolean
  /** What it locked, for helpers to lock as well; null for nothing. */
  readonly lock: Statement | null
  /** When its session was there, by performance.now(). */
  readonly acquired: number
  /** Ends the transaction, if it is ours, and gives the session back. */
  end(): Promise<void>
}

export interface LeaderNeeds {
  readonly relations: readonly { readonly schema: string; readonly name: string; readonly kind: string }[]
  /** The names that the plan was made for, and what their catalog rows were then. */
  readonly asked: readonly AskedName[]
  readonly functions: readonly AskedName[]
  readonly fingerprint: string
  /** The relation to divide; null where rows are divided by a key. */
  readonly oid: string | null
  readonly snapshot: boolean
  /** Custom settings to copy. */
  readonly settings: readonly string[]
  /** SET LOCAL for every session that takes part. */
  readonly local: Readonly<Record<string, string>>
  readonly coordinationTimeoutMs: number
}

interface Facts {
  readonly snapshot: string | null
  readonly fingerprint: string
  readonly now: string
  readonly role: string
  readonly sessionUser: string
  readonly written: boolean
  readonly temporary: boolean
  readonly isolation: string
  readonly blocks: number
  readonly active: number
  readonly replica: boolean
  readonly settings: Readonly<Record<string, string>>
  readonly custom: Readonly<Record<string, string | null>> | null
}

const question = (snapshot: boolean): string => `
with recursive below(oid) as (select $1::oid union select inhrelid from below join pg_catalog.pg_inherits i on i.inhparent = below.oid)
select json_build_object(
  'snapshot', ${snapshot ? "pg_catalog.pg_export_snapshot()" : "null::text"},
  'fingerprint', ${fingerprintSql("$5", "$6", "$7")},
  'now', to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00',
  'role', current_setting('role'), 'sessionUser', session_user,
  'written', pg_catalog.pg_current_xact_id_if_assigned() is not null,
  'temporary', exists (select from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema()),
  'isolation', current_setting('transaction_isolation'),
  'replica', pg_catalog.pg_is_in_recovery(),
  'blocks', coalesce((select max(pg_relation_size(c.oid)) / current_setting('block_size')::int from below
    join pg_catalog.pg_class c on c.oid = below.oid where relkind in ('r', 'm')), 0),
  'active', (select count(*) from pg_catalog.pg_stat_activity where state = 'active' and pid <> pg_catalog.pg_backend_pid()),
  'settings', (select json_object_agg(name, setting) from pg_catalog.pg_settings where name = any($2::text[])
    or (source = 'session' and context in ('user', 'superuser') and name <> all($3::text[]))),
  'custom', (select json_object_agg(n, current_setting(n, true)) from unnest($4::text[]) as n)
)::text /* selecto:parallel */`

/**
 * Opens the leader's transaction, or uses the caller's: locks first, so that nothing can be truncated or rewritten between snapshot
 * and parts, then the snapshot. A string says why the parts would not see what the caller would.
 */
export async function openLeader(
  database: Database,
  transaction: OpenTransaction | null,
  needs: LeaderNeeds,
  options: QueryOptions,
): Promise<Leader | string> {
  if (transaction !== null) {
    const acquired = performance.now()
    const facts = await ask(transaction.session, [lockStatement(needs)], needs, options)
    return (
      refusal(facts, needs) ??
      leaderOf(transaction.session, facts, { works: false, lock: lockStatement(needs), acquired, end: async () => {} })
    )
  }
  const session = await database.acquire({ signal: options.signal, timeoutMs: options.timeoutMs })
  const acquired = performance.now()
  const end = async (): Promise<void> => {
    const healthy = await rollback(session)
    session.release(!healthy)
  }
  try {
    const facts = await ask(
      session,
      [
        beginStatement(needs.snapshot ? "repeatable read" : "read committed", true),
        { text: `SET LOCAL lock_timeout = ${Math.ceil(needs.coordinationTimeoutMs)}`, values: [] },
        lockStatement(needs),
        settingsStatement(Object.entries(needs.local)),
      ],
      needs,
      options,
    )
    const reason = refusal(facts, needs)
    if (reason === null) return leaderOf(session, facts, { works: true, lock: lockStatement(needs), acquired, end })
    await end()
    return reason
  } catch (error) {
    await end()
    // The statement by itself would wait for the same lock, and has its own way of ending that.
    if (isSelectoError(error) && error.sqlState === "55P03") return "a table was locked for longer than coordinationTimeoutMs"
    throw error
  }
}

async function ask(
  session: Session,
  before: readonly (Statement | null)[],
  needs: LeaderNeeds,
  options: QueryOptions,
): Promise<Facts> {
  const { asked, functions } = needs
  const names = [asked.map(({ schema }) => schema), asked.map(({ name }) => name), functions.map(({ name }) => name)]
  const values = [needs.oid ?? 0, copied, notCopied, needs.settings, ...names]
  const statements = [...before.filter((one) => one !== null), { text: question(needs.snapshot), values }]
  const results = await session.batch(statements, options)
  return JSON.parse(results.at(-1)!.rows[0]![0]!) as Facts
}

/** Only tables and views can be locked; a materialized view is locked by reading none of its rows. */
function lockStatement({ relations }: LeaderNeeds): Statement | null {
  const names = relations.filter(({ kind }) => "rpv".includes(kind)).map(({ schema, name }) => quoteQualified(schema, name))
  if (names.length === 0) return null
  return { text: `LOCK TABLE ${[...new Set(names)].join(", ")} IN ACCESS SHARE MODE /* selecto:parallel */`, values: [] }
}

/** Said of a plan that was made for other tables, policies or functions than there are now: it can be made anew. */
export const outdated = "the definition of a table, view, policy or function has changed"

function refusal(facts: Facts, needs: LeaderNeeds): string | null {
  if (facts.fingerprint !== needs.fingerprint) return outdated
  if (facts.written) return "the transaction has written, and other sessions do not see that before it commits"
  if (facts.temporary) return "the session has temporary tables, which other sessions do not see"
  if (facts.isolation === "serializable") return "in a serializable transaction PostgreSQL watches what one session reads"
  return null
}

function leaderOf(session: Session, facts: Facts, own: Pick<Leader, "works" | "lock" | "acquired" | "end">): Leader {
  const { snapshot, now, sessionUser, blocks, active, replica } = facts
  const custom = Object.entries(facts.custom ?? {}).map(([name, value]) => [name, value ?? ""] as const)
  return {
    session,
    snapshot,
    now,
    at: new Date(now.replace(" ", "T").replace(/\+00$/, "Z")),
    settings: [...Object.entries(facts.settings), ...custom],
    role: facts.role,
    sessionUser,
    blocks,
    active,
    replica,
    ...own,
  }
}

/** SET LOCAL of any number of settings, in one statement; null for none. */
export function settingsStatement(settings: readonly (readonly [name: string, value: string])[]): Statement | null {
  if (settings.length === 0) return null
  const calls = settings.map((_setting, index) => `set_config($${2 * index + 1}, $${2 * index + 2}, true)`)
  return { text: `SELECT ${calls.join(", ")} /* selecto:parallel */`, values: settings.flat() }
}
