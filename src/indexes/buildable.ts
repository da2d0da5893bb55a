import type { Database } from "../database/database.ts"
import { quoteQualified } from "../sql/index.ts"
import type { Candidate } from "./draft.ts"

/** Whether candidates can be built at all, and why not. */
export interface Buildable {
  readonly candidates: readonly Candidate[]
  /** SQLSTATE by candidate id: 42P17 is an expression that is not immutable. */
  readonly refused: ReadonlyMap<string, string>
}

/**
 * Asks the server itself which candidates can be built, on empty temporary copies of the tables in a transaction that is rolled back:
 * whether an expression is immutable, an operator class exists, a type can be indexed. Where temporary tables are not allowed (a
 * replica, a role without TEMP), only plain btree candidates are kept.
 */
export async function buildableCandidates(
  db: Database,
  candidates: readonly Candidate[],
  signal?: AbortSignal,
): Promise<Buildable> {
  const plain = (candidate: Candidate): boolean =>
    candidate.method === "btree" && candidate.draft.keys.every((key) => key.column !== null && key.opclass === null)
  const doubtful = candidates.filter((candidate) => !plain(candidate))
  const refused = new Map<string, string>()
  if (doubtful.length > 0) {
    const session = await db.acquire({ signal })
    const run = (text: string): Promise<unknown> =>
      session.query({ text: `${text} /* selecto:indexes */`, values: [] }, { timeoutMs: 10_000, signal })
    let ended = false
    try {
      await run("BEGIN")
      await run("SET LOCAL lock_timeout = '2s'")
      const copies = new Map<number, string | null>()
      for (const candidate of doubtful) {
        const { table } = candidate.draft
        if (!copies.has(table.oid)) {
          const copy = `selecto_try_${copies.size + 1}`
          const made = await attempt(
            run,
            `CREATE TEMPORARY TABLE ${copy} (LIKE ${quoteQualified(table.schema, table.name)}) ON COMMIT DROP`,
          )
          copies.set(table.oid, made === null ? copy : null)
        }
        const copy = copies.get(table.oid) ?? null
        const where = candidate.where === null ? "" : ` WHERE ${candidate.where}`
        const failed =
          copy === null
            ? "25006"
            : await attempt(
                run,
                `CREATE INDEX ON pg_temp.${copy} USING ${candidate.method} (${candidate.keys.join(", ")})${where}`,
              )
        if (failed !== null) refused.set(candidate.id, failed)
      }
    } finally {
      ended = await run("ROLLBACK").then(
        () => true,
        () => false,
      )
      session.release(!ended)
    }
  }
  return { candidates: candidates.filter((candidate) => !refused.has(candidate.id)), refused }
}

/** Null when it worked, else the SQLSTATE. */
async function attempt(run: (text: string) => Promise<unknown>, text: string): Promise<string | null> {
  await run("SAVEPOINT selecto_try")
  try {
    await run(text)
    return null
  } catch (error) {
    await run("ROLLBACK TO SAVEPOINT selecto_try")
    return (error as { sqlState?: string }).sqlState ?? "XX000"
  }
}
