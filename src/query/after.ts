import { createHash } from "node:crypto"
import { type ColumnType, kindOf } from "../domain/column-type.ts"
import type { JoinKind } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { aliasOf, type Block, bind, type Compilation } from "./block.ts"
import { castName } from "./encode.ts"
import type { QueryState } from "./state.ts"

/** One key of a query's order, compiled. */
export interface OrderKey {
  readonly sql: string
  /** As it stands in ORDER BY. */
  readonly clause: string
  readonly type: ColumnType
  readonly descending: boolean
  readonly nulls: "first" | "last" | null
  /** It is made of a window function, which no condition on rows can test. */
  readonly windowed: boolean
}

/** A page needs an order that no two rows share: else rows that are equal in it would be lost or repeated between pages. */
export function checkPageOrder(
  block: Block,
  state: QueryState,
  order: readonly OrderKey[],
  aggregated: boolean,
  groupBy: readonly string[],
  selected: readonly string[],
): void {
  const refuse = (message: string): never => {
    throw new SelectoError("E_INVALID_OPTION", `Pages need ${message}`, { path: "orderBy()" })
  }
  if (state.distinctOn.length > 0) refuse("rows that a page does not change; distinctOn() takes the first of each group.")
  const keys = new Set(order.map((key) => key.sql))
  if (aggregated) {
    if (groupBy.some((sql) => !keys.has(sql))) refuse("a unique order: add every group to orderBy().")
  } else if (state.distinct) {
    if (selected.some((sql) => !keys.has(sql))) refuse("a unique order: add every selected column to orderBy().")
  } else {
    const { root } = block.model
    const many = [...block.needed].some((join) => join.many)
    if (addsRows(block))
      refuse("a row of the root in each row: a right or full join adds rows without one. Start from the other table.")
    if (many) refuse("one row for each row of the root: a join to many repeats it. Use nest() or exists().")
    const alias = aliasOf(block, root)
    const { primaryKey } = root.table
    if (primaryKey.length === 0 || primaryKey.some((column) => !keys.has(`${alias}.${quoteIdentifier(column)}`)))
      refuse(
        `a unique order: end orderBy() with the primary key (${primaryKey.map((column) => JSON.stringify(column)).join(", ")}).`,
      )
  }
  if (order.some((key) => key.windowed))
    refuse("keys that are known before windows are made: page fromQuery(query) by the alias.")
  for (const key of order)
    if (castName(key.type, quoteIdentifier) === null || kindOf(key.type) === "json")
      refuse("keys of declared types that have an order; cast() what has none, and expressions.")
}

function kindsOf(block: Block): readonly (readonly [declared: JoinKind, written: JoinKind])[] {
  return [...block.needed].map((join) => [join.kind, block.kinds.get(join) ?? join.kind] as const)
}

/** A right or full join gives rows that the root has no part in. */
function addsRows(block: Block): boolean {
  return kindsOf(block).some(([, kind]) => kind === "right" || kind === "full")
}

/** The keys, with null where joins of other kinds than the domain declares may bring it. */
export function loosened(block: Block, order: readonly OrderKey[]): readonly OrderKey[] {
  const outer = kindsOf(block).some(
    ([declared, kind]) => kind === "right" || kind === "full" || (declared === "inner" && kind === "left"),
  )
  return outer ? order.map((key) => ({ ...key, type: { ...key.type, nullable: true } })) : order
}

/** The condition that a row comes after the one whose keys are given, each in its own direction, nulls where they are sorted. */
export function afterKeys(compilation: Compilation, order: readonly OrderKey[], values: readonly (string | null)[]): string {
  if (values.length !== order.length) throw badCursor()
  const bound = values.map((value, index) =>
    value === null ? null : `${bind(compilation, value)}::${castName(order[index]!.type, quoteIdentifier)}`,
  )
  const uniform = order.every(
    (key, index) => bound[index] !== null && !key.type.nullable && key.descending === order[0]!.descending,
  )
  if (uniform) {
    // One comparison of rows, which an index on the keys answers.
    const operator = order[0]!.descending ? "<" : ">"
    if (order.length === 1) return `${order[0]!.sql} ${operator} ${bound[0]}`
    return `(${order.map((key) => key.sql).join(", ")}) ${operator} (${bound.join(", ")})`
  }
  const arms: string[] = []
  const equal: string[] = []
  order.forEach((key, index) => {
    const value = bound[index]!
    const later = laterThan(key, value)
    if (later !== null) arms.push([...equal, later].join(" AND "))
    equal.push(value === null ? `${key.sql} IS NULL` : `${key.sql} = ${value}`)
  })
  return arms.length === 0 ? "FALSE" : `(${arms.map((arm) => `(${arm})`).join(" OR ")})`
}

/** After this value of one key; null: nothing can be. PostgreSQL sorts nulls last, and first where the order descends. */
function laterThan(key: OrderKey, value: string | null): string | null {
  const nullsLast = key.nulls === null ? !key.descending : key.nulls === "last"
  if (value === null) return nullsLast ? null : `${key.sql} IS NOT NULL`
  const beyond = `${key.sql} ${key.descending ? "<" : ">"} ${value}`
  return nullsLast && key.type.nullable ? `(${beyond} OR ${key.sql} IS NULL)` : beyond
}

function badCursor(): SelectoError {
  return new SelectoError("E_INVALID_CURSOR", "This cursor is damaged or belongs to another query; start from the first page.", {
    path: "after()",
  })
}

/** What a cursor is checked against: the statement without its page. */
export function shapeOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16)
}

/** An opaque cursor of a row's keys. */
export function writeCursor(shape: string, keys: readonly (string | null)[]): string {
  return Buffer.from(JSON.stringify([shape, ...keys])).toString("base64url")
}

/** The keys of a cursor. Throws E_INVALID_CURSOR where it is damaged or of another query. */
export function readCursor(cursor: unknown, shape: string): (string | null)[] {
  let read: unknown
  try {
    read = JSON.parse(Buffer.from(String(cursor), "base64url").toString("utf8"))
  } catch {
    throw badCursor()
  }
  if (typeof cursor !== "string" || !Array.isArray(read) || read[0] !== shape) throw badCursor()
  const keys = read.slice(1) as unknown[]
  if (!keys.every((key) => key === null || (typeof key === "string" && !key.includes("\0")))) throw badCursor()
  return keys as (string | null)[]
}

/** Cuts what was fetched to a page: hidden keys go, and the row after the page tells whether there is a next one. */
export function pageOf(
  fetched: readonly Readonly<Record<string, unknown>>[],
  limit: number,
  shape: string,
): { rows: Record<string, unknown>[]; next: string | null } {
  const rows = fetched
    .slice(0, limit)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("~key"))))
  const last = fetched.length > limit ? fetched[limit - 1]! : null
  const keys = last === null ? [] : Object.entries(last).filter(([name]) => name.startsWith("~key"))
  return {
    rows,
    next:
      last === null
        ? null
        : writeCursor(
            shape,
            keys.map(([, text]) => text as string | null),
          ),
  }
}
