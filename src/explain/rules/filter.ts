import { isHashedSubplan } from "../attribute-cost.ts"
import { relationIn } from "../catalog.ts"
import {
  alternativesOf,
  bareName,
  columnsOf,
  comparisonOf,
  conjunctsOf,
  functionsOf,
  literalOf,
  type Piece,
  splitBy,
  wrappingOf,
} from "../condition.ts"
import { type Facts, loopsOf, rowsOf, text, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { startsOpen } from "./pattern.ts"

/** Why no plain index can serve a filter, or "plain" where one could. */
export interface FilterReading {
  readonly kind: "plain" | "function_on_column" | "implicit_cast" | "leading_wildcard_like" | "or_across_columns"
  /** Columns it is about. */
  readonly columns: readonly string[]
  /** The type that a column is cast to. */
  readonly type: string | null
}

/** Types of a relation's columns by their bare name, where the catalog is known. */
type Types = ReadonlyMap<string, string> | null

/** Reads a scan's filter for what keeps an index from serving it; the most telling conjunct wins. Null where no index could decide any of it. */
export function readFilter(node: PlanNode, facts: Facts): FilterReading | null {
  const types = typesOf(node, facts)
  const all = conjunctsOf(text(node, "Filter") ?? "")
  const conjuncts = all.filter((conjunct) => !asksSubPlan(conjunct))
  // What cannot be read may hold anything; what was read and names no column (random() < 0.1) is decided by no index.
  if (all.length > 0 && conjuncts.every((conjunct) => columnsOf(conjunct).length === 0)) return null
  const readings = conjuncts.map((conjunct) => readConjunct(conjunct, types)).filter((reading) => reading !== null)
  return mostTelling(readings) ?? plain(readings.flatMap((reading) => reading.columns))
}

/**
 * Rows that a node's filter threw away and an index could have spared. Of a filter that also asks a subquery for each row, those that the
 * other conditions threw away: they are asked first, so the subquery ran for the rest.
 */
export function removedByFilter(node: PlanNode): number {
  const removed = totalOf(node, "Rows Removed by Filter")
  const conjuncts = conjunctsOf(text(node, "Filter") ?? "")
  if (!conjuncts.some(asksSubPlan)) return removed
  if (conjuncts.every(asksSubPlan)) return 0
  const asked = node.children.filter((child) => child.relationship === "SubPlan" && !isHashedSubplan(child, node)).map(loopsOf)
  return asked.length === 0 ? 0 : Math.max(0, rowsOf(node) + removed - Math.max(...asked))
}

function asksSubPlan(conjunct: readonly Piece[]): boolean {
  return conjunct.some((piece) =>
    piece.kind === "group"
      ? asksSubPlan(piece.pieces)
      : piece.kind === "word" && (piece.text === "SubPlan" || piece.text === "AlternativeSubPlan"),
  )
}

function typesOf(node: PlanNode, facts: Facts): Types {
  const relation = relationIn(facts.context.catalog, node.relation)
  return relation === null ? null : new Map(relation.columns.map((column) => [column.name, column.type]))
}

const telling = ["leading_wildcard_like", "implicit_cast", "function_on_column", "or_across_columns"] as const

function mostTelling(readings: readonly FilterReading[]): FilterReading | null {
  for (const kind of telling) {
    const found = readings.find((reading) => reading.kind === kind)
    if (found !== undefined) return found
  }
  return null
}

function plain(columns: readonly string[]): FilterReading {
  return { kind: "plain", columns: [...new Set(columns)], type: null }
}

const matching = new Set(["~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*"])

function readConjunct(conjunct: readonly Piece[], types: Types): FilterReading | null {
  const alternatives = alternativesOf(conjunct)
  if (alternatives.length > 1) return readAlternatives(alternatives, types)
  const comparison = comparisonOf(conjunct)
  if (comparison === null) return readTest(conjunct, types)
  const left = wrappingOf(comparison.left)
  const right = wrappingOf(comparison.right)
  // A comparison of two columns of one table is a matter for neither.
  if ((left === null) === (right === null)) return null
  const used = (left ?? right)!
  const constant = left === null ? comparison.left : comparison.right
  const columns = namesOf(left === null ? comparison.right : comparison.left)
  if (matching.has(comparison.operator) && startsOpen(comparison.operator, literalOf(constant), isList(constant))) {
    return { kind: "leading_wildcard_like", columns, type: null }
  }
  return readWrapping(used.wrapping, columns, types)
}

/** A condition without a comparison: a column that is true, IS NULL, an operator of its own, or a function that answers yes or no. */
function readTest(conjunct: readonly Piece[], types: Types): FilterReading | null {
  const columns = namesOf(conjunct)
  if (columns.length === 0) return null
  const test = conjunct.findIndex((piece) => piece.kind === "word" && piece.text === "IS")
  const negated = conjunct[0]?.kind === "word" && conjunct[0].text === "NOT"
  const tested = wrappingOf(conjunct.slice(negated ? 1 : 0, test === -1 ? undefined : test))
  // Operators that are not known here may well be an index's.
  if (tested === null || (tested.wrapping.kind === "expression" && functionsOf(conjunct).length === 0)) return plain(columns)
  return readWrapping(tested.wrapping, columns, types)
}

function readWrapping(
  wrapping: NonNullable<ReturnType<typeof wrappingOf>>["wrapping"],
  columns: string[],
  types: Types,
): FilterReading {
  if (wrapping.kind === "cast" && !isHarmless(wrapping.type, columns[0], types)) {
    return { kind: "implicit_cast", columns, type: wrapping.type }
  }
  return wrapping.kind === "expression" ? { kind: "function_on_column", columns, type: null } : plain(columns)
}

/**
 * A cast that the planner looks through: varchar and text share their representation, so an index on the column still serves. Without
 * a catalog a column compared as text is taken to be one of these.
 */
function isHarmless(type: string, column: string | undefined, types: Types): boolean {
  if (type !== "text") return false
  const own = column === undefined ? undefined : types?.get(bareName(column))
  return own === undefined || /^(text|name|character varying(\(\d+\))?)$/.test(own)
}

/** Whether a value stands for several: `~~ ANY ('{…}'::text[])`. */
function isList(constant: readonly Piece[]): boolean {
  const first = constant[0]
  return first?.kind === "word" && (first.text === "ANY" || first.text === "ALL")
}

function readAlternatives(alternatives: readonly (readonly Piece[])[], types: Types): FilterReading | null {
  const arms = alternatives.map((arm) => splitBy(arm, "AND").flatMap((part) => readConjunct(part, types) ?? []))
  const perArm = alternatives.map((arm) => namesOf(arm))
  if (perArm.some((names) => names.length === 0)) return null
  // An arm that only a scan can answer makes a scan of the whole.
  const open = arms.find((arm) => arm.length > 0 && arm.every((reading) => reading.kind === "leading_wildcard_like"))
  if (open !== undefined) return open[0]!
  const columns = [...new Set(perArm.flat())]
  const differ = perArm.some((names) => !names.some((name) => perArm[0]!.includes(name)))
  if (differ) return { kind: "or_across_columns", columns, type: null }
  return mostTelling(arms.flat()) ?? plain(columns)
}

function namesOf(pieces: readonly Piece[]): string[] {
  return [...new Set(columnsOf(pieces).map((column) => column.name))]
}

/** Relations that a condition reads: the qualifiers of its columns. */
export function relationsOf(pieces: readonly Piece[]): string[] {
  return [...new Set(columnsOf(pieces).flatMap((column) => (column.qualifier === null ? [] : [column.qualifier])))]
}

/** A conjunct that joins two relations by OR: neither side can be looked up alone. */
export function orAcrossTables(condition: string): readonly string[] | null {
  for (const conjunct of conjunctsOf(condition)) {
    const arms = alternativesOf(conjunct)
    if (arms.length < 2) continue
    const relations = relationsOf(conjunct)
    if (relations.length >= 2) return relations
  }
  return null
}
