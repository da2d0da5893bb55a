import { quoteIdentifier } from "../../sql/identifier.ts"
import type { StatementsExtension } from "./columns.ts"
import type { Identity } from "./parts/identity.ts"
import type { PartName } from "./parts/index.ts"
import type { Settings } from "./parts/settings.ts"
import type { StatementsReading } from "./parts/statements.ts"
import type { SequenceRow } from "./parts/upkeep.ts"

/** A figure that is missing or poorer than it could be, and what to do about it. */
export interface Gap {
  readonly what: string
  readonly reason: string
  /** A statement for a superuser to run, or a sentence; null where nothing helps. */
  readonly remedy: string | null
}

/** A part of a round that could not be read. */
export interface PartFailure {
  readonly part: PartName
  readonly sqlState: string | null
  readonly message: string
}

interface Known {
  readonly identity: Identity
  readonly settings: Settings | null
  readonly statements: StatementsReading | null
  readonly sequences: readonly SequenceRow[] | null
  readonly extension: StatementsExtension
  readonly failures: readonly PartFailure[]
}

/** What this role, this server and its settings keep from us. */
export function gapsOf(known: Known): Gap[] {
  const { identity, settings, statements, sequences, extension, failures } = known
  const role = quoteIdentifier(identity.role ?? "current_user")
  const gaps: Gap[] = []
  if (identity.statistics === false)
    gaps.push({
      what: "statements and sessions of other roles, and standbys",
      reason: `The role ${role} may not read other roles' statistics.`,
      remedy: `GRANT pg_read_all_stats TO ${role}`,
    })
  if (statements?.missing != null)
    gaps.push({ what: "statements", reason: statements.missing.reason, remedy: statements.missing.remedy })
  if (extension.installed !== null && extension.available !== null && extension.installed !== extension.available)
    gaps.push({
      what: "newer columns of pg_stat_statements",
      reason: `The database has version ${extension.installed} of the extension, the server brings ${extension.available}.`,
      remedy: "ALTER EXTENSION pg_stat_statements UPDATE",
    })
  if (settings?.trackIoTiming === false)
    gaps.push({
      what: "time spent waiting for blocks",
      reason: "track_io_timing is off.",
      remedy: "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf()",
    })
  const hidden = sequences?.filter(({ readable }) => readable === "f" || readable === "false") ?? []
  if (hidden.length > 0)
    gaps.push({
      what: `${hidden.length} of ${sequences!.length} sequences`,
      reason: `The role ${role} may not read them.`,
      remedy: [...new Set(hidden.map(({ schema }) => schema!))]
        .map((schema) => `GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${quoteIdentifier(schema)} TO ${role}`)
        .join("; "),
    })
  for (const { part, sqlState, message } of failures)
    gaps.push({ what: part, reason: message, remedy: remedyOf(part, sqlState, role, extension) })
  return gaps
}

function remedyOf(part: PartName, sqlState: string | null, role: string, { schema }: StatementsExtension): string | null {
  if (part === "statements" && sqlState === "42501" && schema !== null)
    return `GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT SELECT ON ${schema}.pg_stat_statements TO ${role}`
  if (sqlState === "42501") return `GRANT pg_monitor TO ${role}`
  // object_not_in_prerequisite_state: the extension was created, but its library is not loaded.
  if (part === "statements" && sqlState === "55000")
    return "Add pg_stat_statements to shared_preload_libraries and restart the server."
  return null
}
