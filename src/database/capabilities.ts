import { quoteIdentifier } from "../sql/identifier.ts"
import type { Database, Session } from "./database.ts"

/** What server, role and connection can do. */
export interface Capabilities {
  /** server_version_num: 180004 is 18.4. */
  readonly serverVersion: number
  /** Installed extensions by name, with their version and schema. */
  readonly extensions: Readonly<Record<string, Extension>>
  /** Versions of extensions that CREATE EXTENSION could install, of those that this library uses. */
  readonly available: Readonly<Record<string, string>>
  /** True when pg_hint_plan is loaded, which needs no CREATE EXTENSION. */
  readonly hintPlan: boolean
  readonly sessions: "many" | "one"
  /** A pooler between us and the server: "transaction" loses session state between transactions. null: none was found. */
  readonly pooler: "session" | "transaction" | null
  /** True on a standby: it takes no writes. */
  readonly replica: boolean
  readonly role: string
  readonly rights: Readonly<Record<Right, RightState>>
}

export interface Extension {
  readonly version: string
  readonly schema: string
}

/**
 * "statistics": other roles' statements in pg_stat_activity and pg_stat_statements; "settings": all settings; "cancel": other roles'
 * statements; "createSchema": a schema in this database; "eventTriggers": notice DDL at once.
 */
export type Right = "statistics" | "settings" | "cancel" | "createSchema" | "eventTriggers"

export interface RightState {
  readonly granted: boolean
  /** The statement that a superuser would run to give the right; null when it is there, or cannot be given. */
  readonly grant: string | null
}

/** Extensions that some room of ours can use. */
const useful = [
  "hypopg",
  "pg_hint_plan",
  "pg_stat_statements",
  "citus",
  "pg_qualstats",
  "pg_stat_kcache",
  "pg_cron",
  "pg_ivm",
  "pgstattuple",
  "pg_prewarm",
]

const asked = new WeakMap<Database, Promise<Capabilities>>()

/** Asks server and connection what they can do. Asked once for each database; a failed attempt is forgotten. */
export function readCapabilities(database: Database): Promise<Capabilities> {
  const known = asked.get(database)
  if (known !== undefined) return known
  const asking = ask(database)
  asked.set(database, asking)
  asking.catch(() => asked.delete(database))
  return asking
}

interface Answer {
  readonly version: number
  readonly role: string
  readonly database: string
  readonly replica: boolean
  readonly superuser: boolean
  readonly statistics: boolean
  readonly settings: boolean
  readonly cancel: boolean
  readonly createSchema: boolean
  readonly hintPlan: boolean
  readonly extensions: Readonly<Record<string, Extension>> | null
  readonly available: Readonly<Record<string, string>> | null
}

const question = `
select json_build_object(
  'version', current_setting('server_version_num')::int,
  'role', current_user,
  'database', current_database(),
  'replica', pg_catalog.pg_is_in_recovery(),
  'superuser', r.rolsuper,
  'statistics', pg_catalog.pg_has_role('pg_read_all_stats', 'usage'),
  'settings', pg_catalog.pg_has_role('pg_read_all_settings', 'usage'),
  'cancel', pg_catalog.pg_has_role('pg_signal_backend', 'usage'),
  'createSchema', pg_catalog.has_database_privilege(current_database(), 'create'),
  'hintPlan', current_setting('pg_hint_plan.enable_hint', true) is not null,
  'extensions', (select json_object_agg(extname, json_build_object('version', extversion, 'schema', nspname))
                 from pg_catalog.pg_extension join pg_catalog.pg_namespace n on n.oid = extnamespace),
  'available', (select json_object_agg(name, default_version) from pg_catalog.pg_available_extensions
                where installed_version is null and name = any($1))
)::text
from pg_catalog.pg_roles r where r.rolname = current_user /* selecto:database */`

const limits = { timeoutMs: 10_000 }

async function ask(database: Database): Promise<Capabilities> {
  const { rows } = await database.queryText({ text: question, values: [useful] }, limits)
  const answer = JSON.parse(rows[0]![0]!) as Answer
  const role = quoteIdentifier(answer.role)
  const right = (granted: boolean, grant: string | null): RightState =>
    granted || answer.superuser ? { granted: true, grant: null } : { granted: false, grant }
  return {
    serverVersion: answer.version,
    extensions: answer.extensions ?? {},
    available: answer.available ?? {},
    hintPlan: answer.hintPlan,
    sessions: database.capabilities.sessions,
    pooler: database.capabilities.sessions === "one" ? null : await poolerOf(database),
    replica: answer.replica,
    role: answer.role,
    rights: {
      statistics: right(answer.statistics, `GRANT pg_read_all_stats TO ${role}`),
      settings: right(answer.settings, `GRANT pg_read_all_settings TO ${role}`),
      cancel: right(answer.cancel, `GRANT pg_signal_backend TO ${role}`),
      createSchema: right(answer.createSchema, `GRANT CREATE ON DATABASE ${quoteIdentifier(answer.database)} TO ${role}`),
      eventTriggers: right(false, null),
    },
  }
}

/**
 * A pooler gives its own process id at connection. Which kind it is shows when a second session, held in a transaction, gets the
 * backend that the first one used a moment ago, or pushes it to another: with one backend a session neither can be.
 */
async function poolerOf(database: Database): Promise<Capabilities["pooler"]> {
  const first = await database.acquire(limits)
  try {
    const backend = await backendOf(first)
    if (first.pid === null || first.pid === backend) return null
    const second = await database.acquire(limits)
    try {
      const [, other] = await second.batch([begin, backendQuestion], limits)
      const again = await backendOf(first)
      await second.queryText(rollback, limits)
      return other!.rows[0]![0] === String(backend) || again !== backend ? "transaction" : "session"
    } finally {
      second.release()
    }
  } finally {
    first.release()
  }
}

const begin = { text: "begin", values: [] }
const rollback = { text: "rollback", values: [] }
const backendQuestion = { text: "select pg_catalog.pg_backend_pid() /* selecto:database */", values: [] }

async function backendOf(session: Session): Promise<number> {
  const { rows } = await session.queryText(backendQuestion, limits)
  return Number(rows[0]![0])
}
