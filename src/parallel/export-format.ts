import type { ResultField, TextRow } from "../database/database.ts"
import { JsonWriter } from "./json-worker.ts"

/** What an export writes: as COPY writes it, or a JSON document a line. */
export type ExportFormat = "csv" | "ndjson" | "binary"

/** How the data of one COPY becomes a piece of the file. */
export interface PieceWriter {
  /** What may be written of it now, always whole rows; pieces hold whole rows too, and come in their order. */
  piece(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array
  /** What is left to write at its end. */
  end(): Uint8Array
}

/** A format of the file. */
export interface FormatWriter {
  /** Options of COPY. */
  readonly copyOptions: string
  /** What stands before and after all rows. */
  readonly header: Uint8Array
  readonly trailer: Uint8Array
  /** For one COPY of several, each of which gives some of the rows. */
  start(): PieceWriter
  /** Rows as text, where the driver has no COPY; null where the format is the server's alone. */
  readonly rows: ((rows: readonly TextRow[]) => Promise<Uint8Array> | Uint8Array) | null
  /** Threads that were started. */
  readonly threads: number
  close(): Promise<void>
}

export function formatWriter(format: ExportFormat, fields: readonly ResultField[], threads: number | undefined): FormatWriter {
  if (format === "csv") return csvWriter(fields)
  return format === "binary" ? binaryWriter() : ndjsonWriter(fields, threads)
}

const nothing = new Uint8Array(0)
const done = async (): Promise<void> => {}

function csvWriter(fields: readonly ResultField[]): FormatWriter {
  return {
    copyOptions: "FORMAT csv",
    header: Buffer.from(`${fields.map(({ name }) => csvField(name)).join(",")}\n`),
    trailer: nothing,
    start: () => ({ piece: (bytes) => bytes, end: () => nothing }),
    rows: (rows) => Buffer.from(rows.map((row) => csvLine(row, fields.length)).join("")),
    threads: 0,
    close: done,
  }
}

/** As COPY writes it: NULL is nothing, an empty text is quoted. */
function csvLine(row: TextRow, width: number): string {
  // A line of one column that says `\.` would end the data for older readers.
  const fields = row.map((value) => (value === null ? "" : csvField(value, width === 1)))
  return `${fields.join(",")}\n`
}

function csvField(value: string, alone = false): string {
  return value === "" || /[",\r\n]/.test(value) || (alone && value === "\\.") ? `"${value.replaceAll('"', '""')}"` : value
}

function ndjsonWriter(fields: readonly ResultField[], threads: number | undefined): FormatWriter {
  const writer = new JsonWriter(fields, threads)
  return {
    copyOptions: "FORMAT text",
    header: nothing,
    trailer: nothing,
    start: () => ({ piece: (bytes) => writer.lines(bytes), end: () => nothing }),
    rows: (rows) => writer.lines(Buffer.from(rows.map(copyLine).join(""))),
    get threads() {
      return writer.threads
    },
    close: () => writer.close(),
  }
}

const escaped: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

function copyLine(row: TextRow): string {
  return `${row.map((value) => (value === null ? "\\N" : value.replace(/[\\\n\r\t]/g, (character) => escaped[character]!))).join("\t")}\n`
}

/** PostgreSQL documentation, "COPY", section Binary Format: a signature, flags and a length before the rows, a count of -1 after them. */
const binaryHeader = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), Buffer.alloc(8)])
const binaryTrailer = Buffer.from([0xff, 0xff])

function binaryWriter(): FormatWriter {
  return {
    copyOptions: "FORMAT binary",
    header: binaryHeader,
    trailer: binaryTrailer,
    start: () => {
      let headed = false
      let held: Uint8Array = nothing
      return {
        piece: (bytes) => {
          const before = held
          held = headed ? bytes : bytes.subarray(binaryHeader.length)
          headed = true
          return before
        },
        // The trailer looks like the end of many a row: only at the end is it known for what it is.
        end: () => held.subarray(0, Math.max(0, held.length - binaryTrailer.length)),
      }
    },
    rows: null,
    threads: 0,
    close: done,
  }
}
