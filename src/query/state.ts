import type { DomainModel, JoinKind } from "../domain/model.ts"
import type { WindowNode } from "./node.ts"

/** FOR UPDATE and its kin. */
export interface LockState {
  readonly strength: "UPDATE" | "NO KEY UPDATE" | "SHARE" | "KEY SHARE"
  readonly locked: "wait" | "skip" | "fail"
  /** Join paths whose rows are locked; "" is the root. */
  readonly of: readonly string[]
}

/** A selected column: the name it has in rows, and the path or expression it comes from. */
export interface SelectItem {
  readonly name: string
  readonly source: unknown
}

/** A query as plain data. Every method of the builder makes a changed copy. */
export interface QueryState {
  readonly domain: DomainModel
  /** Values of the domain's required columns; null when none were given. */
  readonly scope: Readonly<Record<string, unknown>> | null
  /** null: nothing was selected, the domain's default applies. */
  readonly select: readonly SelectItem[] | null
  readonly where: readonly unknown[]
  readonly groupBy: readonly unknown[]
  readonly having: readonly unknown[]
  /** null: no order was asked for, the domain's default applies. */
  readonly orderBy: readonly unknown[] | null
  readonly distinct: boolean
  /** DISTINCT ON these; empty: not asked for. */
  readonly distinctOn: readonly unknown[]
  /** Windows by name. */
  readonly windows: ReadonlyMap<string, WindowNode>
  readonly lock: LockState | null
  /** PostgreSQL's text of each key of the row that a page starts after. */
  readonly after: readonly (string | null)[] | null
  /** Adds the text of each key of the order to the output, for the cursor of a page. */
  readonly keys: boolean
  /** The query that this one was retargeted from: its rows' related rows are meant. */
  readonly origin: { readonly state: QueryState; readonly join: string } | null
  readonly limit: number | null
  readonly offset: number | null
  /** Joins asked for by name, with the type that overrides the domain's. */
  readonly joins: ReadonlyMap<string, JoinKind | null>
  readonly allowFanOut: boolean
  /** What features were asked for, by stage name. */
  readonly options: Readonly<Record<string, unknown>>
}
