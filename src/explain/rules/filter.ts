import { alternativesOf, columnsOf, comparisonOf, conjunctsOf, literalOf, type Piece, wrappingOf } from "../condition.ts"

/** Why no plain index can serve a filter, or "plain" where one could. */
export interface FilterReading {
  readonly kind: "plain" | "function_on_column" | "implicit_cast" | "leading_wildcard_like" | "or_across_columns"
  /** Columns it is about. */
  readonly columns: readonly string[]
  /** The type that a column is cast to. */
  readonly type: string | null
}

const matching = new Set(["~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*"])

/** Casts that the planner looks through: varchar and text share their representation, so an index on the column still serves. */
const harmlessCasts = new Set(["text"])

/** Reads a scan's filter for what keeps an index from serving it; the most telling conjunct wins. */
export function readFilter(filter: string, conjuncts: readonly (readonly Piece[])[] = conjunctsOf(filter)): FilterReading {
  const readings = conjuncts.map(readConjunct).filter((reading) => reading !== null)
  const order = ["leading_wildcard_like", "implicit_cast", "function_on_column", "or_across_columns"] as const
  for (const kind of order) {
    const found = readings.find((reading) => reading.kind === kind)
    if (found !== undefined) return found
  }
  return { kind: "plain", columns: [...new Set(readings.flatMap((reading) => reading.columns))], type: null }
}

function readConjunct(conjunct: readonly Piece[]): FilterReading | null {
  const alternatives = alternativesOf(conjunct)
  if (alternatives.length > 1) return readAlternatives(alternatives)
  const comparison = comparisonOf(conjunct)
  if (comparison === null) {
    const columns = namesOf(conjunct)
    return columns.length === 0 ? null : { kind: "plain", columns, type: null }
  }
  const left = wrappingOf(comparison.left)
  const right = wrappingOf(comparison.right)
  // A comparison of two columns of one table is a matter for neither.
  if ((left === null) === (right === null)) return null
  const used = (left ?? right)!
  const constant = left === null ? comparison.left : comparison.right
  const columns = [...new Set(used.columns.map((column) => column.name))]
  if (matching.has(comparison.operator) && startsOpen(comparison.operator, literalOf(constant))) {
    return { kind: "leading_wildcard_like", columns, type: null }
  }
  if (used.wrapping.kind === "cast" && !harmlessCasts.has(used.wrapping.type)) {
    return { kind: "implicit_cast", columns, type: used.wrapping.type }
  }
  if (used.wrapping.kind === "expression") return { kind: "function_on_column", columns, type: null }
  return { kind: "plain", columns, type: null }
}

/** A pattern whose beginning is not fixed: no B-tree order helps. */
function startsOpen(operator: string, pattern: string | null): boolean {
  if (pattern === null) return false
  return operator.includes("~~") ? /^[%_]/.test(pattern) : !pattern.startsWith("^")
}

function readAlternatives(alternatives: readonly (readonly Piece[])[]): FilterReading | null {
  const perArm = alternatives.map((arm) => namesOf(arm))
  if (perArm.some((names) => names.length === 0)) return null
  const columns = [...new Set(perArm.flat())]
  const differ = perArm.some((names) => !names.some((name) => perArm[0]!.includes(name)))
  return differ ? { kind: "or_across_columns", columns, type: null } : { kind: "plain", columns, type: null }
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
