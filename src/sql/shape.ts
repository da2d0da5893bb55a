import type { Expression, Parameter, SortKey, WindowSpec } from "./expression.ts"

/**
 * What a statement asks, as plain data: the one reading of SQL that index advice, view matching, cache dependencies, splitting and
 * monitoring share. Blocks and relations are numbered over the whole statement; everything refers to them by number.
 */
export interface StatementShape {
  readonly text: string
  readonly kind: "select" | "insert" | "update" | "delete" | "merge" | "utility"
  /** The command in PostgreSQL's words: "SELECT", "CREATE TABLE AS", "VACUUM", … */
  readonly command: string
  /** Every occurrence of a relation, in the order of the text; `relations[i].ordinal === i`. */
  readonly relations: readonly ShapeRelation[]
  /** Every query block; `blocks[0]` is the statement's own. Empty for a utility command without a query in it. */
  readonly blocks: readonly QueryBlock[]
  /** Ordinals of the relations that the statement writes, those of data-modifying CTEs included. */
  readonly writes: readonly number[]
  /** `$n`, each once, with the cast that stands on it, if any. */
  readonly parameters: readonly ShapeParameter[]
  /** Functions called (aggregates, window and FROM functions included), each once. */
  readonly functions: readonly FunctionUse[]
  /** Columns and where they are used, each once per relation. */
  readonly columns: readonly ColumnUse[]
  /** False while a column could not be given to a relation from the text alone; see resolveShape. */
  readonly resolved: boolean
}

export interface ShapeRelation {
  readonly ordinal: number
  /** Block in whose FROM (or as whose target) it stands. */
  readonly block: number
  readonly kind: "table" | "cte" | "subquery" | "function" | "values"
  /** As written; null when not. Tables only. */
  readonly schema: string | null
  /** Table, CTE or function name; for a subquery its alias or "". */
  readonly name: string
  readonly alias: string | null
  readonly columnAliases: readonly string[]
  /** The block that a subquery or CTE reads. */
  readonly source: number | null
  readonly where: "from" | "target"
  readonly lateral: boolean
  /** How it was joined to what stands left of it; null for the first of a FROM item and comma joins. */
  readonly join: JoinType | null
  /** Rows of it may be replaced by NULLs in this block (it is on the inner side of an outer join). */
  readonly nullable: boolean
  /** FROM ONLY: without inheriting tables. */
  readonly only: boolean
  readonly sampled: boolean
  /** Arguments of a FROM function. */
  readonly args: readonly Expression[]
  /** More was written than is kept here: ORDINALITY, ROWS FROM, column definitions, XMLTABLE, the method of a sample. */
  readonly abridged: boolean
}

export type JoinType = "inner" | "left" | "right" | "full" | "cross"

/** The FROM clause: a tree of joins over relation ordinals. */
export type FromItem =
  | { readonly kind: "relation"; readonly relation: number }
  | {
      readonly kind: "join"
      readonly type: JoinType
      readonly left: FromItem
      readonly right: FromItem
      readonly on: Expression | null
      readonly using: readonly string[]
      readonly natural: boolean
      readonly alias: string | null
    }

export interface QueryBlock {
  readonly ordinal: number
  readonly parent: number | null
  readonly role: "statement" | "cte" | "from" | "arm" | "exists" | "any" | "all" | "scalar" | "array" | "insert"
  readonly kind: "select" | "values" | "set" | "insert" | "update" | "delete" | "merge"
  readonly cte: { readonly name: string; readonly recursive: boolean; readonly materialized: boolean | null } | null
  /** Relations of its own FROM and target. */
  readonly relations: readonly number[]
  readonly from: readonly FromItem[]
  readonly where: Expression | null
  /** WHERE and every ON as conditions on relations, AND and OR kept. */
  readonly conditions: readonly Condition[]
  readonly joins: readonly JoinPair[]
  readonly grouping: Grouping | null
  readonly having: Expression | null
  /** "all" is DISTINCT; a list is DISTINCT ON. */
  readonly distinct: "all" | readonly Expression[] | null
  readonly windows: readonly (WindowSpec & { readonly as: string })[]
  readonly order: readonly SortKey[]
  readonly limit: Expression | null
  readonly offset: Expression | null
  readonly withTies: boolean
  readonly output: readonly OutputExpression[]
  readonly aggregates: readonly Expression[]
  readonly windowCalls: readonly Expression[]
  readonly locking: readonly Locking[]
  readonly setOperation: {
    readonly operator: "union" | "intersect" | "except"
    readonly all: boolean
    readonly arms: readonly number[]
  } | null
  /** Rows of a VALUES list. */
  readonly valuesRows: number | null
  /** They themselves, where there are at most {@link maxValuesRows}. */
  readonly values: readonly (readonly Expression[])[] | null
  readonly write: WriteClause | null
  /** Relations of outer blocks that this block refers to (correlation, LATERAL). */
  readonly correlated: readonly number[]
}

/** Of longer VALUES lists (bulk inserts) only the first row is kept. */
export const maxValuesRows = 100

export interface Grouping {
  readonly keys: readonly Expression[]
  /** Of each key the bare name that was written, where the text alone does not tell: a column goes before an output of that name. */
  readonly written: readonly (string | null)[]
  /** Indexes into `keys`, one list a grouping set; null for a plain GROUP BY. */
  readonly sets: readonly (readonly number[])[] | null
  readonly distinct: boolean
}

export interface OutputExpression {
  /** Column name; null for `*`. */
  readonly name: string | null
  readonly expression: Expression
}

export interface Locking {
  readonly strength: "update" | "no key update" | "share" | "key share"
  /** Names given after OF; empty: all. */
  readonly of: readonly string[]
  readonly wait: "block" | "skip locked" | "nowait"
}

export interface WriteClause {
  readonly target: number
  /** Assigned columns; empty for DELETE and for INSERT without a column list. */
  readonly columns: readonly string[]
  readonly assignments: readonly { readonly column: string; readonly expression: Expression }[]
  /** Block that an INSERT reads. */
  readonly source: number | null
  readonly conflict: {
    readonly action: "nothing" | "update"
    readonly columns: readonly string[]
    readonly constraint: string | null
  } | null
  /** WHEN clauses of a MERGE, in their order. */
  readonly actions: readonly {
    readonly action: "insert" | "update" | "delete" | "nothing"
    readonly condition: Expression | null
    readonly values: readonly Expression[]
  }[]
}

/** A column or expression over the columns of one relation: what an index key can hold. */
export interface Subject {
  readonly relation: number
  /** The column, when it is a bare column. */
  readonly column: string | null
  /** SQL with bare column names, as an index key would be written. */
  readonly text: string
  readonly columns: readonly string[]
  readonly expression: Expression
}

/** The side of a comparison that a subject is compared with. */
export interface ComparedValue {
  readonly kind: "constant" | "parameter" | "expression" | "column" | "list" | "subquery" | "none"
  /** Entries of a list. */
  readonly count: number
  /** Relations that it reads, those of correlated subqueries included; empty: the same for the whole statement. */
  readonly relations: readonly number[]
  readonly expression: Expression | null
}

/** One comparison: `subject operator value`, turned so that the subject stands left. */
export interface Comparison {
  readonly kind: "comparison"
  /** "=", "<", "@>", "~~" (LIKE), "in", "is null", "is not null", "true" and "false" (a bare boolean), "is true", "value = any" (value = any(column)), … */
  readonly operator: string
  readonly subject: Subject
  /** Further subjects of a row comparison `(a, b) < (…)`. */
  readonly row: readonly Subject[]
  readonly value: ComparedValue
  /** The value as a subject of another relation, when the comparison is a join: it can be read the other way round. */
  readonly mirror: Subject | null
}

export interface OpaqueCondition {
  readonly kind: "opaque"
  readonly expression: Expression
  readonly relations: readonly number[]
}

export type ConditionNode =
  | Comparison
  | OpaqueCondition
  | { readonly kind: "and"; readonly args: readonly ConditionNode[] }
  | { readonly kind: "or"; readonly args: readonly ConditionNode[] }

export interface Condition {
  readonly clause: "where" | "on"
  /** For an ON of an outer join: relations whose rows survive when it is not true (it does not filter those). */
  readonly preserves: readonly number[]
  readonly node: ConditionNode
}

/** `left operator right` over two relations; listed once, to be read both ways. */
export interface JoinPair {
  readonly left: Subject
  readonly right: Subject
  readonly operator: string
  /** "semi": IN or EXISTS with a subquery; "anti": their negations. */
  readonly type: JoinType | "semi" | "anti"
  readonly clause: "where" | "on"
}

export interface ShapeParameter extends Parameter {
  readonly cast: string | null
}

export interface FunctionUse {
  readonly schema: string | null
  readonly name: string
}

export type ColumnRole =
  | "select"
  | "where"
  | "join"
  | "group"
  | "order"
  | "having"
  | "distinct"
  | "window"
  | "set"
  | "returning"
  | "from"

export interface ColumnUse {
  /** Null where the text alone does not tell. */
  readonly relation: number | null
  /** "*" for all columns. */
  readonly name: string
  readonly block: number
  readonly roles: readonly ColumnRole[]
}

/** What a block is that has nothing in it. The lists are its own. */
export function emptyBlock(): Omit<QueryBlock, "ordinal" | "parent" | "role" | "kind" | "cte"> {
  return {
    relations: [],
    from: [],
    where: null,
    conditions: [],
    joins: [],
    grouping: null,
    having: null,
    distinct: null,
    windows: [],
    order: [],
    limit: null,
    offset: null,
    withTies: false,
    output: [],
    aggregates: [],
    windowCalls: [],
    locking: [],
    setOperation: null,
    valuesRows: null,
    values: null,
    write: null,
    correlated: [],
  }
}

/** What a relation is of which nothing but its place is known. */
export const plainRelation: Omit<ShapeRelation, "ordinal" | "block"> = Object.freeze({
  kind: "table",
  schema: null,
  name: "",
  alias: null,
  columnAliases: [],
  source: null,
  where: "from",
  lateral: false,
  join: null,
  nullable: false,
  only: false,
  sampled: false,
  args: [],
  abridged: false,
})
