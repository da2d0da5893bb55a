import { type ColumnType, columnType, kindOf } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import { type Block, bind } from "./block.ts"
import { boundAs, compileOperand } from "./compile-expression.ts"
import { orderSql } from "./compile-subquery.ts"
import { castName, encode } from "./encode.ts"
import { orderOf } from "./expression.ts"
import type { Compiled, ExpressionNode, WindowName, WindowNode } from "./node.ts"

const plainTypes: Readonly<Partial<Record<WindowName, ColumnType>>> = {
  row_number: columnType("count"),
  rank: columnType("count"),
  dense_rank: columnType("count"),
  percent_rank: columnType("float"),
  cume_dist: columnType("float"),
  ntile: columnType("integer"),
}

/** A window function over its window. Paths in it are used outside of aggregates. */
export function compileWindowCall(block: Block, node: ExpressionNode & { expression: "window" }): Compiled {
  const [of, ...rest] = node.args
  const over = (): string => overSql(block, node.over)
  const plain = plainTypes[node.name]
  if (plain !== undefined) {
    const argument = node.name === "ntile" ? `${bind(block.compilation, of)}::integer` : ""
    return { sql: `${node.name}(${argument}) ${over()}`, type: plain }
  }
  const value = compileOperand(block, of, `${node.name}()`)
  const args = [value.sql]
  if (rest.length > 0) args.push(`${bind(block.compilation, rest[0])}::integer`)
  let nullable = true
  if (rest.length > 1) {
    // lag(anycompatible, integer, anycompatible): bound as the argument's own type.
    const { type } = value
    args.push(type.type === "unknown" ? bind(block.compilation, rest[1]) : boundAs(block, rest[1], type, `${node.name}()`).sql)
    nullable = type.nullable || rest[1] === null
  } else if (node.name === "lag" || node.name === "lead") nullable = true
  return { sql: `${node.name}(${args.join(", ")}) ${over()}`, type: { ...value.type, nullable } }
}

/** `OVER (…)`, or OVER and the name of a window of the query. */
export function overSql(block: Block, window: WindowNode | string): string {
  block.windows++
  if (typeof window !== "string") return `OVER (${windowSql(block, window)})`
  if (!block.windowNames.has(window))
    throw new SelectoError(
      "E_INVALID_OPTION",
      `${JSON.stringify(window)} is no window of the query: name it by .window(${JSON.stringify(window)}, { … }).`,
      {
        path: window,
      },
    )
  return `OVER ${quoteIdentifier(window)}`
}

function listOf(value: unknown): readonly unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

/** What stands between a window's parentheses. */
export function windowSql(block: Block, window: WindowNode): string {
  const partition = listOf(window.partitionBy).map((item) => compileOperand(block, item, "partitionBy").sql)
  const keys: Compiled[] = []
  const order = listOf(window.orderBy).map((item) => {
    const { by, descending, nulls } = orderOf(item).node
    const key = compileOperand(block, by, "orderBy")
    keys.push(key)
    return orderSql(key.sql, descending, nulls)
  })
  const parts: string[] = []
  if (partition.length > 0) parts.push(`PARTITION BY ${partition.join(", ")}`)
  if (order.length > 0) parts.push(`ORDER BY ${order.join(", ")}`)
  if (window.frame !== undefined) parts.push(frameSql(block, window.frame, keys))
  return parts.join(" ")
}

const modes = { rows: "ROWS", range: "RANGE", groups: "GROUPS" } as const
const exclusions: Readonly<Record<string, string>> = { currentRow: "CURRENT ROW", group: "GROUP", ties: "TIES" }

/** One end of a frame: its place among the five kinds, and what it counts. */
interface Bound {
  readonly kind: "unboundedPreceding" | "preceding" | "currentRow" | "following" | "unboundedFollowing"
  readonly offset: unknown
}

const places = ["unboundedPreceding", "preceding", "currentRow", "following", "unboundedFollowing"] as const

/** The frame of a window. Contradictions that PostgreSQL would find, or would answer with empty frames, are refused. */
function frameSql(block: Block, frame: unknown, keys: readonly Compiled[]): string {
  const wrong = (message: string): SelectoError =>
    new SelectoError("E_INVALID_OPTION", `A window's frame: ${message}`, { path: "frame" })
  if (typeof frame !== "object" || frame === null) throw wrong('write { rows: [{ preceding: 2 }, "currentRow"] }.')
  const given = frame as Readonly<Record<string, unknown>>
  const used = Object.keys(modes).filter((mode) => given[mode] !== undefined) as (keyof typeof modes)[]
  if (used.length !== 1) throw wrong("give exactly one of rows, range and groups.")
  const mode = used[0]!
  const ends = given[mode]
  if (!Array.isArray(ends) || ends.length < 1 || ends.length > 2)
    throw wrong(`${mode} is a list of where it starts and where it ends.`)
  const start = boundOf(ends[0], wrong)
  const end = ends.length === 1 ? ({ kind: "currentRow", offset: undefined } as const) : boundOf(ends[1], wrong)
  if (start.kind === "unboundedFollowing") throw wrong("it cannot start after the last row.")
  if (end.kind === "unboundedPreceding") throw wrong("it cannot end before the first row.")
  const [from, to] = [places.indexOf(start.kind), places.indexOf(end.kind)]
  if (from > to) throw wrong("it ends before it starts.")
  if (start.kind === end.kind && typeof start.offset === "number" && typeof end.offset === "number") {
    const backwards = start.kind === "preceding" ? start.offset < end.offset : start.offset > end.offset
    if (backwards) throw wrong("it ends before it starts.")
  }
  if (mode === "groups" && keys.length === 0) throw wrong("groups need an order.")
  const counted = (bound: Bound): string => {
    if (bound.offset === undefined) return ""
    if (mode !== "range") {
      if (typeof bound.offset !== "number" || !Number.isSafeInteger(bound.offset))
        throw wrong(`${mode} are counted in whole numbers.`)
      return `${bind(block.compilation, bound.offset)}::bigint `
    }
    const key = keys.length === 1 ? keys[0]! : undefined
    if (key === undefined) throw wrong("a range with a distance needs an order of exactly one key.")
    if (typeof bound.offset === "string") return `${bind(block.compilation, bound.offset)}::interval `
    if (kindOf(key.type) !== "number") throw wrong('a range over moments is measured by an interval such as "7 days".')
    const type = key.type.type === "count" ? columnType("bigint") : key.type
    return `${bind(block.compilation, encode(bound.offset, type, "frame"))}::${castName(type, quoteIdentifier)} `
  }
  const words: Readonly<Record<Bound["kind"], string>> = {
    unboundedPreceding: "UNBOUNDED PRECEDING",
    preceding: "PRECEDING",
    currentRow: "CURRENT ROW",
    following: "FOLLOWING",
    unboundedFollowing: "UNBOUNDED FOLLOWING",
  }
  const { exclude } = given
  if (exclude !== undefined && !Object.hasOwn(exclusions, exclude as string))
    throw wrong(`exclude is one of ${Object.keys(exclusions).join(", ")}.`)
  const between = `BETWEEN ${counted(start)}${words[start.kind]} AND ${counted(end)}${words[end.kind]}`
  return `${modes[mode]} ${between}${exclude === undefined ? "" : ` EXCLUDE ${exclusions[exclude as string]}`}`
}

function boundOf(bound: unknown, wrong: (message: string) => SelectoError): Bound {
  if (bound === "unboundedPreceding" || bound === "currentRow" || bound === "unboundedFollowing")
    return { kind: bound, offset: undefined }
  if (typeof bound === "object" && bound !== null)
    for (const kind of ["preceding", "following"] as const) {
      const offset = (bound as Readonly<Record<string, unknown>>)[kind]
      if (offset === undefined) continue
      if (typeof offset === "string" || (typeof offset === "number" && Number.isFinite(offset) && offset >= 0))
        return { kind, offset }
      throw wrong(`${kind} takes a number from 0, or an interval such as "7 days".`)
    }
  throw wrong(`an end is one of unboundedPreceding, { preceding: n }, currentRow, { following: n }, unboundedFollowing.`)
}
