/**
 * The part of postgres.js that the adapter uses, declared by structure: postgres is no dependency of our types. What its own types do
 * not show is optional here.
 */

/** What `postgres(…)` gives, version 3.4 or later. */
export interface PostgresJsLike {
  unsafe(text: string, values?: never[], options?: object): PostgresJsQuery
  typed(value: never, typeId: number): unknown
  end(options?: { timeout?: number | undefined }): Promise<void>
  readonly options: PostgresJsOptions
}

/** A query: sent when it is executed or awaited. */
export interface PostgresJsQuery extends PromiseLike<unknown> {
  /** Rows become lists of buffers. */
  raw(): unknown
  execute(): unknown
  cancel(): unknown
  /** The backend it was sent to; null before. */
  readonly state?: unknown
  /** The server works on it; later ones of the same connection wait. */
  readonly active?: unknown
  /** Sends the protocol's request to cancel, and settles when the server has taken it. */
  readonly canceller?: unknown
}

/** A connection of the pool, which the driver hands to the `onexecute` of the query that it sends on it. */
export interface PostgresJsConnection {
  /** While it is set the connection belongs to one user. With `release`, until that user unsets it; called after every answer. */
  reserved: (() => void) | null
  onclose: (() => void) | null
  execute(query: PostgresJsQuery): unknown
  terminate(): void
}

/** What a query comes to: rows with their description. */
export interface PostgresJsResult extends ReadonlyArray<readonly (Uint8Array | null)[]> {
  readonly columns: readonly { readonly name: string; readonly type: number }[] | null
  readonly count: number | null
  readonly command: string | null
}

export interface PostgresJsOptions {
  /** From text to JavaScript, by pg_type.oid. */
  readonly parsers: object
  readonly transform: {
    readonly value: { readonly from?: unknown }
    readonly row: { readonly from?: unknown }
  }
}
