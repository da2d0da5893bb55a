/**
 * The Database port: all that the house knows of a driver. Adapters (pg, postgres.js, PGlite) implement it in a few structural
 * lines; tests of the conformance suite say what they promise.
 */

/** SQL text with `$n` placeholders and the values bound to them. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** A result column as the server describes it. */
export interface ResultField {
  readonly name: string
  /** pg_type.oid of the column. */
  readonly typeId: number
}

/** Rows of a statement: objects as the driver converts them, or arrays of PostgreSQL's own text when asked for. */
export interface Result<Row = Record<string, unknown>> {
  readonly rows: Row[]
  readonly fields: readonly ResultField[]
  /** Rows returned or affected; null where the server gives none. */
  readonly rowCount: number | null
  /** The command tag's first word: SELECT, INSERT, … */
  readonly command: string
}

/** One row as the server's text, in column order; null is SQL NULL. */
export type TextRow = (string | null)[]

/** How one statement is run. */
export interface QueryOptions {
  /** An abort cancels the statement on the server and rejects with E_ABORTED once the session is idle again. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds after which the statement is cancelled on the server: E_TIMEOUT. */
  readonly timeoutMs?: number | undefined
  /** Called once when the first reply of the server arrives (for timings). */
  readonly onFirstReply?: (() => void) | undefined
  /** Called with the text of every NOTICE and INFO that the server sends meanwhile, where the driver passes them on (pg). */
  readonly onNotice?: ((message: string) => void) | undefined
  /** Called once when a session was found for the statement (for timings). Only Database.query and queryText. */
  readonly onAcquired?: (() => void) | undefined
}

/** How a cursor is opened and read. */
export interface CursorOptions extends QueryOptions {
  /** Statements sent before it, in the same round trip where the driver can. */
  readonly before?: readonly Statement[] | undefined
  /** Rows fetched with the opening, for the first read. Default 1. */
  readonly prefetch?: number | undefined
}

/** Rows fetched in batches from an open portal. Always closed by its user, in every ending. */
export interface Cursor {
  readonly fields: readonly ResultField[]
  /** At most `count` rows; an empty array means the end. One read at a time. */
  read(count: number): Promise<TextRow[]>
  /** Idempotent; leaves the session ready for the next statement. */
  close(): Promise<void>
}

/** The data of a COPY … TO STDOUT as it comes, in pieces of whole rows. Always closed by its user, in every ending. */
export interface CopyReader {
  /** The next bytes; null at the end. The server waits while nobody reads. One read at a time. */
  read(): Promise<Uint8Array | null>
  /** Rows received so far; at the end, the rows copied. */
  readonly rows: number
  /** Idempotent; what has not been read is cancelled on the server. Leaves the session ready, unless the copy failed. */
  close(): Promise<void>
}

/** One connection, held by one user until released. */
export interface Session {
  /** Backend process id, for pg_cancel_backend; null where there is none. */
  readonly pid: number | null
  query<Row = Record<string, unknown>>(statement: Statement, options?: QueryOptions): Promise<Result<Row>>
  /** As query, but every value is PostgreSQL's text, whatever the driver's own parsers are. */
  queryText(statement: Statement, options?: QueryOptions): Promise<Result<TextRow>>
  /**
   * Sends all statements without waiting between them where the driver can (one round trip), else one by one.
   * The last result is the answer's; the first error rejects and later statements are not applied (the caller rolls back).
   */
  batch(statements: readonly Statement[], options?: QueryOptions): Promise<Result<TextRow>[]>
  /** How the driver's own type parsers convert rows of text: for raw statements of a batch or a cursor. */
  converter(fields: readonly ResultField[]): (row: TextRow) => Record<string, unknown>
  /**
   * Only inside a transaction, which `options.before` may open: statements that travel with the opening of the cursor, as in batch.
   * Signal and timeout hold for every read, the timeout for each of its own.
   */
  cursor(statement: Statement, options?: CursorOptions): Promise<Cursor>
  /**
   * Runs `COPY … TO STDOUT`, which takes no parameters, and gives its bytes. The timeout holds for all of it, the reader's time included.
   * Absent where the driver gives no access to the protocol.
   */
  copyOut?(text: string, options?: QueryOptions): Promise<CopyReader>
  /** Back to the pool; with `destroy`, the connection is thrown away instead. Idempotent. */
  release(destroy?: boolean): void
}

/** What a database can do, fixed by driver and connection, known without asking the server. */
export interface DriverCapabilities {
  /** "one": a single session, so nothing can run beside it (in-process PGlite, a pool of one connection). */
  readonly sessions: "many" | "one"
  /** A running statement can be cancelled on the server. */
  readonly cancel: boolean
  /** Notifications reach this process. */
  readonly listen: boolean
  /** Statements of one batch travel in one round trip. */
  readonly pipeline: boolean
}

/** How long a session is waited for. */
export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** A session that listens, and does nothing else. */
export interface Listener {
  /**
   * Sends a notice from the session that listens. Where its channel is one of those listened to it comes back, after every notice that
   * was sent before it: whoever waits for it knows that both directions are alive, and that nothing earlier is on its way.
   */
  notify(channel: string, payload: string, options?: QueryOptions): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

/** The port: what an adapter of a driver offers, and all that the library asks of one. `test/database/conformance.ts` says what it promises. */
export interface Database {
  /** "pg", "postgres.js", "pglite", or an adapter's own name. */
  readonly driver: string
  readonly capabilities: DriverCapabilities
  /** A pinned session. Waits for the pool; `signal` gives up waiting (E_ABORTED), and so does the timeout (E_POOL_TIMEOUT). */
  acquire(options?: AcquireOptions): Promise<Session>
  /** Sessions that could be had now without waiting for another user to release one; null where nobody knows. */
  free?(): number | null
  /** One statement on any session, no transaction around it. The fast path: one round trip. */
  query<Row = Record<string, unknown>>(statement: Statement, options?: QueryOptions): Promise<Result<Row>>
  queryText(statement: Statement, options?: QueryOptions): Promise<Result<TextRow>>
  /**
   * Subscribes a session of its own to channels; resolves when the server has confirmed it. Notices come in the order of their
   * commits. `onLoss` is called once, when the session is lost or the database closed; never after the listener's close(). Only where capabilities.listen.
   */
  listen?(
    channels: readonly string[],
    onNotice: (channel: string, payload: string) => void,
    onLoss: (error: Error) => void,
  ): Promise<Listener>
  /** The same database past a pooler, where one was given; else this one. */
  readonly direct: Database
  /** Closes what we opened; a pool that the caller passed in is left open. Idempotent. */
  close(): Promise<void>
}
