import type { Value } from "../../../sql/typing/index.ts"

/**
 * Two-valued formulas about rows: what three-valued conditions come down to once one says which truth value is meant. "x < 5 is TRUE" is
 * `x is not null and x < 5`; "x < 5 is not TRUE" is `x is null or x >= 5`.
 */
export type Formula = Junction | { readonly kind: "fixed"; readonly value: boolean } | Literal

export interface Junction {
  readonly kind: "and" | "or"
  readonly parts: readonly Formula[]
}

export type Literal =
  | { readonly kind: "null"; readonly term: Term; readonly is: boolean }
  /** Both sides known not to be NULL. */
  | { readonly kind: "order"; readonly left: Term; readonly operator: Comparator; readonly right: Term | Value }
  /** The term, not NULL, is one of these or none of them. */
  | { readonly kind: "among"; readonly term: Term; readonly values: readonly Value[]; readonly is: boolean }

export type Comparator = "=" | "<>" | "<" | "<=" | ">" | ">="

/** Something with a value in each row: a column, or an expression that is not looked into. */
export interface Term {
  readonly key: string
  readonly domain: string
  /** Distance between neighbouring values; null where there is none. */
  readonly step: bigint | null
  /** A LIKE that this boolean term is. */
  readonly like: { readonly subject: string; readonly pattern: string } | null
}

export const always: Formula = { kind: "fixed", value: true }
export const never: Formula = { kind: "fixed", value: false }

export function isTerm(side: Term | Value): side is Term {
  return "step" in side
}

export function all(parts: readonly Formula[]): Formula {
  return joined("and", parts)
}

export function some(parts: readonly Formula[]): Formula {
  return joined("or", parts)
}

function joined(kind: "and" | "or", parts: readonly Formula[]): Formula {
  const neutral = kind === "and"
  const flat = parts.flatMap((part) => (part.kind === kind ? part.parts : [part]))
  if (flat.some((part) => part.kind === "fixed" && part.value !== neutral)) return neutral ? never : always
  const left = flat.filter((part) => part.kind !== "fixed")
  return left.length === 1 ? left[0]! : left.length === 0 ? (neutral ? always : never) : { kind, parts: left }
}

const opposites: Readonly<Record<Comparator, Comparator>> = { "=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">" }
const turned: Readonly<Record<Comparator, Comparator>> = { "=": "=", "<>": "<>", "<": ">", ">=": "<=", ">": "<", "<=": ">=" }

/** The comparison that holds exactly when the other does not, NULLs apart. */
export function opposite(operator: Comparator): Comparator {
  return opposites[operator]
}

/** The comparison for exchanged sides. */
export function turn(operator: Comparator): Comparator {
  return turned[operator]
}
