import type { Database, ResultField } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import type { StatementShape } from "../sql/index.ts"

const limits = { timeoutMs: 10_000 }

/**
 * Asks the server for the columns of both statements, without running either: names and types have to be the same. Null when they are, else
 * what differs. What matching says of types is thereby never the last word.
 */
export async function sameResult(
  database: Database,
  text: string,
  written: string,
  shape: StatementShape,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const count = Math.max(0, ...shape.parameters.map((parameter) => parameter.number))
  const values = new Array<null>(count).fill(null)
  const columns = async (statement: string): Promise<readonly ResultField[]> => {
    // A comment at the end of the text must not swallow the parenthesis.
    const wrapped = `SELECT * FROM (${statement.trim().replace(/;\s*$/, "")}\n) AS q LIMIT 0 /* selecto:views */`
    return (await database.queryText({ text: wrapped, values }, { ...limits, signal })).fields
  }
  let fields: readonly [readonly ResultField[], readonly ResultField[]]
  try {
    fields = [await columns(text), await columns(written)]
  } catch (error) {
    if (!isSelectoError(error) || error.code === "E_ABORTED") throw error
    return `the server refused to plan it: ${error.message}`
  }
  const [own, other] = fields
  if (own.length !== other.length) return "the rewriting has another number of columns"
  for (const [at, field] of own.entries()) {
    const match = other[at]!
    if (field.name !== match.name) return `the rewriting calls the column ${field.name} ${match.name}`
    if (field.typeId !== match.typeId) return `the column ${field.name} would have another type`
  }
  return null
}
