import { readGroupingKey } from "./text-grouping.ts"

/** The fields of a node that is being read, and whether the lines that follow belong to one of its workers. */
export interface Fields {
  readonly record: Record<string, unknown>
  worker: Record<string, unknown> | null
  /** Column of the worker's line: what stands further in is the worker's. */
  workerColumn: number
  /** The section on compiling that is being read, and its column. */
  jit: { readonly record: Record<string, unknown>; readonly column: number } | null
}

/** A node's fields. Without a prototype, so that a field of any name is only a field. */
export function fieldsOf(initial: Record<string, unknown>): Fields {
  return {
    record: Object.assign(Object.create(null) as Record<string, unknown>, initial),
    worker: null,
    workerColumn: -1,
    jit: null,
  }
}

/** "Name: value" taken apart at its first colon. By hand: a pattern would go over leading blanks again and again. */
function taken(line: string): { readonly column: number; readonly name: string; readonly value: string } | null {
  const trimmed = line.trimStart()
  const colon = trimmed.indexOf(":")
  if (colon <= 0) return null
  return { column: line.length - trimmed.length, name: trimmed.slice(0, colon).trim(), value: trimmed.slice(colon + 1).trim() }
}

const workerLine = /^(\s*)Worker (\d+):\s+(.*)$/
const workerActual = /^actual (?:time=([\d.]+)\.\.([\d.]+) )?rows=([\d.]+) loops=(\d+)/

/** Reads a line below a node's own into its fields; what is not known is kept under its own name. */
export function readDetail(fields: Fields, line: string): void {
  const worker = workerLine.exec(line)
  if (worker !== null) {
    readWorker(fields, Number(worker[2]), worker[3]!)
    fields.workerColumn = worker[1]!.length
    return
  }
  const match = taken(line)
  if (match === null) return
  const inWorker = fields.worker !== null && match.column > fields.workerColumn
  if (!inWorker) fields.worker = null
  const record = inWorker ? fields.worker! : fields.record
  if (fields.jit !== null && match.column > fields.jit.column) {
    readJitLine(fields.jit.record, match.name, match.value)
    return
  }
  fields.jit = match.name === "JIT" && match.value === "" ? { record: {}, column: match.column } : null
  if (fields.jit === null) readField(record, match.name, match.value)
  else record.JIT = fields.jit.record
}

function readWorker(fields: Fields, number: number, text: string): void {
  const known = fields.record.Workers
  const workers: Record<string, unknown>[] = Array.isArray(known) ? known : []
  fields.record.Workers = workers
  let worker = workers.find((one) => one["Worker Number"] === number)
  if (worker === undefined) {
    worker = Object.assign(Object.create(null) as Record<string, unknown>, { "Worker Number": number })
    workers.push(worker)
  }
  fields.worker = worker
  const measured = workerActual.exec(text)
  if (measured !== null) {
    if (measured[1] !== undefined) {
      worker["Actual Startup Time"] = Number(measured[1])
      worker["Actual Total Time"] = Number(measured[2])
    }
    worker["Actual Rows"] = Number(measured[3])
    worker["Actual Loops"] = Number(measured[4])
    return
  }
  const match = taken(text)
  if (match !== null) readField(worker, match.name, match.value)
}

/** Lines that hold several figures: "Name: value  Name: value". */
const pairs = /([A-Z][\w-]*(?: [\w-]+)*): +(?:([\d.]+)(kB)?(?: \(originally ([\d.]+)\))?|([a-zA-Z][\w-]*(?: [\w-]+)*))/g

function readField(record: Record<string, unknown>, name: string, value: string): void {
  switch (name) {
    case "Buffers":
      readBuffers(record, value)
      return
    case "I/O Timings":
      readTimings(record, value)
      return
    case "WAL":
      for (const [, key, count] of value.matchAll(/(records|fpi|bytes|buffers full)=(\d+)/g))
        record[walNames[key!]!] = Number(count)
      return
    case "Tuples":
      for (const [, key, count] of value.matchAll(/(inserted|updated|deleted|skipped)=(\d+)/g))
        record[`Tuples ${key![0]!.toUpperCase()}${key!.slice(1)}`] = Number(count)
      return
    case "Heap Blocks":
      for (const [, key, count] of value.matchAll(/(exact|lossy)=(\d+)/g))
        record[key === "exact" ? "Exact Heap Blocks" : "Lossy Heap Blocks"] = Number(count)
      return
    case "Sort Method":
      readSort(record, value)
      return
    case "Full-sort Groups":
    case "Pre-sorted Groups":
      record[name] = readGroups(value)
      return
    case "Buckets":
    case "Batches":
    case "Planned Partitions":
    case "Hits":
    case "Storage":
      readPairs(record, `${name}: ${value}`)
      return
    case "Sort Key":
    case "Presorted Key":
    case "Output":
    case "Group Key":
    case "Hash Key":
    case "Params Evaluated":
    case "Conflict Arbiter Indexes": {
      const list = splitList(value)
      if (readGroupingKey(record, name, list)) return
      const earlier = record[name]
      record[name] = Array.isArray(earlier) ? [...earlier, ...list] : list
      return
    }
    case "Sampling":
      readSampling(record, value)
      return
    default:
      record[name] = isExpression.test(name) ? value : readValue(value)
  }
}

/** Fields that are text even where they say "false" or 5. */
const isExpression = /^(?!Rows Removed)(.* )?(Filter|Cond)$/

function readSampling(record: Record<string, unknown>, value: string): void {
  const match = /^(\S+) \((.*?)\)(?: REPEATABLE \((.*)\))?$/.exec(value)
  if (match === null) {
    record.Sampling = value
    return
  }
  record["Sampling Method"] = match[1]
  record["Sampling Parameters"] = splitList(match[2]!)
  if (match[3] !== undefined) record["Repeatable Seed"] = match[3]
}

/** "Name: 12" and the like; true and false; everything else stays text. */
function readValue(value: string): unknown {
  if (/^-?\d{1,15}(\.\d+)?$/.test(value)) return Number(value)
  return value === "true" || value === "false" ? value === "true" : value
}

const walNames: Record<string, string> = {
  records: "WAL Records",
  fpi: "WAL FPI",
  bytes: "WAL Bytes",
  "buffers full": "WAL Buffers Full",
}

const kinds = ["Shared", "Local", "Temp"]
const acts: Record<string, string> = { hit: "Hit", read: "Read", dirtied: "Dirtied", written: "Written" }

function readBuffers(record: Record<string, unknown>, value: string): void {
  // What is not printed is nought.
  for (const kind of kinds)
    for (const act of Object.values(acts))
      if (kind !== "Temp" || act === "Read" || act === "Written") record[`${kind} ${act} Blocks`] = 0
  let kind = "Shared"
  for (const [, called, act, count] of value.matchAll(/(?:(shared|local|temp) )?(hit|read|dirtied|written)=(\d+)/g)) {
    if (called !== undefined) kind = called[0]!.toUpperCase() + called.slice(1)
    record[`${kind} ${acts[act!]} Blocks`] = Number(count)
  }
}

function readTimings(record: Record<string, unknown>, value: string): void {
  let prefix = ""
  for (const [, called, act, ms] of value.matchAll(/(?:(shared\/local|shared|local|temp) )?(read|write)=([\d.]+)/g)) {
    if (called !== undefined) prefix = called === "shared/local" ? "" : `${called[0]!.toUpperCase()}${called.slice(1)} `
    record[`${prefix}I/O ${act === "read" ? "Read" : "Write"} Time`] = Number(ms)
  }
}

function readSort(record: Record<string, unknown>, value: string): void {
  const match = /^(.*?)\s+(Memory|Disk): (\d+)kB/.exec(value)
  record["Sort Method"] = match === null ? value : match[1]
  if (match === null) return
  record["Sort Space Type"] = match[2]
  record["Sort Space Used"] = Number(match[3])
}

function readGroups(value: string): Record<string, unknown> {
  const groups: Record<string, unknown> = { "Group Count": Number.parseInt(value, 10) }
  const methods = /Sort Methods?: (.*?)(?: {2}|$)/.exec(value)
  if (methods !== null) groups["Sort Methods Used"] = methods[1]!.split(", ")
  for (const [, kind, average, peak] of value.matchAll(/Average (Memory|Disk): (\d+)kB\s+Peak \w+: (\d+)kB/g)) {
    groups[`Sort Space ${kind}`] = { "Average Sort Space Used": Number(average), "Peak Sort Space Used": Number(peak) }
  }
  return groups
}

function readPairs(record: Record<string, unknown>, text: string): void {
  const kind = text.startsWith("Buckets")
    ? "Hash"
    : text.startsWith("Hits")
      ? "Cache"
      : text.startsWith("Storage")
        ? ""
        : "HashAgg"
  for (const [, name, number, , originally, word] of text.matchAll(pairs)) {
    const field = pairName(name!, kind)
    record[field] = number === undefined ? word : Number(number)
    if (originally !== undefined) record[`Original ${field}`] = Number(originally)
    else if (kind === "Hash" && number !== undefined && name !== "Memory Usage") record[`Original ${field}`] = Number(number)
  }
}

function pairName(name: string, kind: string): string {
  if (name === "Memory Usage") return "Peak Memory Usage"
  if (name === "Buckets") return "Hash Buckets"
  if (name === "Batches") return kind === "Hash" ? "Hash Batches" : "HashAgg Batches"
  return kind === "Cache" && ["Hits", "Misses", "Evictions", "Overflows"].includes(name) ? `Cache ${name}` : name
}

/** Parts between commas that stand outside quotes and brackets. */
export function splitList(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quote = ""
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!
    if (quote !== "") {
      if (letter === quote) quote = ""
    } else if (letter === "'" || letter === '"') quote = letter
    else if (letter === "(" || letter === "[") depth++
    else if (letter === ")" || letter === "]") depth--
    else if (letter === "," && depth === 0) {
      parts.push(text.slice(from, at).trim())
      from = at + 1
    }
  }
  parts.push(text.slice(from).trim())
  return parts.filter((part) => part !== "")
}

/** A line of a JIT section, the statement's or a worker's. */
export function readJitLine(jit: Record<string, unknown>, name: string, value: string): void {
  if (name === "Functions") jit.Functions = Number.parseInt(value, 10)
  else if (name === "Options")
    jit.Options = Object.fromEntries(
      value.split(/,\s*/).map((option) => [option.replace(/ (true|false)$/, ""), option.endsWith("true")]),
    )
  else if (name === "Timing")
    jit.Timing = Object.fromEntries([...value.matchAll(/([A-Z]\w+) ([\d.]+) ms/g)].map(([, part, time]) => [part, Number(time)]))
}
