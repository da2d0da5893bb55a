import type { Restriction } from "./access.ts"
import { columnOf } from "./catalog.ts"
import type { Candidate } from "./draft.ts"
import type { AdvisedStatement } from "./workload.ts"

/** SQLSTATE of an index expression that is not immutable. */
const notImmutable = "42P17"

/** What to write instead, where a statement is written so that no index can serve it; null where it is not. */
export function rewriteFor(
  statement: AdvisedStatement,
  refusedOwn: readonly Candidate[],
  refused: ReadonlyMap<string, string>,
): string | null {
  for (const access of statement.accesses) {
    for (const restriction of access.restrictions) {
      const mutable = refusedOwn.some(
        (candidate) =>
          refused.get(candidate.id) === notImmutable && candidate.draft.keys.some((key) => key.text === restriction.text),
      )
      if (mutable) return mutableRewrite(restriction)
      if (restriction.operator.startsWith("value =")) {
        return `\`value = ANY (${restriction.text})\` cannot use an index: write \`${restriction.text} @> ARRAY[value]\`, which a GIN index serves.`
      }
      const pattern = restriction.operator === "~~" || restriction.operator === "~~*"
      const trigram = refusedOwn.some((candidate) => candidate.keys.some((key) => key.includes("trgm_ops")))
      if (pattern && trigram && restriction.column !== null) {
        return `A pattern that does not begin with fixed text needs a trigram index on ${restriction.text}: CREATE EXTENSION pg_trgm, then ask again.`
      }
    }
  }
  return arithmetic(statement)
}

function mutableRewrite(restriction: Restriction): string {
  const { expression, text, columns } = restriction
  const column = columns[0] ?? "the column"
  const toDate =
    (expression.kind === "call" &&
      (expression.name === "date" || expression.name === "date_trunc" || expression.name === "to_char")) ||
    (expression.kind === "cast" && expression.type === "date") ||
    (expression.kind === "call" && (expression.name === "extract" || expression.name === "date_part"))
  if (toDate) {
    return `${text} depends on the time zone setting and cannot be indexed: compare the column itself with a range, \`${column} >= start AND ${column} < end\`.`
  }
  return `${text} is not immutable and cannot be indexed: compare ${column} itself, or call an immutable function.`
}

/** `price * 2 > 10`: the column must stand alone for an index on it. */
function arithmetic(statement: AdvisedStatement): string | null {
  for (const access of statement.accesses) {
    for (const { expression, column, columns, text } of access.restrictions) {
      if (column !== null || expression.kind !== "operator" || columns.length !== 1) continue
      const plain = columnOf(access.table, columns[0]!)
      if (plain !== null && ["+", "-", "*", "/"].includes(expression.name) && plain.category !== "A") {
        return `${text} hides the column ${columns[0]} from indexes: move the arithmetic to the other side of the comparison.`
      }
    }
  }
  return null
}
