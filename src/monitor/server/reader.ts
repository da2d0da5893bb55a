import type { Session, Statement, TextRow } from "../../database/database.ts"
import type { Columns } from "./columns.ts"
import { type Fields, type RowOf, rowsOf, selectList } from "./field.ts"

/** How a part asks the server. */
export interface Reader {
  readonly columns: Columns
  /** `select <fields> <from>`, in a READ ONLY transaction of its own with timeouts. */
  rows<const F extends Fields>(fields: F, from: string, values?: readonly unknown[]): Promise<RowOf<F>[]>
  /** The same, but each row as the server's text in the order of the fields: for readings of thousands of rows. */
  texts(fields: Fields, from: string, values?: readonly unknown[]): Promise<readonly TextRow[]>
}

const begin: Statement = { text: "begin read only /* selecto:monitor */", values: [] }
const commit: Statement = { text: "commit /* selecto:monitor */", values: [] }
const rollback: Statement = { text: "rollback /* selecto:monitor */", values: [] }

/** A reader over one session. Each reading is one round trip, and one that fails leaves the session as it was. */
export function readerOf(session: Session, columns: Columns, timeoutMs: number, signal?: AbortSignal): Reader {
  const limits: Statement = {
    text: "select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true), set_config('jit', 'off', true) /* selecto:monitor */",
    values: [`${timeoutMs}ms`, `${Math.min(timeoutMs, 1000)}ms`],
  }
  const texts: Reader["texts"] = async (fields, from, values = []) => {
    const ask: Statement = { text: `select ${selectList(fields)} ${from} /* selecto:monitor */`, values }
    try {
      // The server's own timeout comes first; ours is for a server that does not answer.
      const results = await session.batch([begin, limits, ask, commit], { timeoutMs: timeoutMs + 1000, signal })
      return results[2]!.rows
    } catch (error) {
      // Where the connection is gone too, the first error is the one to tell.
      await session.queryText(rollback, { timeoutMs: 1000 }).catch(() => {})
      throw error
    }
  }
  return { columns, texts, rows: async (fields, from, values) => rowsOf(fields, await texts(fields, from, values)) }
}
