import { SelectoError } from "../../errors.ts"
import { parseSql } from "../../sql/index.ts"

const seen = new Set<string>()

/**
 * Rejects with E_SQL_STATEMENT_COUNT unless the text is exactly one statement: EXPLAIN would plan the first and the server run
 * the rest. E_SQL_SYNTAX and E_SQL_TOO_COMPLEX as the parser says.
 */
export async function checkOneStatement(text: string): Promise<void> {
  if (seen.has(text)) return
  const { stmts } = await parseSql(text)
  const count = stmts?.length ?? 0
  if (count !== 1) throw new SelectoError("E_SQL_STATEMENT_COUNT", `A plan is for one statement; this text holds ${count}.`)
  if (seen.size >= 2000) seen.clear()
  seen.add(text)
}
