import type { SettingName, SettingValue } from "./setting.ts"

/** How rows of one table are fetched. `any_index`: by the named index, whichever way it can be read. */
export type ScanMethod = "seq" | "index" | "index_only" | "bitmap" | "tid" | "any_index"
export type JoinMethod = "nested_loop" | "hash" | "merge"

/**
 * An order of joining. A flat list is an order only: left to right, the server chooses the sides. Pairs, nested at will, also say
 * the sides: `[["orders", "customers"], "items"]` joins orders (outer) to customers (inner), and the result (outer) to items.
 */
export type JoinOrder<Table extends string = string> = readonly Table[] | JoinPair<Table>
export type JoinPair<Table extends string = string> = readonly [JoinSide<Table>, JoinSide<Table>]
export type JoinSide<Table extends string = string> = Table | JoinPair<Table>

type OneOrMore<T> = T | readonly T[]
type Joined<Table> = readonly [Table, Table, ...Table[]]

/** Workers for one table. */
export interface ParallelValue<Table extends string = string> {
  readonly table?: Table | undefined
  readonly workers: number
  /** "hard" (default): the costs are made to choose it; "soft": allowed, the planner decides. */
  readonly mode?: "soft" | "hard" | undefined
}

/** A scan by index, of one table. */
export interface IndexValue<Table extends string = string> {
  readonly table: Table
  /** Only these indexes; all of the table where none is named. */
  readonly indexes?: OneOrMore<string> | undefined
  /** Only indexes whose name matches this POSIX regular expression. */
  readonly matching?: string | undefined
}

/** A correction of the planner's row estimate of a join: `"#n"` is n rows, `"+n"`, `"-n"`, `"*n"` change the estimate. */
export interface RowsValue<Table extends string = string> {
  readonly tables: Joined<Table>
  readonly correction: `${"#" | "+" | "-" | "*"}${number}`
}

interface TableHintValues<Table extends string> {
  use_index: OneOrMore<string> | (IndexValue<Table> & { readonly indexes: OneOrMore<string> })
  seq_scan: OneOrMore<Table>
  index_scan: Table | IndexValue<Table>
  index_only_scan: Table | IndexValue<Table>
  bitmap_scan: Table | IndexValue<Table>
  tid_scan: OneOrMore<Table>
  no_seq_scan: OneOrMore<Table>
  no_index_scan: OneOrMore<Table>
  no_index_only_scan: OneOrMore<Table>
  no_bitmap_scan: OneOrMore<Table>
  no_tid_scan: OneOrMore<Table>
  disable_index: { readonly table: Table; readonly indexes: OneOrMore<string> }
  hash_join: Joined<Table>
  merge_join: Joined<Table>
  nested_loop: Joined<Table>
  force_hash_join: Joined<Table>
  force_merge_join: Joined<Table>
  force_nested_loop: Joined<Table>
  disable_hash_join: Joined<Table>
  disable_merge_join: Joined<Table>
  disable_nested_loop: Joined<Table>
  memoize: Joined<Table>
  no_memoize: Joined<Table>
  join_order: JoinOrder<Table>
  rows: RowsValue<Table>
  parallel_workers: number | ParallelValue<Table>
  materialize_cte: OneOrMore<string>
  inline_cte: OneOrMore<string>
}

/** What each hint of `hint(name, value)` takes; tables are join paths, aliases or table names. */
export type HintValues<Table extends string = string> = TableHintValues<Table> & { [Name in SettingName]: SettingValue }

/** The object form: all that pg_hint_plan can do, method by method. */
export type HintSpec<Table extends string = string> =
  | (Partial<IndexValue<Table>> & {
      readonly scan: Exclude<ScanMethod, "any_index">
      readonly table: Table
      readonly forbid?: boolean | undefined
    })
  | { readonly join: JoinMethod; readonly tables: Joined<Table>; readonly forbid?: boolean | undefined }
  | {
      readonly leading: JoinOrder<Table> /** Two names alone are an order; with true they are outer and inner. */
      readonly direction?: boolean | undefined
    }
  | { readonly memoize: Joined<Table>; readonly forbid?: boolean | undefined }
  | { readonly rows: Joined<Table>; readonly correction: RowsValue["correction"] }
  | { readonly parallel: Table; readonly workers: number; readonly mode?: "soft" | "hard" | undefined }
  | { readonly disableIndex: OneOrMore<string>; readonly table: Table }
  | { readonly materialize: OneOrMore<string>; readonly forbid?: boolean | undefined }
  | { readonly set: SettingName; readonly value: SettingValue }

/** What a named hint means. */
export type HintEntry =
  | {
      readonly kind: "scan"
      readonly takes: "tables" | "index"
      readonly method: ScanMethod
      readonly forbid: boolean
      readonly about: string
    }
  | {
      readonly kind: "join"
      readonly takes: "tables"
      readonly method: JoinMethod
      readonly forbid: boolean
      readonly about: string
    }
  | { readonly kind: "memoize"; readonly takes: "tables"; readonly forbid: boolean; readonly about: string }
  | { readonly kind: "order"; readonly takes: "order"; readonly about: string }
  | { readonly kind: "rows"; readonly takes: "rows"; readonly about: string }
  | { readonly kind: "parallel"; readonly takes: "workers"; readonly about: string }
  | { readonly kind: "index_off"; readonly takes: "index"; readonly about: string }
  | { readonly kind: "cte"; readonly takes: "names"; readonly forbid: boolean; readonly about: string }

const scan = (method: ScanMethod, forbid: boolean, takes: "tables" | "index", about: string): HintEntry => ({
  kind: "scan",
  takes,
  method,
  forbid,
  about,
})
const join = (method: JoinMethod, forbid: boolean, about: string): HintEntry => ({
  kind: "join",
  takes: "tables",
  method,
  forbid,
  about,
})

/** Every named hint that is no setting; settings are hints under their own names, see `settingCatalogue`. */
export const hintCatalogue: Readonly<Record<keyof TableHintValues<string>, HintEntry>> = {
  use_index: scan("any_index", false, "index", "read the table by one of these indexes"),
  seq_scan: scan("seq", false, "tables", "read the table from start to end"),
  index_scan: scan("index", false, "index", "read the table by an index"),
  index_only_scan: scan("index_only", false, "index", "read an index without its table where that can be"),
  bitmap_scan: scan("bitmap", false, "index", "collect row addresses from indexes, then read the table in its order"),
  tid_scan: scan("tid", false, "tables", "read rows by their addresses (ctid)"),
  no_seq_scan: scan("seq", true, "tables", "no sequential scan"),
  no_index_scan: scan("index", true, "tables", "no index scan, no index-only scan"),
  no_index_only_scan: scan("index_only", true, "tables", "no index-only scan"),
  no_bitmap_scan: scan("bitmap", true, "tables", "no bitmap scan"),
  no_tid_scan: scan("tid", true, "tables", "no scan by address"),
  disable_index: { kind: "index_off", takes: "index", about: "plan as if these indexes did not exist" },
  hash_join: join("hash", false, "join exactly these tables, at their topmost join, by hash"),
  merge_join: join("merge", false, "join exactly these tables, at their topmost join, by merging"),
  nested_loop: join("nested_loop", false, "join exactly these tables, at their topmost join, by nested loop"),
  force_hash_join: join("hash", false, "as hash_join"),
  force_merge_join: join("merge", false, "as merge_join"),
  force_nested_loop: join("nested_loop", false, "as nested_loop"),
  disable_hash_join: join("hash", true, "no hash join at the topmost join of these tables"),
  disable_merge_join: join("merge", true, "no merge join at the topmost join of these tables"),
  disable_nested_loop: join("nested_loop", true, "no nested loop at the topmost join of these tables"),
  memoize: { kind: "memoize", takes: "tables", forbid: false, about: "allow results of the inner side to be remembered" },
  no_memoize: { kind: "memoize", takes: "tables", forbid: true, about: "do not remember results of the inner side" },
  join_order: { kind: "order", takes: "order", about: "join in this order" },
  rows: { kind: "rows", takes: "rows", about: "correct the row estimate of a join" },
  parallel_workers: { kind: "parallel", takes: "workers", about: "read a table with this many workers; 0 forbids them" },
  materialize_cte: { kind: "cte", takes: "names", forbid: false, about: "compute a WITH query once, as a fence for the planner" },
  inline_cte: { kind: "cte", takes: "names", forbid: true, about: "plan a WITH query together with the statement" },
}

export type HintName = keyof HintValues
