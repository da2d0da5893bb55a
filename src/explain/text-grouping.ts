type Fields = Record<string, unknown>

/**
 * Reads a key of an aggregate: one list of columns, or of grouping sets one line after another, which JSON keeps as "Grouping Sets".
 *
 * @returns false where the line is no key of an aggregate.
 */
export function readGroupingKey(record: Fields, name: string, columns: readonly string[]): boolean {
  if (record["Node Type"] !== "Aggregate") return false
  const key = columns.length === 1 && columns[0] === "()" ? [] : columns
  switch (name) {
    case "Hash Key":
      setsOf(record).push({ "Hash Keys": [key] })
      return true
    case "Sort Key":
      setsOf(record).push({ "Sort Key": key, "Group Keys": [] })
      return true
    case "Group Key": {
      if (record["Group Key"] === undefined && record["Grouping Sets"] === undefined && key.length > 0) {
        record["Group Key"] = key
        return true
      }
      const sets = setsOf(record)
      const last = sets.at(-1)?.["Group Keys"]
      if (Array.isArray(last)) last.push(key)
      else sets.push({ "Group Keys": [key] })
      return true
    }
    default:
      return false
  }
}

/** The grouping sets so far; what was taken for the only key is the first of them. */
function setsOf(record: Fields): Fields[] {
  const known = record["Grouping Sets"]
  if (Array.isArray(known)) return known
  const first = record["Group Key"]
  const sets = first === undefined ? [] : [{ "Group Keys": [first] }]
  delete record["Group Key"]
  record["Grouping Sets"] = sets
  return sets
}
