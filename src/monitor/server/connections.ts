import type { ConnectionCount } from "./parts/sessions.ts"
import type { Settings } from "./parts/settings.ts"

/** Client connections of the whole server. */
export interface ServerConnections {
  readonly used: number
  /** Those of this database. */
  readonly here: number
  /** max_connections without those kept for superusers and reserved roles. */
  readonly usable: number
  /** used / usable. */
  readonly share: number
  /** By state; "hidden" where this role may not see it. */
  readonly states: Readonly<Record<string, number>>
}

export function connectionsOf(rows: readonly ConnectionCount[], settings: Settings | null): ServerConnections | null {
  if (settings?.maxConnections == null) return null
  const states: Record<string, number> = {}
  let used = 0
  let here = 0
  for (const row of rows) {
    const count = row.count ?? 0
    const state = row.state ?? "hidden"
    states[state] = (states[state] ?? 0) + count
    used += count
    if (row.here === true) here += count
  }
  const usable = Math.max(1, settings.maxConnections - (settings.superuserReserved ?? 0) - (settings.reserved ?? 0))
  return { used, here, usable, share: used / usable, states }
}
