import { quoteIdentifier } from "../sql/index.ts"

/** How a statement's rows are divided: conditions, of which each part has one. */
export interface Division {
  readonly kind: "blocks" | "hash" | "range" | "custom"
  /** For people: "blocks of orders". */
  readonly label: string
  /** Placed in "selecto:part", with the numbers of the parameters bound to it. */
  readonly conditions: readonly ((parameter: (at: number) => string) => string)[]
}

/** Pieces of a table by the place of its rows. `alias` is the name the relation has in its block. */
export function byBlocks(alias: string, label: string): Division {
  const ctid = `${quoteIdentifier(alias)}.ctid`
  return {
    kind: "blocks",
    label,
    conditions: [
      (parameter) => `${ctid} >= ${parameter(0)}::tid AND ${ctid} < ${parameter(1)}::tid`,
      // Rows that an outer join made up have no place.
      () => `${ctid} IS NULL`,
    ],
  }
}

/** By pg_type.oid the hash functions of common types. Through a record, which any type can be part of, hashing takes several times as long. */
const hashFunctions: ReadonlyMap<number, string> = new Map([
  [20, "hashint8extended"],
  [21, "hashint2extended"],
  [23, "hashint4extended"],
  [25, "hashtextextended"],
  [1043, "hashtextextended"],
  [1700, "hash_numeric_extended"],
  [2950, "uuid_hash_extended"],
])

/**
 * By the hash of an expression, by the type's own hash function: what is equal to its type falls into one part. NULL is one value.
 * `typeId` is the base type's.
 */
export function byHash(expression: string, label: string, typeId: number): Division {
  const own = hashFunctions.get(typeId)
  const hash =
    own === undefined ? `hash_record_extended(ROW(${expression}), 0)` : `coalesce(pg_catalog.${own}((${expression}), 0), 0)`
  return {
    kind: "hash",
    label,
    conditions: [(parameter) => `(${hash} & 9223372036854775807) % ${parameter(0)}::bigint = ${parameter(1)}::bigint`],
  }
}

/** By ranges of an expression between cuts of its own type's order; NULL is a range of its own. */
export function byRange(expression: string, type: string, label: string): Division {
  const e = `(${expression})`
  return {
    kind: "range",
    label,
    conditions: [
      (parameter) => `${e} < ${parameter(0)}::${type}`,
      (parameter) => `${e} >= ${parameter(0)}::${type} AND ${e} < ${parameter(1)}::${type}`,
      (parameter) => `${e} >= ${parameter(0)}::${type}`,
      () => `${e} IS NULL`,
      () => `${e} IS NOT NULL`,
    ],
  }
}

/** By conditions of the caller's. Each part takes what no earlier one has, the last one what is left: whatever they are, no row is lost or read twice. */
export function byConditions(conditions: readonly string[], label: string): Division {
  const none = conditions.map((condition) => `(${condition}) IS NOT TRUE`)
  return {
    kind: "custom",
    label,
    conditions: [...conditions.map((condition) => `(${condition})`), "true"].map(
      (condition, at) => () => [condition, ...none.slice(0, at)].join(" AND "),
    ),
  }
}
