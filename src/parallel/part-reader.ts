import type { Session, Statement, TextRow } from "../database/database.ts"
import { copyText, withoutParameters } from "./copy-statement.ts"
import { decodeCopyText } from "./copy-text.ts"

/** A statement to read on a session, with what COPY needs to know of its parameters. */
export interface Readable {
  readonly statement: Statement
  readonly types: readonly (string | null)[]
}

/**
 * Hands a statement's rows on as they come, and waits whenever the receiver does: by COPY where the driver gives the protocol away,
 * which needs no round trip a batch, else by a cursor. Returns how many there were.
 */
export async function readRows(
  session: Session,
  { statement, types }: Readable,
  batchSize: number,
  signal: AbortSignal,
  receive: (rows: TextRow[]) => Promise<void>,
): Promise<{ rows: number; bytes: number }> {
  let rows = 0
  let bytes = 0
  if (session.copyOut !== undefined) {
    const reader = await session.copyOut(copyText(withoutParameters(statement, types)), { signal })
    try {
      for (let piece = await reader.read(); piece !== null; piece = await reader.read()) {
        const batch = decodeCopyText(piece)
        rows += batch.length
        bytes += piece.length
        await receive(batch)
      }
    } finally {
      await reader.close()
    }
    return { rows, bytes }
  }
  const cursor = await session.cursor(statement, { signal, prefetch: batchSize })
  try {
    for (let batch = await cursor.read(batchSize); batch.length > 0; batch = await cursor.read(batchSize)) {
      rows += batch.length
      await receive(batch)
    }
  } finally {
    await cursor.close().catch(() => {})
  }
  return { rows, bytes }
}
