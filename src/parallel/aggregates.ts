import type { AggregatePiece } from "../sql/index.ts"

/** How values of one partial column are put together, where the process does it: exactly, or not at all. */
export type Combine = "integer" | "decimal" | "least" | "greatest" | "and" | "or" | null

/** One column that the parts compute for an aggregate. */
export interface Partial {
  /** SQL over the part's rows. */
  readonly sql: string
  readonly combine: Combine
}

/** An aggregate in two steps: columns that each part computes, and SQL that makes the result of them. */
export interface Decomposition {
  readonly partials: readonly Partial[]
  /** The result over all parts, from the names of the partial columns; of the same type as the aggregate. */
  readonly merge: (columns: readonly string[]) => string
}

/** pg_type.oid of what is told apart. */
const smallint = 21
const integer = 23
const bigint = 20
const numeric = 1700
const real = 700
const double = 701
const interval = 1186
const exactNumbers = new Set([smallint, integer, bigint, numeric])
const floats = new Set([real, double])

/**
 * Takes an aggregate of PostgreSQL's own apart so that the result is the same to the last digit - for floats up to the order of
 * addition, which PostgreSQL does not promise either. `typeId` is the argument's base type. A string says why it cannot be done.
 *
 * With DISTINCT it holds where every value occurs in one part only.
 */
export function decompose(call: AggregatePiece, typeId: number): Decomposition | string {
  if (call.special) return `${call.name}() with ORDER BY or WITHIN GROUP needs its rows in one place`
  const [argument] = call.args
  const filter = call.filter === null ? "" : ` FILTER (WHERE ${call.filter})`
  const over = (name: string, sql: string): string => `${name}(${call.distinct ? "DISTINCT " : ""}${sql})${filter}`
  switch (call.name) {
    case "count":
      return { partials: [{ sql: call.text, combine: "integer" }], merge: ([n]) => `coalesce(sum(${n}), 0)::bigint` }
    case "sum": {
      const small = typeId === smallint || typeId === integer
      return {
        partials: [{ sql: call.text, combine: small ? "integer" : exactNumbers.has(typeId) ? "decimal" : null }],
        merge: ([s]) => (small ? `sum(${s})::bigint` : `sum(${s})`),
      }
    }
    case "avg": {
      const exact = exactNumbers.has(typeId)
      if (!exact && !floats.has(typeId) && typeId !== interval) return "avg() of this type cannot be taken apart"
      const sum = floats.has(typeId) ? `(${argument})::double precision` : argument!
      const small = typeId === smallint || typeId === integer
      return {
        partials: [
          { sql: over("sum", sum), combine: small ? "integer" : exact ? "decimal" : null },
          { sql: over("count", argument!), combine: "integer" },
        ],
        // numeric / numeric picks its scale as avg() does; intervals are divided by a double, as in interval_avg.
        merge: ([s, n]) =>
          `sum(${s})${exact ? "::numeric" : ""} / nullif(sum(${n}), 0)::${exact ? "numeric" : "double precision"}`,
      }
    }
    case "min":
      return { partials: [{ sql: call.text, combine: isInteger(typeId) ? "least" : null }], merge: ([v]) => `min(${v})` }
    case "max":
      return { partials: [{ sql: call.text, combine: isInteger(typeId) ? "greatest" : null }], merge: ([v]) => `max(${v})` }
    case "bool_and":
    case "every":
      return { partials: [{ sql: call.text, combine: "and" }], merge: ([v]) => `bool_and(${v})` }
    case "bool_or":
      return { partials: [{ sql: call.text, combine: "or" }], merge: ([v]) => `bool_or(${v})` }
    case "bit_and":
    case "bit_or":
      return { partials: [{ sql: call.text, combine: null }], merge: ([v]) => `${call.name}(${v})` }
    case "variance":
    case "var_samp":
    case "var_pop":
    case "stddev":
    case "stddev_samp":
    case "stddev_pop":
      if (!exactNumbers.has(typeId)) return `${call.name}() of a float depends on the order of its rows`
      return {
        partials: [
          { sql: over("count", argument!), combine: "integer" },
          { sql: over("sum", `(${argument})::numeric`), combine: "decimal" },
          { sql: over("sum", `(${argument})::numeric * (${argument})::numeric`), combine: "decimal" },
        ],
        merge: ([n, s, q]) => spread(call.name, `sum(${n})`, `sum(${s})`, `sum(${q})`),
      }
    default:
      return `${call.name}() cannot be taken apart`
  }
}

function isInteger(typeId: number): boolean {
  return typeId === smallint || typeId === integer || typeId === bigint
}

/**
 * Variance and deviation as numeric_stddev_internal computes them (PostgreSQL, numeric.c): (N sum(x^2) - sum(x)^2) over N (N - 1),
 * divided with the scale that numeric division picks. The root of it has the same scale there, while sqrt() may pick a longer one: its
 * result is rounded, and put right where rounding twice would have rounded up what lies below the half.
 */
function spread(name: string, n: string, s: string, q: string): string {
  const sample = !name.endsWith("_pop")
  const spreadOf = `${n} * ${q} - ${s} * ${s}`
  const divisor = sample ? `nullif(${n} * (${n} - 1), 0)` : `nullif(${n} * ${n}, 0)`
  const variance = `CASE WHEN ${spreadOf} <= 0 AND ${divisor} > 0 THEN 0 ELSE (${spreadOf}) / ${divisor} END`
  if (name.startsWith("var")) return `(${variance})`
  return `(SELECT CASE WHEN v.v IS NULL OR v.v = 0 OR v.v = 'NaN' THEN v.v
    WHEN (r.r - h.h) * (r.r - h.h) > v.v THEN round(r.r - 2 * h.h, scale(v.v)) ELSE r.r END
    FROM (SELECT ${variance} AS v) AS v,
    LATERAL (SELECT round(sqrt(nullif(v.v, 'NaN')), scale(v.v)) AS r) AS r, LATERAL (SELECT ('5e-' || scale(v.v) + 1)::numeric AS h) AS h)`
}
