import type { RowOf } from "../field.ts"
import type { Part } from "./part.ts"

const fields = {
  database: ["text", "current_database()"],
  role: ["text", "current_user"],
  version: ["number", "current_setting('server_version_num')"],
  /** Changes with every restart, and with the server behind an address. */
  startedAt: ["text", "extract(epoch from pg_postmaster_start_time())"],
  address: ["text", "host(inet_server_addr()) || ':' || inet_server_port()"],
  standby: ["flag", "pg_is_in_recovery()"],
  now: ["milliseconds", "clock_timestamp()"],
  /** Whether other roles' statements and sessions can be seen. */
  statistics: ["flag", "pg_has_role(current_user, 'pg_read_all_stats', 'usage')"],
  /** In which order schemas are searched for names without one. */
  searchPath: ["text", "array_to_json(current_schemas(false))"],
} as const

export type Identity = RowOf<typeof fields>

/** Which server answers, and as whom we ask. */
export const identityPart: Part<Identity> = {
  every: 1,
  read: async (reader) => (await reader.rows(fields, "from (values (1)) one"))[0]!,
}

/** Two readings with the same key come from one server that was not restarted between them. */
export function serverKey(identity: Identity): string {
  return `${identity.startedAt} ${identity.address} ${identity.database}`
}
