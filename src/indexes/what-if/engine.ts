/** A private, empty PostgreSQL 18 that the copy lives in: PGlite in memory, or a real server on a scratch directory. */
export interface Engine {
  /** Any number of statements; the first error ends them all (one implicit transaction). */
  execute(text: string): Promise<void>
  /** The rows of the last statement, as text by column name. */
  rows(text: string): Promise<Record<string, string | null>[]>
  /** Faked lengths of main forks, by path below the data directory. */
  setSizes(sizes: readonly FileSize[]): Promise<void>
  /** Replaces the content of a file that no buffer holds yet. */
  writeFiles(files: readonly { readonly path: string; readonly content: Uint8Array }[]): Promise<void>
  /** Extensions it can create. */
  readonly extensions: ReadonlySet<string>
  close(): Promise<void>
}

export interface FileSize {
  readonly path: string
  readonly bytes: number
}

/** Segments of a relation are at most this long. */
export const segmentBytes: number = 1024 ** 3
