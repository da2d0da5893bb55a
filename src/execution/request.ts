import type { Cursor, Result, ResultField, Session, Statement, TextRow } from "../database/database.ts"

/** PostgreSQL's isolation levels, each stricter than the one before. */
export type IsolationLevel = "read committed" | "repeatable read" | "serializable"

/** How one output column is converted from PostgreSQL's text. */
export type Decoder = (text: string) => unknown

/** Columns of a builder query in output order. */
export interface OutputColumn {
  readonly name: string
  /** The decoder of the declared type, or the one for the server's own pg_type.oid where the domain declares none. */
  readonly decode: (typeId: number) => Decoder
  /** Declared notNull(): a null is E_UNEXPECTED_NULL. */
  readonly present: boolean
  /** The declared type as plain data: two outputs that are alike in it make the same rows of the same text. */
  readonly type: unknown
}

/**
 * A statement on its way to the server. Stages add to it by making a changed copy; none of them opens a transaction: `run`
 * opens one that satisfies all of settings, prelude, isolation, readOnly and snapshot, or none when nothing asks for it.
 */
export interface Request {
  readonly statement: Statement
  /** Declared output, decoded from text; null: rows stay as the driver gives them. */
  readonly output: readonly OutputColumn[] | null
  /** Where the statement came from. */
  readonly origin: { readonly kind: "builder" | "statement"; readonly name: string | null }
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  /** A transaction that is already open: the statement runs in it. */
  readonly transaction: OpenTransaction | null
  readonly isolation: IsolationLevel | null
  readonly readOnly: boolean
  /** SET LOCAL name = value, in the statement's transaction. */
  readonly settings: Readonly<Record<string, string>>
  /** Statements run before this one in the same transaction. */
  readonly prelude: readonly Statement[]
  /** Called with what the prelude gave, one result a statement; not in a transaction of the caller's. */
  readonly onPrelude?: ((results: readonly Result<TextRow>[]) => void) | undefined
  /** Exported snapshot to adopt (needs repeatable read). */
  readonly snapshot: string | null
  /** What features were asked for by the query, by stage name; each stage reads its own. */
  readonly options: Readonly<Record<string, unknown>>
  /** Sentences for report.warnings, gathered on the way. */
  readonly warnings: readonly Warning[]
  /** A comment put behind the text when it is sent, after everything that reads the text: tags for who looks at the server. */
  readonly comment?: string | undefined
  /** Called once with the session that will run the statement, before it is sent: for who needs to know its backend. */
  readonly onSession?: ((session: Session) => void) | undefined
  /** How a stream's rows are read where not by a cursor on one session; null where they are after all. */
  readonly openRows?: ((request: Request, batchSize: number) => Promise<OpenRows | null>) | undefined
  /** Called once when a stream has ended, however it did: for who watches, since a stream has no answer to pass back. */
  readonly onEnd?: ((end: StreamEnd) => void) | undefined
}

/** Rows that are being read for a stream. */
export interface OpenRows {
  readonly cursor: Cursor
  /** How the driver's own type parsers convert rows, for raw statements. */
  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown>
  /** Everything behind the cursor ended and given back, whatever happened. Idempotent. */
  end(): Promise<void>
}

/** How a stream went. Times in milliseconds; the reader's own time is in none of them. */
export interface StreamEnd {
  readonly poolWait: number
  /** From sending to the first batch. */
  readonly server: number
  /** Waiting for the batches after the first. */
  readonly transfer: number
  readonly rows: number
  /** What ended it before its end; undefined for the last row and for a reader who stopped. */
  readonly error: unknown
}

/** A transaction that somebody else opened and will end. */
export interface OpenTransaction {
  readonly session: Session
  readonly isolation: IsolationLevel
  readonly readOnly: boolean
  /** True once it was committed or rolled back. */
  readonly ended: boolean
}

/** Something about a query that is allowed and may not be meant, in `report.warnings`. */
export interface Warning {
  /** snake_case id, such as "fan_out". */
  readonly code: string
  readonly message: string
}

/** What happened to a statement. Times in milliseconds. */
export interface Report {
  readonly source: "database" | "cache" | "view"
  readonly view: string | null
  /** What the rows reflect: a snapshot of the primary, or null when unknown. */
  readonly asOf: { readonly snapshot: string | null; readonly at: Date } | null
  readonly hints: unknown
  readonly parallel: unknown
  /** Why it was answered from a view or was not; null where nothing asked for that. */
  readonly route: unknown
  readonly timings: {
    readonly poolWait: number
    /** From sending to the first protocol reply. */
    readonly server: number
    readonly transfer: number
    readonly total: number
  }
  readonly sql: string
  readonly warnings: readonly Warning[]
}

export interface Response {
  readonly rows: unknown[]
  readonly columns: readonly ResultField[]
  readonly report: Report
}

/** One station of the pipeline. It knows nothing of the other stations. */
export interface Stage {
  readonly name: StageName
  run(request: Request, next: (request: Request) => Promise<Response>): Promise<Response>
  /** For stream(), which has no answer to pass back: changes the request only. */
  readonly prepare?: ((request: Request) => Promise<Request>) | undefined
}

/** The stages in their order, outermost first. */
export const stageNames = ["observe", "cache", "route", "hint", "parallel"] as const
export type StageName = (typeof stageNames)[number]
