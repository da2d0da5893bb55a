import { add, otherKey } from "./counter-window.ts"
import { databaseCounters } from "./parts/database.ts"
import { statementCounters } from "./parts/statements.ts"

/** Statements with totals of their own. */
const statementsKept = 1000

/** What the server has counted since this process watches: exporters give counters that only rise. */
export class Totals {
  /** In the order of {@link databaseCounters}. */
  readonly database: Float64Array = new Float64Array(databaseCounters.length)
  /** By fingerprint, in the order of {@link statementCounters}; "other" is all that have no place. */
  readonly statements: Map<string, Float64Array> = new Map([[otherKey, new Float64Array(statementCounters.length)]])
  evictions = 0

  addDatabase(delta: Float64Array | undefined): void {
    if (delta !== undefined) for (let at = 0; at < delta.length; at++) this.database[at] = this.database[at]! + delta[at]!
  }

  addStatement(fingerprint: string | null, delta: Float64Array): void {
    const known = fingerprint !== null && (this.statements.has(fingerprint) || this.statements.size < statementsKept)
    add(this.statements, known ? fingerprint : otherKey, delta)
  }
}
