import { changedSince, changedSinceSql, markSql } from "../changes/index.ts"
import type { Database, Result, Statement, TextRow } from "../database/database.ts"
import type { Request } from "../execution/request.ts"
import type { Analysis } from "./dependencies.ts"
import type { Entry } from "./entry.ts"

/** What a strict fill learns just before its statement. */
export interface Seen {
  mark: string | null
  /** A name, definition or function has changed since the statement was analysed. */
  outdated: boolean
}

/**
 * The request with a mark taken just before it, and the question whether the catalog is still what it was when the statement was
 * analysed. The mark is never younger than the rows, so whatever comes between counts as a change that they have not seen. One snapshot
 * for both would be REPEATABLE READ's, in which a table that is truncated meanwhile is empty without ever having been so.
 */
export function marked(request: Request, analysis: Analysis, seen: Seen): Request {
  const mark: Statement = {
    text: `select ${markSql}, ${changedSinceSql("'{0}'::oid[]", "$1")} /* selecto:cache */`,
    values: [analysis.mark],
  }
  return {
    ...request,
    isolation: "read committed",
    readOnly: true,
    prelude: [mark],
    onPrelude: ([result]: readonly Result<TextRow>[]) => {
      const [at, changed] = result!.rows[0]!
      seen.mark = at ?? null
      seen.outdated = changed !== "f"
    },
  }
}

/** Whether no commit that has finished by now has changed what a strict entry was made of. One round trip. */
export async function stillTrue(database: Database, entry: Entry, { signal, timeoutMs }: Request): Promise<boolean> {
  return !(await changedSince(database, entry.relations, entry.mark, { signal, timeoutMs: timeoutMs ?? 10_000 }))
}
