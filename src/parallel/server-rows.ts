import type { Database, TextRow } from "../database/database.ts"
import type { OpenRows, Request } from "../execution/request.ts"
import { opening } from "../execution/run.ts"
import { rollback } from "../execution/transaction.ts"
import { copyText, parameterTypes, sole, withoutParameters } from "./copy-statement.ts"
import { decodeCopyText } from "./copy-text.ts"
import { Stop } from "./crew.ts"
import { StreamCursor } from "./stream-cursor.ts"

/**
 * Rows of a statement that PostgreSQL's own workers share: by COPY, since no worker is started for a cursor, whose reader might stop.
 * null where the driver has no COPY, or in a caller's transaction, which a cancelled COPY would spoil.
 */
export async function openServerRows(
  database: Database,
  request: Request,
  settings: Readonly<Record<string, string>>,
): Promise<OpenRows | null> {
  if (request.transaction !== null) return null
  const { signal, timeoutMs } = request
  const session = await database.acquire({ signal, timeoutMs })
  const stop = new Stop(signal, undefined)
  const end = async (): Promise<void> => {
    stop.end()
    const healthy = await rollback(session)
    session.release(!healthy)
  }
  try {
    if (session.copyOut === undefined) {
      await end()
      return null
    }
    const changed = { ...request, readOnly: true, settings: { ...settings, ...request.settings } }
    const text = sole(request.statement.text)
    const types = await typesIn(session, changed, text)
    const statement = { text, values: request.statement.values }
    const { fields } = await session.queryText(
      { text: `SELECT * FROM (${text}\n) AS q LIMIT 0`, values: statement.values },
      { signal, timeoutMs },
    )
    const reader = await session.copyOut(copyText(withoutParameters(statement, types)), { signal: stop.signal })
    const next = async (): Promise<TextRow[] | null> => {
      const piece = await reader.read()
      return piece === null ? null : decodeCopyText(piece)
    }
    return {
      cursor: new StreamCursor(fields, next, stop, timeoutMs),
      converter: (columns) => session.converter(columns),
      end: async () => {
        await reader.close()
        await end()
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

async function typesIn(
  session: Parameters<typeof parameterTypes>[0],
  request: Request,
  text: string,
): Promise<readonly string[]> {
  await session.batch(opening(request), { signal: request.signal, timeoutMs: request.timeoutMs })
  return parameterTypes(session, { text, values: request.statement.values })
}
