import type { Behind, Out } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"
import type { Report } from "../../execution/request.ts"
import type { Query } from "./query.ts"
import type { RunOptions } from "./runnable.ts"

/** One page of a query that has an order and a limit. */
export interface Page<out Row> {
  readonly rows: Row[]
  /** Where the next page starts, or null after the last. Opaque; holds PostgreSQL's own text of each key. */
  readonly next: string | null
  readonly report: Report
}

/** Keyset pagination and row locks. */
export interface PageMethods<out Row> {
  /** Rows after a cursor. Refused where the cursor is of another query, or the order is not unique. */
  after(cursor: string): this
  /** A page, with the cursor of the next one. */
  page(options?: RunOptions): Promise<Page<Row>>
}

/** Options of `forUpdate()`. */
export interface LockOptions<D extends AnyScope> {
  readonly strength?: "update" | "noKeyUpdate" | "share" | "keyShare" | undefined
  /** What to do about rows that others have locked; waits by default. */
  readonly locked?: "wait" | "skip" | "fail" | undefined
  /** Joins whose rows are locked; only the root's by default. */
  readonly of?: readonly (keyof D["~joins"] & string)[] | undefined
}
/** Row locks and DISTINCT ON. */
export interface RowMethods<in out D extends AnyScope, in out F> {
  /** Locks the rows for the transaction that the query runs in. */
  forUpdate(options?: LockOptions<D>): this
  /** The first row of each group, by the query's order. */
  distinctOn(...by: readonly ((keyof D["~fields"] & string) | (keyof F & string))[]): this
}

/** Columns of the table that a scope starts at, as a row. */
export type RootRow<S extends AnyScope> = { -readonly [K in NonNullable<S["~columns"]> & string]: Out<S["~fields"][K]> }

/** The same question, asked from another table. */
export interface RetargetMethods<in out D extends AnyScope> {
  /** The rows behind a join that belong to rows this query finds: each once. Filters, required ones included, stay; what was selected does not. */
  retarget<const J extends keyof D["~joins"] & string>(join: J): Query<RootRow<D["~joins"][J]["scope"]>, Behind<D, J>>
}
