import type { Statement } from "./database.ts"

/** NOTIFY takes no parameters; its function does. */
export function notifyStatement(channel: string, payload: string): Statement {
  return { text: "select pg_catalog.pg_notify($1, $2) /* selecto:database */", values: [channel, payload] }
}
