import { SelectoError } from "../errors.ts"
import {
  type Expression,
  expressionText,
  type FromItem,
  quoteQualified,
  type SelectPieces,
  type StatementShape,
  type WindowSpec,
  walkExpression,
} from "../sql/index.ts"
import type { Knowledge } from "./knowledge.ts"

/** The last name of a plain column reference; null for anything else. */
export function lastName(text: string): string | null {
  const match = /^(?:(?:\w+|"[^"]+")\.)*(?:(\w+)|"([^"]+)")$/.exec(text)
  return match === null ? null : (match[1] ?? match[2]!)
}

/** Tells whether a bare name of GROUP BY is a column of FROM. Throws E_UNSUPPORTED_INPUT where only the server could tell. */
export function inputColumns({ shape, factsOf }: Knowledge): (name: string) => boolean {
  return (name) => {
    for (const ordinal of shape.blocks[0]!.relations) {
      const relation = shape.relations[ordinal]!
      const facts = factsOf(relation)
      const own =
        facts?.columns.map((column) => column.name) ??
        (relation.source === null
          ? [relation.alias ?? relation.name]
          : shape.blocks[relation.source]!.output.map((one) => one.name))
      const names = own.map((column, at) => relation.columnAliases[at] ?? column)
      if (names.includes(name)) return true
      if (names.includes(null))
        throw new SelectoError(
          "E_UNSUPPORTED_INPUT",
          `GROUP BY ${name} may be a column behind * or the output's: write its table before it`,
        )
    }
    return false
  }
}

/** ORDER BY of a SELECT DISTINCT by the positions of its columns; null where a key is not plainly one of them. */
export function distinctOrder({ order, output }: SelectPieces): string[] | null {
  const keys: string[] = []
  for (const { expression, descending, nullsFirst, using } of order) {
    const at = output.findIndex(({ text }) => text === expression)
    if (at < 0 || using) return null
    keys.push(`${at + 1}${descending ? " DESC" : ""} NULLS ${nullsFirst ? "FIRST" : "LAST"}`)
  }
  return keys
}

/** An expression that every window of the statement is partitioned by, as SQL; null without one. */
export function windowKey(shape: StatementShape): string | null {
  const block = shape.blocks[0]!
  const column = (reference: { readonly qualifier: string | null; readonly name: string }): string =>
    quoteQualified(reference.qualifier, reference.name)
  const keysOf = (window: WindowSpec): string[] => {
    const named = window.name === null ? undefined : block.windows.find((one) => one.as === window.name)
    const own = window.partition.filter((one) => !hasSublink(one)).map((one) => expressionText(one, { column }))
    return named === undefined ? own : [...keysOf(named), ...own]
  }
  const lists = block.windowCalls.map((call) => (call.kind === "call" && call.over !== null ? keysOf(call.over) : []))
  return lists[0]?.find((key) => lists.every((list) => list.includes(key))) ?? null
}

function hasSublink(expression: Expression): boolean {
  let found = false
  walkExpression(expression, (inner) => {
    found ||= inner.kind === "sublink"
  })
  return found
}

/** Whether an expression over FROM is plainly a column, written `alias.column` or by its bare name. */
export function isColumn(expression: string, qualified: string, shape: StatementShape): boolean {
  if (expression === qualified) return true
  // USING merges columns into one that belongs to no table.
  return !/[^\w]/.test(expression) && qualified.endsWith(`.${expression}`) && !shape.blocks[0]!.from.some(mergesColumns)
}

function mergesColumns(item: FromItem): boolean {
  if (item.kind === "relation") return false
  return item.natural || item.using.length > 0 || mergesColumns(item.left) || mergesColumns(item.right)
}
