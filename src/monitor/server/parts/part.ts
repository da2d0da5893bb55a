import type { Reader } from "../reader.ts"

/** One reading of a round. */
export interface Part<Reading> {
  /** Rounds from one reading to the next: what changes slowly is asked seldom. */
  readonly every: number
  read(reader: Reader): Promise<Reading>
}
