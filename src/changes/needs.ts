import type { QueryOptions, Session } from "../database/database.ts"
import { keysBody } from "./keys.ts"
import type { TriggerEvent, TriggerSet, TriggerSpec } from "./trigger-set.ts"

/** What is wanted of a table's changes; the needs of all owners together say which triggers there are. */
export interface Need {
  /** Kept in the change log, for {@link changedSince}. */
  readonly log: boolean
  /** Told on the channel when a transaction commits. */
  readonly notify: boolean
  /** Columns whose changed values a notice tells; empty: it tells the table only. */
  readonly keys: readonly string[]
}

interface NeedRow extends Need {
  readonly owner: string
}

const needsText = `
select owner, log, notify, array_to_json(keys)::text as keys from selecto.changes_need where root = $1 order by owner /* selecto:changes */`

/** The needs of a root by owner. */
export async function readNeeds(session: Session, root: number, options: QueryOptions): Promise<NeedRow[]> {
  const { rows } = await session.query<Omit<NeedRow, "keys"> & { readonly keys: string }>(
    { text: needsText, values: [root] },
    options,
  )
  return rows.map((row) => ({ ...row, keys: JSON.parse(row.keys) as string[] }))
}

/** All needs as one. */
export function together(needs: readonly Need[]): Need {
  return {
    log: needs.some(({ log }) => log),
    notify: needs.some(({ notify }) => notify),
    keys: [...new Set(needs.flatMap(({ notify, keys }) => (notify ? keys : [])))].sort(),
  }
}

const written: readonly TriggerEvent[] = ["insert", "update", "delete"]
const all: readonly TriggerEvent[] = [...written, "truncate"]

/** The triggers that serve a need. On a logical replication's subscriber, where only row triggers fire, each has a row trigger beside it. */
export function trackingSet(root: number, need: Need): TriggerSet {
  const triggers: TriggerSpec[] = []
  const add = (part: string, name: string): void => {
    const call = { name, body: null }
    triggers.push({ part, events: all, level: "statement", function: call })
    triggers.push({ part: `${part}_rows`, events: written, level: "row", members: "subscribed", function: call })
  }
  if (need.log) add("log", "changes_log")
  if (need.notify && need.keys.length === 0) add("notify", "changes_notify")
  if (need.notify && need.keys.length > 0) {
    const call = { name: `changes_keys_${root}`, body: keysBody(need.keys) }
    for (const event of written)
      triggers.push({ part: `keys_${event}`, events: [event], level: "statement", transition: true, function: call })
    const plain = { name: "changes_notify", body: null }
    triggers.push({ part: "keys_truncate", events: ["truncate"], level: "statement", function: plain })
    triggers.push({ part: "keys_rows", events: written, level: "row", members: "subscribed", function: plain })
  }
  return { component: "changes", name: "tracking", triggers }
}
