/** The channel on which all changes of a database are told. */
export const changesChannel = "selecto_changes"

/** Relation of a notice that says: names, definitions or roles were altered. */
export const catalogRelation = 0

/** One notice: a committed transaction has changed a relation. */
export interface ChangeNotice {
  /** pg_class.oid of the tree's root, or 0 for the catalog. */
  readonly relation: number
  /** The transaction, as pg_current_xact_id() gave it there. */
  readonly xid: bigint
  /**
   * By column the values that changed rows had before or have now, as PostgreSQL's text (null is NULL): rows with other values in it
   * are as they were. A column that is not there, or `keys` null: any value.
   */
  readonly keys: ReadonlyMap<string, readonly (string | null)[]> | null
}

/** Reads a payload of {@link changesChannel}; null for what is none of ours. */
export function parseNotice(payload: string): ChangeNotice | null {
  const match = /^(\d+) (\d+)(?: (\{.*\}))?$/s.exec(payload)
  if (match === null) return null
  let keys: Map<string, (string | null)[]> | null = null
  if (match[3] !== undefined) {
    try {
      keys = new Map(Object.entries(JSON.parse(match[3]) as Record<string, (string | null)[]>))
    } catch {
      return null
    }
  }
  return { relation: Number(match[1]), xid: BigInt(match[2]!), keys }
}
