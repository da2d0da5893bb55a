import type { Candidate } from "./draft.ts"
import { type AdvisedStatement, tableKey } from "./workload.ts"

/** Tells which candidates could be of use to a statement, so that the planner need not be asked about the others. */
export class Relevance {
  private readonly own = new Map<number, ReadonlySet<string>>()
  private readonly leads = new Map<number, ReadonlySet<string>>()
  private readonly useful = new Map<number, ReadonlySet<string>>()

  /** `mine` lists the candidates that came from each statement, `useful` those of them that were seen to help it. */
  constructor(mine: ReadonlyMap<number, readonly Candidate[]>, useful: ReadonlyMap<number, readonly Candidate[]>) {
    const ids = (list: readonly Candidate[]): ReadonlySet<string> => new Set(list.map((candidate) => candidate.id))
    for (const [number, list] of mine) this.own.set(number, ids(list))
    for (const [number, list] of useful) {
      this.useful.set(number, ids(list))
      this.leads.set(number, new Set(list.map(leadOf)))
    }
  }

  /** It was seen to help the statement; or, made for others, it begins as one that does, or holds all that is read of a table. */
  between(statement: AdvisedStatement, candidate: Candidate): boolean {
    const key = tableKey(candidate.draft.table)
    if (!statement.tables.has(key)) return false
    if (this.useful.get(statement.number)?.has(candidate.id)) return true
    if (this.own.get(statement.number)?.has(candidate.id)) return false
    if (this.leads.get(statement.number)?.has(leadOf(candidate))) return true
    if (candidate.where !== null || candidate.method !== "btree") return false
    const held = new Set([...candidate.draft.include, ...candidate.draft.keys.map((entry) => entry.column)])
    return statement.accesses.some(
      (access) => tableKey(access.table) === key && access.columns !== null && access.columns.every((column) => held.has(column)),
    )
  }
}

function leadOf(candidate: Candidate): string {
  return JSON.stringify([tableKey(candidate.draft.table), candidate.draft.keys[0]?.text])
}
