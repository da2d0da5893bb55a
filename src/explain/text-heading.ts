import { type Fields, fieldsOf } from "./text-detail.ts"

const cost = /\(cost=(-?[\d.]+)\.\.(-?[\d.]+) rows=(\d+) width=(\d+)\)/
const actual = /\(actual (?:time=([\d.]+)\.\.([\d.]+) )?rows=([\d.]+) loops=(\d+)\)/

/** The fields that a node's own line gives, named as FORMAT JSON names them. */
export function nodeOfHeading(heading: string): Fields {
  const brackets = /\s*\((?:cost=|actual |never executed)/.exec(heading)
  const fields = fieldsOf({ ...nameOf((brackets === null ? heading : heading.slice(0, brackets.index)).trim()) })
  const { record } = fields
  const priced = cost.exec(heading)
  if (priced !== null) {
    record["Startup Cost"] = Number(priced[1])
    record["Total Cost"] = Number(priced[2])
    record["Plan Rows"] = Number(priced[3])
    record["Plan Width"] = Number(priced[4])
  }
  const measured = actual.exec(heading)
  if (measured !== null) {
    if (measured[1] !== undefined) {
      record["Actual Startup Time"] = Number(measured[1])
      record["Actual Total Time"] = Number(measured[2])
    }
    record["Actual Rows"] = Number(measured[3])
    record["Actual Loops"] = Number(measured[4])
  } else if (heading.includes("(never executed)")) {
    record["Actual Startup Time"] = 0
    record["Actual Total Time"] = 0
    record["Actual Rows"] = 0
    record["Actual Loops"] = 0
  }
  return fields
}

const name = '(?:"(?:[^"]|"")*"|[^\\s".()]+)'
const target = new RegExp(`^(?:(${name})\\.)?(${name})(?:\\s+(${name}))?$`)

function nameOf(text: string): Record<string, unknown> {
  let rest = text
  const record: Record<string, unknown> = { "Node Type": rest }
  const take = (word: string): boolean => {
    if (!rest.startsWith(`${word} `)) return false
    rest = rest.slice(word.length + 1)
    return true
  }
  if (take("Async")) record["Async Capable"] = true
  // Parallel Append, Parallel Hash, Parallel Seq Scan: the same node, aware of its siblings in other processes.
  const partial = take("Partial") ? "Partial" : take("Finalize") ? "Finalize" : null
  record["Parallel Aware"] = take("Parallel")
  const change = /^(Foreign )?(Insert|Update|Delete|Merge) on (.*)$/.exec(rest)
  if (change !== null) {
    record["Node Type"] = change[1] === undefined ? "ModifyTable" : "Foreign Scan"
    record.Operation = change[2]
    return { ...record, ...targetOf(change[3]!) }
  }
  const index = new RegExp(`^(Index Scan|Index Only Scan)( Backward)? using (${name}) on (.*)$`).exec(rest)
  if (index !== null) {
    record["Node Type"] = index[1]
    record["Scan Direction"] = index[2] === undefined ? "Forward" : "Backward"
    record["Index Name"] = unquote(index[3]!)
    return { ...record, ...targetOf(index[4]!) }
  }
  const bitmap = new RegExp(`^Bitmap Index Scan on (${name})$`).exec(rest)
  if (bitmap !== null) return { ...record, "Node Type": "Bitmap Index Scan", "Index Name": unquote(bitmap[1]!) }
  const custom = /^Custom Scan \((.*?)\)(?: on (.*))?$/.exec(rest)
  if (custom !== null) {
    return {
      ...record,
      "Node Type": "Custom Scan",
      "Custom Plan Provider": custom[1],
      ...(custom[2] === undefined ? {} : targetOf(custom[2])),
    }
  }
  const scan = /^(.* Scan) on (.*)$/.exec(rest)
  if (scan !== null) {
    record["Node Type"] = scan[1]
    return { ...record, ...scanTarget(scan[1]!, scan[2]!) }
  }
  const join =
    /^(Nested Loop|Hash|Merge)(?: (Left|Right|Full|Semi|Anti|Right Anti|Right Semi))?(?: Join)$/.exec(rest) ??
    /^(Nested Loop)$/.exec(rest)
  if (join !== null) {
    record["Node Type"] = join[1] === "Nested Loop" ? join[1] : `${join[1]} Join`
    record["Join Type"] = join[2] ?? "Inner"
    return record
  }
  const aggregate = /^(Aggregate|GroupAggregate|HashAggregate|MixedAggregate)$/.exec(rest)
  if (aggregate !== null) {
    record["Node Type"] = "Aggregate"
    record.Strategy = { Aggregate: "Plain", GroupAggregate: "Sorted", HashAggregate: "Hashed", MixedAggregate: "Mixed" }[
      aggregate[1]!
    ]
    record["Partial Mode"] = partial ?? "Simple"
    return record
  }
  const operation = /^(SetOp|HashSetOp) (.*)$/.exec(rest)
  if (operation !== null) {
    return { ...record, "Node Type": "SetOp", Strategy: operation[1] === "SetOp" ? "Sorted" : "Hashed", Command: operation[2] }
  }
  if (partial !== null) record["Partial Mode"] = partial
  if (rest.startsWith("Distributed Subplan")) rest = "Distributed Subplan"
  record["Node Type"] = rest === "" ? "Unknown" : rest
  return record
}

function scanTarget(type: string, text: string): Record<string, unknown> {
  const found = targetOf(text)
  const called = found["Relation Name"]
  if (called === undefined) return found
  const { "Relation Name": _relation, Schema: schema, Alias: alias, ...rest } = found
  const where = schema === undefined ? {} : { Schema: schema }
  if (type === "CTE Scan" || type === "WorkTable Scan") return { ...rest, "CTE Name": called, Alias: alias }
  if (type === "Function Scan") return { ...rest, ...where, "Function Name": called, Alias: alias }
  if (type === "Table Function Scan") return { ...rest, "Table Function Name": called, Alias: alias }
  if (type === "Named Tuplestore Scan") return { ...rest, "Tuplestore Name": called, Alias: alias }
  if (type === "Values Scan" || type === "Subquery Scan") return { ...rest, Alias: alias }
  return found
}

function targetOf(text: string): Record<string, unknown> {
  const match = target.exec(text.trim())
  if (match === null) return { Alias: text.trim() }
  const called = unquote(match[2]!)
  return {
    "Relation Name": called,
    ...(match[1] === undefined ? {} : { Schema: unquote(match[1]) }),
    Alias: match[3] === undefined ? called : unquote(match[3]),
  }
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text
}
