import {
  type Drift,
  drift,
  type OwnedObject,
  ownedObjects,
  type RemoveOptions,
  type RemoveReport,
  type RetryOptions,
  removeOwned,
  type SyncReport,
  syncTracking,
  type TrackingStatus,
  trackingStatus,
} from "../changes/index.ts"
import { type Capabilities, readCapabilities } from "../database/capabilities.ts"
import type { Database, QueryOptions } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { viewService } from "../views/index.ts"
import { components } from "./components.ts"

/** What these functions need of a Selecto. */
interface Connected {
  readonly database: Database
}

/** Something in the database that is not as it should be, or that is worth knowing. */
export interface Finding {
  /** snake_case id, such as "drift_missing". */
  readonly code: string
  readonly severity: "error" | "warning" | "info"
  /** The object that it is about. */
  readonly object: string | null
  readonly message: string
  /** What puts it right: a statement, a call or a command. */
  readonly fix: string | null
}

/** What a database can do for us, what is in it because of us, and what is amiss. */
export interface Diagnosis {
  readonly capabilities: Capabilities
  /** Versions in the database, and those that this library knows. */
  readonly components: readonly { readonly name: string; readonly installed: number | null; readonly known: number | null }[]
  readonly objects: readonly OwnedObject[]
  /** Null where this role may not read it. */
  readonly tracking: TrackingStatus | null
  /** Worst first. */
  readonly findings: readonly Finding[]
}

/**
 * Looks at a database and changes nothing: capabilities and missing rights (each with its GRANT), everything of ours that is in it, and
 * what has come apart, such as a partition without its trigger.
 *
 * @example (await diagnose(selecto)).findings.filter(({ severity }) => severity === "error")
 */
export async function diagnose({ database }: Connected, options: QueryOptions = {}): Promise<Diagnosis> {
  const capabilities = await readCapabilities(database)
  const owned = await ownedObjects(
    database,
    components.map(({ name }) => name),
    options,
  )
  const findings: Finding[] = []
  let tracking: TrackingStatus | null = null
  try {
    tracking = await trackingStatus(database, options)
    findings.push(...trackingFindings(tracking))
    if (tracking.installed) findings.push(...(await drift(database, options)).map(driftFinding))
  } catch (error) {
    if (!isSelectoError(error, "E_MISSING_RIGHT") && !isSelectoError(error, "E_NOT_INSTALLED")) throw error
    findings.push({
      code: error.code === "E_MISSING_RIGHT" ? "state_unreadable" : "state_incomplete",
      severity: "warning",
      object: "schema selecto",
      message: error.message,
      fix: error.code === "E_MISSING_RIGHT" ? "selecto doctor --grants" : "selecto uninstall, then install again",
    })
  }
  findings.push(...(await viewFindings(database)))
  const versions = componentVersions(owned.components)
  findings.push(...versionFindings(versions))
  if (owned.strangers.length > 0)
    findings.push({
      code: "strangers",
      severity: "info",
      object: "schema selecto",
      message: `Schema selecto holds what is not ours and will be left alone: ${owned.strangers.slice(0, 5).join(", ")}.`,
      fix: null,
    })
  const order = ["error", "warning", "info"]
  findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
  return { capabilities, components: versions, objects: owned.objects, tracking, findings }
}

/** Puts right what {@link diagnose} found apart: triggers, partitions, a state that came from another database. */
export async function repair({ database }: Connected, options: RetryOptions = {}): Promise<SyncReport> {
  return await syncTracking(database, options)
}

/**
 * Drops everything of ours from a database, without CASCADE: what something else depends on stays, with the reason. Materialized views
 * that were made for you stay unless `views` is true; adopted ones always do.
 */
export async function uninstall({ database }: Connected, options: RemoveOptions = {}): Promise<RemoveReport> {
  return await removeOwned(database, options)
}

function componentVersions(installed: ReadonlyMap<string, number>): Diagnosis["components"] {
  const names = [...new Set([...components.map(({ name }) => name), ...installed.keys()])].sort()
  return names.map((name) => ({
    name,
    installed: installed.get(name) ?? null,
    known: components.find((one) => one.name === name)?.migrations.length ?? null,
  }))
}

function versionFindings(versions: Diagnosis["components"]): Finding[] {
  return versions.flatMap(({ name, installed, known }): Finding[] => {
    if (installed === null || installed === known) return []
    const object = `component ${name}`
    if (known === null || installed > known) {
      const message = `The database holds version ${installed} of ${name}, which a newer version of this library made; this one knows ${known ?? "none"}.`
      return [{ code: "state_newer", severity: "error", object, message, fix: "npm install selecto-pg@latest" }]
    }
    const message = `The database holds version ${installed} of ${name}; this library brings ${known}, at the next install.`
    return [{ code: "state_older", severity: "info", object, message, fix: null }]
  })
}

/** Rows of the log from which on it is worth asking who prunes it. */
const manyRows = 5_000_000

function trackingFindings({ installed, ddl, bound, relations, preparedTransactions, log }: TrackingStatus): Finding[] {
  if (!installed) return []
  const findings: Finding[] = relations
    .filter(({ blind }) => blind !== null)
    .map(({ schema, name, blind }) => ({
      code: "blind",
      severity: "warning",
      object: `${schema}.${name}`,
      message: `Its changes cannot be known, so everything derived from it counts as stale: ${blind}.`,
      fix: "selecto doctor --repair",
    }))
  if (ddl === "polling") findings.push({ code: "ddl_polling", severity: "info", object: null, message: bound, fix: null })
  if (preparedTransactions > 0 && relations.some(({ notify }) => notify))
    findings.push({
      code: "notify_prepared",
      severity: "info",
      object: null,
      message:
        "This server allows transactions in two phases. PostgreSQL refuses PREPARE TRANSACTION after a NOTIFY: such a transaction cannot write a table that is tracked with notify.",
      fix: "track tables that are written so by the log only",
    })
  for (const { schema, name, subscribed } of relations)
    if (subscribed.length > 0)
      findings.push({
        code: "subscriber",
        severity: "info",
        object: `${schema}.${name}`,
        message: `A subscription of logical replication writes ${subscribed.join(", ")}: each of its rows fires a trigger there.`,
        fix: null,
      })
  if (log !== null && log.rows > manyRows)
    findings.push({
      code: "log_large",
      severity: "warning",
      object: "table selecto.changes_log",
      message: `It has about ${Math.round(log.rows)} rows and was last pruned ${log.prunedAt?.toISOString() ?? "never"}: no process prunes it.`,
      fix: "pruneLog(), which the schedulers of views and cache call",
    })
  return findings
}

async function viewFindings(database: Database): Promise<Finding[]> {
  const views = await viewService(database)
    .list()
    .catch((error) => {
      if (isSelectoError(error, "E_MISSING_RIGHT")) return []
      throw error
    })
  return views.flatMap(({ schema, name, problems, failure, freshness }) =>
    problems.map((message) => ({
      code: "view_problem",
      severity: failure !== null || freshness === "missing" || freshness === "empty" ? "warning" : "info",
      object: `materialized view ${schema}.${name}`,
      message,
      fix: null,
    })),
  )
}

const driftMessages: Readonly<Record<Drift["problem"], string>> = {
  missing: "A trigger is missing: changes of it are not noticed.",
  disabled: "A trigger is disabled, or does not fire always: changes of it may go unnoticed.",
  unexpected: "A trigger stands there that nobody needs.",
  new: "It has come into a tracked tree and is not tracked yet.",
  left: "It has left a tracked tree.",
  gone: "The tracked table is gone.",
  renamed: "The tracked table has another name.",
  parent: "The tracked table has become a partition or child: it has to be tracked from the top.",
  altered: "Columns, types, policies or rights were altered since it was last looked at.",
  rewritten: "Its file was written anew since it was last looked at.",
  blind: "What is said of it is out of date.",
}

function driftFinding({ table, problem }: Drift): Finding {
  const harmless = problem === "altered" || problem === "rewritten" || problem === "renamed" || problem === "blind"
  return {
    code: `drift_${problem}`,
    severity: harmless ? "info" : "warning",
    object: table,
    message: driftMessages[problem],
    fix: "selecto doctor --repair",
  }
}
