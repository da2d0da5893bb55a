import { LRUCache } from "lru-cache"
import type { ResultField } from "../database/database.ts"
import type { KeptRows } from "./rows.ts"
import type { Token } from "./versions.ts"

/** A kept result. Moments are performance.now(), which no clock that is set can move. */
export interface Entry {
  readonly kept: KeptRows
  readonly columns: readonly ResultField[]
  readonly token: Token
  readonly relations: readonly number[]
  /** Mode "strict": what had been committed when it was read, or a little less. */
  readonly mark: string | null
  /** When its statement was sent, by the clock. */
  readonly at: Date
  readonly filledAt: number
  /** Milliseconds that the database took. */
  readonly cost: number
}

/** Results by their key, the ones longest unread dropped first. */
export type Entries = LRUCache<string, Entry>

export function memoryEntries(maxBytes: number): Entries {
  return new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ kept }, key) => kept.bytes + 2 * key.length + 256 })
}
