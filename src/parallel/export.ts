import type { CopyReader, Database, ResultField, Session, Statement } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request } from "../execution/request.ts"
import { opening } from "../execution/run.ts"
import { checkAgainst, rollback } from "../execution/transaction.ts"
import { copyText, parameterTypes, sole, withoutParameters } from "./copy-statement.ts"
import { Stop } from "./crew.ts"
import { type ExportFormat, type FormatWriter, formatWriter } from "./export-format.ts"
import type { ParallelReport } from "./report.ts"
import { type ExportTarget, openSink, type Sink } from "./sink.ts"

/** How far an export is. */
export interface ExportProgress {
  readonly rows: number
  readonly bytes: number
  readonly elapsedMs: number
  readonly rowsPerSecond: number
}

/** Options of `export()`. */
export interface ExportOptions {
  /** "csv" and "binary" as COPY writes them, csv with the names of the columns first; "ndjson": a JSON document a line. */
  readonly format: ExportFormat
  readonly to: ExportTarget
  /** Called at most four times a second, and at the end. */
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined
  /** Threads that JSON is written in. Default: none until this one is what the rows wait for. */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for the whole of it. */
  readonly timeoutMs?: number | undefined
}

/** What an export came to: its rows, bytes and time, its columns, and who read it. */
export interface ExportResult extends ExportProgress {
  readonly columns: readonly ResultField[]
  /** null without parallel(). */
  readonly parallel: ParallelReport | null
}

const progressMs = 250

/** Checks options. Throws E_INVALID_OPTION. */
export function checkExport(options: ExportOptions): void {
  const formats = ["csv", "ndjson", "binary"]
  if (typeof options !== "object" || options === null || !formats.includes(options.format))
    throw new SelectoError("E_INVALID_OPTION", `\`format\` is one of ${formats.join(", ")}.`, { path: "format" })
  const { threads } = options
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 0 && threads <= 64))
    throw new SelectoError("E_INVALID_OPTION", "`threads` is a whole number up to 64.", { path: "threads" })
}

/** Counts what goes into the sink, and keeps one writer at a time. */
export class Exporter {
  readonly #sink: Sink
  readonly #onProgress: ExportOptions["onProgress"]
  /** Rejects when the export is stopped: a target that takes nothing more must not hold it up. */
  readonly #stopped: Promise<never>
  readonly #started = performance.now()
  readonly #readers = new Map<CopyReader, number>()
  #last: Promise<void> = Promise.resolve()
  #told = 0
  #rows = 0
  #bytes = 0

  constructor(sink: Sink, onProgress: ExportOptions["onProgress"], signal: AbortSignal) {
    this.#sink = sink
    this.#onProgress = onProgress
    this.#stopped = new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    })
    this.#stopped.catch(() => {})
  }

  /** Resolves when the bytes are written; what is asked for meanwhile waits. */
  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return this.#last
    this.#last = this.#last.then(async () => {
      await Promise.race([this.#sink.write(bytes), this.#stopped])
      this.#bytes += bytes.length
      if (performance.now() - this.#told < progressMs) return
      this.#told = performance.now()
      this.#onProgress?.(this.progress())
    })
    return this.#last
  }

  count(rows: number): void {
    this.#rows += rows
  }

  progress(): ExportProgress {
    let rows = this.#rows
    for (const reader of this.#readers.keys()) rows += reader.rows
    const elapsedMs = performance.now() - this.#started
    return { rows, bytes: this.#bytes, elapsedMs, rowsPerSecond: elapsedMs === 0 ? 0 : (rows * 1000) / elapsedMs }
  }

  /** One COPY to its end. A few pieces may be on their way through the format at once; they are written in their order. */
  async copy(
    session: Session,
    text: string,
    format: FormatWriter,
    signal: AbortSignal,
  ): Promise<{ rows: number; bytes: number }> {
    const reader = await session.copyOut!(copyText(text, format.copyOptions), { signal })
    this.#readers.set(reader, 0)
    const writer = format.start()
    const coming: (Uint8Array | Promise<Uint8Array>)[] = []
    let bytes = 0
    try {
      for (let piece = await reader.read(); piece !== null; piece = await reader.read()) {
        bytes += piece.length
        const written = writer.piece(piece)
        // Whoever awaits it gets its failure; nobody may have come to that yet.
        if (written instanceof Promise) written.catch(() => {})
        coming.push(written)
        while (coming.length > format.threads) await this.write(await coming.shift()!)
      }
      for (const piece of coming) await this.write(await piece)
      await this.write(writer.end())
      this.#rows += reader.rows
      return { rows: reader.rows, bytes }
    } finally {
      this.#readers.delete(reader)
      await reader.close()
    }
  }

  async finish(): Promise<ExportProgress> {
    await this.#last
    await this.#sink.finish()
    const progress = this.progress()
    this.#onProgress?.(progress)
    return progress
  }
}

/** How an export is read: fills the exporter with everything between header and trailer. */
export interface ExportSource {
  readonly fields: readonly ResultField[]
  fill(exporter: Exporter, format: FormatWriter): Promise<void>
  /** Everything ended and given back. Never rejects. */
  close(): Promise<void>
}

/** Writes a source to its target, or leaves nothing behind. */
export async function exportFrom(
  open: (stop: Stop) => Promise<ExportSource>,
  options: ExportOptions,
  timeoutMs: number | undefined,
): Promise<ExportProgress & { readonly columns: readonly ResultField[] }> {
  const stop = new Stop(options.signal, timeoutMs)
  let sink: Sink | null = null
  let format: FormatWriter | null = null
  let source: ExportSource | null = null
  try {
    stop.throwIfFailed()
    sink = await openSink(options.to)
    source = await open(stop)
    format = formatWriter(options.format, source.fields, options.threads)
    const exporter = new Exporter(sink, options.onProgress, stop.signal)
    await exporter.write(format.header)
    await source.fill(exporter, format)
    await exporter.write(format.trailer)
    stop.throwIfFailed()
    const progress = await exporter.finish()
    return { ...progress, columns: source.fields }
  } catch (error) {
    stop.fail(error)
    await sink?.discard()
    stop.throwIfFailed()
    throw error
  } finally {
    await source?.close()
    await format?.close()
    stop.end()
  }
}

/** One session reads everything: by COPY, or by a cursor where the driver has none. */
export async function soleSource(database: Database, request: Request, stop: Stop): Promise<ExportSource> {
  const { signal } = stop
  const { transaction } = request
  const statement: Statement = { text: sole(request.statement.text), values: request.statement.values }
  if (transaction !== null) checkAgainst(transaction, request)
  const session = transaction?.session ?? (await database.acquire({ signal }))
  const close = async (): Promise<void> => {
    if (transaction !== null) {
      // What was set for the export goes with the savepoint; reading has left nothing else.
      await session.queryText({ text: "ROLLBACK TO SAVEPOINT selecto_export", values: [] }, { timeoutMs: 10_000 }).catch(() => {})
      await session.queryText({ text: "RELEASE SAVEPOINT selecto_export", values: [] }, { timeoutMs: 10_000 }).catch(() => {})
      return
    }
    const healthy = await rollback(session)
    session.release(!healthy)
  }
  try {
    const begin =
      transaction === null ? opening({ ...request, readOnly: true }) : [{ text: "SAVEPOINT selecto_export", values: [] }]
    const settings = transaction === null ? [] : opening(request).slice(1)
    await session.batch([...begin, ...settings], { signal })
    const described: Statement = { text: `SELECT * FROM (${statement.text}\n) AS q LIMIT 0`, values: statement.values }
    const { fields } = await session.queryText(described, { signal })
    const types = session.copyOut === undefined ? [] : await parameterTypes(session, statement)
    return {
      fields,
      close,
      fill: async (exporter, format) => {
        if (session.copyOut !== undefined) await exporter.copy(session, withoutParameters(statement, types), format, signal)
        else await fillByCursor(session, statement, exporter, format, signal)
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

const cursorBatch = 1000

async function fillByCursor(
  session: Session,
  statement: Statement,
  exporter: Exporter,
  format: FormatWriter,
  signal: AbortSignal,
): Promise<void> {
  const { rows: write } = format
  if (write === null)
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "This driver has no COPY, and only the server writes the binary format. Export csv or ndjson.",
      {
        path: "format",
      },
    )
  const cursor = await session.cursor(statement, { signal, prefetch: cursorBatch })
  try {
    for (let rows = await cursor.read(cursorBatch); rows.length > 0; rows = await cursor.read(cursorBatch)) {
      await exporter.write(await write(rows))
      exporter.count(rows.length)
    }
  } finally {
    await cursor.close().catch(() => {})
  }
}
