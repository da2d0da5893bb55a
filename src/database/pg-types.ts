/**
 * The part of the pg package's types that the adapter uses, declared by structure: pg is no dependency of our types, and every pool
 * that looks like this will do.
 */

/** A pg.Pool. */
export interface PgPoolLike {
  connect(): Promise<PgClientLike>
  query(text: string, values?: unknown[]): Promise<unknown>
  end(): Promise<void>
  readonly totalCount: number
  readonly idleCount?: number
  readonly waitingCount?: number
  on?(event: "error", listener: (error: Error) => void): unknown
  /** As given to the constructor; used for the control connection that cancels. */
  readonly options?: object | undefined
  readonly ending?: boolean | undefined
}

/** What pool.connect() gives. */
export interface PgClientLike {
  /** Its overloads differ between versions of the types. */
  query(...config: never[]): unknown
  release(error?: Error | boolean): void
  on(event: string, listener: (...args: never[]) => void): unknown
  removeListener(event: string, listener: (...args: never[]) => void): unknown
}

/** What a client of the JavaScript driver has beside that; pg-native's has not. */
export interface PgWireClient extends PgClientLike {
  readonly connection: PgConnection
  readonly processID: number | null
  readonly secretKey: number | null
  getTypeParser(typeId: number, format: "text"): (text: string) => unknown
  /** "I" outside of a transaction; in later versions only. */
  getTransactionStatus?(): string | null
}

/** The driver's connection. */
export interface PgConnection {
  readonly stream: { write(bytes: Uint8Array): unknown; destroy(): void; readonly writable: boolean }
  sync(): void
  sendCopyFail(message: string): void
}
