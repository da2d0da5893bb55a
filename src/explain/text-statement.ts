import { readJitLine, splitList } from "./text-detail.ts"

/** What stands below the nodes, gathered as entries of the document. */
export interface StatementReading {
  readonly fields: [string, unknown][]
  /** "JIT" or "Planning" while their indented lines follow. */
  section: "JIT" | "Planning" | null
}

/** Reads a line that concerns the whole statement; false where it is none. */
export function readStatementLine(reading: StatementReading, line: string): boolean {
  const colon = line.indexOf(":")
  if (colon <= 0) return false
  const name = line.slice(0, colon).trim()
  const value = line.slice(colon + 1).trim()
  const put = (field: string, content: unknown): void => {
    reading.fields.push([field, content])
  }
  switch (name.toLowerCase()) {
    case "planning time":
      put("Planning Time", milliseconds(value))
      return true
    case "execution time":
    case "total runtime":
      put("Execution Time", milliseconds(value))
      return true
    case "planning":
      reading.section = "Planning"
      return true
    case "jit":
      reading.section = "JIT"
      return true
    case "settings":
      put("Settings", Object.fromEntries(splitList(value).map(setting)))
      return true
    case "query identifier":
      put("Query Identifier", value)
      return true
    case "serialization":
      put("Serialization", serialization(value))
      return true
  }
  if (name.startsWith("Trigger ")) {
    addTrigger(reading, name, value)
    return true
  }
  if (reading.section === "JIT" && (name === "Functions" || name === "Options" || name === "Timing")) {
    addJit(reading, name, value)
    return true
  }
  // Buffers and memory of planning or serialization, and whatever later versions add.
  return reading.section !== null || /^(Buffers|I\/O Timings|Memory)$/.test(name)
}

function milliseconds(value: string): number {
  return Number.parseFloat(value)
}

function setting(text: string): [string, string] {
  const at = text.indexOf("=")
  return [
    text.slice(0, at).trim(),
    text
      .slice(at + 1)
      .trim()
      .replace(/^'(.*)'$/, "$1")
      .replaceAll("''", "'"),
  ]
}

function serialization(value: string): Record<string, unknown> {
  const time = /time=([\d.]+)/.exec(value)
  const output = /output=(\d+)kB/.exec(value)
  const format = /format=(\w+)/.exec(value)
  return {
    ...(time === null ? {} : { Time: Number(time[1]) }),
    ...(output === null ? {} : { "Output Volume": Number(output[1]) }),
    ...(format === null ? {} : { Format: format[1] }),
  }
}

function addTrigger(reading: StatementReading, name: string, value: string): void {
  const constraint = /\bfor constraint (\S+)/.exec(name)?.[1]
  const relation = / on (\S+)$/.exec(name)?.[1]
  const own = name.slice("Trigger ".length).replace(/ ?\bfor constraint .*$| on \S+$/, "")
  const time = /time=([\d.]+)/.exec(value)
  const calls = /calls=(\d+)/.exec(value)
  const trigger = {
    "Trigger Name": own || constraint || name,
    ...(constraint === undefined ? {} : { "Constraint Name": constraint }),
    ...(relation === undefined ? {} : { Relation: relation }),
    ...(time === null ? {} : { Time: Number(time[1]) }),
    Calls: calls === null ? 0 : Number(calls[1]),
  }
  const existing = reading.fields.find(([field]) => field === "Triggers")
  if (existing === undefined) reading.fields.push(["Triggers", [trigger]])
  else (existing[1] as unknown[]).push(trigger)
}

function addJit(reading: StatementReading, name: string, value: string): void {
  const existing = reading.fields.find(([field]) => field === "JIT")
  const jit = (existing?.[1] ?? {}) as Record<string, unknown>
  if (existing === undefined) reading.fields.push(["JIT", jit])
  readJitLine(jit, name, value)
}
